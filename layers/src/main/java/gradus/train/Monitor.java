package gradus.train;

import java.util.List;
import java.util.Locale;

/** A quantity of the history that callbacks watch, and which direction is better. */
record Monitor(String name, double minDelta) {
    /** What is called an accuracy is to grow, everything else to shrink. */
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

    /** @throws TrainingException if the last epoch does not have the quantity */
    void check(History history) {
        var last = history.last().values();
        if (!last.containsKey(name)) {
            throw new TrainingException("there is no '" + name + "' to watch; the history has " + last.keySet()
                    + (name.startsWith("val_") ? "; give fit a validation set" : ""));
        }
    }

    /** The quantity in every epoch that has it. */
    List<Double> values(History history) {
        return history.values(name);
    }

    /** Whether the last of those epochs is the best so far. */
    boolean isBest(History history) {
        int last = values(history).size() - 1;
        return last >= 0 && best(history) == last;
    }

    /** Index, among those epochs, of the best one, the first if several are equal; -1 if there is none. */
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
