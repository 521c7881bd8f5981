package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/** y = a + b + ... with the broadcasting of NumPy, per sample. Keras's Add; what closes a residual block. */
public record Add(String name) implements StoredLayer {
    public static Add of() {
        return new Add(null);
    }

    @Override
    public Add named(String name) {
        return new Add(name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Merge.shape(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return Merge.fold(to.builder(), inputs, to.builder()::add);
    }
}
