package gradus.cuda;

import static gradus.cuda.CudaException.check;
import static jcuda.driver.JCudaDriver.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUjit_option;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import jcuda.driver.JITOptions;

/** {@link Driver} by JCuda, and the only class that sees it. */
final class JCudaBinding implements Driver {
    private record JContext(CUcontext handle) implements Context {}

    private record JModule(CUmodule handle) implements Module {}

    private record JFunction(CUfunction handle) implements Function {}

    private record JStream(CUstream handle) implements Stream {}

    private record JEvent(CUevent handle) implements Event {}

    private record JGraph(CUgraphExec handle) implements Graph {}

    private record JHostMemory(Pointer pointer, ByteBuffer buffer) implements HostMemory {}

    /** A device pointer as the number that it is. */
    private static final class Address extends CUdeviceptr {
        Address() {}

        Address(long address) {
            super(new CUdeviceptr(), address);
        }

        long value() {
            return getNativePointer() + getByteOffset();
        }
    }

    private JCudaBinding() {
        JCudaDriver.setExceptionsEnabled(false);
        check("cuInit", cuInit(0));
    }

    /**
     * Loads JCuda and initialises the driver, which must be there.
     *
     * @throws CudaException if the driver finds no device
     */
    static Driver load() {
        return NativeLibrary.withBinding(JCudaBinding::new);
    }

    private static CUdevice device(int ordinal) {
        var device = new CUdevice();
        check("cuDeviceGet", cuDeviceGet(device, ordinal));
        return device;
    }

    private static CUstream handle(Stream stream) {
        return ((JStream) stream).handle;
    }

    private static CUevent handle(Event event) {
        return ((JEvent) event).handle;
    }

    private static CUfunction handle(Function function) {
        return ((JFunction) function).handle;
    }

    private static CUgraphExec handle(Graph graph) {
        return ((JGraph) graph).handle;
    }

    @Override
    public int version() {
        var version = new int[1];
        check("cuDriverGetVersion", cuDriverGetVersion(version));
        return version[0];
    }

    @Override
    public int deviceCount() {
        var count = new int[1];
        check("cuDeviceGetCount", cuDeviceGetCount(count));
        return count[0];
    }

    @Override
    public String deviceName(int device) {
        var name = new byte[256];
        check("cuDeviceGetName", cuDeviceGetName(name, name.length, device(device)));
        int length = 0;
        while (length < name.length && name[length] != 0) {
            length++;
        }
        return new String(name, 0, length, StandardCharsets.UTF_8);
    }

    @Override
    public int attribute(int attribute, int device) {
        var value = new int[1];
        check("cuDeviceGetAttribute", cuDeviceGetAttribute(value, attribute, device(device)));
        return value[0];
    }

    @Override
    public long totalMemory(int device) {
        var bytes = new long[1];
        check("cuDeviceTotalMem", cuDeviceTotalMem(bytes, device(device)));
        return bytes[0];
    }

    @Override
    public Context retainContext(int device) {
        var context = new CUcontext();
        check("cuDevicePrimaryCtxRetain", cuDevicePrimaryCtxRetain(context, device(device)));
        return new JContext(context);
    }

    @Override
    public void releaseContext(int device) {
        check("cuDevicePrimaryCtxRelease", cuDevicePrimaryCtxRelease(device(device)));
    }

    @Override
    public void setCurrent(Context context) {
        check("cuCtxSetCurrent", cuCtxSetCurrent(((JContext) context).handle));
    }

    @Override
    public Module loadModule(String ptx) {
        var module = new CUmodule();
        int code = cuModuleLoadData(module, ptx);
        check("cuModuleLoadData", code, code == CudaException.INVALID_PTX ? compilerMessage(ptx) : "");
        return new JModule(module);
    }

    /** What the driver's compiler says of code that it refused. */
    private static String compilerMessage(String ptx) {
        var options = new JITOptions();
        options.putBytes(CUjit_option.CU_JIT_ERROR_LOG_BUFFER, new byte[4096]);
        options.putInt(CUjit_option.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, 4096);
        byte[] text = (ptx + '\0').getBytes(StandardCharsets.US_ASCII);
        cuModuleLoadDataJIT(new CUmodule(), Pointer.to(text), options);
        byte[] log = options.getBytes(CUjit_option.CU_JIT_ERROR_LOG_BUFFER);
        return log == null
                ? ""
                : new String(log, StandardCharsets.US_ASCII).replace("\0", "").strip();
    }

    @Override
    public void unload(Module module) {
        check("cuModuleUnload", cuModuleUnload(((JModule) module).handle));
    }

    @Override
    public Function function(Module module, String name) {
        var function = new CUfunction();
        check("cuModuleGetFunction", cuModuleGetFunction(function, ((JModule) module).handle, name), name);
        return new JFunction(function);
    }

