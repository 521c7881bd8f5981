package gradus.graph;

import gradus.op.Conv2DKernelGradient;
import gradus.op.FusedBatchNorm;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Half the activation memory of a training step for some more work: what derivatives read and is cheap to compute is computed
 * again instead of being kept from the forward pass on. As a function from graph to graph: a copy of the node stands right
 * before the first derivative that reads it, all derivatives read the copy, and the first result dies with its last reader in
 * the forward pass. Every bit stays the same, for the copy is the same operation on the same operands.
 *
 * <p>What a copy reads must still be there. It is computed again itself, once for all copies (a chain of residual sums is
 * rebuilt from its beginning when its end is needed); or a derivative reads it anyway, such as the convolution's result in
 * front of batch norm; or it is kept for the copy, and a value is computed again only where that costs less memory than it
 * frees. Where a copy would bring too many others with it, the value is kept: from there on the chain can be rebuilt.
 *
 * <p>Cheap are the operations with at most so many flops for each element of the result: first those that are little more than
 * a pass over memory, such as normalisation, ReLU, sums and pooling; then, limit by limit twice as much, convolutions from few
 * channels to many, until half is saved. Compare Chen et al. (2016), "Training deep nets with sublinear memory cost".
 */
public final class Recompute {
    /** Flops for each element of the result: from a pass over memory to any operation at all. */
    private static final long LEAST = 16;

    private static final long MOST = 1 << 14;

    /** A copy may bring as many others with it as fill this part of the memory, the smallest being 1 / MOST_PARTS. */
    private static final int MOST_PARTS = 64;

    private final Graph graph;
    private final long limit;
    private final long room;
    private final List<Node> nodes;
    private final List<Node> forward;
    private final Map<Value, Node> producer = new IdentityHashMap<>();
    private final Set<Value> kept = identitySet(); // until a derivative reads them
    private final Set<Value> again = identitySet();
    private final Map<Value, Value> copies = new IdentityHashMap<>();
    private final Graph result = new Graph();

    private Recompute(Graph graph, Value loss, long limit, long room) {
        this.graph = graph;
        this.limit = limit;
        this.room = room;
        nodes = graph.live();
        nodes.forEach(n -> producer.put(n.output(), n));
        if (!producer.containsKey(loss)) {
            throw new GradusException("the loss, after which the derivatives begin, is not computed by this graph");
        }
        forward = nodes.subList(0, nodes.indexOf(producer.get(loss)) + 1);
    }

    /**
     * @param graph forward pass, then derivatives and updates
     * @param loss the last value of the forward pass
     */
    public static Graph of(Graph graph, Value loss) {
        Graph best = graph;
        long before = elements(graph);
        long least = before;
        for (long limit = LEAST; limit <= MOST && 2 * least > before; limit *= 2) {
            for (int parts = 1; parts <= MOST_PARTS; parts *= 2) {
                var candidate = new Recompute(graph, loss, limit, before / parts);
                candidate.choose();
                Graph program = candidate.run();
                long elements = elements(program);
                if (elements < least) {
                    best = program;
                    least = elements;
                }
            }
        }
        return best;
    }

    /**
     * The same for nothing but what batch norm makes for a convolution and this convolution's kernel gradient: a backend that
     * {@link gradus.backend.Backend#normalizesOnTheWay} takes less time for that than for keeping it.
     */
    public static Graph normalized(Graph graph, Value loss) {
        var result = new Recompute(graph, loss, LEAST, Long.MAX_VALUE);
        result.forward.stream().filter(result::isNormalized).forEach(n -> result.again.add(n.output()));
        return result.run();
    }

    private boolean isNormalized(Node node) {
        Value y = node.output();
        List<Node> readers = nodes.subList(forward.size(), nodes.size()).stream()
                .filter(n -> n.inputs().contains(y))
                .toList();
        return node.op() instanceof FusedBatchNorm norm
                && !norm.residual()
                && readers.size() == 1
                && readers.getFirst().op() instanceof Conv2DKernelGradient
                && readers.getFirst().inputs().get(0) == y
                && !graph.outputs().containsValue(y)
                && !graph.updates().containsValue(y);
    }

    private Graph run() {
        result.takeDeclarations(graph);
        forward.forEach(result::append);
        for (Node node : nodes.subList(forward.size(), nodes.size())) {
            List<Value> inputs = node.inputs().stream().map(this::copy).toList();
            result.append(new Node(node.op(), inputs, node.output(), node.scope()));
        }
        graph.outputs().forEach(result::output);
        graph.updates().forEach(result::update);
        return result;
    }

    private void choose() {
        Set<Value> always = identitySet(); // there at the end of a run
        always.addAll(graph.outputs().values());
        always.addAll(graph.updates().values());
        kept.addAll(graph.inputs().values());
        kept.addAll(graph.parameters().values());
        kept.addAll(graph.constants());
        kept.addAll(always);
        nodes.subList(forward.size(), nodes.size()).forEach(n -> kept.addAll(n.inputs()));
        for (Node node : forward.reversed()) {
            if (node.op().isView()) { // of memory that is kept with it
                Value source = node.inputs().get(0);
                addIf(kept.contains(node.output()), kept, source);
                addIf(always.contains(node.output()), always, source);
            }
        }
        for (Node node : forward) {
            Value y = node.output();
            if (!kept.contains(y) || always.contains(y)) {
                continue;
            }
            if (!node.op().isView()) {
                consider(node);
            } else if (again.contains(node.inputs().get(0))) {
                kept.remove(y);
                again.add(y);
            }
        }
    }

