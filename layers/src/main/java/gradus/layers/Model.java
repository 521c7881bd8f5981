package gradus.layers;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.eager.Eager;
import gradus.graph.Graph;
import gradus.layers.Lowered.LoweredCall;
import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Layers between inputs and outputs, with names and weights. Keras's functional Model: several inputs and outputs are
 * possible, a model is itself a layer, and models cut out of the same layers share their weights.
 *
 * <pre>
 * var x = Input.of(64, 64, 3);
 * var y = x.then(Conv2D.of(8, 3)).then(Activation.relu()).then(Flatten.of()).then(Dense.of(6).activation("softmax"));
 * var model = Model.of("small", x, y);
 * </pre>
 *
 * <p>Layers are listed in the order in which they were applied. Weights are made when they are first needed, from
 * seed 0 in float32, or by {@link #initialize}; they depend on the seed and on names alone.
 */
public final class Model implements Layer {
    private final String name;
    private final List<LayerOutput> inputs;
    private final List<LayerOutput> outputs;
    private final List<Call> calls;
    private final Map<String, Call> firstCalls = new LinkedHashMap<>(); // by layer name, in creation order
    private final Map<String, Call> lastCalls = new HashMap<>();
    private final Map<LayerState, String> names = new IdentityHashMap<>();
    private long seed;
    private DType dtype = DType.F32;
    private Predictor<?> predictor;
    private final AtomicLong eagerCalls = new AtomicLong();

    /** @param numbered names that unnamed layers have in the model that this one is made of */
    private Model(String name, List<LayerOutput> inputs, List<LayerOutput> outputs, Map<LayerState, String> numbered) {
        this.name = name;
        this.inputs = List.copyOf(inputs);
        this.outputs = List.copyOf(outputs);
        this.calls = connected();
        nameLayers(numbered);
        checkShared();
    }

    /** @throws GradusException if the output does not depend on the input alone, or two layers have one name */
    public static Model of(String name, LayerOutput input, LayerOutput output) {
        return of(name, List.of(input), List.of(output));
    }

    /** @throws GradusException if inputs and outputs are not connected, naming them, or two layers have one name */
    public static Model of(String name, List<LayerOutput> inputs, List<LayerOutput> outputs) {
        if (inputs.isEmpty() || outputs.isEmpty()) {
            throw new GradusException("model '" + name + "' needs at least one input and one output");
        }
        return new Model(name, inputs, outputs, Map.of());
    }

    // ---- structure ----

    /** All calls between inputs and outputs, in order of creation. */
    private List<Call> connected() {
        Map<Call, Boolean> given = new IdentityHashMap<>();
        for (int i = 0; i < inputs.size(); i++) {
            Call call = symbolic(inputs.get(i), "input " + i);
            if (!call.isInput()) {
                throw new GradusException("model '" + name + "': input " + i + " is the output of " + label(call)
                        + ", not of an Input; to begin in the middle of a network, build that part as a model"
                        + " of its own");
            }
            if (given.put(call, true) != null) {
                throw new GradusException("model '" + name + "': " + label(call) + " is given as input twice");
            }
        }
        Map<Call, Boolean> found = new IdentityHashMap<>();
        var stack = new ArrayDeque<Call>(); // networks are deeper than call stacks
        for (int i = 0; i < outputs.size(); i++) {
            stack.push(symbolic(outputs.get(i), "output " + i));
        }
        while (!stack.isEmpty()) {
            Call call = stack.pop();
            if (found.put(call, true) != null) {
                continue;
            }
            if (call.isInput() && !given.containsKey(call)) {
                throw new GradusException("model '" + name + "': the outputs also depend on " + label(call)
                        + ", which is not among the inputs; add it to them");
            }
            call.inputs.forEach(x -> stack.push(x.call()));
        }
        for (Call call : given.keySet()) {
            if (!found.containsKey(call)) {
                throw new GradusException("model '" + name + "': no output depends on " + label(call)
                        + "; connect it or leave it out of the inputs");
            }
        }
        var list = new ArrayList<>(found.keySet());
        list.sort(Comparator.comparingLong(c -> c.number));
        return List.copyOf(list);
    }

    private Call symbolic(LayerOutput x, String what) {
        if (x.isEager()) {
            throw new GradusException("model '" + name + "': " + what + " is an array; models begin at an Input");
        }
        return x.call();
    }

    private static String label(Call call) {
        String n = call.layer.name() != null ? call.layer.name() : call.state.number;
        String what = call.isInput() ? "the Input" : "layer";
        return n != null
                ? what + " '" + n + "'"
                : what + " of type " + call.layer.type() + " and shape "
                        + call.outputs.get(0).shape();
    }

    /** A layer object has one set of weights, however often and in however many models it is applied. */
    private void checkShared() {
        for (Call call : calls) {
            List<Shape> shapes = call.inputShapes();
            List<Shape> earlier = call.state.inputs(shapes);
            if (!shapes.equals(earlier) && !shapes(call.layer, shapes).equals(shapes(call.layer, earlier))) {
                throw new ShapeException("model '" + name + "': " + label(call) + " is applied to inputs " + earlier
                        + " and " + shapes + ", for which its weights have different shapes; make two layers");
            }
        }
        Map<LayerState, String> paths = new IdentityHashMap<>();
        firstCalls.forEach((layer, call) -> checkPaths(layer, call, paths));
    }

    private static Map<String, Shape> shapes(Layer layer, List<Shape> inputs) {
        var shapes = new LinkedHashMap<String, Shape>();
        layer.weights(inputs).forEach(w -> shapes.put(w.name(), w.shape()));
        return shapes;
    }

    private void checkPaths(String path, Call call, Map<LayerState, String> paths) {
        if (call.layer instanceof Model nested) {
            nested.firstCalls.forEach((layer, inner) -> nested.checkPaths(path + "/" + layer, inner, paths));
        } else if (!call.layer.weights(call.inputShapes()).isEmpty()
                && paths.putIfAbsent(call.state, path) instanceof String other) {
            throw new GradusException("the layer '" + path + "' also is the layer '" + other
                    + "': a model inside of another cannot share layers with what is outside of it; make two layers, or"
                    + " apply the layers instead of the model");
        }
    }

    private void nameLayers(Map<LayerState, String> numbered) {
        Set<String> taken = new TreeSet<>();
        for (Call call : calls) {
            if (call.layer.name() != null) {
                taken.add(call.layer.name());
            }
        }
        Map<String, Integer> counts = new HashMap<>();
        for (Call call : calls) {
            if (names.containsKey(call.state)) {
                lastCalls.put(nameOf(call), call);
                continue;
            }
            String n = call.layer.name();
            if (n == null) {
                n = numbered.getOrDefault(call.state, call.state.number);
                while (n == null || !taken.add(n)) {
                    n = Names.numbered(Names.base(call.layer), counts);
                }
                call.state.number = call.state.number == null ? n : call.state.number; // its first name, as in Keras
            }
            if (n.isEmpty() || n.contains("/")) {
                throw new GradusException("model '" + name + "': the layer name '" + n
                        + "' is empty or contains '/', which separates layer and weight");
            }
            Call other = firstCalls.putIfAbsent(n, call);
            if (other != null) {
                throw new GradusException("model '" + name + "' has two layers named '" + n + "' (" + other.layer.type()
                        + " and " + call.layer.type() + "); give one of them another name");
            }
            names.put(call.state, n);
            lastCalls.put(n, call);
        }
    }

    String nameOf(Call call) {
        return names.get(call.state);
    }

    List<Call> calls() {
        return calls;
    }

    @Override
    public String name() {
        return name;
    }

    /** The same model under another name, with the same layers and weights. */
    @Override
    public Model named(String name) {
        return like(name, inputs, outputs);
    }

    private Model like(String name, List<LayerOutput> inputs, List<LayerOutput> outputs) {
        var model = new Model(name, inputs, outputs, names);
        model.seed = seed;
        model.dtype = dtype;
        return model;
    }

    @Override
    public String type() {
        return "Functional";
    }

    /** Names of all layers, inputs included, in the order in which they were applied. */
    public List<String> layerNames() {
        return List.copyOf(firstCalls.keySet());
    }

    /** As {@link #layerNames()}, or as Keras lists {@code model.layers}: layers farther from the outputs first. */
    public List<String> layerNames(boolean byDepth) {
        return byDepth ? byDepth().stream().map(names::get).toList() : layerNames();
    }

    /**
     * Keras's order: a layer's depth is the longest way from it to an output, and a layer with several calls has the
     * depth of the deepest; of one depth, that layer comes first which a walk from the outputs, along first operands
     * first, meets first.
     */
    List<LayerState> byDepth() {
        Map<LayerState, Integer> met = new HashMap<>();
        var entered = new HashSet<Call>();
        var left = new LinkedHashSet<Call>(); // operands before those who read them
        var stack = new ArrayDeque<Call>(); // networks are deeper than call stacks
        outputs.reversed().forEach(x -> stack.push(x.call()));
        while (!stack.isEmpty()) {
            Call call = stack.peek();
            if (entered.add(call)) {
                met.putIfAbsent(call.state, met.size());
                call.inputs.reversed().forEach(x -> stack.push(x.call()));
            } else {
                left.add(stack.pop());
            }
        }
        Map<LayerState, Integer> depths = new HashMap<>();
        Map<Call, Integer> reached = new HashMap<>();
        for (Call call : left.reversed()) {
            int depth = depths.merge(call.state, reached.getOrDefault(call, 0), Math::max);
            call.inputs.forEach(x -> reached.merge(x.call(), depth + 1, Math::max));
        }
        return depths.keySet().stream()
                .sorted(Comparator.<LayerState>comparingInt(s -> -depths.get(s)).thenComparingInt(met::get))
                .toList();
    }

    /**
     * A layer by its name, or by its path in models that are layers: {@code outer/inner}.
     *
     * @throws GradusException if there is no layer of that name
     */
    public Layer layer(String layer) {
        return call(layer).layer;
    }

    /** The last call of a layer, of this model or of one inside. */
    private Call call(String layer) {
        Call call = lastCalls.get(layer);
        if (call != null) {
            return call;
        }
        int slash = layer.indexOf('/');
        if (slash > 0
                && lastCalls.get(layer.substring(0, slash)) instanceof Call outer
                && outer.layer instanceof Model m) {
            return m.call(layer.substring(slash + 1));
        }
        String inside = firstCalls.entrySet().stream()
                .filter(e -> e.getValue().layer instanceof Model)
                .map(Map.Entry::getKey)
                .findFirst()
                .map(n -> "; a layer of the model '" + n + "' inside is called '" + n + "/...'")
                .orElse("");
        throw new GradusException(
                "model '" + name + "' has no layer '" + layer + "'; it has " + firstCalls.keySet() + inside);
    }

    public List<LayerOutput> inputs() {
        return inputs;
    }

    public List<LayerOutput> outputs() {
        return outputs;
    }

    /**
     * What a layer yields, to build further models on: {@code model.output("flatten").then(Dense.of(10))}. Of a layer that
     * is called several times, what the last call yields (Keras's {@code layer.output} refuses to choose).
     *
     * @throws GradusException if this model has no layer of that name, or it belongs to a model inside, which alone can be
     *     cut there
     */
    public LayerOutput output(String layer) {
        Call call = call(layer);
        if (!lastCalls.containsKey(layer)) {
            throw new GradusException("model '" + name + "' cannot be cut at '" + layer
                    + "', inside of a model that is its layer; cut that one");
        }
        return call.outputs.get(0);
    }

    /** Shape of a layer's output, per sample; the layer as in {@link #layer}, the last call if there are several. */
    public Shape outputShape(String layer) {
        return call(layer).outputs.get(0).shape();
    }

    /** The part of this model that leads to the named layers, with what their last calls yield; weights are shared. */
    public Model upTo(String... layers) {
        List<LayerOutput> ends = Arrays.stream(layers).map(this::output).toList();
        Map<Call, Boolean> reached = new IdentityHashMap<>();
        var stack = new ArrayDeque<Call>();
        ends.forEach(e -> stack.push(e.call()));
        while (!stack.isEmpty()) {
            Call call = stack.pop();
            if (reached.put(call, true) == null) {
                call.inputs.forEach(x -> stack.push(x.call()));
            }
        }
        List<LayerOutput> begins =
                inputs.stream().filter(x -> reached.containsKey(x.call())).toList();
        return like(name + "_up_to_" + String.join("_", layers), begins, ends);
    }

    /** Shapes of the inputs, per sample. */
    public List<Shape> inputShapes() {
        return inputs.stream().map(LayerOutput::shape).toList();
    }

    /** Shapes of the outputs, per sample. */
    public List<Shape> outputShapes() {
        return outputs.stream().map(LayerOutput::shape).toList();
    }

    /** Names of the Input layers, in the order of the inputs: the names of the inputs of graphs made by this class. */
    public List<String> inputNames() {
        return inputs.stream().map(x -> nameOf(x.call())).toList();
    }

    /** Names of the layers that the outputs come from, in the order of the outputs. */
    public List<String> outputNames() {
        return outputs.stream().map(x -> nameOf(x.call())).toList();
    }

    // ---- as a layer ----

    @Override
    public Shape output(List<Shape> shapes) {
        if (outputs.size() != 1) {
            throw new ShapeException("model '" + name + "' has " + outputs.size() + " outputs; use applyAll");
        }
        return outputs(shapes).get(0);
    }

    @Override
    public List<Shape> outputs(List<Shape> shapes) {
        if (!shapes.equals(inputShapes())) {
            throw new ShapeException(
                    "model '" + name + "' takes inputs of shapes " + inputShapes() + ", not " + shapes);
        }
        return outputShapes();
    }

    @Override
    public List<Weight> weights(List<Shape> shapes) {
        return slots().stream()
                .map(s -> new Weight(s.name, s.weight.shape(), s.weight.initializer(), s.trainable, s.weight.l2()))
                .toList();
    }

    @Override
    public Value lower(Lowering to, List<Value> values) {
        return lowerAll(to, values).get(0);
    }

    @Override
    public List<Value> lowerAll(Lowering to, List<Value> values) {
        Map<LayerOutput, Value> known = new IdentityHashMap<>();
        for (int i = 0; i < inputs.size(); i++) {
            known.put(inputs.get(i), values.get(i));
        }
        Map<LayerState, Integer> called = new IdentityHashMap<>();
        for (Call call : calls) {
            String layer = nameOf(call);
            int number = called.merge(call.state, 1, Integer::sum) - 1;
            List<Value> operands = call.inputs.stream().map(known::get).toList();
            if (!call.isInput()) {
                to.scope(layer);
                List<Value> results = call.layer.lowerAll(to.inside(layer, number, call.state.trainable), operands);
                for (int i = 0; i < results.size(); i++) {
                    known.put(call.outputs.get(i), results.get(i));
                }
            }
            List<Value> results = call.outputs.stream().map(known::get).toList();
            to.called(new LoweredCall(layer, call.layer, operands, results));
        }
        return outputs.stream().map(known::get).toList();
    }

    /**
     * Appends this model to a graph: its weights become parameters {@code layer/kernel}, and if it contains Dropout and
     * this is training, the graph gets a scalar input {@code step}.
     *
     * @param values one per input, batch axis first
     */
    public Lowered lower(Graph graph, boolean training, List<Value> values) {
        if (values.size() != inputs.size()) {
            throw new ShapeException("model '" + name + "' takes " + inputs.size() + " inputs, not " + values.size());
        }
        for (int i = 0; i < values.size(); i++) {
            checkChannels(i, values.get(i).shape());
        }
        var target = new GraphTarget(graph, training);
        List<Value> results = lowerAll(target, values);
        graph.scope("");
        return new Lowered(results, target.updates, target.calls);
    }

    /** Appends what a loss has besides: l2 sum(w^2) for each trainable weight of a layer with an L2 regularizer. */
    public List<Value> penalties(Graph graph) {
        var penalties = new ArrayList<Value>();
        for (Slot s : slots()) {
            if (s.weight.l2() > 0 && s.trainable) {
                graph.scope(s.name.substring(0, s.name.lastIndexOf('/')));
                Value squares = graph.map(new ScalarFunction.Square(), graph.parameter(s.name, s.weight.shape()));
                penalties.add(graph.scale(graph.sum(squares), s.weight.l2()));
            }
        }
        graph.scope("");
        return penalties;
    }

    /** Pictures of another size than the model's are for its layers to judge. */
    private void checkChannels(int input, Shape batch) {
        Shape sample = inputs.get(input).shape();
        boolean pictures = sample.rank() == 3 && batch.rank() == 4 && batch.dim(3) == sample.dim(2);
        if (!pictures) {
            checkBatch(input, batch);
        }
    }

    void checkBatch(int input, Shape batch) {
        Shape sample = inputs.get(input).shape();
        if (batch.rank() != sample.rank() + 1 || !batch.slice(1, batch.rank()).equals(sample)) {
            throw new ShapeException(
                    "model '" + name + "': input '" + inputNames().get(input) + "' takes batches "
                            + Inputs.batched(sample) + ", not " + batch
                            + (batch.equals(sample) ? "; a single sample needs a batch" + " axis of 1 in front" : ""));
        }
    }

    /** A graph as the layers of this model see it. */
    private final class GraphTarget implements Lowering {
        private final Graph graph;
        private final boolean training;
        private final Map<String, Value> updates = new LinkedHashMap<>();
        private final List<LoweredCall> calls = new ArrayList<>();
        private final Map<String, Shape> shapes = new HashMap<>();

        GraphTarget(Graph graph, boolean training) {
            this.graph = graph;
            this.training = training;
            slots().forEach(s -> shapes.put(s.name, s.weight.shape()));
        }

        @Override
        public Builder builder() {
            return graph;
        }

        @Override
        public boolean training() {
            return training;
        }

        @Override
        public boolean trainable() {
            return true;
        }

        /** The parameter, or what an earlier call of the same layer has made of it. */
        @Override
        public Value weight(String weight) {
            Value updated = updates.get(weight);
            return updated != null ? updated : graph.parameter(weight, shapes.get(weight));
        }

        @Override
        public void update(String weight, Value value) {
            if (training) {
                updates.put(weight, value);
            }
        }

        @Override
        public Value step() {
            Value step = graph.inputs().get("step");
            return step != null ? step : graph.input("step", Shape.SCALAR);
        }

        @Override
        public long seed() {
            return seed;
        }

        @Override
        public void scope(String layer) {
            graph.scope(layer);
        }

        @Override
        public void called(LoweredCall call) {
            calls.add(call);
        }
    }

    // ---- weights ----

    /** Where a weight is kept. */
    private record Slot(String name, Weight weight, LayerState state, boolean trainable) {}

    private List<Slot> slots() {
        var slots = new ArrayList<Slot>();
        addSlots("", true, slots);
        return slots;
    }

    private void addSlots(String prefix, boolean trainable, List<Slot> slots) {
        firstCalls.forEach((layer, call) -> {
            boolean train = trainable && call.state.trainable;
            if (call.layer instanceof Model nested) {
                nested.addSlots(prefix + layer + "/", train, slots);
            } else {
                for (Weight w : call.layer.weights(call.inputShapes())) {
                    slots.add(new Slot(prefix + layer + "/" + w.name(), w, call.state, train && w.trainable()));
                }
            }
        });
    }

    private static Tensor value(Slot slot) {
        return slot.state.get(slot.weight.name());
    }

    /** All weights in the order in which their layers were applied; within a layer in Keras's order. */
    public List<ModelWeight> weightList() {
        return slots().stream()
                .map(s -> new ModelWeight(s.name, s.weight.shape(), s.trainable, s.weight.l2(), s.weight.initializer()))
                .toList();
    }

    /** Present values of all weights. */
    public synchronized Map<String, Tensor> weights() {
        initializeMissing();
        var weights = new LinkedHashMap<String, Tensor>();
        slots().forEach(s -> weights.put(s.name, value(s)));
        return weights;
    }

    /** @throws GradusException if there is no weight of that name */
    public synchronized Tensor weight(String weight) {
        initializeMissing();
        return value(slot(weight));
    }

    private Slot slot(String weight) {
        return slots().stream().filter(s -> s.name.equals(weight)).findFirst().orElseThrow(() -> {
            int end = weight.lastIndexOf('/');
            boolean layer = end > 0 && firstCalls.containsKey(weight.substring(0, end));
            return new GradusException("model '" + name + "' has no weight '" + weight + "'"
                    + (layer
                            ? "; that layer has "
                                    + slots().stream()
                                            .map(Slot::name)
                                            .filter(n -> n.startsWith(weight.substring(0, end + 1)))
                                            .toList()
                            : "; names are layer/kernel, and layerNames() lists the layers"));
        });
    }

    /** Sets one weight. @throws GradusException if there is none of that name and shape */
    public void setWeight(String weight, Tensor value) {
        Slot slot = slot(weight);
        if (!slot.weight.shape().equals(value.shape())) {
            throw new ShapeException("weight '" + weight + "' of model '" + name + "' has shape " + slot.weight.shape()
                    + ", not " + value.shape());
        }
        slot.state.set(slot.weight.name(), value);
    }

    /**
     * Sets all weights. Nothing is changed unless everything fits.
     *
     * @throws GradusException listing unknown and missing names and wrong shapes
     */
    public synchronized void setWeights(Map<String, Tensor> values) {
        List<Slot> slots = slots();
        var problems = new ArrayList<String>();
        var unknown = new TreeSet<>(values.keySet());
        for (Slot s : slots) {
            unknown.remove(s.name);
            Tensor value = values.get(s.name);
            if (value == null) {
                problems.add("missing " + s.name + " " + s.weight.shape());
            } else if (!value.shape().equals(s.weight.shape())) {
                problems.add(s.name + " has shape " + value.shape() + ", the model needs " + s.weight.shape());
            }
        }
        unknown.forEach(n -> problems.add("unknown " + n + " " + values.get(n).shape()));
        if (!problems.isEmpty()) {
            String shown = String.join("; ", problems.subList(0, Math.min(10, problems.size())));
            throw new GradusException("these are not the weights of model '" + name + "': " + shown
                    + (problems.size() > 10 ? "; and " + (problems.size() - 10) + " more" : ""));
        }
        slots.forEach(s -> s.state.set(s.weight.name(), values.get(s.name)));
        if (!slots.isEmpty()) {
            dtype = values.get(slots.get(0).name).dtype();
        }
    }

    /**
     * New weights for all layers, made of the seed and the weights' names alone (but for initializers with own
     * seeds). Large ones are drawn when they are needed.
     */
    public synchronized void initialize(long seed, DType dtype) {
        this.seed = seed;
        this.dtype = dtype;
        slots().forEach(this::initialize);
    }

    private void initializeMissing() {
        slots().stream().filter(s -> value(s) == null).forEach(this::initialize);
    }

    private void initialize(Slot s) {
        Tensor value;
        try {
            value = s.weight.initializer().promise(s.weight.shape(), dtype, Seeds.derive(seed, s.name));
        } catch (ShapeException e) {
            throw new ShapeException("weight '" + s.name + "' of model '" + name + "': " + e.getMessage());
        }
        s.state.set(s.weight.name(), value);
    }

    /** What {@link #initialize} was last given, 0 before that. */
    public long seed() {
        return seed;
    }

    /** Type of the weights. */
    public DType dtype() {
        return dtype;
    }

    /**
     * Whether training changes a layer and, if that is a model, all layers inside. A frozen BatchNormalization uses its moving
     * statistics and leaves them alone. To be said before the model is compiled: a training may not notice later.
     */
    public void trainable(String layer, boolean yes) {
        trainable(call(layer), yes);
    }

    /** As {@link #trainable(String, boolean)} for all layers. */
    public void trainable(boolean all) {
        firstCalls.values().forEach(call -> trainable(call, all));
    }

    private static void trainable(Call call, boolean yes) {
        call.state.trainable = yes;
        if (call.layer instanceof Model nested) {
            nested.trainable(yes);
        }
    }

    /** Whether training changes this layer. */
    public boolean isTrainable(String layer) {
        return call(layer).state.trainable;
    }

    public long parameterCount() {
        return slots().stream().mapToLong(s -> s.weight.shape().size()).sum();
    }

    /** Parameters that training changes. */
    public long trainableCount() {
        return slots().stream()
                .filter(s -> s.trainable)
                .mapToLong(s -> s.weight.shape().size())
                .sum();
    }

    /** Counts changes of weights, so that copies of them know when they are out of date. */
    long version() {
        long sum = 0;
        for (var call : firstCalls.values()) {
            sum += call.layer instanceof Model nested ? nested.version() : call.state.version();
        }
        return sum;
    }

    // ---- computing ----

    /** As {@link #predict(List)} for one input and one output. */
    public Tensor predict(Tensor x) {
        List<Tensor> y = predict(List.of(x));
        if (y.size() != 1) {
            throw new GradusException("model '" + name + "' has " + y.size() + " outputs; use predict(List)");
        }
        return y.get(0);
    }

    /**
     * Outputs in inference mode on the best backend, in float64 if the weights are. Any number of samples; the memory
     * needed does not grow with it.
     */
    public synchronized List<Tensor> predict(List<Tensor> x) {
        Backend<?> backend = Predictor.sharedBackend(dtype);
        if (predictor == null || predictor.backend() != backend) {
            predictor = Predictor.of(this, backend);
        }
        return predictor.predict(x);
    }

    /**
     * The output computed layer by layer, as Keras's {@code model(x, training=...)}. In training mode batch
     * statistics and dropout, drawn anew in each call, are used and the moving statistics move on.
     */
    public Tensor call(Tensor x, boolean training) {
        var eager = new EagerLayers(
                new Eager<>(Predictor.sharedBackend(dtype)), training, seed, eagerCalls.getAndIncrement());
        return eager.input(x).then(this).value();
    }

    // ---- description ----

    /** A table of all layers as Keras 2 prints it of a functional model with branches, in the order in which they were applied. */
    public String summary() {
        return Summary.of(this, false);
    }

    /** As {@link #summary()}, ordered by distance from the outputs if asked for, which is Keras's own order. */
    public String summary(boolean byDepth) {
        return Summary.of(this, byDepth);
    }

    /** The layers and their connections in Graphviz's DOT language. */
    public String toDot() {
        return Diagram.dot(this);
    }

    /** The layers and their connections as an SVG picture, top to bottom. */
    public String toSvg() {
        return Diagram.svg(this);
    }

    /**
     * The architecture as plain data: maps, lists, strings, numbers. {@link #fromConfig} makes an equal model of it.
     */
    public Map<String, Object> config() {
        return LayerConfig.write(this);
    }

    /** @throws GradusException if the data does not describe a model made of Gradus's own layers */
    public static Model fromConfig(Map<?, ?> config) {
        return LayerConfig.readModel(config);
    }

    /** {@code Model name (inputs) -> (outputs), n parameters}. */
    @Override
    public String toString() {
        return "Model " + name + " " + inputShapes() + " -> " + outputShapes() + ", " + parameterCount()
                + " parameters";
    }
}
