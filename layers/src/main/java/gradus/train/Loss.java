package gradus.train;

import gradus.op.Builder;
import gradus.op.Value;

/**
 * What training makes small: one number per sample, composed of operations, so that its derivative follows by itself.
 * The loss of a batch is the mean of these numbers, each times its sample's weight: sum of w[i] l[i] / n.
 */
public interface Loss {
    /**
     * The losses {@code (n)} of predictions {@code (n, classes)}.
     *
     * @param target class indices {@code (n)} or distributions {@code (n, classes)}
     * @throws gradus.tensor.ShapeException if prediction and target do not fit
     */
    Value perSample(Builder b, Value prediction, Value target);

    /** As the configuration of Keras names it: {@code categorical_crossentropy}. */
    String name();

    /**
     * The same loss for predictions that have not been through softmax; this loss itself if it expects that or cannot, and
     * then it is given the model's output whatever that is. Where a network ends in a softmax, training otherwise takes the
     * logits before it, as Keras does: the logarithm of a probability that float32 rounds to 0 is then still right, and so is
     * its derivative.
     */
    default Loss fromLogits() {
        return this;
    }
}
