package gradus.benchmarks.ladder;

import gradus.backend.Backend;
import gradus.benchmarks.Measured;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Warmup;

/** The rungs of the matrix product. All but the last three compute with one thread whatever {@code threads} says. */
@Fork(1)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 400, timeUnit = TimeUnit.MILLISECONDS)
public class MatrixLadder extends Measured {
    /** From the definition to the engine. */
    public enum Step implements Rung {
        NAIVE(
                Naive.class,
                threads -> new Naive(),
                "The definition: for each element of C a row of A times a column of B.",
                "A column of B touches a new cache line, and often a new page, for every element; and each addition waits"
                        + " for the one before."),
        REORDERED(
                Reordered.class,
                threads -> new Reordered(),
                "Exchange the inner loops: a row of C is a sum of rows of B, and the compiler finds vectors.",
                "All of B (4 MB) passes through the caches for every row of A."),
        BLOCKED(
                Blocked.class,
                threads -> new Blocked(),
                "Use a block of B that fits the caches for all rows of A before going on.",
                "Each multiply-add loads an element of C and stores it again: the load and store ports are busy, the"
                        + " multiply-add ports wait."),
        VECTORISED(
                Vectorised.class,
                threads -> new Vectorised(),
                "Vector API: a vector of C stays in a register while four rows of B are added to it.",
                "More than one load for each multiply-add, all of them from the second-level cache, where two multiply-adds"
                        + " could begin in a cycle."),
        REGISTER_TILED(
                RegisterTiled.class,
                threads -> new RegisterTiled(),
                "A tile of C in registers, 4 rows by 2 vectors: 6 loads serve 8 multiply-adds.",
                "Rows a power of two apart fall into the same few cache sets and each on a page of its own: misses of the"
                        + " first-level cache and of the address look-up."),
        PACKED(
                Packed.class,
                threads -> new Packed(),
                "Copy A and B, block by block, into the order in which the tile reads them.",
                "One core is at its limit; there are others."),
        PARALLEL(
                Parallel.class,
                Parallel::new,
                "Share out the rows of C among the cores.",
                "Sizes that are not multiples of the tile, copies of A that would not pay, small products that end before"
                        + " a sleeping thread wakes."),
        ENGINE(
                Engine.class,
                null,
                "The engine's product: the same ideas, cut by the shape of every product and convolution and by the number"
                        + " of registers.",
                "B is copied anew for every product, and weights do not change between them."),
        ENGINE_PREPARED(
                Engine.class,
                null,
                "The engine's product as inference runs it: B is packed once for all products.",
                "The rest is the price of edges, of the write-back of C and of what the second-level cache cannot deliver"
                        + " in time.");

        private final Class<?> source;
        private final IntFunction<MatrixRung> make;
        private final String idea;
        private final String next;

        Step(Class<?> source, IntFunction<MatrixRung> make, String idea, String next) {
            this.source = source;
            this.make = make;
            this.idea = idea;
            this.next = next;
        }

        @Override
        public Class<?> source() {
            return source;
        }

        @Override
        public List<String> files() {
            return make == null
                    ? Rung.engine("MatMul", "Panels", "MicroKernel", "MicroKernelRows")
                    : Rung.super.files();
        }

        @Override
        public String idea() {
            return idea;
        }

        @Override
        public String next() {
            return next;
        }

        MatrixRung rung(Backend<?> backend, int threads) {
            return make == null ? new Engine(backend, this == ENGINE_PREPARED) : make.apply(threads);
        }
    }

    @Param
    public Step rung;

    /** Rows, columns and inner extent. */
    @Param("1024")
    public int size;

    public MatrixLadder() {}

    @Override
    protected void prepare(Backend<?> backend) {
        if (rung.make == null) { // its plan, without copies into the backend's memory and back
            measure(Engine.graph(size, size, size, rung == Step.ENGINE_PREPARED), backend);
            return;
        }
        int n = size;
        Tensor a = random(Shape.of(n, n), 1);
        Tensor b = random(Shape.of(n, n), 2);
        var c = new float[n * n];
        var product = rung.rung(backend, threads());
        product.multiply(n, n, n, a.floats(), b.floats(), c);
        var expected = new float[n * n];
        new Engine(backend, false).multiply(n, n, n, a.floats(), b.floats(), expected);
        compare(rung.name(), Tensor.of(a.shape(), expected), Tensor.of(a.shape(), c));
        measure(() -> product.multiply(n, n, n, a.floats(), b.floats(), c), 2.0 * n * n * n, 12.0 * n * n);
    }
}
