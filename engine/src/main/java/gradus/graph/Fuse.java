package gradus.graph;

import gradus.backend.ScalarFunction;
import gradus.op.Add;
import gradus.op.BatchNorm;
import gradus.op.Conv2D;
import gradus.op.Elementwise;
import gradus.op.FusedBatchNorm;
import gradus.op.FusedConv2D;
import gradus.op.MaxPool2D;
import gradus.op.Moments;
import gradus.op.Op;
import gradus.op.Pad;
import gradus.op.Sliding;
import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Joins operations that would each go through memory once more, as a function from graph to graph. Apply it to a forward
 * graph; the fused ops have derivatives, so {@link Gradient} comes after. Every value that outputs, updates or other nodes
 * read is the same object in the new graph, and the unfused graph stays as the oracle of the fused one.
 *
 * <pre>
 * Conv2D + bias                                        FusedConv2D
 * BatchNorm, its statistics those of its own input     FusedBatchNorm with the textbook derivative
 * BatchNorm with given statistics behind a Conv2D      FusedConv2D with folded kernel and bias:
 *                                                      w' = w s, b' = beta + (b - mean) s, s = gamma / sqrt(variance + epsilon)
 * ... + residual, then an activation                   in the same step
 * Pad, then Conv2D                                     Conv2D with that padding
 * ReLU, Pad, then MaxPool2D                            MaxPool2D with that padding, which wins as little as zeros among
 *                                                      numbers that are not negative
 * </pre>
 */
public final class Fuse {
    private final Graph graph;
    private final Graph result;
    private final Map<Value, Node> producer = new IdentityHashMap<>();
    private final Map<Value, Integer> readers = new IdentityHashMap<>();
    private final Map<Node, Match> matches = new IdentityHashMap<>();
    private final Map<Node, Boolean> absorbed = new IdentityHashMap<>();

    /** The padding that a convolution or a pooling does itself. */
    private final Map<Node, Node> pads = new IdentityHashMap<>();

    /** A chain that ends in one node: core, then perhaps a residual, then perhaps an activation. */
    private record Match(Core core, Value residual, ScalarFunction f) {}

    /** What a chain begins with: a convolution, a batch norm, or a batch norm behind a convolution. Unused parts are null. */
    private record Core(Node conv, Node biasAdd, Node norm, boolean ownMoments) {
        Value bias() {
            return biasAdd == null ? null : biasAdd.inputs().get(1);
        }
    }

    private Fuse(Graph graph) {
        this.graph = graph;
        this.result = new Graph();
        result.takeDeclarations(graph);
    }

    public static Graph of(Graph graph) {
        return new Fuse(graph).run();
    }

    private Graph run() {
        List<Node> nodes = graph.live();
        for (Node node : nodes) {
            producer.put(node.output(), node);
            node.inputs().forEach(v -> readers.merge(v, 1, Integer::sum));
        }
        graph.outputs().values().forEach(v -> readers.merge(v, 1, Integer::sum));
        graph.updates().values().forEach(v -> readers.merge(v, 1, Integer::sum));
        nodes.forEach(this::matchPad);
        for (Node node : nodes.reversed()) { // the last node of a chain is met first and takes the longest match
            if (!absorbed.containsKey(node)) {
                match(node);
            }
        }
        for (Node node : nodes) {
            if (!absorbed.containsKey(node)) {
                emit(node);
            }
        }
        result.scope("");
        graph.outputs().forEach(result::output);
        graph.updates().forEach(result::update);
        return result;
    }

    /** Notes a padding of height and width that a convolution or a pooling can do itself. */
    private void matchPad(Node node) {
        Node before = node.inputs().isEmpty() ? null : only(node.inputs().get(0));
        if (before == null || !(before.op() instanceof Pad pad) || pad.before().size() != 4) {
            return;
        }
        boolean spatial = pad.before().get(0)
                        + pad.after().get(0)
                        + pad.before().get(3)
                        + pad.after().get(3)
                        + pad.between().stream().mapToInt(i -> i).sum()
                == 0;
        boolean takes = node.op() instanceof Conv2D || node.op() instanceof MaxPool2D pool && wins(pool, pad, before);
        if (spatial && takes) {
            pads.put(node, before);
            absorbed.put(before, true);
        }
    }

    /** Whether zeros around an image never are the larger ones, and no window sees nothing but them. */
    private boolean wins(MaxPool2D pool, Pad pad, Node node) {
        Node source = producer.get(node.inputs().get(0));
        return source != null
                && source.op() instanceof Elementwise e
                && e.f() instanceof ScalarFunction.Relu
                && pool.sliding().dilationH() == 1
                && pool.sliding().dilationW() == 1
                && Math.max(
                                pad.before().get(1) + pool.sliding().top(),
                                pad.after().get(1) + pool.sliding().bottom())
                        < pool.height()
                && Math.max(
                                pad.before().get(2) + pool.sliding().left(),
                                pad.after().get(2) + pool.sliding().right())
                        < pool.width();
    }

    private Sliding padded(Sliding sliding, Node padding) {
        if (padding == null) {
            return sliding;
        }
        Pad pad = (Pad) padding.op();
        return sliding.padded(
                pad.before().get(1),
                pad.after().get(1),
                pad.before().get(2),
                pad.after().get(2));
    }

