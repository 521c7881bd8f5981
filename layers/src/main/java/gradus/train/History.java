package gradus.train;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;

/**
 * What was measured in each epoch, in Keras's names: {@code loss}, {@code accuracy}, {@code val_loss},
 * {@code val_accuracy}, {@code learning_rate}. No times: equal runs have equal histories.
 */
public final class History {
    private final List<Epoch> epochs = new ArrayList<>();
    private boolean stopped;

    /** @param number of the epoch, from 0 */
    public record Epoch(int number, Map<String, Double> values) {
        public Epoch {
            values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
        }
    }

    public History() {}

    History(List<Epoch> epochs) {
        this.epochs.addAll(epochs);
    }

    void add(Epoch epoch) {
        epochs.add(epoch);
    }

    void stopped(boolean yes) {
        stopped = yes;
    }

    /** Whether training was asked to stop before its last epoch, by a callback or {@link Training#stop()}. */
    public boolean stopped() {
        return stopped;
    }

    /** All epochs, those before a resumption included. */
    public List<Epoch> epochs() {
        return Collections.unmodifiableList(epochs);
    }

    public Epoch last() {
        return epochs.getLast();
    }

    /** One quantity over all epochs that have it. */
    public List<Double> values(String name) {
        return epochs.stream()
                .map(e -> e.values().get(name))
                .filter(v -> v != null)
                .toList();
    }

    /** A header and one line for each epoch, counted from 1. */
    public String toCsv() {
        var names = new LinkedHashSet<String>();
        epochs.forEach(e -> names.addAll(e.values().keySet()));
        var text = new StringBuilder("epoch");
        names.forEach(name -> text.append(',').append(name));
        for (Epoch e : epochs) {
            text.append('\n').append(e.number() + 1);
            for (String name : names) {
                Double v = e.values().get(name);
                text.append(',').append(v == null ? "" : v);
            }
        }
        return text.append('\n').toString();
    }
}
