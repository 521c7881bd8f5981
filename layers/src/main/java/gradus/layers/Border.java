package gradus.layers;

import gradus.op.Sliding;
import gradus.tensor.GradusException;

/**
 * Rows and columns around an image that a pooling window may reach into and finds nothing in. Keras's {@code padding} knows two
 * cases; PyTorch and ONNX have any.
 */
public record Border(int top, int bottom, int left, int right) {
    private static final int MOST = 1 << 20;

    public Border {
        if (Math.min(Math.min(top, bottom), Math.min(left, right)) < 0
                || Math.max(Math.max(top, bottom), Math.max(left, right)) > MOST) {
            throw new GradusException("a border must be between 0 and " + MOST + " wide, not ((" + top + ", " + bottom
                    + "), (" + left + ", " + right + "))");
        }
    }

    /** Whether each window has at least a pixel of the image in it. */
    boolean within(Size pool) {
        return Math.max(top, bottom) < pool.height() && Math.max(left, right) < pool.width();
    }

    Sliding sliding(Size strides) {
        return Sliding.valid(strides.height(), strides.width()).padded(top, bottom, left, right);
    }

    @Override
    public String toString() {
        return "((" + top + ", " + bottom + "), (" + left + ", " + right + "))";
    }
}
