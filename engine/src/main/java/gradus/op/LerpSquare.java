package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/** y = v + (g^2 - v) t: the running second moment of Adam and RMSprop. Inputs v, g. Part of updates; it has no derivative. */
public record LerpSquare(double t) implements Op {
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
        B v = inputs.get(0);
        B g = inputs.get(1);
        return () -> backend.lerpSquare(n, t, v, g, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input == 0;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 3L * y.size();
    }
}