    @Override
    public void allowShared(Function function, int bytes) {
        check(
                "cuFuncSetAttribute",
                cuFuncSetAttribute(
                        handle(function), CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes),
                bytes + " bytes of shared memory");
    }

    @Override
    public long allocate(long bytes) {
        var address = new Address();
        check("cuMemAlloc", cuMemAlloc(address, bytes), bytes + " bytes");
        return address.value();
    }

    @Override
    public void free(long address) {
        check("cuMemFree", cuMemFree(new Address(address)));
    }

    @Override
    public long freeMemory() {
        var free = new long[1];
        check("cuMemGetInfo", cuMemGetInfo(free, new long[1]));
        return free[0];
    }

    @Override
    public HostMemory allocateHost(int bytes) {
        var pointer = new Pointer();
        check("cuMemHostAlloc", cuMemHostAlloc(pointer, bytes, CU_MEMHOSTALLOC_PORTABLE), bytes + " bytes");
        return new JHostMemory(pointer, pointer.getByteBuffer(0, bytes).order(ByteOrder.nativeOrder()));
    }

    @Override
    public void freeHost(HostMemory memory) {
        check("cuMemFreeHost", cuMemFreeHost(((JHostMemory) memory).pointer));
    }

    @Override
    public void copyToDevice(long to, HostMemory from, long bytes, Stream stream) {
        check(
                "cuMemcpyHtoDAsync",
                cuMemcpyHtoDAsync(new Address(to), ((JHostMemory) from).pointer, bytes, handle(stream)));
    }

    @Override
    public void copyToHost(HostMemory to, long from, long bytes, Stream stream) {
        check(
                "cuMemcpyDtoHAsync",
                cuMemcpyDtoHAsync(((JHostMemory) to).pointer, new Address(from), bytes, handle(stream)));
    }

    @Override
    public void copy(long to, long from, long bytes, Stream stream) {
        check("cuMemcpyDtoDAsync", cuMemcpyDtoDAsync(new Address(to), new Address(from), bytes, handle(stream)));
    }

    @Override
    public void set(long address, int word, long n, Stream stream) {
        check("cuMemsetD32Async", cuMemsetD32Async(new Address(address), word, n, handle(stream)));
    }

    @Override
    public Stream createStream() {
        var stream = new CUstream();
        check("cuStreamCreate", cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING));
        return new JStream(stream);
    }

    @Override
    public void destroy(Stream stream) {
        check("cuStreamDestroy", cuStreamDestroy(handle(stream)));
    }

    @Override
    public void synchronize(Stream stream) {
        check("cuStreamSynchronize", cuStreamSynchronize(handle(stream)));
    }

    @Override
    public void await(Stream stream, Event event) {
        check("cuStreamWaitEvent", cuStreamWaitEvent(handle(stream), handle(event), 0));
    }

    @Override
    public Event createEvent() {
        var event = new CUevent();
        check("cuEventCreate", cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING));
        return new JEvent(event);
    }

    @Override
    public void destroy(Event event) {
        check("cuEventDestroy", cuEventDestroy(handle(event)));
    }

    @Override
    public void record(Event event, Stream stream) {
        check("cuEventRecord", cuEventRecord(handle(event), handle(stream)));
    }

    @Override
    public void synchronize(Event event) {
        check("cuEventSynchronize", cuEventSynchronize(handle(event)));
    }

    @Override
    public void launch(
            Function function,
            int gridX,
            int gridY,
            int gridZ,
            int blockX,
            int blockY,
            int blockZ,
            int sharedBytes,
            Stream stream,
            ByteBuffer parameters) {
        check(
                "cuLaunchKernel",
                cuLaunchKernel(
                        handle(function),
                        gridX,
                        gridY,
                        gridZ,
                        blockX,
                        blockY,
                        blockZ,
                        sharedBytes,
                        handle(stream),
                        Pointer.to(parameters),
                        null));
    }

    @Override
    public void beginCapture(Stream stream) {
        check(
                "cuStreamBeginCapture",
                cuStreamBeginCapture(handle(stream), CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    }

    @Override
    public Graph endCapture(Stream stream) {
        var graph = new CUgraph();
        check("cuStreamEndCapture", cuStreamEndCapture(handle(stream), graph));
        var executable = new CUgraphExec();
        int code = cuGraphInstantiate(executable, graph, 0);
        check("cuGraphDestroy", cuGraphDestroy(graph));
        check("cuGraphInstantiate", code);
        return new JGraph(executable);
    }

    @Override
    public void launch(Graph graph, Stream stream) {
        check("cuGraphLaunch", cuGraphLaunch(handle(graph), handle(stream)));
    }

    @Override
    public void destroy(Graph graph) {
        check("cuGraphExecDestroy", cuGraphExecDestroy(handle(graph)));
    }
}
