package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/** y = a b ... with the broadcasting of NumPy, per sample. Keras's Multiply. */
public record Multiply(String name) implements StoredLayer {
    public static Multiply of() {
        return new Multiply(null);
    }

    @Override
    public Multiply named(String name) {
        return new Multiply(name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Merge.shape(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return Merge.fold(to.builder(), inputs, to.builder()::multiply);
    }
}
