package gradus.cuda;

import gradus.backend.BackendException;
import gradus.backend.BackendProvider.Precision;
import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** One GPU as the families of operations see it: kernels, memory, and one stream on which everything happens in order. */
final class Device {
    private static final int ORDINAL = 0; // CUDA_VISIBLE_DEVICES says which device that is

    /** Whether plans are recorded; {@code -Dgradus.cuda.graphs=false} makes every call anew. */
    private static final boolean GRAPHS = !"false".equals(System.getProperty("gradus.cuda.graphs"));

    final Driver driver;
    final Driver.Stream stream;
    final Kernels kernels;
    final MemoryPool pool;
    final Transfers transfers;
    final Precision precision;
    final int capability; // 10 major + minor
    final int multiprocessors;
    private final Driver.Context context;
    private final String description;
    private final Map<Reference<?>, Driver.Graph> graphs = new HashMap<>(); // by the recordings that launch them
    private final ReferenceQueue<Recording> gone = new ReferenceQueue<>();
    private Thread current;
    private DeviceMemory workspace;
    private boolean closed;

    Device(Driver driver, Precision precision) {
        this.driver = driver;
        this.precision = precision;
        context = driver.retainContext(ORDINAL);
        driver.setCurrent(context);
        current = Thread.currentThread();
        capability = capability(driver);
        multiprocessors = driver.attribute(Driver.MULTIPROCESSORS, ORDINAL);
        stream = driver.createStream();
        kernels = new Kernels(driver, stream, capability, precision);
        pool = new MemoryPool(driver, this::synchronize);
        transfers = new Transfers(driver, stream, pool::allocate);
        description = String.format(
                Locale.ROOT,
                "%s, %s, compute capability %d.%d, %d multiprocessors, %d MiB, driver for CUDA %d.%d",
                precision.name().toLowerCase(Locale.ROOT),
                driver.deviceName(ORDINAL),
                capability / 10,
                capability % 10,
                multiprocessors,
                driver.totalMemory(ORDINAL) >> 20,
                driver.version() / 1000,
                driver.version() % 1000 / 10);
    }

    /** 10 major + minor. */
    static int capability(Driver driver) {
        return 10 * driver.attribute(Driver.CAPABILITY_MAJOR, ORDINAL)
                + driver.attribute(Driver.CAPABILITY_MINOR, ORDINAL);
    }

    String description() {
        return description;
    }

    /** Whether products run on tensor cores. */
    boolean tensorCores() {
        return precision != Precision.FLOAT32;
    }

    /** Makes the device ready for calls from this thread; the first thing in every method of the backend. */
    Kernels use() {
        if (closed) {
            throw new BackendException("cuda backend: it was closed");
        }
        Thread thread = Thread.currentThread();
        if (current != thread || thread.isVirtual()) { // the driver knows the carrier, which changes
            driver.setCurrent(context);
            current = thread;
        }
        return kernels;
    }

    /**
     * Memory for partial results of one operation, until the next one asks. It never shrinks, not even when there is no memory
     * for a larger one: so what has run once finds what it needs when it is recorded, and a record cannot allocate.
     */
    DeviceMemory workspace(long n) {
        if (workspace == null || workspace.length() < n) {
            workspace = pool.allocate(n);
        }
        return workspace;
    }

    long freeMemory() {
        use();
        return driver.freeMemory();
    }

    void synchronize() {
        use();
        driver.synchronize(stream);
    }

    /**
     * Calls that are made as they are the first time, which loads kernels and finds memory, recorded as a CUDA graph the
     * second time, and launched as one from then on.
     */
    Runnable recorded(Runnable calls) {
        return GRAPHS ? new Recording(calls) : calls;
    }

    private final class Recording implements Runnable {
        private final Runnable calls;
        private boolean ran;
        private Driver.Graph graph;
        private DeviceMemory scratch; // its address is in the record

        Recording(Runnable calls) {
            this.calls = calls;
        }

        @Override
        public void run() {
            use();
            if (!ran) {
                calls.run();
                ran = true;
                return;
            }
            if (graph == null) {
                driver.beginCapture(stream);
                try {
                    calls.run();
                } catch (RuntimeException | Error e) { // or the stream would record for ever
                    abandon(e);
                    throw e;
                }
                graph = driver.endCapture(stream);
                scratch = workspace;
                destroyUnreachable();
                graphs.put(new WeakReference<>(this, gone), graph);
            }
            driver.launch(graph, stream);
        }

        private void abandon(Throwable cause) {
            try {
                driver.destroy(driver.endCapture(stream));
            } catch (CudaException e) {
                cause.addSuppressed(e);
            }
        }
    }

    /** A recording holds memory, so that it must not be held itself by what destroys its graph. */
    private void destroyUnreachable() {
        for (Reference<?> r = gone.poll(); r != null; r = gone.poll()) {
            driver.destroy(graphs.remove(r));
        }
    }

    void close() {
        if (closed) {
            return;
        }
        synchronize();
        graphs.values().forEach(driver::destroy);
        graphs.clear();
        workspace = null;
        transfers.close();
        pool.close();
        kernels.close();
        driver.destroy(stream);
        driver.releaseContext(ORDINAL);
        closed = true;
    }
}
