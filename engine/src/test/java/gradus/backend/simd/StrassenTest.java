package gradus.backend.simd;

import static gradus.backend.agreement.AgreementTest.k;
import static gradus.backend.agreement.AgreementTest.same;
import static gradus.backend.agreement.Twins.inputs;
import static gradus.backend.agreement.Twins.kernels;
import static gradus.backend.agreement.Twins.magnitudes;
import static gradus.backend.agreement.Twins.results;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.ScalarFunction;
import gradus.backend.Window;
import gradus.backend.agreement.Twins;
import gradus.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Strassen's method in 1 x 1 convolutions against the double-precision reference, and {@code exact}, which leaves it out. */
class StrassenTest {
    private static final int NR = MicroKernel.NR;

    private final Twins twins = new Twins(1, Integer.getInteger("gradus.test.threads", 2), false);

    @AfterEach
    void close() {
        twins.close();
    }

    /** Errors spread over a block of rows: bounded by the largest element, not element by element. */
    @Test
    void convolutions() {
        for (int t = 0; t < 24; t++) {
            int groups = t % 6 == 5 ? 2 : 1;
            int step = t % 3 == 2 ? 2 : 1;
            int c = groups * 64 * (1 + twins.random.nextInt(3));
            int f = groups * 64 * (1 + twins.random.nextInt(3));
            int h = 9 + twins.random.nextInt(12);
            int w = 9 + twins.random.nextInt(12);
            int oh = (h - 1) / step + 1;
            int ow = (w - 1) / step + 1;
            int n = 2 * (1 + 256 / oh / ow);
            var g = new Window(n, h, w, c, oh, ow, f, 1, 1, step, step, 1, 1, 0, 0, groups);
            assertTrue(Strassen.pays(n * oh * ow, f / groups, c / groups), g::toString);
            assertTrue(Strassen.pays(n * oh * ow, c / groups, f / groups), g::toString);
            var f0 = t % 2 == 0 ? new ScalarFunction.Relu() : null;
            Tensor x = twins.numbers(inputs(g));
            Tensor kernel = twins.numbers(kernels(g));
            Tensor dy = twins.numbers(results(g));
            Tensor bias = twins.numbers(g.f());
            agreeAsAWhole("y " + g, (b, m, y) -> b.conv2d(g, m[0], m[1], y), results(g), x, kernel);
            agreeAsAWhole(
                    "fused " + g,
                    (b, m, y) -> b.conv2dFused(g, f0, m[0], m[1], m[2], m[3], y),
                    results(g),
                    x,
                    kernel,
                    bias,
                    dy);
            agreeAsAWhole("dx " + g, (b, m, y) -> b.conv2dInputGradient(g, m[0], m[1], y), inputs(g), dy, kernel);
            Tensor residual = twins.numbers(inputs(g));
            Tensor z = twins.whole(inputs(g));
            Twins.Call fused = (b, m, y) -> b.conv2dInputGradientFused(g, m[0], m[1], m[2], 1, 1, m[3], y);
            agreeAsAWhole("fused dx " + g, fused, inputs(g), dy, kernel, residual, z);
            Twins.Call inPlace = (b, m, y) -> {
                b.map(new ScalarFunction.Affine(1, 0), inputs(g), m[2], y);
                b.conv2dInputGradientFused(g, m[0], m[1], y, 1, 1, m[3], y);
            };
            assertArrayEquals(
                    twins.tested(fused, inputs(g), dy, kernel, residual, z),
                    twins.tested(inPlace, inputs(g), dy, kernel, residual, z));
        }
    }

    /** Halves that are not whole tiles, lanes or panels, and blocks of a few rows. */
    @Test
    void oddSizes() {
        for (int m : new int[] {256, 258, 262, 274, 298, 394, 1002}) {
            for (int c : new int[] {64, 68, 76, 100, 132}) {
                var g = new Window(1, m / 2, 2, c, m / 2, 2, 128, 1, 1, 1, 1, 1, 1, 0, 0, 1);
                assertTrue(Strassen.pays(m, 128, c));
                Tensor x = twins.numbers(inputs(g));
                Tensor kernel = twins.numbers(kernels(g));
                agreeAsAWhole("y " + g, (b, n, y) -> b.conv2d(g, n[0], n[1], y), results(g), x, kernel);
            }
        }
        assertFalse(Strassen.pays(1001, 128, 64), "rows that cannot be halved");
        assertFalse(Strassen.pays(1000, 128, 66), "channels that cannot be halved twice");
        assertFalse(Strassen.pays(1000, 9 * NR, 64), "panels that cannot be halved");
    }

    @Test
    void threadsMakeNoDifference() {
        var g = new Window(4, 14, 14, 256, 14, 14, 512, 1, 1, 1, 1, 1, 1, 0, 0, 1);
        Tensor x = twins.numbers(inputs(g));
        Tensor kernel = twins.numbers(kernels(g));
        Twins.Call call = (b, m, y) -> b.conv2d(g, m[0], m[1], y);
        float[] expected = twins.tested(call, results(g), x, kernel);
        for (int threads : new int[] {1, 2, 3, 4}) {
            try (var others = new Twins(1, threads, false)) {
                assertArrayEquals(expected, others.tested(call, results(g), x, kernel));
            }
        }
    }

    /** The error is about twice that of a direct product, whose elements are each within their own bound. */
    @Test
    void accuracy() {
        var g = new Window(8, 14, 14, 512, 14, 14, 256, 1, 1, 1, 1, 1, 1, 0, 0, 1);
        Tensor x = twins.numbers(inputs(g));
        Tensor kernel = twins.numbers(kernels(g));
        Twins.Call call = (b, m, y) -> b.conv2d(g, m[0], m[1], y);
        double[] expected = twins.reference(call, results(g), x, kernel);
        double error = error(expected, twins.tested(call, results(g), x, kernel));
        try (var exact = new Twins(1, 2, true)) {
            double least = error(expected, exact.tested(call, results(g), x, kernel));
            assertNotEquals(least, error, "not computed by Strassen's method");
            assertTrue(error < 2.5 * least, error + " instead of " + least);
            Tensor[] in = {x, kernel};
            exact.agree("exact " + g, k(512), call, results(g), in, magnitudes(in));
        }
    }

    private static double error(double[] expected, float[] actual) {
        double sum = 0;
        for (int i = 0; i < expected.length; i++) {
            sum += (actual[i] - expected[i]) * (actual[i] - expected[i]);
        }
        return Math.sqrt(sum / expected.length);
    }

    private void agreeAsAWhole(String what, Twins.Call call, int size, Tensor... in) {
        double most =
                Arrays.stream(twins.reference(call, size, magnitudes(in))).max().orElse(0);
        twins.within(what, call, same(size, 16 * Twins.U * most), in);
    }
}
