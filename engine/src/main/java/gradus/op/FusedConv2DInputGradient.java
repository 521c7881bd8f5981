package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/**
 * dx = Conv2DInputGradient(dy, w) + residual, and 0 where {@code z <= 0}: the gradients of two readers of the same values added,
 * and taken through the ReLU z that made these. Inputs dy, w, residual, and z (dx's shape) if there is one. The residual has dx's shape,
 * or only every {@code stepH}-th row and {@code stepW}-th column of it, from the first on. Made by fusion, never by hand.
 */
public record FusedConv2DInputGradient(Conv2DInputGradient gradient, boolean relu, int stepH, int stepW) implements Op {
    /** The residual has dx's shape. */
    public FusedConv2DInputGradient(Conv2DInputGradient gradient, boolean relu) {
        this(gradient, relu, 1, 1);
    }

    /** What the residual must be for a result of this shape. */
    public static Shape residual(Shape dx, int stepH, int stepW) {
        return Shape.of(dx.dim(0), Math.ceilDiv(dx.dim(1), stepH), Math.ceilDiv(dx.dim(2), stepW), dx.dim(3));
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        Shape dx = gradient.shape(inputs);
        Shape residual = residual(dx, stepH, stepW);
        if (!inputs.get(2).equals(residual) || relu && !inputs.get(3).equals(dx)) {
            throw new ShapeException("what is added must be " + residual + (relu ? ", the ReLU " + dx : ""));
        }
        return dx;
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        Window g = gradient.conv().window(shape, shapes.get(1));
        B dy = inputs.get(0);
        B w = inputs.get(1);
        B residual = inputs.get(2);
        B z = relu ? inputs.get(3) : null;
        return () -> backend.conv2dInputGradientFused(g, dy, w, residual, stepH, stepW, z, dx);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return gradient.flops(inputs, y) + (relu ? 2L : 1L) * y.size();
    }
}
