package gradus.backend.simd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.management.ThreadMXBean;
import gradus.backend.Arithmetic;
import gradus.backend.Backend;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Same bits for every number of threads, and nothing allocated once code is compiled and scratch memory has grown. */
class SteadyTest {
    private static final int ROWS = 32 * 12 * 12;
    private static final int C = 72;
    private static final int N = ROWS * C;
    private static final Window SAME = new Window(32, 12, 12, C, 12, 12, 72, 3, 3, 1, 1, 1, 1, 1, 1, 1);
    private static final Window STEM = new Window(4, 64, 64, 3, 32, 32, 64, 7, 7, 2, 2, 1, 1, 2, 2, 1);
    private static final Window DOWN = new Window(32, 12, 12, C, 6, 6, 144, 1, 1, 2, 2, 1, 1, 0, 0, 1);
    private static final Window ONE = new Window(32, 12, 12, C, 12, 12, C, 1, 1, 1, 1, 1, 1, 0, 0, 1);
    private static final Window GROUPED = new Window(9, 12, 12, C, 12, 12, 36, 3, 3, 1, 1, 2, 2, 2, 2, 4);
    private static final Window TILES4 = new Window(32, 12, 12, 64, 12, 12, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1);
    private static final Window FEW = new Window(1, 12, 12, C, 12, 12, 1024, 1, 1, 1, 1, 1, 1, 0, 0, 1);
    private static final Window EMPTY = new Window(0, 12, 12, C, 12, 12, C, 1, 1, 1, 1, 1, 1, 0, 0, 1);
    private static final Window ODD = new Window(32, 11, 13, 64, 11, 13, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1);
    private static final Window TILES2 = new Window(32, 4, 4, 192, 4, 4, 192, 3, 3, 1, 1, 1, 1, 1, 1, 1);
    private static final Window POOL = new Window(32, 12, 12, C, 6, 6, C, 3, 3, 2, 2, 1, 1, 1, 1, 1);
    private static final Broadcast EQUAL = Broadcast.of(Shape.of(N), Shape.of(N));
    private static final Broadcast BIAS = Broadcast.of(Shape.of(ROWS, C), Shape.of(C));
    private static final Broadcast SCALAR = Broadcast.of(Shape.of(N), Shape.SCALAR);
    private static final StridedCopy ALL = new StridedCopy(new int[] {N}, 0, new int[] {1}, 0, new int[] {1});
    private static final StridedCopy TURN =
            new StridedCopy(new int[] {C, ROWS}, 0, new int[] {1, C}, 0, new int[] {ROWS, 1});
    private static final ScalarFunction RELU = new ScalarFunction.Relu();
    private static final ScalarFunction SIGMOID = new ScalarFunction.Sigmoid();

    /** a, b, c: N numbers; s: a positive number; p: N positive numbers; y: the result. */
    private interface Call {
        void on(SimdBackend k, Memory a, Memory b, Memory s, Memory p, Memory y);
    }

    /** Calls that are joined, made once for the same memory: the results of first, product, last, gradient and again are fifths of y. */
    private static final class Joined implements Call {
        private final Call first;
        private final Call product;
        private final Call last;
        private final Call gradient;
        private final Call again;
        private final boolean alone;
        private Memory seen;
        private Runnable one;
        private Runnable two;
        private Runnable three;
        private Runnable four;
        private Runnable five;
        private Backend.Joined all;

        /** @param first and {@code last} may be null */
        Joined(Call first, Call product, Call last) {
            this(first, product, null, last);
        }

        Joined(Call first, Call product, Call gradient, Call last) {
            this(first, gradient != null, product, last, null, gradient);
        }

        /** @param gradient of a and, unless it is made again, b */
        Joined(Call first, boolean alone, Call product, Call last, Call again, Call gradient) {
            this.first = first;
            this.alone = alone;
            this.product = product;
            this.last = last;
            this.again = again;
            this.gradient = gradient;
        }

