package gradus.backend;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/**
 * What a device must be able to compute. {@code B} is the backend's own memory: a dense row-major array of numbers in the
 * backend's own precision. Every method reads its operands, writes its last argument and allocates nothing; shapes were
 * checked when the graph was built, so implementations only assert. Unless a method says otherwise, the result's memory
 * overlaps no operand.
 *
 * <p>Methods with a body are compositions of the others; a backend overrides them when it can do better. Images are NHWC,
 * convolution kernels {@code (kh, kw, in / groups, out)}, matrices row-major. A result below 2^-126 in float32, which has fewer
 * bits than others and costs many processors a hundred cycles wherever it is used, may be 0.
 *
 * <p>Results must not depend on the number of threads. A backend is not thread-safe: a plan locks it while it runs.
 *
 * @param <B> memory of this backend
 */
public interface Backend<B> extends AutoCloseable {
    /** As asked for on the command line: {@code reference}, {@code simd}, {@code cuda}. */
    String name();

    /** One line on what is running: precision, threads, vector width, device. */
    String description();

    /**
     * The limit that speeds are stated against: 10^9 float operations a second in multiply-adds from registers, on all
     * threads. Measured when asked for, which takes about 0.2 s; NaN if this backend cannot tell.
     */
    default double peakGflops() {
        return Double.NaN;
    }

    /**
     * The other limit: 10^9 bytes a second, read and written, in a copy that no cache holds, on all threads. Measured when
     * asked for, which takes about 0.2 s; NaN if this backend cannot tell.
     */
    default double peakGbytes() {
        return Double.NaN;
    }

    // ---- memory ----

    /** New memory of {@code n} zeros. */
    B allocate(long n);

    /** Elements {@code [offset, offset + n)} of {@code slab}, sharing its memory. */
    B slice(B slab, long offset, long n);

    /** Copies the tensor's values, rounded to the backend's precision. */
    void write(Tensor values, B y);

    /** The values as a tensor of the backend's precision. */
    Tensor read(B x, Shape shape);

    /** Bytes of one element. */
    int elementBytes();

    /** y = value, n times. */
    void fill(int n, double value, B y);

    /** y = x under two strided views; elements of y outside the view stay as they are. */
    void copy(StridedCopy view, B x, B y);

    // ---- Elementwise ----

    /** y = f(x). y may be x. */
    void map(ScalarFunction f, int n, B x, B y);

    /** dx = dy * f'(z), z being f's result or input as {@link ScalarFunction#fromResult()} says. dx may be dy. */
    void mapGradient(ScalarFunction f, int n, B dy, B z, B dx);

    /** y = a (op) b with broadcasting. y may be an operand that is not repeated. */
    void arithmetic(Arithmetic op, Broadcast view, B a, B b, B y);

    /** y = alpha a + beta s b, with s a scalar in memory (a learning rate). y may be a or b. */
    void combine(int n, double alpha, double beta, B a, B s, B b, B y);

    /** y = a + (b - a) t, the running average of optimizers. y may be a or b. */
    void lerp(int n, double t, B a, B b, B y);

    /** y = v + (g^2 - v) t, the running second moment. y may be v. */
    void lerpSquare(int n, double t, B v, B g, B y);

    /** y = w - m rate / (sqrt(v) + epsilon), with rate a scalar in memory (Adam's step, Keras form). y may be w. */
    void adamStep(int n, double epsilon, B w, B m, B v, B rate, B y);

    /** {@link #lerp} of m towards g by t1, {@link #lerpSquare} of v by t2, and {@link #adamStep} of w, each in place. */
    default void adam(int n, double t1, double t2, double epsilon, B w, B m, B v, B g, B rate) {
        lerp(n, t1, m, g, m);
        lerpSquare(n, t2, v, g, v);
        adamStep(n, epsilon, w, m, v, rate, w);
    }

    /** {@code y = u < p ? 0 : x / (1 - p)} with u = {@link Noise#uniform}(seed, step, i), step a scalar in memory. y may be x. */
    void dropout(int n, double p, long seed, B step, B x, B y);

