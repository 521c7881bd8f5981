package gradus.op;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/** y = x repeated to {@code shape} under NumPy broadcasting; dx = dy summed over the repetitions. */
public record BroadcastTo(Shape shape) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (!Shape.broadcast(inputs.get(0), shape).equals(shape)) {
            throw new ShapeException("cannot be repeated to " + shape);
        }
        return shape;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.sumTo(dy, inputs.get(0).shape()));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape result, B y) {
        var view = new StridedCopy(shape.toArray(), 0, shapes.get(0).stridesAs(shape), 0, shape.strides());
        B x = inputs.get(0);
        return () -> backend.copy(view, x, y);
    }
}
