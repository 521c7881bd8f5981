package gradus.train;

import java.util.List;
import java.util.Locale;

/** A quantity of the history that callbacks watch, and which direction is better. */
record Monitor(String name, double minDelta) {
    /** Accuracies are to grow, everything else to shrink. */
    private boolean larger() {
        return name.toLowerCase(Locale.ROOT).contains("acc");
    }

    /** Whether {@code value} is better than {@code best} by more than the least difference that counts. */
    boolean better(double value, double best) {
        return larger() ? value - minDelta > best : value + minDelta < best;
    }

    /** What every value is better than. */
    double worst() {
        return larger() ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    }

    /** The quantity in every epoch. @throws TrainingException if an epoch does not have it */
    List<Double> values(History history) {
        return history.epochs().stream().map(this::value).toList();
    }

    private double value(History.Epoch epoch) {
        Double v = epoch.values().get(name);
        if (v == null) {
            throw new TrainingException("there is no '" + name + "' to watch; the history has "
                    + epoch.values().keySet() + (name.startsWith("val_") ? "; give fit a validation set" : ""));
        }
        return v;
    }

    /** Index of the best epoch, the first one if several are equal; -1 if there is none. */
    int best(History history) {
        int at = -1;
        double best = worst();
        List<Double> values = values(history);
        for (int i = 0; i < values.size(); i++) {
            if (better(values.get(i), best)) {
                best = values.get(i);
                at = i;
            }
        }
        return at;
    }
}
