package gradus.op;

import gradus.tensor.Shape;

/**
 * One array in a program of operations: what an {@link Op} yields, or what is fed in. It knows its shape and nothing
 * else; identity is what tells two values apart, so this is a class and not a record.
 */
public class Value {
    private final Shape shape;

    public Value(Shape shape) {
        this.shape = shape;
    }

    public Shape shape() {
        return shape;
    }
}
