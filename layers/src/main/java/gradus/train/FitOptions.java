package gradus.train;

import java.util.List;
import java.util.Map;

/**
 * How long to train and who looks on.
 *
 * @param epochs number of the epoch before which training ends, counted from the very first: 10 after 4 makes 6 more
 * @param initialEpoch number of the first epoch, or -1 to go on where the training is
 * @param classWeights class to factor of its samples' losses; 1 for those not named
 * @param callbacks in the order in which they are told
 */
public record FitOptions(int epochs, int initialEpoch, Map<Integer, Double> classWeights, List<Callback> callbacks) {
    public FitOptions {
        classWeights = Map.copyOf(classWeights);
        callbacks = List.copyOf(callbacks);
    }

    public static FitOptions of(int epochs) {
        return new FitOptions(epochs, -1, Map.of(), List.of());
    }

    public FitOptions initialEpoch(int epoch) {
        return new FitOptions(epochs, epoch, classWeights, callbacks);
    }

    public FitOptions classWeights(Map<Integer, Double> weights) {
        return new FitOptions(epochs, initialEpoch, weights, callbacks);
    }

    public FitOptions callbacks(Callback... all) {
        return new FitOptions(epochs, initialEpoch, classWeights, List.of(all));
    }
}
