package gradus.backend.agreement;

import static gradus.backend.agreement.Twins.U;
import static gradus.backend.agreement.Twins.inputs;
import static gradus.backend.agreement.Twins.kernels;
import static gradus.backend.agreement.Twins.magnitude;
import static gradus.backend.agreement.Twins.magnitudes;
import static gradus.backend.agreement.Twins.results;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import gradus.backend.Arithmetic;
import gradus.backend.Backend;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Every method against the double-precision reference on 200 random shapes (or {@code -Dgradus.test.times}). Errors are bounded by k 2^-24 times the sum of
 * absolute terms, k stated per method; for a sum of n products k = 8 + sqrt(n) / 2, the growth of rounding errors that do
 * not conspire. Run with {@code -Dgradus.simd.bits=128|256|512} to test another vector width, and {@code
 * -Dgradus.test.backend=NAME} another backend.
 */
public class AgreementTest {
    private static final int TIMES = Integer.getInteger("gradus.test.times", 200);

    private final Twins twins = new Twins(1, Integer.getInteger("gradus.test.threads", 2));

    @AfterEach
    void close() {
        twins.close();
    }

    public static double k(long terms) {
        return 8 + Math.sqrt(terms) / 2;
    }

    public static double[] same(int n, double bound) {
        var bounds = new double[n];
        Arrays.fill(bounds, bound);
        return bounds;
    }

    @Test
    void convolution() {
        for (int t = 0; t < TIMES; t++) {
            var g = twins.window(false);
            Tensor[] in = {twins.numbers(inputs(g)), twins.numbers(kernels(g))};
            int terms = g.kh() * g.kw() * g.c() / g.groups();
            twins.agree(
                    "conv2d " + g, k(terms), (b, m, y) -> b.conv2d(g, m[0], m[1], y), results(g), in, magnitudes(in));
        }
    }

    @Test
    void convolutionInputGradient() {
        for (int t = 0; t < TIMES; t++) {
            var g = twins.window(false);
            Tensor[] in = {twins.numbers(results(g)), twins.numbers(kernels(g))};
            int terms = g.kh() * g.kw() * g.f() / g.groups();
            twins.agree(
                    "conv2dInputGradient " + g,
                    k(terms),
                    (b, m, y) -> b.conv2dInputGradient(g, m[0], m[1], y),
                    inputs(g),
                    in,
                    magnitudes(in));
        }
    }

    @Test
    void convolutionInputGradientFused() {
        for (int t = 0; t < TIMES; t++) {
            var g = twins.window(false);
            boolean relu = twins.flip();
            Tensor[] in = {
                twins.numbers(results(g)), twins.numbers(kernels(g)), twins.numbers(inputs(g)), twins.whole(inputs(g))
            };
            int terms = g.kh() * g.kw() * g.f() / g.groups();
            twins.agree(
                    "conv2dInputGradientFused " + g + " " + relu,
                    k(terms),
                    (b, m, y) -> b.conv2dInputGradientFused(g, m[0], m[1], m[2], 1, 1, relu ? m[3] : null, y),
                    inputs(g),
                    in,
                    magnitudes(in));
        }
    }

