package gradus.layers;

import gradus.op.Max;
import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/**
 * y[c] = the largest value of channel c; all maxima share its derivative. Shapes (h, w, c) to (c), or to (1, 1, c)
 * with keepdims. Keras's GlobalMaxPooling2D.
 */
public record GlobalMaxPooling2D(boolean keepdims, String name) implements StoredLayer {
    public static GlobalMaxPooling2D of() {
        return new GlobalMaxPooling2D(false, null);
    }

    public GlobalMaxPooling2D keepdims(boolean keepdims) {
        return new GlobalMaxPooling2D(keepdims, name);
    }

    @Override
    public GlobalMaxPooling2D named(String name) {
        return new GlobalMaxPooling2D(keepdims, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        int channels = Inputs.image(inputs).dim(2);
        return keepdims ? Shape.of(1, 1, channels) : Shape.of(channels);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        var b = to.builder();
        Value x = inputs.get(0);
        Value y = b.apply(new Max(1, 3), x);
        return keepdims
                ? b.reshape(y, Shape.of(x.shape().dim(0), 1, 1, x.shape().dim(3)))
                : y;
    }
}
