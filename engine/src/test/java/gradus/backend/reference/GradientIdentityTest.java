package gradus.backend.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;

import gradus.backend.BackendProvider.Precision;
import gradus.backend.Window;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Derivatives against what they are derivatives of, over random windows. A linear method and its gradient are adjoint:
 * &lt;conv2d(x, w), dy&gt; = &lt;x, input gradient(dy, w)&gt; = &lt;w, kernel gradient(x, dy)&gt;. Others are compared
 * with central differences: &lt;f(x + h d) - f(x - h d), dy&gt; / 2h = &lt;d, gradient(dy)&gt; for a random direction
 * d.
 */
class GradientIdentityTest {
    private static final double STEP = 1e-6;

    private final ReferenceBackend backend = new ReferenceBackend(Precision.FLOAT64);
    private final Random random = new Random(5);

    private Doubles random(int n) {
        var x = backend.allocate(n);
        for (int i = 0; i < n; i++) {
            x.set(i, random.nextGaussian());
        }
        return x;
    }

    private static double dot(Doubles a, Doubles b) {
        return a.dot(0, a.length(), b, 0);
    }

    /** x + h d. */
    private Doubles moved(Doubles x, double h, Doubles d) {
        var y = backend.allocate(x.length());
        y.addScaled(0, x.length(), 1, x, 0);
        y.addScaled(0, x.length(), h, d, 0);
        return y;
    }

    /**
     * Kernels 1 to 4, strides 1 to 5 (also larger than the kernel), dilations, padding, sizes from 1, one to three
     * groups.
     */
    private static List<Window> windows() {
        var random = new Random(6);
        return Stream.generate(() -> {
                    int groups = 1 + random.nextInt(3);
                    int h = 1 + random.nextInt(9);
                    int w = 1 + random.nextInt(9);
                    int kh = 1 + random.nextInt(4);
                    int kw = 1 + random.nextInt(4);
                    int strideH = 1 + random.nextInt(5);
                    int strideW = 1 + random.nextInt(5);
                    int dilationH = 1 + random.nextInt(3);
                    int dilationW = 1 + random.nextInt(3);
                    int top = random.nextInt(kh);
                    int bottom = random.nextInt(kh);
                    int left = random.nextInt(kw);
                    int right = random.nextInt(kw);
                    int oh = Math.floorDiv(h + top + bottom - (kh - 1) * dilationH - 1, strideH) + 1;
                    int ow = Math.floorDiv(w + left + right - (kw - 1) * dilationW - 1, strideW) + 1;
                    int n = 1 + random.nextInt(2);
                    int c = groups * (1 + random.nextInt(3));
                    int f = groups * (1 + random.nextInt(3));
                    return new Window(
                            n, h, w, c, oh, ow, f, kh, kw, strideH, strideW, dilationH, dilationW, top, left, groups);
                })
                .filter(g -> g.oh() > 0 && g.ow() > 0)
                .limit(300)
                .toList();
    }

    @Test
    void convolutionAndItsGradientsAreAdjoint() {
        for (Window g : windows()) {
            var x = random(g.n() * g.h() * g.w() * g.c());
            var w = random(g.kh() * g.kw() * g.c() / g.groups() * g.f());
            var dy = random(g.n() * g.oh() * g.ow() * g.f());
            var y = random(dy.length());
            var dx = random(x.length());
            var dw = random(w.length());
            backend.conv2d(g, x, w, y);
            backend.conv2dInputGradient(g, dy, w, dx);
            backend.conv2dKernelGradient(g, x, dy, dw);
            assertEquals(dot(y, dy), dot(x, dx), 1e-10, g::toString);
            assertEquals(dot(y, dy), dot(w, dw), 1e-10, g::toString);
        }
    }

    private static Window pooling(Window g) {
        return new Window(
                g.n(),
                g.h(),
                g.w(),
                g.c(),
                g.oh(),
                g.ow(),
                g.c(),
                g.kh(),
                g.kw(),
                g.strideH(),
                g.strideW(),
                g.dilationH(),
                g.dilationW(),
                g.top(),
                g.left(),
                1);
    }

