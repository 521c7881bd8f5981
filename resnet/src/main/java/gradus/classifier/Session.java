package gradus.classifier;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.graph.Fuse;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.layers.AveragePooling2D;
import gradus.layers.Dense;
import gradus.layers.Model;
import gradus.op.Elementwise;
import gradus.op.LogSoftmax;
import gradus.op.Softmax;
import gradus.op.Value;
import gradus.plan.Parameters;
import gradus.plan.Plan;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The plans of one model on one backend, all with the same parameters; one runs at a time.
 *
 * @param <B> memory of the backend
 */
final class Session<B> implements AutoCloseable {
    private static final String INPUT = "input";
    private static final String CLASS = "class";
    private static final String LAYER = "layer";
    private static final String SCORE = "score";
    private static final String PROBABILITIES = "probabilities";
    private static final String MAP = "map";
    private static final String ONE_PICTURE = "predict 1";

    /** Plans kept besides that for one picture; each has memory for what it computes between. */
    private static final int MORE_PLANS = 2;

    private static Backend<?> sharedBackend;
    private static int sharers;
    private static boolean warned;

    private final Model model;
    private final Runnable release;
    private final String featureLayer;
    private final String outputLayer;
    private final boolean classifies;
    private Parameters<B> parameters; // null when closed
    private final Map<String, Plan<B>> plans = new LinkedHashMap<>(); // the one used last at the end

    /** What {@link #explain} yields: the probability of the class, and the map (h, w), not negative. */
    record Evidence(double probability, Tensor map) {}

    /** A model in a graph: a layer's output, the classes' scores before softmax, and their probabilities. */
    private record Head(Graph graph, Value layer, Value scores, Value probabilities) {}

    private Session(Model model, boolean labelled, Backend<B> backend, Runnable release) {
        this.model = model;
        this.release = release;
        this.parameters = new Parameters<>(backend);
        this.outputLayer = model.outputNames().getFirst();
        this.featureLayer = featureLayer(model);
        this.classifies = model.outputShapes().getFirst().rank() == 1
                && (labelled || !featureLayer.equals(outputLayer) || endsInProbabilities());
    }

    // ---- opening and closing ----

    /** @param labelled whether somebody has names for the outputs, which are classes then, whatever yields them */
    static Session<?> on(Model model, boolean labelled, Backend<?> backend) {
        return new Session<>(model, labelled, backend, () -> {});
    }

    /** On the backend that all classifiers of this JVM share, because a backend has threads. */
    static Session<?> shared(Model model, boolean labelled) {
        return model.dtype() == DType.F64
                ? on(model, labelled, Backends.open("auto", new Options(0, Precision.FLOAT64))) // has no threads
                : new Session<>(model, labelled, acquire(), Session::release);
    }

    private static synchronized Backend<?> acquire() {
        if (sharers == 0) {
            sharedBackend = Backends.open();
            String slow = slow(sharedBackend);
            if (!slow.isEmpty() && !warned) {
                warned = true;
                System.getLogger("gradus").log(Level.WARNING, "computing with the " + slow);
            }
        }
        sharers++;
        return sharedBackend;
    }

    private static synchronized void release() {
        if (--sharers == 0) {
            sharedBackend.close();
            sharedBackend = null;
        }
    }

    private static String slow(Backend<?> backend) {
        if (!backend.name().equals("reference")) {
            return "";
        }
        return Backends.providers().stream()
                .filter(p -> p.name().equals("simd"))
                .flatMap(p -> p.unavailable(new Options(0, Precision.FLOAT32)).stream())
                .findFirst()
                .map(why -> "reference backend, many times slower than simd, which cannot run here: " + why)
                .orElse("");
    }

    /** Takes over the weights and makes the plan for one picture. */
    synchronized Session<B> prepare() {
        parameters.setAll(model.weights());
        plan(ONE_PICTURE, () -> predicting(1));
        return this;
    }

    @Override
    public synchronized void close() {
        if (parameters != null) {
            parameters = null;
            plans.clear();
            release.run();
        }
    }

    private void checkOpen() {
        if (parameters == null) {
            throw new IllegalStateException("this classifier of model '" + model.name() + "' is closed");
        }
    }

    synchronized String description() {
        checkOpen();
        Backend<B> backend = parameters.backend();
        String slow = slow(backend);
        return slow.isEmpty() ? backend.name() + ": " + backend.description() : slow;
    }

    synchronized long peakBytes() {
        checkOpen();
        return model.weights().values().stream().mapToLong(Tensor::bytes).sum() + Plan.peakBytes(plans.values());
    }

    // ---- computing ----

    /** (n, classes), for x (n, height, width, channels). */
    synchronized Tensor probabilities(Tensor x) {
        int n = x.shape().dim(0);
        Plan<B> plan = plan(n == 1 ? ONE_PICTURE : "predict " + n, () -> predicting(n));
        return run(plan, x).output(PROBABILITIES);
    }

    /** The layer's output for one picture. */
    synchronized float[] features(Tensor x, String layer) {
        Plan<B> plan = layer.equals(featureLayer)
                ? plan(ONE_PICTURE, () -> predicting(1))
                : plan("features " + layer, () -> part(layer));
        return run(plan, x).output(LAYER).floats();
    }

