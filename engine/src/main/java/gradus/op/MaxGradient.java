package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/** dx = dy / (number of maxima) where x equals its maximum y over axes {@code [from, to)}, else 0. Inputs dy, x, y. */
public record MaxGradient(int from, int to) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape y = Sum.without(inputs.get(1), from, to);
        if (!inputs.get(0).equals(y) || !inputs.get(2).equals(y)) {
            throw new ShapeException("the maxima of " + inputs.get(1) + " and their derivative must be " + y + ", not "
                    + inputs.get(2) + " and " + inputs.get(0));
        }
        return inputs.get(1);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        int outer = shape.size(0, from);
        int reduced = shape.size(from, to);
        int inner = shape.size(to, shape.rank());
        B dy = inputs.get(0);
        B x = inputs.get(1);
        B y = inputs.get(2);
        return () -> backend.maxGradient(outer, reduced, inner, dy, x, y, dx);
    }
}
