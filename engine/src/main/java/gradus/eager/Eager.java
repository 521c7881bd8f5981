package gradus.eager;

import gradus.backend.Backend;
import gradus.backend.Backends;
import gradus.graph.Gradient;
import gradus.graph.Node;
import gradus.op.Builder;
import gradus.op.Op;
import gradus.op.Sliding;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Evaluates operations as they are written down. The ops, their derivatives and the backends are those of graphs; only the
 * moment of evaluation differs. In JShell, after {@code import static gradus.eager.Eager.*}:
 *
 * <pre>
 * var x = tensor(Tensor.of(Shape.of(1, 3), 1f, 2f, 3f));
 * var w = variable(Tensor.of(Shape.of(3, 1), 1f, 0f, -1f));
 * var y = x.matMul(w).relu();
 * y.sum().backward();
 * w.grad()
 * </pre>
 *
 * @param <B> memory of the backend
 */
public final class Eager<B> implements Builder {
    private static Eager<?> shared;

    private final Backend<B> backend;

    public Eager(Backend<B> backend) {
        this.backend = backend;
    }

    /** The evaluator behind {@link #tensor} and {@link #variable}: the best backend, made at first use. */
    public static synchronized Eager<?> shared() {
        if (shared == null) {
            shared = new Eager<>(Backends.open());
        }
        return shared;
    }

    /** Lets {@link #tensor} and {@link #variable} evaluate elsewhere, for example in float64. */
    public static synchronized void shared(Eager<?> eager) {
        shared = eager;
    }

    /** A fixed array. */
    public static Variable tensor(Tensor value) {
        return shared().constant(value);
    }

    /** An array whose derivative {@link Variable#backward} collects. */
    public static Variable variable(Tensor value) {
        return shared().leaf(value);
    }

    /** Convolution with stride 1 and no padding: Keras's defaults. */
    public static Variable conv2d(Variable x, Variable kernel) {
        return x.conv2d(kernel, Sliding.valid(1, 1));
    }

    public Backend<B> backend() {
        return backend;
    }

    @Override
    public Variable constant(Tensor value) {
        return new Variable(this, value.shape(), null, List.of(), store(value), false);
    }

    /** An array whose derivative {@link Variable#backward} collects. */
    public Variable leaf(Tensor value) {
        return new Variable(this, value.shape(), null, List.of(), store(value), true);
    }

    private B store(Tensor value) {
        synchronized (backend) {
            B b = backend.allocate(value.size());
            backend.write(value, b);
            return b;
        }
    }

    @Override
    public Variable apply(Op op, List<Value> inputs) {
        List<Variable> operands = inputs.stream().map(this::own).toList();
        List<Shape> shapes = inputs.stream().map(Value::shape).toList();
        Shape shape;
        try {
            shape = op.shape(shapes);
        } catch (ShapeException e) {
            String given = shapes.stream().map(Shape::toString).collect(Collectors.joining(", "));
            throw new ShapeException(op.name() + " of " + given + ": " + e.getMessage());
        }
        List<B> memory = operands.stream().map(this::memory).toList();
        B y;
        synchronized (backend) {
            y = op.isView() ? memory.get(0) : backend.allocate(shape.size());
            op.bind(backend, shapes, memory, shape, y).run();
            backend.synchronize();
        }
        boolean tracked = operands.stream().anyMatch(Variable::tracked);
        return new Variable(this, shape, tracked ? op : null, tracked ? operands : List.of(), y, tracked);
    }

    private Variable own(Value v) {
        if (v instanceof Variable variable && variable.eager() == this) {
            return variable;
        }
        throw new GradusException("an eager operation needs variables of the same evaluator");
    }

    @SuppressWarnings("unchecked") // own() has checked that this evaluator made the variable, so its memory is a B
    private B memory(Variable v) {
        return (B) v.memory();
    }

    Tensor read(Variable v) {
        synchronized (backend) {
            return backend.read(memory(v), v.shape());
        }
    }

    /** Adds dL/dv to every leaf v that the scalar L depends on. */
    void backward(Variable scalar) {
        if (scalar.shape().size() != 1) {
            throw new GradusException("backward() needs a scalar, the shape is " + scalar.shape() + "; sum() it first");
        }
        var nodes = new ArrayList<Node>();
        var leaves = new ArrayList<Variable>();
        collect(scalar, new IdentityHashMap<>(), nodes, leaves);
        Value one = constant(Tensor.of(scalar.shape(), 1.0));
        List<Value> derivatives = Gradient.append(this, layer -> {}, nodes, Map.of(scalar, one), List.copyOf(leaves));
        for (int i = 0; i < leaves.size(); i++) {
            if (derivatives.get(i) != null) {
                leaves.get(i).accumulate((Variable) derivatives.get(i));
            }
        }
    }

    /** Everything the value was computed from, operands first. An own stack: networks are deeper than call stacks. */
    private static void collect(Variable root, Map<Variable, Boolean> done, List<Node> nodes, List<Variable> leaves) {
        record Frame(Variable v, int next) {}
        var stack = new java.util.ArrayDeque<Frame>();
        stack.push(new Frame(root, 0));
        while (!stack.isEmpty()) {
            Frame frame = stack.pop();
            Variable v = frame.v;
            if (frame.next == 0 && done.putIfAbsent(v, true) != null) {
                continue;
            }
            if (frame.next < v.operands().size()) {
                stack.push(new Frame(v, frame.next + 1));
                Variable operand = v.operands().get(frame.next);
                if (!done.containsKey(operand)) {
                    stack.push(new Frame(operand, 0));
                }
            } else if (v.op() != null) {
                nodes.add(new Node(v.op(), List.copyOf(v.operands()), v, ""));
            } else if (v.tracked()) {
                leaves.add(v);
            }
        }
    }
}
