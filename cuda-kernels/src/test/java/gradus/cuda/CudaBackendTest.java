package gradus.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Arithmetic;
import gradus.backend.BackendException;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Broadcast;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Everything up to the launch, on a driver that computes nothing. */
class CudaBackendTest {
    private static final Window CONV = new Window(2, 9, 7, 8, 5, 4, 12, 3, 3, 2, 2, 1, 1, 1, 1, 1);
    private static final Window ODD = new Window(2, 9, 7, 3, 5, 4, 6, 3, 3, 2, 2, 1, 1, 1, 1, 3);
    private static final Window BIG = new Window(64, 56, 56, 64, 56, 56, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1);
    private static final Window WIDE = new Window(8, 28, 28, 256, 28, 28, 256, 3, 3, 1, 1, 1, 1, 1, 1, 1);
    private static final Window POOL = new Window(2, 9, 7, 8, 5, 4, 8, 3, 3, 2, 2, 1, 1, 1, 1, 1);
    private static final ScalarFunction RELU = new ScalarFunction.Relu();
    private static final int N = 64 * 56 * 56 * 64;

    private interface Call {
        void on(CudaBackend b, DeviceMemory x, DeviceMemory y, DeviceMemory z);
    }

    /** Each method by name, some several times; the memories hold N numbers. */
    private static Map<String, Call> calls() {
        var all = new LinkedHashMap<String, Call>();
        all.put("fill", (b, x, y, z) -> b.fill(1000, 2, y));
        all.put(
                "copy",
                (b, x, y, z) ->
                        b.copy(new StridedCopy(new int[] {3, 5}, 2, new int[] {1, 3}, 0, new int[] {5, 1}), x, y));
        all.put("map", (b, x, y, z) -> b.map(new ScalarFunction.Elu(0.5), 100, x, y));
        all.put("mapGradient", (b, x, y, z) -> b.mapGradient(RELU, 100, x, z, y));
        all.put(
                "arithmetic",
                (b, x, y, z) -> b.arithmetic(Arithmetic.DIVIDE, Broadcast.of(Shape.of(4, 5), Shape.of(5)), x, z, y));
        all.put("combine", (b, x, y, z) -> b.combine(100, 0.5, 2, x, z, x, y));
        all.put("lerp", (b, x, y, z) -> b.lerp(100, 0.5, x, z, y));
        all.put("lerpSquare", (b, x, y, z) -> b.lerpSquare(100, 0.5, x, z, y));
        all.put("adamStep", (b, x, y, z) -> b.adamStep(100, 1e-7, x, z, x, z, y));
        all.put("adam", (b, x, y, z) -> b.adam(100, 0.1, 0.2, 1e-7, x, y, z, x, z));
        all.put("dropout", (b, x, y, z) -> b.dropout(100, 0.5, 1L << 40, z, x, y));
        all.put("sum", (b, x, y, z) -> b.sum(3, 100, 5, x, y));
        all.put("sum rows", (b, x, y, z) -> b.sum(3, 100_000, 1, x, y));
        all.put("sum nothing", (b, x, y, z) -> b.sum(3, 0, 5, x, y));
        all.put("max", (b, x, y, z) -> b.max(1, 100_000, 5, x, y));
        all.put("maxGradient", (b, x, y, z) -> b.maxGradient(3, 100, 5, x, x, z, y));
        all.put("matMul", (b, x, y, z) -> b.matMul(64, 32, 16, false, false, x, z, y));
        all.put("matMul t", (b, x, y, z) -> b.matMul(63, 32, 1600, true, true, x, z, y));
        all.put("matMul large", (b, x, y, z) -> b.matMul(2048, 2048, 64, true, false, x, z, y));
        all.put("matMul nothing", (b, x, y, z) -> b.matMul(3, 4, 0, false, true, x, z, y));
        for (Window g : List.of(CONV, ODD, BIG, WIDE)) {
            String size = " " + g.c() + " " + g.n();
            all.put("conv2d" + size, (b, x, y, z) -> b.conv2d(g, x, z, y));
            all.put("conv2dInputGradient" + size, (b, x, y, z) -> b.conv2dInputGradient(g, x, z, y));
            all.put("conv2dKernelGradient" + size, (b, x, y, z) -> b.conv2dKernelGradient(g, x, x, y));
            all.put("conv2dFused" + size, (b, x, y, z) -> b.conv2dFused(g, RELU, x, z, z, x, y));
            all.put(
                    "conv2dFused silu" + size,
                    (b, x, y, z) -> b.conv2dFused(g, new ScalarFunction.Silu(), x, z, null, null, y));
        }
        all.put("prepareKernel", (b, x, y, z) -> b.prepareKernel(WIDE, z, y));
        all.put("conv2dPrepared", (b, x, y, z) -> b.conv2dPrepared(WIDE, RELU, x, z, z, x, y));
        all.put("maxPool", (b, x, y, z) -> b.maxPool(POOL, x, y));
        all.put("maxPoolGradient", (b, x, y, z) -> b.maxPoolGradient(POOL, z, x, z, y));
        all.put("averagePool", (b, x, y, z) -> b.averagePool(POOL, x, y));
        all.put("averagePoolGradient", (b, x, y, z) -> b.averagePoolGradient(POOL, z, y));
        all.put("moments", (b, x, y, z) -> b.moments(10_000, 24, x, y));
        all.put("moments nothing", (b, x, y, z) -> b.moments(0, 24, x, y));
        all.put("momentsGradient", (b, x, y, z) -> b.momentsGradient(100, 24, z, x, z, y));
        all.put("batchNorm", (b, x, y, z) -> b.batchNorm(100, 24, 1e-3, x, z, z, z, y));
        all.put("batchNormSums", (b, x, y, z) -> b.batchNormSums(10_000, 24, 1e-3, x, x, z, y));
        all.put("batchNormSums few", (b, x, y, z) -> b.batchNormSums(100, 24, 1e-3, x, x, z, y));
        all.put("batchNormGradient", (b, x, y, z) -> b.batchNormGradient(100, 24, 1e-3, x, x, z, z, z, y));
        all.put("batchNormFused", (b, x, y, z) -> b.batchNormFused(100, 24, 1e-3, RELU, x, z, z, z, x, y));
        all.put("softmax", (b, x, y, z) -> b.softmax(100, 24, x, y));
        all.put("logSoftmax", (b, x, y, z) -> b.logSoftmax(100, 24, x, y));
        all.put("oneHot", (b, x, y, z) -> b.oneHot(100, 24, x, y));
        return all;
    }