    /** Shapes that the backend computes each in its own way; random ones seldom meet them. */
    @Test
    void convolutionsOfManyImagesOfFewRowsAndOfShortRuns() {
        for (var g : List.of(
                new Window(9, 4, 5, 40, 4, 5, 36, 3, 3, 1, 1, 1, 1, 1, 1, 1), // position by position
                new Window(2, 3, 5, 100, 3, 5, 70, 1, 1, 1, 1, 1, 1, 0, 0, 1), // few rows
                new Window(4, 6, 6, 330, 6, 6, 323, 1, 1, 1, 1, 1, 1, 0, 0, 1), // few rows in two blocks
                new Window(5, 16, 16, 64, 16, 16, 40, 1, 1, 1, 1, 1, 1, 0, 0, 1), // many rows
                new Window(5, 16, 16, 530, 16, 16, 100, 1, 1, 1, 1, 1, 1, 0, 0, 1), // a large kernel's derivative
                new Window(5, 16, 16, 100, 16, 16, 601, 1, 1, 1, 1, 1, 1, 0, 0, 1),
                new Window(5, 16, 16, 64, 8, 8, 40, 1, 1, 2, 2, 1, 1, 0, 0, 1),
                new Window(3, 17, 18, 3, 9, 9, 20, 7, 7, 2, 2, 1, 1, 3, 3, 1), // short runs, partly outside
                new Window(2, 12, 30, 2, 12, 30, 33, 5, 20, 1, 1, 1, 1, 2, 10, 1),
                new Window(2, 152, 4, 1, 5, 4, 33, 150, 1, 1, 1, 1, 1, 1, 0, 1))) { // a column of runs of one number
            Tensor x = twins.numbers(inputs(g));
            Tensor w = twins.numbers(kernels(g));
            Tensor dy = twins.numbers(results(g));
            Tensor[] forward = {x, w, twins.numbers(g.f()), twins.numbers(results(g))};
            int terms = g.kh() * g.kw() * g.c();
            var relu = new ScalarFunction.Relu();
            twins.agree(
                    "conv2dFused " + g,
                    k(terms),
                    (b, m, y) -> b.conv2dFused(g, relu, m[0], m[1], m[2], m[3], y),
                    results(g),
                    forward,
                    magnitudes(forward));
            Tensor[] operands = {x, dy};
            twins.agree(
                    "conv2dKernelGradient " + g,
                    k((long) g.n() * g.oh() * g.ow()),
                    (b, m, y) -> b.conv2dKernelGradient(g, m[0], m[1], y),
                    kernels(g),
                    operands,
                    magnitudes(operands));
            for (Tensor z : new Tensor[] {null, twins.whole(inputs(g))}) {
                Tensor[] back = {dy, w, twins.numbers(inputs(g)), z == null ? x : z};
                twins.agree(
                        "conv2dInputGradientFused " + g,
                        k(g.kh() * g.kw() * g.f()),
                        (b, m, y) -> b.conv2dInputGradientFused(g, m[0], m[1], m[2], 1, 1, z == null ? null : m[3], y),
                        inputs(g),
                        back,
                        magnitudes(back));
                if (twins.tested.stridedResiduals() && g.kh() * g.kw() * g.strideH() == 1) {
                    int stepH = 1 + twins.random.nextInt(3);
                    int stepW = 4 - stepH;
                    int some = g.n() * Math.ceilDiv(g.h(), stepH) * Math.ceilDiv(g.w(), stepW) * g.c();
                    back[2] = twins.numbers(some);
                    twins.agree(
                            "strided residual " + stepH + ", " + stepW + ", " + g,
                            k(g.f()),
                            (b, m, y) -> b.conv2dInputGradientFused(
                                    g, m[0], m[1], m[2], stepH, stepW, z == null ? null : m[3], y),
                            inputs(g),
                            back,
                            magnitudes(back));
                }
            }
        }
    }

    @Test
    void convolutionKernelGradient() {
        for (int t = 0; t < TIMES; t++) {
            var g = twins.window(false);
            Tensor[] in = {twins.numbers(inputs(g)), twins.numbers(results(g))};
            twins.agree(
                    "conv2dKernelGradient " + g,
                    k((long) g.n() * g.oh() * g.ow()),
                    (b, m, y) -> b.conv2dKernelGradient(g, m[0], m[1], y),
                    kernels(g),
                    in,
                    magnitudes(in));
        }
    }

    @Test
    void convolutionFused() {
        for (int t = 0; t < TIMES; t++) {
            var g = twins.window(false);
            Tensor[] in = {
                twins.numbers(inputs(g)), twins.numbers(kernels(g)), twins.numbers(g.f()), twins.numbers(results(g))
            };
            boolean bias = twins.flip();
            boolean residual = twins.flip();
            var f = twins.flip() ? new ScalarFunction.Relu() : null;
            twins.agree(
                    "conv2dFused " + g,
                    k(g.kh() * g.kw() * g.c() / g.groups()),
                    (b, m, y) -> b.conv2dFused(g, f, m[0], m[1], bias ? m[2] : null, residual ? m[3] : null, y),
                    results(g),
                    in,
                    magnitudes(in));
            twins.agree(
                    "conv2dPrepared " + g,
                    k(g.kh() * g.kw() * g.c() / g.groups()),
                    (b, m, y) -> prepared(b, g, f, m[0], m[1], bias ? m[2] : null, residual ? m[3] : null, y),
                    results(g),
                    in,
                    magnitudes(in));
        }
    }

    /** By way of a prepared kernel where the backend has such a thing. */
    public static void prepared(
            Backend<Object> b, Window g, ScalarFunction f, Object x, Object w, Object bias, Object residual, Object y) {
        long size = b.preparedKernelSize(g);
        if (size == 0) {
            b.conv2dFused(g, f, x, w, bias, residual, y);
            return;
        }
        Object kernel = b.allocate(size);
        b.prepareKernel(g, w, kernel);
        b.conv2dPrepared(g, f, x, kernel, bias, residual, y);
    }

