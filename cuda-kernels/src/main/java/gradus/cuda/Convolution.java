package gradus.cuda;

import gradus.backend.BackendException;
import gradus.backend.ScalarFunction;
import gradus.backend.Window;

/** Convolutions as products of matrices that the kernels read out of images (implicit GEMM), and both derivatives. */
final class Convolution {
    private static final String MODULE = "Convolution";

    private final Device device;
    private final MatMul matMul;
    private final Hopper hopper;
    private final Elementwise elementwise;

    Convolution(Device device, MatMul matMul, Elementwise elementwise) {
        this.device = device;
        this.matMul = matMul;
        hopper = matMul.hopper();
        this.elementwise = elementwise;
    }

    static int inputs(Window g) {
        return Tiling.size(g.n(), g.h(), g.w(), g.c());
    }

    static int kernels(Window g) {
        return Tiling.size(g.kh(), g.kw(), g.c() / g.groups(), g.f());
    }

    static int results(Window g) {
        return Tiling.size(g.n(), g.oh(), g.ow(), g.f());
    }

    private static boolean fours(Window g) {
        return MatMul.fours(g.c() / g.groups()) && MatMul.fours(g.f() / g.groups());
    }

    static Tiling forward(Window g, boolean vectors) {
        int k = Tiling.size(g.kh(), g.kw(), g.c() / g.groups());
        return Tiling.of(Tiling.size(g.n(), g.oh(), g.ow()), g.f() / g.groups(), k, g.groups(), vectors, MatMul.LEAST);
    }

    /** The positions of the input fall into strideH strideW classes, each of which reads its own taps of the kernel. */
    static Tiling inputGradient(Window g, boolean vectors) {
        int rows = Tiling.size(g.n(), Math.ceilDiv(g.h(), g.strideH()), Math.ceilDiv(g.w(), g.strideW()));
        int k = Tiling.size(g.kh(), g.kw(), g.f() / g.groups());
        int classes = g.strideH() * g.strideW();
        Tiling t = Tiling.of(rows, g.c() / g.groups(), k, g.groups() * classes, vectors, MatMul.LEAST);
        return new Tiling(t.tile(), t.m(), t.n(), g.groups(), t.splits(), t.chunk());
    }

    static Tiling kernelGradient(Window g, boolean vectors) {
        int rows = Tiling.size(g.kh(), g.kw(), g.c() / g.groups());
        int k = Tiling.size(g.n(), g.oh(), g.ow());
        return Tiling.ofLongSum(rows, g.f() / g.groups(), k, g.groups(), vectors);
    }

    /** Whether the kernels apply it themselves. */
    static boolean clamps(ScalarFunction f) {
        return f == null
                || f instanceof ScalarFunction.Relu
                || f instanceof ScalarFunction.Relu6
                || f instanceof ScalarFunction.Clip;
    }

    /** Elements of a prepared kernel, 0 if kernels are taken as they are. */
    long preparedSize(Window g) {
        return hopper.suits(g) ? Hopper.preparedSize(g) : 0;
    }

    void prepare(Window g, DeviceMemory w, DeviceMemory y) {
        hopper.prepare(g, w, y);
    }

    void prepared(
            Window g,
            ScalarFunction f,
            DeviceMemory x,
            DeviceMemory prepared,
            DeviceMemory bias,
            DeviceMemory residual,
            DeviceMemory y) {
        if (!MatMul.aligned(x, prepared, residual, y)) { // nothing else reads a prepared kernel
            throw new BackendException(
                    "cuda backend: a convolution with a prepared kernel takes memory that begins at a"
                            + " multiple of 4 elements; cut slices there, or use the kernel as it is");
        }
        hopper.convolution(g, f, true, x, prepared, bias, residual, y);
    }

    void forward(
            Window g,
            ScalarFunction f,
            DeviceMemory x,
            DeviceMemory w,
            DeviceMemory bias,
            DeviceMemory residual,
            DeviceMemory y) {
        inputs(g);
        int size = results(g);
        if (size == 0) {
            return;
        }
        if (hopper.takes(g) && MatMul.aligned(x, w, bias, residual, y)) {
            hopper.convolution(g, f, false, x, w, bias, residual, y);
            return;
        }
        var t = forward(g, fours(g) && MatMul.aligned(x, w, bias, residual, y));
        boolean whole = t.splits() == 1;
        boolean clamps = clamps(f);
        DeviceMemory result = matMul.result(t, size, y);
        matMul.run(
                t,
                1,
                device.kernels
                        .of(MODULE, "conv2d_" + t.tile().suffix)
                        .s(g)
                        .i(t.splits())
                        .i(t.chunk())
                        .function(Functions.of(whole && clamps ? f : null))
                        .p(x)
                        .p(w)
                        .p(whole ? bias : null)
                        .p(whole ? residual : null)
                        .p(result));
        matMul.sumSplits(MODULE, t, size, g.f(), f, result, bias, residual, y);
        if (whole && !clamps) {
            elementwise.map(f, size, y, y);
        }
    }

    void inputGradient(Window g, DeviceMemory dy, DeviceMemory w, DeviceMemory dx) {
        results(g);
        int size = inputs(g);
        if (size == 0) {
            return;
        }
        Window derivative = hopper.derivative(g);
        if (derivative != null && MatMul.aligned(dy, w, dx)) {
            hopper.inputGradient(derivative, dy, w, dx);
            return;
        }
        var t = inputGradient(g, fours(g) && MatMul.aligned(dy, w, dx));
        DeviceMemory result = matMul.result(t, size, dx);
        matMul.run(
                t,
                g.strideH() * g.strideW(),
                device.kernels
                        .of(MODULE, "conv2d_input_gradient_" + t.tile().suffix)
                        .s(g)
                        .i(t.splits())
                        .i(t.chunk())
                        .p(dy)
                        .p(w)
                        .p(result));
        matMul.sumSplits(MODULE, t, size, g.c(), null, result, null, null, dx);
    }

    void kernelGradient(Window g, DeviceMemory x, DeviceMemory dy, DeviceMemory dw) {
        inputs(g);
        int size = kernels(g);
        if (results(g) == 0) {
            elementwise.fill(size, 0, dw);
            return;
        }
        var t = kernelGradient(g, fours(g) && MatMul.aligned(x, dy, dw));
        DeviceMemory result = matMul.result(t, size, dw);
        matMul.run(
                t,
                1,
                device.kernels
                        .of(MODULE, "conv2d_kernel_gradient_" + t.tile().suffix)
                        .s(g)
                        .i(t.splits())
                        .i(t.chunk())
                        .p(x)
                        .p(dy)
                        .p(result));
        matMul.sumSplits(MODULE, t, size, g.f(), null, result, null, null, dw);
    }
}
