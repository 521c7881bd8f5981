package gradus.backend.simd;

import gradus.backend.Arithmetic;
import gradus.backend.Backend;
import gradus.backend.BackendException;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.Arrays;

/**
 * Float32 on all processors with the Vector API. Each family of operations is one object that holds the arguments of the
 * operation in progress and is itself the task its workers run, so nothing is allocated while computing; scratch memory
 * grows to what the largest operation needs and stays.
 */
final class SimdBackend implements Backend<Memory> {
    /** The longest array that all JVMs can make, less the margins of a slab. */
    private static final int MAX_LENGTH = Integer.MAX_VALUE - 128;

    private final Workers workers;
    private final Elementwise elementwise;
    private final Reduction reduction;
    private final MatMul matMul;
    private final TransposedMatMul transposed;
    private final Winograd winograd; // null if not to be used, as is the next
    private final WinogradGradient winogradGradient;
    private final Convolution convolution;
    private final Pooling pooling;
    private Normalization normalization;
    private Normalization residuals; // of the former, where these are batch norms too
    private final Normalization again; // another, for a kernel's gradient
    private final Normalization statistics; // another, because a product may be between the two
    private final Loss loss;

    /** @param exact whether no convolution is computed by Winograd's method */
    SimdBackend(int threads, boolean exact) {
        workers = new Workers(threads);
        elementwise = new Elementwise(workers);
        reduction = new Reduction(workers);
        matMul = new MatMul(workers);
        transposed = new TransposedMatMul(workers);
        winograd = exact ? null : new Winograd(workers);
        winogradGradient = exact ? null : new WinogradGradient(workers);
        convolution = new Convolution(matMul, transposed, winograd, winogradGradient, elementwise);
        pooling = new Pooling(workers);
        normalization = new Normalization(workers, elementwise);
        residuals = new Normalization(workers, elementwise);
        again = new Normalization(workers, elementwise);
        statistics = new Normalization(workers, elementwise);
        loss = new Loss(workers);
    }

    @Override
    public String name() {
        return "simd";
    }

    /** Of one core times the number of threads: clocks that fall when all cores work are not seen. */
    @Override
    public double peakGflops() {
        return workers.count() * Probe.fmaPeakGflops();
    }

    @Override
    public double peakGbytes() {
        return Probe.copyGbytes(workers);
    }

    @Override
    public String description() {
        return "float32, Vector API, " + Lanes.SPECIES.vectorBitSize() + " bits, " + workers.count()
                + (workers.count() == 1 ? " thread" : " threads");
    }

    @Override
    public Memory allocate(long n) {
        if (n < 0 || n > MAX_LENGTH) {
            throw new BackendException("simd backend: cannot allocate " + n + " elements, one block has at most "
                    + MAX_LENGTH + "; use a smaller batch or smaller images");
        }
        try {
            return new Memory(Lanes.array((int) n), Lanes.BASE, (int) n);
        } catch (OutOfMemoryError e) {
            throw new BackendException(
                    "simd backend: no memory for " + n + " elements (" + n * Float.BYTES
                            + " bytes); use a smaller batch or give the JVM more with -Xmx",
                    e);
        }
    }

    @Override
    public Memory slice(Memory slab, long offset, long n) {
        assert offset >= 0 && n >= 0 && offset + n <= slab.length();
        return new Memory(slab.array(), slab.offset() + (int) offset, (int) n);
    }

    @Override
    public void write(Tensor values, Memory y) {
        values.copyTo(y.array(), y.offset());
    }

    @Override
    public Tensor read(Memory x, Shape shape) {
        return Tensor.of(shape, Arrays.copyOfRange(x.array(), x.offset(), x.offset() + shape.size()));
    }

    @Override
    public int elementBytes() {
        return Float.BYTES;
    }

    @Override
    public void fill(int n, double value, Memory y) {
        elementwise.fill(n, value, y);
    }

    @Override
    public void copy(StridedCopy view, Memory x, Memory y) {
        elementwise.copy(view, x, y);
    }

    @Override
    public void map(ScalarFunction f, int n, Memory x, Memory y) {
        elementwise.map(f, n, x, y);
    }

    @Override
    public void mapGradient(ScalarFunction f, int n, Memory dy, Memory z, Memory dx) {
        elementwise.mapGradient(f, n, dy, z, dx);
    }

    @Override
    public void arithmetic(Arithmetic op, Broadcast view, Memory a, Memory b, Memory y) {
        elementwise.arithmetic(op, view, a, b, y);
    }

    @Override
    public void combine(int n, double alpha, double beta, Memory a, Memory s, Memory b, Memory y) {
        elementwise.combine(n, alpha, beta, a, s, b, y);
    }

    @Override
    public void lerp(int n, double t, Memory a, Memory b, Memory y) {
        elementwise.lerp(n, t, a, b, y);
    }

    @Override
    public void lerpSquare(int n, double t, Memory v, Memory g, Memory y) {
        elementwise.lerpSquare(n, t, v, g, y);
    }

