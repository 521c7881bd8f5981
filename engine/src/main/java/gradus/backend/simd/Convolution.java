package gradus.backend.simd;

import gradus.backend.ScalarFunction;
import gradus.backend.Window;

/**
 * Convolutions as products of {@link Patches} and kernels, without im2col: {@link MatMul} copies the values under a few
 * windows at a time.
 *
 * <pre>
 *   y  = patches(x) w                 rows: output pixels; inner extent: taps and input channels
 *   dw = patches(x)^T dy              rows: taps and input channels; inner extent: output pixels
 *   dx = patches(dy) w'               rows: input pixels; inner extent: taps and output channels
 * </pre>
 *
 * For dx with stride s, the input pixels that leave the same remainder modulo s are reached by the same taps: each such
 * class is a convolution of stride 1 of its own, and no multiplication by zero is done. Pixels no tap reaches get zero.
 */
final class Convolution {
    private static final ScalarFunction RELU = new ScalarFunction.Relu();

    private static final ScalarFunction IDENTITY =
            new ScalarFunction.Clip(Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY);

    private final MatMul product;
    private final TransposedMatMul gradient; // of a kernel
    private boolean waits;
    private final Winograd winograd; // null if not to be used, as is the next
    private final WinogradGradient winogradGradient;
    private final Elementwise elementwise;

    Convolution(
            MatMul product,
            TransposedMatMul gradient,
            Winograd winograd,
            WinogradGradient winogradGradient,
            Elementwise elementwise) {
        this.product = product;
        this.gradient = gradient;
        this.winograd = winograd;
        this.winogradGradient = winogradGradient;
        this.elementwise = elementwise;
    }

    private int tile(Window g) {
        return winograd == null ? 0 : Winograd.tile(g);
    }

    private int preparedTile(Window g) {
        return winograd == null ? 0 : Winograd.preparedTile(g);
    }

    void forward(Window g, Memory x, Memory w, Memory y) {
        fused(g, null, x, w, null, null, y);
    }

    void direct(Window g, Memory x, Memory w, Memory y) {
        int channels = g.c() / g.groups();
        int filters = g.f() / g.groups();
        int depth = g.kh() * g.kw() * channels;
        patches(product.a, g, x);
        product.groups(g.groups(), channels, filters, filters);
        product.b.matrix(w, depth, g.f(), 1);
        product.result(y, g.oh(), g.ow(), g.oh() * g.ow() * g.f(), g.ow() * g.f(), g.f());
        product.run(g.n() * g.oh() * g.ow(), filters, depth);
    }

    /**
     * What follows the next product: ReLU together with bias and residual; another function comes after it, and only then are there
     * the numbers of which statistics are taken.
     */
    private void then(ScalarFunction f, Memory bias, Memory residual) {
        boolean relu = f instanceof ScalarFunction.Relu;
        product.then(bias, residual, relu);
        if (f != null && !relu) {
            product.followedBy(null);
        }
    }

    void fused(Window g, ScalarFunction f, Memory x, Memory w, Memory bias, Memory residual, Memory y) {
        boolean relu = f instanceof ScalarFunction.Relu;
        int m = tile(g);
        if (m > 0) {
            winograd.forward(g, m, product.a.takeRows(), x, w, false, bias, residual, relu, y);
        } else {
            then(f, bias, residual);
            direct(g, x, w, y);
        }
        if (f != null && !relu) {
            elementwise.map(f, g.n() * g.oh() * g.ow() * g.f(), y, y);
        }
    }

    long preparedSize(Window g) {
        int m = preparedTile(g);
        int depth = g.kh() * g.kw() * (g.c() / g.groups());
        return m > 0 ? Winograd.kernelSize(g, m) : MatMul.packedSize(g.groups(), depth, g.f() / g.groups());
    }

    void prepare(Window g, Memory w, Memory y) {
        int m = preparedTile(g);
        if (m > 0) {
            winograd.transformKernel(g, m, w, y);
            return;
        }
        int channels = g.c() / g.groups();
        int filters = g.f() / g.groups();
        int depth = g.kh() * g.kw() * channels;
        product.groups(g.groups(), channels, filters, filters);
        product.b.matrix(w, depth, g.f(), 1);
        product.pack(filters, depth, y);
    }

