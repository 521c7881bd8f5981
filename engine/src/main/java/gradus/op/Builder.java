package gradus.op;

import gradus.backend.ScalarFunction;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Where operations are added: a graph that records them for later, or the eager tape that also evaluates them at once.
 * Derivatives, layers, losses and optimizers are written against this interface, so each exists once.
 */
public interface Builder {
    /**
     * Appends an operation and returns its result.
     *
     * @throws gradus.tensor.ShapeException naming op, input shapes and layer
     */
    Value apply(Op op, List<Value> inputs);

    /** A fixed array. */
    Value constant(Tensor value);

    default Value apply(Op op, Value... inputs) {
        return apply(op, List.of(inputs));
    }

    default Value constant(double value) {
        return constant(Tensor.scalar(value));
    }

    default Value add(Value a, Value b) {
        return apply(new Add(), a, b);
    }

    default Value subtract(Value a, Value b) {
        return apply(new Subtract(), a, b);
    }

    default Value multiply(Value a, Value b) {
        return apply(new Multiply(), a, b);
    }

    default Value divide(Value a, Value b) {
        return apply(new Divide(), a, b);
    }

    /** f(x), element by element. */
    default Value map(ScalarFunction f, Value x) {
        return apply(new Elementwise(f), x);
    }

    /** factor x. */
    default Value scale(Value x, double factor) {
        return map(new ScalarFunction.Affine(factor, 0), x);
    }

    default Value matMul(Value a, Value b) {
        return apply(new MatMul(false, false), a, b);
    }

    default Value reshape(Value x, Shape shape) {
        return x.shape().equals(shape) ? x : apply(new Reshape(shape), x);
    }

    /** Sum over axes {@code [from, to)}, which the result no longer has. */
    default Value sum(Value x, int from, int to) {
        return from == to ? x : apply(new Sum(from, to), x);
    }

    /** Sum of all elements, a scalar. */
    default Value sum(Value x) {
        return sum(x, 0, x.shape().rank());
    }

    /** Mean over axes {@code [from, to)}, which the result no longer has. */
    default Value mean(Value x, int from, int to) {
        return scale(sum(x, from, to), 1.0 / x.shape().size(from, to));
    }

    default Value mean(Value x) {
        return mean(x, 0, x.shape().rank());
    }

    /** Row {@code i} of a matrix, as a vector. */
    default Value row(Value x, int i) {
        int c = x.shape().dim(1);
        return reshape(apply(new Slice(List.of(i, 0), Shape.of(1, c)), x), Shape.of(c));
    }

    /** Vectors as the rows of a matrix. */
    default Value stack(Value... rows) {
        var parts = new ArrayList<Value>();
        for (Value r : rows) {
            parts.add(reshape(r, r.shape().prepend(1)));
        }
        return apply(new Concat(0), parts);
    }

    /** The transpose of broadcasting: sums over every axis along which {@code shape} was repeated to give x's. */
    default Value sumTo(Value x, Shape shape) {
        if (x.shape().equals(shape)) {
            return x;
        }
        int rank = x.shape().rank();
        var repeated = new boolean[rank];
        for (int i = 0; i < rank; i++) {
            int own = i - rank + shape.rank();
            repeated[i] = own < 0 || shape.dim(own) != x.shape().dim(i);
        }
        Value y = x;
        for (int to = rank; to > 0; ) { // from the last axis on, neighbouring axes together
            int from = to;
            while (from > 0 && repeated[from - 1]) {
                from--;
            }
            y = sum(y, from, to);
            to = from == to ? to - 1 : from;
        }
        return reshape(y, shape);
    }
}
