package gradus.layers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.graph.Graph;
import gradus.io.Json;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.lang.ref.WeakReference;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class ModelTest {
    private static LayerOutput body(LayerOutput x) {
        return x.then(Conv2D.of(4, 3).same().l2(0.01).named("conv"))
                .then(BatchNormalization.of().named("bn"))
                .then(Activation.relu());
    }

    private static Model small() {
        LayerOutput x = Input.of(8, 8, 3);
        return Model.of(
                "small",
                x,
                body(x).then(Flatten.of())
                        .then(Dense.of(2).activation("softmax").named("fc")));
    }

    private static Tensor pictures(int n) {
        return Initializers.randomUniform(0, 1).seed(5).initialize(Shape.of(n, 8, 8, 3), DType.F32, 0);
    }

    private static String error(Executable action) {
        return assertThrows(GradusException.class, action).getMessage();
    }

    // ---- structure ----

    @Test
    void namesAndCounts() {
        Model m = small();
        assertEquals(List.of("input_1", "conv", "bn", "activation", "flatten", "fc"), m.layerNames());
        assertEquals(3 * 3 * 3 * 4 + 4 + 16 + 256 * 2 + 2, m.parameterCount());
        assertEquals(m.parameterCount() - 8, m.trainableCount());
        assertEquals(
                List.of(
                        "conv/kernel",
                        "conv/bias",
                        "bn/gamma",
                        "bn/beta",
                        "bn/moving_mean",
                        "bn/moving_variance",
                        "fc/kernel",
                        "fc/bias"),
                m.weightList().stream().map(ModelWeight::name).toList());
        assertEquals(List.of(Shape.of(8, 8, 3)), m.inputShapes());
        assertEquals(List.of(Shape.of(2)), m.outputShapes());
        assertEquals(Shape.of(8, 8, 4), m.outputShape("bn"));
        assertTrue(error(() -> m.layer("cnv")).contains("conv"));
    }

    @Test
    void numberingIsKerass() {
        LayerOutput x = Input.of(4, 4, 1);
        LayerOutput y = x.then(Conv2D.of(1, 1))
                .then(Conv2D.of(1, 1))
                .then(LeakyReLU.of())
                .then(BatchNormalization.of());
        Model m = Model.of("m", x, y.then(Conv2D.of(1, 1).named("conv2d_2")).then(Conv2D.of(1, 1)));
        assertEquals(
                List.of("input_1", "conv2d", "conv2d_1", "leaky_re_lu", "batch_normalization", "conv2d_2", "conv2d_3"),
                m.layerNames());
    }

    @Test
    void duplicateNamesAreNamed() {
        LayerOutput x = Input.of(4, 4, 1);
        LayerOutput y = x.then(BatchNormalization.of().named("bn2a"))
                .then(BatchNormalization.of().named("bn2a"));
        assertTrue(error(() -> Model.of("m", x, y)).contains("two layers named 'bn2a'"));
        String slash = error(() -> Model.of("m", x, x.then(Conv2D.of(1, 1).named("a/b"))));
        assertTrue(slash.contains("a/b"), slash);
    }

    @Test
    void disconnectedInputsAndOutputsAreNamed() {
        LayerOutput a = Input.of(Shape.of(3), "a");
        LayerOutput b = Input.of(Shape.of(3), "b");
        LayerOutput sum = Add.of().apply(a, b);
        assertTrue(error(() -> Model.of("m", a, sum)).contains("the Input 'b', which is not among the inputs"));
        assertTrue(error(() -> Model.of("m", List.of(a, b), List.of(a.then(Dense.of(1)))))
                .contains("no output depends on the Input 'b'"));
        assertTrue(error(() -> Model.of("m", sum, sum.then(Dense.of(1)))).contains("not of an Input"));
        assertTrue(error(() -> Model.of("m", List.of(a, a), List.of(a))).contains("twice"));
        assertTrue(error(() -> Model.of("m", List.of(), List.of(a))).contains("at least one"));
    }

    @Test
    void severalInputsAndOutputs() {
        LayerOutput a = Input.of(Shape.of(3), "a");
        LayerOutput b = Input.of(Shape.of(3), "b");
        Model m = Model.of(
                "two",
                List.of(a, b),
                List.of(Add.of().apply(a, b), Subtract.of().apply(a, b)));
        List<Tensor> y =
                m.predict(List.of(Tensor.of(Shape.of(1, 3), 1f, 2f, 3f), Tensor.of(Shape.of(1, 3), 4f, 4f, 4f)));
        assertEquals(Tensor.of(Shape.of(1, 3), 5f, 6f, 7f), y.get(0));
        assertEquals(Tensor.of(Shape.of(1, 3), -3f, -2f, -1f), y.get(1));
        assertTrue(error(() -> m.predict(Tensor.of(Shape.of(1, 3), 1f, 2f, 3f))).contains("2 inputs"));
        String counts = error(() ->
                m.predict(List.of(Tensor.zeros(DType.F32, Shape.of(2, 3)), Tensor.zeros(DType.F32, Shape.of(1, 3)))));
        assertTrue(counts.contains("2 and 1 samples"), counts);
    }

    @Test
    void nestedModelsAndSharedLayers() {
        Model inner = small().named("inner");
        LayerOutput x = Input.of(8, 8, 3);
        LayerOutput z = Input.of(8, 8, 3);
        LayerOutput y = Concatenate.of().apply(x.then(inner), z.then(inner));
        Model twice = Model.of("twice", List.of(x, z), List.of(y));
        assertEquals(inner.parameterCount(), twice.parameterCount());
        assertEquals("inner/conv/kernel", twice.weightList().get(0).name());
        Tensor p = pictures(2);
        Tensor out = twice.predict(List.of(p, p)).get(0);
        Tensor single = inner.predict(p);
        for (int i = 0; i < 2; i++) {
            assertEquals(single.get(i), out.get(i));
            assertEquals(single.get(i), out.get(2 + i));
        }
        assertSame(inner.weight("conv/kernel"), twice.weight("inner/conv/kernel"));
        twice.trainable("inner", false);
        assertEquals(0, twice.trainableCount());
        assertEquals(0, inner.trainableCount()); // as in Keras
        twice.trainable(true);
        assertEquals(inner.trainableCount(), twice.trainableCount());
        assertTrue(inner.isTrainable("conv") && inner.trainableCount() > 0);
        assertTrue(twice.summary().contains("inner (Functional)"));
    }

    /** A layer object is one layer, in however many models: training one of them trains the others' part of it. */
    @Test
    void aLayerHasOneSetOfWeightsInAllModels() {
        var shared = Dense.of(2).named("d");
        LayerOutput x = Input.of(3);
        LayerOutput z = Input.of(3);
        LayerOutput y = x.then(shared);
        Model first = Model.of("first", x, y);
        Model second = Model.of("second", z, z.then(shared));
        first.setWeight("d/kernel", Tensor.full(DType.F32, Shape.of(3, 2), 5));
        assertSame(first.weight("d/kernel"), second.weight("d/kernel"));
        Model both = Model.of("both", List.of(x, z), List.of(y, second.output("d")));
        assertEquals(8, both.parameterCount());
        assertSame(first.weight("d/kernel"), both.weight("d/kernel"));
        assertTrue(first.summary().contains("d (Dense)"), first.summary());
        assertEquals(List.of("input_1", "d"), first.layerNames());
        LayerOutput other = Input.of(3);
        Model equal = Model.of("equal", other, other.then(Dense.of(2).named("d")));
        assertEquals(0, equal.weight("d/bias").get(0));
        assertTrue(equal.weight("d/kernel").get(0) != 5);

        LayerOutput wide = Input.of(4);
        String message = error(() -> Model.of("wide", wide, wide.then(shared)));
        assertTrue(message.contains("'d'") && message.contains("[(3,)] and [(4,)]"), message);
        LayerOutput outer = Input.of(2);
        var square = Dense.of(2).named("square");
        LayerOutput in = Input.of(2);
        Model inner = Model.of("inner", in, in.then(square));
        message = error(() -> Model.of("outer", outer, outer.then(square).then(inner)));
        assertTrue(message.contains("'inner/square' also is the layer 'square'"), message);
    }

    /** Copies, cuts and models that are built again have the names that there were, whatever other models there are. */
    @Test
    void namesAreKept() {
        var first = Dense.of(4);
        var second = Dense.of(4);
        LayerOutput x = Input.of(4);
        LayerOutput z = Input.of(4);
        Model two = Model.of("two", x, x.then(second));
        Model three = Model.of("three", z, z.then(first).then(second));
        assertEquals(List.of("input_1", "dense", "dense_1"), three.layerNames());
        assertEquals(List.of("input_1", "dense"), two.layerNames());
        assertEquals(two.layerNames(), two.named("copy").layerNames());
        assertEquals(List.of("input_1", "dense"), two.upTo("dense").layerNames());
        assertEquals(three.layerNames(), three.named("copy").layerNames());
        LayerOutput again = Input.of(4);
        assertEquals(
                two.layerNames(), Model.of("again", again, again.then(second)).layerNames());
        two.named("copy").setWeights(two.weights());
    }

    /** A layer of one's own whose initializer is made anew each time it is asked. */
    private record Scale(String name) implements Layer {
        @Override
        public Layer named(String name) {
            return new Scale(name);
        }

        @Override
        public Shape output(List<Shape> inputs) {
            return inputs.get(0);
        }

        @Override
        public List<Weight> weights(List<Shape> inputs) {
            int c = inputs.get(0).dim(-1);
            return List.of(new Weight(
                    "scale", Shape.of(c), (shape, type, seed) -> Tensor.full(type, shape, 1.0 / c), true, 0));
        }

        @Override
        public Value lower(Lowering to, List<Value> inputs) {
            return to.builder().multiply(inputs.get(0), to.weight("scale"));
        }
    }

    @Test
    void layersOfOnesOwn() {
        LayerOutput x = Input.of(4);
        var scale = new Scale("s");
        Model m = Model.of("m", x, x.then(scale).then(scale));
        Tensor four = Tensor.of(Shape.of(1, 4), 16f, 32f, 48f, 64f);
        assertEquals(Tensor.of(Shape.of(1, 4), 1f, 2f, 3f, 4f), m.predict(four));
        LayerOutput wide = Input.of(2, 2, 4);
        assertEquals(
                1, Model.of("pictures", wide, wide.then(scale)).weightList().size());
    }

    /** Nothing keeps the weights of layers that nobody has any more. */
    @Test
    void weightsGoWithTheirLayers() throws InterruptedException {
        var gone = weightOfAModel();
        for (int i = 0; i < 600 && gone.get() != null; i++) {
            System.gc();
            Thread.sleep(50);
        }
        assertNull(gone.get());
    }

    private static WeakReference<Tensor> weightOfAModel() {
        return new WeakReference<>(small().weight("fc/kernel"));
    }

    /** Of a layer that is called twice, and in every call of a model at once. */
    @Test
    void dropoutDrawsAnewInEachCall() {
        var drop = Dropout.of(0.5).seed(3);
        LayerOutput x = Input.of(64);
        Model m = Model.of("m", x, Subtract.of().apply(x.then(drop), x.then(drop)));
        Tensor ones = Tensor.full(DType.F32, Shape.of(1, 64), 1);
        Tensor first = m.call(ones, true);
        int different = 0;
        for (int i = 0; i < 64; i++) {
            different += first.get(i) != 0 ? 1 : 0;
        }
        assertTrue(different > 16 && different < 48, "of 64 " + different);
        assertNotEquals(first, m.call(ones, true));
        assertEquals(m.call(ones, false), Tensor.zeros(DType.F32, Shape.of(1, 64)));
        LayerOutput z = Input.of(64);
        var seeds = Stream.of(3L, 4L, 3L)
                .map(seed ->
                        Model.of("m", z, z.then(Dropout.of(0.5).seed(seed))).call(ones, true))
                .toList();
        assertEquals(seeds.get(0), seeds.get(2));
        assertNotEquals(seeds.get(0), seeds.get(1));
    }

    @Test
    void callingComputesInTheTypeOfTheWeights() {
        Model m = small();
        m.initialize(1, DType.F64);
        Tensor p = Tensor.full(DType.F64, Shape.of(2, 8, 8, 3), 0.1);
        assertEquals(DType.F64, m.call(p, true).dtype());
        assertEquals(DType.F64, m.weight("bn/moving_mean").dtype());
        assertEquals(m.predict(p), m.call(p, false));
    }

    @Test
    void layersInsideHavePathsAndOutputsAreThoseOfLastCalls() {
        Model inner = small().named("inner");
        LayerOutput x = Input.of(8, 8, 3);
        var shared = Dense.of(2).named("shared");
        LayerOutput first = x.then(inner).then(shared);
        Model m =
                Model.of("outer", x, first.then(Activation.relu().named("end")).then(shared));
        assertSame(inner.layer("conv"), m.layer("inner/conv"));
        assertEquals(inner.outputShape("conv"), m.outputShape("inner/conv"));
        assertEquals(List.of("shared"), m.outputNames());
        assertSame(m.outputs().getFirst(), m.output("shared"));
        assertTrue(error(() -> m.layer("conv")).contains("'inner/...'"));
        assertTrue(error(() -> m.layer("inner/none")).contains("'inner' has no layer 'none'"));
        assertTrue(error(() -> m.upTo("inner/conv")).contains("cut that one"));
        var graph = new Graph();
        Lowered lowered = m.lower(graph, false, List.of(graph.input("x", Shape.of(1, 8, 8, 3))));
        assertEquals(
                List.of("shared", "end", "shared"),
                lowered.calls().stream()
                        .map(Lowered.LoweredCall::name)
                        .toList()
                        .subList(lowered.calls().size() - 3, lowered.calls().size()));
        assertSame(
                lowered.outputs().getFirst(),
                lowered.calls().getLast().outputs().getFirst());
        assertTrue(lowered.calls().stream().anyMatch(c -> c.name().equals("inner/conv")));
    }

    @Test
    void upToSharesWeights() {
        Model m = small();
        Model features = m.upTo("activation");
        assertEquals(List.of(Shape.of(8, 8, 4)), features.outputShapes());
        m.initialize(3, DType.F32);
        assertSame(m.weight("conv/kernel"), features.weight("conv/kernel"));
        assertEquals(Shape.of(2, 8, 8, 4), features.predict(pictures(2)).shape());
        assertEquals(2, m.upTo("conv", "activation").outputs().size());
        // What is built on top of a model shares its weights as well, as in Keras.
        Model more = Model.of(
                "more", m.inputs().get(0), m.output("flatten").then(Dense.of(5).named("other")));
        assertSame(m.weight("conv/kernel"), more.weight("conv/kernel"));
    }

    // ---- weights ----

    @Test
    void weightsDependOnSeedAndNamesAlone() {
        Model a = small();
        a.initialize(1, DType.F32);
        Model b = small();
        b.initialize(1, DType.F32);
        assertEquals(a.weights(), b.weights());
        LayerOutput x = Input.of(8, 8, 3);
        Model other = Model.of(
                "other",
                x,
                x.then(Conv2D.of(9, 1))
                        .then(Conv2D.of(3, 1))
                        .then(Conv2D.of(4, 3).named("conv")));
        other.initialize(1, DType.F32);
        assertEquals(a.weight("conv/kernel"), other.weight("conv/kernel"));
        b.initialize(2, DType.F32);
        assertNotEquals(a.weight("conv/kernel"), b.weight("conv/kernel"));
        Model lazy = small();
        Model zero = small();
        zero.initialize(0, DType.F32);
        assertEquals(zero.weights(), lazy.weights());
        zero.initialize(0, DType.F64);
        assertEquals(DType.F64, zero.weight("conv/kernel").dtype());
        assertEquals(DType.F64, zero.predict(pictures(1)).dtype());
    }

    @Test
    void setWeightsListsWhatDoesNotFit() {
        Model m = small();
        Map<String, Tensor> w = new HashMap<>(m.weights());
        m.setWeights(w);
        w.remove("fc/bias");
        w.put("fc/offset", Tensor.scalar(1));
        w.put("conv/bias", Tensor.of(Shape.of(3), 1f, 2f, 3f));
        String message = error(() -> m.setWeights(w));
        assertTrue(message.contains("missing fc/bias (2,)"), message);
        assertTrue(message.contains("unknown fc/offset"), message);
        assertTrue(message.contains("conv/bias has shape (3,), the model needs (4,)"), message);
        assertTrue(error(() -> m.setWeight("fc/kernel", Tensor.scalar(1))).contains("fc/kernel"));
        assertTrue(error(() -> m.weight("fc/kernal")).contains("fc/kernel"));
    }

    // ---- lowering ----

    @Test
    void loweringDeclaresParametersUpdatesAndPenalties() {
        Model m = small();
        var graph = new Graph();
        Lowered training = m.lower(graph, true, List.of(graph.input("x", Shape.of(5, 8, 8, 3))));
        assertEquals(
                Set.of("bn/moving_mean", "bn/moving_variance"),
                training.updates().keySet());
        assertEquals(1, m.penalties(graph).size());
        assertEquals(Shape.of(5, 2), training.outputs().get(0).shape());
        assertTrue(graph.parameters().containsKey("conv/kernel"));
        assertFalse(graph.inputs().containsKey("step"));
        assertTrue(graph.nodes().stream().anyMatch(n -> n.scope().equals("conv")));

        var inference = new Graph();
        Lowered fixed = m.lower(inference, false, List.of(inference.input("x", Shape.of(5, 8, 8, 3))));
        assertTrue(fixed.updates().isEmpty());
        String message = error(() -> m.lower(inference, false, List.of(inference.input("y", Shape.of(8, 8, 3)))));
        assertTrue(message.contains("input_1") && message.contains("batch axis"), message);
    }

    @Test
    void frozenLayersStayAsTheyAre() {
        Model m = small();
        m.trainable("bn", false);
        m.trainable("conv", false);
        var graph = new Graph();
        Lowered lowered = m.lower(graph, true, List.of(graph.input("x", Shape.of(5, 8, 8, 3))));
        assertTrue(lowered.updates().isEmpty());
        assertTrue(m.penalties(graph).isEmpty());
        assertEquals(514, m.trainableCount());
        m.trainable(true);
        assertEquals(m.parameterCount() - 8, m.trainableCount());
    }

    @Test
    void dropoutAsksForTheStep() {
        LayerOutput x = Input.of(8);
        Model m = Model.of("m", x, x.then(Dropout.of(0.5)));
        var graph = new Graph();
        m.lower(graph, true, List.of(graph.input("x", Shape.of(5, 8))));
        assertEquals(Shape.SCALAR, graph.inputs().get("step").shape());
        var inference = new Graph();
        m.lower(inference, false, List.of(inference.input("x", Shape.of(5, 8))));
        assertTrue(inference.inputs().size() == 1);
    }

    @Test
    void aSharedBatchNormalizationMovesOnTwice() {
        LayerOutput x = Input.of(1);
        var bn = BatchNormalization.of().momentum(0.5).named("bn");
        Model m = Model.of("m", x, x.then(bn).then(bn));
        m.call(Tensor.of(Shape.of(2, 1), 1f, 3f), true);
        // mean 2 first, mean 0 second: ((0 + 2) / 2 + 0) / 2
        assertEquals(0.5, m.weight("bn/moving_mean").item(), 1e-6);
    }

    // ---- computing ----

    @Test
    void predictionDoesNotDependOnTheBatch() {
        Model m = small();
        m.initialize(4, DType.F32);
        Tensor x = pictures(70);
        Tensor all = m.predict(x);
        assertEquals(Shape.of(70, 2), all.shape());
        Tensor last = m.predict(
                Tensor.of(Shape.of(1, 8, 8, 3), java.util.Arrays.copyOfRange(x.floats(), 69 * 192, 70 * 192)));
        assertEquals(all.get(138), last.get(0));
        assertEquals(all.get(139), last.get(1));
    }

    /** Large weights are drawn when they are needed, as often as needed, and are what the initializer gives. */
    @Test
    void weightsThatAreDrawnLaterAreTheSame() {
        var x = Input.of(100);
        var y = x.then(Dense.of(100).named("a")).then(Dense.of(3).named("b"));
        var m = Model.of("m", x, y);
        m.initialize(5, DType.F32);
        Tensor kernel = m.weight("a/kernel");
        assertEquals(0, kernel.bytes(), "not drawn yet");
        var in = Tensor.full(DType.F32, Shape.of(1, 100), 1);
        Tensor out = m.predict(in);
        assertEquals(0, kernel.bytes(), "drawn for the plan, not kept");
        m.setWeight("b/bias", Tensor.of(Shape.of(3), 0f, 0f, 0f));
        assertEquals(out, m.predict(in));
        Tensor now =
                Initializers.glorotUniform().initialize(Shape.of(100, 100), DType.F32, Seeds.derive(5, "a/kernel"));
        assertEquals(now, kernel);
        assertEquals(40_000, kernel.bytes());
    }

    @Test
    void predictionSeesNewWeights() {
        Model m = small();
        Tensor x = pictures(2);
        Tensor before = m.predict(x);
        m.initialize(9, DType.F32);
        assertNotEquals(before, m.predict(x));
        m.initialize(0, DType.F32);
        assertEquals(before, m.predict(x));
    }

    @Test
    void eagerAndPlannedAgree() {
        Model m = small();
        Tensor x = pictures(3);
        Tensor planned = m.predict(x);
        Tensor eager = m.call(x, false);
        for (int i = 0; i < planned.size(); i++) {
            assertEquals(planned.get(i), eager.get(i), 1e-6);
        }
        Tensor before = m.weight("bn/moving_mean");
        m.call(x, true);
        assertNotEquals(before, m.weight("bn/moving_mean"));
    }

    // ---- description ----

    @Test
    void summaryIsKerass() {
        LayerOutput x = Input.of(64, 64, 3);
        LayerOutput y =
                x.then(ZeroPadding2D.of(3)).then(Conv2D.of(64, 7).strides(2).named("conv1"));
        LayerOutput z = y.then(BatchNormalization.of().named("bn1"));
        Model m = Model.of("ResNet50", x, Add.of().apply(y, z));
        String expected = """
            Model: "ResNet50"
            __________________________________________________________________________________________________
             Layer (type)                   Output Shape         Param #     Connected to                    \s
            ==================================================================================================
             input_1 (InputLayer)           [(None, 64, 64, 3)]  0           []                              \s
                                                                                                             \s
             zero_padding2d (ZeroPadding2D)  (None, 70, 70, 3)   0           ['input_1[0][0]']               \s
                                                                                                             \s
             conv1 (Conv2D)                 (None, 32, 32, 64)   9472        ['zero_padding2d[0][0]']        \s
                                                                                                             \s
             bn1 (BatchNormalization)       (None, 32, 32, 64)   256         ['conv1[0][0]']                 \s
                                                                                                             \s
             add (Add)                      (None, 32, 32, 64)   0           ['conv1[0][0]',                 \s
                                                                              'bn1[0][0]']                   \s
                                                                                                             \s
            ==================================================================================================
            Total params: 9,728
            Trainable params: 9,600
            Non-trainable params: 128
            __________________________________________________________________________________________________
            """;
        assertEquals(expected, m.summary());
        assertEquals(expected, m.summary(true));
    }

    /** Expected orders are those that Keras's own map_graph gives for these graphs. */
    @Test
    void layersAreListedInKerassOrder() {
        for (boolean shortcutFirst : new boolean[] {true, false}) {
            LayerOutput x = Input.of(Shape.of(8, 8, 4), "in");
            LayerOutput shortcut = x.then(Conv2D.of(4, 1).named("shortcut"));
            LayerOutput y = x.then(Conv2D.of(4, 1).named("a"))
                    .then(Activation.relu().named("relu"))
                    .then(Conv2D.of(4, 1).named("b"));
            var add = Add.of().named("sum");
            Model m = Model.of("m", x, shortcutFirst ? add.apply(shortcut, y) : add.apply(y, shortcut));
            assertEquals(List.of("in", "shortcut", "a", "relu", "b", "sum"), m.layerNames(false));
            assertEquals(
                    shortcutFirst
                            ? List.of("in", "a", "relu", "shortcut", "b", "sum")
                            : List.of("in", "a", "relu", "b", "shortcut", "sum"),
                    m.layerNames(true));
        }
    }

    @Test
    void layersAppliedTwiceAreListedInKerassOrder() {
        for (boolean first : new boolean[] {true, false}) {
            LayerOutput a = Input.of(Shape.of(4), "a");
            LayerOutput b = Input.of(Shape.of(4), "b");
            var twin = Dense.of(4).named("twin");
            LayerOutput p = a.then(Dense.of(4).named("p")).then(twin);
            LayerOutput q =
                    b.then(twin).then(Dense.of(4).named("q")).then(Dense.of(4).named("r"));
            var add = Add.of().named("sum");
            Model m = Model.of("m", List.of(a, b), List.of(first ? add.apply(p, q) : add.apply(q, p)));
            assertEquals(
                    first
                            ? List.of("a", "p", "b", "twin", "q", "r", "sum")
                            : List.of("b", "twin", "a", "q", "p", "r", "sum"),
                    m.layerNames(true));
            assertTrue(m.summary(true).contains("twin (Dense)"));
        }
    }

    @Test
    void diagramsShowEveryLayerAndConnection() {
        LayerOutput x = Input.of(8, 8, 4);
        Model m = Model.of("a<b", x, Add.of().named("sum").apply(body(x), x));
        String svg = m.toSvg();
        for (String layer : m.layerNames()) {
            assertTrue(svg.contains(">" + layer + "<"), layer);
            assertTrue(m.toDot().contains("\"" + layer + "\\n"), layer);
        }
        assertEquals(5, m.toDot().split(" -> ", -1).length - 1);
        assertEquals(5, svg.split("marker-end", -1).length - 1);
        assertTrue(svg.contains("(None, 8, 8, 4)"));
        assertTrue(svg.contains("a&lt;b"));
    }

    @Test
    void configRoundTrip() {
        LayerOutput x = Input.of(8, 8, 3);
        LayerOutput z = Input.of(Shape.of(8, 8, 3), "second");
        var shared = Conv2D.of(3, 3)
                .same()
                .kernelInitializer(Initializers.glorotUniform(7))
                .activation("relu");
        LayerOutput y = Concatenate.of()
                .apply(x.then(shared), z.then(shared).then(Dropout.of(0.1).seed(3)));
        Model inner = small();
        Model m = Model.of("all", List.of(x, z), List.of(y, x.then(inner)));
        m.trainable("small", false);
        String json = Json.write(m.config());
        Model copy = Model.fromConfig((Map<?, ?>) Json.parse(json));
        assertEquals(json, Json.write(copy.config()));
        assertEquals(m.summary(), copy.summary());
        assertEquals(m.weightList(), copy.weightList());
        copy.setWeights(m.weights());
        List<Tensor> in = List.of(pictures(2), pictures(2));
        assertEquals(m.predict(in), copy.predict(in));
    }

    @Test
    void configRefusesWhatItDoesNotKnow() {
        String json = Json.write(small().config());
        assertTrue(read(json.replace("\"Flatten\"", "\"java.lang.Runtime\"")).contains("unknown type"));
        assertTrue(read(json.replace("\"filters\":4", "\"filters\":\"4\"")).contains("filters"));
        assertTrue(read(json.replace("\"filters\":4", "\"filters\":-4")).contains("filters"));
        assertTrue(read(json.replace("\"filters\"", "\"filtres\"")).contains("conv"));
        assertTrue(read(json.replace("[\"conv\",0,0]", "[\"cnv\",0,0]")).contains("cnv"));
        assertTrue(read(json.replace("[\"conv\",0,0]", "[\"conv\",1,0]")).contains("does not exist"));
        assertTrue(read(json.replace("[\"conv\",0,0]", "[\"fc\",0,0]")).contains("does not exist"));
        LayerOutput x = Input.of(3);
        Model own = Model.of("own", x, x.then(new Own("mine")));
        assertTrue(error(own::config).contains("mine"));
    }

    private static String read(String json) {
        return error(() -> Model.fromConfig((Map<?, ?>) Json.parse(json)));
    }

    /** A layer of a program's own. */
    private record Own(String name) implements Layer {
        @Override
        public Own named(String name) {
            return new Own(name);
        }

        @Override
        public Shape output(List<Shape> inputs) {
            return inputs.get(0);
        }

        @Override
        public gradus.op.Value lower(Lowering to, List<gradus.op.Value> inputs) {
            return to.builder().scale(inputs.get(0), 2);
        }
    }

    @Test
    void aProgramsOwnLayerAndInitializer() {
        LayerOutput x = Input.of(3);
        Initializer rising = (shape, dtype, seed) -> Tensor.of(shape, 1f, 2f, 3f);
        Model m = Model.of("own", x, x.then(new Own(null)).then(Dense.of(1).kernelInitializer(rising)));
        assertEquals(List.of("input_1", "own", "dense"), m.layerNames());
        assertEquals(28, m.predict(Tensor.of(Shape.of(1, 3), 1f, 2f, 3f)).item());
    }
}
