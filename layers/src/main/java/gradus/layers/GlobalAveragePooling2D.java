package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/**
 * y[c] = the mean of channel c. Shapes (h, w, c) to (c), or to (1, 1, c) with keepdims. Keras's
 * GlobalAveragePooling2D.
 */
public record GlobalAveragePooling2D(boolean keepdims, String name) implements StoredLayer {
    public static GlobalAveragePooling2D of() {
        return new GlobalAveragePooling2D(false, null);
    }

    public GlobalAveragePooling2D keepdims(boolean keepdims) {
        return new GlobalAveragePooling2D(keepdims, name);
    }

    @Override
    public GlobalAveragePooling2D named(String name) {
        return new GlobalAveragePooling2D(keepdims, name);
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
        Value y = b.mean(x, 1, 3);
        return keepdims
                ? b.reshape(y, Shape.of(x.shape().dim(0), 1, 1, x.shape().dim(3)))
                : y;
    }
}