    // ---- reductions; x is seen as (outer, reduced, inner) ----

    /** y[o, i] = sum over r of x[o, r, i]. */
    void sum(int outer, int reduced, int inner, B x, B y);

    /** y[o, i] = max over r of x[o, r, i]. */
    void max(int outer, int reduced, int inner, B x, B y);

    /** dx[o, r, i] = x[o, r, i] = y[o, i] ? dy[o, i] / (number of such r) : 0, as TensorFlow's reduce_max. */
    void maxGradient(int outer, int reduced, int inner, B dy, B x, B y, B dx);

    // ---- MatMul ----

    /**
     * y = op(a) op(b), {@code (m, n)} with inner extent k; op transposes where asked: a is stored {@code (m, k)} or, when
     * transposed, {@code (k, m)}; b {@code (k, n)} or {@code (n, k)}.
     */
    void matMul(int m, int n, int k, boolean transposeA, boolean transposeB, B a, B b, B y);

    // ---- Convolution ----

    /** y[n, p, q, o] = sum over i, j, c of x[n, p s + i d - top, q s + j d - left, c] w[i, j, c, o]. */
    void conv2d(Window g, B x, B w, B y);

    /** dx = the derivative of sum(y dy) with respect to x: every tap sends dy back to where it read. */
    void conv2dInputGradient(Window g, B dy, B w, B dx);

    /** Whether dx of {@link #conv2dInputGradientFused} may be the residual's memory if both steps are 1. */
    default boolean inputGradientInPlace() {
        return false;
    }

    /** Whether {@link #conv2dInputGradientFused} may be called with steps greater than 1, for a 1 x 1 kernel of stride 1 and one group. */
    default boolean stridedResiduals() {
        return false;
    }

    /**
     * dx = {@link #conv2dInputGradient} + residual, then 0 where {@code z <= 0}: what comes back from two branches that read the
     * same values z, and through the ReLU that made these. The residual has every {@code stepH}-th row and {@code stepW}-th column of
     * dx's, from the first on. z may be null.
     */
    default void conv2dInputGradientFused(Window g, B dy, B w, B residual, int stepH, int stepW, B z, B dx) {
        if (stepH * stepW > 1) {
            throw new UnsupportedOperationException(name() + " adds no strided residuals");
        }
        int n = g.n() * g.h() * g.w() * g.c();
        conv2dInputGradient(g, dy, w, dx);
        arithmetic(Arithmetic.ADD, Broadcast.of(Shape.of(n), Shape.of(n)), dx, residual, dx);
        if (z != null) {
            mapGradient(new ScalarFunction.Relu(), n, dx, z, dx);
        }
    }

    /** dw[i, j, c, o] = sum over n, p, q of x[n, p s + i d - top, q s + j d - left, c] dy[n, p, q, o]. */
    void conv2dKernelGradient(Window g, B x, B dy, B dw);

    /**
     * y = f(conv2d(x, w) + bias + residual): bias {@code (f)}, residual of y's shape and f may each be null. The one step
     * that inference consists of once batch norm is folded.
     */
    default void conv2dFused(Window g, ScalarFunction f, B x, B w, B bias, B residual, B y) {
        conv2d(g, x, w, y);
        int n = g.n() * g.oh() * g.ow() * g.f();
        if (bias != null) {
            arithmetic(Arithmetic.ADD, Broadcast.of(Shape.of(n / g.f(), g.f()), Shape.of(g.f())), y, bias, y);
        }
        if (residual != null) {
            arithmetic(Arithmetic.ADD, Broadcast.of(Shape.of(n), Shape.of(n)), y, residual, y);
        }
        if (f != null) {
            map(f, n, y, y);
        }
    }

    /**
     * Elements of the form of a kernel that {@link #conv2dPrepared} reads, packed or transformed; 0 if this backend takes
     * this convolution's kernels as they are. That form is the same for every number of images but none.
     */
    default long preparedKernelSize(Window g) {
        return 0;
    }

