package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Arrays;
import java.util.List;

/**
 * dw[i, j, c, o] = sum over n, p, q of x[n, p s + i d - top, q s + j d - left, c] dy[n, p, q, o]. Inputs x, dy. Linear in
 * both, so its own derivatives are convolutions again.
 *
 * @param w shape of the convolution's kernel
 */
public record Conv2DKernelGradient(Conv2D conv, Shape w) implements Op {
    /** The convolution in numbers. */
    public Window window(List<Shape> inputs) {
        return conv.window(inputs.get(0), w);
    }

    static void check(Shape expected, Shape dy) {
        if (!expected.equals(dy)) {
            throw new ShapeException("dy is " + dy + ", the convolution's result " + expected);
        }
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        check(conv.shape(List.of(inputs.get(0), w)), inputs.get(1));
        return w;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value x = inputs.get(0);
        return Arrays.asList(
                needed[0] ? b.apply(new Conv2DInputGradient(conv, x.shape()), inputs.get(1), dy) : null,
                needed[1] ? b.apply(conv, x, dy) : null);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dw) {
        Window g = window(shapes);
        B x = inputs.get(0);
        B dy = inputs.get(1);
        return () -> backend.conv2dKernelGradient(g, x, dy, dw);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return conv.flops(List.of(inputs.get(0), w), inputs.get(1));
    }
}
