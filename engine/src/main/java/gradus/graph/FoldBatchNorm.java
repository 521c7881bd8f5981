package gradus.graph;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.op.Concat;
import gradus.op.Conv2D;
import gradus.op.Covariance;
import gradus.op.FusedBatchNorm;
import gradus.op.FusedConv2D;
import gradus.op.Moments;
import gradus.op.Op;
import gradus.op.Slice;
import gradus.op.Sliding;
import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Batch norm in training mode folded into the 1 x 1 convolution before it, as a function from {@link Fuse}d forward graph to graph. The
 * statistics of x w + b follow from those of x, which has fewer channels (C its covariance matrix, m its mean):
 *
 * <pre>
 * mean = m w + b     variance of output channel j = w_j' C w_j
 * y = f(x w s + beta + (b - mean) s + residual), s = gamma / sqrt(variance + epsilon)
 * </pre>
 *
 * so that x w + b is neither written nor read. {@link Gradient} finds the derivative: what comes back to y reaches x by way of w s as
 * behind any convolution, and by way of {@link Covariance}, a product of x with a square matrix. That is done
 *
 * <ul>
 *   <li>where only 1 x 1 convolutions with a stride read y, as at the end of a stage of a residual network: with stride 2 a quarter of
 *       its pixels. The others are there for the sake of statistics alone. So this convolution gets the stride and those none; of its
 *       arithmetic, forward and backward, and of the memory traffic of all that has as many channels, about a third is left;
 *   <li>where x has few channels and y many, so that covariances cost less than the memory traffic of x w + b.
 * </ul>
 *
 * <p>Numerically the variance is a sum over channels instead of one over pixels; rounding may make it negative where it is nothing
 * but rounding, so it is clipped at 0.
 */
public final class FoldBatchNorm {
    /** Most channels of x, and least channels of y for each of them, for which all pixels are worth the covariances. */
    private static final int NARROW = 64;

    private static final int WIDER = 4;

    private final Graph graph;
    private final Graph result = new Graph();
    private final Map<Value, Node> producer = new IdentityHashMap<>();
    private final Map<Value, List<Node>> readers = new IdentityHashMap<>();
    private final Map<Value, Boolean> kept = new IdentityHashMap<>(); // outputs and updates

    private final Map<Node, Chain> chains = new IdentityHashMap<>(); // by each of their nodes
    private final Map<Node, Boolean> strided = new IdentityHashMap<>(); // their readers
    private final Map<Value, Value> instead = new IdentityHashMap<>();

    /** A convolution, the moments of its result and the batch norm with these, whose result is read with these strides. */
    private static final class Chain {
        final Node conv;
        final Node moments;
        final Node norm;
        final int strideH;
        final int strideW;

        // once they are there
        Value mean;
        Value variance;

        Chain(Node conv, Node moments, Node norm, Sliding readers) {
            this.conv = conv;
            this.moments = moments;
            this.norm = norm;
            strideH = readers.strideH();
            strideW = readers.strideW();
        }

        Value bias() {
            return conv.inputs().size() > 2 ? conv.inputs().get(2) : null;
        }
    }

    private FoldBatchNorm(Graph graph) {
        this.graph = graph;
        result.takeDeclarations(graph);
        for (Node node : graph.live()) {
            producer.put(node.output(), node);
            node.inputs()
                    .forEach(v ->
                            readers.computeIfAbsent(v, _ -> new ArrayList<>()).add(node));
        }
        graph.outputs().values().forEach(v -> kept.put(v, true));
        graph.updates().values().forEach(v -> kept.put(v, true));
    }

    /** @param backend that will run the graph: one that computes no covariances gets it as it is */
    public static Graph of(Graph graph, Backend<?> backend) {
        return backend.covariances() ? new FoldBatchNorm(graph).run() : graph;
    }

    private Graph run() {
        List<Node> nodes = graph.live();
        nodes.forEach(this::match);
        for (Node node : nodes) {
            result.scope(node.scope());
            Chain chain = chains.get(node);
            if (chain == null) {
                result.append(strided.containsKey(node) ? withoutStride(node) : node);
            } else if (node == chain.moments) {
                statistics(chain);
            } else if (node == chain.norm) {
                folded(chain);
            }
        }
        result.scope("");
        graph.outputs().forEach(result::output);
        graph.updates().forEach(result::update);
        return result;
    }

    /** The convolution that a node is, if it is a 1 x 1 convolution of one group without padding, else null. */
    private static Conv2D pointwise(Node node) {
        Conv2D conv = switch (node.op()) {
            case Conv2D c -> c;
            case FusedConv2D(Conv2D c, boolean _, ScalarFunction _) -> c;
            default -> null;
        };
        if (conv == null || conv.groups() != 1) {
            return null;
        }
        Sliding s = conv.sliding();
        Shape w = node.inputs().get(1).shape();
        boolean plain = w.dim(0) * w.dim(1) == 1 && s.equals(Sliding.valid(s.strideH(), s.strideW()));
        return plain ? conv : null;
    }

