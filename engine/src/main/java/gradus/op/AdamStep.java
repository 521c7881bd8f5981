package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/**
 * y = w - m rate / (sqrt(v) + epsilon): Adam's step (Kingma and Ba, 2015) in Keras's form, where
 * rate = lr sqrt(1 - beta2^t) / (1 - beta1^t) carries the bias corrections. Inputs w, m, v, rate. Part of updates.
 */
public record AdamStep(double epsilon) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape w = inputs.get(0);
        if (!w.equals(inputs.get(1))
                || !w.equals(inputs.get(2))
                || inputs.get(3).size() != 1) {
            throw new ShapeException("w, m and v must have the same shape and rate one element");
        }
        return w;
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int n = shape.size();
        B w = inputs.get(0);
        B m = inputs.get(1);
        B v = inputs.get(2);
        B rate = inputs.get(3);
        return () -> backend.adamStep(n, epsilon, w, m, v, rate, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input == 0;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 5L * y.size();
    }
}
