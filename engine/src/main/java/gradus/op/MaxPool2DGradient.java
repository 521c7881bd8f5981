package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.List;

/** dx = dy at the first maximum of each window, summed where windows overlap, else 0. Inputs dy, x, y = pool(x). */
public record MaxPool2DGradient(MaxPool2D pool) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Conv2DKernelGradient.check(pool.shape(List.of(inputs.get(1))), inputs.get(0));
        Conv2DKernelGradient.check(inputs.get(0), inputs.get(2));
        return inputs.get(1);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B dx) {
        Window g = pool.window(shape);
        B dy = inputs.get(0);
        B x = inputs.get(1);
        B y = inputs.get(2);
        return () -> backend.maxPoolGradient(g, dy, x, y, dx);
    }
}
