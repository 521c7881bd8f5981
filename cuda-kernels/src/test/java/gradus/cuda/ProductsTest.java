package gradus.cuda;

import static gradus.backend.agreement.Twins.inputs;
import static gradus.backend.agreement.Twins.kernels;
import static gradus.backend.agreement.Twins.results;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.backend.ScalarFunction;
import gradus.backend.Window;
import gradus.backend.agreement.AgreementTest;
import gradus.backend.agreement.Twins;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Products, convolutions and their derivatives by every kernel there is, in every precision: on small whole numbers, which are
 * exact in bfloat16 as their sums are in float32, so that every result must be right to the bit. On the emulated driver, or on
 * a device where there is one.
 */
class ProductsTest {
    /** Of layers of ResNet-50, in addition; too much for an emulation unless there are few. */
    private static final int IMAGES = Integer.getInteger("gradus.test.images", 0);

    private static final ScalarFunction RELU6 = new ScalarFunction.Relu6();

    private record Product(int m, int n, int k) {}

    /** By the tile they get, 128x128 first; the fewest multiplications for each, with rows, columns and steps left over. */
    private static final List<Product> PRODUCTS = List.of(
            new Product(2172, 2048, 20),
            new Product(3836, 576, 36),
            new Product(1088, 1084, 52),
            new Product(100, 60, 1000),
            new Product(61, 67, 131),
            new Product(33, 35, 1001));

    /** Those that the kernels for 9.0 take. */
    private static final List<Product> WIDE_PRODUCTS =
            List.of(new Product(2044, 2048, 72), new Product(1540, 1536, 64), new Product(1536, 1596, 136));

    private static final List<Window> CONVOLUTIONS = List.of(
            same(33, 32, 32, 4, 128),
            same(11, 32, 32, 4, 192),
            same(22, 16, 16, 4, 192),
            new Window(2, 9, 7, 64, 5, 4, 24, 3, 3, 2, 2, 1, 1, 1, 1, 2),
            new Window(2, 9, 8, 8, 5, 8, 12, 3, 3, 2, 1, 1, 2, 1, 2, 1),
            new Window(2, 20, 20, 3, 10, 10, 10, 7, 7, 2, 2, 1, 1, 3, 3, 1),
            same(2, 5, 7, 67, 30));

    private static final List<Window> WIDE = List.of(
            same(12, 32, 32, 8, 252),
            same(12, 32, 32, 8, 128),
            same(4, 32, 32, 8, 188),
            new Window(6, 32, 31, 32, 32, 31, 192, 3, 3, 1, 1, 2, 1, 2, 1, 2),
            same(1, 8, 16, 1024, 256));

    private static final List<Window> INPUT_GRADIENTS = List.of(
            same(33, 32, 32, 128, 4),
            same(11, 32, 32, 192, 4),
            same(22, 16, 16, 192, 4),
            new Window(2, 9, 7, 24, 5, 4, 64, 3, 3, 2, 2, 1, 1, 1, 1, 2),
            new Window(2, 9, 8, 8, 5, 8, 12, 3, 3, 2, 1, 1, 2, 1, 2, 1),
            new Window(2, 20, 20, 3, 10, 10, 10, 7, 7, 2, 2, 1, 1, 3, 3, 1),
            same(2, 5, 7, 30, 67));

    private static final List<Window> WIDE_INPUT_GRADIENTS = List.of(
            same(12, 32, 32, 252, 8),
            same(12, 32, 32, 128, 8),
            same(4, 32, 32, 188, 8),
            new Window(6, 32, 31, 192, 32, 31, 32, 3, 3, 1, 1, 2, 1, 2, 1, 2),
            same(1, 8, 16, 256, 1024));