    @Test
    void matMul() {
        for (int t = 0; t < TIMES; t++) {
            int m = twins.size(150);
            int n = twins.size(300);
            int k = twins.random.nextInt(20) == 0 ? 0 : twins.size(900);
            matMul(m, n, k, twins.flip(), twins.flip());
        }
    }

    /** Rows that lie pages apart, or parts of them, are copied in A^T B. */
    @Test
    void matMulOfAlignedRows() {
        for (int m : new int[] {64, 256, 512, 2048}) {
            for (int n : new int[] {6, 256, 300, 1024}) {
                for (int k : new int[] {2, 40, 300}) {
                    matMul(m, n, k, true, false);
                    matMul(m, n, k, true, true);
                }
            }
        }
    }

    private void matMul(int m, int n, int k, boolean ta, boolean tb) {
        Tensor[] in = {twins.numbers(m * k), twins.numbers(k * n)};
        twins.agree(
                "matMul " + m + "x" + n + "x" + k + " " + ta + " " + tb,
                k(k),
                (b, a, y) -> b.matMul(m, n, k, ta, tb, a[0], a[1], y),
                m * n,
                in,
                magnitudes(in));
    }

    @Test
    void maxPool() {
        for (int t = 0; t < TIMES; t++) {
            var g = twins.window(true);
            Tensor x = withSpecials(twins.whole(inputs(g)));
            twins.within("maxPool " + g, (b, m, y) -> b.maxPool(g, m[0], y), same(results(g), 0), x);
            Tensor dy = twins.whole(results(g));
            var y = Tensor.of(Shape.of(results(g)), twins.tested((b, m, r) -> b.maxPool(g, m[0], r), results(g), x));
            twins.within(
                    "maxPoolGradient " + g,
                    (b, m, dx) -> b.maxPoolGradient(g, m[0], m[1], m[2], dx),
                    same(inputs(g), 0),
                    dy,
                    x,
                    y);
        }
    }

    /** With a NaN and an infinity now and then. */
    private Tensor withSpecials(Tensor x) {
        float[] values = x.floats();
        for (int i = 0; i < values.length && twins.random.nextInt(4) == 0; i++) {
            int at = twins.random.nextInt(values.length);
            values[at] = twins.flip() ? Float.NaN : Float.NEGATIVE_INFINITY;
        }
        return x;
    }

    @Test
    void averagePool() {
        for (int t = 0; t < TIMES; t++) {
            var g = twins.window(true);
            Tensor[] x = {twins.numbers(inputs(g))};
            twins.agree("averagePool " + g, 8, (b, m, y) -> b.averagePool(g, m[0], y), results(g), x, magnitudes(x));
            Tensor[] dy = {twins.numbers(results(g))};
            twins.agree(
                    "averagePoolGradient " + g,
                    8,
                    (b, m, y) -> b.averagePoolGradient(g, m[0], y),
                    inputs(g),
                    dy,
                    magnitudes(dy));
        }
    }

    @Test
    void sums() {
        for (int t = 0; t < TIMES; t++) {
            int outer = twins.size(40);
            int inner = twins.flip() ? 1 : twins.size(200);
            int reduced = twins.random.nextInt(20) == 0 ? 0 : twins.size(inner == 1 && outer < 5 ? 60_000 : 1500);
            Tensor[] x = {twins.numbers(outer * reduced * inner, twins.random.nextInt(3), 1)};
            twins.agree(
                    "sum " + outer + ", " + reduced + ", " + inner,
                    k(reduced),
                    (b, m, y) -> b.sum(outer, reduced, inner, m[0], y),
                    outer * inner,
                    x,
                    magnitudes(x));
        }
    }

    @Test
    void maxima() {
        for (int t = 0; t < TIMES; t++) {
            int outer = twins.size(30);
            int inner = twins.flip() ? 1 : twins.size(60);
            int reduced = twins.size(200);
            Tensor x = twins.whole(outer * reduced * inner);
            Twins.Call max = (b, m, y) -> b.max(outer, reduced, inner, m[0], y);
            twins.within("max", max, same(outer * inner, 0), x);
            Tensor y = Tensor.of(Shape.of(outer * inner), twins.tested(max, outer * inner, x));
            twins.within(
                    "maxGradient",
                    (b, m, dx) -> b.maxGradient(outer, reduced, inner, m[0], m[1], m[2], dx),
                    same(x.size(), 10 * U),
                    twins.numbers(outer * inner),
                    x,
                    y);
        }
    }

