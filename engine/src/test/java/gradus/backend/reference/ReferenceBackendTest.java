package gradus.backend.reference;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Arithmetic;
import gradus.backend.BackendException;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Broadcast;
import gradus.backend.Noise;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import gradus.backend.Window;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Every method against numbers small enough to be worked out by hand. */
class ReferenceBackendTest {
    private static final double NAN = Double.NaN;
    private static final double INFINITY = Double.POSITIVE_INFINITY;

    private final ReferenceBackend backend = new ReferenceBackend(Precision.FLOAT64);

    /** Memory that holds these values, as a slice that begins in the middle of a slab. */
    private Doubles memory(double... values) {
        var y = backend.slice(backend.allocate(values.length + 5), 3, values.length);
        backend.write(Tensor.of(Shape.of(values.length), values), y);
        return y;
    }

    private static double[] values(Doubles x) {
        return Arrays.copyOfRange(x.array(), x.offset(), x.offset() + x.length());
    }

    private static void assertValues(Doubles actual, double... expected) {
        assertArrayEquals(expected, values(actual), 1e-12);
    }

    private static Window pool(int h, int w, int oh, int ow, int k, int stride, int pad) {
        return new Window(1, h, w, 1, oh, ow, 1, k, k, stride, stride, 1, 1, pad, pad, 1);
    }

    // ---- memory ----

    @Test
    void theProviderRunsEverywhere() {
        var provider = new ReferenceProvider();
        for (var precision : new Precision[] {Precision.FLOAT32, Precision.FLOAT64}) {
            var options = new Options(0, precision);
            assertTrue(provider.unavailable(options).isEmpty());
            try (var opened = provider.open(options)) {
                assertEquals(provider.name(), opened.name());
            }
        }
    }

    @Test
    void slicesShareMemory() {
        var slab = backend.allocate(10);
        var inner = backend.slice(backend.slice(slab, 2, 6), 1, 2);
        backend.fill(2, 7, inner);
        assertValues(slab, 0, 0, 0, 7, 7, 0, 0, 0, 0, 0);
        assertThrows(BackendException.class, () -> backend.slice(inner, 1, 2));
        assertThrows(BackendException.class, () -> backend.slice(slab, Long.MAX_VALUE, 2));
        assertThrows(BackendException.class, () -> backend.slice(slab, -1, 2));
    }

    @Test
    void saysHowMuchMemoryIsMissing() {
        var e = assertThrows(BackendException.class, () -> backend.allocate(1L << 33));
        assertTrue(e.getMessage().contains("68719476736 bytes"), e.getMessage());
        assertThrows(BackendException.class, () -> backend.allocate(Long.MAX_VALUE));
        assertThrows(BackendException.class, () -> backend.allocate(-1));
    }

    @Test
    void readsAndWritesInItsPrecision() {
        var third = Tensor.of(Shape.of(1, 1), 1.0 / 3);
        var y = backend.allocate(1);
        backend.write(third, y);
        assertEquals(third, backend.read(y, third.shape()));

        var rounded = new ReferenceBackend(Precision.FLOAT32);
        rounded.write(third, y);
        assertValues(y, 1f / 3);
        assertEquals(Tensor.of(third.shape(), 1f / 3), rounded.read(y, third.shape()));
        assertEquals(DType.F32, rounded.read(y, third.shape()).dtype());
    }

    @Test
    void float32StoresFloats() {
        var rounded = new ReferenceBackend(Precision.FLOAT32);
        var y = memory(0, 0);
        rounded.fill(2, 0.1, y);
        assertArrayEquals(new double[] {0.1f, 0.1f}, values(y));
        rounded.map(new ScalarFunction.Exp(), 2, memory(1, 100), y);
        assertArrayEquals(new double[] {(float) Math.E, INFINITY}, values(y));
    }

    /** 2^24 + 1 + 1: in float32, each addition alone is lost. */
    @Test
    void float32ConvolutionAddsUpInFloat32() {
        var g = new Window(1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1);
        var y = memory(0);
        new ReferenceBackend(Precision.FLOAT32).conv2d(g, memory(0x1p24, 1, 1), memory(1, 1, 1), y);
        assertValues(y, 0x1p24);
        backend.conv2d(g, memory(0x1p24, 1, 1), memory(1, 1, 1), y);
        assertValues(y, 0x1p24 + 2);
    }