    /** y = w in the form that {@link #conv2dPrepared} reads. For kernels that stay the same from run to run. */
    default void prepareKernel(Window g, B w, B y) {
        throw new UnsupportedOperationException(name() + " prepares no kernels");
    }

    /** {@link #conv2dFused} with a kernel that was prepared. y may be residual. */
    default void conv2dPrepared(Window g, ScalarFunction f, B x, B prepared, B bias, B residual, B y) {
        throw new UnsupportedOperationException(name() + " prepares no kernels");
    }

    // ---- Pooling ----

    /** The largest value in each window; padding never wins. */
    void maxPool(Window g, B x, B y);

    /** Sends dy to the first maximum of its window in row-major order, or its first NaN. y is what {@link #maxPool} has made of x. */
    void maxPoolGradient(Window g, B dy, B x, B y, B dx);

    /** The mean of each window's values; padding is not counted. */
    void averagePool(Window g, B x, B y);

    /** Spreads dy evenly over its window's values. */
    void averagePoolGradient(Window g, B dy, B dx);

    // ---- Normalization; x is seen as (rows, c), statistics are per channel ----

    /**
     * m[0, c] = mean of x[., c]; m[1, c] = mean of (x[., c] - m[0, c])^2, the biased variance. Two passes or an equally
     * stable method: E[x^2] - E[x]^2 fails in float32 when the mean is large.
     */
    void moments(int rows, int c, B x, B m);

    /** Whether {@link #covariance} may be called. */
    default boolean covariances() {
        return false;
    }

    /**
     * y[0, i] = mean of x[., i]; y[1 + i, j] = mean of (x[., i] - y[0, i]) (x[., j] - y[0, j]), with errors of a few roundings of
     * their deviations' product and, where there are many channels, of their means'.
     */
    default void covariance(int rows, int c, B x, B y) {
        throw new UnsupportedOperationException(name() + " computes no covariances");
    }

    /** dx[r, c] = (dm[0, c] + 2 dm[1, c] (x[r, c] - m[0, c])) / rows. */
    void momentsGradient(int rows, int c, B dm, B x, B m, B dx);

    /** y = gamma (x - m[0]) / sqrt(m[1] + epsilon) + beta. y may be x. */
    void batchNorm(int rows, int c, double epsilon, B x, B m, B gamma, B beta, B y);

    /** s[0, c] = sum of dy; s[1, c] = sum of dy (x - m[0]) / sqrt(m[1] + epsilon): d beta and d gamma. */
    void batchNormSums(int rows, int c, double epsilon, B dy, B x, B m, B s);

    /**
     * The whole derivative of training-mode batch norm with respect to x, statistics included (Ioffe and Szegedy, 2015):
     * dx = gamma / sqrt(v + epsilon) (dy - s[0] / rows - xhat s[1] / rows), xhat = (x - mean) / sqrt(v + epsilon),
     * with s as {@link #batchNormSums} gives it. dx may be dy or x.
     */
    void batchNormGradient(int rows, int c, double epsilon, B dy, B x, B m, B gamma, B s, B dx);

    /** Whether {@link #batchNormReluSums} and {@link #batchNormReluGradient} may be called. */
    default boolean batchNormReluGradients() {
        return false;
    }

    /**
     * {@link #batchNormSums} of dz instead of dy, dz = z > 0 or NaN ? dy : 0 with z = {@link #batchNorm} of x: the way back
     * through ReLU and batch norm at once. z is computed again, bit for bit, instead of read.
     */
    default void batchNormReluSums(int rows, int c, double epsilon, B dy, B x, B m, B gamma, B beta, B s) {
        throw new UnsupportedOperationException(name() + " does not fuse the derivatives of ReLU and batch norm");
    }