    @Test
    void moments() {
        for (int t = 0; t < TIMES; t++) {
            int c = twins.size(300);
            int rows = twins.size(c > 50 ? 1500 : 15_000);
            double mean = twins.flip() ? 0 : 1000 * twins.random.nextDouble();
            double deviation = twins.flip() ? 1 : 0.01;
            Tensor x = twins.numbers(rows * c, mean, deviation);
            Twins.Call call = (b, m, y) -> b.moments(rows, c, m[0], y);
            double[] m = twins.reference(call, 2 * c, x);
            // the mean: k U mean |x|; the variance: 16 U of itself and of what the error of chunk means adds to it
            double meanError = k(rows) * U * (Math.abs(mean) + 3 * deviation);
            var bound = new double[2 * c];
            for (int j = 0; j < c; j++) {
                bound[j] = meanError;
                bound[c + j] = 16 * U * m[c + j] + 2 * meanError * Math.sqrt(m[c + j]) + meanError * meanError;
            }
            twins.within("moments " + rows + ", " + c + " around " + mean, call, bound, x);
        }
    }

    @Test
    void covariance() {
        boolean offered = twins.tested.covariances();
        assertTrue(offered || !twins.tested.name().equals("simd"));
        for (int t = 0; offered && t < TIMES; t++) {
            boolean many = t == 1; // more than are centered
            int c = many ? 260 : twins.size(t % 3 == 0 ? 200 : 40);
            int rows = many ? 500 : twins.size(c > 50 ? 2000 : 15_000);
            double mean = twins.flip() ? 0 : 10 * twins.random.nextDouble();
            Tensor x = twins.numbers(rows * c, mean, 1);
            // the mean: k U mean |x|; covariances: k U of the variance, or mean square, and what the two means' errors
            // add to it
            double square = many ? mean * mean + 1 : 1;
            double meanError = k(rows) * U * (mean + 3);
            var bound = new double[(c + 1) * c];
            Arrays.fill(bound, 0, c, meanError);
            double meansError = 2 * meanError * ((many ? mean : 0) + meanError);
            Arrays.fill(bound, c, bound.length, 2 * k(rows) * U * square + meansError);
            Twins.Call call = (b, m, y) -> b.covariance(rows, c, m[0], y);
            twins.within("covariance " + rows + ", " + c + " around " + mean, call, bound, x);
        }
    }

    /** Whether the derivatives of ReLU and batch norm are one call; simd must offer that. */
    private boolean fusesRelu() {
        boolean yes = twins.tested.batchNormReluGradients();
        assertTrue(yes || !twins.tested.name().equals("simd"));
        return yes;
    }

