package gradus.train;

import gradus.backend.ScalarFunction;
import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.Shape;

/**
 * l = -sum over k of t[k] log p[k], with Keras's rules: probabilities are divided by their sum, then kept within
 * [1e-7, 1 - 1e-7] (where that changes one, its derivative is 0); p is softmax of the predictions if these are logits.
 *
 * @param logits whether predictions are logits, not probabilities
 * @param labelSmoothing s in t (1 - s) + s / classes; 0 leaves the targets as they are
 */
public record CategoricalCrossentropy(boolean logits, double labelSmoothing) implements Loss {
    public CategoricalCrossentropy {
        Check.fraction("label smoothing", labelSmoothing);
    }

    /** Of probabilities, without label smoothing: Keras's defaults. */
    public static CategoricalCrossentropy of() {
        return new CategoricalCrossentropy(false, 0);
    }

    public CategoricalCrossentropy labelSmoothing(double smoothing) {
        return new CategoricalCrossentropy(logits, smoothing);
    }

    @Override
    public CategoricalCrossentropy fromLogits() {
        return new CategoricalCrossentropy(true, labelSmoothing);
    }

    @Override
    public String name() {
        return "categorical_crossentropy";
    }

    @Override
    public Value perSample(Builder b, Value prediction, Value target) {
        Value t = CrossEntropy.smooth(b, CrossEntropy.distribution(b, name(), prediction, target), labelSmoothing);
        return CrossEntropy.of(b, logits ? CrossEntropy.logSoftmax(b, prediction) : logProbability(b, prediction), t);
    }

    private static Value logProbability(Builder b, Value p) {
        Value sum = b.reshape(b.sum(p, 1, 2), Shape.of(p.shape().dim(0), 1));
        return b.map(new ScalarFunction.Log(), CrossEntropy.clip(b, b.divide(p, sum)));
    }
}
