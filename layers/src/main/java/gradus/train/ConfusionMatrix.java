package gradus.train;

import gradus.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/** How often class {@code actual} was predicted as class {@code predicted}. */
public final class ConfusionMatrix {
    /** Of more classes no matrix is counted in an evaluation: it would take more than 128 MiB. */
    static final int MOST_CLASSES = 4096;

    private final long[][] counts;

    public ConfusionMatrix(int classes) {
        counts = new long[classes][classes];
    }

    /**
     * Counts the samples of a batch: predictions {@code (n, classes)}, targets as for a {@link Metric}.
     *
     * @return false, and nothing is counted from there on, if a target is no class
     */
    public boolean add(Tensor prediction, Tensor target) {
        int n = prediction.shape().dim(0);
        for (int i = 0; i < n; i++) {
            int actual = Targets.label(target, i);
            if (actual < 0 || actual >= counts.length) {
                return false;
            }
            counts[actual][Targets.largest(prediction, i)]++;
        }
        return true;
    }

    public int classes() {
        return counts.length;
    }

    public long count(int actual, int predicted) {
        return counts[actual][predicted];
    }

    /** Share of a class's samples that were recognised, NaN if it has none. */
    public double recall(int actual) {
        return counts[actual][actual] / (double) Arrays.stream(counts[actual]).sum();
    }

    /** Share of the predictions of a class that were right, NaN if there are none. */
    public double precision(int predicted) {
        return counts[predicted][predicted]
                / (double)
                        Arrays.stream(counts).mapToLong(row -> row[predicted]).sum();
    }

    /** A table with one row for each actual class. */
    public String table(List<String> labels) {
        int width = 6;
        for (int c = 0; c < classes(); c++) {
            width = Math.max(width, labels.get(c).length() + 1);
        }
        String cell = "%" + width + "s";
        var text = new StringBuilder(String.format(cell, ""));
        for (int c = 0; c < classes(); c++) {
            text.append(String.format(cell, labels.get(c)));
        }
        for (int a = 0; a < classes(); a++) {
            text.append('\n').append(String.format(cell, labels.get(a)));
            for (int p = 0; p < classes(); p++) {
                text.append(String.format(cell, counts[a][p]));
            }
        }
        return text.append('\n').toString();
    }
}
