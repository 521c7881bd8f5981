package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import java.util.List;

/** dx = (dm[0] + 2 dm[1] (x - m[0])) / rows, the derivative of {@link Moments}. Inputs dm, x, m. */
public record MomentsGradient() implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        BatchNorm.check(inputs.get(1), List.of(inputs.get(0), inputs.get(2)), List.of());
        return inputs.get(1);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        int c = shape.dim(-1);
        int rows = shape.size() / c;
        B dm = inputs.get(0);
        B x = inputs.get(1);
        B m = inputs.get(2);
        return () -> backend.momentsGradient(rows, c, dm, x, m, dx);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 3L * y.size();
    }
}
