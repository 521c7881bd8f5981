package gradus.backend.reference;

import gradus.backend.Arithmetic;
import gradus.backend.Backend;
import gradus.backend.BackendException;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/**
 * The mathematics as literature: every method is its formula, in plain loops and double precision, on one thread. It is
 * the oracle of the other backends, and the float64 mode.
 *
 * <p>In {@link Precision#FLOAT32} every result is rounded to float32 when it is stored, so that an error of one
 * rounding per operation is left: an oracle for float32 backends. Two forward methods go further, because digits that
 * float32 engines printed are to be met to the last one: convolution adds up in float32, term by term over (kh, kw,
 * in), and batch norm rounds the standard deviation.
 *
 * <p>The formulas stand in {@link Elementwise}, {@link Reduction}, {@link MatMul}, {@link Convolution}, {@link
 * Pooling}, {@link Normalization} and {@link Loss}; here, results are rounded.
 */
public final class ReferenceBackend implements Backend<Doubles> {
    /** The longest array that all JVMs can make. */
    private static final int MAX_LENGTH = Integer.MAX_VALUE - 8;

    private final Precision precision;

    /** @param precision float32 or float64 */
    public ReferenceBackend(Precision precision) {
        assert precision == Precision.FLOAT32 || precision == Precision.FLOAT64;
        this.precision = precision;
    }

    @Override
    public String name() {
        return "reference";
    }

    @Override
    public String description() {
        return switch (precision) {
            case FLOAT32 -> "reference: plain loops, results rounded to float32, 1 thread";
            default -> "reference: plain loops, float64, 1 thread";
        };
    }

    /** Rounds the first n elements to the backend's precision. */
    private void store(int n, Doubles y) {
        if (precision == Precision.FLOAT32) {
            for (int i = 0; i < n; i++) {
                y.set(i, (float) y.get(i));
            }
        }
    }

    // ---- memory ----

    /** @throws BackendException if there is not that much memory; the message says how much is needed */
    @Override
    public Doubles allocate(long n) {
        if (n < 0 || n > MAX_LENGTH) {
            throw new BackendException("reference backend: cannot allocate " + n + " elements (" + bytes(n)
                    + "), one block has at most " + MAX_LENGTH + "; use a smaller batch or smaller images");
        }
        try {
            return new Doubles(new double[(int) n], 0, (int) n);
        } catch (OutOfMemoryError e) {
            throw new BackendException(
                    "reference backend: no memory for " + n + " elements (" + bytes(n)
                            + " needed); use a smaller batch or give the JVM more with -Xmx",
                    e);
        }
    }

    private static String bytes(long n) {
        return n > Long.MAX_VALUE / Double.BYTES ? "more than 2^63 bytes" : n * Double.BYTES + " bytes";
    }

    /** @throws BackendException if the slice is not within the slab */
    @Override
    public Doubles slice(Doubles slab, long offset, long n) {
        if (offset < 0 || n < 0 || offset > slab.length() - n) {
            throw new BackendException(
                    "reference backend: slice of " + n + " at " + offset + " is not within " + slab.length());
        }
        return new Doubles(slab.array(), slab.offset() + (int) offset, (int) n);
    }

    @Override
    public void write(Tensor values, Doubles y) {
        for (int i = 0; i < values.size(); i++) {
            y.set(i, values.get(i));
        }
        store(values.size(), y);
    }

    @Override
    public Tensor read(Doubles x, Shape shape) {
        int n = shape.size();
        return switch (precision) {
            case FLOAT32 -> {
                var values = new float[n];
                for (int i = 0; i < n; i++) {
                    values[i] = (float) x.get(i);
                }
                yield Tensor.of(shape, values);
            }
            default -> {
                var values = new double[n];
                for (int i = 0; i < n; i++) {
                    values[i] = x.get(i);
                }
                yield Tensor.of(shape, values);
            }
        };
    }

    /** 8 in both precisions: float32 values are kept in doubles. */
    @Override
    public int elementBytes() {
        return Double.BYTES;
    }

    @Override
    public void fill(int n, double value, Doubles y) {
        y.fill(n, value);
        store(n, y);
    }

