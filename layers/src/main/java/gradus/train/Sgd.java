package gradus.train;

import gradus.op.Builder;
import gradus.op.Combine;
import gradus.op.Value;

/**
 * w -= lr g. With momentum: v = momentum v - lr g, w += v; Nesterov's form: w += momentum v - lr g with the new v
 * (Sutskever et al., 2013; Keras's {@code SGD}). Slot {@code velocity}.
 */
public record Sgd(
        Schedule learningRate,
        double momentum,
        boolean nesterov,
        WeightDecay weightDecay,
        Clipping clipping,
        double average)
        implements Optimizer {
    public Sgd {
        Check.fraction("momentum", momentum);
        Check.fraction("average", average);
    }

    /** Plain gradient descent. */
    public static Sgd of(Schedule learningRate) {
        return new Sgd(learningRate, 0, false, WeightDecay.none(), new Clipping.None(), 0);
    }

    public static Sgd of(double learningRate) {
        return of(Schedule.constant(learningRate));
    }

    @Override
    public Sgd learningRate(Schedule schedule) {
        return new Sgd(schedule, momentum, nesterov, weightDecay, clipping, average);
    }

    public Sgd momentum(double factor) {
        return new Sgd(learningRate, factor, nesterov, weightDecay, clipping, average);
    }

    public Sgd nesterov(boolean yes) {
        return new Sgd(learningRate, momentum, yes, weightDecay, clipping, average);
    }

    public Sgd weightDecay(WeightDecay decay) {
        return new Sgd(learningRate, momentum, nesterov, decay, clipping, average);
    }

    public Sgd clipping(Clipping rule) {
        return new Sgd(learningRate, momentum, nesterov, weightDecay, rule, average);
    }

    public Sgd average(double share) {
        return new Sgd(learningRate, momentum, nesterov, weightDecay, clipping, share);
    }

    @Override
    public Value step(Step s) {
        Builder b = s.builder();
        Value lr = s.scalar("learning_rate");
        if (momentum == 0) {
            return b.apply(new Combine(1, -1), s.weight(), lr, s.gradient());
        }
        Value v = s.slot("velocity", b.apply(new Combine(momentum, -1), s.slot("velocity"), lr, s.gradient()));
        return b.add(s.weight(), nesterov ? b.apply(new Combine(momentum, -1), v, lr, s.gradient()) : v);
    }
}
