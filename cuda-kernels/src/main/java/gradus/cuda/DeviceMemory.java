package gradus.cuda;

/** Float32 numbers in the device's memory: a block of the {@link MemoryPool}, or a part of one. */
public final class DeviceMemory {
    private final MemoryPool.Block block; // while this can be reached, the pool does not take it back
    private final long address;
    private final long length;

    DeviceMemory(MemoryPool.Block block, long address, long length) {
        this.block = block;
        this.address = address;
        this.length = length;
    }

    long address() {
        return address;
    }

    /** Number of elements. */
    public long length() {
        return length;
    }

    DeviceMemory slice(long offset, long n) {
        if (offset < 0 || n < 0 || offset + n > length) {
            throw new IndexOutOfBoundsException("elements " + offset + " to " + (offset + n) + " of " + length);
        }
        return new DeviceMemory(block, address + offset * Float.BYTES, n);
    }

    /** Whether kernels may read it four numbers at a time. */
    boolean aligned() {
        return address % 16 == 0;
    }
}
