package gradus.train;

import java.util.List;

/**
 * Multiplies the learning rate when a quantity has not improved for some epochs: Keras's {@code ReduceLROnPlateau}.
 * On top of any schedule; what has {@code acc} in its name is to grow, everything else to shrink.
 *
 * <p>The whole {@link History} counts, also epochs of earlier calls of {@code fit} and of before a resumption: a training in
 * pieces goes as an uninterrupted one would have (Keras begins anew with each fit). An epoch without the quantity is passed over.
 * It sets {@link Training#learningRateFactor(double)}, which nothing else should then do: one such callback for a training.
 */
public final class ReduceOnPlateau implements Callback {
    private final Monitor monitor;
    private final double factor;
    private final int patience;
    private final int cooldown;
    private final double minFactor;

    /**
     * @param monitor name in the history: {@code val_loss}
     * @param factor what the learning rate is multiplied by, less than 1
     * @param patience epochs without improvement after which that happens
     * @param minDelta least difference that counts as improvement
     * @param cooldown epochs after a reduction that are not counted
     * @param minFactor the product of all factors does not become less than this
     */
    public ReduceOnPlateau(
            String monitor, double factor, int patience, double minDelta, int cooldown, double minFactor) {
        Check.positive("factor", factor);
        Check.fraction("factor", factor);
        Check.notNegative("patience", patience);
        Check.notNegative("cooldown", cooldown);
        this.monitor = new Monitor(monitor, minDelta);
        this.factor = factor;
        this.patience = patience;
        this.cooldown = cooldown;
        this.minFactor = minFactor;
    }

    /** Keras's defaults: minDelta 1e-4, no cooldown, no least rate. */
    public static ReduceOnPlateau of(String monitor, double factor, int patience) {
        return new ReduceOnPlateau(monitor, factor, patience, 1e-4, 0, 0);
    }

    @Override
    public void onTrainBegin(Training<?> training, History history) {
        training.learningRateFactor(total(history));
    }

    @Override
    public void onEpochEnd(Training<?> training, History history) {
        monitor.check(history);
        training.learningRateFactor(total(history));
    }

    /** The product of all reductions: the past is gone through again, so that there is no state to save. */
    private double total(History history) {
        List<Double> values = monitor.values(history);
        double best = monitor.worst();
        double total = 1;
        int wait = 0;
        int rest = 0;
        for (double value : values) {
            if (rest > 0) {
                rest--; // since when none was counted
            }
            if (monitor.better(value, best)) {
                best = value;
                wait = 0;
            } else if (rest == 0 && ++wait >= patience) {
                total = Math.max(total * factor, minFactor);
                rest = cooldown;
                wait = 0;
            }
        }
        return total;
    }
}
