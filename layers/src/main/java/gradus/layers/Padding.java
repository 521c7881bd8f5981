package gradus.layers;

import gradus.op.Sliding;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.Locale;

/** What surrounds an image when a window slides over it. */
public enum Padding {
    /** Nothing: {@code out = (in - k) / stride + 1}, rounded down. */
    VALID,
    /**
     * Zeros (nothing, in pooling) so that {@code out = in / stride}, rounded up; an odd row goes to the bottom or
     * right.
     */
    SAME;

    /** From Keras's {@code "valid"} or {@code "same"}. */
    public static Padding of(String name) {
        for (Padding p : values()) {
            if (p.name().equalsIgnoreCase(name)) {
                return p;
            }
        }
        throw new GradusException("padding must be \"valid\" or \"same\", not \"" + name + "\"");
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The window over images of shape (h, w, c) or (n, h, w, c). */
    Sliding sliding(Shape image, Size window, Size strides, Size dilation) {
        if (this == SAME) {
            return Sliding.same(
                    image.dim(-3),
                    image.dim(-2),
                    window.height(),
                    window.width(),
                    strides.height(),
                    strides.width(),
                    dilation.height(),
                    dilation.width());
        }
        return new Sliding(strides.height(), strides.width(), dilation.height(), dilation.width(), 0, 0, 0, 0);
    }
}
