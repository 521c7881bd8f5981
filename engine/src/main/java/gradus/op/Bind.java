package gradus.op;

import gradus.backend.Arithmetic;
import gradus.backend.Backend;
import gradus.backend.Broadcast;
import gradus.backend.StridedCopy;
import gradus.tensor.Shape;
import java.util.List;

/** Bindings that several ops share. */
final class Bind {
    private Bind() {}

    static <B> Runnable arithmetic(Arithmetic op, Backend<B> backend, List<Shape> shapes, List<B> inputs, B y) {
        var view = Broadcast.of(shapes.get(0), shapes.get(1));
        B a = inputs.get(0);
        B b = inputs.get(1);
        return () -> backend.arithmetic(op, view, a, b, y);
    }

    /** y[0 .. n) = x[0 .. n). */
    static <B> Runnable copy(Backend<B> backend, int n, B x, B y) {
        var view = new StridedCopy(new int[] {n}, 0, new int[] {1}, 0, new int[] {1});
        return () -> backend.copy(view, x, y);
    }
}
