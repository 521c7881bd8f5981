package gradus.cuda;

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
 * One NVIDIA GPU. Numbers are float32 in the device's memory in every precision; in tf32 and bf16 the factors of matrix
 * products and convolutions are rounded on their way to the tensor cores and sums are float32.
 *
 * <p>Methods return when the device has been told; what it does happens in that order. A device that fails is told by a
 * {@link CudaException}, of which {@link DeviceMemoryException} leaves everything as it was.
 */
public final class CudaBackend implements Backend<DeviceMemory> {
    private final Device device;
    private final Elementwise elementwise;
    private final Reduction reduction;
    private final MatMul matMul;
    private final Convolution convolution;
    private final Pooling pooling;
    private final Normalization normalization;
    private final Loss loss;

    CudaBackend(Driver driver, Precision precision) {
        device = new Device(driver, precision);
        elementwise = new Elementwise(device);
        reduction = new Reduction(device);
        matMul = new MatMul(device, elementwise);
        convolution = new Convolution(device, matMul, elementwise);
        pooling = new Pooling(device);
        normalization = new Normalization(device, elementwise, reduction);
        loss = new Loss(device);
    }

    private Elementwise elementwise() {
        device.use();
        return elementwise;
    }

    private Reduction reduction() {
        device.use();
        return reduction;
    }

    private MatMul matMul() {
        device.use();
        return matMul;
    }

    private Convolution convolution() {
        device.use();
        return convolution;
    }

    private Pooling pooling() {
        device.use();
        return pooling;
    }

    private Normalization normalization() {
        device.use();
        return normalization;
    }

    private Loss loss() {
        device.use();
        return loss;
    }

    @Override
    public String name() {
        return "cuda";
    }

    @Override
    public String description() {
        return device.description();
    }

    /** Of the float32 units; NaN in tf32 and bf16, whose products run on tensor cores. */
    @Override
    public double peakGflops() {
        device.use();
        return device.tensorCores() ? Double.NaN : new Probe(device).gflops();
    }

    @Override
    public double peakGbytes() {
        device.use();
        return new Probe(device).gbytes();
    }

    // ---- memory ----

    /** @throws DeviceMemoryException if the device has no block of that size */
    @Override
    public DeviceMemory allocate(long n) {
        if (n < 0 || n > Long.MAX_VALUE / 2 / Float.BYTES) {
            throw new BackendException("cuda backend: cannot allocate " + n + " elements");
        }
        device.use();
        DeviceMemory memory = device.pool.allocate(n);
        if (n > 0) {
            device.driver.set(memory.address(), 0, n, device.stream);
        }
        return memory;
    }

    @Override
    public DeviceMemory slice(DeviceMemory slab, long offset, long n) {
        return slab.slice(offset, n);
    }

    @Override
    public void write(Tensor values, DeviceMemory y) {
        device.use();
        device.transfers.write(values.floats(), y.slice(0, values.size()));
    }

    @Override
    public Tensor read(DeviceMemory x, Shape shape) {
        device.use();
        return Tensor.of(shape, device.transfers.read(x.slice(0, shape.size()), shape.size()));
    }

    @Override
    public int elementBytes() {
        return Float.BYTES;
    }

    @Override
    public void fill(int n, double value, DeviceMemory y) {
        elementwise().fill(n, value, y);
    }

    @Override
    public void copy(StridedCopy view, DeviceMemory x, DeviceMemory y) {
        elementwise().copy(view, x, y);
    }

    @Override
    public void map(ScalarFunction f, int n, DeviceMemory x, DeviceMemory y) {
        elementwise().map(f, n, x, y);
    }

    @Override
    public void mapGradient(ScalarFunction f, int n, DeviceMemory dy, DeviceMemory z, DeviceMemory dx) {
        elementwise().mapGradient(f, n, dy, z, dx);
    }

    @Override
    public void arithmetic(Arithmetic op, Broadcast view, DeviceMemory a, DeviceMemory b, DeviceMemory y) {
        elementwise().arithmetic(op, view, a, b, y);
    }

    @Override
    public void combine(
            int n, double alpha, double beta, DeviceMemory a, DeviceMemory s, DeviceMemory b, DeviceMemory y) {
        elementwise().combine(n, alpha, beta, a, s, b, y);
    }

    @Override
    public void lerp(int n, double t, DeviceMemory a, DeviceMemory b, DeviceMemory y) {
        elementwise().lerp(n, t, a, b, y);
    }

    @Override
    public void lerpSquare(int n, double t, DeviceMemory v, DeviceMemory g, DeviceMemory y) {
        elementwise().lerpSquare(n, t, v, g, y);
    }

    @Override
    public void adamStep(
            int n, double epsilon, DeviceMemory w, DeviceMemory m, DeviceMemory v, DeviceMemory rate, DeviceMemory y) {
        elementwise().adamStep(n, epsilon, w, m, v, rate, y);
    }

    @Override
    public void adam(
            int n,
            double t1,
            double t2,
            double epsilon,
            DeviceMemory w,
            DeviceMemory m,
            DeviceMemory v,
            DeviceMemory g,
            DeviceMemory rate) {
        elementwise().adam(n, t1, t2, epsilon, w, m, v, g, rate);
    }

    @Override
    public void dropout(int n, double p, long seed, DeviceMemory step, DeviceMemory x, DeviceMemory y) {
        elementwise().dropout(n, p, seed, step, x, y);
    }

