package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/** y = a + (b - a) t: the running average of optimizers. Inputs a, b. Part of updates; it has no derivative. */
public record Lerp(double t) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (!inputs.get(0).equals(inputs.get(1))) {
            throw new ShapeException("both inputs must have the same shape");
        }
        return inputs.get(0);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int n = shape.size();
        B a = inputs.get(0);
        B b = inputs.get(1);
        return () -> backend.lerp(n, t, a, b, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return true;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 3L * y.size();
    }
}