    @Test
    void normalization() {
        for (int t = 0; t < TIMES; t++) {
            int c = twins.size(300);
            int rows = twins.random.nextInt(20) == 0 ? 0 : twins.size(c > 50 ? 300 : 3000);
            double epsilon = twins.flip() ? 1e-3 : 1e-6;
            double mean = twins.flip() ? 0 : 10 * twins.random.nextDouble();
            Tensor x = twins.numbers(rows * c, mean, 1);
            Tensor dy = twins.numbers(rows * c);
            Tensor gamma = twins.numbers(c);
            Tensor beta = twins.numbers(c);
            Tensor s = twins.numbers(2 * c, 0, Math.sqrt(rows + 1));
            Tensor residual = twins.numbers(rows * c);
            float[] stats = twins.numbers(2 * c, mean, 0.5).floats();
            float[] opposite = stats.clone(); // |x - (-|m|)| = |x| + |m|
            for (int j = 0; j < c; j++) {
                stats[c + j] = opposite[c + j] = Math.abs(stats[c + j]) + 0.1f;
                opposite[j] = -Math.abs(stats[j]);
            }
            Tensor m = Tensor.of(Shape.of(2 * c), stats);
            Tensor mm = Tensor.of(Shape.of(2 * c), opposite);
            String shape = " " + rows + ", " + c;

            twins.agree(
                    "batchNorm" + shape,
                    8,
                    (b, a, y) -> b.batchNorm(rows, c, epsilon, a[0], a[1], a[2], a[3], y),
                    rows * c,
                    new Tensor[] {x, m, gamma, beta},
                    new Tensor[] {magnitude(x, 1), mm, magnitude(gamma, 1), magnitude(beta, 1)});
            for (var f : new ScalarFunction[] {null, new ScalarFunction.Relu(), new ScalarFunction.LeakyRelu(0.3)}) {
                boolean add = twins.flip();
                twins.agree(
                        "batchNormFused" + shape,
                        8,
                        (b, a, y) ->
                                b.batchNormFused(rows, c, epsilon, f, a[0], a[1], a[2], a[3], add ? a[4] : null, y),
                        rows * c,
                        new Tensor[] {x, m, gamma, beta, residual},
                        new Tensor[] {
                            magnitude(x, 1), mm, magnitude(gamma, 1), magnitude(beta, 1), magnitude(residual, 1)
                        });
            }
            twins.agree(
                    "batchNormSums" + shape,
                    k(rows),
                    (b, a, y) -> b.batchNormSums(rows, c, epsilon, a[0], a[1], a[2], y),
                    2 * c,
                    new Tensor[] {dy, x, m},
                    new Tensor[] {magnitude(dy, 1), magnitude(x, 1), mm});
            twins.agree(
                    "batchNormGradient" + shape,
                    8,
                    (b, a, y) -> b.batchNormGradient(rows, c, epsilon, a[0], a[1], a[2], a[3], a[4], y),
                    rows * c,
                    new Tensor[] {dy, x, m, gamma, s},
                    new Tensor[] {magnitude(dy, 1), magnitude(x, 1), mm, magnitude(gamma, 1), magnitude(s, -1)});
            if (fusesRelu()) {
                Tensor clear = awayFromKinks(rows, c, epsilon, dy, x, m, gamma, beta);
                twins.agree(
                        "batchNormReluSums" + shape,
                        k(rows),
                        (b, a, y) -> b.batchNormReluSums(rows, c, epsilon, a[0], a[1], a[2], a[3], a[4], y),
                        2 * c,
                        new Tensor[] {clear, x, m, gamma, beta},
                        new Tensor[] {magnitude(clear, 1), magnitude(x, 1), mm, magnitude(gamma, 1), magnitude(beta, 1)
                        });
                twins.agree(
                        "batchNormReluGradient" + shape,
                        8,
                        (b, a, y) -> b.batchNormReluGradient(rows, c, epsilon, a[0], a[1], a[2], a[3], a[4], a[5], y),
                        rows * c,
                        new Tensor[] {clear, x, m, gamma, beta, s},
                        new Tensor[] {
                            magnitude(clear, 1),
                            magnitude(x, 1),
                            mm,
                            magnitude(gamma, 1),
                            magnitude(beta, 1),
                            magnitude(s, -1)
                        });
            }
            twins.agree(
                    "momentsGradient" + shape,
                    8,
                    (b, a, y) -> b.momentsGradient(rows, c, a[0], a[1], a[2], y),
                    rows * c,
                    new Tensor[] {s, x, m},
                    new Tensor[] {magnitude(s, 1), magnitude(x, 1), mm});
        }
    }

    /** dy with zeros where the batch norm is so close to 0 that rounding may decide whether ReLU passes it. */
    private static Tensor awayFromKinks(
            int rows, int c, double epsilon, Tensor dy, Tensor x, Tensor m, Tensor gamma, Tensor beta) {
        float[] values = dy.floats().clone();
        for (int i = 0; i < rows * c; i++) {
            int k = i % c;
            double z = gamma.get(k) * (x.get(i) - m.get(k)) / Math.sqrt(m.get(c + k) + epsilon) + beta.get(k);
            values[i] = Math.abs(z) < 1e-3 ? 0 : values[i];
        }
        return Tensor.of(dy.shape(), values);
    }

    /** What the backward pass takes to pass is what the forward pass made positive, bit for bit. */
    @Test
    void reluGradientSeesWhatReluDid() {
        assumeTrue(fusesRelu(), "not offered by this backend");
        for (int t = 0; t < TIMES; t++) {
            int c = twins.size(100);
            int rows = twins.size(300);
            Tensor x = twins.numbers(rows * c);
            float[] stats = twins.numbers(2 * c, 0, 0.5).floats();
            for (int j = 0; j < c; j++) {
                stats[c + j] = Math.abs(stats[c + j]) + 0.1f;
            }
            Tensor m = Tensor.of(Shape.of(2 * c), stats);
            Tensor gamma = twins.numbers(c);
            Tensor beta = twins.numbers(c, 0, 1e-7); // most of the results are within some roundings of 0
            float[] near = x.floats();
            for (int i = 0; i < near.length; i++) {
                near[i] = stats[i % c] + near[i] * 1e-6f;
            }
            Tensor dy = twins.numbers(rows * c);
            Tensor none = Tensor.of(Shape.of(2 * c), new float[2 * c]);
            Twins.Call forward = (b, a, y) ->
                    b.batchNormFused(rows, c, 1e-3, new ScalarFunction.Relu(), a[0], a[1], a[2], a[3], null, y);
            Twins.Call backward =
                    (b, a, y) -> b.batchNormReluGradient(rows, c, 1e-3, a[0], a[1], a[2], a[3], a[4], a[5], y);
            float[] y = twins.tested(forward, rows * c, x, m, gamma, beta);
            float[] dx = twins.tested(backward, rows * c, dy, x, m, gamma, beta, none);
            for (int i = 0; i < y.length; i++) {
                if (dy.get(i) != 0 && gamma.get(i % c) != 0) {
                    assertEquals(y[i] > 0, dx[i] != 0, "element " + i + " of " + c);
                }
            }
        }
    }

