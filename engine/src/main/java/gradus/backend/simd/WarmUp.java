package gradus.backend.simd;

import gradus.backend.Arithmetic;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.Window;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;

/**
 * Has the kernels of inference compiled while the caller still reads weights. The interpreter makes an object of every
 * vector, a thousand times slower than compiled code, and an operation that a network contains once would be run that way
 * for its first hundreds of predictions. Tiny shapes suffice; every branch of a kernel is taken, since the compiler leaves
 * out what it has not seen and begins again when it comes.
 *
 * <p>First come the innermost loops by themselves, which is where nearly all vectors are: the compiler counts calls, and
 * whole operations make thousands of vectors for each. Then come operations, for the loops around these. One thread of the
 * lowest priority, once in a JVM; it takes from the compiler and the caller the processors that they need as well, so it
 * drops what has become fast, rests when it has called the others often enough, and ends when none is left.
 */
final class WarmUp {
    private static final long NANOS = 1_200_000_000;

    /** What compiled kernels need far less than for any of the works below, and others more. */
    private static final long FAST_NANOS = 150_000;

    /** Calls of a kernel in one of its works. */
    private static final int CALLS = 20;

    /** Inner extent of a product: so few vectors a call, and yet a loop to the compiler, with a rest when it is unrolled. */
    private static final int DEPTH = 27;

    /** Rounds after which the compiler has all that it waits for. */
    private static final int ENOUGH = 300;

    private static final AtomicBoolean STARTED = new AtomicBoolean();

    private WarmUp() {}

    static void start() {
        if (STARTED.compareAndSet(false, true)) {
            var thread = Thread.ofPlatform().daemon().name("gradus-warm-up").unstarted(WarmUp::run);
            thread.setPriority(Thread.MIN_PRIORITY);
            thread.start();
        }
    }

    private static void run() {
        long end = System.nanoTime() + NANOS;
        try (var b = new SimdBackend(1, false)) {
            untilFast(loops(), end);
            untilFast(operations(b), end);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // nobody does; the kernels are compiled when they are used
        }
    }

    private static void untilFast(List<Runnable> slow, long end) throws InterruptedException {
        for (int round = 0; !slow.isEmpty() && System.nanoTime() < end; round++) {
            for (int i = slow.size() - 1; i >= 0; i--) {
                long start = System.nanoTime();
                slow.get(i).run();
                if (System.nanoTime() - start < FAST_NANOS) {
                    slow.remove(i);
                }
            }
            if (round > ENOUGH) {
                Thread.sleep(2);
            }
        }
    }

    private static List<Runnable> loops() {
        var a = new float[1 << 17];
        var b = new float[1 << 12];
        var c = new float[1 << 12];
        var at = new int[16];
        Arrays.setAll(at, i -> i * 128);
        float[] fence = MicroKernel.fence();
        var from = new float[6][];
        Arrays.fill(from, b);
        int n = 8 * Lanes.L;
        var works = new ArrayList<Runnable>();
        for (int m = 2; m <= 4; m += 2) {
            int size = m;
            works.add(() -> {
                for (int i = 0; i < CALLS; i++) {
                    WinogradTransforms.output(size, MicroKernel.NR, from, at, c, 0, 128);
                }
            });
            works.add(() -> {
                for (int i = 0; i < CALLS; i++) {
                    WinogradTransforms.input(size, n, from, at, c, 0, 128);
                }
            });
        }
        int mr = MicroKernel.MR;
        IntStream.of(1, mr + 1, mr)
                .map(MicroKernel::tile)
                .distinct()
                .forEach(tile -> works.add(() -> {
                    for (int i = 0; i < CALLS / 2; i++) {
                        MicroKernel.rows(tile, DEPTH, a, 0, b, 0, c, at, MicroKernel.ZEROS, 0, null, 0, false, fence);
                        MicroKernel.rows(tile, DEPTH, a, 0, b, 0, c, at, MicroKernel.ZEROS, 0, a, 0, true, fence);
                    }
                }));
        for (int m = 2; m <= 4; m += 2) {
            int size = m;
            works.add(() -> {
                for (int i = 0; i < CALLS; i++) {
                    WinogradTransforms.kernel(size, n, from, at, c, 0, 128, MicroKernel.NR);
                }
            });
        }
        return works;
    }

    /** In the order in which a network that has just been read needs them, backwards. */
    private static List<Runnable> operations(SimdBackend b) {
        var relu = new ScalarFunction.Relu();
        Memory x = b.allocate(1 << 15);
        Memory w = b.allocate(1 << 17);
        Memory y = b.allocate(1 << 15);
        Memory packed = b.allocate(1 << 18);
        var works = new ArrayList<Runnable>();
        works.add(() -> b.softmax(1, 256, x, y));
        var bias = Broadcast.of(Shape.of(4, 256), Shape.of(256));
        works.add(() -> b.arithmetic(Arithmetic.ADD, bias, x, w, y));
        works.add(() -> b.sum(1, 49, 64, x, y));
        Window pool = window(5, 64, 2, 64, 3, 2, 0);
        works.add(() -> b.maxPool(pool, x, y));
        Window[] windows = {
            window(4, 288, 4, 32, 3, 1, 1), // Winograd, tiles of 2 x 2 and of 4 x 4
            window(8, 32, 8, 32, 3, 1, 1),
            window(8, 32, 4, 32, 1, 2, 0), // direct
            window(8, 3, 4, 32, 7, 2, 3), // copied, with padding
        };
        for (Window g : windows) {
            works.add(() -> {
                b.conv2dPrepared(g, relu, x, packed, w, null, y);
                b.conv2dPrepared(g, null, x, packed, w, y, y);
            });
        }
        for (Window g : windows) {
            works.add(() -> b.prepareKernel(g, w, packed));
        }
        var scale = Broadcast.of(Shape.of(16, 64), Shape.of(64));
        works.add(() -> b.arithmetic(Arithmetic.MULTIPLY, scale, x, w, y));
        works.add(() -> b.map(new ScalarFunction.Affine(0.5, 1), 1024, x, y));
        return works;
    }

    private static Window window(int side, int c, int out, int f, int kernel, int stride, int padding) {
        return new Window(1, side, side, c, out, out, f, kernel, kernel, stride, stride, 1, 1, padding, padding, 1);
    }
}