    @Override
    public void copy(StridedCopy view, Doubles x, Doubles y) {
        Elementwise.copy(view, x, y);
    }

    // ---- Elementwise ----

    @Override
    public void map(ScalarFunction f, int n, Doubles x, Doubles y) {
        Elementwise.map(f, n, x, y);
        store(n, y);
    }

    @Override
    public void mapGradient(ScalarFunction f, int n, Doubles dy, Doubles z, Doubles dx) {
        Elementwise.mapGradient(f, n, dy, z, dx);
        store(n, dx);
    }

    @Override
    public void arithmetic(Arithmetic op, Broadcast view, Doubles a, Doubles b, Doubles y) {
        Elementwise.arithmetic(op, view, a, b, y);
        store(view.size(), y);
    }

    @Override
    public void combine(int n, double alpha, double beta, Doubles a, Doubles s, Doubles b, Doubles y) {
        Elementwise.combine(n, alpha, beta, a, s, b, y);
        store(n, y);
    }

    @Override
    public void lerp(int n, double t, Doubles a, Doubles b, Doubles y) {
        Elementwise.lerp(n, t, a, b, y);
        store(n, y);
    }

    @Override
    public void lerpSquare(int n, double t, Doubles v, Doubles g, Doubles y) {
        Elementwise.lerpSquare(n, t, v, g, y);
        store(n, y);
    }

    @Override
    public void adamStep(int n, double epsilon, Doubles w, Doubles m, Doubles v, Doubles rate, Doubles y) {
        Elementwise.adamStep(n, epsilon, w, m, v, rate, y);
        store(n, y);
    }

    @Override
    public void dropout(int n, double p, long seed, Doubles step, Doubles x, Doubles y) {
        Elementwise.dropout(n, p, seed, step, x, y);
        store(n, y);
    }

    // ---- reductions ----

    @Override
    public void sum(int outer, int reduced, int inner, Doubles x, Doubles y) {
        Reduction.sum(outer, reduced, inner, x, y);
        store(outer * inner, y);
    }

    @Override
    public void max(int outer, int reduced, int inner, Doubles x, Doubles y) {
        Reduction.max(outer, reduced, inner, x, y);
    }

    @Override
    public void maxGradient(int outer, int reduced, int inner, Doubles dy, Doubles x, Doubles y, Doubles dx) {
        Reduction.maxGradient(outer, reduced, inner, dy, x, y, dx);
        store(outer * reduced * inner, dx);
    }

    // ---- MatMul ----

    @Override
    public void matMul(int m, int n, int k, boolean transposeA, boolean transposeB, Doubles a, Doubles b, Doubles y) {
        MatMul.matMul(m, n, k, transposeA, transposeB, a, b, y);
        store(m * n, y);
    }

    // ---- Convolution ----

    @Override
    public void conv2d(Window g, Doubles x, Doubles w, Doubles y) {
        switch (precision) {
            case FLOAT32 -> Convolution.conv2dFloat(g, x, w, y);
            default -> Convolution.conv2d(g, x, w, y);
        }
    }

    @Override
    public void conv2dInputGradient(Window g, Doubles dy, Doubles w, Doubles dx) {
        Convolution.conv2dInputGradient(g, dy, w, dx);
        store(g.n() * g.h() * g.w() * g.c(), dx);
    }

    @Override
    public boolean stridedResiduals() {
        return true;
    }

    @Override
    public void conv2dInputGradientFused(
            Window g, Doubles dy, Doubles w, Doubles residual, int stepH, int stepW, Doubles z, Doubles dx) {
        int n = g.n() * g.h() * g.w() * g.c();
        conv2dInputGradient(g, dy, w, dx);
        Convolution.addStrided(g, residual, stepH, stepW, dx);
        store(n, dx);
        if (z != null) {
            mapGradient(new ScalarFunction.Relu(), n, dx, z, dx);
        }
    }

    @Override
    public void conv2dKernelGradient(Window g, Doubles x, Doubles dy, Doubles dw) {
        Convolution.conv2dKernelGradient(g, x, dy, dw);
        store(g.kh() * g.kw() * (g.c() / g.groups()) * g.f(), dw);
    }

