package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/**
 * s[0] = sum of dy, s[1] = sum of dy (x - m[0]) / sqrt(m[1] + epsilon): dbeta and dgamma. Inputs dy, x, m to (2, c).
 *
 * @param relu whether dy belongs to relu(BatchNorm(x)) and first becomes 0 where that is not positive; then gamma and beta
 *     are inputs too
 */
public record BatchNormSums(double epsilon, boolean relu) implements Op {
    public BatchNormSums(double epsilon) {
        this(epsilon, false);
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        if (!inputs.get(0).equals(inputs.get(1))) {
            throw new ShapeException("dy and x must have the same shape");
        }
        BatchNorm.check(inputs.get(1), List.of(inputs.get(2)), relu ? inputs.subList(3, 5) : List.of());
        return inputs.get(2);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B s) {
        int c = shape.dim(1);
        int rows = shapes.get(0).size() / c;
        B dy = inputs.get(0);
        B x = inputs.get(1);
        B m = inputs.get(2);
        if (!relu) {
            return () -> backend.batchNormSums(rows, c, epsilon, dy, x, m, s);
        }
        B gamma = inputs.get(3);
        B beta = inputs.get(4);
        return () -> backend.batchNormReluSums(rows, c, epsilon, dy, x, m, gamma, beta, s);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return (relu ? 7L : 4L) * inputs.get(0).size();
    }
}
