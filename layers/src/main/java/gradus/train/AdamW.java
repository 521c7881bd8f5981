package gradus.train;

import gradus.op.Value;
import java.util.Map;

/**
 * {@link Adam} with weight decay: w -= lr decay w, then Adam's step (Loshchilov and Hutter, 2019; Keras's {@code
 * AdamW}). Slots {@code m} and {@code v}.
 */
public record AdamW(
        Schedule learningRate,
        double beta1,
        double beta2,
        double epsilon,
        WeightDecay weightDecay,
        Clipping clipping,
        double average)
        implements Optimizer {
    public AdamW {
        Check.fraction("beta1", beta1);
        Check.fraction("beta2", beta2);
        Check.fraction("average", average);
    }

    /** beta1 0.9, beta2 0.999, epsilon 1e-7, weight decay 0.004: Keras's defaults. */
    public static AdamW of(Schedule learningRate) {
        return new AdamW(learningRate, 0.9, 0.999, 1e-7, WeightDecay.of(0.004), new Clipping.None(), 0);
    }

    public static AdamW of(double learningRate) {
        return of(Schedule.constant(learningRate));
    }

    /** Learning rate 0.001. */
    public static AdamW of() {
        return of(0.001);
    }

    @Override
    public AdamW learningRate(Schedule schedule) {
        return new AdamW(schedule, beta1, beta2, epsilon, weightDecay, clipping, average);
    }

    public AdamW betas(double first, double second) {
        return new AdamW(learningRate, first, second, epsilon, weightDecay, clipping, average);
    }

    public AdamW epsilon(double small) {
        return new AdamW(learningRate, beta1, beta2, small, weightDecay, clipping, average);
    }

    public AdamW weightDecay(WeightDecay decay) {
        return new AdamW(learningRate, beta1, beta2, epsilon, decay, clipping, average);
    }

    public AdamW clipping(Clipping rule) {
        return new AdamW(learningRate, beta1, beta2, epsilon, weightDecay, rule, average);
    }

    public AdamW average(double share) {
        return new AdamW(learningRate, beta1, beta2, epsilon, weightDecay, clipping, share);
    }

    @Override
    public Map<String, Double> scalars(long step, double lr) {
        return Adam.scalars(step, lr, beta1, beta2);
    }

    @Override
    public Value step(Step s) {
        return Adam.step(s, beta1, beta2, epsilon);
    }
}
