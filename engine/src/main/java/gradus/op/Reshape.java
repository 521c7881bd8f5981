package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/** y = x's elements in the same order under another shape. Costs nothing: y is x's memory. */
public record Reshape(Shape shape) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (inputs.get(0).size() != shape.size()) {
            throw new ShapeException("cannot be reshaped to " + shape + ": "
                    + inputs.get(0).size() + " elements against " + shape.size());
        }
        return shape;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.reshape(dy, inputs.get(0).shape()));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape result, B y) {
        return inputs.get(0) == y ? () -> {} : Bind.copy(backend, result.size(), inputs.get(0), y);
    }

    @Override
    public boolean isView() {
        return true;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 0;
    }

    @Override
    public long elements(List<Shape> inputs, Shape y) {
        return 0;
    }
}