    /** What a node reads first, behind the padding that it does itself. */
    private Value image(Node node) {
        Node padding = pads.get(node);
        return (padding == null ? node : padding).inputs().get(0);
    }

    private Conv2D convolutionOf(Node node) {
        Conv2D conv = (Conv2D) node.op();
        return new Conv2D(padded(conv.sliding(), pads.get(node)), conv.groups());
    }

    private void match(Node tail) {
        ScalarFunction f = null;
        Node below = tail;
        if (tail.op() instanceof Elementwise e && e.f().fromResult()) {
            f = e.f();
            below = only(tail.inputs().get(0));
        }
        if (below == null) {
            return;
        }
        Value residual = null;
        Core core = core(below);
        Node sum = null;
        if (core == null && below.op() instanceof Add) {
            Value a = below.inputs().get(0);
            Value b = below.inputs().get(1);
            if (a != b && a.shape().equals(b.shape())) {
                sum = below;
                core = only(a) == null ? null : core(only(a));
                residual = b;
                if (core == null && only(b) != null) {
                    core = core(only(b));
                    residual = a;
                }
            }
        }
        if (core == null) {
            return;
        }
        matches.put(tail, new Match(core, residual, f));
        absorb(tail, below, sum, core);
    }

    private void absorb(Node tail, Node below, Node sum, Core core) {
        absorbed.put(below, true);
        if (sum != null) {
            absorbed.put(sum, true);
        }
        if (core.norm != null) {
            absorbed.put(core.norm, true);
        }
        if (core.conv != null) {
            absorbed.put(core.conv, true);
        }
        if (core.biasAdd != null) {
            absorbed.put(core.biasAdd, true);
        }
        absorbed.remove(tail);
    }

    /** The chain's beginning if {@code node} is the last node of one, else null. */
    private Core core(Node node) {
        if (node.op() instanceof BatchNorm) {
            Value x = node.inputs().get(0);
            Node moments = producer.get(node.inputs().get(1));
            boolean own = moments != null
                    && moments.op() instanceof Moments
                    && moments.inputs().get(0) == x;
            Node before = own ? null : only(x);
            Core conv = before == null ? null : convolution(before);
            return conv == null ? new Core(null, null, node, own) : new Core(conv.conv, conv.biasAdd, node, false);
        }
        Core conv = convolution(node);
        return conv != null && conv.biasAdd != null ? conv : null;
    }

    /** A convolution, with its bias if one is added. */
    private Core convolution(Node node) {
        if (node.op() instanceof Conv2D) {
            return new Core(node, null, null, false);
        }
        if (node.op() instanceof Add) {
            Node conv = only(node.inputs().get(0));
            Value bias = node.inputs().get(1);
            if (conv != null
                    && conv.op() instanceof Conv2D
                    && bias.shape().equals(Shape.of(conv.output().shape().dim(3)))) {
                return new Core(conv, node, null, false);
            }
        }
        return null;
    }

    /** The node that makes a value read exactly once, else null. */
    private Node only(Value v) {
        return readers.getOrDefault(v, 0) == 1 ? producer.get(v) : null;
    }

    private void emit(Node tail) {
        Match match = matches.get(tail);
        if (match == null && pads.containsKey(tail)) {
            Op op = tail.op() instanceof MaxPool2D pool
                    ? new MaxPool2D(pool.height(), pool.width(), padded(pool.sliding(), pads.get(tail)))
                    : convolutionOf(tail);
            var inputs = new ArrayList<>(tail.inputs());
            inputs.set(0, image(tail));
            result.append(new Node(op, inputs, tail.output(), tail.scope()));
            return;
        }
        if (match == null) {
            result.append(tail);
            return;
        }
        Core core = match.core;
        if (core.conv == null) {
            Node norm = core.norm;
            var op = new FusedBatchNorm(
                    ((BatchNorm) norm.op()).epsilon(), core.ownMoments, match.residual != null, match.f);
            append(tail, op, norm.inputs(), match.residual);
            return;
        }
        Value w = core.conv.inputs().get(1);
        Value bias = core.bias();
        if (core.norm != null) {
            result.scope(tail.scope());
            double epsilon = ((BatchNorm) core.norm.op()).epsilon();
            List<Value> in = core.norm.inputs();
            Value mean = result.row(in.get(1), 0);
            Value variance = result.row(in.get(1), 1);
            Value deviation =
                    result.map(new ScalarFunction.Sqrt(), result.map(new ScalarFunction.Affine(1, epsilon), variance));
            Value s = result.divide(in.get(2), deviation);
            w = result.multiply(w, s);
            Value shift = bias == null ? result.scale(mean, -1) : result.subtract(bias, mean);
            bias = result.add(in.get(3), result.multiply(shift, s));
        }
        var op = new FusedConv2D(convolutionOf(core.conv), match.residual != null, match.f);
        append(tail, op, List.of(image(core.conv), w, bias), match.residual);
    }

    private void append(Node tail, Op op, List<Value> inputs, Value residual) {
        var all = new ArrayList<>(inputs);
        if (residual != null) {
            all.add(residual);
        }
        result.append(new Node(op, all, tail.output(), tail.scope()));
    }
}
