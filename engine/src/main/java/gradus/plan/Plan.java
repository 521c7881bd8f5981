package gradus.plan;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.backend.Window;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.op.AdamStep;
import gradus.op.FusedConv2D;
import gradus.op.Lerp;
import gradus.op.LerpSquare;
import gradus.op.MatMul;
import gradus.op.Op;
import gradus.op.PrepareKernel;
import gradus.op.PreparedConv2D;
import gradus.op.PreparedMatMul;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

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
    private final boolean[] hoisted; // nodes that depend on parameters alone, which this plan does not change
    private final boolean updates;
    private int first; // of the steps of every run: those before are the hoisted nodes
    private final Runnable program; // the steps of every run
    private long seen = -1; // version of the parameters for which the hoisted nodes were run
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
        this.hoisted = arrange(prepared(graph), graph);
        Map<Value, Integer> lastRead = lastReads(graph);
        placeDeclared(graph);
        Map<Value, Place> inPlace = updatesInPlace(graph, lastRead);
        for (int i = 0; i < nodes.size(); i++) {
            place(nodes.get(i), i, lastRead, inPlace);
        }
        slabElements = assignOffsets();
        B slab = backend.allocate(slabElements);
        scratch.forEach(p -> p.memory = backend.slice(slab, p.offset, p.size));
        bind(graph);
        program = backend.recorded(() -> run(first, steps.size()));
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
     * they need occupies memory before the others begin. Returns which ones these are.
     */
    private boolean[] arrange(List<Node> all, Graph graph) {
        Set<Value> fixed = fixed(graph, all);
        all.stream().filter(n -> fixed.contains(n.output())).forEach(nodes::add);
        var hoisted = new boolean[all.size()];
        first = nodes.size();
        Arrays.fill(hoisted, 0, first, true);
        updatesEarly(all.stream().filter(n -> !fixed.contains(n.output())).toList());
        return hoisted;
    }

    /**
     * Adds the nodes in order, except that an optimizer's come as soon as their inputs are there: a gradient is then still
     * in the caches, and its memory is free for the next.
     */
    private void updatesEarly(List<Node> all) {
        Map<Value, Boolean> missing = new IdentityHashMap<>();
        Map<Value, List<Node>> waiting = new IdentityHashMap<>();
        all.forEach(n -> missing.put(n.output(), true));
        Set<Node> done = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Node node : all) {
            if (isUpdate(node)) {
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

    private static boolean isUpdate(Node node) {
        return node.op() instanceof Lerp || node.op() instanceof LerpSquare || node.op() instanceof AdamStep;
    }

    private void placeDeclared(Graph graph) {
        graph.parameters().forEach((name, v) -> declare(v, parameters.memory(name, v.shape())));
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
            if (at == null || graph.outputs().containsValue(p)) {
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

    private boolean viewed(Value v) {
        return nodes.stream().anyMatch(n -> n.op().isView() && n.inputs().get(0) == v);
    }

    private static boolean occursOnce(Node node, Value v) {
        return node.inputs().stream().filter(i -> i == v).count() == 1;
    }

    private void place(Node node, int i, Map<Value, Integer> lastRead, Map<Value, Place> inPlace) {
        Value y = node.output();
        int last = Math.max(i, lastRead.getOrDefault(y, i));
        if (hoisted[i] && last < nodes.size() && !hoisted[last]) {
            last = nodes.size(); // read in every run
        }
        Place place = inPlace.get(y);
        if (place == null && node.op().isView()) {
            place = places.get(node.inputs().get(0));
        }
        for (int k = 0; place == null && k < node.inputs().size(); k++) {
            Place p = places.get(node.inputs().get(k));
            if (node.op().mayOverwrite(k)
                    && p.overwritable
                    && p.lastRead == i
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
        place.overwritable &= !hoisted[i] || last < nodes.size();
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
        var view = new StridedCopy(new int[] {n}, 0, new int[] {1}, 0, new int[] {1});
        return () -> backend.copy(view, x, y);
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
     */
    public void run() {
        synchronized (backend) {
            if (seen != parameters.version()) {
                run(0, first);
            }
            program.run();
            ran();
        }
    }

    /** Runs, and tells for each of {@link #nodes} how many nanoseconds it took; 0 for what need not run again. */
    public long[] timedRun() {
        var nanos = new long[steps.size()];
        synchronized (backend) {
            backend.synchronize();
            for (int i = seen != parameters.version() ? 0 : first; i < steps.size(); i++) {
                long start = System.nanoTime();
                steps.get(i).run();
                backend.synchronize();
                nanos[i] = System.nanoTime() - start;
            }
            ran();
        }
        return Arrays.copyOf(nanos, nodes.size());
    }

    private void run(int from, int to) {
        for (int i = from; i < to; i++) {
            steps.get(i).run();
        }
    }

    private void ran() {
        if (updates) {
            parameters.changed();
        }
        seen = parameters.version();
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

    /** Bytes of everything this plan holds, parameters included; known before the first run. */
    public long peakBytes() {
        return (slabElements + persistentElements) * backend.elementBytes() + parameters.bytes();
    }
}