    void prepared(Window g, ScalarFunction f, Memory x, Memory w, Memory bias, Memory residual, Memory y) {
        boolean relu = f instanceof ScalarFunction.Relu;
        int m = preparedTile(g);
        if (m > 0) {
            winograd.forward(g, m, null, x, w, true, bias, residual, relu, y);
        } else {
            then(f, bias, residual);
            product.packed(w);
            direct(g, x, w, y);
        }
        if (f != null && !relu) {
            elementwise.map(f, g.n() * g.oh() * g.ow() * g.f(), y, y);
        }
    }

    /**
     * A kernel gradient that is called for between {@code along(true)} and {@code along(false)} is computed along with the next
     * product, the input gradient with the same dy, unless shapes are against it; see {@link MatMul#along}.
     */
    void along(boolean begin) {
        waits = begin;
        if (begin) {
            gradient.await(true);
        }
    }

    /** Ends that; whether the kernel gradient was computed. */
    boolean wasAlong() {
        boolean was = product.wasJoint();
        waits = false;
        gradient.await(false);
        gradient.release();
        product.along(null);
        return was;
    }

    /** Whether both gradients of a 1 x 1 convolution are worth computing a block of pixels at a time. */
    static boolean joins(Window g) {
        return g.kh() * g.kw() == 1
                && g.h() == g.oh()
                && g.w() == g.ow()
                && g.strideH() == 1
                && g.strideW() == 1
                && g.groups() == 1
                && TransposedMatMul.joins(g.c(), g.f(), g.n() * g.oh() * g.ow());
    }

    void kernelGradient(Window g, Memory x, Memory dy, Memory dw) {
        if (waits) {
            if (joins(g)) {
                directKernelGradient(g, x, dy, dw);
                product.along(gradient);
            }
        } else if (tile(g) == 4) { // with 2 the transforms cost what the products save
            gradient.b.makeRows();
            winogradGradient.kernelGradient(g, gradient.a.takeRows(), x, dy, dw);
        } else {
            directKernelGradient(g, x, dy, dw);
        }
    }

    private void directKernelGradient(Window g, Memory x, Memory dy, Memory dw) {
        int channels = g.c() / g.groups();
        int filters = g.f() / g.groups();
        int rows = g.kh() * g.kw() * channels;
        int pixels = g.n() * g.oh() * g.ow();
        if (pixels == 0) {
            elementwise.fill(rows * g.f(), 0, dw);
            return;
        }
        patches(gradient.a, g, x);
        gradient.groups(g.groups(), channels, filters, filters);
        gradient.b.matrix(dy, pixels, g.f(), 1);
        gradient.result(dw, g.f());
        gradient.run(rows, filters, pixels);
    }

    private static void patches(Patches a, Window g, Memory x) {
        a.image(x, g.h(), g.w(), g.c(), g.c() / g.groups());
        a.window(g.oh(), g.ow(), g.strideH(), g.strideW(), g.kh(), g.kw());
        for (int i = 0; i < g.kh(); i++) {
            a.tapH[i] = i * g.dilationH() - g.top();
        }
        for (int j = 0; j < g.kw(); j++) {
            a.tapW[j] = j * g.dilationW() - g.left();
        }
        a.ready();
    }

    void inputGradient(Window g, Memory dy, Memory w, Memory dx) {
        int m = tile(g);
        if (m > 0) {
            product.a.makeRows();
            winograd.inputGradient(g, m, dy, w, null, dx);
        } else {
            directInputGradient(g, dy, w, dx);
        }
    }

    /**
     * dx + residual, whose memory dx may be if both steps are 1, then 0 where z <= 0 unless z is null: block by block of a
     * product, or else in a pass of its own. A residual of some rows and columns comes with a product of all pixels.
     */
    void inputGradient(Window g, Memory dy, Memory w, Memory residual, int stepH, int stepW, Memory z, Memory dx) {
        int n = g.n() * g.h() * g.w() * g.c();
        if (stepH * stepW > 1) {
            product.afterwards(residual, stepH, stepW);
            product.afterwards(z);
            directInputGradient(g, dy, w, dx);
            product.afterwards(null); // in case there was no product
            product.afterwards(null, 1, 1);
            return;
        }
        boolean all = g.f() > 0 && everyPixelReached(g);
        boolean once = false; // by the product
        int m = tile(g);
        if (m > 0) {
            product.a.makeRows();
            winograd.inputGradient(g, m, dy, w, residual, dx);
        } else {
            if (!all && (residual.array() != dx.array() || residual.offset() != dx.offset())) {
                elementwise.map(IDENTITY, n, residual, dx);
            }
            once = g.f() > 0 && g.groups() == 1 && classes(g) == 1;
            product.afterwards(once ? z : null);
            addInputGradient(g, dy, w, all ? residual : dx, dx);
            product.afterwards(null); // in case there was no product
        }
        if (z != null && !once) {
            elementwise.mapGradient(RELU, n, dx, z, dx);
        }
    }

