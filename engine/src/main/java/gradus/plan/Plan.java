package gradus.plan;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
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
import gradus.op.Value;
import gradus.plan.Parameters.Derived;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * A graph bound to a backend: every value has its place in memory, every node is a call with its arguments filled in.
 * Running it again and again allocates nothing.
 *
 * <p>Places are reused: a value occupies memory from the node that makes it to the last one that reads it. An op that may
 * overwrite an operand does so when that is the operand's last use, and a parameter's new value is computed in the
 * parameter's own memory when all who read the old one have done so.
 *
 * @param <B> memory of the backend
 */
public final class Plan<B> {
    private static final int ALIGNMENT = 16; // elements: 64 bytes of float32

    private final Backend<B> backend;
    private final Parameters<B> parameters;
    private final Map<String, B> inputs = new LinkedHashMap<>();
    private final Map<String, B> outputs = new LinkedHashMap<>();
    private final Map<String, Shape> inputShapes = new LinkedHashMap<>();
    private final Map<String, Shape> outputShapes = new LinkedHashMap<>();
    private final List<Node> nodes;
    private final List<Runnable> steps = new ArrayList<>();
    private int hoisted; // so many nodes come first that depend on parameters alone, which this plan does not change
    private final List<Derived<B>> derived = new ArrayList<>(); // the results of these, whoever computes them
    private final Set<Value> kept = Collections.newSetFromMap(new IdentityHashMap<>()); // of them, and of parameters
    private final Map<Integer, List<Runnable>> loads =
            new HashMap<>(); // of parameters, by the node they are copied for
    /** Nodes whose call is made together with the next one's; see {@link Backend#joined}. */
    private final Set<Node> joined = Collections.newSetFromMap(new IdentityHashMap<>());

    private final boolean updates;
    private final Runnable program; // the steps of every run
    private long seen = -1; // version of the parameters when this plan last looked at them
    private final Map<Value, Place> places = new IdentityHashMap<>();
    private final List<Place> scratch = new ArrayList<>();
    private long slabElements;
    private long persistentElements;

    /** Memory of one or more values: those that are views or overwrite each other share one. */
    private final class Place {
        final long size;
        final int born;
        int lastRead;
        boolean overwritable;
        long offset = -1;
        B memory;

        Place(long size, int born, boolean overwritable) {
            this.size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            this.born = born;
            this.lastRead = born;
            this.overwritable = overwritable;
        }
    }

    private Plan(Graph graph, Parameters<B> parameters) {
        this.backend = parameters.backend();
        this.parameters = parameters;
        this.updates = !graph.updates().isEmpty();
        this.nodes = new ArrayList<>();
        arrange(prepared(graph), graph);
        bringTogether(graph);
        keep(graph);
        Map<Value, Integer> lastRead = lastReads(graph);
        placeDeclared(graph);
        derive(graph);
        Map<Value, Place> inPlace = updatesInPlace(graph, lastRead);
        Map<Value, String> names = new IdentityHashMap<>();
        graph.parameters().forEach((name, v) -> names.put(v, name));
        for (int i = 0; i < nodes.size(); i++) {
            load(nodes.get(i), i, names, lastRead);
            place(nodes.get(i), i, lastRead, inPlace);
        }
        slabElements = assignOffsets();
        B slab = backend.allocate(slabElements);
        scratch.forEach(p -> p.memory = backend.slice(slab, p.offset, p.size));
        bind(graph);
        synchronized (backend) {
            backend.reserve(() -> steps.forEach(Runnable::run));
        }
        program = backend.recorded(() -> {
            for (int i = hoisted; i < steps.size(); i++) {
                step(i, null);
            }
        });
    }

    public static <B> Plan<B> of(Graph graph, Backend<B> backend) {
        return new Plan<>(graph, new Parameters<>(backend));
    }

    public static <B> Plan<B> of(Graph graph, Parameters<B> parameters) {
        return new Plan<>(graph, parameters);
    }

