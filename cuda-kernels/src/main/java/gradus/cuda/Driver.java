package gradus.cuda;

import java.nio.ByteBuffer;

/**
 * The calls of the CUDA driver API that the backend makes, all of them. Addresses of device memory are plain numbers, other
 * handles are opaque. Each method throws a {@link CudaException} for every code but success.
 */
interface Driver {
    /** Handles; what is behind them is the implementation's. */
    interface Context {}

    interface Module {}

    interface Function {}

    interface Stream {}

    interface Event {}

    interface Graph {}

    /** Page-locked memory of this machine, which the device reads and writes by itself. */
    interface HostMemory {
        /** The memory, in the machine's byte order. */
        ByteBuffer buffer();
    }

    // Numbers of CUdevice_attribute
    int MULTIPROCESSORS = 16;
    int CAPABILITY_MAJOR = 75;
    int CAPABILITY_MINOR = 76;

    /** CUDA version that the driver supports: 1000 major + 10 minor. */
    int version();

    int deviceCount();

    String deviceName(int device);

    int attribute(int attribute, int device);

    long totalMemory(int device);

    // ---- context and modules ----

    Context retainContext(int device);

    void releaseContext(int device);

    /** Makes the context the calling thread's. */
    void setCurrent(Context context);

    /** Compiles PTX text for the device. */
    Module loadModule(String ptx);

    void unload(Module module);

    Function function(Module module, String name);

    /** Allows a kernel that many bytes of dynamic shared memory. */
    void allowShared(Function function, int bytes);

    // ---- memory ----

    long allocate(long bytes);

    void free(long address);

    long freeMemory();

    HostMemory allocateHost(int bytes);

    void freeHost(HostMemory memory);

    void copyToDevice(long to, HostMemory from, long bytes, Stream stream);

    void copyToHost(HostMemory to, long from, long bytes, Stream stream);

    void copy(long to, long from, long bytes, Stream stream);

    /** Sets 32-bit words. */
    void set(long address, int word, long n, Stream stream);

    // ---- streams, events ----

    Stream createStream();

    void destroy(Stream stream);

    void synchronize(Stream stream);

    /** What the stream does from here on begins when the event has happened. */
    void await(Stream stream, Event event);

    Event createEvent();

    void destroy(Event event);

    void record(Event event, Stream stream);

    void synchronize(Event event);

    // ---- launches, graphs ----

    /**
     * Launches a kernel.
     *
     * @param parameters direct memory that begins with the addresses of the parameters' values
     */
    void launch(
            Function function,
            int gridX,
            int gridY,
            int gridZ,
            int blockX,
            int blockY,
            int blockZ,
            int sharedBytes,
            Stream stream,
            ByteBuffer parameters);

    void beginCapture(Stream stream);

    /** What was asked of the stream since {@link #beginCapture}, ready to be launched. */
    Graph endCapture(Stream stream);

    void launch(Graph graph, Stream stream);

    void destroy(Graph graph);
}
