package gradus.train;

import gradus.tensor.Tensor;

/** A number reported about predictions: the mean, over samples, of something that is counted batch by batch. */
public interface Metric {
    /** As it appears in histories: {@code accuracy}; of validation data, {@code val_accuracy}. */
    String name();

    /**
     * The metric's sum over the samples of a batch.
     *
     * @param prediction {@code (n, classes)}
     * @param target class indices {@code (n)} or distributions {@code (n, classes)}
     */
    double sum(Tensor prediction, Tensor target);

    /** Share of samples whose largest prediction, the first one if several are equal, is at the target's class. */
    record Accuracy() implements Metric {
        @Override
        public String name() {
            return "accuracy";
        }

        @Override
        public double sum(Tensor prediction, Tensor target) {
            int n = prediction.shape().dim(0);
            int right = 0;
            for (int i = 0; i < n; i++) {
                right += Targets.largest(prediction, i) == Targets.label(target, i) ? 1 : 0;
            }
            return right;
        }
    }

    /** Share of samples with fewer than k predictions larger than the one at the target's class. */
    record TopK(int k) implements Metric {
        public TopK {
            Check.positive("k", k);
        }

        @Override
        public String name() {
            return "top_" + k + "_accuracy";
        }

        @Override
        public double sum(Tensor prediction, Tensor target) {
            int n = prediction.shape().dim(0);
            int classes = prediction.size() / n;
            int right = 0;
            for (int i = 0; i < n; i++) {
                double own = prediction.get(i * classes + Targets.label(target, i));
                int larger = 0;
                for (int c = 0; c < classes; c++) {
                    larger += prediction.get(i * classes + c) > own ? 1 : 0;
                }
                right += larger < k && !Double.isNaN(own) ? 1 : 0;
            }
            return right;
        }
    }
}