    /** For each value the index of the last node that reads it; outputs and pending updates are read after the end. */
    private Map<Value, Integer> lastReads(Graph graph) {
        Map<Value, Integer> last = new IdentityHashMap<>();
        for (int i = 0; i < nodes.size(); i++) {
            for (Value v : nodes.get(i).inputs()) {
                last.put(v, i);
            }
        }
        for (int i = 0; i < nodes.size(); i++) {
            for (Value v : nodes.get(i).inputs()) {
                last.merge(v, end(i), Math::max);
            }
        }
        graph.outputs().values().forEach(v -> last.put(v, nodes.size()));
        graph.updates().values().forEach(v -> last.put(v, nodes.size()));
        return last;
    }

    /** The values that stay the same from run to run: they depend on constants and unchanging parameters alone. */
    private Set<Value> fixed(Graph graph, List<Node> nodes) {
        Set<Value> fixed = Collections.newSetFromMap(new IdentityHashMap<>());
        fixed.addAll(graph.constants());
        if (!updates) {
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
    private List<Node> prepared(Graph graph) {
        var result = new ArrayList<Node>();
        Set<Value> fixed = fixed(graph, graph.live());
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
    private void arrange(List<Node> all, Graph graph) {
        Set<Value> fixed = fixed(graph, all);
        all.stream().filter(n -> fixed.contains(n.output())).forEach(nodes::add);
        hoisted = nodes.size();
        updatesEarly(all.stream().filter(n -> !fixed.contains(n.output())).toList(), graph);
    }

    /** Notes what is read in every run or after it, and what views of that are views of. */
    private void keep(Graph graph) {
        nodes.subList(hoisted, nodes.size()).forEach(n -> kept.addAll(n.inputs()));
        kept.addAll(graph.outputs().values());
        kept.addAll(graph.updates().values());
        for (Node node : nodes.subList(0, hoisted).reversed()) {
            if (kept.contains(node.output()) && node.op().isView()) {
                kept.add(node.inputs().get(0));
            }
        }
    }

    /**
     * Adds the nodes in order, except that an optimizer's come as soon as their inputs are there: a gradient is then still
     * in the caches, and its memory is free for the next.
     */
    private void updatesEarly(List<Node> all, Graph graph) {
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
     * Puts the convolution, or input gradient, that reads a batch norm's result, or gradient, first, right behind it, in front of these a
     * batch norm that the first one adds, right behind a convolution statistics of its result, and behind an input gradient that of
     * the kernel, if their other operands are there: the calls become one.
     */
    private void bringTogether(Graph graph) {
        for (int i = hoisted; i < nodes.size(); i++) {
            Op op = nodes.get(i).op();
            if (op instanceof FusedBatchNorm || op instanceof BatchNormGradient) {
                bringTogether(i, i, Plan::isConvolution, false);
                bringResidual(graph, i);
            } else if (isConvolution(op)) {
                int start = i;
                while (start > 0 && joined.contains(nodes.get(start - 1))) {
                    start--;
                }
                bringTogether(start, i, n -> n instanceof Moments || n instanceof BatchNormSums, true);
                bringKernelGradient(graph, start, i);
            }
        }
    }

    /** In front of a batch norm that is computed with a convolution, another one whose result only it reads, and adds. */
    private void bringResidual(Graph graph, int i) {
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
                        && !readAfter(graph, residual)
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
    private void bringKernelGradient(Graph graph, int start, int i) {
        Value dy = nodes.get(i).inputs().get(0);
        int end = end(i);
        List<Node> readers = nodes.stream().filter(n -> n.inputs().contains(dy)).toList();
        Node node = readers.getLast();
        int at = nodes.indexOf(node);
        if (at > end
                && node.op() instanceof Conv2DKernelGradient gradient
                && node.inputs().get(1) == dy
                && backend.joinsGradients(gradient.window(node.inputShapes()))
                && nodes.subList(start, at).stream()
                        .noneMatch(n -> n.output() == node.inputs().get(0))
                && (start == i || readers.size() == 2 && !readAfter(graph, dy))) {
            nodes.remove(at);
            nodes.add(end + 1, node);
            joined.add(nodes.get(end));
        }
    }

    private static boolean readAfter(Graph graph, Value v) {
        return graph.outputs().containsValue(v) || graph.updates().containsValue(v);
    }

    private static boolean isConvolution(Op op) {
        return op instanceof FusedConv2D || op instanceof Conv2DInputGradient || op instanceof FusedConv2DInputGradient;
    }

    /**
     * @param start the first node of the call
     * @param any whether others may have read the result before
     */
    private void bringTogether(int start, int i, Predicate<Op> second, boolean any) {
        Node first = nodes.get(i);
        for (int at = i + 1; at < nodes.size(); at++) {
            Node node = nodes.get(at);
            if (!node.inputs().contains(first.output()) || any && !second.test(node.op())) {
                continue;
            }
            if (second.test(node.op())
                    && node.inputs().get(0) == first.output()
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

    /** The last of the nodes whose calls are made together with this one's. */
    private int end(int i) {
        while (joined.contains(nodes.get(i))) {
            i++;
        }
        return i;
    }

    private static boolean isUpdate(Node node) {
        return node.op() instanceof Lerp || node.op() instanceof LerpSquare || node.op() instanceof AdamStep;
    }

    private void placeDeclared(Graph graph) {
        graph.parameters().forEach((name, v) -> {
            parameters.declare(name, v.shape());
            if (kept.contains(v) || graph.updates().containsKey(name) || parameters.inMemory(name)) {
                declare(v, parameters.memory(name));
            }
        });
        graph.inputs().forEach((name, v) -> {
            B memory = persistent(v);
            inputs.put(name, memory);
            inputShapes.put(name, v.shape());
            declare(v, memory);
        });
        for (Value v : graph.constants()) {
            B memory = persistent(v);
            backend.write(graph.constantOf(v), memory);
            declare(v, memory);
        }
    }

    /** Finds or makes what is computed once; what is read in every run has memory of its own, shared with other plans. */
    private void derive(Graph graph) {
        parameters.purge();
        Map<Value, Object> known = new IdentityHashMap<>();
        graph.parameters().forEach((name, v) -> known.put(v, name));
        graph.constants().forEach(v -> known.put(v, graph.constantOf(v)));
        for (Node node : nodes.subList(0, hoisted)) {
            Value y = node.output();
            List<Object> operands = node.inputs().stream().map(known::get).toList();
            Derived<B> value = parameters.derived(node.op(), operands, y.shape());
            known.put(y, value);
            derived.add(value);
            if (!kept.contains(y)) {
                continue;
            }
            if (node.op().isView()) {
                places.put(y, places.get(node.inputs().get(0)));
                value.memory = places.get(y).memory;
            } else {
                if (value.memory == null) {
                    value.memory = backend.allocate(y.shape().size());
                }
                declare(y, value.memory);
            }
        }
    }

    /** Has the parameters that only hoisted nodes read copied to scratch memory when the first of these needs them. */
    private void load(Node node, int i, Map<Value, String> names, Map<Value, Integer> lastRead) {
        for (Value v : node.inputs()) {
            if (!places.containsKey(v)) {
                var place = new Place(v.shape().size(), i, true);
                place.lastRead = lastRead.get(v);
                places.put(v, place);
                scratch.add(place);
                String name = names.get(v);
                loads.computeIfAbsent(i, _ -> new ArrayList<>()).add(() -> parameters.load(name, place.memory));
            }
        }
    }

    private B persistent(Value v) {
        persistentElements += v.shape().size();
        return backend.allocate(v.shape().size());
    }

    private void declare(Value v, B memory) {
        var place = new Place(v.shape().size(), -1, false);
        place.memory = memory;
        places.put(v, place);
    }

    /** New parameter values that can be computed right in the parameter's memory. */
    private Map<Value, Place> updatesInPlace(Graph graph, Map<Value, Integer> lastRead) {
        Map<Value, Integer> writer = new IdentityHashMap<>();
        for (int i = 0; i < nodes.size(); i++) {
            writer.put(nodes.get(i).output(), i);
        }
        Map<Value, Place> result = new IdentityHashMap<>();
        graph.updates().forEach((name, v) -> {
            Value p = graph.parameters().get(name);
            Integer at = writer.get(v);
            if (at == null || at < hoisted || graph.outputs().containsValue(p)) {
                return;
            }
            Node node = nodes.get(at);
            int operand = node.inputs().indexOf(p);
            boolean last = lastRead.getOrDefault(p, -1) <= at && !viewed(p);
            boolean fits = operand < 0 || node.op().mayOverwrite(operand) && occursOnce(node, p);
            if (last && fits && !node.op().isView()) {
                result.putIfAbsent(v, places.get(p));
            }
        });
        return result;
    }

    private boolean mayOverwrite(Op op, int input) {
        return op.mayOverwrite(input)
                || input == 2 && op instanceof FusedConv2DInputGradient && backend.inputGradientInPlace();
    }

    private boolean viewed(Value v) {
        return nodes.stream().anyMatch(n -> n.op().isView() && n.inputs().get(0) == v);
    }

    private static boolean occursOnce(Node node, Value v) {
        return node.inputs().stream().filter(i -> i == v).count() == 1;
    }

    private void place(Node node, int i, Map<Value, Integer> lastRead, Map<Value, Place> inPlace) {
        Value y = node.output();
        if (i < hoisted && kept.contains(y)) {
            return; // has memory of its own
        }
        int last = Math.max(i, lastRead.getOrDefault(y, i));
        Place place = inPlace.get(y);
        if (place == null && node.op().isView()) {
            place = places.get(node.inputs().get(0));
        }
        int end = end(i); // what is computed in place must not be read by those after it
        for (int k = 0; place == null && k < node.inputs().size(); k++) {
            Place p = places.get(node.inputs().get(k));
            if (mayOverwrite(node.op(), k)
                    && p.overwritable
                    && p.lastRead == end
                    && nodes.subList(i + 1, end + 1).stream()
                            .noneMatch(n -> n.inputs().stream().anyMatch(v -> places.get(v) == p))
                    && node.inputs().get(k).shape().equals(y.shape())
                    && node.inputs().stream().filter(v -> places.get(v) == p).count() == 1) {
                place = p;
            }
        }
        if (place == null) {
            place = new Place(y.shape().size(), i, true);
            scratch.add(place);
        }
        place.lastRead = Math.max(place.lastRead, last); // a view may be read later than its source
        places.put(y, place);
    }

    /** Largest first, each at the lowest offset where nothing lives at the same time. Returns the elements needed. */
    private long assignOffsets() {
        var order = new ArrayList<>(scratch);
        order.sort((a, b) -> a.size != b.size ? Long.compare(b.size, a.size) : Integer.compare(a.born, b.born));
        var placed = new ArrayList<Place>();
        long end = 0;
        for (Place p : order) {
            long offset = 0;
            for (Place q : placed) { // sorted by offset
                boolean together = q.born <= p.lastRead && p.born <= q.lastRead;
                if (together && q.offset < offset + p.size && offset < q.offset + q.size) {
                    offset = q.offset + q.size;
                }
            }
            p.offset = offset;
            int at = 0;
            while (at < placed.size() && placed.get(at).offset <= offset) {
                at++;
            }
            placed.add(at, p);
            end = Math.max(end, offset + p.size);
        }
        return end;
    }

    private void bind(Graph graph) {
        for (Node node : nodes) {
            List<B> operands =
                    node.inputs().stream().map(v -> places.get(v).memory).toList();
            B y = places.get(node.output()).memory;
            steps.add(node.op()
                    .bind(backend, node.inputShapes(), operands, node.output().shape(), y));
        }
        joinAdam();
        for (int i = 0; i < nodes.size(); i++) {
            int end = end(i);
            if (end > i) {
                int at = i;
                while (!isConvolution(nodes.get(at).op())) {
                    at++;
                }
                boolean both = nodes.get(end).op() instanceof Conv2DKernelGradient;
                Runnable residual = steps.get(i);
                Runnable norm = steps.get(Math.max(i, at - 1));
                Runnable first = at == i
                        ? null
                        : at == i + 1
                                ? norm
                                : () -> {
                                    residual.run();
                                    norm.run();
                                };
                Runnable product = steps.get(at);
                Runnable gradient = both ? steps.get(end) : null;
                int statistics = both ? end - 1 : end;
                Runnable last = at == statistics ? null : steps.get(statistics);
                for (int k = i; k <= end; k++) {
                    steps.set(k, () -> {});
                }
                steps.set(at, () -> backend.joined(first, product, gradient, last));
                i = end;
            }
        }
        // What could not be computed in place is copied when every reader is done; a new value that is itself a
        // parameter
        // is set aside first, since that parameter may be about to change too.
        var last = new ArrayList<Runnable>();
        graph.updates().forEach((name, v) -> {
            B p = places.get(graph.parameters().get(name)).memory;
            B value = places.get(v).memory;
            if (p != value) {
                boolean declared = places.get(v).offset < 0;
                B from = declared ? persistent(v) : value;
                if (declared) {
                    last.addFirst(copy(v.shape().size(), value, from));
                }
                last.addLast(copy(v.shape().size(), from, p));
            }
        });
        steps.addAll(last);
        graph.outputs().forEach((name, v) -> {
            outputs.put(name, places.get(v).memory);
            outputShapes.put(name, v.shape());
        });
    }

    /** One call instead of three where Adam's averages and its step are all computed in place and nobody looks between. */
    private void joinAdam() {
        Map<Value, Integer> writer = new IdentityHashMap<>();
        Map<Value, Integer> readers = new IdentityHashMap<>();
        for (int i = 0; i < nodes.size(); i++) {
            writer.put(nodes.get(i).output(), i);
            nodes.get(i).inputs().forEach(v -> readers.merge(v, 1, Integer::sum));
        }
        for (int i = 0; i < nodes.size(); i++) {
            Node step = nodes.get(i);
            if (!(step.op() instanceof AdamStep(double epsilon)) || !inPlace(step)) {
                continue;
            }
            Integer first = writer.get(step.inputs().get(1));
            Integer second = writer.get(step.inputs().get(2));
            if (first == null || second == null) {
                continue;
            }
            Node m = nodes.get(first);
            Node v = nodes.get(second);
            if (m.op() instanceof Lerp(double t1)
                    && v.op() instanceof LerpSquare(double t2)
                    && m.inputs().get(1) == v.inputs().get(1)
                    && inPlace(m)
                    && inPlace(v)
                    && readers.get(m.output()) == 1
                    && readers.get(v.output()) == 1) {
                int n = step.output().shape().size();
                B w = memory(step.output());
                B g = memory(m.inputs().get(1));
                B rate = memory(step.inputs().get(3));
                steps.set(first, () -> {});
                steps.set(second, () -> {});
                B mean = memory(m.output());
                B square = memory(v.output());
                steps.set(i, () -> backend.adam(n, t1, t2, epsilon, w, mean, square, g, rate));
            }
        }
    }

    private B memory(Value v) {
        return places.get(v).memory;
    }

    private boolean inPlace(Node node) {
        return places.get(node.output()) == places.get(node.inputs().get(0));
    }

    private Runnable copy(int n, B x, B y) {
        StridedCopy view = all(n);
        return () -> backend.copy(view, x, y);
    }

    private static StridedCopy all(int n) {
        return new StridedCopy(new int[] {n}, 0, new int[] {1}, 0, new int[] {1});
    }

    /** y = x. */
    static <B> void copy(Backend<B> backend, int n, B x, B y) {
        backend.copy(all(n), x, y);
    }

    /**
     * Sets an input for the following runs.
     *
     * @throws ShapeException if its shape is not the graph's
     */
    public void feed(String name, Tensor value) {
        B memory = inputs.get(name);
        if (memory == null) {
            throw new GradusException("no input '" + name + "'; there are " + inputs.keySet());
        }
        if (!inputShapes.get(name).equals(value.shape())) {
            throw new ShapeException(
                    "input '" + name + "' must be " + inputShapes.get(name) + ", not " + value.shape());
        }
        synchronized (backend) {
            backend.write(value, memory);
        }
    }

    /**
     * Computes every node once, top to bottom; those that depend on parameters alone only if these have changed. May
     * return before a device is done: who asks for an output, a parameter or {@link Backend#synchronize} waits for it.
     *
     * @throws GradusException if a parameter is to be read from where it no longer can be, such as a file that was cut short
     */
    public void run() {
        synchronized (backend) {
            if (seen != parameters.version()) {
                refresh(null);
            }
            program.run();
            ran();
        }
    }

    /**
     * Runs, and tells for each of {@link #nodes} how many nanoseconds it took; 0 for what need not run again. Nodes that are
     * computed in one call are counted at the product among them, both gradients of a convolution each by its operations.
     */
    public long[] timedRun() {
        var nanos = new long[steps.size()];
        synchronized (backend) {
            backend.synchronize();
            if (seen != parameters.version()) {
                refresh(nanos);
            }
            for (int i = hoisted; i < steps.size(); i++) {
                step(i, nanos);
            }
            ran();
        }
        shareOut(nanos);
        return Arrays.copyOf(nanos, nodes.size());
    }

    /** The time of a joint call is counted at those that it was made of, according to their operations. */
    private void shareOut(long[] nanos) {
        for (int i = 0; i < nodes.size(); i++) {
            int end = end(i);
            if (end > i && nodes.get(end).op() instanceof Conv2DKernelGradient) {
                long all = Arrays.stream(nanos, i, end + 1).sum();
                double flops = nodes.subList(i, end + 1).stream()
                        .mapToDouble(Plan::flops)
                        .sum();
                for (int k = i; k <= end; k++) {
                    nanos[k] = Math.round(all * flops(nodes.get(k)) / flops);
                }
                i = end;
            }
        }
    }

    private static double flops(Node node) {
        return node.op().flops(node.inputShapes(), node.output().shape());
    }

    private void ran() {
        if (updates) {
            parameters.changed();
        }
        seen = parameters.version();
    }

    private void step(int i, long[] nanos) {
        long start = nanos == null ? 0 : System.nanoTime();
        steps.get(i).run();
        if (nanos != null) {
            backend.synchronize();
            nanos[i] = System.nanoTime() - start;
        }
    }

    /** Computes what parameters have changed and no other plan has computed since. */
    private void refresh(long[] nanos) {
        Set<Value> needed = Collections.newSetFromMap(new IdentityHashMap<>());
        for (int i = hoisted - 1; i >= 0; i--) {
            Node node = nodes.get(i);
            Value y = node.output();
            if (kept.contains(y) ? !parameters.isFresh(derived.get(i)) : needed.contains(y)) {
                needed.add(y);
                needed.addAll(node.inputs());
            } else {
                needed.remove(y); // it is there already
            }
        }
        for (int i = 0; i < hoisted; i++) {
            if (needed.contains(nodes.get(i).output())) {
                loads.getOrDefault(i, List.of()).forEach(Runnable::run);
                step(i, nanos);
                if (kept.contains(nodes.get(i).output())) {
                    parameters.madeFresh(derived.get(i));
                }
            }
        }
    }

    /** A copy of an output's value after the last run. */
    public Tensor output(String name) {
        B memory = outputs.get(name);
        if (memory == null) {
            throw new GradusException("no output '" + name + "'; there are " + outputs.keySet());
        }
        synchronized (backend) {
            return backend.read(memory, outputShapes.get(name));
        }
    }

    public Parameters<B> parameters() {
        return parameters;
    }

    public Backend<B> backend() {
        return backend;
    }

    /** The nodes that are run, in order. */
    public List<Node> nodes() {
        return nodes;
    }

    /**
     * Bytes of everything this plan holds, parameters and the backend's scratch memory included; known before the first run.
     * Parameters that are borrowed are not. Scratch memory is shared: it is what the backend's most demanding user needs.
     */
    public long peakBytes() {
        return peakBytes(List.of(this));
    }

    /** The same for several plans with the same parameters and so the same backend: what they share is counted once. */
    public static <B> long peakBytes(Collection<Plan<B>> plans) {
        Set<Derived<B>> shared = Collections.newSetFromMap(new IdentityHashMap<>());
        long bytes = 0;
        Parameters<B> parameters = null;
        for (Plan<B> plan : plans) {
            parameters = plan.parameters;
            bytes += (plan.slabElements + plan.persistentElements) * plan.backend.elementBytes();
            for (int i = 0; i < plan.hoisted; i++) {
                Node node = plan.nodes.get(i);
                if (plan.kept.contains(node.output()) && !node.op().isView() && shared.add(plan.derived.get(i))) {
                    bytes += (long) node.output().shape().size() * plan.backend.elementBytes();
                }
            }
        }
        return bytes
                + (parameters == null
                        ? 0
                        : parameters.bytes() + parameters.backend().scratchBytes());
    }
}
