package gradus.op;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.List;

/**
 * y[i, j] = sum over k of a[i, k] b[k, j] with b as {@link PrepareKernel} gave it: {@link MatMul} in a plan whose second
 * operand does not change. To a backend it is the convolution of m images of one pixel. Inputs a (m, k), b.
 *
 * @param n columns of b
 */
public record PreparedMatMul(int n) implements Op {
    /** The convolution that is the product of (m, k) and (k, n). */
    public static Window window(int m, int k, int n) {
        return new Window(m, 1, 1, k, 1, 1, n, 1, 1, 1, 1, 1, 1, 0, 0, 1);
    }

    @Override
    public Shape shape(List<Shape> inputs) {
        return Shape.of(inputs.get(0).dim(0), n);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Window g = window(shape.dim(0), shapes.get(0).dim(1), n);
        B a = inputs.get(0);
        B b = inputs.get(1);
        return () -> backend.conv2dPrepared(g, null, a, b, null, null, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 2L * y.size() * inputs.get(0).dim(1);
    }
}
