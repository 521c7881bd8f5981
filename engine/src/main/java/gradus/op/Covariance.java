package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Collections;
import java.util.List;

/**
 * y[0, i] = mean of x[..., i] =: m_i, y[1 + i, j] = mean of (x[..., i] - m_i) (x[..., j] - m_j): means and the biased covariance matrix
 * of the channels over all other axes of images. Shapes (n, h, w, c) to (c + 1, c).
 *
 * <p>All moments of a linear function of the channels follow from it: x w has mean m w and variance w' C w. With D what comes back to C
 * and d to m, dx = ((x - m) (D + D') + d) / pixels, a 1 x 1 convolution with a bias.
 */
public record Covariance() implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape x = inputs.get(0);
        if (x.rank() != 4 || x.size() == 0) {
            throw new ShapeException("covariances need images (n, h, w, c) of at least one pixel, not " + x);
        }
        return Shape.of(x.dim(3) + 1, x.dim(3));
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value x = inputs.get(0);
        int c = x.shape().dim(3);
        double share = 1.0 / x.shape().size(0, 3);
        Value d = matrix(b, dy);
        Value w = b.scale(b.add(d, b.apply(new Transpose(List.of(1, 0)), d)), share);
        Value mean = b.reshape(b.row(y, 0), Shape.of(1, c));
        Value bias = b.subtract(b.scale(b.row(dy, 0), share), b.reshape(b.matMul(mean, w), Shape.of(c)));
        var conv = new FusedConv2D(new Conv2D(Sliding.valid(1, 1), 1), false, null);
        return Collections.singletonList(b.apply(conv, x, b.reshape(w, Shape.of(1, 1, c, c)), bias));
    }

    /** The covariance matrix alone, of a result of this operation, or what comes back to it. */
    public static Value matrix(Builder b, Value y) {
        int c = y.shape().dim(1);
        return b.apply(new Slice(List.of(1, 0), Shape.of(c, c)), y);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int c = shape.dim(1);
        int rows = shapes.get(0).size() / c;
        B x = inputs.get(0);
        return () -> backend.covariance(rows, c, x, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 2L * inputs.get(0).size() * y.dim(1);
    }
}
