package gradus.op;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.tensor.Shape;
import java.util.Collections;
import java.util.List;

/** y = f(x) for every element; dx = dy f'(x). */
public record Elementwise(ScalarFunction f) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        return inputs.get(0);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        if (f instanceof ScalarFunction.Affine affine) {
            return Collections.singletonList(b.scale(dy, affine.scale()));
        }
        return Collections.singletonList(b.apply(new ElementwiseGradient(f), dy, f.fromResult() ? y : inputs.get(0)));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int n = shape.size();
        B x = inputs.get(0);
        return () -> backend.map(f, n, x, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return true;
    }

    @Override
    public String name() {
        return f.getClass().getSimpleName();
    }
}
