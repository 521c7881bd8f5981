package gradus.layers;

import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;
import java.util.function.BinaryOperator;

/** What Add, Subtract, Multiply and Average have in common: shapes are broadcast per sample, as NumPy and Keras do. */
final class Merge {
    private Merge() {}

    static Shape shape(List<Shape> inputs) {
        if (inputs.size() < 2) {
            throw new ShapeException("merges at least 2 inputs, not " + inputs.size());
        }
        return inputs.stream().reduce(Shape::broadcast).orElseThrow();
    }

    /** Folds the inputs from left to right. Ranks are made equal behind the batch axis, so that samples stay apart. */
    static Value fold(Builder b, List<Value> inputs, BinaryOperator<Value> op) {
        int rank = inputs.stream().mapToInt(v -> v.shape().rank()).max().orElseThrow();
        return inputs.stream().map(v -> expand(b, v, rank)).reduce(op).orElseThrow();
    }

    private static Value expand(Builder b, Value v, int rank) {
        Shape s = v.shape();
        int batch = s.dim(0);
        Shape sample = s.slice(1, s.rank());
        while (sample.rank() < rank - 1) {
            sample = sample.prepend(1);
        }
        return b.reshape(v, sample.prepend(batch));
    }
}
