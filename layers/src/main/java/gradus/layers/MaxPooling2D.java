package gradus.layers;

import gradus.op.MaxPool2D;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/** y = the largest value in each window, per channel; padding never wins. Keras's MaxPooling2D. */
public record MaxPooling2D(Size pool, Size strides, Padding padding, String name) implements StoredLayer {
    public MaxPooling2D {
        if (!pool.atLeast(1) || !strides.atLeast(1)) {
            throw new GradusException(
                    "MaxPooling2D: pool " + pool + " and strides " + strides + " must be at least (1, 1)");
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
        return new MaxPooling2D(new Size(height, width), new Size(height, width), Padding.VALID, null);
    }

    public MaxPooling2D strides(int both) {
        return strides(both, both);
    }

    public MaxPooling2D strides(int height, int width) {
        return new MaxPooling2D(pool, new Size(height, width), padding, name);
    }

    public MaxPooling2D padding(Padding padding) {
        return new MaxPooling2D(pool, strides, padding, name);
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
        return new MaxPooling2D(pool, strides, padding, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        Shape x = Inputs.image(inputs);
        return operation(x).shape(List.of(x.prepend(1))).slice(1, 4);
    }

    private MaxPool2D operation(Shape x) {
        return new MaxPool2D(pool.height(), pool.width(), padding.sliding(x, pool, strides, Size.of(1)));
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().apply(operation(inputs.get(0).shape()), inputs);
    }
}
