package gradus.layers;

import gradus.backend.ScalarFunction;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/**
 * y = x for x > 0, else negativeSlope x. Keras's LeakyReLU, whose default slope is 0.3 (that of the activation is
 * 0.2).
 */
public record LeakyReLU(double negativeSlope, String name) implements StoredLayer {
    public LeakyReLU {
        if (!(negativeSlope >= 0)) {
            throw new GradusException("LeakyReLU: negativeSlope must not be negative, got " + negativeSlope);
        }
    }

    public static LeakyReLU of() {
        return of(0.3);
    }

    public static LeakyReLU of(double negativeSlope) {
        return new LeakyReLU(negativeSlope, null);
    }

    @Override
    public LeakyReLU named(String name) {
        return new LeakyReLU(negativeSlope, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Inputs.one(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().map(new ScalarFunction.LeakyRelu(negativeSlope), inputs.get(0));
    }
}
