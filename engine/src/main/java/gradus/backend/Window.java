package gradus.backend;

/**
 * A window that slides over images: the geometry of a convolution or a pooling. Input {@code (n, h, w, c)}, result
 * {@code (n, oh, ow, f)}; tap {@code (i, j)} of output pixel {@code (p, q)} reads input pixel
 * {@code (p * strideH + i * dilationH - top, q * strideW + j * dilationW - left)}, or nothing where that is outside.
 * For pooling {@code f = c}. In a convolution of {@code g} groups, output channel {@code o} reads the {@code c / g} input
 * channels of group {@code o / (f / g)}; its kernel is {@code (kh, kw, c / g, f)}.
 */
public record Window(
        int n,
        int h,
        int w,
        int c,
        int oh,
        int ow,
        int f,
        int kh,
        int kw,
        int strideH,
        int strideW,
        int dilationH,
        int dilationW,
        int top,
        int left,
        int groups) {
    /** The same window over another number of images. */
    public Window withImages(int n) {
        return new Window(n, h, w, c, oh, ow, f, kh, kw, strideH, strideW, dilationH, dilationW, top, left, groups);
    }
}
