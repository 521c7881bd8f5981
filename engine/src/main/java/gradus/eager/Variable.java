package gradus.eager;

import gradus.backend.ScalarFunction;
import gradus.op.Conv2D;
import gradus.op.LogSoftmax;
import gradus.op.Op;
import gradus.op.Sliding;
import gradus.op.Softmax;
import gradus.op.Value;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.List;

/** An evaluated array that remembers how it was computed, so that {@link #backward} can differentiate it. */
public final class Variable extends Value {
    private final Eager<?> eager;
    private final Op op;
    private final List<Variable> operands;
    private final Object memory;
    private final boolean tracked;
    private Variable grad;

    Variable(Eager<?> eager, Shape shape, Op op, List<Variable> operands, Object memory, boolean tracked) {
        super(shape);
        this.eager = eager;
        this.op = op;
        this.operands = operands;
        this.memory = memory;
        this.tracked = tracked;
    }

    /** A copy of the values. */
    public Tensor value() {
        return eager.read(this);
    }

    /** Adds the derivative of this scalar to {@link #grad} of every variable it was computed from. */
    public void backward() {
        eager.backward(this);
    }

    /** The derivative collected by {@link #backward} so far, or null if there was none. */
    public Tensor grad() {
        return grad == null ? null : grad.value();
    }

    /** Forgets the collected derivative. */
    public void zeroGrad() {
        grad = null;
    }

    public Variable plus(Variable b) {
        return (Variable) eager.add(this, b);
    }

    public Variable minus(Variable b) {
        return (Variable) eager.subtract(this, b);
    }

    public Variable times(Variable b) {
        return (Variable) eager.multiply(this, b);
    }

    public Variable times(double factor) {
        return (Variable) eager.scale(this, factor);
    }

    public Variable dividedBy(Variable b) {
        return (Variable) eager.divide(this, b);
    }

    public Variable matMul(Variable b) {
        return (Variable) eager.matMul(this, b);
    }

    public Variable conv2d(Variable kernel, Sliding sliding) {
        return (Variable) eager.apply(new Conv2D(sliding, 1), this, kernel);
    }

    public Variable map(ScalarFunction f) {
        return (Variable) eager.map(f, this);
    }

    public Variable relu() {
        return map(new ScalarFunction.Relu());
    }

    public Variable softmax() {
        return (Variable) eager.apply(new Softmax(), this);
    }

    public Variable logSoftmax() {
        return (Variable) eager.apply(new LogSoftmax(), this);
    }

    public Variable sum() {
        return (Variable) eager.sum(this);
    }

    public Variable mean() {
        return (Variable) eager.mean(this);
    }

    public Variable reshape(int... dims) {
        return (Variable) eager.reshape(this, Shape.of(dims));
    }

    Eager<?> eager() {
        return eager;
    }

    Op op() {
        return op;
    }

    List<Variable> operands() {
        return operands;
    }

    Object memory() {
        return memory;
    }

    boolean tracked() {
        return tracked;
    }

    void accumulate(Variable part) {
        grad = grad == null ? part : grad.plus(part);
    }

    @Override
    public String toString() {
        return value().toString();
    }
}