    private static final List<Window> KERNEL_GRADIENTS = List.of(
            new Window(2, 32, 33, 124, 32, 33, 128, 1, 1, 1, 1, 1, 1, 0, 0, 1),
            new Window(2, 32, 33, 128, 32, 33, 60, 1, 1, 1, 1, 1, 1, 0, 0, 1),
            new Window(2, 32, 33, 40, 16, 17, 64, 3, 3, 2, 2, 1, 1, 1, 1, 2),
            same(2, 9, 7, 20, 12),
            new Window(2, 20, 20, 3, 10, 10, 10, 7, 7, 2, 2, 1, 1, 3, 3, 1),
            same(2, 25, 27, 5, 6));

    /** 3 x 3 with one pixel around. */
    private static Window same(int n, int h, int w, int c, int f) {
        return new Window(n, h, w, c, h, w, f, 3, 3, 1, 1, 1, 1, 1, 1, 1);
    }

    /** A call with memories of these sizes. */
    private record Case(String name, Twins.Call call, int size, int... inputs) {}

    private static List<Case> cases(Precision precision, int images) {
        boolean wide = precision == Precision.BF16;
        List<Window> networks = images == 0 ? List.of() : layers(images);
        List<Product> deep = images == 0
                ? List.of()
                : List.of(new Product(2048, 2048, 64 * images), new Product(2172, 2052, 52 * images + 4));
        var all = new ArrayList<Case>();
        for (Product p : join(PRODUCTS, wide ? WIDE_PRODUCTS : List.of(), deep)) {
            for (int way = 0; way < 4; way++) {
                boolean ta = way / 2 == 1;
                boolean tb = way % 2 == 1;
                all.add(new Case(
                        p + " transposed " + ta + " " + tb,
                        (b, x, y) -> b.matMul(p.m, p.n, p.k, ta, tb, x[0], x[1], y),
                        p.m * p.n,
                        p.m * p.k,
                        p.k * p.n));
            }
        }
        for (Window g : join(CONVOLUTIONS, wide ? WIDE : List.of(), networks)) {
            all.add(new Case(
                    "conv2dFused " + g,
                    (b, x, y) -> b.conv2dFused(g, RELU6, x[0], x[1], x[2], x[3], y),
                    results(g),
                    inputs(g),
                    kernels(g),
                    g.f(),
                    results(g)));
        }
        for (Window g : wide ? join(WIDE, networks, List.of()) : List.<Window>of()) {
            all.add(new Case(
                    "conv2dPrepared " + g,
                    (b, x, y) -> AgreementTest.prepared(b, g, null, x[0], x[1], null, null, y),
                    results(g),
                    inputs(g),
                    kernels(g)));
        }
        for (Window g : join(INPUT_GRADIENTS, wide ? WIDE_INPUT_GRADIENTS : List.of(), networks)) {
            all.add(new Case(
                    "conv2dInputGradient " + g,
                    (b, x, y) -> b.conv2dInputGradient(g, x[0], x[1], y),
                    inputs(g),
                    results(g),
                    kernels(g)));
        }
        for (Window g : join(KERNEL_GRADIENTS, networks, List.of())) {
            all.add(new Case(
                    "conv2dKernelGradient " + g,
                    (b, x, y) -> b.conv2dKernelGradient(g, x[0], x[1], y),
                    kernels(g),
                    inputs(g),
                    results(g)));
        }
        return all;
    }

    /** Layers of ResNet-50. */
    private static List<Window> layers(int n) {
        return List.of(
                new Window(n, 224, 224, 3, 112, 112, 64, 7, 7, 2, 2, 1, 1, 3, 3, 1),
                same(n, 56, 56, 64, 64),
                new Window(n, 56, 56, 64, 56, 56, 256, 1, 1, 1, 1, 1, 1, 0, 0, 1),
                new Window(n, 56, 56, 256, 28, 28, 128, 1, 1, 2, 2, 1, 1, 0, 0, 1),
                same(n, 14, 14, 256, 256),
                same(n, 7, 7, 512, 512));
    }

