package gradus.plan;

import gradus.backend.Backend;
import gradus.backend.Backend.Joined;
import gradus.backend.StridedCopy;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.op.AdamStep;
import gradus.op.Conv2DKernelGradient;
import gradus.op.FusedBatchNorm;
import gradus.op.FusedConv2DInputGradient;
import gradus.op.Lerp;
import gradus.op.LerpSquare;
import gradus.op.Op;
import gradus.op.Value;
import gradus.plan.Parameters.Derived;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
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
    private final Order order;
    private final List<Node> nodes;
    private final List<Runnable> steps = new ArrayList<>();
    private final int hoisted; // see Order
    private final List<Derived<B>> derived = new ArrayList<>(); // the results of these, whoever computes them
    private final Set<Value> kept = Collections.newSetFromMap(new IdentityHashMap<>()); // of them, and of parameters
    private final Map<Integer, List<Runnable>> loads =
            new HashMap<>(); // of parameters, by the node they are copied for
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
        this.order = new Order(graph, backend);
        this.nodes = order.nodes();
        this.hoisted = order.hoisted();
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
        backend.reserve(() -> steps.forEach(Runnable::run));
        program = backend.recorded(() -> {
            for (int i = hoisted; i < steps.size(); i++) {
                step(i, null);
            }
        });
    }

    public static <B> Plan<B> of(Graph graph, Backend<B> backend) {
        return of(graph, new Parameters<>(backend));
    }

    public static <B> Plan<B> of(Graph graph, Parameters<B> parameters) {
        synchronized (parameters.backend()) { // what is written now must not meet the run of another plan
            return new Plan<>(graph, parameters);
        }
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
                last.merge(v, order.end(i), Math::max);
            }
        }
        graph.outputs().values().forEach(v -> last.put(v, nodes.size()));
        graph.updates().values().forEach(v -> last.put(v, nodes.size()));
        return last;
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
            boolean fits = operand < 0 || node.op().mayOverwrite(operand) && Order.occursOnce(node, p);
            if (last && fits && !node.op().isView()) {
                result.putIfAbsent(v, places.get(p));
            }
        });
        return result;
    }

    private boolean mayOverwrite(Op op, int input) {
        return op.mayOverwrite(input)
                || input == 2
                        && op instanceof FusedConv2DInputGradient gradient
                        && gradient.stepH() * gradient.stepW() == 1 // even if one pixel is all there is
                        && backend.inputGradientInPlace();
    }

    private boolean viewed(Value v) {
        return nodes.stream().anyMatch(n -> n.op().isView() && n.inputs().get(0) == v);
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
        int begin = order.begin(i); // what is computed in place must not be read by those computed together with it
        int end = order.end(i);
        for (int k = 0; place == null && k < node.inputs().size(); k++) {
            Place p = places.get(node.inputs().get(k));
            if (mayOverwrite(node.op(), k)
                    && p.overwritable
                    && p.lastRead == end
                    && nodes.subList(begin, end + 1).stream()
                            .noneMatch(n -> n != node && n.inputs().stream().anyMatch(v -> places.get(v) == p))
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
        var bySize = new ArrayList<>(scratch);
        bySize.sort((a, b) -> a.size != b.size ? Long.compare(b.size, a.size) : Integer.compare(a.born, b.born));
        var placed = new ArrayList<Place>();
        long end = 0;
        for (Place p : bySize) {
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
            int end = order.end(i);
            if (end > i) {
                Joined calls = joined(i, end);
                Runnable call = () -> backend.joined(calls);
                Runnable gradient = steps.get(end);
                for (int k = i; k <= end; k++) {
                    boolean main = steps.get(k) == (calls.product() == null ? gradient : calls.product());
                    steps.set(k, main ? call : () -> {});
                }
                i = end;
            }
        }
        // What could not be computed in place is copied when every reader is done; a new value that is itself a
        // parameter is set aside first, since that parameter may be about to change too.
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
        Set<Value> old =
                Collections.newSetFromMap(new IdentityHashMap<>()); // values of parameters that are about to change
        graph.updates().keySet().forEach(name -> old.add(graph.parameters().get(name)));
        nodes.stream()
                .filter(n -> n.op().isView() && old.contains(n.inputs().get(0)))
                .forEach(n -> old.add(n.output()));
        graph.outputs().forEach((name, v) -> {
            B memory = places.get(v).memory;
            if (old.contains(v)) {
                B before = persistent(v);
                last.addFirst(copy(v.shape().size(), memory, before));
                memory = before;
            }
            outputs.put(name, memory);
            outputShapes.put(name, v.shape());
        });
        steps.addAll(last);
    }

    /** The calls of nodes [i, end], as {@link Order} has put them together. */
    private Joined joined(int i, int end) {
        Runnable first = null;
        boolean alone = false;
        Runnable product = null;
        Runnable last = null;
        Runnable again = null;
        Runnable gradient = null;
        boolean both = nodes.get(end).op() instanceof Conv2DKernelGradient;
        for (int k = i; k <= end; k++) {
            Op op = nodes.get(k).op();
            Runnable step = steps.get(k);
            if (Order.isConvolution(op)) {
                product = step;
            } else if (op instanceof Conv2DKernelGradient) {
                gradient = step;
            } else if (both && k == end - 1 && op instanceof FusedBatchNorm) {
                again = step;
            } else if (product != null) {
                last = step;
            } else {
                Runnable residual = first;
                first = residual == null
                        ? step
                        : () -> {
                            residual.run();
                            step.run();
                        };
                alone = order.alone(k);
            }
        }
        return new Joined(first, alone, product, last, again, gradient);
    }

    /**
     * One call instead of three where Adam's averages and its step are all computed in place, nobody looks between, and the gradient's
     * memory is not yet another value's.
     */
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
                    && places.get(m.inputs().get(1)).lastRead >= i - 1
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
            int end = order.end(i);
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
