package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.Arrays;
import java.util.List;

/**
 * dx[n, h, w, c] = sum of dy[n, p, q, o] w[i, j, c, o] over all taps (i, j) of output pixels (p, q) that read pixel (h, w):
 * the convolution's transpose. Inputs dy, w. Linear in both, so its own derivatives are convolutions again.
 *
 * @param x shape of the convolution's input
 */
public record Conv2DInputGradient(Conv2D conv, Shape x) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Conv2DKernelGradient.check(conv.shape(List.of(x, inputs.get(1))), inputs.get(0));
        return x;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value w = inputs.get(1);
        return Arrays.asList(
                needed[0] ? b.apply(conv, dy, w) : null,
                needed[1] ? b.apply(new Conv2DKernelGradient(conv, w.shape()), dy, inputs.get(0)) : null);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        Window g = conv.window(x, shapes.get(1));
        B dy = inputs.get(0);
        B w = inputs.get(1);
        return () -> backend.conv2dInputGradient(g, dy, w, dx);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return conv.flops(List.of(x, inputs.get(1)), inputs.get(0));
    }
}