    private final FakeDriver driver = new FakeDriver();

    private CudaBackend open() {
        return new CudaBackend(driver, Precision.FLOAT32);
    }

    /** Parameters that the PTX declares, possible grids, writes to the result alone. */
    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "TF32", "BF16"})
    void everyMethodLaunches(Precision precision) {
        try (var backend = new CudaBackend(driver, precision)) {
            DeviceMemory x = backend.allocate(N);
            DeviceMemory y = backend.allocate(N);
            DeviceMemory z = backend.allocate(N);
            calls().forEach((name, call) -> {
                driver.launches.clear();
                call.on(backend, x, y, z);
                assertTrue(!driver.launches.isEmpty(), name);
                assertTrue(
                        driver.launches.getLast().values().contains(y.address()),
                        () -> name + " ends elsewhere: " + driver.launches.getLast());
            });
        }
    }

    /** Whoever adds a method to {@link gradus.backend.Backend} finds that it has no case here. */
    @Test
    void noMethodIsLeftOut() {
        Set<String> tested =
                calls().keySet().stream().map(name -> name.split(" ")[0]).collect(Collectors.toSet());
        Set<String> computing = Arrays.stream(CudaBackend.class.getDeclaredMethods())
                .filter(m -> m.getReturnType() == void.class && Modifier.isPublic(m.getModifiers()) && !m.isBridge())
                .filter(m -> Arrays.asList(m.getParameterTypes()).contains(DeviceMemory.class))
                .map(m -> m.getName())
                .collect(Collectors.toCollection(TreeSet::new));
        computing.removeAll(Set.of("write"));
        assertEquals(computing, new TreeSet<>(tested));
    }

    @Test
    void parametersArriveAsTheyAre() {
        try (var backend = open()) {
            DeviceMemory x = backend.allocate(100);
            DeviceMemory y = backend.allocate(100);
            backend.dropout(100, 0.3, 0x123456789ABCDEFL, x, x, y);
            var launch = driver.launches.getLast();
            assertEquals("dropout", launch.kernel());
            assertEquals(
                    List.of(
                            100,
                            (int) Math.ceil(0.3 * (1 << 24)),
                            0.7f,
                            0x123456789ABCDEFL,
                            x.address(),
                            x.address(),
                            y.address()),
                    launch.values());
            backend.conv2dFused(CONV, new ScalarFunction.Clip(-1, 2), x, x, null, null, y);
            var conv = driver.launches.get(1);
            assertEquals(
                    List.of(2, 9, 7, 8, 5, 4, 12, 3, 3, 2, 2, 1, 1, 1, 1, 1),
                    conv.values().getFirst());
        }
    }

    /** Which kernels compute follows from precision, device and shape. */
    @Test
    void hopper() {
        assertEquals(Set.of(), hopperKernels(Precision.BF16, 80));
        assertEquals(Set.of(), hopperKernels(Precision.TF32, 90));
        assertEquals(Set.of(), hopperKernels(Precision.BF16, 100));
        assertEquals(
                Set.of("to_bf16", "to_bf16_transposed", "hopper_conv2d_128x128", "hopper_matmul_128x256"),
                hopperKernels(Precision.BF16, 90));
    }

    private static Set<String> hopperKernels(Precision precision, int capability) {
        var driver = new FakeDriver();
        driver.capability = capability;
        try (var backend = new CudaBackend(driver, precision)) {
            DeviceMemory x = backend.allocate(4 << 20);
            DeviceMemory y = backend.allocate(4 << 20);
            assertEquals(
                    precision == Precision.BF16 && capability == 90 ? 9 * 256 * 256 / 2 : 0,
                    backend.preparedKernelSize(WIDE));
            backend.conv2d(WIDE, x, x, y);
            backend.conv2dInputGradient(WIDE, x, x, y);
            backend.conv2d(CONV, x, x, y);
            backend.matMul(2048, 2048, 256, false, false, x, x, y);
            backend.matMul(64, 64, 64, false, false, x, x, y);
        }
        return driver.launches.stream()
                .map(FakeDriver.Launch::kernel)
                .filter(k -> k.contains("hopper") || k.contains("bf16"))
                .collect(Collectors.toSet());
    }

    /** An address that is no multiple of 16 goes to the kernels that read number by number. */
    @Test
    void unalignedMemory() {
        try (var backend = open()) {
            DeviceMemory slab = backend.allocate(10_000);
            DeviceMemory y = backend.allocate(10_000);
            backend.matMul(8, 8, 8, false, false, slab, backend.slice(slab, 1, 64), y);
            assertEquals("matmul_nn_64x64_any", driver.launches.getLast().kernel());
            backend.matMul(8, 8, 8, false, false, slab, backend.slice(slab, 64, 64), y);
            assertEquals("matmul_nn_64x64", driver.launches.getLast().kernel());
            backend.matMul(8, 8, 8, false, false, slab, slab, backend.slice(y, 1, 64));
            assertEquals("matmul_nn_64x64_any", driver.launches.getLast().kernel());
        }
        try (var backend = new CudaBackend(driver, Precision.BF16)) {
            DeviceMemory x = backend.allocate(4 << 20);
            DeviceMemory y = backend.allocate((4 << 20) + 4);
            DeviceMemory shifted = backend.slice(y, 1, 4 << 20);
            backend.matMul(2048, 2048, 256, false, false, x, x, y);
            assertEquals("hopper_matmul_128x256", driver.launches.getLast().kernel());
            backend.matMul(2048, 2048, 256, false, false, x, x, shifted);
            assertEquals("matmul_nn_64x64_any", driver.launches.getLast().kernel());
            backend.conv2dPrepared(WIDE, RELU, x, x, backend.slice(x, 1, 256), x, y);
            for (int i = 0; i < 4; i++) { // x, kernel, residual and y; a bias is read number by number
                DeviceMemory[] m = {x, x, x, y};
                m[i] = shifted;
                var e = assertThrows(
                        BackendException.class, () -> backend.conv2dPrepared(WIDE, RELU, m[0], m[1], null, m[2], m[3]));
                assertTrue(e.getMessage().contains("multiple of 4 elements"), e::getMessage);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 5, 16_384, 16_385, 3 * Transfers.CHUNK + 7})
    void writeAndRead(int n) {
        try (var backend = open()) {
            var values = new float[n];
            for (int i = 0; i < n; i++) {
                values[i] = i * 0.5f;
            }
            DeviceMemory slab = backend.allocate(n + 100);
            DeviceMemory memory = backend.slice(slab, 50, n);
            backend.write(Tensor.of(Shape.of(n), values), memory);
            assertArrayEquals(values, backend.read(memory, Shape.of(n)).floats());
            assertArrayEquals(new float[50], backend.read(slab, Shape.of(50)).floats(), "new memory is zeros");
        }
        assertEquals(0, driver.used());
    }

    /** Whatever call fails with whatever code, an exception tells, and the device can be closed. */
    @Test
    void everyCallMayFail() {
        var used = new FakeDriver();
        used.memory = 16 << 20;
        exercise(used);
        for (String call : new TreeSet<>(used.calls)) {
            for (int code : new int[] {1, 2, 100, 201, 222, 500, 700, 719, 901, 999}) {
                var failing = new FakeDriver();
                failing.memory = 16 << 20;
                failing.failures.put(call, code);
                var e = assertThrows(CudaException.class, () -> exercise(failing), call);
                assertEquals(code, e.code(), call);
                assertTrue(e.getMessage().startsWith(e.call() + ": CUDA_ERROR_"), e::getMessage);
            }
        }
    }

    private static void exercise(FakeDriver driver) {
        try (var backend = new CudaBackend(driver, Precision.TF32)) {
            DeviceMemory x = backend.allocate(100_000);
            backend.write(Tensor.of(Shape.of(100_000), new float[100_000]), x);
            Runnable step = backend.recorded(() -> backend.map(RELU, 100, x, x));
            step.run();
            step.run();
            backend.read(x, Shape.of(100));
            backend.peakGbytes();
        }
    }

    @Test
    void exhaustedMemoryLeavesTheProgramUsable() {
        driver.memory = 1 << 20;
        try (var backend = open()) {
            DeviceMemory kept = backend.allocate(1000);
            backend.write(Tensor.of(Shape.of(3), 1f, 2f, 3f), kept);
            var e = assertThrows(DeviceMemoryException.class, () -> backend.allocate(1 << 20));
            assertTrue(e.getMessage().contains((4 << 20) + " bytes asked for"), e::getMessage);
            assertTrue(e.getMessage().contains("smaller batch"), e::getMessage);
            assertArrayEquals(
                    new float[] {1, 2, 3}, backend.read(kept, Shape.of(3)).floats());
            assertEquals(1000, backend.allocate(1000).length());
        }
        assertThrows(BackendException.class, () -> open().allocate(-1));
    }

    /** A step that ran, then no memory for a larger one's partial results: the first is recorded as if nothing had been. */
    @Test
    void exhaustedMemoryLeavesStepsThatRan() {
        driver.memory = 8 << 20;
        try (var backend = open()) {
            DeviceMemory x = backend.allocate(1_000_000);
            DeviceMemory y = backend.allocate(100_000);
            Runnable step = backend.recorded(() -> backend.matMul(64, 64, 10_000, false, false, x, x, y));
            step.run();
            var first = List.copyOf(driver.launches);
            assertTrue(first.getLast().kernel().equals("sum_splits"), "needs a workspace");
            assertThrows(DeviceMemoryException.class, () -> backend.matMul(320, 320, 3000, false, false, x, x, y));
            driver.launches.clear();
            step.run();
            assertEquals(first, driver.launches);
            assertEquals(1, driver.count("cuGraphLaunch"));
        }
    }

    /** What nobody can reach is used again, and given back when the device has nothing else. */
    @Test
    void memoryIsTakenBack() {
        driver.memory = 10 << 20;
        try (var backend = open()) {
            for (int i = 0; i < 100; i++) {
                assertEquals(500_000, backend.allocate(500_000).length()); // 2 MB each, 200 MB in all
            }
            assertEquals(2_000_000, backend.allocate(2_000_000).length()); // no room beside the small ones
        }
        assertEquals(0, driver.used());
    }

    /** A recorded step that nobody has any more gives back its memory and its graph. */
    @Test
    void recordingsAreTakenBack() {
        driver.memory = 10 << 20;
        try (var backend = open()) {
            for (int i = 0; i < 30; i++) {
                DeviceMemory x = backend.allocate(1_000_000);
                Runnable step = backend.recorded(() -> backend.map(RELU, 100, x, x));
                step.run();
                step.run();
            }
            assertTrue(driver.count("cuGraphExecDestroy") > 10);
        }
        assertEquals(driver.count("cuGraphLaunch"), driver.count("cuGraphExecDestroy"));
        assertEquals(0, driver.used());
    }

    /** Made once as they are, recorded once, then launched. */
    @Test
    void stepsAreRecorded() {
        try (var backend = open()) {
            DeviceMemory x = backend.allocate(100);
            var made = new int[1];
            Runnable step = backend.recorded(() -> {
                made[0]++;
                backend.map(RELU, 100, x, x);
                backend.sum(1, 100, 1, x, x);
            });
            for (int i = 1; i <= 5; i++) {
                step.run();
                assertEquals(2 * i, driver.launches.size());
                assertEquals(Math.min(i, 2), made[0]);
            }
            assertEquals(1, driver.count("cuStreamBeginCapture"));
            assertEquals(4, driver.count("cuGraphLaunch"));
            List<Runnable> failures = List.of(
                    () -> {
                        throw new IllegalStateException("in the middle");
                    },
                    () -> {
                        throw new StackOverflowError();
                    });
            for (Runnable failure : failures) {
                Runnable broken = backend.recorded(new Runnable() {
                    private int times;

                    @Override
                    public void run() {
                        if (times++ == 1) {
                            failure.run();
                        }
                    }
                });
                broken.run();
                assertThrows(Throwable.class, broken::run);
                backend.synchronize(); // no recording is under way
            }
        }
        assertEquals(3, driver.count("cuGraphExecDestroy"));
    }

    /** The context belongs to a thread: the first call of another makes it that thread's too. */
    @Test
    void everyThreadGetsTheContext() throws InterruptedException {
        try (var backend = open()) {
            DeviceMemory x = backend.allocate(10);
            long before = driver.count("cuCtxSetCurrent");
            var thread = new Thread(() -> backend.fill(10, 1, x));
            thread.start();
            thread.join();
            assertEquals(before + 1, driver.count("cuCtxSetCurrent"));
            backend.fill(10, 1, x);
            assertEquals(before + 2, driver.count("cuCtxSetCurrent"));
            backend.fill(10, 1, x);
            assertEquals(before + 2, driver.count("cuCtxSetCurrent"));
        }
    }

    /** A virtual thread may go on on another thread of the system at any time, even within an allocation that waits. */
    @Test
    void virtualThreadsGetItEachTime() throws InterruptedException {
        driver.memory = 10 << 20;
        try (var backend = open()) {
            DeviceMemory x = backend.allocate(10);
            long before = driver.count("cuCtxSetCurrent");
            Thread.ofVirtual()
                    .start(() -> {
                        backend.fill(10, 1, x);
                        backend.fill(10, 1, x);
                        backend.fill(10, 1, x);
                    })
                    .join();
            assertEquals(before + 3, driver.count("cuCtxSetCurrent"));
            driver.calls.clear();
            Thread.ofVirtual()
                    .start(() -> assertThrows(DeviceMemoryException.class, () -> backend.allocate(1 << 24)))
                    .join();
            assertEquals(4, driver.count("cuMemAlloc"));
            assertEquals(4, driver.count("cuCtxSetCurrent"), "before the first attempt and after each wait");
        }
    }

    @Test
    void impossibleArgumentsAreNamed() {
        try (var backend = open()) {
            DeviceMemory x = backend.allocate(10);
            var dims = new int[] {2, 2, 2, 2, 2, 2, 2, 2, 2};
            var strides = new int[] {1, 3, 9, 27, 81, 243, 729, 2187, 6561};
            var view = new StridedCopy(dims, 0, strides, 0, strides);
            var e = assertThrows(BackendException.class, () -> backend.copy(view, x, x));
            assertTrue(e.getMessage().contains("9 axes"), e::getMessage);
            assertThrows(IndexOutOfBoundsException.class, () -> backend.slice(x, 5, 6));
            assertThrows(
                    BackendException.class,
                    () -> backend.maxPool(
                            new Window(4096, 512, 512, 64, 512, 512, 64, 1, 1, 1, 1, 1, 1, 0, 0, 1), x, x));
        }
    }

    @Test
    void closedIsClosed() {
        CudaBackend backend = open();
        backend.close();
        backend.close();
        assertThrows(BackendException.class, () -> backend.allocate(1));
        var loaded = new HashSet<>(driver.calls);
        assertTrue(loaded.contains("cuDevicePrimaryCtxRelease"));
    }

    @Test
    void machinesThatWillNotDo() {
        assertTrue(CudaProvider.problem(driver, 90).isEmpty());
        driver.version = 11_070;
        assertMessage("the driver supports CUDA 11.7, the kernels need 11.8", 75);
        driver.version = 13_000;
        assertMessage("7.5 (Turing) or newer is needed", 61);
        driver.devices = 0;
        assertMessage("NO_DEVICE", 0);
        assertTrue(CudaProvider.unavailable(Precision.BF16, 75).orElseThrow().contains("use float32"));
        assertTrue(CudaProvider.unavailable(Precision.FLOAT32, 75).isEmpty());
        var float64 = new CudaProvider().unavailable(new Options(1, Precision.FLOAT64));
        assertTrue(float64.orElseThrow().contains("use the reference backend"));
    }

    private void assertMessage(String part, int capability) {
        String text = CudaProvider.problem(driver, capability).orElseThrow();
        assertTrue(text.contains(part), text);
        assertEquals(1, text.lines().count());
    }

    /** Kernels of another release: refused before anything is launched. */
    @Test
    void mismatchedJars() {
        var kernels = new Kernels(driver, driver.createStream(), 90, Precision.FLOAT32);
        assertInstanceOf(
                BackendException.class,
                assertThrows(BackendException.class, () -> kernels.of("Elementwise", "no_such_kernel")));
        assertThrows(
                BackendException.class, () -> kernels.of("Elementwise", "fill").l(1));
        assertThrows(
                BackendException.class,
                () -> kernels.of("Elementwise", "fill").i(1).run(1, 256));
        assertEquals(List.of(), driver.launches);
    }
}
