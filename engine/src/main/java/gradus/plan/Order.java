package gradus.plan;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.op.AdamStep;
import gradus.op.BatchNormGradient;
import gradus.op.BatchNormSums;
import gradus.op.Conv2DInputGradient;
import gradus.op.Conv2DKernelGradient;
import gradus.op.FusedBatchNorm;
import gradus.op.FusedConv2D;
import gradus.op.FusedConv2DInputGradient;
import gradus.op.Lerp;
import gradus.op.LerpSquare;
import gradus.op.MatMul;
import gradus.op.Moments;
import gradus.op.Op;
import gradus.op.PrepareKernel;
import gradus.op.PreparedConv2D;
import gradus.op.PreparedMatMul;
import gradus.op.Sum;
import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * In which order a graph's nodes run on a backend, and which of them are computed in one call: first what depends on parameters
 * alone, kernels brought into the backend's own form among it; then the graph's order, but an optimizer's nodes as soon as they
 * can be computed, and nodes that a backend computes together side by side.
 */
final class Order {
    private final Graph graph;
    private final Backend<?> backend;
    private final List<Node> nodes = new ArrayList<>();
    private int hoisted;

    /** Nodes whose call is made together with the next one's; see {@link Backend#joined}. */
    private final Set<Node> joined = Collections.newSetFromMap(new IdentityHashMap<>());

    Order(Graph graph, Backend<?> backend) {
        this.graph = graph;
        this.backend = backend;
        arrange(prepared());
        bringTogether();
    }

    /** All nodes, in order. */
    List<Node> nodes() {
        return nodes;
    }

    /** So many nodes come first that depend on constants and parameters alone, which the graph does not change. */
    int hoisted() {
        return hoisted;
    }

    /** The first of the nodes whose calls are made together with this one's ... */
    int begin(int i) {
        while (i > 0 && joined.contains(nodes.get(i - 1))) {
            i--;
        }
        return i;
    }

    /** ... and the last. */
    int end(int i) {
        while (joined.contains(nodes.get(i))) {
            i++;
        }
        return i;
    }

    /** The values that stay the same from run to run: they depend on constants and unchanging parameters alone. */
    private Set<Value> fixed(List<Node> nodes) {
        Set<Value> fixed = Collections.newSetFromMap(new IdentityHashMap<>());
        fixed.addAll(graph.constants());
        if (graph.updates().isEmpty()) {
            fixed.addAll(graph.parameters().values());
        }
        for (Node node : nodes) {
            if (fixed.containsAll(node.inputs())) {
                fixed.add(node.output());
            }
        }
        return fixed;
    }

    /** The graph's nodes with kernels that stay the same brought into the form the backend likes best. */
    private List<Node> prepared() {
        var result = new ArrayList<Node>();
        Set<Value> fixed = fixed(graph.live());
        for (Node node : graph.live()) {
            result.addAll(
                    node.inputs().size() > 1 && fixed.contains(node.inputs().get(1)) ? prepared(node) : List.of(node));
        }
        return result;
    }

    /** A node whose second input stays the same, and before it the node that prepares that input if it can be. */
    private List<Node> prepared(Node node) {
        Value w = node.inputs().get(1);
        Window g;
        Op op;
        switch (node.op()) {
            case FusedConv2D conv -> {
                g = conv.window(node.inputShapes());
                op = new PreparedConv2D(conv, w.shape());
            }
            case MatMul(boolean transposeA, boolean transposeB)
            when !transposeA && !transposeB -> {
                int n = w.shape().dim(1);
                g = PreparedMatMul.window(
                        node.output().shape().dim(0), w.shape().dim(0), n);
                op = new PreparedMatMul(n);
            }
            default -> {
                return List.of(node);
            }
        }
        // what a kernel is brought to does not depend on the number of images, so that all batch sizes share it
        g = g.withImages(Math.min(g.n(), 1));
        long size = backend.preparedKernelSize(g);
        if (size <= 0 || size > Integer.MAX_VALUE) {
            return List.of(node);
        }
        var kernel = new Value(Shape.of((int) size));
        var inputs = new ArrayList<>(node.inputs());
        inputs.set(1, kernel);
        return List.of(
                new Node(new PrepareKernel(g, (int) size), List.of(w), kernel, node.scope()),
                new Node(op, inputs, node.output(), node.scope()));
    }

