package gradus.train;

import gradus.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * Ends training when a quantity has not improved for some epochs, and can then bring back the weights of the best one.
 * Keras's rules; what has {@code acc} in its name is to grow, everything else to shrink.
 *
 * <p>The whole {@link History} counts, also epochs of earlier calls of {@code fit} and of before a resumption: a training in
 * pieces ends where an uninterrupted one would have (Keras begins anew with each fit). An epoch without the quantity, for want
 * of a validation set say, is passed over. Where {@link Training#stop} ends training instead, the weights stay as they are, so
 * that it can go on.
 *
 * <p>After a resumption, the best weights are known only if the best epoch comes after it or was the last before it;
 * otherwise the model keeps those of the last epoch. Keep the best in a file with {@link SaveCheckpoint} to be safe.
 */
public final class EarlyStopping implements Callback {
    private final Monitor monitor;
    private final int patience;
    private final boolean restoreBest;
    private Map<String, Tensor> best;
    private boolean ended;

    /**
     * @param monitor name in the history: {@code val_loss}
     * @param patience epochs without improvement after which training ends; 0 is as 1, as in Keras
     * @param minDelta least difference that counts as improvement
     * @param restoreBest whether the model gets the weights of the best epoch in the end
     */
    public EarlyStopping(String monitor, int patience, double minDelta, boolean restoreBest) {
        Check.notNegative("patience", patience);
        this.monitor = new Monitor(monitor, Math.abs(minDelta));
        this.patience = patience;
        this.restoreBest = restoreBest;
    }

    @Override
    public void onTrainBegin(Training<?> training, History history) {
        best = null;
        ended = false;
        keepIfBest(training, history);
    }

    private void keepIfBest(Training<?> training, History history) {
        if (restoreBest && monitor.isBest(history)) {
            best = training.weights();
        }
    }

    @Override
    public void onEpochEnd(Training<?> training, History history) {
        monitor.check(history);
        keepIfBest(training, history);
        if (waited(history) >= Math.max(1, patience) && history.epochs().size() > 1) {
            ended = true;
            training.stop();
        }
    }

    /** Epochs since the last improvement. */
    private int waited(History history) {
        List<Double> values = monitor.values(history);
        return values.size() - 1 - monitor.best(history);
    }

    @Override
    public void onTrainEnd(Training<?> training, History history) {
        if (best != null && (ended || !history.stopped())) {
            training.setWeights(best);
        }
    }
}
