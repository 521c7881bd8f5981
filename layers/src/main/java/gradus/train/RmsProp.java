package gradus.train;

import gradus.backend.ScalarFunction;
import gradus.op.Builder;
import gradus.op.Combine;
import gradus.op.Lerp;
import gradus.op.LerpSquare;
import gradus.op.Value;

/**
 * v += (g^2 - v)(1 - rho); w -= lr g / sqrt(v + epsilon) (Hinton, 2012; Keras's {@code RMSprop}: epsilon is under the
 * root). Centered: v - a^2 in place of v, with a += (g - a)(1 - rho). With momentum: u = momentum u + lr g / sqrt(...),
 * w -= u. Slots {@code velocity} (v), {@code momentum} (u), {@code average_gradient} (a).
 */
public record RmsProp(
        Schedule learningRate,
        double rho,
        double momentum,
        double epsilon,
        boolean centered,
        WeightDecay weightDecay,
        Clipping clipping,
        double average)
        implements Optimizer {
    public RmsProp {
        Check.fraction("rho", rho);
        Check.fraction("momentum", momentum);
        Check.fraction("average", average);
    }

    /** rho 0.9, epsilon 1e-7, no momentum: Keras's defaults. */
    public static RmsProp of(Schedule learningRate) {
        return new RmsProp(learningRate, 0.9, 0, 1e-7, false, WeightDecay.none(), new Clipping.None(), 0);
    }

    public static RmsProp of(double learningRate) {
        return of(Schedule.constant(learningRate));
    }

    @Override
    public RmsProp learningRate(Schedule schedule) {
        return new RmsProp(schedule, rho, momentum, epsilon, centered, weightDecay, clipping, average);
    }

    public RmsProp rho(double share) {
        return new RmsProp(learningRate, share, momentum, epsilon, centered, weightDecay, clipping, average);
    }

    public RmsProp momentum(double factor) {
        return new RmsProp(learningRate, rho, factor, epsilon, centered, weightDecay, clipping, average);
    }

    public RmsProp epsilon(double small) {
        return new RmsProp(learningRate, rho, momentum, small, centered, weightDecay, clipping, average);
    }

    public RmsProp centered(boolean yes) {
        return new RmsProp(learningRate, rho, momentum, epsilon, yes, weightDecay, clipping, average);
    }

    public RmsProp weightDecay(WeightDecay decay) {
        return new RmsProp(learningRate, rho, momentum, epsilon, centered, decay, clipping, average);
    }

    public RmsProp clipping(Clipping rule) {
        return new RmsProp(learningRate, rho, momentum, epsilon, centered, weightDecay, rule, average);
    }

    public RmsProp average(double share) {
        return new RmsProp(learningRate, rho, momentum, epsilon, centered, weightDecay, clipping, share);
    }

    @Override
    public Value step(Step s) {
        Builder b = s.builder();
        Value lr = s.scalar("learning_rate");
        Value v = s.slot("velocity", b.apply(new LerpSquare(1 - rho), s.slot("velocity"), s.gradient()));
        if (centered) {
            Value mean = s.slot("average_gradient");
            Value a = s.slot("average_gradient", b.apply(new Lerp(1 - rho), mean, s.gradient()));
            v = b.subtract(v, b.map(new ScalarFunction.Square(), a));
        }
        Value deviation = b.map(new ScalarFunction.Sqrt(), b.map(new ScalarFunction.Affine(1, epsilon), v));
        Value direction = b.divide(s.gradient(), deviation);
        if (momentum == 0) {
            return b.apply(new Combine(1, -1), s.weight(), lr, direction);
        }
        Value u = s.slot("momentum", b.apply(new Combine(momentum, 1), s.slot("momentum"), lr, direction));
        return b.subtract(s.weight(), u);
    }
}
