package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/** y = the sum of x over axes {@code [from, to)}, which y does not have; dx = dy repeated along them. */
public record Sum(int from, int to) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        return without(inputs.get(0), from, to);
    }

    static Shape without(Shape x, int from, int to) {
        if (from < 0 || from >= to || to > x.rank()) {
            throw new ShapeException("axes from " + from + " to before " + to + " of " + x
                    + "; the first must be less than the second, none negative or beyond the last");
        }
        var d = new int[x.rank() - (to - from)];
        for (int i = 0, j = 0; i < x.rank(); i++) {
            if (i < from || i >= to) {
                d[j++] = x.dim(i);
            }
        }
        return Shape.of(d);
    }

    /** x's shape with extent 1 on axes {@code [from, to)}. */
    static Shape kept(Shape x, int from, int to) {
        Shape y = x;
        for (int i = from; i < to; i++) {
            y = y.with(i, 1);
        }
        return y;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Shape x = inputs.get(0).shape();
        return Collections.singletonList(b.apply(new BroadcastTo(x), b.reshape(dy, kept(x, from, to))));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Shape s = shapes.get(0);
        int outer = s.size(0, from);
        int reduced = s.size(from, to);
        int inner = s.size(to, s.rank());
        B x = inputs.get(0);
        return () -> backend.sum(outer, reduced, inner, x, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return inputs.get(0).size();
    }
}
