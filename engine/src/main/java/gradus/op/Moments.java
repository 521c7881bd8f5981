package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/**
 * m[0, c] = mean of x[..., c], m[1, c] = mean of (x[..., c] - m[0, c])^2: per-channel mean and biased variance over all
 * other axes. Shapes (..., c) to (2, c); dx = (dm[0] + 2 dm[1] (x - m[0])) / rows.
 */
public record Moments() implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape x = inputs.get(0);
        if (x.rank() < 1 || x.size() == 0) {
            throw new ShapeException("statistics need at least one value per channel");
        }
        return Shape.of(2, x.dim(-1));
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.apply(new MomentsGradient(), dy, inputs.get(0), y));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B m) {
        int c = shape.dim(1);
        int rows = shapes.get(0).size() / c;
        B x = inputs.get(0);
        return () -> backend.moments(rows, c, x, m);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 4L * inputs.get(0).size();
    }
}
