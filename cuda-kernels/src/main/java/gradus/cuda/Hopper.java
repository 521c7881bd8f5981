package gradus.cuda;

import gradus.backend.BackendProvider.Precision;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import gradus.backend.Window;

/**
 * Products in bf16 by the instructions of compute capability 9.0 (wgmma). They read bfloat16, the sum's index running fastest,
 * so operands are converted first; that pays where each converted number is used often enough. Where it does not, and in all
 * other precisions and on all other devices, {@link MatMul} and {@link Convolution} compute by themselves.
 */
final class Hopper {
    static final String MODULE = "MatMul.hopper";

    /**
     * Products a number must take part in. By the makers' figures: converting it moves 6 bytes at some 4 TB/s, and a multiply-add
     * is done in half of some 4 fs. Not measured.
     */
    private static final long USES = 768;

    /** Fewer blocks than half of the multiprocessors: smaller tiles on all of them are faster. */
    private static final long BLOCKS = Tiling.BLOCKS / 4;

    private static final int UNIT = 64; // elements, to which parts of the workspace are aligned

    private final Device device;
    private final MatMul matMul;
    private final Elementwise elementwise;
    private final boolean offered;

    Hopper(Device device, MatMul matMul, Elementwise elementwise) {
        this.device = device;
        this.matMul = matMul;
        this.elementwise = elementwise;
        offered = device.precision == Precision.BF16 && device.capability == 90 && Ptx.load(MODULE, 90) != null;
    }

    /** Elements of memory for n numbers in bfloat16. */
    private static long halves(long n) {
        return (n / 2 + UNIT - 1) / UNIT * UNIT;
    }

    private boolean fills(int m, int n, int k, int batches) {
        return k >= 2 * Tiling.DEPTH && Tiling.ofHopper(m, n, k, batches).blocks() >= BLOCKS;
    }

    /** Whether {@link #product} is the better way. */
    boolean takes(int m, int n, int k, DeviceMemory a, DeviceMemory b, DeviceMemory y) {
        return offered
                && k % 8 == 0
                && MatMul.aligned(a, b, y)
                && (long) m * n >= USES * ((long) m + n)
                && fills(m, n, k, 1);
    }

    void product(
            int m,
            int n,
            int k,
            boolean transposeA,
            boolean transposeB,
            DeviceMemory a,
            DeviceMemory b,
            DeviceMemory y) {
        int size = Tiling.size(m, n);
        Tiling t = Tiling.ofHopper(m, n, k, 1);
        long left = halves((long) m * k);
        long right = halves((long) n * k);
        DeviceMemory all = device.workspace(left + right + parts(t, size));
        DeviceMemory rows = all.slice(0, left);
        DeviceMemory columns = all.slice(left, right);
        convert(transposeA, m, k, a, rows);
        convert(!transposeB, n, k, b, columns);
        DeviceMemory result = t.splits() == 1 ? y : all.slice(left + right, parts(t, size));
        matMul.run(
                t,
                1,
                of("hopper_matmul_" + t.tile().suffix)
                        .i(m)
                        .i(n)
                        .i(k)
                        .i(t.splits())
                        .i(t.chunk())
                        .p(rows)
                        .p(columns)
                        .p(result));
        matMul.sumSplits(MODULE, t, size, n, null, result, null, null, y);
    }

    private static long parts(Tiling t, int size) {
        return t.splits() == 1 ? 0 : (long) t.splits() * size;
    }

    private Kernels of(String kernel) {
        return device.kernels.of(MODULE, kernel);
    }

    /** y (rows, k) in bfloat16 = x (rows, k), or of the transpose of x (k, rows). */
    private void convert(boolean transpose, int rows, int k, DeviceMemory x, DeviceMemory y) {
        if (transpose) {
            of("to_bf16_transposed")
                    .i(k)
                    .i(rows)
                    .p(x)
                    .p(y)
                    .run(Math.ceilDiv(rows, 32), Math.ceilDiv(k, 64), 1, 32, 8, 0);
        } else {
            int n = Tiling.size(rows, k);
            of("to_bf16").i(n).p(x).p(y).run(Math.clamp((n + 2047L) / 2048, 1, 2048), 256);
        }
    }

    /** Whether converted numbers are used often enough; the same for every number of images. */
    boolean suits(Window g) {
        int c = g.c() / g.groups();
        int f = g.f() / g.groups();
        return offered
                && c % 8 == 0
                && f % 4 == 0
                && (long) g.kh() * g.kw() * f * g.oh() * g.ow() >= USES * g.h() * g.w();
    }

    /** Whether {@link #convolution} is the better way. */
    boolean takes(Window g) {
        int pixels = Tiling.size(g.n(), g.oh(), g.ow());
        int k = g.kh() * g.kw() * (g.c() / g.groups());
        return suits(g) && pixels > 0 && fills(pixels, g.f() / g.groups(), k, g.groups());
    }

