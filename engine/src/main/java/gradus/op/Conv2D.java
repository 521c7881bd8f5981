package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Arrays;
import java.util.List;

/**
 * y[n, p, q, o] = sum over i, j, c of x[n, p s + i d - top, q s + j d - left, c] w[i, j, c, o]; s stride, d dilation, x zero
 * outside the image. Shapes: x (n, h, w, in), w (kh, kw, in / groups, out), y (n, oh, ow, out). With groups, output
 * channel o reads the input channels of its own group only. Semantics of Keras's Conv2D without bias.
 */
public record Conv2D(Sliding sliding, int groups) implements Op {
    Window window(Shape x, Shape w) {
        if (w.rank() != 4) {
            throw new ShapeException("the kernel must be (kh, kw, in / groups, out), not " + w);
        }
        Window g = sliding.over(x, w.dim(0), w.dim(1), w.dim(3), groups);
        if (groups < 1 || g.c() % groups != 0 || g.f() % groups != 0) {
            throw new ShapeException(
                    g.c() + " input and " + g.f() + " output channels do not split into " + groups + " groups");
        }
        if (w.dim(2) != g.c() / groups) {
            throw new ShapeException("the kernel reads " + w.dim(2) + " channels, the images have " + g.c()
                    + (groups > 1 ? " in " + groups + " groups" : ""));
        }
        return g;
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        Window g = window(inputs.get(0), inputs.get(1));
        return Shape.of(g.n(), g.oh(), g.ow(), g.f());
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value x = inputs.get(0);
        Value w = inputs.get(1);
        return Arrays.asList(
                needed[0] ? b.apply(new Conv2DInputGradient(this, x.shape()), dy, w) : null,
                needed[1] ? b.apply(new Conv2DKernelGradient(this, w.shape()), x, dy) : null);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Window g = window(shapes.get(0), shapes.get(1));
        B x = inputs.get(0);
        B w = inputs.get(1);
        return () -> backend.conv2d(g, x, w, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 2L * y.size() * inputs.get(1).size(0, 3);
    }
}