    private void match(Node norm) {
        if (!(norm.op() instanceof FusedBatchNorm op) || !op.ownMoments()) {
            return;
        }
        Value x = norm.inputs().get(0);
        Node conv = producer.get(x);
        Node moments = producer.get(norm.inputs().get(1));
        List<Node> next = readers.getOrDefault(norm.output(), List.of());
        if (conv == null || kept.containsKey(x)) {
            return;
        }
        Conv2D own = pointwise(conv);
        boolean alone = own != null
                && own.sliding().equals(Sliding.valid(1, 1))
                && !(conv.op() instanceof FusedConv2D f && (f.residual() || f.f() != null))
                && moments.op() instanceof Moments
                && readers.get(x).size() == 2
                && readers.get(x).containsAll(List.of(moments, norm));
        if (!alone) {
            return;
        }
        Conv2D first = next.isEmpty() || kept.containsKey(norm.output()) ? null : pointwise(next.get(0));
        Sliding once = Sliding.valid(1, 1);
        boolean some = first != null
                && !first.sliding().equals(once)
                && next.stream()
                        .allMatch(reader -> pointwise(reader) != null
                                && pointwise(reader).sliding().equals(first.sliding())
                                && reader.inputs().lastIndexOf(norm.output()) == 0);
        int c = conv.inputs().get(1).shape().dim(2);
        int f = conv.inputs().get(1).shape().dim(3);
        if (some ? c <= f : c <= NARROW && WIDER * c <= f) { // else the covariances are as much work
            var chain = new Chain(conv, moments, norm, some ? first.sliding() : once);
            List.of(conv, moments, norm).forEach(n -> chains.put(n, chain));
            if (some) {
                next.forEach(n -> strided.put(n, true));
            }
        }
    }

    /** The moments of x w + b from those of x. */
    private void statistics(Chain chain) {
        Value w = chain.conv.inputs().get(1);
        int c = w.shape().dim(2);
        int f = w.shape().dim(3);
        Value y = result.apply(new Covariance(), read(chain.conv.inputs().get(0)));
        var product = new Conv2D(
                Sliding.valid(1, 1), 1); // of matrices; w as it is, because views keep parameters from updates in place
        Value matrix = result.reshape(Covariance.matrix(result, y), Shape.of(1, 1, c, c));
        Value squares = result.multiply(result.apply(product, matrix, w), w);
        chain.variance = result.map(new ScalarFunction.Relu(), result.sum(squares, 0, 3));
        Value mean = result.reshape(result.row(y, 0), Shape.of(1, 1, 1, c));
        chain.mean = result.reshape(result.apply(product, mean, w), Shape.of(f));
        if (chain.bias() != null) {
            chain.mean = result.add(chain.mean, chain.bias());
        }
        List<Value> rows =
                List.of(result.reshape(chain.mean, Shape.of(1, f)), result.reshape(chain.variance, Shape.of(1, f)));
        result.append(new Node(new Concat(0), rows, chain.moments.output(), chain.moments.scope()));
    }

    /** The convolution with batch norm in its kernel, at the pixels that are read. */
    private void folded(Chain chain) {
        var norm = (FusedBatchNorm) chain.norm.op();
        List<Value> in = chain.norm.inputs();
        var root = new ScalarFunction.Sqrt();
        Value deviation = result.map(root, result.map(new ScalarFunction.Affine(1, norm.epsilon()), chain.variance));
        Value s = result.divide(in.get(2), deviation);
        var inputs = new ArrayList<Value>();
        inputs.add(read(chain.conv.inputs().get(0)));
        inputs.add(result.multiply(chain.conv.inputs().get(1), s));
        // the bias has no effect, but a derivative, of zeros: optimizers go on to see it
        Value shift = chain.bias() == null ? result.scale(chain.mean, -1) : result.subtract(chain.bias(), chain.mean);
        inputs.add(result.add(in.get(3), result.multiply(shift, s)));
        boolean every = chain.strideH * chain.strideW == 1;
        Value y = every ? chain.norm.output() : new Value(pixels(chain));
        if (norm.residual()) {
            Value residual = read(in.get(4));
            var some = new Slice(List.of(0, 0, 0, 0), y.shape(), List.of(1, chain.strideH, chain.strideW, 1));
            inputs.add(every ? residual : result.apply(some, residual));
        }
        var conv = new Conv2D(Sliding.valid(chain.strideH, chain.strideW), 1);
        var op = new FusedConv2D(conv, norm.residual(), norm.f());
        result.append(new Node(op, inputs, y, chain.norm.scope()));
        if (!every) {
            instead.put(chain.norm.output(), y);
        }
    }

    /** The shape of the pixels that are read. */
    private static Shape pixels(Chain chain) {
        Shape all = chain.norm.output().shape();
        return all.with(1, (all.dim(1) - 1) / chain.strideH + 1).with(2, (all.dim(2) - 1) / chain.strideW + 1);
    }

    private Node withoutStride(Node node) {
        var conv = new Conv2D(Sliding.valid(1, 1), 1);
        Op op = node.op() instanceof FusedConv2D f ? new FusedConv2D(conv, f.residual(), f.f()) : conv;
        return new Node(op, node.inputs().stream().map(this::read).toList(), node.output(), node.scope());
    }

    private Value read(Value v) {
        return instead.getOrDefault(v, v);
    }
}
