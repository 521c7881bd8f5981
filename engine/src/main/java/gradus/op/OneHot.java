package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import java.util.Collections;
import java.util.List;

/** y[..., k] = 1 where k is the class index x[...], else 0. A new last axis of {@code classes}; nothing flows back. */
public record OneHot(int classes) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape x = inputs.get(0);
        int[] d = java.util.Arrays.copyOf(x.toArray(), x.rank() + 1);
        d[x.rank()] = classes;
        return Shape.of(d);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(null);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int rows = shapes.get(0).size();
        B x = inputs.get(0);
        return () -> backend.oneHot(rows, classes, x, y);
    }
}
