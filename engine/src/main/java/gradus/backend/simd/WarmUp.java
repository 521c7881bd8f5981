package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.TILES;
import static gradus.backend.simd.MicroKernel.TILES_COLUMNS;
import static gradus.backend.simd.MicroKernel.TILES_PANELS;

import gradus.backend.Arithmetic;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.tensor.Shape;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Has the kernels of inference compiled while the caller still reads weights. The interpreter and the first compiler (C1)
 * make an object of every vector, a thousand times slower than the code of the second (C2): whoever computes something
 * large waits until that is there.
 *
 * <p>C2 compiles a method that has been called some thousand times, or whose loop has gone round some ten thousand times.
 * In the second case it first makes a version to be jumped into in the middle of the loop, which takes it four times as long
 * and serves once. And it compiles what makes the objects, if enough of them are made. So each kernel is called often with
 * nothing to do, which counts as a call all the same, and now and then with something, because C2 leaves out branches that it
 * has not seen and unrolls loops as often as it has seen them go round.
 *
 * <p>A kernel that has its something to do is compiled when it is fast.
 *
 * <p>The tiles of kernels' gradients follow as soon as it is known that there are any, while a plan is made. Nobody waits for those.
 */
final class WarmUp implements Runnable {
    /** Calls with nothing to do for each with something. */
    private static final int CALLS = 500;

    /** Rounds of so many calls that take a kernel to C2, about; from then on there are pauses. */
    private static final int ROUNDS = 12;

    private static final long PAUSE_NANOS = 1_000_000;

    /** A kernel that is compiled does its something in a tenth of this, one that is not in ten times this. */
    private static final long FAST_NANOS = 4000;

    /** The longest that anybody waits: the compiler may be switched off. */
    private static final long LONGEST_NANOS = 1_500_000_000;

    private static final String NAME = "gradus-warm-up";

    private static final CountDownLatch COMPILED = new CountDownLatch(1);
    private static Thread thread;
    private static volatile boolean gradientsToo;

    private final float[] x = Lanes.array(1 << 17);
    private final float[] y = Lanes.array(1 << 17);
    private final Memory matrix = new Memory(x, BASE, 1 << 16);
    private final Memory result = new Memory(y, BASE, 1 << 16);
    private final int[] at = new int[Math.max(MicroKernel.MR, MicroKernel.MR_COLUMNS)];
    private final float[][] rows = new float[6][];
    private final Patches patches = new Patches();
    private final Panels panels = new Panels();

    /** Whether this is for the tiles of gradients. */
    private final boolean gradients;

    private WarmUp(boolean gradients) {
        this.gradients = gradients;
        Arrays.fill(rows, x);
        patches.matrix(matrix, 3 * L);
        panels.groups(0);
    }

    /** Begins, once in a JVM, on a thread that ends itself. */
    static synchronized void start() {
        if (thread == null) {
            thread = Thread.ofPlatform().daemon().name(NAME).unstarted(new WarmUp(false));
            thread.start();
        }
    }

    /** Goes on with the tiles of kernels' gradients, once in a JVM, if it has begun at all. */
    static void gradients() {
        if (gradientsToo || thread == null) {
            return;
        }
        synchronized (WarmUp.class) {
            if (!gradientsToo) {
                gradientsToo = true;
                Thread.ofPlatform().daemon().name(NAME).start(new WarmUp(true));
            }
        }
    }

