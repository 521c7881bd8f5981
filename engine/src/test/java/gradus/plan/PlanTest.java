package gradus.plan;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.eager.Eager;
import gradus.eager.Variable;
import gradus.graph.Fuse;
import gradus.graph.Graph;
import gradus.op.AdamStep;
import gradus.op.BatchNorm;
import gradus.op.Builder;
import gradus.op.Combine;
import gradus.op.Conv2D;
import gradus.op.Conv2DInputGradient;
import gradus.op.Covariance;
import gradus.op.FusedConv2D;
import gradus.op.FusedConv2DInputGradient;
import gradus.op.Lerp;
import gradus.op.LerpSquare;
import gradus.op.Sliding;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class PlanTest {
    private final Backend<?> backend = Backends.open("reference", new Options(1, Precision.FLOAT64));

    private static final Shape V3 = Shape.of(3);

    private static Tensor vector(double... v) {
        return Tensor.of(Shape.of(v.length), v);
    }

    /** A random program with many short-lived values: reused and overwritten memory must never be read too late. */
    @Test
    void reusedMemoryGivesWhatFreshMemoryGives() {
        for (int seed = 0; seed < 300; seed++) {
            var graph = new Graph();
            var x = List.of(graph.input("a", V3), graph.input("b", V3));
            List<Value> values = program(graph, x, new Random(seed));
            for (int i = 0; i < values.size(); i += 5) {
                graph.output("y" + i, values.get(i));
            }
            Plan<?> plan = Plan.of(graph, backend);
            var eager = new Eager<>(backend);
            Tensor a = vector(1, -2, 0.5);
            Tensor b = vector(0.25, 3, -1);
            List<Value> expected = program(eager, List.of(eager.constant(a), eager.constant(b)), new Random(seed));
            for (int run = 0; run < 2; run++) {
                plan.feed("a", a);
                plan.feed("b", b);
                plan.run();
                for (int i = 0; i < values.size(); i += 5) {
                    assertEquals(((Variable) expected.get(i)).value(), plan.output("y" + i), "seed " + seed + " y" + i);
                }
            }
        }
    }

    private static List<Value> program(Builder b, List<Value> inputs, Random r) {
        var values = new ArrayList<>(inputs);
        for (int i = 0; i < 40; i++) {
            Value x = values.get(Math.max(0, values.size() - 1 - r.nextInt(6)));
            Value z = values.get(Math.max(0, values.size() - 1 - r.nextInt(6)));
            values.add(
                    switch (r.nextInt(6)) {
                        case 0 -> b.add(x, z);
                        case 1 -> b.subtract(x, z);
                        case 2 -> b.map(new ScalarFunction.Tanh(), b.multiply(x, z));
                        case 3 -> b.reshape(b.map(new ScalarFunction.Sigmoid(), b.reshape(x, Shape.of(3, 1))), V3);
                        case 4 -> b.row(b.stack(x, z), 1);
                        default -> b.map(new ScalarFunction.Relu(), x);
                    });
        }
        return values;
    }

    /** w is read again after its new value is known: the update must wait. */
    @Test
    void updatesComeAfterEveryReader() {
        var graph = new Graph();
        Value w = graph.parameter("w", V3);
        Value rate = graph.input("rate", Shape.SCALAR);
        Value next = graph.apply(new Combine(1, -1), w, rate, w);
        graph.update("w", next);
        graph.output("sum", graph.add(w, next));
        Plan<?> plan = Plan.of(graph, backend);
        plan.parameters().set("w", vector(1, 2, 3));
        plan.feed("rate", Tensor.scalar(0.5));
        plan.run();
        assertArrayEquals(new double[] {1.5, 3, 4.5}, plan.output("sum").doubles());
        assertArrayEquals(new double[] {0.5, 1, 1.5}, plan.parameters().get("w").doubles());
        plan.run();
        assertArrayEquals(
                new double[] {0.25, 0.5, 0.75}, plan.parameters().get("w").doubles());
    }

    /** AdamW of a parameter with a view: its step comes long after the averages, when another value has the gradient's memory. */
    @Test
    void adamsAveragesDoNotWaitForItsStep() {
        var graph = new Graph();
        Value x = graph.input("x", V3);
        Value rate = graph.input("rate", Shape.SCALAR);
        Value w = graph.parameter("w", V3);
        Value m = graph.parameter("m", V3);
        Value v = graph.parameter("v", V3);
        Value gradient = graph.multiply(graph.reshape(graph.reshape(w, Shape.of(1, 3)), V3), x);
        Value mean = graph.apply(new Lerp(0.5), m, gradient);
        Value square = graph.apply(new LerpSquare(0.5), v, gradient);
        graph.output("other", graph.scale(x, 100));
        Value decayed = graph.apply(new Combine(1, -0.5), w, rate, w);
        graph.update("m", mean);
        graph.update("v", square);
        graph.update("w", graph.apply(new AdamStep(0), decayed, mean, square, rate));
        Plan<?> plan = Plan.of(graph, backend);
        plan.parameters().set("w", vector(1, 2, 4));
        plan.parameters().set("m", vector(1, 1, 0));
        plan.parameters().set("v", vector(7, 0, 0));
        plan.feed("x", vector(1, 2, 0.5));
        plan.feed("rate", Tensor.scalar(1));
        plan.run(); // the gradient is (1, 4, 2)
        assertArrayEquals(new double[] {100, 200, 50}, plan.output("other").doubles());
        assertArrayEquals(new double[] {1, 2.5, 1}, plan.parameters().get("m").doubles());
        assertArrayEquals(new double[] {4, 8, 2}, plan.parameters().get("v").doubles());
        assertArrayEquals(
                new double[] {0.5 - 1 / 2.0, 1 - 2.5 / Math.sqrt(8), 2 - 1 / Math.sqrt(2)},
                plan.parameters().get("w").doubles(),
                1e-15);
    }

    @Test
    void parametersCanSwapTheirValues() {
        var graph = new Graph();
        Value a = graph.parameter("a", V3);
        Value b = graph.parameter("b", V3);
        graph.update("a", b);
        graph.update("b", a);
        Plan<?> plan = Plan.of(graph, backend);
        plan.parameters().set("a", vector(1, 1, 1));
        plan.parameters().set("b", vector(2, 2, 2));
        plan.run();
        assertArrayEquals(new double[] {2, 2, 2}, plan.parameters().get("a").doubles());
        assertArrayEquals(new double[] {1, 1, 1}, plan.parameters().get("b").doubles());
    }

    /** An output that is a parameter, or a view of one, is what it was in the run, also if it has a new value after it. */
    @Test
    void outputsAreOfBeforeTheUpdate() {
        var graph = new Graph();
        Value p = graph.parameter("p", V3);
        Value next = graph.apply(new Combine(1, 1), p, graph.input("rate", Shape.SCALAR), p);
        graph.update("p", next);
        graph.output("p", p);
        Value view = graph.reshape(p, Shape.of(1, 3));
        graph.output("view", graph.reshape(view, Shape.of(3, 1)));
        graph.output("next", next);
        for (Backend<?> b : List.of(backend, Backends.open("simd", new Options(1, Precision.FLOAT32)))) {
            Plan<?> plan = Plan.of(graph, b);
            plan.parameters().set("p", vector(1, 2, 3));
            plan.feed("rate", Tensor.scalar(1));
            for (int run = 0; run < 2; run++) {
                plan.run();
                for (int i = 0; i < 3; i++) {
                    double before = (i + 1) << run;
                    assertEquals(before, plan.output("p").get(i));
                    assertEquals(before, plan.output("view").get(i));
                    assertEquals(2 * before, plan.output("next").get(i));
                    assertEquals(2 * before, plan.parameters().get("p").get(i));
                }
            }
        }
    }

    /** Plans are made while others of the same backend run: neither disturbs the other. */
    @Test
    void plansAreMadeBesideRuns() throws Exception {
        try (Backend<?> simd = Backends.open("simd", new Options(2, Precision.FLOAT32))) {
            beside(simd);
        }
    }

    private static <B> void beside(Backend<B> simd) throws Exception {
        int n = 400_000;
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(n));
        graph.output("y", graph.scale(graph.add(x, x), 2));
        Plan<B> plan = Plan.of(graph, simd);
        plan.feed("x", Tensor.full(DType.F32, Shape.of(n), 1));
        var others = new Graph();
        others.output("z", others.add(others.parameter("w", Shape.of(n)), others.input("x", Shape.of(n))));
        var done = new AtomicBoolean();
        var made = new AtomicInteger();
        var failure = new AtomicReference<Throwable>();
        Thread maker = Thread.ofPlatform().start(() -> {
            try {
                while (!done.get()) {
                    Plan.of(others, simd);
                    made.incrementAndGet();
                }
            } catch (Throwable e) {
                failure.set(e);
            }
        });
        try {
            for (int i = 0; i < 300 || made.get() < 30 && maker.isAlive(); i++) {
                plan.run();
                Tensor y = plan.output("y");
                assertTrue(y.get(0) == 4 && y.get(n / 2) == 4 && y.get(n - 1) == 4);
            }
        } finally {
            done.set(true);
            maker.join();
        }
        assertNull(failure.get(), () -> "making plans failed: " + failure.get());
    }

    /** Making a plan computes nothing: parameters are what they were. */
    @Test
    void makingAPlanChangesNoParameter() {
        for (Backend<?> b : List.of(backend, Backends.open("simd", new Options(2, Precision.FLOAT32)))) {
            var parameters = parametersOf(b);
            var graph = new Graph();
            Value x = graph.input("x", Shape.of(2, 4, 5, 3));
            Value covariance = graph.apply(new Covariance(), x);
            Shape s = covariance.shape();
            graph.parameter("statistics", s);
            graph.update("statistics", covariance);
            Value dy = graph.input("dy", Shape.of(1, 2, 2, 3));
            Value w = graph.input("w", Shape.of(1, 1, 4, 3));
            Value dx = graph.parameter("dx", Shape.of(1, 3, 3, 4));
            var conv = new Conv2D(Sliding.valid(2, 2), 1);
            var strided = new FusedConv2DInputGradient(new Conv2DInputGradient(conv, dx.shape()), false);
            graph.update("dx", graph.apply(strided, dy, w, graph.input("residual", dx.shape())));
            parameters.set("statistics", Tensor.full(DType.F64, s, 12));
            parameters.set("dx", Tensor.full(DType.F64, dx.shape(), 7));
            Plan.of(graph, parameters);
            assertEquals(12, parameters.get("statistics").get(1));
            assertEquals(7, parameters.get("dx").get(5));
        }
    }

    private static <B> Parameters<B> parametersOf(Backend<B> backend) {
        return new Parameters<>(backend);
    }

    /** What depends on parameters alone is computed once, and again when a parameter was set or updated elsewhere. */
    @Test
    void hoistedWorkFollowsItsParameters() {
        var graph = new Graph();
        Value w = graph.parameter("w", V3);
        Value x = graph.input("x", V3);
        graph.output("y", graph.multiply(x, graph.map(new ScalarFunction.Square(), w)));
        var training = new Graph();
        training.update("w", training.scale(training.parameter("w", V3), 2));
        run(Plan.of(graph, backend), training);
    }

    private static <B> void run(Plan<B> plan, Graph training) {
        Plan<B> other = Plan.of(training, plan.parameters());
        plan.parameters().set("w", vector(1, 2, 3));
        plan.feed("x", vector(1, 1, 1));
        plan.run();
        assertArrayEquals(new double[] {1, 4, 9}, plan.output("y").doubles());
        plan.parameters().set("w", vector(2, 2, 2));
        plan.run();
        assertArrayEquals(new double[] {4, 4, 4}, plan.output("y").doubles());
        other.run();
        plan.run();
        assertArrayEquals(new double[] {16, 16, 16}, plan.output("y").doubles());
    }

    @Test
    void memoryIsReusedAndKnown() {
        var graph = new Graph();
        Value y = graph.input("x", Shape.of(1000));
        for (int i = 0; i < 50; i++) {
            y = graph.row(graph.stack(y, y), 0);
        }
        graph.output("y", y);
        long bytes = Plan.of(graph, backend).peakBytes();
        assertTrue(bytes < 8 * 6 * 1024, "fifty values of two rows share memory, used " + bytes);
    }

    /** A network of one convolution with batch norm, all of whose weights are prepared beforehand. */
    private static Graph convolution(int images) {
        var graph = new Graph();
        Value x = graph.input("x", Shape.of(images, 8, 8, 32));
        Value w = graph.parameter("w", Shape.of(3, 3, 32, 32));
        Value y = graph.apply(new Conv2D(new Sliding(1, 1, 1, 1, 1, 1, 1, 1), 1), x, w);
        Value statistics = graph.parameter("statistics", Shape.of(2, 32));
        y = graph.apply(
                new BatchNorm(1e-3),
                y,
                statistics,
                graph.parameter("gamma", Shape.of(32)),
                graph.parameter("beta", Shape.of(32)));
        graph.output("y", graph.map(new ScalarFunction.Relu(), y));
        return Fuse.of(graph);
    }

    private static Tensor random(int seed, Shape shape) {
        var values = new float[shape.size()];
        var random = new Random(seed);
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat() + 0.1f;
        }
        return Tensor.of(shape, values);
    }

    private static void setWeights(Parameters<?> parameters, int seed) {
        parameters.set("statistics", random(seed, Shape.of(2, 32)));
        parameters.set("gamma", random(seed + 1, Shape.of(32)));
        parameters.set("beta", random(seed + 2, Shape.of(32)));
    }

    /** Weights are borrowed, read once for all plans, and kept in the prepared form alone; new ones are noticed. */
    @Test
    void weightsAreReadOnceAndKeptPrepared() {
        try (var simd = Backends.open("simd", new Options(2, Precision.FLOAT32))) {
            weightsOnce(simd);
        }
    }

    private static <B> void weightsOnce(Backend<B> simd) {
        var parameters = new Parameters<>(simd);
        Plan<B> one = Plan.of(convolution(1), parameters);
        Plan<B> two = Plan.of(convolution(2), parameters);
        long both = Plan.peakBytes(List.of(one, two)) + simd.scratchBytes();
        long values = (one.peakBytes() + two.peakBytes() - both) / Float.BYTES;
        assertTrue(values >= 36 * 32 * 32 && values < 37 * 32 * 32, values + " in the kernel both read, and its bias");
        assertEquals(0, parameters.bytes());
        Shape kernel = Shape.of(3, 3, 32, 32);
        for (int seed = 0; seed < 3; seed++) {
            var reads = new AtomicInteger();
            Tensor w = random(seed, kernel);
            setWeights(parameters, seed + 10);
            parameters.set("w", Tensor.of(kernel, (y, at) -> {
                reads.incrementAndGet();
                w.copyTo(y, at);
            }));
            Tensor x = random(7, Shape.of(2, 8, 8, 32));
            two.feed("x", x);
            two.run();
            one.feed("x", Tensor.of(Shape.of(1, 8, 8, 32), Arrays.copyOf(x.floats(), x.size() / 2)));
            one.run();
            one.run();
            assertEquals(1, reads.get());
            assertEquals(0, parameters.bytes());
            var fresh = Plan.of(convolution(2), simd);
            setWeights(fresh.parameters(), seed + 10);
            fresh.parameters().set("w", w);
            fresh.feed("x", x);
            fresh.run();
            assertEquals(fresh.output("y"), two.output("y"));
            float[] first = Arrays.copyOf(fresh.output("y").floats(), x.size() / 2);
            assertArrayEquals(first, one.output("y").floats());
            assertEquals(w, parameters.get("w"));
        }
    }

    /** A plan that only borrows a parameter follows one, made later, that changes it. */
    @Test
    void borrowedParametersMoveToMemoryWhenTheyAreChanged() {
        var graph = new Graph();
        Value w = graph.parameter("w", V3);
        graph.output("y", graph.multiply(graph.input("x", V3), graph.map(new ScalarFunction.Square(), w)));
        var training = new Graph();
        training.update("w", training.scale(training.parameter("w", V3), 2));
        borrowed(Plan.of(graph, backend), training);
    }

    private static <B> void borrowed(Plan<B> plan, Graph training) {
        plan.parameters().set("w", vector(1, 2, 3));
        assertEquals(0, plan.parameters().bytes());
        plan.feed("x", vector(1, 1, 1));
        plan.run();
        Plan<B> other = Plan.of(training, plan.parameters());
        assertEquals(3 * Double.BYTES, plan.parameters().bytes());
        plan.run();
        assertArrayEquals(new double[] {1, 4, 9}, plan.output("y").doubles());
        other.run();
        plan.run();
        assertArrayEquals(new double[] {4, 16, 36}, plan.output("y").doubles());
        assertArrayEquals(new double[] {2, 4, 6}, plan.parameters().get("w").doubles());
        plan.parameters().set("w", vector(1, 1, 1));
        plan.run();
        assertArrayEquals(new double[] {1, 1, 1}, plan.output("y").doubles());
    }

    /** Views of what is computed once, read in every run: what they are views of is kept too. */
    @Test
    void viewsOfHoistedValuesLastFromRunToRun() {
        var graph = new Graph();
        Value w = graph.parameter("w", Shape.of(2, 3));
        Value square = graph.map(new ScalarFunction.Square(), w);
        Value x = graph.input("x", Shape.of(6));
        graph.output("a", graph.multiply(x, graph.reshape(square, Shape.of(6))));
        graph.output("b", graph.multiply(x, graph.reshape(w, Shape.of(6))));
        Plan<?> plan = Plan.of(graph, backend);
        for (int run = 1; run < 4; run++) {
            double v = run;
            plan.parameters().set("w", Tensor.of(Shape.of(2, 3), v, v, v, v, v, v));
            for (int i = 1; i < 4; i++) {
                plan.feed("x", vector(i, i, i, i, i, i));
                plan.run();
                assertEquals(i * v * v, plan.output("a").get(5));
                assertEquals(i * v, plan.output("b").get(0));
            }
        }
    }

    @Test
    void aRunAllocatesNothing() {
        try (var simd = Backends.open("simd", new Options(1, Precision.FLOAT32))) {
            Plan<?> plan = Plan.of(convolution(1), simd);
            setWeights(plan.parameters(), 1);
            plan.parameters().set("w", random(2, Shape.of(3, 3, 32, 32)));
            var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
            long least = Long.MAX_VALUE;
            for (int i = 0; i < 20_000 && least > 0; i++) { // until the kernels are compiled
                long before = threads.getCurrentThreadAllocatedBytes();
                plan.run();
                least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(0, least);
        }
    }

    /** No bytes are held that peakBytes does not tell of, and none are told of that are not held. */
    @Test
    void peakBytesAreThoseThatAreAllocated() {
        var allocated = new AtomicLong();
        counting(backend, allocated);
    }

    @SuppressWarnings("unchecked") // a proxy of the interface
    private static <B> void counting(Backend<B> backend, AtomicLong allocated) {
        var counted = (Backend<B>) Proxy.newProxyInstance(
                Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, (_, method, args) -> {
                    if (method.getName().equals("allocate")) {
                        allocated.addAndGet((long) args[0] * backend.elementBytes());
                    }
                    return method.invoke(backend, args);
                });
        Plan<B> plan = Plan.of(convolution(3), counted);
        assertEquals(allocated.get(), plan.peakBytes(), 0.01 * allocated.get());
        setWeights(plan.parameters(), 1);
        plan.parameters().set("w", random(2, Shape.of(3, 3, 32, 32)));
        long before = allocated.get();
        plan.feed("x", random(3, Shape.of(3, 8, 8, 32)));
        plan.run();
        plan.run();
        assertEquals(before, allocated.get(), "nothing more is allocated by runs");
    }

    /**
     * A convolution may write its result over its residual, but not if that is the image itself by another name: other
     * elements of the result still need what has been overwritten.
     */
    @Test
    void nothingIsWrittenOverWhatTheOpAlsoReadsByAnotherName() {
        for (int kernel : new int[] {1, 3}) {
            for (int channels : new int[] {64, 128}) {
                Graph graph = ownResidual(kernel, channels);
                Tensor expected = run(graph, backend);
                try (var simd = Backends.open("simd", new Options(1, Precision.FLOAT32, true))) {
                    Tensor y = run(graph, simd);
                    for (int i = 0; i < y.size(); i++) {
                        assertEquals(expected.get(i), y.get(i), 1e-3, kernel + " x " + kernel + ", element " + i);
                    }
                }
            }
        }
    }

    /** relu(x) convolved, plus relu(x) as a view. */
    private static Graph ownResidual(int kernel, int channels) {
        var graph = new Graph();
        Shape image = Shape.of(1, 12, 12, channels);
        Value x = graph.map(new ScalarFunction.Relu(), graph.input("x", image));
        Value view = graph.reshape(graph.reshape(x, Shape.of(144, channels)), image);
        int pad = kernel / 2;
        var conv = new Conv2D(new Sliding(1, 1, 1, 1, pad, pad, pad, pad), 1);
        graph.output(
                "y",
                graph.apply(
                        new FusedConv2D(conv, true, null),
                        x,
                        graph.parameter("w", Shape.of(kernel, kernel, channels, channels)),
                        graph.parameter("bias", Shape.of(channels)),
                        view));
        return graph;
    }

    private static <B> Tensor run(Graph graph, Backend<B> backend) {
        Plan<B> plan = Plan.of(graph, backend);
        graph.inputs().forEach((name, v) -> plan.feed(name, numbers(v.shape())));
        graph.parameters().forEach((name, v) -> plan.parameters().set(name, numbers(v.shape())));
        plan.run();
        return plan.output("y");
    }

    private static Tensor numbers(Shape shape) {
        var random = new Random(shape.size());
        var x = new float[shape.size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = random.nextFloat() - 0.5f;
        }
        return Tensor.of(shape, x);
    }

    @Test
    void mistakesAreNamed() {
        var graph = new Graph();
        graph.output("y", graph.scale(graph.input("x", V3), 2));
        Plan<?> plan = Plan.of(graph, backend);
        var unknown = assertThrows(GradusException.class, () -> plan.feed("z", vector(1)));
        assertTrue(unknown.getMessage().contains("'z'") && unknown.getMessage().contains("[x]"));
        var shape = assertThrows(ShapeException.class, () -> plan.feed("x", vector(1)));
        assertTrue(shape.getMessage().contains("(3,)") && shape.getMessage().contains("(1,)"));
        assertThrows(GradusException.class, () -> plan.output("nothing"));
        assertThrows(GradusException.class, () -> plan.parameters().get("nothing"));
    }
}