        private void make(SimdBackend k, Memory a, Memory b, Memory s, Memory p, Memory y) {
            Memory made = k.slice(y, 0, N);
            Memory result = k.slice(y, N, N);
            Memory statistics = k.slice(y, 2 * N, N);
            one = first == null ? null : () -> first.on(k, a, b, s, p, made);
            two = product == null ? null : () -> product.on(k, first == null ? a : made, b, s, p, result);
            three = last == null ? null : () -> last.on(k, result, b, s, p, statistics);
            Memory dw = k.slice(y, 3 * N, N);
            Memory x = k.slice(y, 4 * N, N);
            five = again == null ? null : () -> again.on(k, a, b, s, p, x);
            four = gradient == null
                    ? null
                    : () -> gradient.on(k, first == null ? a : made, again == null ? b : x, s, p, dw);
            all = new Backend.Joined(one, alone, two, three, five, four);
        }

        @Override
        public void on(SimdBackend k, Memory a, Memory b, Memory s, Memory p, Memory y) {
            if (seen != y) {
                seen = y;
                make(k, a, b, s, p, y);
            }
            k.joined(all);
        }

        void separately(SimdBackend k, Memory a, Memory b, Memory s, Memory p, Memory y) {
            make(k, a, b, s, p, y);
            for (Runnable call : new Runnable[] {one, two, three, five, four}) {
                if (call != null) {
                    call.run();
                }
            }
        }
    }