    /** Decides on a value that a derivative reads, all above it being decided on. */
    private void consider(Node node) {
        if (!cheap(node)) {
            return;
        }
        Set<Value> between = identitySet(); // computed again for this one only
        Set<Value> needed = identitySet();
        trace(node, between, needed);
        Set<Value> brought = identitySet();
        gather(node, between, brought);
        if (size(needed) < node.output().shape().size() && size(brought) <= room) {
            kept.remove(node.output());
            kept.addAll(needed);
            again.add(node.output());
            again.addAll(between);
        }
    }

    private void trace(Node last, Set<Value> between, Set<Value> needed) {
        var stack = new ArrayDeque<>(last.inputs()); // networks are deeper than call stacks
        while (!stack.isEmpty()) {
            Value v = stack.pop();
            if (kept.contains(v) || again.contains(v) || between.contains(v)) {
                continue;
            }
            Node node = producer.get(v);
            if (cheap(node)) {
                between.add(v);
                stack.addAll(node.inputs());
            } else {
                needed.add(v);
            }
        }
    }

    /** All copies that there must be for a copy of the last node's result. */
    private void gather(Node last, Set<Value> between, Set<Value> brought) {
        var stack = new ArrayDeque<>(last.inputs());
        while (!stack.isEmpty()) {
            Value v = stack.pop();
            if ((again.contains(v) || between.contains(v)) && brought.add(v)) {
                stack.addAll(producer.get(v).inputs());
            }
        }
    }

    /** Not a sum over many elements either, whose result is small: there is next to nothing to be freed. */
    private boolean cheap(Node node) {
        Shape y = node.output().shape();
        return node.op().flops(node.inputShapes(), y) <= limit * y.size()
                && node.op().elements(node.inputShapes(), y) <= LEAST * y.size();
    }

    /** What a derivative reads in place of v: its copy, which is appended now if this is the first to read it. */
    private Value copy(Value v) {
        if (isThere(v)) {
            return copies.getOrDefault(v, v);
        }
        var stack = new ArrayDeque<>(List.of(v));
        while (!stack.isEmpty()) {
            Value next = stack.peek();
            Node node = producer.get(next);
            Optional<Value> first =
                    node.inputs().stream().filter(u -> !isThere(u)).findFirst();
            if (first.isPresent()) {
                stack.push(first.get());
                continue;
            }
            stack.pop();
            List<Value> inputs =
                    node.inputs().stream().map(u -> copies.getOrDefault(u, u)).toList();
            copies.put(next, new Value(next.shape()));
            result.append(new Node(node.op(), inputs, copies.get(next), node.scope()));
        }
        return copies.get(v);
    }

    private boolean isThere(Value v) {
        return !again.contains(v) || copies.containsKey(v);
    }

    /**
     * Elements of all values at the moment when they are most. Not of new parameters, which are computed in place, nor of
     * gradients that only these are made of, which a plan does as soon as it can.
     */
    private static long elements(Graph program) {
        List<Node> all = program.live();
        Set<Value> news = identitySet();
        news.addAll(program.updates().values());
        Map<Value, Value> source = new IdentityHashMap<>(); // of views
        Map<Value, Integer> last = new IdentityHashMap<>();
        for (int i = 0; i < all.size(); i++) {
            Node node = all.get(i);
            if (!news.contains(node.output())) {
                for (Value v : node.inputs()) {
                    last.put(source.getOrDefault(v, v), i);
                }
            }
            if (node.op().isView()) {
                Value of = node.inputs().get(0);
                source.put(node.output(), source.getOrDefault(of, of));
            }
        }
        program.outputs().values().forEach(v -> last.put(source.getOrDefault(v, v), all.size()));
        Set<Value> counted = identitySet();
        long alive = 0;
        long most = 0;
        for (int i = 0; i < all.size(); i++) {
            Node node = all.get(i);
            Value y = node.output();
            Set<Value> dying = identitySet();
            for (Value v : node.inputs()) {
                Value of = source.getOrDefault(v, v);
                addIf(last.getOrDefault(of, -1) == i && counted.remove(of), dying, of);
            }
            boolean overwrites = false;
            for (int k = 0; k < node.inputs().size(); k++) {
                Value v = node.inputs().get(k);
                overwrites |= node.op().mayOverwrite(k)
                        && dying.contains(v)
                        && v.shape().equals(y.shape());
            }
            if (!node.op().isView() && last.containsKey(y) && !news.contains(y)) {
                counted.add(y);
                alive += y.shape().size();
            }
            most = Math.max(most, overwrites ? alive - y.shape().size() : alive);
            alive -= size(dying);
        }
        return most;
    }

    private static long size(Collection<Value> values) {
        return values.stream().mapToLong(v -> v.shape().size()).sum();
    }

    private static void addIf(boolean condition, Set<Value> set, Value v) {
        if (condition) {
            set.add(v);
        }
    }

    private static Set<Value> identitySet() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }
}
