package gradus.train;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Small data to learn: pictures of 6 x 6 with a bar whose direction and place give the class. */
record Samples(float[][] x, int[] y, int classes, int batchSize, long seed) implements DataSource {
    static Samples of(int n, int batchSize, long seed) {
        var random = new SplittableRandom(seed);
        var x = new float[n][36];
        var y = new int[n];
        for (int i = 0; i < n; i++) {
            y[i] = i % 3;
            int at = random.nextInt(6);
            for (int k = 0; k < 36; k++) {
                int row = k / 6;
                int column = k % 6;
                boolean bar = y[i] == 0 ? row == at : y[i] == 1 ? column == at : (row + column) % 6 == at;
                x[i][k] = (bar ? 1 : 0) + 0.2f * (float) random.nextDouble();
            }
        }
        return new Samples(x, y, 3, batchSize, seed);
    }

    @Override
    public int size() {
        return x.length;
    }

    /** Shuffled by seed and epoch; negative seeds do not shuffle. */
    @Override
    public Iterable<Batch> epoch(int epoch) {
        var order = new int[size()];
        var random = new SplittableRandom(seed * 1000 + epoch);
        for (int i = 0; i < order.length; i++) {
            int j = seed < 0 ? i : random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        List<Batch> batches = new ArrayList<>();
        for (int from = 0; from < size(); from += batchSize) {
            int n = Math.min(batchSize, size() - from);
            var images = new float[n * 36];
            var labels = new float[n];
            for (int i = 0; i < n; i++) {
                System.arraycopy(x[order[from + i]], 0, images, i * 36, 36);
                labels[i] = y[order[from + i]];
            }
            batches.add(new Batch(Tensor.of(Shape.of(n, 6, 6, 1), images), Tensor.of(Shape.of(n), labels), null));
        }
        return batches;
    }

    /** All samples in one batch. */
    Batch all() {
        return new Samples(x, y, classes, size(), -1).epoch(0).iterator().next();
    }
}
