package gradus.layers;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.eager.Eager;
import gradus.graph.Fuse;
import gradus.graph.Graph;
import gradus.op.Value;
import gradus.plan.Parameters;
import gradus.plan.Plan;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model in inference mode on one backend. Plans are made per batch size when they are first needed and kept; new
 * weights of the model are noticed. Safe for use by several threads, one at a time.
 *
 * @param <B> memory of the backend
 */
public final class Predictor<B> {
    /** Samples computed together; a larger batch is cut into parts of this size. */
    public static final int BATCH = 32;

    private static Backend<?> float64;

    private final Model model;
    private final Parameters<B> parameters;
    private final Map<Integer, Plan<B>> plans = new LinkedHashMap<>();
    private long version = -1;

    public Predictor(Model model, Backend<B> backend) {
        this.model = model;
        this.parameters = new Parameters<>(backend);
    }

    public static <B> Predictor<B> of(Model model, Backend<B> backend) {
        return new Predictor<>(model, backend);
    }

    Backend<B> backend() {
        return parameters.backend();
    }

    /** The type in which predictions are computed. */
    public DType dtype() {
        return dtype(parameters.backend());
    }

    /** The type of a backend's numbers. */
    static <B> DType dtype(Backend<B> backend) {
        synchronized (backend) {
            return backend.read(backend.allocate(1), Shape.SCALAR).dtype();
        }
    }

    /** The backend on which models predict when none is named: one for all, because a backend has threads. */
    static synchronized Backend<?> sharedBackend(DType dtype) {
        if (dtype == DType.F32) {
            return Eager.shared().backend();
        }
        if (float64 == null) {
            float64 = Backends.open("auto", new Options(0, Precision.FLOAT64));
        }
        return float64;
    }

    /**
     * Bytes that predicting with this batch size holds, weights included; known before the first prediction. The model's own
     * weights are counted as far as they are in memory.
     */
    public synchronized long peakBytes(int batch) {
        return model.weights().values().stream().mapToLong(Tensor::bytes).sum()
                + plan(batch).peakBytes();
    }

    public Tensor predict(Tensor x) {
        return predict(List.of(x)).get(0);
    }

    /** One tensor per input of the model, batch axis first; one per output comes back. */
    public synchronized List<Tensor> predict(List<Tensor> x) {
        int n = check(x);
        if (version != model.version()) {
            Map<String, Tensor> weights = model.weights(); // made now if they were not
            version = model.version();
            parameters.setAll(weights);
        }
        var parts = new ArrayList<List<Tensor>>();
        for (int from = 0; from < n || parts.isEmpty(); from += BATCH) {
            parts.add(part(x, from, Math.min(n, from + BATCH)));
        }
        var results = new ArrayList<Tensor>();
        for (int i = 0; i < model.outputs().size(); i++) {
            int output = i;
            results.add(Tensor.joined(parts.stream().map(p -> p.get(output)).toList()));
        }
        return results;
    }

    private int check(List<Tensor> x) {
        if (x.size() != model.inputShapes().size()) {
            throw new ShapeException(
                    "model '" + model.name() + "' takes " + model.inputShapes().size() + " inputs, not " + x.size());
        }
        int n = -1;
        for (int i = 0; i < x.size(); i++) {
            Shape shape = x.get(i).shape();
            model.checkBatch(i, shape);
            if (n >= 0 && n != shape.dim(0)) {
                throw new ShapeException(
                        "model '" + model.name() + "': the inputs have " + n + " and " + shape.dim(0) + " samples");
            }
            n = shape.dim(0);
        }
        return n;
    }

    private List<Tensor> part(List<Tensor> x, int from, int to) {
        Plan<B> plan = plan(to - from);
        for (int i = 0; i < x.size(); i++) {
            plan.feed(model.inputNames().get(i), x.get(i).rows(from, to));
        }
        plan.run();
        var y = new ArrayList<Tensor>();
        for (int i = 0; i < model.outputs().size(); i++) {
            y.add(plan.output("output_" + i));
        }
        return y;
    }

    /** The plan that batches of this size are computed with, made now if there is none; for measurements. */
    public synchronized Plan<B> planOf(int batch) {
        return plan(batch);
    }

    private Plan<B> plan(int batch) {
        Plan<B> plan = plans.get(batch);
        if (plan == null) {
            var graph = new Graph();
            List<Value> inputs = new ArrayList<>();
            for (int i = 0; i < model.inputs().size(); i++) {
                inputs.add(graph.input(
                        model.inputNames().get(i), model.inputShapes().get(i).prepend(batch)));
            }
            Lowered lowered = model.lower(graph, false, inputs);
            for (int i = 0; i < lowered.outputs().size(); i++) {
                graph.output("output_" + i, lowered.outputs().get(i));
            }
            if (plans.size() == 4) { // a server may see many sizes; keep the latest few
                plans.remove(plans.keySet().iterator().next());
            }
            plan = Plan.of(Fuse.of(graph), parameters);
            plans.put(batch, plan);
        }
        return plan;
    }
}
