package gradus.op;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/** y[k] = x[k] - ln sum over j of e^x[j] along the last axis, the row's maximum subtracted first; dx = dy - e^y sum dy. */
public record LogSoftmax() implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (inputs.get(0).rank() < 1 || inputs.get(0).dim(-1) < 1) {
            throw new ShapeException("needs a last axis with at least one class");
        }
        return inputs.get(0);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value p = b.map(new ScalarFunction.Exp(), y);
        return Collections.singletonList(b.subtract(dy, b.multiply(p, Softmax.rowSum(b, dy))));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int classes = shape.dim(-1);
        int rows = shape.size() / classes;
        B x = inputs.get(0);
        return () -> backend.logSoftmax(rows, classes, x, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 5L * y.size();
    }
}
