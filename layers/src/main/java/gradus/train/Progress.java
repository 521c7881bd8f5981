package gradus.train;

import java.util.Map;

/**
 * Where training is after a batch; what a progress bar shows.
 *
 * @param epoch from 0
 * @param epochs number at which training ends
 * @param step of the whole training, from 1 after the first batch
 * @param samples of this epoch that are done
 * @param total samples of an epoch
 * @param loss mean so far in this epoch
 * @param metrics means so far in this epoch
 * @param learningRate of the last step
 * @param samplesPerSecond in this epoch, as far as it was computed now
 * @param secondsWaited of this epoch, as far as it was computed now, for batches; steps took the rest
 */
public record Progress(
        int epoch,
        int epochs,
        long step,
        long samples,
        int total,
        double loss,
        Map<String, Double> metrics,
        double learningRate,
        double samplesPerSecond,
        double secondsWaited) {}
