package gradus.op;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** y = the part of x that begins at {@code begin} and has shape {@code shape}; dx = dy inside zeros. */
public record Slice(List<Integer> begin, Shape shape) implements Op {
    public Slice {
        begin = List.copyOf(begin);
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        Shape x = inputs.get(0);
        if (begin.size() != x.rank() || shape.rank() != x.rank()) {
            throw new ShapeException("slice at " + begin + " of shape " + shape + " needs one number per axis");
        }
        for (int i = 0; i < x.rank(); i++) {
            if (begin.get(i) < 0 || begin.get(i) + shape.dim(i) > x.dim(i)) {
                throw new ShapeException("slice at " + begin + " of shape " + shape + " leaves axis " + i);
            }
        }
        return shape;
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
            after.add(x.dim(i) - begin.get(i) - shape.dim(i));
        }
        return Collections.singletonList(b.apply(new Pad(begin, after), dy));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape result, B y) {
        Shape s = shapes.get(0);
        var view = new StridedCopy(shape.toArray(), offset(s, begin), s.strides(), 0, shape.strides());
        B x = inputs.get(0);
        return () -> backend.copy(view, x, y);
    }
}
