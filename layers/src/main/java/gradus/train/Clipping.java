package gradus.train;

import gradus.backend.ScalarFunction;
import gradus.op.Builder;
import gradus.op.Value;
import java.util.ArrayList;
import java.util.List;

/** What is done to gradients that are too large, before the optimizer sees them. */
public sealed interface Clipping {
    /** The gradients, clipped, in the same order. */
    List<Value> apply(Builder b, List<Value> gradients);

    /** Gradients stay as they are. */
    record None() implements Clipping {
        @Override
        public List<Value> apply(Builder b, List<Value> gradients) {
            return gradients;
        }
    }

    /** g = min(max(g, -limit), limit), element by element: Keras's {@code clipvalue}. */
    record ByValue(double limit) implements Clipping {
        public ByValue {
            check(limit);
        }

        @Override
        public List<Value> apply(Builder b, List<Value> gradients) {
            return gradients.stream()
                    .map(g -> b.map(new ScalarFunction.Clip(-limit, limit), g))
                    .toList();
        }
    }

    /** g = g limit / max(|g|, limit) with the L2 norm of each weight's gradient: Keras's {@code clipnorm}. */
    record ByNorm(double limit) implements Clipping {
        public ByNorm {
            check(limit);
        }

        @Override
        public List<Value> apply(Builder b, List<Value> gradients) {
            return gradients.stream()
                    .map(g -> b.multiply(g, factor(b, squares(b, g), limit)))
                    .toList();
        }
    }

    /** g = g limit / max(norm, limit) with the L2 norm of all gradients together: Keras's {@code global_clipnorm}. */
    record ByGlobalNorm(double limit) implements Clipping {
        public ByGlobalNorm {
            check(limit);
        }

        @Override
        public List<Value> apply(Builder b, List<Value> gradients) {
            Value sum = null;
            for (Value g : gradients) {
                Value squares = squares(b, g);
                sum = sum == null ? squares : b.add(sum, squares);
            }
            var clipped = new ArrayList<Value>();
            if (sum != null) {
                Value factor = factor(b, sum, limit);
                gradients.forEach(g -> clipped.add(b.multiply(g, factor)));
            }
            return clipped;
        }
    }

    private static Value squares(Builder b, Value g) {
        return b.sum(b.map(new ScalarFunction.Square(), g));
    }

    /** limit / max(sqrt(squares), limit). */
    private static Value factor(Builder b, Value squares, double limit) {
        Value norm = b.map(new ScalarFunction.Sqrt(), squares);
        Value atLeast = b.map(new ScalarFunction.Clip(limit, Double.POSITIVE_INFINITY), norm);
        return b.divide(b.constant(limit), atLeast);
    }

    private static void check(double limit) {
        if (!(limit > 0)) {
            throw new TrainingException("gradients can be clipped to a positive limit, not " + limit);
        }
    }
}
