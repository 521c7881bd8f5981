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
import gradus.io.FormatException;
import gradus.layers.AveragePooling2D;
import gradus.layers.Dense;
import gradus.layers.Input;
import gradus.layers.Lowered;
import gradus.layers.Lowered.LoweredCall;
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
import java.util.IdentityHashMap;
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

    /** What may be held between the layers for one picture, in bytes: so much, and so many times the weights. */
    private static final long MOST_BETWEEN = 256 << 20;

    private static final long BETWEEN_PER_WEIGHT = 16;

    private static Backend<?> sharedBackend;
    private static int sharers;
    private static boolean warned;

    private final Model model;
    private final Runnable release;
    private final Feature feature; // null for several outputs
    private final String spatialLayer; // null if there is none
    private final boolean classifies;
    private Program program; // for one picture; null once its plan is made
    private Parameters<B> parameters; // null when closed
    private final Map<String, Plan<B>> plans = new LinkedHashMap<>(); // the one used last at the end

    /** What {@link #explain} yields: the probability of the class, and the map (h, w), not negative. */
    record Evidence(double probability, Tensor map) {}

    /** The classes' scores before softmax, and their probabilities. */
    private record Classes(Value scores, Value probabilities) {}

    /**
     * What describes a picture.
     *
     * @param last whether it is the layer's last call that yields it
     * @param dense whether a classifying Dense layer follows
     */
    private record Feature(String layer, Value value, boolean last, boolean dense) {}

    private Session(Model model, Program program, boolean labelled, Backend<B> backend, Runnable release) {
        this.model = model;
        this.program = program;
        this.release = release;
        this.parameters = new Parameters<>(backend);
        boolean one = model.outputs().size() == 1;
        this.feature = one ? program.feature(model) : null;
        this.spatialLayer = program.spatialLayer();
        this.classifies = one
                && model.outputShapes().getFirst().rank() == 1
                && (labelled || feature.dense || program.endsInProbabilities());
    }

    // ---- opening and closing ----

    /** @param labelled whether somebody has names for the outputs, which are classes then, whatever yields them */
    static Session<?> on(Model model, boolean labelled, Backend<?> backend) {
        return new Session<>(model, Program.of(model, 1), labelled, backend, () -> {});
    }

    /** As {@link #shared(Model, boolean)} for a model out of a file, unless it needs memory out of all proportion to its weights. */
    static Session<?> shared(Model model, boolean labelled, String source) {
        Program program = Program.of(model, 1);
        program.checkMemory(model, source);
        return shared(model, labelled, program);
    }

    /** On the backend that all classifiers of this JVM share, because a backend has threads. */
    static Session<?> shared(Model model, boolean labelled) {
        return shared(model, labelled, Program.of(model, 1));
    }

    private static Session<?> shared(Model model, boolean labelled, Program program) {
        if (model.dtype() == DType.F64) {
            var backend = Backends.open("auto", new Options(0, Precision.FLOAT64)); // has no threads
            return new Session<>(model, program, labelled, backend, () -> {});
        }
        return new Session<>(model, program, labelled, acquire(), Session::release);
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

    /** Takes over the weights and makes the plan for one picture, if it is known what that is to yield. */
    synchronized Session<B> prepare() {
        parameters.setAll(model.weights());
        if (feature != null) {
            plan(ONE_PICTURE, () -> predicting(program));
        }
        program = null;
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
        Plan<B> plan = plan(n == 1 ? ONE_PICTURE : "predict " + n, () -> predicting(Program.of(model, n)));
        return run(plan, x).output(PROBABILITIES);
    }

    /** What describes one picture. */
    synchronized float[] features(Tensor x) {
        featureLayer();
        checkOpen();
        return run(plans.get(ONE_PICTURE), x).output(LAYER).floats();
    }

    /** The output of the layer's last call for one picture. */
    synchronized float[] features(Tensor x, String layer) {
        if (feature != null && feature.last && layer.equals(feature.layer)) {
            return features(x);
        }
        model.outputShape(layer); // there is such a layer, or this is said
        return run(plan("features " + layer, () -> part(layer)), x)
                .output(LAYER)
                .floats();
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
    private Graph predicting(Program program) {
        program.graph.output(LAYER, program.feature(model).value);
        if (classifies) {
            program.graph.output(PROBABILITIES, program.classes().probabilities);
        }
        return Fuse.of(program.graph);
    }

    private Graph part(String layer) {
        Program program = Program.of(model, 1);
        program.graph.output(LAYER, program.layer(layer));
        return Fuse.of(program.graph);
    }

    /** Grad-CAM; the formula stands at {@link Classifier#explain(gradus.data.Picture, int, String)}. */
    private Graph explaining(String layer) {
        Shape map = model.outputShape(layer);
        if (map.rank() != 3) {
            throw new GradusException("layer '" + layer + "' of model '" + model.name() + "' yields " + map
                    + ", not (height, width, channels): it no longer knows where things are; '" + spatialLayer()
                    + "' does");
        }
        Program program = Program.of(model, 1);
        Value seen = program.layer(layer);
        Classes classes = program.classes();
        Graph graph = program.graph;
        Value wanted = graph.input(CLASS, classes.scores.shape());
        Value score = graph.sum(graph.multiply(classes.scores, wanted));
        graph.output(LAYER, seen);
        graph.output(SCORE, score);
        graph.output(PROBABILITIES, classes.probabilities);
        var result = Gradient.of(Fuse.of(graph), score, List.of(seen));
        Value derivative = result.derivatives().getFirst();
        if (derivative == null) {
            throw new GradusException(
                    "layer '" + layer + "' of model '" + model.name() + "' has no influence on the classes");
        }
        Graph all = result.graph();
        Value alpha = all.reshape(all.mean(derivative, 1, 3), Shape.of(1, 1, 1, map.dim(2)));
        Value sum = all.sum(all.multiply(seen, alpha), 3, 4);
        all.output(MAP, all.map(new ScalarFunction.Relu(), all.reshape(sum, map.slice(0, 2))));
        return all;
    }

    /** A model in a graph, which more can be added to. */
    private record Program(Graph graph, List<LoweredCall> calls, Value output) {
        static Program of(Model model, int n) {
            var graph = new Graph();
            Value x = graph.input(INPUT, model.inputShapes().getFirst().prepend(n));
            Lowered lowered = model.lower(graph, false, List.of(x));
            return new Program(graph, lowered.calls(), lowered.outputs().getFirst());
        }

        /** What the layer's last call yields. */
        Value layer(String name) {
            return calls.reversed().stream()
                    .filter(call -> call.name().equals(name))
                    .map(call -> call.outputs().getFirst())
                    .findFirst()
                    .orElse(null);
        }

        /** The node that makes the output, null if that is the input. */
        private Node last() {
            return graph.nodes().stream()
                    .filter(node -> node.output() == output)
                    .findFirst()
                    .orElse(null);
        }

        boolean endsInProbabilities() {
            Node last = last();
            return last != null
                    && (last.op() instanceof Softmax
                            || last.op() instanceof Elementwise(var f) && f instanceof ScalarFunction.Sigmoid);
        }

        /**
         * A file of a kilobyte can speak of layers that fill any memory. Counts what is held between the layers, before any of
         * it is asked for.
         *
         * @throws FormatException naming the layer with the most
         */
        void checkMemory(Model model, String source) {
            Map<Value, Integer> lastRead = new IdentityHashMap<>();
            List<LoweredCall> leaves =
                    calls.stream().filter(c -> !(c.layer() instanceof Model)).toList();
            for (int i = 0; i < leaves.size(); i++) {
                for (Value x : leaves.get(i).inputs()) {
                    lastRead.put(x, i);
                }
            }
            Map<Value, LoweredCall> held = new IdentityHashMap<>();
            long bytes = 0;
            long most = 0;
            LoweredCall largest = leaves.getFirst();
            for (int i = 0; i < leaves.size(); i++) {
                LoweredCall call = leaves.get(i);
                Value y = call.outputs().getFirst();
                bytes += held.put(y, call) == null ? bytes(y) : 0;
                most = Math.max(most, bytes);
                largest = bytes(y) > bytes(largest.outputs().getFirst()) ? call : largest;
                for (Value x : call.inputs()) {
                    bytes -= lastRead.get(x) == i && held.remove(x) != null ? bytes(x) : 0;
                }
            }
            long allowed = MOST_BETWEEN + BETWEEN_PER_WEIGHT * Float.BYTES * model.parameterCount();
            if (most > allowed) {
                Value y = largest.outputs().getFirst();
                throw new FormatException(
                        ("%s: a picture would take %d MiB between the layers, layer '%s' alone %d MiB %s; for its weights at"
                                        + " most %d MiB are taken. If the file can be trusted, use Importer.load and Classifier.of")
                                .formatted(
                                        source, most >> 20, largest.name(), bytes(y) >> 20, y.shape(), allowed >> 20),
                        -1);
            }
        }

        private static long bytes(Value value) {
            return Float.BYTES * (long) value.shape().size();
        }

        Classes classes() {
            Node last = last();
            return switch (last == null ? null : last.op()) {
                case Softmax() -> new Classes(last.inputs().getFirst(), output);
                case Elementwise(ScalarFunction.Sigmoid()) ->
                    new Classes(last.inputs().getFirst(), output);
                case LogSoftmax() -> new Classes(output, graph.map(new ScalarFunction.Exp(), output));
                case null, default -> new Classes(output, graph.apply(new Softmax(), output));
            };
        }

        /**
         * What the last Dense layer is given, if only layers of one input follow on it; otherwise the output. Followed
         * value by value, as a layer may be called several times.
         */
        Feature feature(Model model) {
            Value value = output;
            for (int at = calls.size() - 1; at >= 0 && value.shape().rank() == 2; at--) {
                LoweredCall call = calls.get(at);
                if (call.layer() instanceof Model || !call.outputs().contains(value)) {
                    continue;
                }
                if (call.inputs().size() != 1) {
                    break;
                }
                value = call.inputs().getFirst();
                if (call.layer() instanceof Dense) {
                    return feature(model, calls.subList(0, at), value);
                }
            }
            String name = model.outputNames().getFirst();
            return new Feature(name, output, layer(name) == output, false);
        }

        private Feature feature(Model model, List<LoweredCall> before, Value value) {
            String name = before.reversed().stream()
                    .filter(call ->
                            !(call.layer() instanceof Input) && call.outputs().getFirst() == value)
                    .map(LoweredCall::name)
                    .findFirst()
                    .orElse(model.inputNames().getFirst());
            return new Feature(name, value, layer(name) == value, true);
        }

        /** The last layer with an output (h, w, c) of more than one place, before the average is taken; or null. */
        String spatialLayer() {
            return calls.reversed().stream()
                    .filter(call -> {
                        Shape shape = call.outputs().getFirst().shape();
                        return shape.rank() == 4
                                && shape.size(1, 3) > 1
                                && !(call.layer() instanceof AveragePooling2D
                                        || call.layer() instanceof Input
                                        || call.layer() instanceof Model);
                    })
                    .map(LoweredCall::name)
                    .findFirst()
                    .orElse(null);
        }
    }

    /**
     * @throws GradusException if the model's outputs are no classes: there are no labels, nor a softmax or a Dense layer at
     *     its end; or there are several outputs
     */
    void checkClasses() {
        checkOneOutput();
        if (!classifies) {
            throw new GradusException("model '" + model.name() + "' ends in layer '"
                    + model.outputNames().getFirst() + "' with "
                    + model.outputShapes().getFirst()
                    + ", not in a classifier; it can give features, and classes if their labels are given");
        }
    }

    private void checkOneOutput() {
        if (feature == null) {
            throw new GradusException("model '" + model.name() + "' has several outputs, " + model.outputNames() + " "
                    + model.outputShapes() + "; choose one: features of its layer, or a model that ends there");
        }
    }

    String featureLayer() {
        checkOneOutput();
        return feature.layer;
    }

    String spatialLayer() {
        if (spatialLayer == null) {
            throw new GradusException("no layer of model '" + model.name() + "' knows where in the picture things are");
        }
        return spatialLayer;
    }
}
