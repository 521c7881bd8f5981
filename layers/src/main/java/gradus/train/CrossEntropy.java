package gradus.train;

import gradus.backend.ScalarFunction;
import gradus.op.Builder;
import gradus.op.LogSoftmax;
import gradus.op.OneHot;
import gradus.op.Value;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;

/** What the two cross-entropies are made of. */
final class CrossEntropy {
    /** Probabilities are kept this far from 0 and 1 before the logarithm, as Keras does. */
    private static final double EPSILON = 1e-7;

    private CrossEntropy() {}

    /** l = -sum over k of t[k] log p[k] for target distributions t: what both cross-entropies end in. */
    static Value of(Builder b, Value logProbability, Value target) {
        return b.scale(b.sum(b.multiply(target, logProbability), 1, 2), -1);
    }

    /** log softmax of the logits, row by row. */
    static Value logSoftmax(Builder b, Value logits) {
        return b.apply(new LogSoftmax(), logits);
    }

    /** min(max(p, 1e-7), 1 - 1e-7). */
    static Value clip(Builder b, Value probability) {
        return b.map(new ScalarFunction.Clip(EPSILON, 1 - EPSILON), probability);
    }

    /** Targets as distributions {@code (n, classes)}: class indices become rows with a single 1. */
    static Value distribution(Builder b, String loss, Value prediction, Value target) {
        Shape p = prediction.shape();
        Shape t = target.shape();
        if (p.rank() != 2) {
            throw new ShapeException(loss + " needs predictions (n, classes), not " + p
                    + "; end the network with Flatten or GlobalAveragePooling2D and Dense");
        }
        if (t.equals(p)) {
            return target;
        }
        if (t.equals(Shape.of(p.dim(0))) || t.equals(Shape.of(p.dim(0), 1))) {
            return b.apply(new OneHot(p.dim(1)), b.reshape(target, Shape.of(p.dim(0))));
        }
        throw new ShapeException(loss + " of predictions " + p + " needs class indices (" + p.dim(0)
                + ",) or distributions " + p + ", not targets " + t);
    }

    /** t (1 - s) + s / classes (Szegedy et al., 2016): no class is ever quite certain. */
    static Value smooth(Builder b, Value distribution, double smoothing) {
        int classes = distribution.shape().dim(1);
        return smoothing == 0
                ? distribution
                : b.map(new ScalarFunction.Affine(1 - smoothing, smoothing / classes), distribution);
    }
}
