package gradus.op;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/**
 * y = x inside zeros, {@code before[i]} of them before, {@code after[i]} behind and {@code between[i]} between neighbours on axis i;
 * dx = that part of dy.
 */
public record Pad(List<Integer> before, List<Integer> after, List<Integer> between) implements Op {
    public Pad {
        before = List.copyOf(before);
        after = List.copyOf(after);
        between = List.copyOf(between);
    }

    /** Around x only. */
    public Pad(List<Integer> before, List<Integer> after) {
        this(before, after, Collections.nCopies(before.size(), 0));
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        int[] d = inputs.get(0).toArray();
        if (before.size() != d.length || after.size() != d.length || between.size() != d.length) {
            throw new ShapeException(
                    "padding " + before + ", " + after + ", " + between + " needs one number per axis");
        }
        for (int i = 0; i < d.length; i++) {
            if (before.get(i) < 0 || after.get(i) < 0 || between.get(i) < 0) {
                throw new ShapeException("padding " + before + ", " + after + ", " + between + " must not be negative");
            }
            long padded = d[i] + (long) before.get(i) + after.get(i) + Math.max(0, d[i] - 1L) * between.get(i);
            if (padded > Integer.MAX_VALUE) {
                throw new ShapeException("padding " + before + ", " + after + ", " + between
                        + " makes more than 2^31 - 1 of " + d[i] + " on axis " + i);
            }
            d[i] = (int) padded;
        }
        return Shape.of(d);
    }

    private List<Integer> steps() {
        return between.stream().map(zeros -> zeros + 1).toList();
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.apply(new Slice(before, inputs.get(0).shape(), steps()), dy));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Shape s = shapes.get(0);
        var view = new StridedCopy(
                s.toArray(), 0, s.strides(), Slice.offset(shape, before), Slice.strides(shape, steps()));
        B x = inputs.get(0);
        int n = shape.size();
        return () -> {
            backend.fill(n, 0, y);
            backend.copy(view, x, y);
        };
    }
}
