package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.Collections;
import java.util.List;

/** y = the largest value in each window; padding never wins. The first maximum in row-major order gets dy. Shapes (n, h, w, c) to (n, oh, ow, c); semantics of Keras. */
public record MaxPool2D(int height, int width, Sliding sliding) implements Op {
    Window window(Shape x) {
        return sliding.over(x, height, width, x.dim(-1), 1);
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        Window g = window(inputs.get(0));
        return Shape.of(g.n(), g.oh(), g.ow(), g.c());
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.apply(new MaxPool2DGradient(this), dy, inputs.get(0), y));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Window g = window(shapes.get(0));
        B x = inputs.get(0);
        return () -> backend.maxPool(g, x, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return (long) y.size() * height * width;
    }
}
