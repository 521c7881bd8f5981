package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Arrays;
import java.util.List;

/**
 * {@code y = u < rate ? 0 : x / (1 - rate)} with u uniform in [0, 1), a function of seed, step and index alone (Srivastava et
 * al., 2014, inverted as in Keras). Inputs x and the scalar step. The same mask carries dy back: dx = Dropout(dy).
 */
public record Dropout(double rate, long seed) implements Op {
    public Dropout {
        if (!(rate >= 0 && rate < 1)) {
            throw new GradusException("dropout rate must be in [0, 1), not " + rate);
        }
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        if (inputs.get(1).size() != 1) {
            throw new ShapeException("step must have one element");
        }
        return inputs.get(0);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Arrays.asList(b.apply(this, dy, inputs.get(1)), null);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int n = shape.size();
        B x = inputs.get(0);
        B step = inputs.get(1);
        return () -> backend.dropout(n, rate, seed, step, x, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input == 0;
    }
}