    /**
     * Puts first the nodes that need not run every time, such as the folding of batch norm into kernels, so that what only
     * they need occupies memory before the others begin.
     */
    private void arrange(List<Node> all) {
        Set<Value> fixed = fixed(all);
        all.stream().filter(n -> fixed.contains(n.output())).forEach(nodes::add);
        hoisted = nodes.size();
        updatesEarly(all.stream().filter(n -> !fixed.contains(n.output())).toList());
    }

    /**
     * Adds the nodes in order, except that an optimizer's come as soon as their inputs are there: a gradient is then still
     * in the caches, and its memory is free for the next.
     */
    private void updatesEarly(List<Node> all) {
        Set<Value> updated = Collections.newSetFromMap(new IdentityHashMap<>());
        updated.addAll(graph.updates().values());
        Map<Value, Boolean> missing = new IdentityHashMap<>();
        Map<Value, List<Node>> waiting = new IdentityHashMap<>();
        all.forEach(n -> missing.put(n.output(), true));
        Set<Node> done = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Node node : all) {
            if (isUpdate(node) || updated.contains(node.output())) {
                node.inputs()
                        .forEach(v -> waiting.computeIfAbsent(v, _ -> new ArrayList<>())
                                .add(node));
            }
        }
        for (Node node : all) {
            var ready = new ArrayDeque<Node>(List.of(node));
            while (!ready.isEmpty()) {
                Node next = ready.removeFirst();
                if (done.contains(next) || next.inputs().stream().anyMatch(missing::containsKey)) {
                    continue;
                }
                done.add(next);
                nodes.add(next);
                missing.remove(next.output());
                ready.addAll(waiting.getOrDefault(next.output(), List.of()));
            }
        }
    }

    /**
     * Puts the convolution, or input gradient, that reads a batch norm's result, or gradient, first, right behind it, or in a first
     * layer the kernel's gradient; in front of these a batch norm that the first one adds; right behind a convolution statistics of
     * its result; and behind an input gradient that of the kernel, if their other operands are there: the calls become one.
     */
    private void bringTogether() {
        for (int i = hoisted; i < nodes.size(); i++) {
            Op op = nodes.get(i).op();
            if (i + 1 < nodes.size() && isMadeFor(nodes.get(i), nodes.get(i + 1))) {
                joined.add(nodes.get(i));
            } else if (op instanceof FusedBatchNorm || op instanceof BatchNormGradient) {
                Value y = nodes.get(i).output();
                bringTogether(i, i, n -> isConvolution(n.op()) && n.inputs().get(0) == y, false);
                bringResidual(i);
                if (op instanceof BatchNormGradient) { // of a first layer: only the kernel's gradient reads it
                    bringTogether(i, i, n -> isKernelGradient(n, y) && isReadBy(y, List.of(n)), false);
                }
            } else if (isConvolution(op)) {
                int start = begin(i);
                Value y = nodes.get(i).output();
                bringTogether(start, i, n -> isStatistics(n.op()) && n.inputs().get(0) == y, true);
                bringKernelGradient(start, i);
            }
        }
    }

    /** In front of a batch norm that is computed with a convolution, another one whose result only it reads, and adds. */
    private void bringResidual(int i) {
        Node node = nodes.get(i);
        if (!(node.op() instanceof FusedBatchNorm norm) || !norm.residual() || !joined.contains(node)) {
            return;
        }
        Value residual = node.inputs().get(4);
        for (int at = i - 1; at >= hoisted; at--) {
            Node other = nodes.get(at);
            if (other.output() == residual) {
                if (other.op() instanceof FusedBatchNorm first
                        && !first.residual()
                        && first.f() == null
                        && !joined.contains(other)
                        && !readAfter(residual)
                        && nodes.stream()
                                        .filter(n -> n.inputs().contains(residual))
                                        .count()
                                == 1) {
                    nodes.remove(at);
                    nodes.add(i - 1, other);
                    joined.add(other);
                }
                return;
            }
        }
    }

    /** Behind the calls from {@code start} on with the input gradient i, if nobody else reads what a call before that has made. */
    private void bringKernelGradient(int start, int i) {
        Value dy = nodes.get(i).inputs().get(0);
        int end = end(i);
        List<Node> readers = nodes.stream().filter(n -> n.inputs().contains(dy)).toList();
        Node node = readers.getLast();
        int at = nodes.indexOf(node);
        if (at > end
                && node.op() instanceof Conv2DKernelGradient gradient
                && node.inputs().get(1) == dy
                && backend.joinsGradients(gradient.window(node.inputShapes()))
                && (start == i || readers.size() == 2 && !readAfter(dy))) {
            int from = isMadeFor(nodes.get(at - 1), node) ? at - 1 : at; // with the batch norm computed again for it
            List<Node> between = nodes.subList(start, from);
            if (between.stream().anyMatch(n -> nodes.get(from).inputs().contains(n.output()) && n.output() != dy)) {
                return;
            }
            for (int k = from; k <= at; k++) {
                joined.add(nodes.get(end));
                nodes.add(++end, nodes.remove(k));
            }
        }
    }

    /** Whether the first is a batch norm that is computed for a kernel's gradient alone. */
    private boolean isMadeFor(Node first, Node second) {
        return first.op() instanceof FusedBatchNorm norm
                && !norm.residual()
                && second.op() instanceof Conv2DKernelGradient
                && second.inputs().get(0) == first.output()
                && isReadBy(first.output(), List.of(second));
    }

    private boolean isReadBy(Value v, List<Node> readers) {
        return !readAfter(v)
                && readers.containsAll(
                        nodes.stream().filter(n -> n.inputs().contains(v)).toList());
    }

    /** Whether nobody reads the result of a node but the ones joined with it. */
    boolean alone(int i) {
        return isReadBy(nodes.get(i).output(), nodes.subList(i + 1, end(i) + 1));
    }

    private boolean readAfter(Value v) {
        return graph.outputs().containsValue(v) || graph.updates().containsValue(v);
    }

    /**
     * Right behind node i the first that reads its result, if that is the second, or the first second.
     *
     * @param start the first node of the call
     * @param any whether others may have read the result before
     */
    private void bringTogether(int start, int i, Predicate<Node> second, boolean any) {
        Node first = nodes.get(i);
        for (int at = i + 1; at < nodes.size(); at++) {
            Node node = nodes.get(at);
            if (!node.inputs().contains(first.output()) || any && !second.test(node)) {
                continue;
            }
            if (second.test(node)
                    && occursOnce(node, first.output())
                    && nodes.subList(start, at).stream()
                            .noneMatch(n -> n != first && node.inputs().contains(n.output()))) {
                nodes.remove(at);
                nodes.add(i + 1, node);
                joined.add(first);
            }
            return;
        }
    }

    private static boolean isUpdate(Node node) {
        return node.op() instanceof Lerp || node.op() instanceof LerpSquare || node.op() instanceof AdamStep;
    }

    static boolean isConvolution(Op op) {
        return op instanceof FusedConv2D || op instanceof Conv2DInputGradient || op instanceof FusedConv2DInputGradient;
    }

    private static boolean isKernelGradient(Node node, Value dy) {
        return node.op() instanceof Conv2DKernelGradient && node.inputs().get(1) == dy;
    }

    /** Of a convolution's result, channel by channel. */
    private static boolean isStatistics(Op op) {
        return op instanceof Moments
                || op instanceof BatchNormSums
                || op instanceof Sum(int from, int to) && from == 0 && to == 3;
    }

    static boolean occursOnce(Node node, Value v) {
        return node.inputs().stream().filter(i -> i == v).count() == 1;
    }
}
