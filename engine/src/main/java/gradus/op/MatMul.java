package gradus.op;

import gradus.backend.Backend;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.Arrays;
import java.util.List;

/**
 * y[i, j] = sum over k of a[i, k] b[k, j], each operand transposed first where asked. Shapes (m, k), (k, n) to (m, n);
 * da = dy b^T, db = a^T dy.
 */
public record MatMul(boolean transposeA, boolean transposeB) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape a = inputs.get(0);
        Shape b = inputs.get(1);
        if (a.rank() != 2 || b.rank() != 2 || inner(a) != b.dim(transposeB ? 1 : 0)) {
            throw new ShapeException("needs (m, k) and (k, n)" + (transposeA ? ", first transposed" : "")
                    + (transposeB ? ", second transposed" : ""));
        }
        return Shape.of(a.dim(transposeA ? 1 : 0), b.dim(transposeB ? 0 : 1));
    }

    private int inner(Shape a) {
        return a.dim(transposeA ? 0 : 1);
    }

    @Override
    public List<Value> gradient(Builder g, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value a = inputs.get(0);
        Value b = inputs.get(1);
        Value da = null;
        Value db = null;
        if (needed[0]) {
            da = transposeA
                    ? g.apply(new MatMul(transposeB, true), b, dy)
                    : g.apply(new MatMul(false, !transposeB), dy, b);
        }
        if (needed[1]) {
            db = transposeB
                    ? g.apply(new MatMul(true, transposeA), dy, a)
                    : g.apply(new MatMul(!transposeA, false), a, dy);
        }
        return Arrays.asList(da, db);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        int m = shape.dim(0);
        int n = shape.dim(1);
        int k = inner(shapes.get(0));
        B a = inputs.get(0);
        B b = inputs.get(1);
        return () -> backend.matMul(m, n, k, transposeA, transposeB, a, b, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return 2L * y.size() * inner(inputs.get(0));
    }
}