    synchronized Evidence explain(Tensor x, int index, String layer) {
        Plan<B> plan = plan("explain " + layer, () -> explaining(layer));
        Tensor wanted = Tensor.zeros(
                DType.F32, Shape.of(1, model.outputShapes().getFirst().size()));
        wanted.floats()[index] = 1;
        plan.feed(CLASS, wanted);
        run(plan, x);
        return new Evidence(plan.output(PROBABILITIES).get(index), plan.output(MAP));
    }

    private Plan<B> run(Plan<B> plan, Tensor x) {
        plan.feed(INPUT, x);
        plan.run();
        return plan;
    }

    private Plan<B> plan(String key, Supplier<Graph> graph) {
        checkOpen();
        Plan<B> plan = plans.remove(key);
        if (plan == null) {
            if (plans.size() > MORE_PLANS) {
                plans.keySet().stream()
                        .filter(k -> !k.equals(ONE_PICTURE))
                        .findFirst()
                        .ifPresent(plans::remove);
            }
            plan = Plan.of(graph.get(), parameters);
        }
        plans.put(key, plan);
        return plan;
    }

    // ---- the programs ----

    /** Probabilities, and what the classifying layer is given. */
    private Graph predicting(int n) {
        Head head = head(n, featureLayer);
        head.graph.output(LAYER, head.layer);
        if (classifies) {
            head.graph.output(PROBABILITIES, head.probabilities);
        }
        return Fuse.of(head.graph);
    }

    private Graph part(String layer) {
        Head head = head(1, layer);
        head.graph.output(LAYER, head.layer);
        return Fuse.of(head.graph);
    }

    /** Grad-CAM; the formula stands at {@link Classifier#explain(gradus.data.Picture, int, String)}. */
    private Graph explaining(String layer) {
        Shape map = model.outputShape(layer);
        if (map.rank() != 3) {
            throw new GradusException("layer '" + layer + "' of model '" + model.name() + "' yields " + map
                    + ", not (height, width, channels): it no longer knows where things are; '" + spatialLayer()
                    + "' does");
        }
        Head head = head(1, layer);
        Graph graph = head.graph;
        Value wanted = graph.input(CLASS, head.scores.shape());
        Value score = graph.sum(graph.multiply(head.scores, wanted));
        graph.output(LAYER, head.layer);
        graph.output(SCORE, score);
        graph.output(PROBABILITIES, head.probabilities);
        var result = Gradient.of(Fuse.of(graph), score, List.of(head.layer));
        Value derivative = result.derivatives().getFirst();
        if (derivative == null) {
            throw new GradusException(
                    "layer '" + layer + "' of model '" + model.name() + "' has no influence on the classes");
        }
        Graph all = result.graph();
        Value alpha = all.reshape(all.mean(derivative, 1, 3), Shape.of(1, 1, 1, map.dim(2)));
        Value sum = all.sum(all.multiply(head.layer, alpha), 3, 4);
        all.output(MAP, all.map(new ScalarFunction.Relu(), all.reshape(sum, map.slice(0, 2))));
        return all;
    }

    private boolean endsInProbabilities() {
        Head head = head(1, outputLayer);
        return head.layer == head.probabilities;
    }

    private Head head(int n, String layer) {
        var graph = new Graph();
        Value x = graph.input(INPUT, model.inputShapes().getFirst().prepend(n));
        List<Value> y =
                model.upTo(layer, outputLayer).lower(graph, false, List.of(x)).outputs();
        Value output = y.get(1);
        Node last = graph.nodes().stream()
                .filter(node -> node.output() == output)
                .findFirst()
                .orElse(null);
        return switch (last == null ? null : last.op()) {
            case Softmax() -> new Head(graph, y.get(0), last.inputs().getFirst(), output);
            case Elementwise(ScalarFunction.Sigmoid()) ->
                new Head(graph, y.get(0), last.inputs().getFirst(), output);
            case LogSoftmax() -> new Head(graph, y.get(0), output, graph.map(new ScalarFunction.Exp(), output));
            case null, default -> new Head(graph, y.get(0), output, graph.apply(new Softmax(), output));
        };
    }

    /** @throws GradusException if the model's outputs are no classes: there are neither labels nor a softmax or a Dense layer at its end */
    void checkClasses() {
        if (!classifies) {
            throw new GradusException("model '" + model.name() + "' ends in layer '" + outputLayer + "' with "
                    + model.outputShapes().getFirst() + ", not in a classifier; it can give features");
        }
    }

    String featureLayer() {
        return featureLayer;
    }

    /** What the last Dense layer is given, if only layers of one input follow on it; otherwise the output. */
    private static String featureLayer(Model model) {
        String output = model.outputNames().getFirst();
        for (String name = output; model.outputShape(name).rank() == 1; ) {
            List<String> inputs = model.inputsOf(name);
            if (inputs.size() != 1) {
                break;
            }
            if (model.layer(name) instanceof Dense) {
                return inputs.getFirst();
            }
            name = inputs.getFirst();
        }
        return output;
    }

    /** The last layer with an output (h, w, c) of more than one place, before the average is taken. */
    String spatialLayer() {
        return model.layerNames().reversed().stream()
                .filter(name -> {
                    Shape shape = model.outputShape(name);
                    boolean pooling = model.layer(name) instanceof AveragePooling2D;
                    return shape.rank() == 3 && shape.size(0, 2) > 1 && !pooling;
                })
                .findFirst()
                .orElseThrow(() -> new GradusException(
                        "no layer of model '" + model.name() + "' knows where in the picture things are"));
    }
}
