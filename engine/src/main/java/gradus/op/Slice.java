package gradus.op;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * y = the part of x that begins at {@code begin}, takes every {@code steps[i]}-th element on axis i, and has shape {@code shape}:
 * {@code x[begin::step]} in NumPy's words; dx = dy inside zeros.
 */
public record Slice(List<Integer> begin, Shape shape, List<Integer> steps) implements Op {
    public Slice {
        begin = List.copyOf(begin);
        steps = List.copyOf(steps);
    }

    /** Of neighbouring elements. */
    public Slice(List<Integer> begin, Shape shape) {
        this(begin, shape, Collections.nCopies(begin.size(), 1));
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        Shape x = inputs.get(0);
        if (begin.size() != x.rank() || shape.rank() != x.rank() || steps.size() != x.rank()) {
            throw new ShapeException(this + " needs one number per axis");
        }
        for (int i = 0; i < x.rank(); i++) {
            if (begin.get(i) < 0 || steps.get(i) < 1 || begin.get(i) + extent(i) > x.dim(i)) {
                throw new ShapeException(this + " leaves axis " + i);
            }
        }
        return shape;
    }

    /** Elements from the first to the last on axis i. */
    private long extent(int i) {
        return shape.dim(i) == 0 ? 0 : (shape.dim(i) - 1L) * steps.get(i) + 1;
    }

    /** Strides of an array of that shape from one element of a slice to the next. */
    static int[] strides(Shape shape, List<Integer> steps) {
        int[] strides = shape.strides();
        for (int i = 0; i < strides.length; i++) {
            strides[i] *= steps.get(i);
        }
        return strides;
    }

    /** Index of the element at {@code begin} in an array of that shape. */
    static int offset(Shape shape, List<Integer> begin) {
        int[] strides = shape.strides();
        int offset = 0;
        for (int i = 0; i < strides.length; i++) {
            offset += begin.get(i) * strides[i];
        }
        return offset;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Shape x = inputs.get(0).shape();
        var after = new ArrayList<Integer>();
        for (int i = 0; i < x.rank(); i++) {
            after.add(x.dim(i) - begin.get(i) - (int) extent(i));
        }
        List<Integer> between = steps.stream().map(step -> step - 1).toList();
        return Collections.singletonList(b.apply(new Pad(begin, after, between), dy));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape result, B y) {
        Shape s = shapes.get(0);
        var view = new StridedCopy(shape.toArray(), offset(s, begin), strides(s, steps), 0, shape.strides());
        B x = inputs.get(0);
        return () -> backend.copy(view, x, y);
    }
}