    @Test
    void gradientsOfBatchNormOverTheirOperands() {
        for (int t = 0; t < TIMES; t++) {
            int rows = twins.size(60);
            int c = twins.size(70);
            int n = rows * c;
            Tensor dy = twins.numbers(n);
            Tensor x = twins.numbers(n);
            Tensor m = twins.numbers(2 * c, 3, 0.1);
            Tensor gamma = twins.numbers(c);
            Tensor s = twins.numbers(2 * c);
            Tensor beta = twins.numbers(c);
            var all = new StridedCopy(new int[] {n}, 0, new int[] {1}, 0, new int[] {1});
            for (boolean relu : twins.tested.batchNormReluGradients() ? new boolean[] {false, true} : new boolean[1]) {
                for (int over = 0; over < 2; over++) {
                    int o = over;
                    Twins.Call apart = (b, a, y) -> gradient(b, relu, rows, c, a, y);
                    Twins.Call inPlace = (b, a, y) -> {
                        gradient(b, relu, rows, c, a, a[o]);
                        b.copy(all, a[o], y);
                    };
                    assertArrayEquals(
                            twins.tested(apart, n, dy, x, m, gamma, s, beta),
                            twins.tested(inPlace, n, dy, x, m, gamma, s, beta));
                    assertArrayEquals(
                            twins.reference(apart, n, dy, x, m, gamma, s, beta),
                            twins.reference(inPlace, n, dy, x, m, gamma, s, beta));
                }
            }
        }
    }

    private static <B> void gradient(Backend<B> b, boolean relu, int rows, int c, B[] a, B dx) {
        if (relu) {
            b.batchNormReluGradient(rows, c, 1e-3, a[0], a[1], a[2], a[3], a[5], a[4], dx);
        } else {
            b.batchNormGradient(rows, c, 1e-3, a[0], a[1], a[2], a[3], a[4], dx);
        }
    }

    @Test
    void softmax() {
        for (int t = 0; t < TIMES; t++) {
            int rows = twins.size(40);
            int classes = twins.size(1200);
            Tensor x = twins.numbers(rows * classes, 0, twins.flip() ? 1 : twins.flip() ? 30 : 4000);
            Twins.Call softmax = (b, m, y) -> b.softmax(rows, classes, m[0], y);
            Twins.Call logSoftmax = (b, m, y) -> b.logSoftmax(rows, classes, m[0], y);
            double[] p = twins.reference(softmax, rows * classes, x);
            double[] q = twins.reference(logSoftmax, rows * classes, x);
            // 16 U relative, and the rounding of x - max seen through the exponential
            var bound = new double[p.length];
            var logBound = new double[p.length];
            for (int i = 0; i < p.length; i++) {
                bound[i] = (16 + 2 * Math.abs(q[i])) * U * p[i] + Float.MIN_NORMAL;
                logBound[i] = 4 * U * (Math.abs(q[i]) + Math.abs(x.get(i)) + 4);
            }
            twins.within("softmax " + rows + ", " + classes, softmax, bound, x);
            twins.within("logSoftmax " + rows + ", " + classes, logSoftmax, logBound, x);
            float[] classIndices = twins.whole(rows).floats().clone();
            for (int i = 1; i < rows; i += 3) {
                classIndices[i] += 0.5f; // no class, as is -1
            }
            Tensor labels = Tensor.of(Shape.of(rows), classIndices);
            twins.within("oneHot", (b, m, y) -> b.oneHot(rows, classes, m[0], y), same(rows * classes, 0), labels);
        }
    }

