package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.graph.Graph;
import gradus.graph.Recompute;
import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Dropout;
import gradus.layers.Flatten;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.op.Op;
import gradus.plan.Plan;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.AdamW;
import gradus.train.Batch;
import gradus.train.Checkpoint;
import gradus.train.Clipping;
import gradus.train.Optimizer;
import gradus.train.RmsProp;
import gradus.train.Sgd;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Training steps that compute activations again instead of keeping them: the same bits in less memory. */
class RecomputeTest {
    private static final int SIDE = 8;

    /** Chains of residual sums, a projection, pooling, dropout, a view: whatever a copy can be made of. */
    private static Model model() {
        var x = Input.of(SIDE, SIDE, 3);
        LayerOutput y = norm(x.then(Conv2D.of(32, 3).same()))
                .then(MaxPooling2D.of(2).strides(1).same());
        for (int i = 0; i < 3; i++) {
            LayerOutput branch = norm(y.then(Conv2D.of(32, 3).same())).then(Dropout.of(0.1));
            branch = branch.then(Conv2D.of(32, 1)).then(BatchNormalization.of());
            y = Add.of().apply(branch, y).then(Activation.of("relu"));
        }
        LayerOutput branch = norm(y.then(Conv2D.of(16, 1).strides(2)));
        branch = branch.then(Conv2D.of(64, 3).same()).then(BatchNormalization.of());
        LayerOutput shortcut = y.then(Conv2D.of(64, 1).strides(2)).then(BatchNormalization.of());
        y = Add.of().apply(branch, shortcut).then(Activation.of("relu"));
        y = y.then(Flatten.of()).then(Dense.of(24)).then(Activation.of("tanh"));
        y = y.then(Dropout.of(0.5)).then(Dense.of(4)).then(Activation.of("softmax"));
        var model = Model.of("small", x, y);
        model.initialize(5, DType.F32);
        return model;
    }

    private static LayerOutput norm(LayerOutput x) {
        return x.then(BatchNormalization.of()).then(Activation.of("relu"));
    }

