package gradus.op;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Arrays;
import java.util.List;

/**
 * y = f(BatchNorm(x, m, gamma, beta) + residual) in one pass. Inputs x, m, gamma, beta, and the residual (y's shape) if
 * there is one. Made by fusion, never by hand.
 *
 * @param ownMoments whether m is {@link Moments} of x: then dx is the textbook derivative through the statistics too, and
 *     nothing flows back through m
 * @param f activation, or null for none; its derivative must be computable from the result
 */
public record FusedBatchNorm(double epsilon, boolean ownMoments, boolean residual, ScalarFunction f) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        BatchNorm.check(inputs);
        if (residual && !inputs.get(4).equals(inputs.get(0))) {
            throw new ShapeException("the residual must have x's shape");
        }
        return inputs.get(0);
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value dz = f == null ? dy : b.apply(new ElementwiseGradient(f), dy, y);
        List<Value> d;
        if (ownMoments) {
            Value x = inputs.get(0);
            Value m = inputs.get(1);
            Value s = b.apply(new BatchNormSums(epsilon), dz, x, m);
            Value dx = needed[0] ? b.apply(new BatchNormGradient(epsilon), dz, x, m, inputs.get(2), s) : null;
            d = Arrays.asList(dx, null, needed[2] ? b.row(s, 1) : null, needed[3] ? b.row(s, 0) : null);
        } else {
            d = new BatchNorm(epsilon).gradient(b, inputs.subList(0, 4), y, dz, needed);
        }
        return residual ? Arrays.asList(d.get(0), d.get(1), d.get(2), d.get(3), dz) : d;
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int c = shape.dim(-1);
        int rows = shape.size() / c;
        B x = inputs.get(0);
        B m = inputs.get(1);
        B gamma = inputs.get(2);
        B beta = inputs.get(3);
        B add = residual ? inputs.get(4) : null;
        return () -> backend.batchNormFused(rows, c, epsilon, f, x, m, gamma, beta, add, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return input == 0;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 4L * y.size();
    }
}
