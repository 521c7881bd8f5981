package gradus.layers;

import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/**
 * In training y = x / (1 - rate), or 0 with probability rate; in inference y = x (Srivastava et al., 2014). Keras's
 * Dropout.
 *
 * @param rate fraction of the values to drop, in [0, 1]
 * @param seed what to draw from, or null for a seed made of the model's seed and the layer's name
 */
public record Dropout(double rate, Long seed, String name) implements StoredLayer {
    public Dropout {
        if (!(rate >= 0 && rate <= 1)) {
            throw new GradusException("Dropout: rate must be in [0, 1], got " + rate);
        }
    }

    public static Dropout of(double rate) {
        return new Dropout(rate, null, null);
    }

    public Dropout seed(long seed) {
        return new Dropout(rate, seed, name);
    }

    @Override
    public Dropout named(String name) {
        return new Dropout(rate, seed, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Inputs.one(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        Value x = inputs.get(0);
        if (!to.training() || rate == 0) {
            return x;
        }
        if (rate == 1) {
            return to.builder().scale(x, 0);
        }
        long from = seed != null ? seed : to.seed();
        long drawn = to.call() == 0 ? from : Seeds.derive(from, "call " + to.call());
        return to.builder().apply(new gradus.op.Dropout(rate, drawn), x, to.step());
    }
}