    @Test
    void copiesBetweenViews() {
        var transposed = memory(0, 0, 0, 0, 0, 0);
        var x = memory(1, 2, 3, 4, 5, 6);
        backend.copy(new StridedCopy(new int[] {3, 2}, 0, new int[] {1, 3}, 0, new int[] {2, 1}), x, transposed);
        assertValues(transposed, 1, 4, 2, 5, 3, 6);

        var padded = memory(9, 9, 9, 9, 9);
        backend.copy(new StridedCopy(new int[] {2}, 4, new int[] {1}, 1, new int[] {2}), x, padded);
        assertValues(padded, 9, 5, 9, 6, 9);

        var repeated = memory(0, 0, 0, 0);
        backend.copy(new StridedCopy(new int[] {2, 2}, 1, new int[] {0, 1}, 0, new int[] {2, 1}), x, repeated);
        assertValues(repeated, 2, 3, 2, 3);

        backend.copy(new StridedCopy(new int[0], 5, new int[0], 0, new int[0]), x, repeated);
        backend.copy(new StridedCopy(new int[] {0, 2}, 0, new int[] {1, 1}, 0, new int[] {1, 1}), x, repeated);
        assertValues(repeated, 6, 3, 2, 3);
    }

    // ---- Elementwise ----

    @Test
    void mapsInPlace() {
        var x = memory(-1, -0.0, 2, NAN);
        backend.map(new ScalarFunction.Relu(), 4, x, x);
        assertValues(x, 0, 0, 2, NAN);
        var dy = memory(5, 6, 7, 8);
        backend.mapGradient(new ScalarFunction.Relu(), 4, dy, x, dy);
        assertValues(dy, 0, 0, 7, 8);
        backend.mapGradient(new ScalarFunction.Square(), 4, memory(1, 1, 1, 1), memory(1, 2, 3, 4), dy);
        assertValues(dy, 2, 4, 6, 8);
    }

    /** Far below 0 Gelu is a small number, not a difference of large ones; values to 17 digits from 80. */
    @Test
    void geluHasItsTail() {
        double[][] cases = { // x, Gelu(x), Gelu'(x)
            {-12, -2.13177853449321471e-32, -2.55789566167489564e-31},
            {-8.5, -8.05760459887282000e-17, -6.84650493869708461e-16},
            {-7, -8.95868780720084554e-12, -6.26632303146663133e-11},
            {-3, -4.04969409489028351e-03, -1.19456472041839269e-02},
            {-2, -4.55002638963584172e-02, -8.52318010781969032e-02},
            {-1, -1.58655253931457046e-01, -8.33154705876863050e-02},
            {0.5, 3.45731230637006559e-01, 8.67495124656162853e-01},
            {3, 2.99595030590510980e+00, 1.01194564720418390e+00}
        };
        var gelu = new ScalarFunction.Gelu();
        for (double[] c : cases) {
            assertEquals(c[1], gelu.apply(c[0]), 1e-13 * Math.abs(c[1]));
            assertEquals(c[2], gelu.derivative(c[0]), 1e-13 * Math.abs(c[2]));
        }
        assertEquals(-0.0, gelu.apply(-100));
        assertEquals(100, gelu.apply(100));
        assertEquals(INFINITY, gelu.apply(INFINITY));
        assertTrue(Double.isNaN(gelu.apply(NAN)));
        assertEquals(-0.0, gelu.apply(-1e300));
    }

    @Test
    void broadcasts() {
        var y = memory(0, 0, 0, 0, 0, 0);
        var matrix = Shape.of(2, 3);
        var a = memory(1, 2, 3, 4, 5, 6);
        backend.arithmetic(Arithmetic.ADD, Broadcast.of(matrix, Shape.of(3)), a, memory(10, 20, 30), y);
        assertValues(y, 11, 22, 33, 14, 25, 36);
        backend.arithmetic(Arithmetic.SUBTRACT, Broadcast.of(Shape.of(2, 1), matrix), memory(10, 20), a, y);
        assertValues(y, 9, 8, 7, 16, 15, 14);
        backend.arithmetic(Arithmetic.MULTIPLY, Broadcast.of(Shape.of(2, 1), Shape.of(1, 3)), memory(2, 3), a, y);
        assertValues(y, 2, 4, 6, 3, 6, 9);
        backend.arithmetic(Arithmetic.DIVIDE, Broadcast.of(Shape.SCALAR, matrix), memory(60), a, a);
        assertValues(a, 60, 30, 20, 15, 12, 10);
    }

