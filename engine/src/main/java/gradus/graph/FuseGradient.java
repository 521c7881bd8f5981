package gradus.graph;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction.Relu;
import gradus.op.Add;
import gradus.op.BatchNormGradient;
import gradus.op.BatchNormSums;
import gradus.op.Conv2DInputGradient;
import gradus.op.ElementwiseGradient;
import gradus.op.FusedBatchNorm;
import gradus.op.FusedConv2DInputGradient;
import gradus.op.Moments;
import gradus.op.Op;
import gradus.op.Pad;
import gradus.op.Sum;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@link Fuse} is to a forward graph, for the derivatives that {@link Gradient} appended: fewer passes over memory.
 * The graph that it is given stays as the oracle.
 *
 * <pre>
 * ReLU's derivative, then both steps of batch norm's       the two steps, which see by x what ReLU let pass
 * Conv2DInputGradient + the other branch's gradient,       FusedConv2DInputGradient
 *   then ReLU's derivative; that gradient may be one         the same, of a gradient without the zeros
 *   of every second row and column, with zeros between
 * the sum over pixels of batch norm's derivative           0: moving all of x moves its mean as much. It is the gradient of
 *   in training mode                                       a bias in front; computed, it would be nothing but rounding errors
 * </pre>
 */
public final class FuseGradient {
    private final Graph graph;
    private final Graph result = new Graph();
    private final List<Node> nodes;
    private final Map<Value, Integer> place = new IdentityHashMap<>(); // of the node that makes a value
    private final Map<Value, List<Node>> readers = new IdentityHashMap<>();
    private final Map<Value, Boolean> kept = new IdentityHashMap<>(); // outputs and updates
    private final Map<Node, Node> replaced = new IdentityHashMap<>(); // null: left out
    private final Map<Value, Value> instead = new IdentityHashMap<>();
    private final Map<Shape, Value> zeros = new HashMap<>();

    private FuseGradient(Graph graph) {
        this.graph = graph;
        nodes = graph.live();
        result.takeDeclarations(graph);
        for (int i = 0; i < nodes.size(); i++) {
            place.put(nodes.get(i).output(), i);
            for (Value v : nodes.get(i).inputs()) {
                readers.computeIfAbsent(v, _ -> new ArrayList<>()).add(nodes.get(i));
            }
        }
        graph.outputs().values().forEach(v -> kept.put(v, true));
        graph.updates().values().forEach(v -> kept.put(v, true));
    }

    /** @param backend that will run the graph: batch norm's derivatives are fused only if it can compute them so */
    public static Graph of(Graph graph, Backend<?> backend) {
        return new FuseGradient(graph).run(backend.batchNormReluGradients(), backend.stridedResiduals());
    }

    private Graph run(boolean batchNorm, boolean strided) {
        if (batchNorm) {
            nodes.stream().filter(FuseGradient::isReluGradient).forEach(this::throughBatchNorm);
        }
        for (Node node : nodes) {
            if (node.op() instanceof Add) {
                intoConvolution(node, strided);
            } else if (node.op() instanceof Sum(int from, int to)) {
                zero(node, from, to);
            }
        }
        for (Node node : nodes) {
            Node now = replaced.getOrDefault(node, node);
            if (now != null) {
                List<Value> inputs = now.inputs().stream()
                        .map(v -> instead.getOrDefault(v, v))
                        .toList();
                result.append(new Node(now.op(), inputs, now.output(), now.scope()));
            }
        }
        graph.outputs().forEach((name, v) -> result.output(name, instead.getOrDefault(v, v)));
        graph.updates().forEach((name, v) -> result.update(name, instead.getOrDefault(v, v)));
        return result;
    }

    private static boolean isReluGradient(Node node) {
        return node.op() instanceof ElementwiseGradient(var f) && f instanceof Relu;
    }

    private Node producer(Value v) {
        Integer at = place.get(v);
        return at == null ? null : nodes.get(at);
    }

    /** The node that reads a value if there is just one and nobody else looks at it, else null. */
    private Node onlyReader(Value v) {
        List<Node> all = readers.getOrDefault(v, List.of());
        return all.size() == 1 && !kept.containsKey(v) ? all.get(0) : null;
    }

