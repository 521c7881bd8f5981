package gradus.backend.simd;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * A few threads that work through the parts of one task at a time. The caller is worker 0 and works too; the others spin
 * for a short while after each task, because the next one usually follows within microseconds, and sleep when it does not.
 *
 * <p>Which worker computes which part is left to chance; a part's result must depend on its number alone, which is what
 * makes results independent of the number of threads. Nothing is allocated per task.
 */
final class Workers implements AutoCloseable {
    /** Work that falls into numbered parts. {@code worker} is in {@code [0, threads)} and names scratch memory to use. */
    interface Task {
        void run(int part, int worker);
    }

    private static final long SPIN_NANOS = 100_000;
    private static final int SPINS_PER_LOOK = 64;

    private final Thread[] threads;
    private final Sleeper[] sleepers;

    /** Upper half: number of the task; lower half: parts nobody has claimed yet. */
    private final AtomicLong state = new AtomicLong();

    private final AtomicInteger unfinished = new AtomicInteger();
    private volatile boolean closed;
    private volatile Throwable failure;

    // written before state is, read after a part was claimed from it
    private Task task;
    private int parts;

    Workers(int count) {
        threads = new Thread[count - 1];
        sleepers = new Sleeper[count - 1];
        for (int i = 0; i < threads.length; i++) {
            int worker = i + 1;
            sleepers[i] = new Sleeper();
            threads[i] =
                    Thread.ofPlatform().daemon().name("gradus-simd-" + worker).unstarted(() -> loop(worker));
        }
        for (Thread t : threads) {
            t.start();
        }
    }

    int count() {
        return threads.length + 1;
    }

    /** Runs all parts and returns when they are done; what a part throws is thrown here. */
    void run(Task work, int count) {
        if (count <= 1 || threads.length == 0) {
            runHere(work, count);
            return;
        }
        task = work;
        parts = count;
        unfinished.set(count);
        state.set(((state.get() >>> 32) + 1) << 32 | count);
        for (int i = 0; i < threads.length; i++) {
            if (sleepers[i].asleep) {
                LockSupport.unpark(threads[i]);
            }
        }
        drain(0);
        for (int spins = 0; unfinished.get() > 0; spins++) {
            if (spins < 100_000) {
                Thread.onSpinWait();
            } else {
                Thread.yield();
            }
        }
        task = null;
        Throwable t = failure;
        if (t != null) {
            failure = null;
            if (t instanceof Error e) {
                throw e;
            }
            throw (RuntimeException) t; // a Task declares no checked exception
        }
    }

    /** Runs all parts on the calling thread: for work so small that waking others costs more. */
    void runHere(Task work, int count) {
        for (int part = 0; part < count; part++) {
            work.run(part, 0);
        }
    }

    /** Claims and runs parts until there are none left. */
    private void drain(int worker) {
        while (true) {
            long s = state.get();
            int left = (int) s;
            if (left == 0) {
                return;
            }
            if (state.compareAndSet(s, s - 1)) {
                try {
                    task.run(parts - left, worker);
                } catch (Throwable t) {
                    failure = t;
                } finally {
                    unfinished.decrementAndGet();
                }
            }
        }
    }

    private void loop(int worker) {
        Sleeper self = sleepers[worker - 1];
        long idleSince = System.nanoTime();
        while (!closed) {
            if ((int) state.get() != 0) {
                drain(worker);
                idleSince = System.nanoTime();
                continue;
            }
            for (int i = 0; i < SPINS_PER_LOOK && (int) state.get() == 0; i++) {
                Thread.onSpinWait();
            }
            if (System.nanoTime() - idleSince > SPIN_NANOS) {
                self.asleep = true;
                if ((int) state.get() == 0 && !closed) {
                    LockSupport.park(this);
                }
                self.asleep = false;
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Thread t : threads) {
            LockSupport.unpark(t);
        }
        for (Thread t : threads) {
            try {
                t.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private static final class Sleeper {
        volatile boolean asleep;
    }
}