    void directInputGradient(Window g, Memory dy, Memory w, Memory dx) {
        if (!everyPixelReached(g) || g.f() == 0) {
            elementwise.fill(g.n() * g.h() * g.w() * g.c(), 0, dx);
        }
        addInputGradient(g, dy, w, null, dx);
    }

    /** dx where there is a sum to compute, with the residual added unless it is null. */
    private void addInputGradient(Window g, Memory dy, Memory w, Memory residual, Memory dx) {
        int channels = g.c() / g.groups();
        int filters = g.f() / g.groups();
        if (filters == 0 || channels == 0) {
            return;
        }
        for (int h0 = 0; h0 < Math.min(g.strideH(), g.h()); h0++) {
            for (int w0 = 0; w0 < Math.min(g.strideW(), g.w()); w0++) {
                inputGradient(g, h0, w0, dy, w, residual, dx);
            }
        }
    }

    /** dx at rows h0, h0 + strideH, ... and columns w0, w0 + strideW, ... */
    private void inputGradient(Window g, int h0, int w0, Memory dy, Memory w, Memory residual, Memory dx) {
        int tapsH = taps(h0 + g.top(), g.kh(), g.dilationH(), g.strideH());
        int tapsW = taps(w0 + g.left(), g.kw(), g.dilationW(), g.strideW());
        if (tapsH == 0 || tapsW == 0) {
            return;
        }
        int channels = g.c() / g.groups();
        int filters = g.f() / g.groups();
        int rows = MatMul.ceil(g.h() - h0, g.strideH());
        int columns = MatMul.ceil(g.w() - w0, g.strideW());
        Patches a = product.a;
        a.image(dy, g.oh(), g.ow(), g.f(), filters);
        a.window(rows, columns, 1, 1, tapsH, tapsW);
        product.b.matrix(w, filters, 1, g.f());
        product.b.taps(tapsH * tapsW);
        // from the last tap to the first, so that runs in dy ascend
        int ti = 0;
        for (int i = g.kh() - 1; i >= 0; i--) {
            int up = h0 + g.top() - i * g.dilationH();
            if (up % g.strideH() != 0) {
                continue;
            }
            a.tapH[ti] = up / g.strideH();
            int tj = 0;
            for (int j = g.kw() - 1; j >= 0; j--) {
                int over = w0 + g.left() - j * g.dilationW();
                if (over % g.strideW() == 0) {
                    a.tapW[tj] = over / g.strideW();
                    product.b.tap[ti * tapsW + tj++] = (i * g.kw() + j) * channels * g.f();
                }
            }
            ti++;
        }
        a.ready();
        product.groups(g.groups(), filters, filters, channels);
        product.then(null, residual, false); // not before: a product that is never run would leave it to the next
        int rowOfPixels = g.w() * g.c();
        product.result(
                dx,
                h0 * rowOfPixels + w0 * g.c(),
                classes(g) == 1,
                rows,
                columns,
                g.h() * rowOfPixels,
                g.strideH() * rowOfPixels,
                g.strideW() * g.c());
        product.run(g.n() * rows * columns, channels, tapsH * tapsW * filters);
    }

    private static boolean everyPixelReached(Window g) {
        return classes(g) == Math.min(g.strideH(), g.h()) * Math.min(g.strideW(), g.w());
    }

    /** How many classes of input pixels are reached. */
    private static int classes(Window g) {
        int high = 0;
        for (int h0 = 0; h0 < Math.min(g.strideH(), g.h()); h0++) {
            high += taps(h0 + g.top(), g.kh(), g.dilationH(), g.strideH()) > 0 ? 1 : 0;
        }
        int wide = 0;
        for (int w0 = 0; w0 < Math.min(g.strideW(), g.w()); w0++) {
            wide += taps(w0 + g.left(), g.kw(), g.dilationW(), g.strideW()) > 0 ? 1 : 0;
        }
        return high * wide;
    }

    /** How many of the taps i reach a padded position: those for which it minus i * dilation is a multiple of stride. */
    private static int taps(int position, int size, int dilation, int stride) {
        int count = 0;
        for (int i = 0; i < size; i++) {
            count += (position - i * dilation) % stride == 0 ? 1 : 0;
        }
        return count;
    }
}
