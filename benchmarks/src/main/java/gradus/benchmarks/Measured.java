package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.graph.Graph;
import gradus.graph.Node;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What all benchmarks have in common: a backend with the wanted threads and vector width, work that was compared with the
 * reference backend before it is timed, and its cost for {@link MachineLimit}. Forks rather than long runs: a JVM differs
 * from the next one more than an iteration from the next.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(2)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public abstract class Measured {
    /** Largest difference from the reference allowed, as a share of the largest result: Winograd's rounding, tenfold. */
    static final double TOLERANCE = 1e-4;

    /** Threads to compute with; 0 for all processors. */
    @Param({"1", "0"})
    public int threads;

    /** Bits of a vector; 0 for the widest there is. {@link Main} starts the fork accordingly. */
    @Param("0")
    public int bits;

    private Backend<?> backend;
    private Runnable work;

    protected Measured() {}

    /** Makes the work and checks it. */
    @Setup
    public void setUp() {
        if (bits != Integer.getInteger("gradus.simd.bits", 0)) {
            throw new IllegalArgumentException("bits=" + bits + " needs a JVM started with -Dgradus.simd.bits=" + bits
                    + "; ./gradus jmh --bits " + bits + " does that");
        }
        backend = Backends.open("simd", new Options(threads, Precision.FLOAT32));
        prepare(backend);
    }

    /** Calls {@link #measure}. */
    protected abstract void prepare(Backend<?> backend);

    /** One operation. */
    @Benchmark
    public void time() {
        work.run();
    }

    @TearDown
    public void tearDown() {
        backend.close();
    }

    /** Threads the backend computes with. */
    protected final int threads() {
        return new Options(threads, Precision.FLOAT32).threads();
    }

    protected final void measure(Runnable work, double flop, double bytes) {
        this.work = work;
        MachineLimit.of(backend, flop, bytes);
    }

    /** Measures a run of the graph, fed with random numbers, after comparing all its outputs with the reference's. */
    protected final void measure(Graph graph, Backend<?> backend) {
        Map<String, Tensor> expected;
        try (var reference = reference()) {
            expected = outputs(fed(graph, reference), graph);
        }
        Plan<?> plan = fed(graph, backend);
        outputs(plan, graph).forEach((name, y) -> compare(name, expected.get(name), y));
        measure(plan);
    }

    protected final void measure(Plan<?> plan) {
        long[] nanos = plan.timedRun();
        double flop = 0;
        double elements = 0;
        for (int i = 0; i < nanos.length; i++) {
            if (nanos[i] > 0) { // else it ran once beforehand
                Node n = plan.nodes().get(i);
                Shape y = n.output().shape();
                flop += n.op().flops(n.inputShapes(), y);
                elements += n.op().elements(n.inputShapes(), y);
            }
        }
        measure(plan::run, flop, elements * plan.backend().elementBytes());
    }

    protected static Backend<?> reference() {
        return Backends.open("reference", new Options(1, Precision.FLOAT32));
    }

    private static <B> Plan<B> fed(Graph graph, Backend<B> backend) {
        var plan = Plan.of(graph, backend);
        eachRandom(graph.inputs(), (name, x) -> {
            plan.feed(name, x);
            return null;
        });
        eachRandom(graph.parameters(), (name, x) -> {
            plan.parameters().set(name, x);
            return null;
        });
        return plan;
    }

    private static void eachRandom(Map<String, Value> values, BiFunction<String, Tensor, Void> action) {
        values.forEach((name, v) -> action.apply(name, random(v.shape(), name.hashCode())));
    }

    private static Map<String, Tensor> outputs(Plan<?> plan, Graph graph) {
        plan.run();
        var y = new HashMap<String, Tensor>();
        graph.outputs().keySet().forEach(name -> y.put(name, plan.output(name)));
        return y;
    }

    /** Uniform in [-1, 1). */
    public static Tensor random(Shape shape, long seed) {
        var random = new SplittableRandom(seed);
        var x = new float[shape.size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = 2 * random.nextFloat() - 1;
        }
        return Tensor.of(shape, x);
    }

    /** @throws IllegalStateException if they differ by more than {@link #TOLERANCE}: then there is nothing to time */
    public static void compare(String what, Tensor expected, Tensor actual) {
        double largest = 0;
        double error = 0;
        for (int i = 0; i < expected.size(); i++) {
            largest = Math.max(largest, Math.abs(expected.get(i)));
            double e = Math.abs(expected.get(i) - actual.get(i));
            error = Double.isNaN(e) ? Double.POSITIVE_INFINITY : Math.max(error, e);
        }
        if (!(error <= TOLERANCE * largest)) {
            throw new IllegalStateException(what + " is wrong: it differs from the reference by " + error
                    + ", the largest value is " + largest);
        }
    }
}
