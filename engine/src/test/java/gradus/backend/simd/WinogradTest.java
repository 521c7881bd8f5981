package gradus.backend.simd;

import static gradus.backend.agreement.AgreementTest.k;
import static gradus.backend.agreement.AgreementTest.prepared;
import static gradus.backend.agreement.AgreementTest.same;
import static gradus.backend.agreement.Twins.inputs;
import static gradus.backend.agreement.Twins.kernels;
import static gradus.backend.agreement.Twins.magnitudes;
import static gradus.backend.agreement.Twins.results;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.ScalarFunction;
import gradus.backend.Window;
import gradus.backend.agreement.Twins;
import gradus.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Winograd's method against the double-precision reference, and {@code exact}, which leaves it out. */
class WinogradTest {
    private final Twins twins = new Twins(1, Integer.getInteger("gradus.test.threads", 2), false);

    @AfterEach
    void close() {
        twins.close();
    }

    /** Errors of Winograd's transforms spread over a tile: bounded by the largest element, not element by element. */
    @Test
    void winograd() {
        for (int t = 0; t < 40; t++) {
            int most = t % 8 == 0 ? 16 : t % 4 == 0 ? 8 : 4;
            int c = 32 * (1 + twins.random.nextInt(most));
            int f = 32 * (1 + twins.random.nextInt(most));
            int h = 3 + twins.random.nextInt(12);
            int w = 3 + twins.random.nextInt(12);
            int top = twins.random.nextInt(3);
            int left = twins.random.nextInt(3);
            int oh = Math.max(3, h - twins.random.nextInt(3));
            int ow = Math.max(3, w - twins.random.nextInt(3));
            var g = new Window(1 + twins.random.nextInt(6), h, w, c, oh, ow, f, 3, 3, 1, 1, 1, 1, top, left, 1);
            assertTrue(Winograd.preparedTile(g) > 0);
            double k = 16;
            var f0 = t % 2 == 0 ? new ScalarFunction.Relu() : null;
            Tensor x = twins.numbers(inputs(g));
            Tensor kernel = twins.numbers(kernels(g));
            Tensor dy = twins.numbers(results(g));
            Tensor bias = twins.numbers(g.f());
            agreeAsAWhole("winograd " + g, k, (b, m, y) -> b.conv2d(g, m[0], m[1], y), results(g), x, kernel);
            agreeAsAWhole(
                    "winograd fused " + g,
                    k,
                    (b, m, y) -> b.conv2dFused(g, f0, m[0], m[1], m[2], m[3], y),
                    results(g),
                    x,
                    kernel,
                    bias,
                    dy);
            agreeAsAWhole(
                    "winograd prepared " + g,
                    k,
                    (b, m, y) -> prepared(b, g, f0, m[0], m[1], m[2], m[3], y),
                    results(g),
                    x,
                    kernel,
                    bias,
                    dy);
            agreeAsAWhole(
                    "winograd dx " + g, k, (b, m, y) -> b.conv2dInputGradient(g, m[0], m[1], y), inputs(g), dy, kernel);
            agreeAsAWhole(
                    "winograd dw " + g, k, (b, m, y) -> b.conv2dKernelGradient(g, m[0], m[1], y), kernels(g), x, dy);
        }
    }

    /**
     * Kernel gradients gather some 200 tiles at a time: here none of the first ones has the positions that tiles of m - 1 columns
     * lack, and then most of the others have no others.
     */
    @Test
    void manyTilesThatOverlap() {
        for (int h : new int[] {7, 11}) {
            var g = new Window(230, h, h, 32, h, h, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1);
            Tensor x = twins.numbers(inputs(g));
            Tensor dy = twins.numbers(results(g));
            agreeAsAWhole("dw " + g, 16, (b, m, y) -> b.conv2dKernelGradient(g, m[0], m[1], y), kernels(g), x, dy);
            Tensor w = twins.numbers(kernels(g));
            agreeAsAWhole("y " + g, 16, (b, m, y) -> b.conv2d(g, m[0], m[1], y), results(g), x, w);
        }
    }

    /** Without Winograd's method each element is within its own bound. */
    @Test
    void exact() {
        try (var exact = new Twins(3, 2, true)) {
            for (int t = 0; t < 10; t++) {
                var g = new Window(2, 9, 6 + t, 64, 9, 6 + t, 96, 3, 3, 1, 1, 1, 1, 1, 1, 1);
                Tensor[] in = {exact.numbers(inputs(g)), exact.numbers(kernels(g)), exact.numbers(g.f())};
                exact.agree(
                        "exact " + g,
                        k(9 * 64),
                        (b, m, y) -> prepared(b, g, null, m[0], m[1], m[2], null, y),
                        results(g),
                        in,
                        magnitudes(in));
            }
        }
    }

    private void agreeAsAWhole(String what, double k, Twins.Call call, int size, Tensor... in) {
        double most =
                Arrays.stream(twins.reference(call, size, magnitudes(in))).max().orElse(0);
        twins.within(what, call, same(size, k * Twins.U * most), in);
    }
}
