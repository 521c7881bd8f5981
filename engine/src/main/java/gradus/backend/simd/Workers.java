package gradus.backend.simd;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

/**
 * A few threads that work through the parts of one task at a time. The caller is worker 0 and works too; the others spin
 * during a task and for a short while after it, because the next one usually follows within microseconds, and sleep when it does not:
 * where processors are shared with others, one that sleeps may have to wait for milliseconds until it is woken.
 *
 * <p>Each worker begins with its own share of neighbouring parts, the same for equal tasks, so that it finds in its cache
 * what it wrote there last time or in the task before; on two cores that makes a third of the speed of a matrix product.
 * Whoever has finished takes from the ends of the others' shares. Which worker computes which part is therefore left to
 * chance; a part's result must depend on its number alone, which is what makes results independent of the number of
 * threads. Nothing is allocated per task.
 */
final class Workers implements AutoCloseable {
    /** Work that falls into numbered parts. {@code worker} is in {@code [0, threads)} and names scratch memory to use. */
    interface Task {
        void run(int part, int worker);
    }

    private static final long SPIN_NANOS = 1_000_000;
    private static final int SPINS_PER_LOOK = 64;

    private final Thread[] threads;
    private final Sleeper[] sleepers;

    /** A worker's share is at {@code worker * APART}: number of the task, parts nobody has claimed yet [first, end). */
    private final AtomicLongArray shares;

    /** Two pairs of cache lines between what different workers write. */
    private static final int APART = 32;

    private static final int BITS = 20;
    private static final int MASK = (1 << BITS) - 1;
    private long tasks;

    private final AtomicInteger unfinished = new AtomicInteger();
    private volatile boolean closed;
    private volatile Throwable failure;

    // written before the shares are, read after a part was claimed from it
    private Task task;

    private boolean idle;

    Workers(int count) {
        threads = new Thread[count - 1];
        sleepers = new Sleeper[count - 1];
        shares = new AtomicLongArray((count + 1) * APART);
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

    /** Whether tasks are left undone: for their callers to make the memory that they need, and nothing else. */
    boolean isIdle() {
        return idle;
    }

    void idle(boolean yes) {
        idle = yes;
    }

    /**
     * Runs all parts and returns when they are done; what a part throws is thrown here.
     *
     * @return whether there are results, which there are not while the workers are idle
     */
    boolean run(Task work, int count) {
        if (idle) {
            return false;
        }
        if (count > 1) { // worth waiting for
            WarmUp.await();
        }
        // no kernel cuts its work into more parts than a share can count
        if (count <= 1 || threads.length == 0 || count > MASK) {
            runHere(work, count);
            return true;
        }
        task = work;
        unfinished.set(count);
        tasks++;
        int workers = count();
        for (int worker = workers - 1; worker >= 0; worker--) {
            long first = (long) count * worker / workers;
            long end = (long) count * (worker + 1) / workers;
            shares.set(worker * APART, tasks << 2 * BITS | first << BITS | end);
        }
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
        return true;
    }

    /** Runs all parts on the calling thread: for work so small that waking others costs more. */
    void runHere(Task work, int count) {
        for (int part = 0; part < count && !idle; part++) {
            work.run(part, 0);
        }
    }

    /** Runs parts until none is left: the worker's own from the first on, then others' from the last on. */
    private void drain(int worker) {
        while (take(worker, worker, true)) {}
        for (int i = 1; i < count(); i++) {
            int other = (worker + i) % count();
            while (take(worker, other, false)) {}
        }
    }

    private boolean take(int worker, int owner, boolean front) {
        long share = shares.get(owner * APART);
        int first = (int) (share >>> BITS) & MASK;
        int end = (int) share & MASK;
        if (first >= end) {
            return false;
        }
        if (shares.compareAndSet(owner * APART, share, front ? share + (1L << BITS) : share - 1)) {
            try {
                task.run(front ? first : end - 1, worker);
            } catch (Throwable t) {
                failure = t;
            } finally {
                unfinished.decrementAndGet();
            }
        }
        return true;
    }

    /** Whether any share has parts left. */
    private boolean work() {
        for (int worker = 0; worker < count(); worker++) {
            long share = shares.get(worker * APART);
            if (((int) (share >>> BITS) & MASK) < ((int) share & MASK)) {
                return true;
            }
        }
        return false;
    }

    private void loop(int worker) {
        Sleeper self = sleepers[worker - 1];
        long idleSince = System.nanoTime();
        while (!closed) {
            if (work()) {
                drain(worker);
                idleSince = System.nanoTime();
                continue;
            }
            for (int i = 0; i < SPINS_PER_LOOK && !work(); i++) {
                Thread.onSpinWait();
            }
            if (unfinished.get() > 0) {
                idleSince = System.nanoTime();
            } else if (System.nanoTime() - idleSince > SPIN_NANOS) {
                self.asleep = true;
                if (!work() && !closed) {
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
