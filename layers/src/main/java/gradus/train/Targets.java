package gradus.train;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.Map;

/** Reading targets and predictions on the host. */
final class Targets {
    private Targets() {}

    /** The class of sample i: its index, or where its distribution is largest. */
    static int label(Tensor target, int i) {
        return target.size() == target.shape().dim(0) ? (int) target.get(i) : largest(target, i);
    }

    /** The column of row i with the largest value, the first one if several are equal. */
    static int largest(Tensor rows, int i) {
        int columns = rows.size() / rows.shape().dim(0);
        int at = 0;
        for (int c = 1; c < columns; c++) {
            if (rows.get(i * columns + c) > rows.get(i * columns + at)) {
                at = c;
            }
        }
        return at;
    }

    /** Each sample's weight times the weight of its class; null where both are absent. */
    static Tensor weights(Batch batch, Map<Integer, Double> classWeights) {
        if (classWeights.isEmpty()) {
            return batch.weight();
        }
        var w = new double[batch.size()];
        for (int i = 0; i < w.length; i++) {
            double own = batch.weight() == null ? 1 : batch.weight().get(i);
            w[i] = own * classWeights.getOrDefault(label(batch.y(), i), 1.0);
        }
        return Tensor.of(Shape.of(w.length), w);
    }
}