    private static final List<ScalarFunction> FUNCTIONS = List.of(
            new ScalarFunction.Relu(),
            new ScalarFunction.Relu6(),
            new ScalarFunction.LeakyRelu(0.2),
            new ScalarFunction.Elu(1.3),
            new ScalarFunction.Gelu(),
            new ScalarFunction.Silu(),
            new ScalarFunction.Sigmoid(),
            new ScalarFunction.Tanh(),
            new ScalarFunction.Exp(),
            new ScalarFunction.Log(),
            new ScalarFunction.Sqrt(),
            new ScalarFunction.Square(),
            new ScalarFunction.Affine(0.7, -1.3),
            new ScalarFunction.Clip(-0.5, 1.5));

    @Test
    void functions() {
        for (int t = 0; t < TIMES; t++) {
            int n = twins.random.nextInt(20) == 0 ? 0 : twins.size(40_000);
            float[] values = twins.numbers(n, 0, twins.flip() ? 2 : 20).floats();
            for (int i = 0; i < n; i += 1 + twins.random.nextInt(n)) {
                float[] specials = {0f, -0f, 6f, Float.NaN, 1e-40f, -1e-40f, 100, -100, Float.POSITIVE_INFINITY};
                values[i] = specials[twins.random.nextInt(specials.length)];
            }
            Tensor x = Tensor.of(Shape.of(n), values);
            Tensor dy = twins.numbers(n);
            var f = FUNCTIONS.get(t % FUNCTIONS.size());
            Twins.Call map = (b, m, y) -> b.map(f, n, m[0], y);
            Twins.Call gradient = (b, m, y) -> b.mapGradient(f, n, m[0], m[1], y);
            // 6 U of the result: the exponential's two units in the last place and two roundings; affine: of its terms
            // CUDA promises erfc, by which its backend computes Gelu, to four units, 8 U, and two roundings follow
            double units =
                    f instanceof ScalarFunction.Gelu && twins.tested.name().equals("cuda") ? 10 : 6;
            double[] bound = twins.reference(map, n, x);
            for (int i = 0; i < n; i++) {
                double terms = f instanceof ScalarFunction.Affine ? 3 : 0;
                bound[i] = units * U * (Math.abs(bound[i]) + terms) + Float.MIN_NORMAL;
            }
            twins.within(f.toString(), map, bound, x);
            double[] derivative = twins.reference(gradient, n, dy, x);
            for (int i = 0; i < n; i++) {
                double terms = cancelling(f, x.get(i));
                derivative[i] = 6 * U * (Math.abs(derivative[i]) + Math.abs(dy.get(i)) * terms) + Float.MIN_NORMAL;
            }
            twins.within("derivative of " + f, gradient, derivative, dy, x);
        }
    }

    /** Twice the smaller of the two terms of Gelu' and Silu' below 0, where they have opposite signs. */
    private static double cancelling(ScalarFunction f, double z) {
        if (!(z < 0)) {
            return 0;
        }
        return switch (f) {
            case ScalarFunction.Gelu _ -> -2 * z * Math.exp(-z * z / 2) * 0.4;
            case ScalarFunction.Silu _ -> -2 * z * Math.exp(z) / ((1 + Math.exp(z)) * (1 + Math.exp(z)));
            default -> 0;
        };
    }

    @Test
    void arithmetic() {
        for (int t = 0; t < TIMES; t++) {
            int rank = twins.random.nextInt(5);
            var a = new int[rank];
            var b = new int[rank];
            for (int i = 0; i < rank; i++) {
                a[i] = b[i] = twins.size(rank > 2 ? 20 : 200);
                switch (twins.random.nextInt(4)) {
                    case 0 -> a[i] = 1;
                    case 1 -> b[i] = 1;
                    default -> {}
                }
            }
            var left = Shape.of(a);
            var right = Shape.of(b);
            var view = Broadcast.of(left, right);
            for (var op : Arithmetic.values()) {
                Twins.Call call = (be, m, y) -> be.arithmetic(op, view, m[0], m[1], y);
                Tensor[] in = {twins.numbers(left.size()), twins.numbers(right.size())};
                double[] bound = twins.reference(call, view.size(), in);
                Arrays.setAll(bound, i -> U * Math.abs(bound[i]) + Float.MIN_VALUE);
                twins.within(left + " " + op.symbol() + " " + right, call, bound, in);
            }
        }
    }