    /** Returns when the kernels have been compiled; at once if nobody has asked for that. */
    static void await() {
        if (COMPILED.getCount() == 0 || thread == null || Thread.currentThread() == thread) {
            return;
        }
        try {
            COMPILED.await(LONGEST_NANOS, TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void run() {
        if (gradients) {
            await();
            kernels();
            return;
        }
        try {
            kernels();
        } finally {
            COMPILED.countDown();
        }
        rest();
    }

    private void kernels() {
        boolean[] fast = new boolean[gradients ? TILES_COLUMNS.length + TILES_PANELS.length : TILES.length + 13];
        long end = System.nanoTime() + LONGEST_NANOS;
        int left = fast.length;
        for (int round = 0; left > 0 && System.nanoTime() < end; round++) {
            for (int kernel = 0; kernel < fast.length; kernel++) {
                if (fast[kernel]) {
                    continue;
                }
                for (int i = 0; i < CALLS; i++) {
                    call(kernel, round, false);
                }
                long start = System.nanoTime();
                call(kernel, round, true);
                if (round > ROUNDS / 2 && System.nanoTime() - start < FAST_NANOS) {
                    fast[kernel] = true;
                    left--;
                }
            }
            if (round >= ROUNDS) { // the processors are the compilers' now
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }

    /** @param something whether there is something to do; the number of the round says which branches are taken */
    private void call(int kernel, int round, boolean something) {
        boolean odd = (round & 1) == 1;
        boolean relu = (round & 2) == 2;
        if (gradients) {
            int depth = something ? 32 : MicroKernel.NOTHING;
            if (kernel < TILES_COLUMNS.length) {
                MicroKernel.columns(TILES_COLUMNS[kernel], depth, x, 0, L, x, 0, NR, y, at, odd);
            } else {
                MicroKernel.panels(TILES_PANELS[kernel - TILES_COLUMNS.length], depth, x, 0, x, 0, y, at, odd);
            }
            return;
        }
        int m = odd ? 2 : 4;
        int n = something ? 16 * L : 0;
        if (kernel < TILES.length) {
            int depth = something ? 32 : MicroKernel.NOTHING;
            float[] addend = odd ? null : y;
            MicroKernel.rows(TILES[kernel], depth, x, 0, x, 0, y, at, 0, 0, MicroKernel.ZEROS, 0, addend, 0);
            return;
        }
        switch (kernel - TILES.length) {
            case 0 -> WinogradTransforms.kernelRows(m, round / 2 % 3, something ? 1 : 0, x, 0, NR, y, 0, NR, 8 * NR);
            case 1 -> WinogradTransforms.input(m, n, rows, at, y, 0, 4 * L);
            case 2 -> WinogradTransforms.outputTile(m, something ? L : 0, x, 0, L, y, 64 * L, y, 0, 4 * L, L);
            case 3 -> Winograd.store(x, 0, something ? 1 + (round & 3) : 0, x, 0, x, 0, NR, relu, y, 0, NR);
            case 4 -> patches.copy(0, 2, 0, n, odd, y, BASE);
            case 5 -> patches.rows(0, something ? 4 : 0, 0, y, BASE, 4 * L, at);
            case 6 -> {
                panels.matrix(matrix, 4, 2 * NR, 1);
                panels.pack(0, 0, 2, something ? 4 : 0, 2 * NR, y, BASE, y, BASE);
            }
            case 7 -> Elementwise.multiply(x, 0, x, 0, y, 0, n);
            case 8 -> patches.border(something ? 1 : 0, BASE, odd ? -1 : 0, 0, y, BASE);
            case 9 -> WinogradTransforms.inputTile(something ? L : 0, x, 0, 8 * L, L, y, 64 * L, y, 0, L);
            case 10 -> MicroKernel.step(something ? 4 : 0, x, 0, x, 0, y, at, 0, 0);
            case 11 -> MicroKernel.relu(something ? 4 : 0, y, at, 0, 0);
            default -> Pooling.max(x, 0, 3, 3 * L, 3, L, y, 0, something ? L : 0);
        }
    }

    /**
     * What a network contains once, and would be computed slowly for its first hundreds of predictions, or dozens of training steps.
     * Differences in a row go beyond what has an exponential: a network that has learned is the first to have such, and the compiler
     * would have left out what is done with them.
     */
    private void rest() {
        for (int i = BASE; i < x.length; i++) {
            x[i] = -(i % 128);
        }
        try (var b = new SimdBackend(1, false)) {
            int n = 16 * L;
            var bias = Broadcast.of(Shape.of(1, n), Shape.of(n));
            for (int round = 0; round < 200; round++) {
                for (int i = 0; i < 20; i++) {
                    b.sum(1, 5, n, matrix, result);
                    b.map(new ScalarFunction.Affine(0.5, 1), n, matrix, result);
                    b.arithmetic(Arithmetic.ADD, bias, matrix, matrix, result);
                    b.softmax(1, n, matrix, result);
                    b.logSoftmax(1, n, matrix, result);
                    b.map(new ScalarFunction.Exp(), 2 * L, matrix, result); // of a training step
                }
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }
}
