package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/**
 * One operation on arrays. Everything known about it is in its record: the formula (the first line of its Javadoc), the
 * rule for shapes, the derivative as further operations, the method of the backend that computes it, and its cost.
 *
 * <p>An op has one result. It is data: two ops with equal attributes are equal, and an op does not know where it is used.
 */
public sealed interface Op
        permits Add,
                Subtract,
                Multiply,
                Divide,
                Elementwise,
                ElementwiseGradient,
                Combine,
                Lerp,
                LerpSquare,
                AdamStep,
                Dropout,
                Sum,
                Max,
                MaxGradient,
                BroadcastTo,
                Reshape,
                Transpose,
                Pad,
                Slice,
                Concat,
                MatMul,
                Conv2D,
                Conv2DInputGradient,
                Conv2DKernelGradient,
                FusedConv2D,
                FusedConv2DInputGradient,
                PrepareKernel,
                PreparedConv2D,
                PreparedMatMul,
                MaxPool2D,
                MaxPool2DGradient,
                AveragePool2D,
                AveragePool2DGradient,
                Moments,
                Covariance,
                MomentsGradient,
                BatchNorm,
                BatchNormSums,
                BatchNormGradient,
                FusedBatchNorm,
                Softmax,
                LogSoftmax,
                OneHot {
    /**
     * Shape of the result.
     *
     * @throws gradus.tensor.ShapeException if the inputs do not fit; the graph adds op, shapes and layer to the message
     */
    Shape shape(List<Shape> inputs);

    /**
     * Derivatives of a scalar L with respect to each input, given {@code dy = dL/dy}, as new operations of {@code b}.
     *
     * @param needed which inputs' derivatives will be read; the others may be null
     * @return a list as long as {@code inputs}; null where nothing flows back
     */
    default List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        throw new GradusException(name() + " has no derivative: it is itself part of a derivative or an update");
    }

    /** The work of one run, bound to memory. Whatever can be prepared is prepared here; running allocates nothing. */
    <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y);

    /** Whether the result may be written over this input when nobody reads the input later. */
    default boolean mayOverwrite(int input) {
        return false;
    }

    /** Whether the result is the first input's memory under another shape. */
    default boolean isView() {
        return false;
    }

    /** Floating-point operations, a multiply-add counted as two. */
    default long flops(List<Shape> inputs, Shape y) {
        return y.size();
    }

    /** Elements read and written at least: every input and the result once. */
    default long elements(List<Shape> inputs, Shape y) {
        return inputs.stream().mapToLong(Shape::size).sum() + y.size();
    }

    /** As printed: the record's name without attributes. */
    default String name() {
        return getClass().getSimpleName();
    }
}
