package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/**
 * dx = gamma / sqrt(v + epsilon) (dy - s[0] / rows - xhat s[1] / rows): training-mode batch norm's whole derivative, the
 * paths through mean and variance included. Inputs dy, x, m, gamma and s = {@link BatchNormSums}.
 *
 * @param relu as in {@link BatchNormSums}; then beta is the last input
 */
public record BatchNormGradient(double epsilon, boolean relu) implements Op {
    public BatchNormGradient(double epsilon) {
        this(epsilon, false);
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        if (!inputs.get(0).equals(inputs.get(1))) {
            throw new ShapeException("dy " + inputs.get(0) + " and x " + inputs.get(1) + " must have the same shape");
        }
        BatchNorm.check(
                inputs.get(1),
                List.of(inputs.get(2), inputs.get(4)),
                relu ? List.of(inputs.get(3), inputs.get(5)) : List.of(inputs.get(3)));
        return inputs.get(1);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        int c = shape.dim(-1);
        int rows = shape.size() / c;
        B dy = inputs.get(0);
        B x = inputs.get(1);
        B m = inputs.get(2);
        B gamma = inputs.get(3);
        B s = inputs.get(4);
        if (!relu) {
            return () -> backend.batchNormGradient(rows, c, epsilon, dy, x, m, gamma, s, dx);
        }
        B beta = inputs.get(5);
        return () -> backend.batchNormReluGradient(rows, c, epsilon, dy, x, m, gamma, beta, s, dx);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input <= 1;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return (relu ? 7L : 5L) * y.size();
    }
}
