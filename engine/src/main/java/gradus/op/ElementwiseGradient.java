package gradus.op;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/** dx = dy f'(z), where z is f's result or its input, as {@link ScalarFunction#fromResult()} says. Inputs dy, z. */
public record ElementwiseGradient(ScalarFunction f) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        if (!inputs.get(0).equals(inputs.get(1))) {
            throw new ShapeException("dy and z must have the same shape");
        }
        return inputs.get(0);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        int n = shape.size();
        B dy = inputs.get(0);
        B z = inputs.get(1);
        return () -> backend.mapGradient(f, n, dy, z, dx);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input == 0;
    }

    @Override
    public String name() {
        return f.getClass().getSimpleName() + "Gradient";
    }
}
