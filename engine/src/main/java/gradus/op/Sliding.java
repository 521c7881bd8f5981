package gradus.op;

import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;

/**
 * How a window slides over an image: steps, distance between its taps (dilation), zeros around the image.
 * Extent of the result: {@code (in + before + after - ((k - 1) dilation + 1)) / stride + 1}, rounded down.
 */
public record Sliding(
        int strideH, int strideW, int dilationH, int dilationW, int top, int bottom, int left, int right) {
    public Sliding {
        if (strideH < 1 || strideW < 1 || dilationH < 1 || dilationW < 1) {
            throw new ShapeException("strides (" + strideH + ", " + strideW + ") and dilations (" + dilationH + ", "
                    + dilationW + ") must be at least 1");
        }
        if (top < 0 || bottom < 0 || left < 0 || right < 0) {
            throw new ShapeException("padding must not be negative");
        }
        if ((long) top + bottom > Integer.MAX_VALUE || (long) left + right > Integer.MAX_VALUE) {
            throw new ShapeException("padding of more than 2^31 - 1 pixels");
        }
    }

    /** No padding: Keras's VALID. */
    public static Sliding valid(int strideH, int strideW) {
        return new Sliding(strideH, strideW, 1, 1, 0, 0, 0, 0);
    }

    /**
     * TensorFlow's SAME for an image of extents h, w: the result has ceil(in / stride) pixels, and an odd amount of
     * padding has its larger half at the bottom and the right.
     */
    public static Sliding same(int h, int w, int kh, int kw, int strideH, int strideW, int dilationH, int dilationW) {
        int v = total(h, kh, Math.max(1, strideH), dilationH); // smaller strides are refused below
        int u = total(w, kw, Math.max(1, strideW), dilationW);
        return new Sliding(strideH, strideW, dilationH, dilationW, v / 2, v - v / 2, u / 2, u - u / 2);
    }

    /** The same over images that have lost these rows and columns of zeros around them. */
    public Sliding padded(int moreTop, int moreBottom, int moreLeft, int moreRight) {
        return new Sliding(
                strideH,
                strideW,
                dilationH,
                dilationW,
                top + moreTop,
                bottom + moreBottom,
                left + moreLeft,
                right + moreRight);
    }

    private static int total(int in, int k, int stride, int dilation) {
        long out = ((long) in + stride - 1) / stride;
        return Math.clamp((out - 1) * stride + (k - 1L) * dilation + 1 - in, 0, Integer.MAX_VALUE);
    }

    /** The window over images of shape x, {@code (n, h, w, c)}. @throws ShapeException if it does not fit even once */
    Window over(Shape x, int kh, int kw, int f, int groups) {
        if (x.rank() != 4) {
            throw new ShapeException("images must be (n, h, w, c), not " + x);
        }
        if (kh < 1 || kw < 1) {
            throw new ShapeException("a window must have at least one row and one column, not " + kh + " x " + kw);
        }
        int oh = out(x.dim(1), kh, strideH, dilationH, top + bottom);
        int ow = out(x.dim(2), kw, strideW, dilationW, left + right);
        if (oh < 1 || ow < 1) {
            throw new ShapeException("a window of " + kh + " x " + kw + " does not fit into " + x
                    + " once; use SAME padding, a smaller window, or larger images");
        }
        return new Window(
                x.dim(0), x.dim(1), x.dim(2), x.dim(3), oh, ow, f, kh, kw, strideH, strideW, dilationH, dilationW, top,
                left, groups);
    }

    private static int out(int in, int k, int stride, int dilation, int padding) {
        if ((long) in + padding > Integer.MAX_VALUE) {
            throw new ShapeException("an image of " + in + " pixels with a padding of " + padding + " is too large");
        }
        long room = (long) in + padding - ((k - 1L) * dilation + 1);
        return room < 0 ? 0 : (int) (room / stride) + 1;
    }
}
