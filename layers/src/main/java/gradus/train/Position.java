package gradus.train;

import java.util.Collections;
import java.util.List;

/**
 * Where training is, between two steps: all that, beside weights and optimizer state, the next step depends on.
 *
 * @param epoch the epoch that is under way, from 0
 * @param step steps of all epochs
 * @param batches of this epoch that are done
 * @param samples of this epoch that are done
 * @param lossSum sum over those samples
 * @param metricSums the same for each metric
 */
record Position(int epoch, long step, int batches, long samples, double lossSum, List<Double> metricSums) {
    Position {
        metricSums = List.copyOf(metricSums);
    }

    /** The same place in the epoch, after so many steps in all. */
    Position at(long step) {
        return new Position(epoch, step, batches, samples, lossSum, metricSums);
    }

    static Position start(int epoch, long step, int metrics) {
        return new Position(epoch, step, 0, 0, 0, Collections.nCopies(metrics, 0.0));
    }
}