    @Override
    public void adamStep(int n, double epsilon, Memory w, Memory m, Memory v, Memory rate, Memory y) {
        elementwise.adamStep(n, epsilon, w, m, v, rate, y);
    }

    @Override
    public void adam(int n, double t1, double t2, double epsilon, Memory w, Memory m, Memory v, Memory g, Memory rate) {
        elementwise.adam(n, t1, t2, epsilon, w, m, v, g, rate);
    }

    @Override
    public void dropout(int n, double p, long seed, Memory step, Memory x, Memory y) {
        elementwise.dropout(n, p, seed, step, x, y);
    }

    @Override
    public void sum(int outer, int reduced, int inner, Memory x, Memory y) {
        if (statistics.waits()) {
            statistics.sum(reduced, inner, x, y);
        } else {
            reduction.sum(outer, reduced, inner, x, y);
        }
    }

    @Override
    public void max(int outer, int reduced, int inner, Memory x, Memory y) {
        reduction.max(outer, reduced, inner, x, y);
    }

    @Override
    public void maxGradient(int outer, int reduced, int inner, Memory dy, Memory x, Memory y, Memory dx) {
        reduction.maxGradient(outer, reduced, inner, dy, x, y, dx);
    }

    @Override
    public void matMul(int m, int n, int k, boolean transposeA, boolean transposeB, Memory a, Memory b, Memory y) {
        if (transposeA) {
            transposed.matMul(m, n, k, transposeB, a, b, y);
        } else {
            matMul.matMul(m, n, k, transposeB, a, b, y);
        }
    }

    @Override
    public void conv2d(Window g, Memory x, Memory w, Memory y) {
        convolution.forward(g, x, w, y);
    }

    @Override
    public void conv2dInputGradient(Window g, Memory dy, Memory w, Memory dx) {
        convolution.inputGradient(g, dy, w, dx);
    }

    @Override
    public boolean inputGradientInPlace() {
        return true;
    }

    @Override
    public boolean stridedResiduals() {
        return true;
    }

    @Override
    public void conv2dInputGradientFused(
            Window g, Memory dy, Memory w, Memory residual, int stepH, int stepW, Memory z, Memory dx) {
        convolution.inputGradient(g, dy, w, residual, stepH, stepW, z, dx);
    }

    @Override
    public void conv2dKernelGradient(Window g, Memory x, Memory dy, Memory dw) {
        convolution.kernelGradient(g, x, dy, dw);
    }

    @Override
    public void conv2dFused(Window g, ScalarFunction f, Memory x, Memory w, Memory bias, Memory residual, Memory y) {
        convolution.fused(g, f, x, w, bias, residual, y);
    }

    @Override
    public long preparedKernelSize(Window g) {
        return convolution.preparedSize(g);
    }

    @Override
    public void prepareKernel(Window g, Memory w, Memory y) {
        convolution.prepare(g, w, y);
    }

    @Override
    public void conv2dPrepared(
            Window g, ScalarFunction f, Memory x, Memory prepared, Memory bias, Memory residual, Memory y) {
        convolution.prepared(g, f, x, prepared, bias, residual, y);
    }

    @Override
    public void maxPool(Window g, Memory x, Memory y) {
        pooling.max(g, x, y);
    }

    @Override
    public void maxPoolGradient(Window g, Memory dy, Memory x, Memory y, Memory dx) {
        pooling.maxGradient(g, dy, x, y, dx);
    }

    @Override
    public void averagePool(Window g, Memory x, Memory y) {
        pooling.average(g, x, y);
    }

    @Override
    public void averagePoolGradient(Window g, Memory dy, Memory dx) {
        pooling.averageGradient(g, dy, dx);
    }

    @Override
    public void moments(int rows, int c, Memory x, Memory m) {
        statistics.moments(rows, c, x, m);
    }

    @Override
    public boolean covariances() {
        return true;
    }

    @Override
    public void covariance(int rows, int c, Memory x, Memory y) {
        reduction.sum(1, rows, c, x, y);
        boolean idle = workers.isIdle();
        if (!idle) {
            Normalization.means(rows, c, y);
        }
        transposed.squares(c, rows, x, y);
        if (!idle) {
            Normalization.covariance(rows, c, TransposedMatMul.centers(c), y);
        }
    }

    @Override
    public void momentsGradient(int rows, int c, Memory dm, Memory x, Memory m, Memory dx) {
        normalization.momentsGradient(rows, c, dm, x, m, dx);
    }

    @Override
    public void batchNorm(int rows, int c, double epsilon, Memory x, Memory m, Memory gamma, Memory beta, Memory y) {
        normalization.batchNorm(rows, c, epsilon, null, x, m, gamma, beta, null, y);
    }

    @Override
    public void batchNormSums(int rows, int c, double epsilon, Memory dy, Memory x, Memory m, Memory s) {
        statistics.sums(rows, c, epsilon, dy, x, m, null, null, s);
    }