    /** {@link #batchNormGradient} of dz, s as {@link #batchNormReluSums} gives it. dx may be dy or x. */
    default void batchNormReluGradient(int rows, int c, double epsilon, B dy, B x, B m, B gamma, B beta, B s, B dx) {
        throw new UnsupportedOperationException(name() + " does not fuse the derivatives of ReLU and batch norm");
    }

    /** y = f(batchNorm(x) + residual); residual and f may be null. y may be x, but not the residual. */
    default void batchNormFused(
            int rows, int c, double epsilon, ScalarFunction f, B x, B m, B gamma, B beta, B residual, B y) {
        batchNorm(rows, c, epsilon, x, m, gamma, beta, y);
        if (residual != null) {
            arithmetic(Arithmetic.ADD, Broadcast.of(Shape.of(rows * c), Shape.of(rows * c)), y, residual, y);
        }
        if (f != null) {
            map(f, rows * c, y, y);
        }
    }

    // ---- Loss; x is seen as (rows, classes) ----

    /** y = e^(x - max) / sum e^(x - max) along each row. */
    void softmax(int rows, int classes, B x, B y);

    /** y = x - max - ln sum e^(x - max) along each row. */
    void logSoftmax(int rows, int classes, B x, B y);

    /** y[r, k] = labels[r] = k ? 1 : 0; a label that is no integer in [0, classes) gives a row of NaN, so that no loss hides it. */
    void oneHot(int rows, int classes, B labels, B y);

    /** Whether both gradients of this convolution are worth computing together; see {@link #joined}. */
    default boolean joinsGradients(Window g) {
        return false;
    }

    /**
     * Calls made one after the other, any of which but one may be null.
     *
     * @param first a {@link #batchNormFused} or one of batch norm's gradients, whose result is the product's first operand and whose
     *     operands the product does not overwrite; without a product one of batch norm's gradients, whose result is the gradient's
     *     second operand; or two batchNormFused, the second with the first's result as its residual, which
     *     nobody else reads and which need not be left in memory
     * @param alone whether only the product, and the gradient, reads the first's result, which then need not be left in memory either
     * @param product a convolution or its input gradient
     * @param last {@link #moments}, {@link #batchNormSums} or {@link #batchNormReluSums} of the product's result, whose other operands
     *     are there before, or its {@link #sum} over all pixels
     * @param again a batchNormFused without residual, whose result only the gradient reads, as its first operand, and which need not
     *     be left in memory; its operands are there before
     * @param gradient the {@link #conv2dKernelGradient} of the convolution whose input gradient the product is, with the same dy
     */
    record Joined(Runnable first, boolean alone, Runnable product, Runnable last, Runnable again, Runnable gradient) {}

    /** Makes these calls one after the other; a backend may compute all of it a block of rows at a time. */
    default void joined(Joined calls) {
        call(calls.first());
        call(calls.product());
        call(calls.last());
        call(calls.again());
        call(calls.gradient());
    }

    private static void call(Runnable call) {
        if (call != null) {
            call.run();
        }
    }

    /**
     * Whether batch norm whose result only a convolution or a kernel's gradient reads costs next to nothing where the two are
     * {@link #joined}, and is better computed again for a derivative than kept.
     */
    default boolean normalizesOnTheWay() {
        return false;
    }

    /**
     * These calls as one that is made again and again: always the same methods with the same arguments, so that a device
     * may record what it is asked for and repeat it by itself.
     */
    default Runnable recorded(Runnable calls) {
        return calls;
    }

    /**
     * Makes the scratch memory that these calls will need, where it grows with what is asked for, and computes nothing: what
     * {@link #scratchBytes} tells then holds while they are made again and again.
     */
    default void reserve(Runnable calls) {}

    /** Bytes of memory that the backend holds for its own methods, beside what was allocated: once for all its users. */
    default long scratchBytes() {
        return 0;
    }

    /** Returns once everything asked for has been computed; a no-op where methods compute before they return. */
    default void synchronize() {}

    /** Stops threads and frees memory. No other method may be called afterwards. */
    @Override
    void close();
}