    /** Windows entirely in the padding have no mean and no maximum: here, their gradient is taken to be 0. */
    private static void ignoreEmptyWindows(Doubles dy, Doubles y) {
        for (int i = 0; i < y.length(); i++) {
            if (!Double.isFinite(y.get(i))) {
                y.set(i, 0);
                dy.set(i, 0);
            }
        }
    }

    @Test
    void averagesAndTheirGradientAreAdjoint() {
        for (Window window : windows()) {
            var g = pooling(window);
            var x = random(g.n() * g.h() * g.w() * g.c());
            var dy = random(g.n() * g.oh() * g.ow() * g.c());
            var y = random(dy.length());
            var dx = random(x.length());
            backend.averagePool(g, x, y);
            ignoreEmptyWindows(dy, y);
            backend.averagePoolGradient(g, dy, dx);
            assertEquals(dot(y, dy), dot(x, dx), 1e-11, g::toString);
        }
    }

    @Test
    void maximaAgreeWithDifferences() {
        for (Window window : windows()) {
            var g = pooling(window);
            var x = random(g.n() * g.h() * g.w() * g.c());
            var d = random(x.length());
            var dy = random(g.n() * g.oh() * g.ow() * g.c());
            var above = random(dy.length());
            var below = random(dy.length());
            backend.maxPool(g, moved(x, STEP, d), above);
            backend.maxPool(g, moved(x, -STEP, d), below);
            ignoreEmptyWindows(dy, above);
            ignoreEmptyWindows(dy, below);
            var dx = random(x.length());
            var y = random(dy.length());
            backend.maxPool(g, x, y);
            backend.maxPoolGradient(g, dy, x, y, dx);
            assertEquals((dot(above, dy) - dot(below, dy)) / (2 * STEP), dot(d, dx), 1e-6, g::toString);
        }
    }

    /** Training mode: the statistics are those of x, and move with it. */
    @Test
    void batchNormAgreesWithDifferences() {
        for (Window g : windows()) {
            int rows = g.n() * g.h() * g.w();
            int c = g.c();
            double epsilon = 0.01;
            var x = random(rows * c);
            var d = random(rows * c);
            var dy = random(rows * c);
            var gamma = random(c);
            var beta = random(c);
            var m = random(2 * c);
            var above = random(rows * c);
            var below = random(rows * c);
            var up = moved(x, STEP, d);
            var down = moved(x, -STEP, d);
            backend.moments(rows, c, up, m);
            backend.batchNorm(rows, c, epsilon, up, m, gamma, beta, above);
            backend.moments(rows, c, down, m);
            backend.batchNorm(rows, c, epsilon, down, m, gamma, beta, below);

            backend.moments(rows, c, x, m);
            var s = random(2 * c);
            backend.batchNormSums(rows, c, epsilon, dy, x, m, s);
            var y = random(rows * c);
            backend.batchNorm(rows, c, epsilon, x, m, gamma, beta, y);
            // y is linear in gamma and beta, and the sums are its derivatives: <y, dy> = <gamma, s[1]> + <beta, s[0]>
            var dBeta = backend.slice(s, 0, c);
            var dGamma = backend.slice(s, c, c);
            assertEquals(dot(y, dy), dot(gamma, dGamma) + dot(beta, dBeta), 1e-11, g::toString);

            double difference = (dot(above, dy) - dot(below, dy)) / (2 * STEP);
            backend.batchNormGradient(rows, c, epsilon, dy, x, m, gamma, s, dy); // in place, as the contract allows
            assertEquals(difference, dot(d, dy), 1e-5, g::toString);
        }
    }

    @Test
    void momentsAgreeWithDifferences() {
        for (Window g : windows()) {
            int rows = g.n() * g.h() * g.w();
            int c = g.c();
            var x = random(rows * c);
            var d = random(rows * c);
            var dm = random(2 * c);
            var m = random(2 * c);
            var above = random(2 * c);
            var below = random(2 * c);
            backend.moments(rows, c, x, m);
            backend.moments(rows, c, moved(x, STEP, d), above);
            backend.moments(rows, c, moved(x, -STEP, d), below);
            var dx = random(rows * c);
            backend.momentsGradient(rows, c, dm, x, m, dx);
            assertEquals((dot(above, dm) - dot(below, dm)) / (2 * STEP), dot(d, dx), 1e-7, g::toString);
        }
    }
}
