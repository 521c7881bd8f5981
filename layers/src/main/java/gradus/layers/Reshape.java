package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/** Every sample's values in the same order under another shape of equal size. Keras's Reshape. */
public record Reshape(Shape target, String name) implements StoredLayer {
    public static Reshape of(int... target) {
        return new Reshape(Shape.of(target), null);
    }

    @Override
    public Reshape named(String name) {
        return new Reshape(target, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        Shape x = Inputs.one(inputs);
        if (x.size() != target.size()) {
            throw new ShapeException(
                    "a sample has " + x.size() + " values, the target shape " + target + " has " + target.size());
        }
        return target;
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        Value x = inputs.get(0);
        return to.builder().reshape(x, target.prepend(x.shape().dim(0)));
    }
}
