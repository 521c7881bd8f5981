package gradus.train;

import gradus.op.AdamStep;
import gradus.op.Builder;
import gradus.op.Lerp;
import gradus.op.LerpSquare;
import gradus.op.Value;
import java.util.Map;

/**
 * m += (g - m)(1 - beta1); v += (g^2 - v)(1 - beta2); w -= m rate / (sqrt(v) + epsilon) with
 * rate = lr sqrt(1 - beta2^t) / (1 - beta1^t), t = 1, 2, ... (Kingma and Ba, 2015, section 2, last form; Keras's
 * {@code Adam}: epsilon is added to the uncorrected root). Slots {@code m} and {@code v}.
 */
public record Adam(
        Schedule learningRate,
        double beta1,
        double beta2,
        double epsilon,
        WeightDecay weightDecay,
        Clipping clipping,
        double average)
        implements Optimizer {
    public Adam {
        Check.fraction("beta1", beta1);
        Check.fraction("beta2", beta2);
        Check.fraction("average", average);
    }

    /** beta1 0.9, beta2 0.999, epsilon 1e-7: Keras's defaults. */
    public static Adam of(Schedule learningRate) {
        return new Adam(learningRate, 0.9, 0.999, 1e-7, WeightDecay.none(), new Clipping.None(), 0);
    }

    public static Adam of(double learningRate) {
        return of(Schedule.constant(learningRate));
    }

    /** Learning rate 0.001. */
    public static Adam of() {
        return of(0.001);
    }

    @Override
    public Adam learningRate(Schedule schedule) {
        return new Adam(schedule, beta1, beta2, epsilon, weightDecay, clipping, average);
    }

    public Adam betas(double first, double second) {
        return new Adam(learningRate, first, second, epsilon, weightDecay, clipping, average);
    }

    public Adam epsilon(double small) {
        return new Adam(learningRate, beta1, beta2, small, weightDecay, clipping, average);
    }

    public Adam weightDecay(WeightDecay decay) {
        return new Adam(learningRate, beta1, beta2, epsilon, decay, clipping, average);
    }

    public Adam clipping(Clipping rule) {
        return new Adam(learningRate, beta1, beta2, epsilon, weightDecay, rule, average);
    }

    public Adam average(double share) {
        return new Adam(learningRate, beta1, beta2, epsilon, weightDecay, clipping, share);
    }

    @Override
    public Map<String, Double> scalars(long step, double lr) {
        return scalars(step, lr, beta1, beta2);
    }

    @Override
    public Value step(Step s) {
        return step(s, beta1, beta2, epsilon);
    }

    static Map<String, Double> scalars(long step, double lr, double beta1, double beta2) {
        double t = step + 1;
        double rate = lr * Math.sqrt(1 - Math.pow(beta2, t)) / (1 - Math.pow(beta1, t));
        return Map.of("learning_rate", lr, "adam_rate", rate);
    }

    static Value step(Step s, double beta1, double beta2, double epsilon) {
        Builder b = s.builder();
        Value m = s.slot("m", b.apply(new Lerp(1 - beta1), s.slot("m"), s.gradient()));
        Value v = s.slot("v", b.apply(new LerpSquare(1 - beta2), s.slot("v"), s.gradient()));
        return b.apply(new AdamStep(epsilon), s.weight(), m, v, s.scalar("adam_rate"));
    }
}
