package gradus.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A driver that computes nothing: it keeps memory and copies it, writes down every call, holds every launch against the PTX,
 * and fails where it is told to. Streams are done at once.
 */
final class FakeDriver implements Driver {
    record Launch(String kernel, List<Object> values, List<Integer> grid, List<Integer> block, int shared) {}

    private record Handle(String name) implements Context, Stream, Event {}

    private record FakeModule(Ptx ptx) implements Module {}

    private record FakeFunction(String name, String signature) implements Function {}

    private record FakeGraph(List<Launch> launches) implements Graph {}

    private record FakeMemory(ByteBuffer buffer) implements HostMemory {}

    private static final List<String> NOT_WHILE_RECORDING = List.of("Synchronize", "Alloc", "MemFree", "Load");

    final List<String> calls = new ArrayList<>();
    final List<Launch> launches = new ArrayList<>();
    final Map<String, Integer> failures = new HashMap<>(); // code by call
    final Map<String, Integer> shared = new HashMap<>();
    final Map<Long, Arena> blocks = new LinkedHashMap<>();
    private final TreeMap<Long, Long> sizes = new TreeMap<>();
    long memory = 1L << 30;
    int version = 13_000;
    int capability = 90;
    int devices = 1;
    private List<Launch> captured;
    private int modules;

    private void enter(String call) {
        calls.add(call);
        if (captured != null && NOT_WHILE_RECORDING.stream().anyMatch(call::contains)) {
            throw new CudaException(call, 900, "");
        }
        CudaException.check(call, failures.getOrDefault(call, 0));
    }

    long count(String call) {
        return calls.stream().filter(call::equals).count();
    }

    long used() {
        return sizes.values().stream().mapToLong(s -> s).sum();
    }

    @Override
    public int version() {
        enter("cuDriverGetVersion");
        return version;
    }

    @Override
    public int deviceCount() {
        enter("cuDeviceGetCount");
        return devices;
    }

    @Override
    public String deviceName(int device) {
        enter("cuDeviceGetName");
        return "fake";
    }

    @Override
    public int attribute(int attribute, int device) {
        enter("cuDeviceGetAttribute");
        return switch (attribute) {
            case CAPABILITY_MAJOR -> capability / 10;
            case CAPABILITY_MINOR -> capability % 10;
            case MULTIPROCESSORS -> 1;
            default -> throw new IllegalArgumentException("attribute " + attribute);
        };
    }

    @Override
    public long totalMemory(int device) {
        enter("cuDeviceTotalMem");
        return memory;
    }

    @Override
    public Context retainContext(int device) {
        enter("cuDevicePrimaryCtxRetain");
        return new Handle("context");
    }

    @Override
    public void releaseContext(int device) {
        enter("cuDevicePrimaryCtxRelease");
    }

    @Override
    public void setCurrent(Context context) {
        enter("cuCtxSetCurrent");
    }

    @Override
    public Module loadModule(String ptx) {
        enter("cuModuleLoadData");
        modules++;
        return new FakeModule(Ptx.parse("loaded", ptx));
    }

    @Override
    public void unload(Module module) {
        enter("cuModuleUnload");
        modules--;
    }

    @Override
    public Function function(Module module, String name) {
        enter("cuModuleGetFunction");
        return new FakeFunction(name, ((FakeModule) module).ptx.signatures().get(name));
    }

    @Override
    public void allowShared(Function function, int bytes) {
        enter("cuFuncSetAttribute");
        shared.put(((FakeFunction) function).name, bytes);
    }

    @Override
    public long allocate(long bytes) {
        enter("cuMemAlloc");
        if (used() + bytes > memory) {
            CudaException.check("cuMemAlloc", CudaException.OUT_OF_MEMORY);
        }
        var arena = Arena.ofShared();
        long address = arena.allocate(bytes, 256).address();
        blocks.put(address, arena);
        sizes.put(address, bytes);
        return address;
    }

    @Override
    public void free(long address) {
        enter("cuMemFree");
        sizes.remove(address);
        blocks.remove(address).close();
    }

    @Override
    public long freeMemory() {
        enter("cuMemGetInfo");
        return memory - used();
    }

