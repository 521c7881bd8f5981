package gradus.plan;

import gradus.backend.Backend;
import gradus.backend.StridedCopy;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

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
        this.nodes = graph.live();
        this.hoisted = hoist(graph);
        this.updates = !graph.updates().isEmpty();
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

    /**
     * Which nodes need not run every time: those that read constants, unchanging parameters and each other only, such as
     * the folding of batch norm into kernels.
     */
    private boolean[] hoist(Graph graph) {
        Map<Value, Boolean> fixed = new IdentityHashMap<>();
        graph.constants().forEach(v -> fixed.put(v, true));
        if (graph.updates().isEmpty()) {
            graph.parameters().values().forEach(v -> fixed.put(v, true));
        }
        var hoist = new boolean[nodes.size()];
        for (int i = 0; i < hoist.length; i++) {
            hoist[i] = nodes.get(i).inputs().stream().allMatch(fixed::containsKey);
            if (hoist[i]) {
                fixed.put(nodes.get(i).output(), true);
            }
        }
        return hoist;
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
        int last = hoisted[i] ? nodes.size() : Math.max(i, lastRead.getOrDefault(y, i));
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
                    && occursOnce(node, node.inputs().get(k))) {
                place = p;
            }
        }
        if (place == null) {
            place = new Place(y.shape().size(), hoisted[i] ? -1 : i, !hoisted[i]);
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

    /** Computes every node once, top to bottom. */
    public void run() {
        synchronized (backend) {
            boolean changed = seen != parameters.version();
            for (int i = 0; i < steps.size(); i++) {
                if (changed || i >= hoisted.length || !hoisted[i]) {
                    steps.get(i).run();
                }
            }
            backend.synchronize();
            if (updates) {
                parameters.changed();
            }
            seen = parameters.version();
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

    /** The nodes that are run, in order. */
    public List<Node> nodes() {
        return nodes;
    }

    /** Runs one node alone; for profiles. */
    public void runStep(int i) {
        synchronized (backend) {
            steps.get(i).run();
            backend.synchronize();
        }
    }

    /** Bytes of everything this plan holds, parameters included; known before the first run. */
    public long peakBytes() {
        return (slabElements + persistentElements) * backend.elementBytes() + parameters.bytes();
    }
}
