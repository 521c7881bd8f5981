package gradus.op;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Arrays;
import java.util.List;

/**
 * y = gamma (x - m[0]) / sqrt(m[1] + epsilon) + beta per channel (Ioffe and Szegedy, 2015). Inputs x (..., c), m (2, c),
 * gamma (c), beta (c). With m = {@link Moments} of x this is training mode, with moving statistics inference mode; both
 * derivatives follow from the rules of the two ops. xhat = (x - m[0]) / sqrt(m[1] + epsilon):
 *
 * <pre>
 * dbeta = sum dy     dgamma = sum dy xhat     dx = dy gamma / sqrt(m[1] + epsilon)
 * dm[0] = -dbeta gamma / sqrt(m[1] + epsilon)     dm[1] = -dgamma gamma / (2 (m[1] + epsilon))
 * </pre>
 */
public record BatchNorm(double epsilon) implements Op {
    static void check(List<Shape> inputs) {
        check(inputs.get(0), List.of(inputs.get(1)), inputs.subList(2, 4));
    }

    /** Statistics, two rows, and others, one row, have x's channels. */
    static void check(Shape x, List<Shape> statistics, List<Shape> others) {
        int c = x.dim(-1);
        if (c < 1) {
            throw new ShapeException("batch norm of " + x + ": there must be at least one channel");
        }
        if (statistics.stream().anyMatch(s -> !s.equals(Shape.of(2, c)))
                || others.stream().anyMatch(s -> !s.equals(Shape.of(c)))) {
            throw new ShapeException("x has " + c + " channels: statistics must be (2, " + c + "), not " + statistics
                    + (others.isEmpty() ? "" : ", gamma and beta (" + c + ",), not " + others));
        }
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        check(inputs);
        return inputs.get(0);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value x = inputs.get(0);
        Value m = inputs.get(1);
        Value gamma = inputs.get(2);
        Value dx = null;
        Value dm = null;
        boolean sums = needed[1] || needed[2] || needed[3];
        Value s = sums ? b.apply(new BatchNormSums(epsilon), dy, x, m) : null;
        if (needed[0] || needed[1]) {
            Value v = b.map(new ScalarFunction.Affine(1, epsilon), b.row(m, 1));
            Value scale = b.divide(gamma, b.map(new ScalarFunction.Sqrt(), v));
            dx = needed[0] ? b.multiply(dy, scale) : null;
            if (needed[1]) {
                Value dMean = b.scale(b.multiply(b.row(s, 0), scale), -1);
                Value dVariance = b.scale(b.divide(b.multiply(b.row(s, 1), gamma), v), -0.5);
                dm = b.stack(dMean, dVariance);
            }
        }
        return Arrays.asList(dx, dm, needed[2] ? b.row(s, 1) : null, needed[3] ? b.row(s, 0) : null);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int c = shape.dim(-1);
        int rows = shape.size() / c;
        B x = inputs.get(0);
        B m = inputs.get(1);
        B gamma = inputs.get(2);
        B beta = inputs.get(3);
        return () -> backend.batchNorm(rows, c, epsilon, x, m, gamma, beta, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input == 0;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 2L * y.size();
    }
}