    @Override
    public HostMemory allocateHost(int bytes) {
        enter("cuMemHostAlloc");
        return new FakeMemory(ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder()));
    }

    @Override
    public void freeHost(HostMemory memory) {
        enter("cuMemFreeHost");
    }

    /** Device memory, if it lies in one block. */
    private MemorySegment device(long address, long bytes) {
        var block = sizes.floorEntry(address);
        if (block == null || address + bytes > block.getKey() + block.getValue()) {
            throw new CudaException("device memory", 1, address + " + " + bytes);
        }
        return MemorySegment.ofAddress(address).reinterpret(bytes);
    }

    private static MemorySegment host(HostMemory memory, long bytes) {
        return MemorySegment.ofBuffer(memory.buffer().duplicate().clear()).asSlice(0, bytes);
    }

    @Override
    public void copyToDevice(long to, HostMemory from, long bytes, Stream stream) {
        enter("cuMemcpyHtoDAsync");
        device(to, bytes).copyFrom(host(from, bytes));
    }

    @Override
    public void copyToHost(HostMemory to, long from, long bytes, Stream stream) {
        enter("cuMemcpyDtoHAsync");
        host(to, bytes).copyFrom(device(from, bytes));
    }

    @Override
    public void copy(long to, long from, long bytes, Stream stream) {
        enter("cuMemcpyDtoDAsync");
        device(to, bytes).copyFrom(device(from, bytes));
    }

    @Override
    public void set(long address, int word, long n, Stream stream) {
        enter("cuMemsetD32Async");
        MemorySegment m = device(address, n * Integer.BYTES);
        for (long i = 0; i < n; i++) {
            m.setAtIndex(ValueLayout.JAVA_INT, i, word);
        }
    }

    @Override
    public Stream createStream() {
        enter("cuStreamCreate");
        return new Handle("stream");
    }

    @Override
    public void destroy(Stream stream) {
        enter("cuStreamDestroy");
    }

    @Override
    public void synchronize(Stream stream) {
        enter("cuStreamSynchronize");
    }

    @Override
    public void await(Stream stream, Event event) {
        enter("cuStreamWaitEvent");
    }

    @Override
    public Event createEvent() {
        enter("cuEventCreate");
        return new Handle("event");
    }

    @Override
    public void destroy(Event event) {
        enter("cuEventDestroy");
    }

    @Override
    public void record(Event event, Stream stream) {
        enter("cuEventRecord");
    }

    @Override
    public void synchronize(Event event) {
        enter("cuEventSynchronize");
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
        enter("cuLaunchKernel");
        var f = (FakeFunction) function;
        int threads = blockX * blockY * blockZ;
        boolean possible = gridX >= 1
                && gridY >= 1
                && gridY <= 65_535
                && gridZ >= 1
                && gridZ <= 65_535
                && threads >= 1
                && threads <= 1024
                && threads % 32 == 0
                && sharedBytes <= shared.getOrDefault(f.name, 48 * 1024);
        CudaException.check("cuLaunchKernel", possible ? 0 : 1, f.name);
        var launch = new Launch(
                f.name,
                values(f.signature, parameters),
                List.of(gridX, gridY, gridZ),
                List.of(blockX, blockY, blockZ),
                sharedBytes);
        (captured == null ? launches : captured).add(launch);
    }

    /** What a kernel of this signature would find in its parameters. */
    private static List<Object> values(String signature, ByteBuffer parameters) {
        MemorySegment table = MemorySegment.ofBuffer(parameters.duplicate().clear());
        var values = new ArrayList<Object>();
        for (int at = 0, i = 0; at < signature.length(); i++) {
            long offset = table.getAtIndex(ValueLayout.JAVA_LONG, i) - table.address();
            switch (signature.charAt(at)) {
                case 'i' -> values.add(table.get(ValueLayout.JAVA_INT, offset));
                case 'f' -> values.add(table.get(ValueLayout.JAVA_FLOAT, offset));
                case 'l' -> values.add(table.get(ValueLayout.JAVA_LONG, offset));
                default -> {
                    int close = signature.indexOf(']', at);
                    int bytes = Integer.parseInt(signature.substring(at + 1, close));
                    var members = new ArrayList<Integer>();
                    for (int k = 0; k < bytes / Integer.BYTES; k++) {
                        members.add(table.get(ValueLayout.JAVA_INT, offset + 4L * k));
                    }
                    values.add(members);
                    at = close;
                }
            }
            at++;
        }
        return values;
    }

    @Override
    public void beginCapture(Stream stream) {
        enter("cuStreamBeginCapture");
        captured = new ArrayList<>();
    }

    @Override
    public Graph endCapture(Stream stream) {
        List<Launch> all = captured;
        captured = null;
        enter("cuStreamEndCapture");
        return new FakeGraph(all);
    }

    @Override
    public void launch(Graph graph, Stream stream) {
        enter("cuGraphLaunch");
        launches.addAll(((FakeGraph) graph).launches);
    }

    @Override
    public void destroy(Graph graph) {
        enter("cuGraphExecDestroy");
    }
}
