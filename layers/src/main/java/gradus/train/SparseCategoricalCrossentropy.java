package gradus.train;

import gradus.backend.ScalarFunction;
import gradus.op.Builder;
import gradus.op.Value;

/**
 * l = -log p[label], with Keras's rules: probabilities are kept within [1e-7, 1 - 1e-7], their logarithms are then
 * taken for logits, which divides them by their sum; logits go through log softmax alone. A label that is no class
 * makes the loss NaN.
 *
 * @param logits whether predictions are logits, not probabilities
 * @param labelSmoothing as of {@link CategoricalCrossentropy}; Keras has it there only
 */
public record SparseCategoricalCrossentropy(boolean logits, double labelSmoothing) implements Loss {
    public SparseCategoricalCrossentropy {
        Check.fraction("label smoothing", labelSmoothing);
    }

    /** Of probabilities, without label smoothing: Keras's defaults. */
    public static SparseCategoricalCrossentropy of() {
        return new SparseCategoricalCrossentropy(false, 0);
    }

    public SparseCategoricalCrossentropy labelSmoothing(double smoothing) {
        return new SparseCategoricalCrossentropy(logits, smoothing);
    }

    @Override
    public SparseCategoricalCrossentropy fromLogits() {
        return new SparseCategoricalCrossentropy(true, labelSmoothing);
    }

    @Override
    public String name() {
        return "sparse_categorical_crossentropy";
    }

    @Override
    public Value perSample(Builder b, Value prediction, Value target) {
        Value t = CrossEntropy.smooth(b, CrossEntropy.distribution(b, name(), prediction, target), labelSmoothing);
        Value x = logits ? prediction : b.map(new ScalarFunction.Log(), CrossEntropy.clip(b, prediction));
        return CrossEntropy.of(b, CrossEntropy.logSoftmax(b, x), t);
    }
}
