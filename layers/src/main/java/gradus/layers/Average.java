package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/** y = (a + b + ...) / (number of inputs) with the broadcasting of NumPy, per sample. Keras's Average. */
public record Average(String name) implements StoredLayer {
    public static Average of() {
        return new Average(null);
    }

    @Override
    public Average named(String name) {
        return new Average(name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Merge.shape(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().scale(Merge.fold(to.builder(), inputs, to.builder()::add), 1.0 / inputs.size());
    }
}