    private static <T> List<T> join(List<T> a, List<T> b, List<T> c) {
        return Stream.of(a, b, c).flatMap(List::stream).toList();
    }

    @SuppressWarnings("unchecked") // memory is only handed back to the backend it came from
    private static Backend<Object> plain(Backend<?> backend) {
        return (Backend<Object>) backend;
    }

    private static Backend<Object> open(Precision precision) {
        var options = new Options(1, precision);
        Optional<String> problem = new CudaProvider().unavailable(options);
        assumeTrue(problem.isEmpty(), () -> problem.orElse(""));
        return plain(Backends.open("cuda", options));
    }

    private static float[] whole(int n) {
        var random = new SplittableRandom(n);
        var x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = random.nextInt(-3, 4);
        }
        return x;
    }

    private static Object[] operands(Case c, Backend<Object> backend) {
        return Arrays.stream(c.inputs)
                .mapToObj(n -> {
                    Object x = backend.allocate(n);
                    backend.write(Tensor.of(Shape.of(n), whole(n)), x);
                    return x;
                })
                .toArray();
    }

    private static float[] run(Case c, Backend<Object> backend) {
        Object y = backend.allocate(c.size);
        backend.fill(c.size, Double.NaN, y);
        c.call.on(backend, operands(c, backend), y);
        return backend.read(y, Shape.of(c.size)).floats();
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "TF32", "BF16"})
    void exactOnWholeNumbers(Precision precision) {
        try (var cuda = open(precision);
                var simd = plain(Backends.open("simd", new Options(0, Precision.FLOAT32, true)))) {
            for (Case c : cases(precision, IMAGES)) {
                assertArrayEquals(run(c, simd), run(c, cuda), c.name);
            }
        }
    }

    /** Or the test above would not see a kernel that is wrong. */
    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "TF32", "BF16"})
    void everyKernelIsReached(Precision precision) {
        var driver = new FakeDriver();
        try (var backend = plain(new CudaBackend(driver, precision))) {
            for (Case c : cases(precision, 0)) {
                c.call.on(backend, operands(c, backend), backend.allocate(c.size));
            }
        }
        var kernels = new TreeSet<String>();
        for (String module : List.of("MatMul", "Convolution")) {
            String name = Kernels.resourceName(module, "." + precision.name().toLowerCase(Locale.ROOT));
            kernels.addAll(Ptx.load(name, driver.capability).signatures().keySet());
        }
        if (precision == Precision.BF16) {
            kernels.addAll(
                    Ptx.load(Hopper.MODULE, driver.capability).signatures().keySet());
        }
        driver.launches.forEach(launch -> kernels.remove(launch.kernel()));
        assertEquals(Set.of(), kernels, "not launched");
    }

    /** Products of tf32 and bf16 differ from those of float32, by no more than their factors' rounding. */
    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"TF32", "BF16"})
    void factorsAreRounded(Precision precision) {
        int n = 68;
        float[] exact = product(Precision.FLOAT32, n);
        float[] rounded = product(precision, n);
        double most = 0;
        for (int i = 0; i < exact.length; i++) {
            most = Math.max(most, Math.abs(exact[i] - rounded[i]));
        }
        double bound = 2 * precision.roundoff() * n * 0.25;
        assertTrue(most < bound, precision + ": " + most + " of " + bound);
        assertTrue(most > bound * 1e-3, precision + " does not round: " + most + " of " + bound);
    }

    private static float[] product(Precision precision, int n) {
        try (var backend = open(precision)) {
            Object a = backend.allocate(n * n);
            Object y = backend.allocate(n * n);
            var random = new SplittableRandom(n);
            var x = new float[n * n];
            for (int i = 0; i < n * n; i++) {
                x[i] = random.nextFloat() - 0.5f;
            }
            backend.write(Tensor.of(Shape.of(n * n), x), a);
            backend.matMul(n, n, n, false, true, a, a, y);
            return backend.read(y, Shape.of(n, n)).floats();
        }
    }
}
