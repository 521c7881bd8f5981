package gradus.layers;

import gradus.backend.ScalarFunction;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/** y = min(max(x, low), high). ONNX's Clip; Keras's ReLU with a {@code max_value} if low is 0. */
public record Clip(double low, double high, String name) implements StoredLayer {
    public Clip {
        if (!(low <= high) || Double.isInfinite(low) || Double.isInfinite(high)) {
            throw new GradusException(
                    "Clip: low must not be above high, and both be finite, got " + low + " and " + high);
        }
    }

    /** With {@code Float.MAX_VALUE}, or minus that, for no limit. */
    public static Clip of(double low, double high) {
        return new Clip(low, high, null);
    }

    @Override
    public Clip named(String name) {
        return new Clip(low, high, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        return Inputs.one(inputs);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().map(new ScalarFunction.Clip(low, high), inputs.get(0));
    }
}
