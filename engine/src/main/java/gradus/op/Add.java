package gradus.op;

import gradus.backend.Arithmetic;
import gradus.backend.Backend;
import gradus.tensor.Shape;
import java.util.Arrays;
import java.util.List;

/** y = a + b with NumPy broadcasting; da = dy, db = dy, summed over the axes along which the operand was repeated. */
public record Add() implements Op {
    @Override
    public Shape shape(List<Shape> inputs) {
        return Shape.broadcast(inputs.get(0), inputs.get(1));
    }

    @Override
    public List<Value> gradient(Builder b, List<Value> inputs, Value y, Value dy, boolean[] needed) {
        return Arrays.asList(
                needed[0] ? b.sumTo(dy, inputs.get(0).shape()) : null,
                needed[1] ? b.sumTo(dy, inputs.get(1).shape()) : null);
    }

    @Override
    public <B> Runnable bind(Backend<B> backend, List<Shape> shapes, List<B> inputs, Shape shape, B y) {
        return Bind.arithmetic(Arithmetic.ADD, backend, shapes, inputs, y);
    }

    @Override
    public boolean mayOverwrite(int input) {
        return true;
    }
}
