package gradus.op;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.ArrayList;
import java.util.List;

/**
 * y = f(Conv2D(x, w) + bias + residual): a convolution with what would otherwise go through memory again. Inputs x, w,
 * bias (out), and the residual (y's shape) if there is one. Made by fusion, never by hand.
 *
 * @param f activation, or null for none; its derivative must be computable from the result
 */
public record FusedConv2D(Conv2D conv, boolean residual, ScalarFunction f) implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        Shape y = conv.shape(inputs);
        if (!inputs.get(2).equals(Shape.of(y.dim(3)))
                || residual && !inputs.get(3).equals(y)) {
            throw new ShapeException(
                    "the bias must be (" + y.dim(3) + ",)" + (residual ? " and the residual " + y : ""));
        }
        return y;
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        Value dz = f == null ? dy : b.apply(new ElementwiseGradient(f), dy, y);
        var result = new ArrayList<>(conv.gradient(b, inputs.subList(0, 2), y, dz, needed));
        result.add(needed[2] ? b.sum(dz, 0, 3) : null);
        if (residual) {
            result.add(dz);
        }
        return result;
    }

    /** The convolution's geometry for these inputs. */
    public Window window(List<Shape> inputs) {
        return conv.window(inputs.get(0), inputs.get(1));
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        Window g = conv.window(shapes.get(0), shapes.get(1));
        B x = inputs.get(0);
        B w = inputs.get(1);
        B bias = inputs.get(2);
        B add = residual ? inputs.get(3) : null;
        return () -> backend.conv2dFused(g, f, x, w, bias, add, y);
    }

    @Override
    public long flops(List<Shape> inputs, Shape y) {
        return conv.flops(inputs, y) + 2L * y.size();
    }
}
