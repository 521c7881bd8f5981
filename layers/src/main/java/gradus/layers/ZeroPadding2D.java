package gradus.layers;

import gradus.op.Pad;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/** Zeros around images: (h, w, c) to (top + h + bottom, left + w + right, c). Keras's ZeroPadding2D. */
public record ZeroPadding2D(int top, int bottom, int left, int right, String name) implements StoredLayer {
    public ZeroPadding2D {
        if (top < 0 || bottom < 0 || left < 0 || right < 0) {
            throw new GradusException("ZeroPadding2D: padding must not be negative, got ((" + top + ", " + bottom
                    + "), (" + left + ", " + right + "))");
        }
    }

    /** One pixel on each side. */
    public static ZeroPadding2D of() {
        return of(1);
    }

    /** Keras's {@code padding=3}. */
    public static ZeroPadding2D of(int all) {
        return of(all, all);
    }

    /** Keras's {@code padding=(2, 3)}: so many above and below, so many left and right. */
    public static ZeroPadding2D of(int height, int width) {
        return of(height, height, width, width);
    }

    /** Keras's {@code padding=((1, 2), (3, 4))}. */
    public static ZeroPadding2D of(int top, int bottom, int left, int right) {
        return new ZeroPadding2D(top, bottom, left, right, null);
    }

    @Override
    public ZeroPadding2D named(String name) {
        return new ZeroPadding2D(top, bottom, left, right, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return pad().shape(List.of(Inputs.image(inputs).prepend(1))).slice(1, 4);
    }

    private Pad pad() {
        return new Pad(List.of(0, top, left, 0), List.of(0, bottom, right, 0));
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().apply(pad(), inputs);
    }
}