    /** Elements of a prepared kernel. */
    static long preparedSize(Window g) {
        return halves(Convolution.kernels(g));
    }

    /** The kernel (kh kw c / groups, f) as (f, kh kw c / groups) in bfloat16. */
    void prepare(Window g, DeviceMemory w, DeviceMemory y) {
        convert(true, g.f(), g.kh() * g.kw() * (g.c() / g.groups()), w, y);
    }

    /** @param prepared whether w is what {@link #prepare} makes */
    void convolution(
            Window g,
            ScalarFunction f,
            boolean prepared,
            DeviceMemory x,
            DeviceMemory w,
            DeviceMemory bias,
            DeviceMemory residual,
            DeviceMemory y) {
        int inputs = Convolution.inputs(g);
        int size = Convolution.results(g);
        if (size == 0) {
            return;
        }
        int k = g.kh() * g.kw() * (g.c() / g.groups());
        Tiling t = Tiling.ofHopper(size / g.f(), g.f() / g.groups(), k, g.groups());
        long pixels = halves(inputs);
        long kernel = prepared ? 0 : preparedSize(g);
        DeviceMemory all = device.workspace(pixels + kernel + parts(t, size));
        DeviceMemory images = all.slice(0, pixels);
        DeviceMemory kernels = prepared ? w : all.slice(pixels, kernel);
        convert(false, inputs / g.c(), g.c(), x, images);
        if (!prepared) {
            prepare(g, w, kernels);
        }
        launch(g, f, t, images, kernels, bias, residual, all.slice(pixels + kernel, parts(t, size)), y);
    }

    private void launch(
            Window g,
            ScalarFunction f,
            Tiling t,
            DeviceMemory images,
            DeviceMemory kernels,
            DeviceMemory bias,
            DeviceMemory residual,
            DeviceMemory parts,
            DeviceMemory y) {
        int size = Convolution.results(g);
        boolean whole = t.splits() == 1;
        boolean clamps = Convolution.clamps(f);
        DeviceMemory result = whole ? y : parts;
        matMul.run(
                t,
                1,
                of("hopper_conv2d_" + t.tile().suffix)
                        .s(g)
                        .i(t.splits())
                        .i(t.chunk())
                        .function(Functions.of(whole && clamps ? f : null))
                        .p(images)
                        .p(kernels)
                        .p(whole ? bias : null)
                        .p(whole ? residual : null)
                        .p(result));
        matMul.sumSplits(MODULE, t, size, g.f(), f, result, bias, residual, y);
        if (whole && !clamps) {
            elementwise.map(f, size, y, y);
        }
    }

    /**
     * The convolution that is the derivative of another with respect to its input, or null if it is none that {@link
     * #inputGradient} computes: dy with the kernel turned round and its channels exchanged.
     */
    Window derivative(Window g) {
        int top = (g.kh() - 1) * g.dilationH() - g.top();
        int left = (g.kw() - 1) * g.dilationW() - g.left();
        if (g.strideH() != 1 || g.strideW() != 1 || top < 0 || left < 0) {
            return null;
        }
        var d = new Window(
                g.n(),
                g.oh(),
                g.ow(),
                g.f(),
                g.h(),
                g.w(),
                g.c(),
                g.kh(),
                g.kw(),
                1,
                1,
                g.dilationH(),
                g.dilationW(),
                top,
                left,
                g.groups());
        return takes(d) ? d : null;
    }

    /** @param d {@link #derivative} of the convolution */
    void inputGradient(Window d, DeviceMemory dy, DeviceMemory w, DeviceMemory dx) {
        int inputs = Convolution.inputs(d);
        int size = Convolution.results(d);
        int taps = d.kh() * d.kw();
        int c = d.f() / d.groups(); // of the convolution that this is the derivative of
        int f = d.c() / d.groups();
        Tiling t = Tiling.ofHopper(size / d.f(), c, taps * f, d.groups());
        long pixels = halves(inputs);
        long kernel = preparedSize(d);
        long turned = 2 * kernel; // in float32
        DeviceMemory all = device.workspace(pixels + kernel + Math.max(turned, parts(t, size)));
        DeviceMemory images = all.slice(0, pixels);
        DeviceMemory kernels = all.slice(pixels, kernel);
        DeviceMemory rest = all.slice(pixels + kernel, Math.max(turned, parts(t, size)));
        convert(false, inputs / d.c(), d.c(), dy, images);
        // (groups, c, taps, f) from (taps, c, groups, f), the taps from the last to the first
        var turn = new StridedCopy(
                new int[] {d.groups(), c, taps, f},
                (taps - 1) * c * d.c(),
                new int[] {f, d.c(), -c * d.c(), 1},
                0,
                new int[] {c * taps * f, taps * f, f, 1});
        elementwise.copy(turn, w, rest);
        convert(false, d.f(), taps * f, rest, kernels);
        launch(d, null, t, images, kernels, null, null, rest, dx);
    }
}