    @Override
    public void sum(int outer, int reduced, int inner, DeviceMemory x, DeviceMemory y) {
        reduction().reduce(Reduction.SUM, outer, reduced, inner, x, y);
    }

    @Override
    public void max(int outer, int reduced, int inner, DeviceMemory x, DeviceMemory y) {
        reduction().reduce(Reduction.MAX, outer, reduced, inner, x, y);
    }

    @Override
    public void maxGradient(
            int outer, int reduced, int inner, DeviceMemory dy, DeviceMemory x, DeviceMemory y, DeviceMemory dx) {
        reduction().maxGradient(outer, reduced, inner, dy, x, y, dx);
    }

    @Override
    public void matMul(
            int m,
            int n,
            int k,
            boolean transposeA,
            boolean transposeB,
            DeviceMemory a,
            DeviceMemory b,
            DeviceMemory y) {
        matMul().matMul(m, n, k, transposeA, transposeB, a, b, y);
    }

    @Override
    public void conv2d(Window g, DeviceMemory x, DeviceMemory w, DeviceMemory y) {
        convolution().forward(g, null, x, w, null, null, y);
    }

    @Override
    public void conv2dInputGradient(Window g, DeviceMemory dy, DeviceMemory w, DeviceMemory dx) {
        convolution().inputGradient(g, dy, w, dx);
    }

    @Override
    public void conv2dKernelGradient(Window g, DeviceMemory x, DeviceMemory dy, DeviceMemory dw) {
        convolution().kernelGradient(g, x, dy, dw);
    }

    @Override
    public void conv2dFused(
            Window g,
            ScalarFunction f,
            DeviceMemory x,
            DeviceMemory w,
            DeviceMemory bias,
            DeviceMemory residual,
            DeviceMemory y) {
        convolution().forward(g, f, x, w, bias, residual, y);
    }

    @Override
    public long preparedKernelSize(Window g) {
        return convolution.preparedSize(g);
    }

    @Override
    public void prepareKernel(Window g, DeviceMemory w, DeviceMemory y) {
        convolution().prepare(g, w, y);
    }

    @Override
    public void conv2dPrepared(
            Window g,
            ScalarFunction f,
            DeviceMemory x,
            DeviceMemory prepared,
            DeviceMemory bias,
            DeviceMemory residual,
            DeviceMemory y) {
        convolution().prepared(g, f, x, prepared, bias, residual, y);
    }

    @Override
    public void maxPool(Window g, DeviceMemory x, DeviceMemory y) {
        pooling().max(g, x, y);
    }

    @Override
    public void maxPoolGradient(Window g, DeviceMemory dy, DeviceMemory x, DeviceMemory y, DeviceMemory dx) {
        pooling().maxGradient(g, dy, x, dx);
    }

    @Override
    public void averagePool(Window g, DeviceMemory x, DeviceMemory y) {
        pooling().average(g, x, y);
    }

    @Override
    public void averagePoolGradient(Window g, DeviceMemory dy, DeviceMemory dx) {
        pooling().averageGradient(g, dy, dx);
    }

    @Override
    public void moments(int rows, int c, DeviceMemory x, DeviceMemory m) {
        normalization().moments(rows, c, x, m);
    }

    @Override
    public void momentsGradient(int rows, int c, DeviceMemory dm, DeviceMemory x, DeviceMemory m, DeviceMemory dx) {
        normalization().momentsGradient(rows, c, dm, x, m, dx);
    }

    @Override
    public void batchNorm(
            int rows,
            int c,
            double epsilon,
            DeviceMemory x,
            DeviceMemory m,
            DeviceMemory gamma,
            DeviceMemory beta,
            DeviceMemory y) {
        normalization().batchNorm(rows, c, epsilon, null, x, m, gamma, beta, null, y);
    }

    @Override
    public void batchNormSums(
            int rows, int c, double epsilon, DeviceMemory dy, DeviceMemory x, DeviceMemory m, DeviceMemory s) {
        normalization().sums(rows, c, epsilon, dy, x, m, s);
    }

    @Override
    public void batchNormGradient(
            int rows,
            int c,
            double epsilon,
            DeviceMemory dy,
            DeviceMemory x,
            DeviceMemory m,
            DeviceMemory gamma,
            DeviceMemory s,
            DeviceMemory dx) {
        normalization().gradient(rows, c, epsilon, dy, x, m, gamma, s, dx);
    }

    @Override
    public void batchNormFused(
            int rows,
            int c,
            double epsilon,
            ScalarFunction f,
            DeviceMemory x,
            DeviceMemory m,
            DeviceMemory gamma,
            DeviceMemory beta,
            DeviceMemory residual,
            DeviceMemory y) {
        normalization().batchNorm(rows, c, epsilon, f, x, m, gamma, beta, residual, y);
    }

    @Override
    public void softmax(int rows, int classes, DeviceMemory x, DeviceMemory y) {
        loss().softmax(rows, classes, x, y);
    }

    @Override
    public void logSoftmax(int rows, int classes, DeviceMemory x, DeviceMemory y) {
        loss().logSoftmax(rows, classes, x, y);
    }

    @Override
    public void oneHot(int rows, int classes, DeviceMemory labels, DeviceMemory y) {
        loss().oneHot(rows, classes, labels, y);
    }

    @Override
    public Runnable recorded(Runnable calls) {
        return device.recorded(calls);
    }

    @Override
    public void synchronize() {
        device.synchronize();
    }

    @Override
    public void close() {
        device.close();
    }
}
