package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import java.util.List;

/** s[0] = sum of dy, s[1] = sum of dy (x - m[0]) / sqrt(m[1] + epsilon): dbeta and dgamma. Inputs dy, x, m to (2, c). */
public record BatchNormSums(double epsilon) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        return inputs.get(2);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B s) {
        int c = shape.dim(1);
        int rows = shapes.get(0).size() / c;
        B dy = inputs.get(0);
        B x = inputs.get(1);
        B m = inputs.get(2);
        return () -> backend.batchNormSums(rows, c, epsilon, dy, x, m, s);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 4L * inputs.get(0).size();
    }
}
