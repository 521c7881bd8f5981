package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.List;

/**
 * y = w packed or transformed as a backend's convolutions read it fastest: {@code size} numbers in the backend's own order.
 * Input w. Made by {@link gradus.plan.Plan} for kernels that stay the same from run to run, never by hand.
 */
public record PrepareKernel(Window window, int size) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        return Shape.of(size);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        B w = inputs.get(0);
        return () -> backend.prepareKernel(window, w, y);
    }
}
