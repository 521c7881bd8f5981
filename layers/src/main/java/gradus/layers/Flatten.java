package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/** Every sample as a vector, row-major: (h, w, c) to (h w c). Keras's Flatten. */
public record Flatten(String name) implements StoredLayer {
    public static Flatten of() {
        return new Flatten(null);
    }

    @Override
    public Flatten named(String name) {
        return new Flatten(name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Shape.of(Inputs.one(inputs).size());
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        Shape x = inputs.get(0).shape();
        return to.builder().reshape(inputs.get(0), Shape.of(x.dim(0), x.size(1, x.rank())));
    }
}