    private static Batch batch(int seed, int n) {
        var random = new SplittableRandom(seed);
        var x = new float[n * SIDE * SIDE * 3];
        var y = new float[n];
        for (int i = 0; i < n; i++) {
            y[i] = random.nextInt(4);
        }
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) (random.nextGaussian() + y[i / (x.length / n)]);
        }
        return new Batch(Tensor.of(Shape.of(n, SIDE, SIDE, 3), x), Tensor.of(Shape.of(n), y), null);
    }

    private static <B> Training<B> training(Model model, Optimizer optimizer, Backend<B> backend) {
        return Training.compile(model, optimizer, SparseCategoricalCrossentropy.of(), List.of(), backend);
    }

    private static <B> double[] losses(Training<B> training, int from, int to) {
        return IntStream.range(from, to)
                .mapToDouble(i -> training.trainOnBatch(batch(i, 6)))
                .toArray();
    }

    /** Weights, moving statistics and all that the optimizer keeps. */
    private static void assertSameParameters(Training<?> expected, Training<?> actual) {
        Map<String, Tensor> wanted = expected.plan(6).parameters().all();
        Map<String, Tensor> got = actual.plan(6).parameters().all();
        assertEquals(wanted.keySet(), got.keySet());
        wanted.forEach((name, w) -> assertArrayEquals(doubles(w), doubles(got.get(name)), 0, name));
    }

    private static double[] doubles(Tensor t) {
        return IntStream.range(0, t.size()).mapToDouble(t::get).toArray();
    }

    static Stream<Arguments> settings() {
        var optimizers = List.<Optimizer>of(
                Adam.of(0.002),
                AdamW.of(0.002).average(0.9),
                RmsProp.of(0.001).momentum(0.5).centered(true),
                Sgd.of(0.01),
                Sgd.of(0.01).momentum(0.9).nesterov(true).clipping(new Clipping.ByGlobalNorm(1)));
        return Stream.of("reference", "simd")
                .flatMap(b -> optimizers.stream()
                        .flatMap(o -> Stream.of(true, false).map(fused -> Arguments.of(b, o, fused))));
    }

    /** What is computed again is so once, however many derivatives read it. */
    @Test
    void nothingIsComputedMoreThanOnceAgain() {
        try (var backend = Backends.open("reference", new Options(1, Precision.FLOAT32))) {
            Graph plain = training(model(), Sgd.of(0.01), backend).fused(false).trainingGraph(4, Shape.of(4));
            Graph again = Recompute.of(plain, plain.outputs().get("loss"));
            assertTrue(again.nodes().size() > plain.nodes().size() + 10);
            Map<List<Object>, Long> once = equal(plain);
            equal(again).forEach((node, count) -> assertTrue(count <= once.getOrDefault(node, 0L) + 1, node::toString));
        }
    }

    /** How many nodes do the same with the same values. */
    private static Map<List<Object>, Long> equal(Graph graph) {
        return graph.nodes().stream()
                .collect(Collectors.groupingBy(n -> List.of(n.op(), n.inputs()), Collectors.counting()));
    }

    @ParameterizedTest
    @MethodSource("settings")
    void everyBitOfEveryStepIsTheSame(String name, Optimizer optimizer, boolean fused) {
        try (var backend = Backends.open(name, new Options(2, Precision.FLOAT32))) {
            var kept = training(model(), optimizer, backend).fused(fused);
            var again = training(model(), optimizer, backend).fused(fused).recompute(true);
            assertArrayEquals(losses(kept, 0, 5), losses(again, 0, 5), 0);
            assertSameParameters(kept, again);
            assertTrue(held(again.plan(6)) < 0.7 * held(kept.plan(6)), held(again.plan(6)) + ", " + held(kept.plan(6)));
        }
    }

    @Test
    void resumedWithOrWithoutItGoesOnTheSame(@TempDir Path folder) {
        try (var backend = Backends.open("simd", new Options(2, Precision.FLOAT32))) {
            var kept = training(model(), Adam.of(), backend);
            double[] all = losses(kept, 0, 6);
            var again = training(model(), Adam.of(), backend).recompute(true);
            losses(again, 0, 3);
            Path file = folder.resolve("model.safetensors");
            Checkpoint.of(again).save(file);
            for (boolean recompute : List.of(true, false)) {
                var resumed = Checkpoint.load(file).resume(backend).recompute(recompute);
                double[] rest = losses(resumed, 3, 6);
                assertArrayEquals(IntStream.range(3, 6).mapToDouble(i -> all[i]).toArray(), rest, 0);
                assertSameParameters(kept, resumed);
            }
        }
    }

    /** About half, in all families of residual networks; the figure is that of the plan, so of what is allocated. */
    @ParameterizedTest
    @ValueSource(strings = {"resnet50", "resnet50v2", "resnet18", "resnet20", "resnet56"})
    void halfTheMemoryIsEnough(String name) {
        try (var backend = Backends.open("simd", new Options(2, Precision.FLOAT32))) {
            int n = name.equals("resnet50v2") ? 2 : 24;
            long kept = held(
                    training(initialized(name), Sgd.of(0.1), keeping(backend)).plan(n));
            var plan = training(initialized(name), Sgd.of(0.1), backend)
                    .recompute(true)
                    .plan(n);
            // a gradient of the largest kernel is part of both
            assertTrue(held(plan) <= 0.6 * kept, held(plan) + " of " + kept);
        }
    }

    private static Model initialized(String name) {
        Model model = ResNets.byName(name).classes(6).build();
        model.initialize(1, DType.F32);
        return model;
    }

    /** Without parameters and the kernels' scratch memory, which stay as they are. */
    private static <B> long held(Plan<B> plan) {
        return plan.peakBytes()
                - plan.parameters().bytes()
                - plan.parameters().backend().scratchBytes();
    }

    /** Also where nothing but normalised values is computed again, as part of the convolutions and gradients that read them. */
    @Test
    void normalizedOnTheWayIsTheSameToTheLastBit() {
        Model model = ResNets.byName("resnet50").input(64, 64, 3).classes(4).build();
        model.initialize(3, DType.F32);
        try (var backend = Backends.open("simd", new Options(2, Precision.FLOAT32))) {
            var kept = training(model, Sgd.of(0.01), keeping(backend)).trainingGraph(3, Shape.of(3));
            var again = training(model, Sgd.of(0.01), backend).trainingGraph(3, Shape.of(3));
            // twice in each of sixteen blocks, but once in the five that FoldBatchNorm has changed
            assertEquals(count(kept, "FusedBatchNorm") + 27, count(again, "FusedBatchNorm"));
            Plan<?> expected = stepped(kept, model, backend);
            Plan<?> actual = stepped(again, model, backend);
            assertEquals(expected.output("loss").item(), actual.output("loss").item(), 0);
            for (String name : kept.updates().keySet()) {
                assertArrayEquals(
                        expected.parameters().get(name).floats(),
                        actual.parameters().get(name).floats(),
                        name);
            }
            assertTrue(actual.peakBytes() < expected.peakBytes());
        }
    }

    /** The same backend, but one for which everything is kept that derivatives read. */
    @SuppressWarnings("unchecked")
    private static <B> Backend<B> keeping(Backend<B> backend) {
        InvocationHandler calls = (_, method, arguments) -> {
            try {
                return method.getName().equals("normalizesOnTheWay") ? false : method.invoke(backend, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        };
        return (Backend<B>)
                Proxy.newProxyInstance(Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, calls);
    }

    private static <B> Plan<B> stepped(gradus.graph.Graph graph, Model model, Backend<B> backend) {
        Plan<B> plan = Plan.of(graph, backend);
        model.weights().forEach(plan.parameters()::set);
        var random = new Random(4);
        plan.feed("x", OpCases.gaussian(random, Shape.of(3, 64, 64, 3)));
        plan.feed("y", Tensor.of(Shape.of(3), 0, 3, 1));
        plan.feed("weight", Tensor.of(Shape.of(3), 1, 1, 1));
        plan.run();
        plan.run();
        return plan;
    }

    /** Moments are sums over all pixels, and moving statistics must move once. */
    @Test
    void statisticsAreGatheredOnce() {
        try (var backend = Backends.open("reference", new Options(1, Precision.FLOAT32))) {
            var training = training(model(), Sgd.of(0.1), backend);
            Shape target = Shape.of(4);
            var kept = training.trainingGraph(4, target);
            var again = training.recompute(true).trainingGraph(4, target);
            assertEquals(count(kept, "Moments"), count(again, "Moments"));
            assertEquals(count(kept, "Lerp"), count(again, "Lerp"));
            assertNotEquals(count(kept, "FusedBatchNorm"), count(again, "FusedBatchNorm"));
            assertEquals(kept.updates().keySet(), again.updates().keySet());
        }
    }

    private static long count(gradus.graph.Graph graph, String op) {
        return graph.live().stream()
                .map(n -> n.op())
                .map(Op::name)
                .filter(op::equals)
                .count();
    }

    @Test
    void whatFreesNothingIsLeftAlone() {
        var graph = new gradus.graph.Graph();
        var x = graph.input("x", Shape.of(4, 4));
        var loss = graph.mean(graph.multiply(x, x));
        graph.output("loss", loss);
        assertSame(graph, Recompute.of(graph, loss));
    }
}