    /** dy through a ReLU that batch norm ended with: sums and gradient do that themselves. */
    private void throughBatchNorm(Node relu) {
        Value dy = relu.inputs().get(0);
        Value dz = relu.output();
        Node norm = producer(relu.inputs().get(1));
        if (norm == null
                || !(norm.op() instanceof FusedBatchNorm(double epsilon, boolean own, boolean residual, var f))
                || !own
                || residual
                || !(f instanceof Relu)
                || kept.containsKey(dz)) {
            return;
        }
        Value x = norm.inputs().get(0);
        Value m = norm.inputs().get(1);
        Value gamma = norm.inputs().get(2);
        Value beta = norm.inputs().get(3);
        var fused = new ArrayList<Node>();
        for (Node reader : readers.getOrDefault(dz, List.of())) {
            Op op;
            List<Value> inputs;
            if (reader.op().equals(new BatchNormSums(epsilon))
                    && reader.inputs().equals(List.of(dz, x, m))) {
                op = new BatchNormSums(epsilon, true);
                inputs = List.of(dy, x, m, gamma, beta);
            } else if (reader.op().equals(new BatchNormGradient(epsilon))
                    && reader.inputs().subList(0, 4).equals(List.of(dz, x, m, gamma))) {
                op = new BatchNormGradient(epsilon, true);
                inputs = List.of(dy, x, m, gamma, reader.inputs().get(4), beta);
            } else {
                return;
            }
            fused.add(new Node(op, inputs, reader.output(), reader.scope()));
        }
        for (int i = 0; i < fused.size(); i++) {
            replaced.put(readers.get(dz).get(i), fused.get(i));
        }
        replaced.put(relu, null);
    }

    /** The sum of an input gradient and what was there before it, perhaps through a ReLU, where the first is computed. */
    private void intoConvolution(Node sum, boolean strided) {
        Value a = sum.inputs().get(0);
        Value b = sum.inputs().get(1);
        if (a == b || !a.shape().equals(b.shape())) {
            return;
        }
        boolean first = place.getOrDefault(a, -1) > place.getOrDefault(b, -1);
        boolean inOrder = isAlone(first ? a : b); // the gradient comes after the other part, or else has to wait for it
        Node conv = producer(first == inOrder ? a : b);
        Value residual = first == inOrder ? b : a;
        if (!isAlone(conv == null ? null : conv.output()) || !(conv.op() instanceof Conv2DInputGradient gradient)) {
            return;
        }
        Node tail = sum;
        int stepH = 1;
        int stepW = 1;
        Node padding = producer(residual);
        if (strided
                && padding != null
                && padding.op() instanceof Pad(var before, var after, var between)
                && onlyReader(residual) != null
                && isPointwise(gradient, conv)
                && before.equals(List.of(0, 0, 0, 0))
                && after.get(0) + after.get(3) + between.get(0) + between.get(3) == 0) {
            Value every = padding.inputs().get(0);
            if (every.shape()
                    .equals(FusedConv2DInputGradient.residual(a.shape(), between.get(1) + 1, between.get(2) + 1))) {
                stepH += between.get(1);
                stepW += between.get(2);
                residual = every;
                replaced.put(padding, null);
            }
        }
        var inputs = new ArrayList<>(conv.inputs());
        inputs.add(residual);
        Node relu = onlyReader(sum.output());
        boolean through = relu != null
                && isReluGradient(relu)
                && relu.inputs().get(0) == sum.output()
                && !replaced.containsKey(relu)
                && place.getOrDefault(relu.inputs().get(1), -1) < place.get((inOrder ? conv : sum).output());
        if (through) {
            inputs.add(relu.inputs().get(1));
            replaced.put(sum, null);
            tail = relu;
        }
        replaced.put(tail, null);
        if (!inOrder) {
            replaced.put(conv, null);
        }
        replaced.put(
                inOrder ? conv : sum,
                new Node(
                        new FusedConv2DInputGradient(gradient, through, stepH, stepW),
                        inputs,
                        tail.output(),
                        conv.scope()));
    }

    /** Whether it is one product of a 1 x 1 kernel that reaches every pixel. */
    private static boolean isPointwise(Conv2DInputGradient gradient, Node conv) {
        Shape dy = conv.inputs().get(0).shape();
        Shape w = conv.inputs().get(1).shape();
        return w.dim(0) * w.dim(1) == 1
                && w.dim(2) == gradient.x().dim(3)
                && w.dim(3) > 0
                && dy.dim(1) == gradient.x().dim(1)
                && dy.dim(2) == gradient.x().dim(2);
    }

    /** Whether a value is an input gradient that one node reads and nobody else. */
    private boolean isAlone(Value v) {
        Node node = v == null ? null : producer(v);
        return node != null && node.op() instanceof Conv2DInputGradient && onlyReader(v) != null;
    }

    private void zero(Node sum, int from, int to) {
        Value dx = sum.inputs().get(0);
        Node gradient = producer(dx);
        if (gradient == null
                || !(gradient.op() instanceof BatchNormGradient)
                || from != 0
                || to != dx.shape().rank() - 1) {
            return;
        }
        Node moments = producer(gradient.inputs().get(2));
        Node sums = producer(gradient.inputs().get(4));
        boolean own = moments != null
                && moments.op() instanceof Moments
                && moments.inputs().get(0) == gradient.inputs().get(1)
                && sums != null
                && sums.op() instanceof BatchNormSums
                && sums.inputs().subList(0, 3).equals(gradient.inputs().subList(0, 3));
        if (own) {
            Value zero = zeros.computeIfAbsent(sum.output().shape(), s -> result.constant(Tensor.zeros(DType.F32, s)));
            instead.put(sum.output(), zero);
            replaced.put(sum, null);
        }
    }
}
