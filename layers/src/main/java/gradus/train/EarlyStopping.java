package gradus.train;

import gradus.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * Ends training when a quantity has not improved for some epochs, and can then bring back the weights of the best one.
 * Keras's rules; accuracies are to grow, everything else to shrink.
 *
 * <p>After a resumption, the best weights are known only if the best epoch comes after it or was the last before it;
 * otherwise the model keeps those of the last epoch. Keep the best in a file with {@link SaveCheckpoint} to be safe.
 */
public final class EarlyStopping implements Callback {
    private final Monitor monitor;
    private final int patience;
    private final boolean restoreBest;
    private Map<String, Tensor> best;

    /**
     * @param monitor name in the history: {@code val_loss}
     * @param patience epochs without improvement after which training ends
     * @param minDelta least difference that counts as improvement
     * @param restoreBest whether the model gets the weights of the best epoch in the end
     */
    public EarlyStopping(String monitor, int patience, double minDelta, boolean restoreBest) {
        this.monitor = new Monitor(monitor, Math.abs(minDelta));
        this.patience = patience;
        this.restoreBest = restoreBest;
    }

    @Override
    public void onTrainBegin(Training<?> training, History history) {
        best = null;
        keepIfBest(training, history);
    }

    private void keepIfBest(Training<?> training, History history) {
        int last = history.epochs().size() - 1;
        if (restoreBest && last >= 0) {
            int at = monitor.best(history);
            if (at == last) {
                best = training.weights();
            }
        }
    }

    @Override
    public void onEpochEnd(Training<?> training, History history) {
        keepIfBest(training, history);
        if (waited(history) >= patience && history.epochs().size() > 1) {
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
        if (best != null) {
            training.setWeights(best);
        }
    }
}
