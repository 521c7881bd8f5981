package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/** y = the maximum of x over axes {@code [from, to)}, which y does not have; all maxima share dy equally. */
public record Max(int from, int to) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape x = inputs.get(0);
        Shape y = Sum.without(x, from, to);
        if (x.size() == 0 && y.size() != 0) {
            throw new ShapeException("there is no maximum of no elements");
        }
        return y;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.apply(new MaxGradient(from, to), dy, inputs.get(0), y));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Shape s = shapes.get(0);
        int outer = s.size(0, from);
        int reduced = s.size(from, to);
        int inner = s.size(to, s.rank());
        B x = inputs.get(0);
        return () -> backend.max(outer, reduced, inner, x, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return inputs.get(0).size();
    }
}
