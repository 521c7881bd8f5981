package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/** y = f(x), element by element or, for softmax, along the last axis. Keras's Activation. */
public record Activation(ActivationFunction function, String name) implements StoredLayer {
    /** @throws gradus.tensor.GradusException for an unknown name, listing the known ones */
    public static Activation of(String function) {
        return of(ActivationFunction.of(function));
    }

    public static Activation of(ActivationFunction function) {
        return new Activation(function, null);
    }

    public static Activation relu() {
        return of(ActivationFunction.RELU);
    }

    @Override
    public Activation named(String name) {
        return new Activation(function, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Inputs.one(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return function.apply(to.builder(), inputs.get(0));
    }
}
