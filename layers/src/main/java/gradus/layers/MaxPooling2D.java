package gradus.layers;

import gradus.op.MaxPool2D;
import gradus.op.Sliding;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/**
 * y = the largest value in each window, per channel; padding never wins. Keras's MaxPooling2D.
 *
 * @param border what lies around the image instead of what {@code padding} says, or null
 */
public record MaxPooling2D(Size pool, Size strides, Padding padding, Border border, String name)
        implements StoredLayer {
    public MaxPooling2D {
        if (!pool.atLeast(1) || !strides.atLeast(1)) {
            throw new GradusException(
                    "MaxPooling2D: pool " + pool + " and strides " + strides + " must be at least (1, 1)");
        }
        if (border != null && (padding != Padding.VALID || !border.within(pool))) {
            throw new GradusException("MaxPooling2D: border " + border + " must be narrower than pool " + pool
                    + ", and goes with padding \"valid\"");
        }
    }

    /** A window of (2, 2) with strides (2, 2), no padding. */
    public static MaxPooling2D of() {
        return of(2);
    }

    /** A square window with strides as large as itself, no padding. */
    public static MaxPooling2D of(int pool) {
        return of(pool, pool);
    }

    public static MaxPooling2D of(int height, int width) {
        return new MaxPooling2D(new Size(height, width), new Size(height, width), Padding.VALID, null, null);
    }

    public MaxPooling2D strides(int both) {
        return strides(both, both);
    }

    public MaxPooling2D strides(int height, int width) {
        return new MaxPooling2D(pool, new Size(height, width), padding, border, name);
    }

    public MaxPooling2D padding(Padding padding) {
        return new MaxPooling2D(pool, strides, padding, null, name);
    }

    /** Rows and columns around the image as PyTorch's {@code padding} and ONNX's {@code pads} count them. */
    public MaxPooling2D padding(int top, int bottom, int left, int right) {
        return new MaxPooling2D(pool, strides, Padding.VALID, new Border(top, bottom, left, right), name);
    }

    /** From Keras's {@code "valid"} or {@code "same"}. */
    public MaxPooling2D padding(String padding) {
        return padding(Padding.of(padding));
    }

    public MaxPooling2D same() {
        return padding(Padding.SAME);
    }

    @Override
    public MaxPooling2D named(String name) {
        return new MaxPooling2D(pool, strides, padding, border, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        Shape x = Inputs.image(inputs);
        return operation(x).shape(List.of(x.prepend(1))).slice(1, 4);
    }

    private MaxPool2D operation(Shape x) {
        Sliding sliding = border == null ? padding.sliding(x, pool, strides, Size.of(1)) : border.sliding(strides);
        return new MaxPool2D(pool.height(), pool.width(), sliding);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().apply(operation(inputs.get(0).shape()), inputs);
    }
}
