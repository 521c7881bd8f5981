package gradus.op;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/** y = x inside zeros, {@code before[i]} of them before and {@code after[i]} behind on axis i; dx = that part of dy. */
public record Pad(List<Integer> before, List<Integer> after) implements Op {
    public Pad {
        before = List.copyOf(before);
        after = List.copyOf(after);
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        int[] d = inputs.get(0).toArray();
        if (before.size() != d.length || after.size() != d.length) {
            throw new ShapeException("padding " + before + ", " + after + " needs one number per axis");
        }
        for (int i = 0; i < d.length; i++) {
            if (before.get(i) < 0 || after.get(i) < 0) {
                throw new ShapeException("padding " + before + ", " + after + " must not be negative");
            }
            long padded = (long) d[i] + before.get(i) + after.get(i);
            if (padded > Integer.MAX_VALUE) {
                throw new ShapeException("padding " + before + ", " + after + " makes more than 2^31 - 1 of " + d[i]);
            }
            d[i] = (int) padded;
        }
        return Shape.of(d);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.apply(new Slice(before, inputs.get(0).shape()), dy));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Shape s = shapes.get(0);
        var view = new StridedCopy(s.toArray(), 0, s.strides(), Slice.offset(shape, before), shape.strides());
        B x = inputs.get(0);
        int n = shape.size();
        return () -> {
            backend.fill(n, 0, y);
            backend.copy(view, x, y);
        };
    }
}
