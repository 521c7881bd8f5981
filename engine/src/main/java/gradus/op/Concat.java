package gradus.op;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** y = the inputs one behind the other along an axis; each gets its part of dy. */
public record Concat(int axis) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (inputs.isEmpty()) {
            throw new ShapeException("there is nothing to put together");
        }
        Shape first = inputs.get(0);
        int at = first.axis(axis);
        int extent = 0;
        for (Shape s : inputs) {
            if (s.rank() != first.rank() || !s.with(at, first.dim(at)).equals(first)) {
                throw new ShapeException("inputs may differ along axis " + axis + " alone");
            }
            extent = Math.addExact(extent, s.dim(at));
        }
        return first.with(at, extent);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        int at = y.shape().axis(axis);
        var begin = new ArrayList<>(Collections.nCopies(y.shape().rank(), 0));
        var parts = new Value[inputs.size()];
        for (int i = 0; i < parts.length; i++) {
            Shape s = inputs.get(i).shape();
            parts[i] = needed[i] ? b.apply(new Slice(begin, s), dy) : null;
            begin.set(at, begin.get(at) + s.dim(at));
        }
        return Arrays.asList(parts);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int at = shape.axis(axis);
        int[] strides = shape.strides();
        var views = new StridedCopy[inputs.size()];
        for (int i = 0, offset = 0; i < views.length; i++) {
            Shape s = shapes.get(i);
            views[i] = new StridedCopy(s.toArray(), 0, s.strides(), offset, strides);
            offset += s.dim(at) * strides[at];
        }
        return () -> {
            for (int i = 0; i < views.length; i++) {
                backend.copy(views[i], inputs.get(i), y);
            }
        };
    }
}
