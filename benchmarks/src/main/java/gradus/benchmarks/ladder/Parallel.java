package gradus.benchmarks.ladder;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;

/**
 * Rows of C shared out among the cores: nobody writes what another reads, so there is nothing to wait for but the end.
 *
 * <p>The parts are equal, whole tiles high, and there are two for each thread: whoever is disturbed does fewer. An element
 * of C is summed in the same order whoever computes it, so the result has the same bits for every number of threads.
 */
final class Parallel implements MatrixRung, AutoCloseable {
    private final ExecutorService pool;
    private final int threads;
    private final ThreadLocal<Packed> packed = ThreadLocal.withInitial(Packed::new);

    Parallel(int threads) {
        this.threads = threads;
        pool = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().factory());
    }

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        int tiles = Math.ceilDiv(m, RegisterTiled.ROWS);
        int parts = Math.min(threads == 1 ? 1 : 2 * threads, tiles);
        List<Callable<Void>> tasks = IntStream.range(0, parts)
                .<Callable<Void>>mapToObj(part -> () -> {
                    int from = tiles * part / parts * RegisterTiled.ROWS;
                    int to = Math.min(m, tiles * (part + 1) / parts * RegisterTiled.ROWS);
                    packed.get().multiply(from, to, n, k, a, b, c);
                    return null;
                })
                .toList();
        try {
            for (var done : pool.invokeAll(tasks)) {
                done.get();
            }
        } catch (Exception e) {
            throw new IllegalStateException("a part of the product failed", e);
        }
    }

    @Override
    public void close() {
        pool.shutdownNow();
    }
}
