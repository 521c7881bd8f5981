package gradus.graph;

import gradus.op.Builder;
import gradus.op.Op;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A program on arrays as data: an append-only list of nodes, each reading only what stands above it. Shapes are checked as
 * it grows. Inputs are fed before every run, parameters live from run to run, constants are part of the program; outputs
 * are what can be read after a run, updates what the parameters become at its end.
 *
 * <p>Passes such as {@link Gradient} and {@link Fuse} make a new graph and leave the old one as it is; values that occur
 * in both are the same objects.
 */
public final class Graph implements Builder {
    private final List<Node> nodes = new ArrayList<>();
    private final Map<String, Value> inputs = new LinkedHashMap<>();
    private final Map<String, Value> parameters = new LinkedHashMap<>();
    private final Map<Value, Tensor> constants = new IdentityHashMap<>();
    private final List<Value> constantOrder = new ArrayList<>();
    private final Map<String, Value> outputs = new LinkedHashMap<>();
    private final Map<String, Value> updates = new LinkedHashMap<>();
    private final Map<Value, Boolean> known = new IdentityHashMap<>();
    private String scope = "";

    public Graph() {}

    /** A graph that begins as another one: same nodes, values, inputs, outputs. Appending to it leaves the other alone. */
    public Graph(Graph base) {
        this();
        takeDeclarations(base);
        base.nodes.forEach(this::append);
        outputs.putAll(base.outputs);
        updates.putAll(base.updates);
    }

    /** Inputs, parameters and constants of another graph, without its nodes. */
    void takeDeclarations(Graph base) {
        inputs.putAll(base.inputs);
        parameters.putAll(base.parameters);
        constants.putAll(base.constants);
        constantOrder.addAll(base.constantOrder);
        inputs.values().forEach(v -> known.put(v, true));
        parameters.values().forEach(v -> known.put(v, true));
        constantOrder.forEach(v -> known.put(v, true));
    }

    void append(Node node) {
        nodes.add(node);
        known.put(node.output(), true);
    }

    /** An array that is fed before each run. */
    public Value input(String name, Shape shape) {
        return declare(inputs, "input", name, shape);
    }

    /** An array that lives from run to run: a weight, a moving average, optimizer state. The same name gives the same value. */
    public Value parameter(String name, Shape shape) {
        Value old = parameters.get(name);
        if (old == null) {
            return declare(parameters, "parameter", name, shape);
        }
        if (!old.shape().equals(shape)) {
            throw new ShapeException("parameter '" + name + "' has shape " + old.shape() + ", asked for with " + shape);
        }
        return old;
    }

    private Value declare(Map<String, Value> map, String kind, String name, Shape shape) {
        var value = new Value(shape);
        if (map.putIfAbsent(name, value) != null) {
            throw new GradusException("the graph has two " + kind + "s named '" + name + "'");
        }
        known.put(value, true);
        return value;
    }

    @Override
    public Value constant(Tensor tensor) {
        var value = new Value(tensor.shape());
        constants.put(value, tensor);
        constantOrder.add(value);
        known.put(value, true);
        return value;
    }

    @Override
    public Value apply(Op op, List<Value> operands) {
        for (int i = 0; i < operands.size(); i++) {
            if (!known.containsKey(operands.get(i))) {
                throw new GradusException(where(op) + ": operand " + i + " of shape "
                        + operands.get(i).shape() + " is not a value of this graph");
            }
        }
        List<Shape> shapes = operands.stream().map(Value::shape).toList();
        Shape shape;
        try {
            shape = op.shape(shapes);
        } catch (ShapeException e) {
            String given = shapes.stream().map(Shape::toString).collect(Collectors.joining(", "));
            throw new ShapeException(where(op) + " of " + given + ": " + e.getMessage());
        }
        var node = new Node(op, operands, new Value(shape), scope);
        append(node);
        return node.output();
    }

    private String where(Op op) {
        return (scope.isEmpty() ? "" : "layer '" + scope + "': ") + op.name();
    }

    /** Names the layer that the following nodes belong to; "" for none. Returns the previous scope. */
    public String scope(String layer) {
        String old = scope;
        scope = layer;
        return old;
    }

    /** Lets a value be read after a run under this name. */
    public void output(String name, Value value) {
        if (!known.containsKey(value)) {
            throw new GradusException("output '" + name + "' is not a value of this graph");
        }
        outputs.put(name, value);
    }

    /** Lets a parameter take this value at the end of each run. */
    public void update(String parameter, Value value) {
        Value p = parameters.get(parameter);
        if (p == null) {
            throw new GradusException("update of '" + parameter + "': the graph has no such parameter");
        }
        if (!p.shape().equals(value.shape())) {
            throw new ShapeException(
                    "update of '" + parameter + "' " + p.shape() + " with a value of shape " + value.shape());
        }
        if (!known.containsKey(value)) {
            throw new GradusException("the update of '" + parameter + "' is not a value of this graph");
        }
        if (updates.putIfAbsent(parameter, value) != null) {
            throw new GradusException("parameter '" + parameter + "' is updated twice");
        }
    }

    public List<Node> nodes() {
        return Collections.unmodifiableList(nodes);
    }

    public Map<String, Value> inputs() {
        return Collections.unmodifiableMap(inputs);
    }

    public Map<String, Value> parameters() {
        return Collections.unmodifiableMap(parameters);
    }

    /** Constants in the order in which they were made. */
    public List<Value> constants() {
        return Collections.unmodifiableList(constantOrder);
    }

    /** The tensor of a constant, or null if the value is not a constant. */
    public Tensor constantOf(Value value) {
        return constants.get(value);
    }

    public Map<String, Value> outputs() {
        return Collections.unmodifiableMap(outputs);
    }

    public Map<String, Value> updates() {
        return Collections.unmodifiableMap(updates);
    }

    /** The nodes that outputs or updates depend on, in order: what a plan runs. */
    public List<Node> live() {
        var wanted = new IdentityHashMap<Value, Boolean>();
        outputs.values().forEach(v -> wanted.put(v, true));
        updates.values().forEach(v -> wanted.put(v, true));
        var live = new ArrayList<Node>();
        for (Node node : nodes.reversed()) {
            if (wanted.containsKey(node.output())) {
                live.add(node);
                node.inputs().forEach(v -> wanted.put(v, true));
            }
        }
        Collections.reverse(live);
        return live;
    }

    /** As {@link Listing} prints it. */
    @Override
    public String toString() {
        return Listing.of(this);
    }
}
