package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * y = f(Conv2D(x, w) + bias + residual) with w as {@link PrepareKernel} gave it: {@link FusedConv2D} in a plan whose
 * kernels do not change. Inputs x, w, bias, and the residual if there is one.
 *
 * @param kernel the shape of w before it was prepared
 */
public record PreparedConv2D(FusedConv2D fused, Shape kernel) implements Op {
    private List<Shape> plain(List<Shape> inputs) {
        var shapes = new ArrayList<>(inputs);
        shapes.set(1, kernel);
        return shapes;
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        return fused.shape(plain(inputs));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Window g = fused.window(plain(shapes));
        B x = inputs.get(0);
        B w = inputs.get(1);
        B bias = inputs.get(2);
        B residual = fused.residual() ? inputs.get(3) : null;
        return () -> backend.conv2dPrepared(g, fused.f(), x, w, bias, residual, y);
    }

    /** Residual and result are read and written element by element. */
    @Override
    public boolean mayOverwrite(int input) {
        return input == 3;
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return fused.flops(plain(inputs), y);
    }

    @Override
    public long elements(List<Shape> inputs, Shape y) {
        return fused.elements(plain(inputs), y);
    }
}
