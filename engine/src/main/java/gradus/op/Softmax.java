package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/** y[k] = e^x[k] / sum over j of e^x[j] along the last axis, the row's maximum subtracted first; dx = y (dy - sum dy y). */
public record Softmax() implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (inputs.get(0).rank() < 1 || inputs.get(0).dim(-1) < 1) {
            throw new ShapeException("needs a last axis with at least one class");
        }
        return inputs.get(0);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value dot = rowSum(b, b.multiply(dy, y));
        return Collections.singletonList(b.multiply(y, b.subtract(dy, dot)));
    }

    /** Sum along the last axis, which stays with extent 1. */
    static Value rowSum(Builder b, Value x) {
        int last = x.shape().rank() - 1;
        return b.reshape(b.sum(x, last, last + 1), x.shape().with(last, 1));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int classes = shape.dim(-1);
        int rows = shape.size() / classes;
        B x = inputs.get(0);
        return () -> backend.softmax(rows, classes, x, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 5L * y.size();
    }
}