    @Test
    void updates() {
        for (int t = 0; t < TIMES; t++) {
            int n = twins.size(60_000);
            Tensor a = twins.numbers(n);
            Tensor b = twins.numbers(n);
            Tensor v = magnitude(twins.numbers(n), 1);
            Tensor s = twins.numbers(1);
            double rate = twins.random.nextDouble();
            Tensor[] in = {a, s, b, v};
            Tensor[] abs = magnitudes(in);
            Tensor[] negative = {abs[0], abs[1], magnitude(b, -1), abs[3]};
            double alpha = twins.random.nextDouble();
            twins.agree("combine", 4, (k, m, y) -> k.combine(n, alpha, rate, m[0], m[1], m[2], y), n, in, abs);
            // a + (b - a) t: at most |a| + (|a| + |b|) t
            twins.within("lerp", (k, m, y) -> k.lerp(n, rate, m[0], m[2], y), same(n, 16 * U), in);
            twins.within("lerpSquare", (k, m, y) -> k.lerpSquare(n, rate, m[3], m[2], y), same(n, 32 * U), in);
            Twins.Call adam = (k, m, y) -> k.adamStep(n, 1e-3, m[0], m[2], m[3], m[1], y);
            twins.agree("adamStep", 5, adam, n, in, negative);
            double p = twins.random.nextDouble() * 0.9;
            twins.agree("dropout", 2, (k, m, y) -> k.dropout(n, p, 7, m[1], m[0], y), n, in, new Tensor[] {abs[0], s});
        }
    }

    /** To the bit: which of the two a plan uses must not matter. */
    @Test
    void adamIsItsThreeParts() {
        int n = 50_003; // no multiple of a vector
        Tensor[] in = {twins.numbers(n), twins.numbers(n), magnitude(twins.numbers(n), 1), twins.numbers(n)};
        Tensor rate = twins.numbers(1);
        var results = new float[2][3][];
        for (int way = 0; way < 2; way++) {
            var m = new Object[5];
            for (int i = 0; i < 5; i++) {
                Tensor t = i < 4 ? in[i] : rate;
                m[i] = twins.tested.allocate(t.size());
                twins.tested.write(t, m[i]);
            }
            if (way == 0) {
                twins.tested.adam(n, 0.1, 0.001, 1e-7, m[0], m[1], m[2], m[3], m[4]);
            } else {
                twins.tested.lerp(n, 0.1, m[1], m[3], m[1]);
                twins.tested.lerpSquare(n, 0.001, m[2], m[3], m[2]);
                twins.tested.adamStep(n, 1e-7, m[0], m[1], m[2], m[4], m[0]);
            }
            for (int i = 0; i < 3; i++) { // weights and both averages
                results[way][i] = twins.tested.read(m[i], in[i].shape()).floats();
            }
        }
        assertArrayEquals(results[1], results[0]);
    }

    @Test
    void copies() {
        for (int t = 0; t < TIMES; t++) {
            int[] d = {twins.size(20), twins.size(20), twins.size(30)};
            Tensor x = twins.numbers(d[0] * d[1] * d[2]);
            int[] plain = {d[1] * d[2], d[2], 1};
            // a transpose, a slice, a repetition, and padding of a slab of zeros
            var transpose =
                    new StridedCopy(new int[] {d[2], d[0], d[1]}, 0, new int[] {1, plain[0], plain[1]}, 0, new int[] {
                        d[0] * d[1], d[1], 1
                    });
            twins.within("transpose", (b, m, y) -> b.copy(transpose, m[0], y), same(x.size(), 0), x);
            int cut = twins.random.nextInt(d[1]);
            var slice = new StridedCopy(
                    new int[] {d[0], d[1] - cut, d[2]}, cut * d[2], plain, 0, new int[] {(d[1] - cut) * d[2], d[2], 1});
            twins.within("slice", (b, m, y) -> b.copy(slice, m[0], y), same(d[0] * (d[1] - cut) * d[2], 0), x);
            var repeat = new StridedCopy(new int[] {5, x.size()}, 0, new int[] {0, 1}, 0, new int[] {x.size(), 1});
            twins.within("repeat", (b, m, y) -> b.copy(repeat, m[0], y), same(5 * x.size(), 0), x);
            var pad = new StridedCopy(d, 0, plain, 3, new int[] {d[1] * (d[2] + 5), d[2] + 5, 1});
            int padded = d[0] * d[1] * (d[2] + 5);
            twins.within(
                    "pad",
                    (b, m, y) -> {
                        b.fill(padded, 2, y);
                        b.copy(pad, m[0], y);
                    },
                    same(padded, 0),
                    x);
            var one = new StridedCopy(new int[0], x.size() - 1, new int[0], 0, new int[0]);
            twins.within("one", (b, m, y) -> b.copy(one, m[0], y), same(1, 0), x);
        }
    }
}
