package gradus.cuda;

import java.nio.FloatBuffer;
import java.util.function.LongFunction;

/**
 * Numbers between the heap and the device, by way of two page-locked buffers in turn: while one is on its way, the other is
 * filled. Uploads have a stream of their own and end in a copy on the compute stream, so they run beside computation.
 */
final class Transfers {
    static final int CHUNK = 4 << 20; // elements: 16 MiB, some 0.3 ms of a PCIe 5 bus
    private static final int DIRECT = 16 << 10; // elements; below this, a detour costs more than it hides

    private final Driver driver;
    private final Driver.Stream compute;
    private final Driver.Stream uploads;
    private final LongFunction<DeviceMemory> allocate;
    private final Driver.HostMemory[] host = new Driver.HostMemory[2];
    private final Driver.Event[] sent = new Driver.Event[2]; // what is in a buffer has left it
    private final Driver.Event arrived;
    private final Driver.Event taken; // the compute stream has read the device's buffer
    private DeviceMemory device; // what was uploaded while the compute stream still reads its destination
    private int turn;

    Transfers(Driver driver, Driver.Stream compute, LongFunction<DeviceMemory> allocate) {
        this.driver = driver;
        this.compute = compute;
        this.allocate = allocate;
        uploads = driver.createStream();
        arrived = driver.createEvent();
        taken = driver.createEvent();
    }

    private FloatBuffer buffer(int i, int n) {
        if (sent[i] == null) {
            sent[i] = driver.createEvent();
            driver.record(sent[i], compute);
        }
        if (host[i] == null || host[i].buffer().capacity() / Float.BYTES < n) {
            if (host[i] != null) {
                driver.synchronize(sent[i]);
                driver.freeHost(host[i]);
                host[i] = null;
            }
            host[i] = driver.allocateHost((n <= DIRECT ? DIRECT : CHUNK) * Float.BYTES);
        }
        return host[i].buffer().asFloatBuffer();
    }

    /** Copies the values, which may change as soon as this returns; the device may receive them later. */
    void write(float[] values, DeviceMemory y) {
        if (values.length <= DIRECT) {
            upload(values, 0, values.length, y.address(), compute);
            return;
        }
        if (device == null || device.length() < values.length) {
            device = allocate.apply(values.length);
            driver.record(taken, compute); // it may have been somebody else's until now
        }
        driver.await(uploads, taken);
        for (int from = 0; from < values.length; from += CHUNK) {
            int n = Math.min(CHUNK, values.length - from);
            upload(values, from, n, device.address() + (long) from * Float.BYTES, uploads);
        }
        driver.record(arrived, uploads);
        driver.await(compute, arrived);
        driver.copy(y.address(), device.address(), (long) values.length * Float.BYTES, compute);
        driver.record(taken, compute);
    }

    private void upload(float[] values, int from, int n, long to, Driver.Stream stream) {
        if (n == 0) {
            return;
        }
        int i = turn;
        turn = 1 - turn;
        FloatBuffer buffer = buffer(i, n);
        driver.synchronize(sent[i]);
        buffer.put(0, values, from, n);
        driver.copyToDevice(to, host[i], (long) n * Float.BYTES, stream);
        driver.record(sent[i], stream);
    }

    /** The values after all that was asked for before. */
    float[] read(DeviceMemory x, int n) {
        var values = new float[n];
        for (int from = 0; from < n; from += CHUNK) {
            int part = Math.min(CHUNK, n - from);
            FloatBuffer buffer = buffer(turn, part);
            driver.synchronize(sent[turn]);
            driver.copyToHost(host[turn], x.address() + (long) from * Float.BYTES, (long) part * Float.BYTES, compute);
            driver.synchronize(compute);
            buffer.get(0, values, from, part);
        }
        return values;
    }

    void close() {
        driver.synchronize(uploads);
        for (int i = 0; i < 2; i++) {
            if (host[i] != null) {
                driver.freeHost(host[i]);
            }
            if (sent[i] != null) {
                driver.destroy(sent[i]);
            }
        }
        driver.destroy(arrived);
        driver.destroy(taken);
        driver.destroy(uploads);
    }
}