    private static Map<String, Joined> joined() {
        var first = new LinkedHashMap<String, Call>();
        first.put("batch norm", (k, a, b, s, p, y) -> k.batchNormFused(ROWS, C, 1e-3, RELU, a, p, b, b, b, y));
        first.put("sigmoid", (k, a, b, s, p, y) -> k.batchNormFused(ROWS, C, 1e-3, SIGMOID, a, p, b, b, null, y));
        first.put("gradient", (k, a, b, s, p, y) -> k.batchNormGradient(ROWS, C, 1e-3, a, b, p, b, b, y));
        first.put("relu", (k, a, b, s, p, y) -> k.batchNormReluGradient(ROWS, C, 1e-3, a, b, p, b, b, b, y));
        var product = new LinkedHashMap<String, Call>();
        product.put("1x1", (k, a, b, s, p, y) -> k.conv2dFused(ONE, null, a, b, p, null, y));
        product.put("dx of 1x1", (k, a, b, s, p, y) -> k.conv2dInputGradient(ONE, a, b, y));
        product.put("dx of 1x1 added", (k, a, b, s, p, y) -> k.conv2dInputGradientFused(ONE, a, b, b, 1, 1, p, y));
        product.put("dx of 1x1 strided", (k, a, b, s, p, y) -> k.conv2dInputGradientFused(ONE, a, b, b, 2, 3, p, y));
        var last = new LinkedHashMap<String, Call>();
        last.put("moments", (k, a, b, s, p, y) -> k.moments(ROWS, C, a, y));
        last.put("sums", (k, a, b, s, p, y) -> k.batchNormSums(ROWS, C, 1e-3, a, b, p, y));
        last.put("sum", (k, a, b, s, p, y) -> k.sum(1, ROWS, C, a, y));
        last.put("relu sums", (k, a, b, s, p, y) -> k.batchNormReluSums(ROWS, C, 1e-3, a, b, p, b, b, y));
        Call dw = (k, a, b, s, p, y) -> k.conv2dKernelGradient(ONE, b, a, y);
        var m = new LinkedHashMap<String, Joined>();
        product.forEach((name, call) -> {
            first.forEach((before, one) -> m.put(before + ", " + name, new Joined(one, call, null)));
            last.forEach((after, three) -> m.put(name + ", " + after, new Joined(null, call, three)));
            m.put("all of " + name, new Joined(first.get("relu"), call, last.get("relu sums")));
            if (name.startsWith("dx")) {
                m.put("both of " + name, new Joined(null, call, dw, null));
                m.put("both of " + name + " and sums", new Joined(first.get("gradient"), call, dw, last.get("sums")));
            }
        });
        m.put(
                "few rows",
                new Joined(
                        first.get("relu"),
                        (k, a, b, s, p, y) -> k.conv2d(FEW, a, b, y),
                        (k, a, b, s, p, y) -> k.moments(144, 1024, a, y)));
        m.put(
                "strided",
                new Joined(
                        first.get("relu"),
                        (k, a, b, s, p, y) -> k.conv2d(DOWN, a, b, y),
                        (k, a, b, s, p, y) -> k.moments(32 * 36, 144, a, y)));
        Call half = (k, a, b, s, p, y) -> k.batchNormReluGradient(32 * 36, 144, 1e-3, a, b, p, b, b, b, y);
        m.put(
                "dx of strided",
                new Joined(half, (k, a, b, s, p, y) -> k.conv2dInputGradient(DOWN, a, b, y), last.get("relu sums")));
        m.put(
                "dx of strided added",
                new Joined(
                        half,
                        (k, a, b, s, p, y) -> k.conv2dInputGradientFused(DOWN, a, b, b, 1, 1, p, y),
                        last.get("sums")));
        var all = new Window(32, 12, 12, C, 6, 6, C, 3, 3, 2, 2, 1, 1, 1, 1, 1);
        m.put(
                "dx of 3x3, strided, added",
                new Joined(
                        null,
                        (k, a, b, s, p, y) -> k.conv2dInputGradientFused(all, a, b, b, 1, 1, p, y),
                        last.get("sums")));
        m.put(
                "both of strided",
                new Joined(
                        half,
                        (k, a, b, s, p, y) -> k.conv2dInputGradient(DOWN, a, b, y),
                        (k, a, b, s, p, y) -> k.conv2dKernelGradient(DOWN, b, a, y),
                        null));
        m.put(
                "both of 3x3",
                new Joined(
                        first.get("relu"),
                        (k, a, b, s, p, y) -> k.conv2dInputGradient(SAME, a, b, y),
                        (k, a, b, s, p, y) -> k.conv2dKernelGradient(SAME, b, a, y),
                        last.get("moments")));
        Call norm = (k, a, b, s, p, y) -> k.batchNormFused(ROWS, C, 1e-3, RELU, a, p, b, b, null, y);
        Call narrow = (k, a, b, s, p, y) -> k.batchNormFused(ROWS, 64, 1e-3, RELU, a, p, b, b, null, y);
        Call wide = (k, a, b, s, p, y) -> k.batchNormFused(512, 192, 1e-3, null, a, p, b, b, null, y);
        m.put(
                "both and again",
                new Joined(
                        first.get("gradient"),
                        true,
                        product.get("dx of 1x1"),
                        last.get("relu sums"),
                        norm,
                        (k, a, b, s, p, y) -> k.conv2dKernelGradient(ONE, b, a, y)));
        m.put(
                "both and again, not at once",
                new Joined(
                        half,
                        true,
                        (k, a, b, s, p, y) -> k.conv2dInputGradient(DOWN, a, b, y),
                        null,
                        first.get("sigmoid"),
                        (k, a, b, s, p, y) -> k.conv2dKernelGradient(DOWN, b, a, y)));
        for (Window g : List.of(ONE, DOWN, FEW, SAME, TILES4, ODD, TILES2)) {
            Call made = g.c() == C ? norm : g.c() == 64 ? narrow : wide;
            String name = " for " + g.kh() + "x" + g.kw() + " of " + g.h() + ", " + g.c() + " to " + g.f();
            m.put("made" + name, new Joined(made, true, (k, a, b, s, p, y) -> k.conv2d(g, a, b, y), null, null, null));
            m.put(
                    "made again" + name,
                    new Joined(
                            null, false, null, null, made, (k, a, b, s, p, y) -> k.conv2dKernelGradient(g, b, a, y)));
        }
        var stem = new Window(4, 23, 23, 3, 12, 12, C, 7, 7, 2, 2, 1, 1, 3, 3, 1);
        for (Window g : List.of(stem, ONE, FEW, SAME, TILES4, GROUPED)) {
            Call dy = (k, a, b, s, p, y) ->
                    k.batchNormReluGradient(g.n() * g.oh() * g.ow(), g.f(), 1e-3, a, b, p, b, b, b, y);
            Call kernel = (k, a, b, s, p, y) -> k.conv2dKernelGradient(g, b, a, y);
            m.put("kernel alone of " + g, new Joined(dy, true, null, null, null, kernel));
        }
        m.put(
                "first layer",
                new Joined(
                        null,
                        (k, a, b, s, p, y) -> k.conv2dFused(stem, null, a, b, p, null, y),
                        (k, a, b, s, p, y) -> k.moments(4 * 144, C, a, y)));
        var deep = new Window(1, 8, 4, 9232, 8, 4, 16, 1, 1, 1, 1, 1, 1, 0, 0, 1);
        m.put(
                "deep",
                new Joined(
                        (k, a, b, s, p, y) -> k.batchNormFused(32, 9232, 1e-3, RELU, a, p, b, b, b, y),
                        (k, a, b, s, p, y) -> k.conv2d(deep, a, b, y),
                        (k, a, b, s, p, y) -> k.moments(32, 16, a, y)));
        var sumOf = new Memory(Lanes.array(N), Lanes.BASE, N);
        Call sum = (k, a, b, s, p, y) -> {
            k.batchNormFused(ROWS, C, 1e-3, null, a, p, a, b, null, sumOf);
            k.batchNormFused(ROWS, C, 1e-3, RELU, b, p, b, a, sumOf, y);
        };
        Call over = (k, a, b, s, p, y) -> {
            k.copy(ALL, b, y);
            k.batchNormFused(ROWS, C, 1e-3, null, a, p, a, b, null, sumOf);
            k.batchNormFused(ROWS, C, 1e-3, RELU, y, p, b, a, sumOf, y);
        };
        m.put("sum of two", new Joined(sum, product.get("1x1"), last.get("moments")));
        m.put("sum of two in place", new Joined(over, product.get("1x1"), null));
        m.put("sum of two, winograd", new Joined(sum, (k, a, b, s, p, y) -> k.conv2d(TILES4, a, b, y), null));
        m.put("sum of two, strided", new Joined(sum, (k, a, b, s, p, y) -> k.conv2d(DOWN, a, b, y), null));
        m.put("3x3", new Joined(first.get("relu"), (k, a, b, s, p, y) -> k.conv2d(SAME, a, b, y), last.get("moments")));
        m.put(
                "winograd",
                new Joined(
                        first.get("relu"),
                        (k, a, b, s, p, y) -> k.conv2d(TILES4, a, b, y),
                        (k, a, b, s, p, y) -> k.moments(ROWS, 64, a, y)));
        m.put(
                "others' statistics",
                new Joined(null, product.get("1x1"), (k, a, b, s, p, y) -> k.moments(ROWS, C, b, y)));
        m.put("nothing", new Joined(first.get("relu"), (k, a, b, s, p, y) -> k.conv2d(EMPTY, a, b, y), null));
        return m;
    }

