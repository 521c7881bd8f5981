package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/** y = a - b with the broadcasting of NumPy, per sample. Keras's Subtract. */
public record Subtract(String name) implements StoredLayer {
    public static Subtract of() {
        return new Subtract(null);
    }

    @Override
    public Subtract named(String name) {
        return new Subtract(name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        if (inputs.size() != 2) {
            throw new ShapeException("takes exactly 2 inputs, not " + inputs.size());
        }
        return Merge.shape(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return Merge.fold(to.builder(), inputs, to.builder()::subtract);
    }
}
