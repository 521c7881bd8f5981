package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/**
 * dx = Conv2DInputGradient(dy, w) + residual, and 0 where {@code z <= 0}: the gradients of two readers of the same values added,
 * and taken through the ReLU z that made these. Inputs dy, w, residual (dx's shape), and z (the same) if there is one. Made
 * by fusion, never by hand.
 */
public record FusedConv2DInputGradient(Conv2DInputGradient gradient, boolean relu) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape dx = gradient.shape(inputs);
        if (!inputs.get(2).equals(dx) || relu && !inputs.get(3).equals(dx)) {
            throw new ShapeException("what is added" + (relu ? " and the ReLU" : "") + " must be " + dx);
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
        return () -> backend.conv2dInputGradientFused(g, dy, w, residual, z, dx);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return gradient.flops(inputs, y) + (relu ? 2L : 1L) * y.size();
    }
}
