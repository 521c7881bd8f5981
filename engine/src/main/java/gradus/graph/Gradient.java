package gradus.graph;

import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Reverse-mode differentiation as a function from graph to graph: from dL/dL = 1 upwards through the nodes, each op adds
 * nodes for what it passes back to its inputs; where a value is read several times, the parts are added (the chain rule).
 */
public final class Gradient {
    private Gradient() {}

    /** A graph and, in the order asked for, the derivatives it now also computes; null where L does not depend on a value. */
    public record Result(Graph graph, List<Value> derivatives) {}

    /**
     * The graph followed by the derivatives of a scalar with respect to some of its values.
     *
     * @throws GradusException if {@code scalar} has more than one element
     */
    public static Result of(Graph graph, Value scalar, List<Value> with) {
        if (scalar.shape().size() != 1) {
            throw new GradusException("only a scalar can be differentiated, not shape " + scalar.shape()
                    + "; sum it first, or weigh it with an upstream gradient");
        }
        var result = new Graph(graph);
        Value one = result.constant(Tensor.of(scalar.shape(), 1.0));
        return new Result(result, append(result, result::scope, List.copyOf(graph.nodes()), Map.of(scalar, one), with));
    }

    /**
     * Appends to {@code b} the derivatives of L with respect to {@code with}, given dL/dv for some values v ({@code seeds}).
     * The same walk serves graphs and the eager tape.
     *
     * @param scope told the layer of each node before its derivative is appended
     */
    public static List<Value> append(
            Builder b, Consumer<String> scope, List<Node> nodes, Map<Value, Value> seeds, List<Value> with) {
        Map<Value, Boolean> needed = new IdentityHashMap<>(); // values that depend on one of `with`
        with.forEach(v -> needed.put(v, true));
        for (Node node : nodes) {
            if (node.inputs().stream().anyMatch(needed::containsKey)) {
                needed.put(node.output(), true);
            }
        }
        Map<Value, Value> gradients = new IdentityHashMap<>();
        gradients.putAll(seeds);
        for (Node node : nodes.reversed()) {
            Value dy = gradients.get(node.output());
            if (dy == null || !needed.containsKey(node.output())) {
                continue;
            }
            var mask = new boolean[node.inputs().size()];
            boolean any = false;
            for (int i = 0; i < mask.length; i++) {
                mask[i] = needed.containsKey(node.inputs().get(i));
                any |= mask[i];
            }
            if (!any) {
                continue;
            }
            scope.accept(node.scope());
            List<Value> parts = node.op().gradient(b, node.inputs(), node.output(), dy, mask);
            for (int i = 0; i < mask.length; i++) {
                Value part = mask[i] ? parts.get(i) : null;
                if (part != null) {
                    gradients.merge(node.inputs().get(i), part, b::add);
                }
            }
        }
        scope.accept("");
        var result = new ArrayList<Value>();
        with.forEach(v -> result.add(gradients.get(v)));
        return result;
    }
}