    private static Map<String, Call> calls() {
        var m = new LinkedHashMap<String, Call>();
        m.put("conv2d same", (k, a, b, s, p, y) -> k.conv2d(SAME, a, b, y));
        m.put("conv2d stem", (k, a, b, s, p, y) -> k.conv2d(STEM, a, b, y));
        m.put("conv2d down", (k, a, b, s, p, y) -> k.conv2d(DOWN, a, b, y));
        m.put("conv2d grouped", (k, a, b, s, p, y) -> k.conv2d(GROUPED, a, b, y));
        m.put("input gradient same", (k, a, b, s, p, y) -> k.conv2dInputGradient(SAME, a, b, y));
        m.put("input gradient stem", (k, a, b, s, p, y) -> k.conv2dInputGradient(STEM, a, b, y));
        m.put("input gradient down", (k, a, b, s, p, y) -> k.conv2dInputGradient(DOWN, a, b, y));
        m.put("input gradient fused", (k, a, b, s, p, y) -> k.conv2dInputGradientFused(SAME, a, b, b, 1, 1, a, y));
        m.put(
                "input gradient added down",
                (k, a, b, s, p, y) -> k.conv2dInputGradientFused(DOWN, a, b, b, 1, 1, null, y));
        m.put("kernel gradient same", (k, a, b, s, p, y) -> k.conv2dKernelGradient(SAME, a, b, y));
        m.put("kernel gradient stem", (k, a, b, s, p, y) -> k.conv2dKernelGradient(STEM, a, b, y));
        m.put("kernel gradient down", (k, a, b, s, p, y) -> k.conv2dKernelGradient(DOWN, a, b, y));
        m.put("kernel gradient grouped", (k, a, b, s, p, y) -> k.conv2dKernelGradient(GROUPED, a, b, y));
        m.put("conv2d fused", (k, a, b, s, p, y) -> k.conv2dFused(SAME, RELU, a, b, p, b, y));
        m.put("conv2d prepared", (k, a, b, s, p, y) -> k.conv2dPrepared(SAME, RELU, a, b, p, b, y));
        for (Window g : List.of(TILES4, TILES2)) {
            m.put("winograd " + g.c(), (k, a, b, s, p, y) -> k.conv2dFused(g, RELU, a, b, p, b, y));
            m.put("winograd input gradient " + g.c(), (k, a, b, s, p, y) -> k.conv2dInputGradient(g, a, b, y));
            m.put("winograd kernel gradient " + g.c(), (k, a, b, s, p, y) -> k.conv2dKernelGradient(g, a, b, y));
        }
        m.put("matMul", (k, a, b, s, p, y) -> k.matMul(64, 1000, 200, false, false, a, b, y));
        m.put("matMul ta", (k, a, b, s, p, y) -> k.matMul(200, 100, 1500, true, false, a, b, y));
        m.put("matMul tb", (k, a, b, s, p, y) -> k.matMul(64, 200, 1000, false, true, a, b, y));
        m.put("covariance", (k, a, b, s, p, y) -> k.covariance(1500, 72, a, y));
        m.put("relu", (k, a, b, s, p, y) -> k.map(RELU, N, a, y));
        m.put("relu gradient", (k, a, b, s, p, y) -> k.mapGradient(RELU, N, a, b, y));
        m.put("sigmoid", (k, a, b, s, p, y) -> k.map(SIGMOID, N, a, y));
        m.put("sigmoid gradient", (k, a, b, s, p, y) -> k.mapGradient(SIGMOID, N, a, b, y));
        m.put("add", (k, a, b, s, p, y) -> k.arithmetic(Arithmetic.ADD, EQUAL, a, b, y));
        m.put("add bias", (k, a, b, s, p, y) -> k.arithmetic(Arithmetic.ADD, BIAS, a, b, y));
        m.put("times scalar", (k, a, b, s, p, y) -> k.arithmetic(Arithmetic.MULTIPLY, SCALAR, a, s, y));
        m.put("combine", (k, a, b, s, p, y) -> k.combine(N, 1, -0.1, a, s, b, y));
        m.put("lerp", (k, a, b, s, p, y) -> k.lerp(N, 0.1, a, b, y));
        m.put("lerpSquare", (k, a, b, s, p, y) -> k.lerpSquare(N, 0.1, p, b, y));
        m.put("adamStep", (k, a, b, s, p, y) -> k.adamStep(N, 1e-7, a, b, p, s, y));
        m.put("dropout", (k, a, b, s, p, y) -> k.dropout(N, 0.3, 1, s, a, y));
        m.put("fill", (k, a, b, s, p, y) -> k.fill(N, 1, y));
        m.put("transpose", (k, a, b, s, p, y) -> k.copy(TURN, a, y));
        m.put("sum of all", (k, a, b, s, p, y) -> k.sum(1, N, 1, a, y));
        m.put("sum of rows", (k, a, b, s, p, y) -> k.sum(1, ROWS, C, a, y));
        m.put("sum of pixels", (k, a, b, s, p, y) -> k.sum(32, 144, C, a, y));
        m.put("max", (k, a, b, s, p, y) -> k.max(32, 144, C, a, y));
        m.put("moments", (k, a, b, s, p, y) -> k.moments(ROWS, C, a, y));
        m.put("moments gradient", (k, a, b, s, p, y) -> k.momentsGradient(ROWS, C, b, a, p, y));
        m.put("batch norm", (k, a, b, s, p, y) -> k.batchNormFused(ROWS, C, 1e-3, RELU, a, p, b, b, b, y));
        m.put("batch norm sums", (k, a, b, s, p, y) -> k.batchNormSums(ROWS, C, 1e-3, a, b, p, y));
        m.put("batch norm gradient", (k, a, b, s, p, y) -> k.batchNormGradient(ROWS, C, 1e-3, a, b, p, b, b, y));
        m.put("relu sums", (k, a, b, s, p, y) -> k.batchNormReluSums(ROWS, C, 1e-3, a, b, p, b, b, y));
        m.put(
                "relu gradient of batch norm",
                (k, a, b, s, p, y) -> k.batchNormReluGradient(ROWS, C, 1e-3, a, b, p, b, b, b, y));
        m.put("max pool", (k, a, b, s, p, y) -> k.maxPool(POOL, a, y));
        m.put("max pool gradient", (k, a, b, s, p, y) -> k.maxPoolGradient(POOL, a, b, a, y));
        m.put("average pool", (k, a, b, s, p, y) -> k.averagePool(POOL, a, y));
        m.put("average pool gradient", (k, a, b, s, p, y) -> k.averagePoolGradient(POOL, a, y));
        m.put("softmax", (k, a, b, s, p, y) -> k.softmax(N / 1000, 1000, a, y));
        m.put("log softmax", (k, a, b, s, p, y) -> k.logSoftmax(N / 1000, 1000, a, y));
        m.putAll(joined());
        return m;
    }

