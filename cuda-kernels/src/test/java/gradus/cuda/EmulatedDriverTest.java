package gradus.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.backend.Window;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * By way of JCuda to a driver library, as with a device; the library is the emulated one, which runs the kernels on this
 * processor and makes a stream's work late. Needs g++.
 */
class EmulatedDriverTest {
    private static SymbolLookup library;

    @BeforeAll
    static void build() {
        Path driver = Path.of(System.getProperty(NativeLibrary.DRIVER_PROPERTY, "none"));
        assumeTrue(Files.exists(driver), "no emulated driver: there is no g++");
        library = SymbolLookup.libraryLookup(driver, Arena.global());
    }

    private static int call(String name) {
        return invoke(name, FunctionDescriptor.of(ValueLayout.JAVA_INT));
    }

    private static void fail(String call, int after, int code) {
        try (var arena = Arena.ofConfined()) {
            invoke(
                    "emulation_fail",
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT),
                    arena.allocateFrom(call),
                    after,
                    code);
        }
    }

    private static int invoke(String name, FunctionDescriptor type, Object... arguments) {
        MemorySegment symbol = library.find(name).orElseThrow();
        try {
            return (int) Linker.nativeLinker().downcallHandle(symbol, type).invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static CudaBackend open(Precision precision) {
        return (CudaBackend) Backends.open("cuda", new Options(1, precision));
    }

    private static Tensor numbers(int n) {
        var random = new SplittableRandom(n);
        var x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = random.nextFloat() - 0.5f;
        }
        return Tensor.of(Shape.of(n), x);
    }

    @Test
    void description() {
        try (var backend = open(Precision.BF16)) {
            assertEquals("cuda", backend.name());
            assertTrue(
                    backend.description().startsWith("bf16, emulated device, compute capability 9.0"),
                    backend::description);
            assertTrue(Double.isNaN(backend.peakGflops()));
        }
    }

    /** Large transfers in several parts, twice in a row to the same memory, with work in between. */
    @Test
    void transfers() {
        int n = 2 * Transfers.CHUNK + 12_345;
        try (var backend = open(Precision.FLOAT32)) {
            DeviceMemory x = backend.allocate(n);
            DeviceMemory y = backend.allocate(n);
            Tensor first = numbers(n);
            Tensor second = numbers(n - 1);
            backend.write(first, x);
            backend.map(new ScalarFunction.Affine(2, 0), n, x, y);
            backend.write(second, x); // must not reach the map
            float[] doubled = backend.read(y, Shape.of(n)).floats();
            float[] expected = first.floats().clone();
            for (int i = 0; i < n; i++) {
                expected[i] *= 2;
            }
            assertArrayEquals(expected, doubled);
            assertArrayEquals(second.floats(), backend.read(x, Shape.of(n - 1)).floats());
        }
        assertEquals(0, call("emulation_blocks"));
    }

    /** Errors by way of the real call: names, codes, and a backend that goes on. */
    @Test
    void errors() {
        try (var backend = open(Precision.FLOAT32)) {
            DeviceMemory x = backend.allocate(100);
            backend.write(numbers(100), x);
            fail("cuMemAlloc", 0, 2);
            try {
                assertThrows(DeviceMemoryException.class, () -> backend.allocate(1000));
            } finally {
                fail("", 0, 0);
            }
            fail("cuLaunchKernel", 1, 719);
            try {
                backend.fill(1, 0, backend.slice(x, 99, 1));
                var e = assertThrows(CudaException.class, () -> backend.fill(1, 0, x));
                assertEquals(719, e.code());
                assertEquals("cuLaunchKernel", e.call());
            } finally {
                fail("", 0, 0);
            }
            assertEquals(numbers(100).get(5), backend.read(x, Shape.of(100)).get(5));
            assertThrows(DeviceMemoryException.class, () -> backend.allocate(1L << 40));
            assertEquals(1000, backend.allocate(1000).length());
        }
        assertEquals(0, call("emulation_blocks"));
    }

    @Test
    void recordedStepsGiveTheSameBits() {
        var g = new Window(2, 9, 9, 8, 9, 9, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1);
        for (Precision precision : new Precision[] {Precision.FLOAT32, Precision.TF32, Precision.BF16}) {
            try (Backend<DeviceMemory> backend = open(precision)) {
                DeviceMemory x = backend.allocate(2 * 81 * 8);
                DeviceMemory w = backend.allocate(9 * 8 * 12);
                DeviceMemory y = backend.allocate(2 * 81 * 12);
                DeviceMemory dw = backend.allocate(9 * 8 * 12);
                backend.write(numbers(9 * 8 * 12), w);
                Runnable step = backend.recorded(() -> {
                    backend.conv2d(g, x, w, y);
                    backend.conv2dKernelGradient(g, x, y, dw);
                    backend.lerp(9 * 8 * 12, 0.25, w, dw, w);
                });
                float[][] results = new float[2][];
                for (int way = 0; way < 2; way++) {
                    backend.write(numbers(9 * 8 * 12), w);
                    for (int t = 0; t < 4; t++) {
                        backend.write(numbers(2 * 81 * 8), x);
                        if (way == 0) {
                            step.run();
                        } else {
                            backend.conv2d(g, x, w, y);
                            backend.conv2dKernelGradient(g, x, y, dw);
                            backend.lerp(9 * 8 * 12, 0.25, w, dw, w);
                        }
                    }
                    results[way] = backend.read(w, Shape.of(9 * 8 * 12)).floats();
                }
                assertArrayEquals(results[1], results[0], precision.name());
            }
        }
        assertEquals(0, call("emulation_blocks"));
    }
}
