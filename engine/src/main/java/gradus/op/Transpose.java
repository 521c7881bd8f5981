package gradus.op;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/** y's axis i is x's axis {@code axes[i]}; dx = dy with the axes put back. */
public record Transpose(List<Integer> axes) implements Op {
    public Transpose {
        axes = List.copyOf(axes);
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        Shape x = inputs.get(0);
        if (!axes.stream()
                .sorted()
                .toList()
                .equals(IntStream.range(0, x.rank()).boxed().toList())) {
            throw new ShapeException("axes " + axes + " are not a permutation of the axes of " + x);
        }
        return Shape.of(axes.stream().mapToInt(x::dim).toArray());
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        var inverse = new Integer[axes.size()];
        for (int i = 0; i < inverse.length; i++) {
            inverse[axes.get(i)] = i;
        }
        return Collections.singletonList(b.apply(new Transpose(List.of(inverse)), dy));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int[] strides = shapes.get(0).strides();
        int[] read = axes.stream().mapToInt(a -> strides[a]).toArray();
        var view = new StridedCopy(shape.toArray(), 0, read, 0, shape.strides());
        B x = inputs.get(0);
        return () -> backend.copy(view, x, y);
    }
}