    private static float[] numbers(long seed, int n, boolean positive) {
        var random = new SplittableRandom(seed);
        var x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) (random.nextDouble() - (positive ? -0.1 : 0.5));
        }
        return x;
    }

    private static Memory memory(SimdBackend k, long seed, int n, boolean positive) {
        Memory y = k.allocate(n);
        k.write(Tensor.of(Shape.of(n), numbers(seed, n, positive)), y);
        return y;
    }

    @Test
    void bitsDoNotDependOnThreads() {
        var expected = new ArrayList<float[]>();
        for (int threads : List.of(1, 2, 3, 4, 8)) {
            try (var k = new SimdBackend(threads, false)) {
                Memory a = memory(k, 1, N, false);
                Memory b = memory(k, 2, N, false);
                Memory s = memory(k, 3, 1, true);
                Memory p = memory(k, 4, N, true);
                int at = 0;
                for (var call : calls().entrySet()) {
                    Memory y = k.allocate(5 * N);
                    call.getValue().on(k, a, b, s, p, y);
                    float[] bits = k.read(y, Shape.of(5 * N)).floats();
                    if (call.getValue() instanceof Joined j && j.alone) { // what need not be left
                        Arrays.fill(bits, 0, N, 0);
                    }
                    if (call.getValue() instanceof Joined j && j.again != null) {
                        Arrays.fill(bits, 4 * N, 5 * N, 0);
                    }
                    if (threads == 1) {
                        expected.add(bits);
                    } else {
                        assertArrayEquals(expected.get(at++), bits, call.getKey() + " with " + threads + " threads");
                    }
                }
            }
        }
    }

    /** A block of rows at a time or one call after the other: the same, statistics up to rounding. */
    @Test
    void joinedCallsGiveTheSame() {
        for (int threads : List.of(1, 2)) {
            try (var k = new SimdBackend(threads, false)) {
                Memory a = memory(k, 1, N, false);
                Memory b = memory(k, 2, N, false);
                Memory s = memory(k, 3, 1, true);
                Memory p = memory(k, 4, N, true);
                joined().forEach((name, call) -> {
                    Memory y = k.allocate(5 * N);
                    Memory z = k.allocate(5 * N);
                    call.on(k, a, b, s, p, y);
                    call.separately(k, a, b, s, p, z);
                    int begin = call.alone ? N : 0; // what the first has made need not be left
                    Shape results = Shape.of(2 * N - begin);
                    assertArrayEquals(
                            k.read(k.slice(z, begin, 2 * N - begin), results).floats(),
                            k.read(k.slice(y, begin, 2 * N - begin), results).floats(),
                            name);
                    close(name, call.last == null, k, k.slice(z, 2 * N, N), k.slice(y, 2 * N, N));
                    close(name, call.gradient == null, k, k.slice(z, 3 * N, N), k.slice(y, 3 * N, N));
                });
            }
        }
    }

    /** More channels than a worker's scratch memory has room for: what is made again goes to its own memory. */
    @Test
    void wideRowsAreMadeInMemory() {
        int c = 264;
        int pixels = 64 * 8 * 8;
        var g = new Window(64, 8, 8, c, 8, 8, 16, 1, 1, 1, 1, 1, 1, 0, 0, 1);
        try (var k = new SimdBackend(2, false)) {
            Memory x = memory(k, 1, pixels * c, false);
            Memory dy = memory(k, 2, pixels * 16, false);
            Memory w = memory(k, 3, c * 16, false);
            Memory p = memory(k, 4, 2 * c, true);
            Memory y = k.allocate(pixels * c);
            Memory dx = k.allocate(pixels * c);
            Memory dw = k.allocate(c * 16);
            Memory expected = k.allocate(c * 16);
            k.batchNormFused(pixels, c, 1e-3, RELU, x, p, p, p, null, y);
            k.conv2dKernelGradient(g, y, dy, expected);
            Memory again = k.allocate(pixels * c);
            k.joined(new Backend.Joined(
                    null,
                    false,
                    () -> k.conv2dInputGradient(g, dy, w, dx),
                    null,
                    () -> k.batchNormFused(pixels, c, 1e-3, RELU, x, p, p, p, null, again),
                    () -> k.conv2dKernelGradient(g, again, dy, dw)));
            assertArrayEquals(expected.array(), dw.array());
            assertArrayEquals(y.array(), again.array());
        }
    }

    private static void close(String name, boolean nothing, SimdBackend k, Memory expected, Memory actual) {
        float[] e = k.read(expected, Shape.of(N)).floats();
        double largest = 0;
        for (float f : e) {
            largest = Math.max(largest, Math.abs(f));
        }
        assertArrayEquals(e, k.read(actual, Shape.of(N)).floats(), (float) (largest * 1e-5), name);
        assertEquals(nothing, largest == 0, name);
    }

    /** Of one product alone, whose statistics were waited for and never taken, nothing is left for the next. */
    @Test
    void whatAFailedCallLeftIsForgotten() {
        try (var k = new SimdBackend(2, false)) {
            Memory a = memory(k, 1, N, false);
            Memory p = memory(k, 4, N, true);
            Memory y = k.allocate(N);
            Memory m = k.allocate(2 * C);
            Memory expected = k.allocate(2 * C);
            k.moments(ROWS, C, a, expected);
            assertThrows(
                    IllegalStateException.class,
                    () -> k.joined(new Backend.Joined(
                            () -> k.batchNorm(ROWS, C, 1e-3, a, p, p, p, y),
                            true,
                            () -> {
                                throw new IllegalStateException();
                            },
                            () -> k.moments(ROWS, C, y, m),
                            () -> k.batchNorm(ROWS, C, 1e-3, a, p, p, p, y),
                            () -> k.conv2dKernelGradient(ONE, a, y, expected))));
            k.conv2d(ONE, a, p, y);
            k.moments(ROWS, C, a, m);
            assertArrayEquals(expected.array(), m.array());
        }
    }

    /** What was to be added to pixels that no tap reaches is not added to the next product. */
    @Test
    void nothingIsLeftForTheNextProduct() {
        var none = new Window(4, 0, 12, C, 0, 12, C, 1, 1, 1, 1, 1, 1, 0, 0, 1);
        try (var k = new SimdBackend(2, false)) {
            Memory a = memory(k, 1, N, false);
            Memory b = memory(k, 2, N, false);
            Memory expected = k.allocate(N);
            Memory y = k.allocate(N);
            k.matMul(64, 1000, 200, false, false, a, b, expected);
            for (Window g : List.of(DOWN, none)) {
                k.conv2dInputGradientFused(g, a, b, b, 1, 1, a, y);
                k.matMul(64, 1000, 200, false, false, a, b, y);
                for (int i = 0; i < 64_000; i++) {
                    assertEquals(expected.array()[expected.offset() + i], y.array()[y.offset() + i], g.toString());
                }
            }
        }
    }

    /** 1 x 1, strided with and without pixels that nothing reaches, 3 x 3, both Winograd tiles, groups: dx over the residual. */
    @Test
    void inputGradientsInPlace() {
        var down = new Window(4, 12, 12, C, 6, 6, C, 3, 3, 2, 2, 1, 1, 1, 1, 1);
        try (var k = new SimdBackend(2, false)) {
            for (Window g : List.of(ONE, DOWN, down, SAME, TILES4, TILES2, GROUPED)) {
                int n = g.n() * g.h() * g.w() * g.c();
                Memory dy = memory(k, 1, g.n() * g.oh() * g.ow() * g.f(), false);
                Memory w = memory(k, 2, g.kh() * g.kw() * g.c() * g.f(), false);
                Memory z = memory(k, 4, n, false);
                Memory apart = k.allocate(n);
                k.conv2dInputGradientFused(g, dy, w, memory(k, 3, n, false), 1, 1, z, apart);
                Memory in = memory(k, 3, n, false);
                k.conv2dInputGradientFused(g, dy, w, in, 1, 1, z, in);
                assertArrayEquals(apart.array(), in.array(), g.toString());
            }
        }
    }

    /** Direct, strided, first layer, both Winograd tiles, dense: an image's result is the same alone and among others. */
    @Test
    void bitsDoNotDependOnTheBatch() {
        int n = 16;
        var shapes = List.of(
                window(1, 7, 192, 7, 72, 1, 1, 0),
                window(1, 9, 40, 5, 96, 1, 2, 0),
                window(1, 23, 3, 12, 64, 7, 2, 3),
                window(1, 14, 64, 14, 32, 3, 1, 1),
                window(1, 7, 288, 7, 32, 3, 1, 1),
                window(1, 9, 48, 5, 40, 3, 2, 1),
                window(1, 1, 777, 1, 101, 1, 1, 0));
        try (var k = new SimdBackend(3, false)) {
            for (Window g : shapes) {
                int in = g.h() * g.w() * g.c();
                int out = g.oh() * g.ow() * g.f();
                Memory x = memory(k, 1, n * in, false);
                Memory w = memory(k, 2, g.kh() * g.kw() * g.c() * g.f(), false);
                Memory bias = memory(k, 3, g.f(), false);
                Memory residual = memory(k, 4, n * out, false);
                Memory kernel = k.allocate(k.preparedKernelSize(g));
                k.prepareKernel(g, w, kernel);
                Memory together = k.allocate(n * out);
                k.conv2dPrepared(batch(g, n), RELU, x, kernel, bias, residual, together);
                float[] expected = k.read(together, Shape.of(n * out)).floats();
                Memory alone = k.allocate(n * out);
                for (int i = 0; i < n; i++) {
                    Memory y = k.slice(alone, i * out, out);
                    k.conv2dPrepared(g, RELU, k.slice(x, i * in, in), kernel, bias, k.slice(residual, i * out, out), y);
                }
                assertArrayEquals(expected, k.read(alone, Shape.of(n * out)).floats(), g.toString());
                k.conv2dPrepared(batch(g, n), RELU, x, kernel, bias, residual, residual);
                assertArrayEquals(expected, k.read(residual, Shape.of(n * out)).floats(), "in place: " + g);
            }
        }
    }

    private static Window batch(Window g, int n) {
        return new Window(
                n,
                g.h(),
                g.w(),
                g.c(),
                g.oh(),
                g.ow(),
                g.f(),
                g.kh(),
                g.kw(),
                g.strideH(),
                g.strideW(),
                1,
                1,
                g.top(),
                g.left(),
                1);
    }

    private static Window window(int n, int side, int c, int out, int f, int kernel, int stride, int padding) {
        return new Window(n, side, side, c, out, out, f, kernel, kernel, stride, stride, 1, 1, padding, padding, 1);
    }

    /** Until code is compiled, vectors are objects; each call gets ten seconds to come down to no byte in five rounds. */
    @Test
    void nothingIsAllocated() {
        var bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (var k = new SimdBackend(2, false)) {
            Memory a = memory(k, 1, N, false);
            Memory b = memory(k, 2, N, false);
            Memory s = memory(k, 3, 1, true);
            Memory p = memory(k, 4, N, true);
            Memory y = k.allocate(5 * N);
            for (var call : calls().entrySet()) {
                long least = Long.MAX_VALUE;
                for (long end = System.nanoTime() + 10_000_000_000L; least > 0 && System.nanoTime() < end; ) {
                    long before = allocated(bean);
                    for (int i = 0; i < 5; i++) {
                        call.getValue().on(k, a, b, s, p, y);
                    }
                    least = Math.min(least, allocated(bean) - before);
                }
                assertEquals(0, least, call.getKey() + ": bytes in five calls");
            }
        }
    }

    /** Bytes allocated so far by this thread and the workers. */
    private static long allocated(ThreadMXBean bean) {
        long bytes = bean.getCurrentThreadAllocatedBytes();
        for (Thread t : WORKERS.get()) {
            bytes += bean.getThreadAllocatedBytes(t.threadId());
        }
        return bytes;
    }

    private static final ThreadLocal<Thread[]> WORKERS = ThreadLocal.withInitial(() -> {
        var threads = new Thread[Thread.activeCount() + 16];
        int n = Thread.enumerate(threads);
        var workers = new ArrayList<Thread>();
        for (int i = 0; i < n; i++) {
            if (threads[i].getName().startsWith("gradus-simd")) {
                workers.add(threads[i]);
            }
        }
        return workers.toArray(Thread[]::new);
    });
}