    @Override
    public void batchNormGradient(
            int rows, int c, double epsilon, Memory dy, Memory x, Memory m, Memory gamma, Memory s, Memory dx) {
        normalization.gradient(rows, c, epsilon, dy, x, m, gamma, null, s, dx);
    }

    @Override
    public boolean batchNormReluGradients() {
        return true;
    }

    @Override
    public void batchNormReluSums(
            int rows, int c, double epsilon, Memory dy, Memory x, Memory m, Memory gamma, Memory beta, Memory s) {
        statistics.sums(rows, c, epsilon, dy, x, m, gamma, beta, s);
    }

    @Override
    public void batchNormReluGradient(
            int rows,
            int c,
            double epsilon,
            Memory dy,
            Memory x,
            Memory m,
            Memory gamma,
            Memory beta,
            Memory s,
            Memory dx) {
        normalization.gradient(rows, c, epsilon, dy, x, m, gamma, beta, s, dx);
    }

    @Override
    public void batchNormFused(
            int rows,
            int c,
            double epsilon,
            ScalarFunction f,
            Memory x,
            Memory m,
            Memory gamma,
            Memory beta,
            Memory residual,
            Memory y) {
        if (normalization.makes(residual)) {
            if (y.array() == x.array() && y.offset() == x.offset()) {
                matMul.a.makeRows(); // there is no room for both
            } else {
                var other = normalization;
                normalization = residuals;
                residuals = other;
                residuals.hold(null);
                matMul.a.madeBy(null, null);
                normalization.hold(matMul.a);
                normalization.adds(residuals);
            }
        }
        normalization.batchNorm(rows, c, epsilon, f, x, m, gamma, beta, residual, y);
    }

    @Override
    public boolean joinsGradients(Window g) {
        return Convolution.joins(g);
    }

    @Override
    public boolean normalizesOnTheWay() {
        return true;
    }

    /**
     * Batch norm waits until the product copies its rows; a kernel gradient uses them while they are there; statistics are taken of
     * each block of rows of the result.
     */
    @Override
    public void joined(Joined calls) {
        try {
            if (!product(calls) && calls.gradient() != null) {
                gradient(calls);
            }
        } finally {
            normalization.release();
            again.release();
            transposed.a.madeBy(null, null);
            transposed.b.madeBy(null, null);
        }
    }

    /** All but the gradient; whether that was computed with it. */
    private boolean product(Joined calls) {
        if (calls.product() == null) {
            return false;
        }
        boolean along;
        try {
            if (calls.last() != null) {
                statistics.take(matMul, calls.last());
            }
            if (calls.gradient() != null) {
                convolution.along(true);
                gradient(calls);
                convolution.along(false);
            }
            made(calls);
            if (calls.last() != null) {
                statistics.end();
            }
        } finally {
            statistics.release();
            along = convolution.wasAlong();
        }
        return along;
    }

    /** The product, after what makes its first operand. */
    private void made(Joined calls) {
        if (calls.first() == null) {
            calls.product().run();
            return;
        }
        try {
            matMul.a.alone(calls.alone() && calls.gradient() == null); // or the product will say so
            normalization.hold(matMul.a);
            calls.first().run();
            normalization.hold(null);
            calls.product().run();
            matMul.a.makeRows(); // in case there was no product
        } finally {
            normalization.hold(null);
            normalization.release();
            residuals.release();
            matMul.a.madeBy(null, null);
        }
    }

    /** A kernel's gradient, or its arguments where it waits for a product, after what makes its operands. */
    private void gradient(Joined calls) {
        if (calls.product() == null && calls.first() != null) {
            try {
                normalization.hold(transposed.b);
                calls.first().run();
            } finally {
                normalization.hold(null);
            }
        }
        if (calls.again() != null) {
            var other = normalization;
            normalization = again;
            try {
                transposed.a.alone(true);
                normalization.hold(transposed.a);
                calls.again().run();
            } finally {
                normalization.hold(null);
                normalization = other;
            }
        }
        calls.gradient().run();
    }

    @Override
    public void softmax(int rows, int classes, Memory x, Memory y) {
        loss.softmax(rows, classes, x, y);
    }

    @Override
    public void logSoftmax(int rows, int classes, Memory x, Memory y) {
        loss.logSoftmax(rows, classes, x, y);
    }

    @Override
    public void oneHot(int rows, int classes, Memory labels, Memory y) {
        loss.oneHot(rows, classes, labels, y);
    }

    @Override
    public void reserve(Runnable calls) {
        workers.idle(true);
        try {
            calls.run();
        } finally {
            workers.idle(false);
        }
    }

    @Override
    public long scratchBytes() {
        long elements = matMul.scratchElements()
                + transposed.scratchElements()
                + normalization.scratchElements()
                + residuals.scratchElements()
                + again.scratchElements()
                + statistics.scratchElements()
                + reduction.scratchElements();
        if (winograd != null) {
            elements += winograd.scratchElements() + winogradGradient.scratchElements();
        }
        return Float.BYTES * elements;
    }

    @Override
    public void close() {
        workers.close();
    }
}
