package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.Collections;
import java.util.List;

/** dx = dy / (number of values in the window), summed where windows overlap. Linear: its derivative is the pooling. */
public record AveragePool2DGradient(AveragePool2D pool, Shape x) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Conv2DKernelGradient.check(pool.shape(List.of(x)), inputs.get(0));
        return x;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Collections.singletonList(b.apply(pool, dy));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        Window g = pool.window(x);
        B dy = inputs.get(0);
        return () -> backend.averagePoolGradient(g, dy, dx);
    }
}