    @Test
    void stepsOfOptimizers() {
        var w = memory(1, 2);
        backend.combine(2, 2, -1, w, memory(0.5), memory(4, 8), w);
        assertValues(w, 0, 0);
        backend.lerp(2, 0.25, w, memory(4, 8), w);
        assertValues(w, 1, 2);
        backend.lerpSquare(2, 0.5, w, memory(3, 4), w);
        assertValues(w, 5, 9);
        backend.adamStep(2, 1, w, memory(4, 8), memory(1, 9), memory(0.5), w);
        assertValues(w, 4, 8);
    }

    @Test
    void dropoutKeepsAndEnlarges() {
        int n = 10_000;
        var x = backend.allocate(n);
        backend.fill(n, 3, x);
        backend.dropout(n, 0.25, 42, memory(7), x, x);
        int dropped = 0;
        for (int i = 0; i < n; i++) {
            boolean drop = Noise.uniform(42, 7, i) < 0.25;
            dropped += drop ? 1 : 0;
            assertEquals(drop ? 0 : 4, x.get(i));
        }
        assertEquals(0.25, dropped / (double) n, 0.02);
    }

    // ---- reductions ----

    @Test
    void reducesAlongAnAxis() {
        var x = memory(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
        var y = memory(NAN, NAN, NAN, NAN);
        backend.sum(2, 3, 2, x, y);
        assertValues(y, 9, 12, 27, 30);
        backend.max(2, 3, 2, x, y);
        assertValues(y, 5, 6, 11, 12);
        backend.max(1, 3, 1, memory(1, NAN, 2), y);
        assertEquals(NAN, y.get(0));
        backend.sum(2, 0, 2, x, y);
        assertValues(y, 0, 0, 0, 0);
    }

    @Test
    void maximaShareTheirGradient() {
        var dx = memory(NAN, NAN, NAN, NAN);
        backend.maxGradient(1, 4, 1, memory(6), memory(5, 1, 5, 4), memory(5), dx);
        assertValues(dx, 3, 0, 3, 0);
    }

    // ---- MatMul ----

    @Test
    void multipliesMatricesAndTransposes() {
        var a = memory(1, 2, 3, 4, 5, 6); // (2, 3)
        var aT = memory(1, 4, 2, 5, 3, 6);
        var b = memory(1, 0, 2, 1, 0, 3); // (3, 2)
        var bT = memory(1, 2, 0, 0, 1, 3);
        var y = memory(NAN, NAN, NAN, NAN);
        for (boolean transposeA : new boolean[] {false, true}) {
            for (boolean transposeB : new boolean[] {false, true}) {
                backend.matMul(2, 2, 3, transposeA, transposeB, transposeA ? aT : a, transposeB ? bT : b, y);
                assertValues(y, 5, 11, 14, 23);
            }
        }
    }

    // ---- Convolution ----

    @Test
    void convolves() {
        var g = new Window(1, 2, 3, 1, 1, 2, 1, 2, 2, 1, 1, 1, 1, 0, 0, 1);
        var x = memory(1, 2, 3, 4, 5, 6);
        var w = memory(1, 10, 100, 1000);
        var y = memory(NAN, NAN);
        backend.conv2d(g, x, w, y);
        assertValues(y, 5421, 6532);
        var dx = memory(NAN, NAN, NAN, NAN, NAN, NAN);
        backend.conv2dInputGradient(g, memory(1, 2), w, dx);
        assertValues(dx, 1, 12, 20, 100, 1200, 2000);
        var dw = memory(NAN, NAN, NAN, NAN);
        backend.conv2dKernelGradient(g, x, memory(1, 2), dw);
        assertValues(dw, 5, 8, 14, 17);
        backend.conv2dFused(g, new ScalarFunction.Relu(), x, w, memory(-6000), memory(600, 1), y);
        assertValues(y, 21, 533);
    }

    /** Pixels (-1, 1) and (1, 3) of a row of 4: stride 2, dilation 2, one column of padding on the left. */
    @Test
    void stridesDilatesAndPads() {
        var g = new Window(1, 1, 4, 1, 1, 2, 1, 1, 2, 1, 2, 1, 2, 0, 1, 1);
        var y = memory(NAN, NAN);
        backend.conv2d(g, memory(1, 2, 3, 4), memory(1, 10), y);
        assertValues(y, 20, 42);
    }

    /** Two groups of two channels each: x channels (1, 2 | 3, 4), w (in, out) = rows (1, 2), (3, 4) for all outputs. */
    @Test
    void groupsKeepToThemselves() {
        var g = new Window(1, 1, 1, 4, 1, 1, 4, 1, 1, 1, 1, 1, 1, 0, 0, 2);
        var y = memory(NAN, NAN, NAN, NAN);
        backend.conv2d(g, memory(1, 2, 3, 4), memory(1, 10, 100, 1000, 2, 20, 200, 2000), y);
        assertValues(y, 1 + 4, 10 + 40, 300 + 800, 3000 + 8000);
    }

    // ---- Pooling ----

    @Test
    void paddingNeverWins() {
        var y = memory(0, 0, 0, 0);
        var x = memory(-1, -2, -3, -4);
        var g = pool(2, 2, 2, 2, 2, 2, 1);
        backend.maxPool(g, x, y);
        assertValues(y, -1, -2, -3, -4);
        backend.averagePool(g, x, y);
        assertValues(y, -1, -2, -3, -4);
        backend.averagePool(pool(2, 2, 1, 1, 3, 1, 1), x, y);
        assertEquals(-2.5, y.get(0));
    }

    @Test
    void theFirstMaximumGetsTheGradient() {
        var dx = memory(NAN, NAN, NAN, NAN);
        backend.maxPoolGradient(pool(2, 2, 1, 1, 2, 1, 0), memory(3), memory(1, 2, 2, 2), memory(2), dx);
        assertValues(dx, 0, 3, 0, 0);
        backend.maxPoolGradient(
                pool(2, 2, 1, 1, 2, 1, 0), memory(3), memory(-INFINITY, -INFINITY, NAN, NAN), memory(NAN), dx);
        assertValues(dx, 0, 0, 3, 0);
        backend.averagePoolGradient(pool(2, 2, 1, 1, 3, 1, 1), memory(4), dx);
        assertValues(dx, 1, 1, 1, 1);
    }

    @Test
    void poolingHidesNoNaN() {
        var y = memory(0, 0);
        backend.maxPool(pool(1, 4, 1, 2, 1, 2, 0), memory(1, 2, 3, 4), y);
        assertValues(y, 1, 3);
        backend.maxPool(pool(2, 2, 1, 1, 2, 1, 0), memory(1, NAN, 3, 2), y);
        assertEquals(NAN, y.get(0));
        backend.maxPool(pool(2, 2, 1, 1, 2, 1, 0), memory(-INFINITY, -INFINITY, -INFINITY, -INFINITY), y);
        assertEquals(-INFINITY, y.get(0));
    }

    // ---- Normalization ----

    @Test
    void normalizesBatches() {
        var x = memory(1, 1000, 3, 1000); // two channels: 1, 3 and 1000, 1000
        var m = memory(NAN, NAN, NAN, NAN);
        backend.moments(2, 2, x, m);
        assertValues(m, 2, 1000, 1, 0);
        backend.batchNorm(2, 2, 3, x, m, memory(4, 4), memory(5, 6), x);
        assertValues(x, 3, 6, 7, 6);
    }

    @Test
    void covariancesAreAroundTheMean() {
        var x = memory(1, 1000, 3, 1000, 8, 1006); // (1, 1000), (3, 1000), (8, 1006)
        var y = memory(NAN, NAN, NAN, NAN, NAN, NAN);
        backend.covariance(3, 2, x, y);
        assertValues(y, 4, 1002, 26 / 3.0, 8, 8, 8);
    }

    @Test
    void theVarianceOfLargeNumbersIsExact() {
        var m = memory(NAN, NAN);
        backend.moments(4, 1, memory(1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4), m);
        assertValues(m, 1e9 + 2.5, 1.25);
    }

    // ---- Loss ----

    @Test
    void softmaxNeedsNoSmallNumbers() {
        var y = memory(NAN, NAN, NAN, NAN);
        backend.softmax(2, 2, memory(1000, 1000 + Math.log(3), -1e4, 1e4), y);
        assertValues(y, 0.25, 0.75, 0, 1);
        backend.logSoftmax(2, 2, memory(1000, 1000 + Math.log(3), -1e4, 1e4), y);
        assertValues(y, Math.log(0.25), Math.log(0.75), -2e4, 0);
    }

    @Test
    void labelsThatDoNotExistAreNaN() {
        var y = backend.allocate(10);
        backend.oneHot(5, 2, memory(0, 1, 2, -1, NAN), y);
        assertValues(y, 1, 0, 0, 1, NAN, NAN, NAN, NAN, NAN, NAN);
    }
}
