package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/**
 * y = alpha a + beta s b, with arrays a and b of one shape and a scalar s that changes from step to step (a learning
 * rate). Inputs a, s, b. Part of updates; it has no derivative.
 */
public record Combine(double alpha, double beta) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (!inputs.get(0).equals(inputs.get(2)) || inputs.get(1).size() != 1) {
            throw new ShapeException("a and b must have the same shape and s one element");
        }
        return inputs.get(0);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int n = shape.size();
        B a = inputs.get(0);
        B s = inputs.get(1);
        B b = inputs.get(2);
        return () -> backend.combine(n, alpha, beta, a, s, b, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input != 1;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 3L * y.size();
    }
}
