package gradus.cuda;

import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.Set;
import java.util.TreeMap;

/**
 * Device memory that is taken back when nobody can reach it any more, as the heap's is, and handed out again. All work is on
 * one stream, so a block's new owner begins when the old owner's work is done. A plan asks once for all it needs.
 */
final class MemoryPool {
    private static final long UNIT = 512; // bytes; kernels want 16, the driver gives 256
    private static final int ROUNDS = 3;

    private final Driver driver;
    private final Runnable synchronize;
    private final ReferenceQueue<Block> gone = new ReferenceQueue<>();
    private final Set<Lent> lent = Collections.newSetFromMap(new IdentityHashMap<>());
    private final TreeMap<Long, Deque<Long>> free = new TreeMap<>(); // addresses by size in bytes
    private long reserved;

    /** Owner of a block; what reaches it keeps the block. */
    static final class Block {}

    private static final class Lent extends WeakReference<Block> {
        final long address;
        final long bytes;

        Lent(Block block, ReferenceQueue<Block> queue, long address, long bytes) {
            super(block, queue);
            this.address = address;
            this.bytes = bytes;
        }
    }

    /** @param synchronize waits for the stream, and makes the device ready for calls from this thread */
    MemoryPool(Driver driver, Runnable synchronize) {
        this.driver = driver;
        this.synchronize = synchronize;
    }

    /** @throws DeviceMemoryException if there is no such block even after everything unreachable was given back */
    DeviceMemory allocate(long n) {
        long bytes = Math.max(1, (Math.multiplyExact(n, (long) Float.BYTES) + UNIT - 1) / UNIT) * UNIT;
        takeBack();
        Long size = free.ceilingKey(bytes);
        if (size != null && size <= bytes + bytes / 8) {
            Deque<Long> blocks = free.get(size);
            long address = blocks.pop();
            if (blocks.isEmpty()) {
                free.remove(size);
            }
            return lend(address, size, n);
        }
        for (int round = 0; ; round++) {
            try {
                long address = driver.allocate(bytes);
                reserved += bytes;
                return lend(address, bytes, n);
            } catch (DeviceMemoryException e) {
                if (round == ROUNDS) {
                    throw new DeviceMemoryException(
                            e.call(),
                            bytes + " bytes asked for, " + driver.freeMemory() + " free, " + reserved
                                    + " in use by this backend");
                }
                System.gc();
                waitForGarbage();
                release();
            }
        }
    }

    private DeviceMemory lend(long address, long bytes, long n) {
        var block = new Block();
        lent.add(new Lent(block, gone, address, bytes));
        return new DeviceMemory(block, address, n);
    }

    private void takeBack() {
        for (Reference<? extends Block> r = gone.poll(); r != null; r = gone.poll()) {
            takeBack((Lent) r);
        }
    }

    private void takeBack(Lent block) {
        lent.remove(block);
        free.computeIfAbsent(block.bytes, size -> new ArrayDeque<>()).push(block.address);
    }

    private void waitForGarbage() {
        try {
            for (Reference<? extends Block> r = gone.remove(100); r != null; r = gone.remove(10)) {
                takeBack((Lent) r);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Gives the driver back what nobody uses. */
    private void release() {
        synchronize.run();
        free.forEach((bytes, blocks) -> blocks.forEach(address -> {
            driver.free(address);
            reserved -= bytes;
        }));
        free.clear();
    }

    void close() {
        takeBack();
        release();
        lent.forEach(block -> driver.free(block.address));
        lent.clear();
        reserved = 0;
    }
}