    // ---- Pooling ----

    @Override
    public void maxPool(Window g, Doubles x, Doubles y) {
        Pooling.maxPool(g, x, y);
    }

    @Override
    public void maxPoolGradient(Window g, Doubles dy, Doubles x, Doubles y, Doubles dx) {
        Pooling.maxPoolGradient(g, dy, x, dx);
        store(g.n() * g.h() * g.w() * g.c(), dx);
    }

    @Override
    public void averagePool(Window g, Doubles x, Doubles y) {
        Pooling.averagePool(g, x, y);
        store(g.n() * g.oh() * g.ow() * g.c(), y);
    }

    @Override
    public void averagePoolGradient(Window g, Doubles dy, Doubles dx) {
        Pooling.averagePoolGradient(g, dy, dx);
        store(g.n() * g.h() * g.w() * g.c(), dx);
    }

    // ---- Normalization ----

    @Override
    public void moments(int rows, int c, Doubles x, Doubles m) {
        Normalization.moments(rows, c, x, m);
        store(2 * c, m);
    }

    @Override
    public boolean covariances() {
        return true;
    }

    @Override
    public void covariance(int rows, int c, Doubles x, Doubles y) {
        Normalization.covariance(rows, c, x, y);
        store((c + 1) * c, y);
    }

    @Override
    public void momentsGradient(int rows, int c, Doubles dm, Doubles x, Doubles m, Doubles dx) {
        Normalization.momentsGradient(rows, c, dm, x, m, dx);
        store(rows * c, dx);
    }

    @Override
    public void batchNorm(
            int rows, int c, double epsilon, Doubles x, Doubles m, Doubles gamma, Doubles beta, Doubles y) {
        switch (precision) {
            case FLOAT32 -> Normalization.batchNormFloat(rows, c, epsilon, x, m, gamma, beta, y);
            default -> Normalization.batchNorm(rows, c, epsilon, x, m, gamma, beta, y);
        }
        store(rows * c, y);
    }

    @Override
    public void batchNormSums(int rows, int c, double epsilon, Doubles dy, Doubles x, Doubles m, Doubles s) {
        Normalization.batchNormSums(rows, c, epsilon, dy, x, m, s);
        store(2 * c, s);
    }

    @Override
    public void batchNormGradient(
            int rows, int c, double epsilon, Doubles dy, Doubles x, Doubles m, Doubles gamma, Doubles s, Doubles dx) {
        Normalization.batchNormGradient(rows, c, epsilon, dy, x, m, gamma, s, dx);
        store(rows * c, dx);
    }

    @Override
    public boolean batchNormReluGradients() {
        return true;
    }

    @Override
    public void batchNormReluSums(
            int rows, int c, double epsilon, Doubles dy, Doubles x, Doubles m, Doubles gamma, Doubles beta, Doubles s) {
        boolean single = precision == Precision.FLOAT32;
        Normalization.batchNormReluSums(rows, c, epsilon, single, dy, x, m, gamma, beta, s);
        store(2 * c, s);
    }

    @Override
    public void batchNormReluGradient(
            int rows,
            int c,
            double epsilon,
            Doubles dy,
            Doubles x,
            Doubles m,
            Doubles gamma,
            Doubles beta,
            Doubles s,
            Doubles dx) {
        boolean single = precision == Precision.FLOAT32;
        Normalization.batchNormReluGradient(rows, c, epsilon, single, dy, x, m, gamma, beta, s, dx);
        store(rows * c, dx);
    }

    // ---- Loss ----

    @Override
    public void softmax(int rows, int classes, Doubles x, Doubles y) {
        Loss.softmax(rows, classes, x, y);
        store(rows * classes, y);
    }

    @Override
    public void logSoftmax(int rows, int classes, Doubles x, Doubles y) {
        Loss.logSoftmax(rows, classes, x, y);
        store(rows * classes, y);
    }

    @Override
    public void oneHot(int rows, int classes, Doubles labels, Doubles y) {
        Loss.oneHot(rows, classes, labels, y);
    }

    /** Nothing to stop or free. */
    @Override
    public void close() {}
}
