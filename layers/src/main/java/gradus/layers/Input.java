package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/** Where data enters a model. The shape is that of one sample; batches may have any size. Keras's Input. */
public record Input(Shape shape, String name) implements Layer {
    /** An input of this shape per sample: {@code Input.of(64, 64, 3)}. */
    public static LayerOutput of(int... shape) {
        return of(Shape.of(shape), null);
    }

    /** An input under a name of its own; null for {@code input_1}, {@code input_2}, as Keras numbers them. */
    public static LayerOutput of(Shape shape, String name) {
        return new Input(shape, name).apply(List.of());
    }

    @Override
    public Input named(String name) {
        return new Input(shape, name);
    }

    @Override
    public String type() {
        return "InputLayer";
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return shape;
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return inputs.get(0);
    }
}
