package gradus.layers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.Safetensors;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Seeded initializers against numbers recorded from Keras on TensorFlow: uniform ones bit for bit. */
class InitializersTest {
    private static final List<Shape> SHAPES = List.of(
            Shape.of(7, 7, 3, 64), Shape.of(3, 3, 5, 17), Shape.of(1, 1, 64, 6), Shape.of(2048, 6), Shape.of(33));

    private static Safetensors golden(String file) throws IOException {
        String name = "/golden/initializer/" + file + ".safetensors";
        try (var in = InitializersTest.class.getResourceAsStream(name)) {
            return Safetensors.open(name, in.readAllBytes());
        }
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void equalsKeras(DType dtype) throws IOException {
        Safetensors golden = golden(dtype == DType.F32 ? "keras_stateless_float32" : "keras_stateless_float64");
        int checked = 0;
        for (String name : List.of(
                "glorot_uniform",
                "glorot_normal",
                "he_uniform",
                "he_normal",
                "lecun_uniform",
                "lecun_normal",
                "random_uniform",
                "random_normal",
                "truncated_normal")) {
            for (Shape shape : SHAPES) {
                for (long seed : new long[] {0, 1, 42, 2147483647}) {
                    var initializer = (Initializers.Distribution) Initializers.byName(name);
                    Tensor y = initializer.seed(seed).initialize(shape, dtype, 99);
                    String dims = shape.toString().replaceAll("[(),]+$|\\(", "").replace(", ", "x");
                    String prefix = name + "/" + dims + "/seed" + seed;
                    if (name.endsWith("uniform")) {
                        assertEquals((long) golden.tensor(prefix + "/crc32").item(), crc(y), prefix);
                    }
                    compare(y, golden.tensor(prefix + "/first8"), dtype, prefix);
                    compareStatistics(y, golden.tensor(prefix + "/stats"), dtype, prefix);
                    if (golden.names().contains(prefix + "/values")) {
                        compare(y, golden.tensor(prefix + "/values"), dtype, prefix);
                    }
                    checked++;
                }
            }
        }
        assertEquals(9 * 5 * 4, checked);
    }

    private static void compare(Tensor y, Tensor expected, DType dtype, String what) {
        double largest = DoubleStream.of(y.doubles()).map(Math::abs).max().orElse(0);
        double tolerance = largest * (dtype == DType.F32 ? 5e-7 : 2e-15);
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(expected.get(i), y.get(i), tolerance, what + " [" + i + "]");
        }
    }

    /** Sum, sum of squares, smallest, largest, last. */
    private static void compareStatistics(Tensor y, Tensor stats, DType dtype, String what) {
        double sum = 0;
        double squares = 0;
        for (double v : y.doubles()) {
            sum += v;
            squares += v * v;
        }
        double relative = dtype == DType.F32 ? 5e-7 : 1e-12;
        assertEquals(stats.get(0), sum, relative * Math.sqrt(squares * y.size()) + 1e-15, what + " sum");
        assertEquals(stats.get(1), squares, relative * squares * 4, what + " squares");
        assertEquals(stats.get(4), y.get(y.size() - 1), relative * 4, what + " last");
    }

    private static long crc(Tensor y) {
        ByteBuffer bytes = ByteBuffer.allocate(y.size() * y.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < y.size(); i++) {
            if (y.dtype() == DType.F32) {
                bytes.putFloat((float) y.get(i));
            } else {
                bytes.putDouble(y.get(i));
            }
        }
        var crc = new CRC32();
        crc.update(bytes.array());
        return crc.getValue();
    }

    @Test
    void legacyStreamEqualsTensorFlow() throws IOException {
        Safetensors golden = golden("legacy_stateful_seed2_0");
        Tensor first =
                new LegacyPhilox(2, 0).with(Initializers.randomUniform(0, 1)).initialize(Shape.of(1000), DType.F32, 0);
        assertEquals(golden.tensor("call0_of_1000_uniform01"), first);
        Initializer stream = new LegacyPhilox(2, 0).glorotUniform();
        for (int i = 0; i < 6; i++) {
            Tensor expected = golden.tensor("sequence/" + i + "/glorot_uniform");
            assertEquals(expected, stream.initialize(expected.shape(), DType.F32, 0), "call " + i);
        }
    }

    @Test
    void firstNumbersOfSeedZero() {
        Tensor u = Initializers.randomUniform(0, 1).seed(0).initialize(Shape.of(4), DType.F32, 0);
        float[] expected = {0.2110155f, 0.70601f, 0.8000634f, 0.7707922f};
        for (int i = 0; i < 4; i++) {
            assertEquals(expected[i], (float) u.get(i), 1e-6f);
        }
    }

    @Test
    void unseededDependOnTheDefaultSeed() {
        Shape shape = Shape.of(3, 3, 4, 5);
        Initializer glorot = Initializers.glorotUniform();
        assertEquals(glorot.initialize(shape, DType.F32, 7), glorot.initialize(shape, DType.F32, 7));
        assertNotEquals(glorot.initialize(shape, DType.F32, 7), glorot.initialize(shape, DType.F32, 8));
        assertEquals(
                Initializers.glorotUniform(7).initialize(shape, DType.F32, 1), glorot.initialize(shape, DType.F32, 7));
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void orthogonalIsOrthogonal(DType dtype) {
        for (Shape shape : List.of(Shape.of(20, 7), Shape.of(7, 20), Shape.of(3, 3, 2, 5), Shape.of(1, 1, 4, 16))) {
            Tensor w = Initializers.orthogonal(2).initialize(shape, dtype, 1);
            int n = shape.dim(-1);
            int m = shape.size() / n;
            boolean wide = m < n;
            int k = Math.min(m, n);
            for (int i = 0; i < k; i++) {
                for (int j = 0; j < k; j++) {
                    double dot = 0;
                    for (int r = 0; r < Math.max(m, n); r++) {
                        dot += wide ? w.get(i * n + r) * w.get(j * n + r) : w.get(r * n + i) * w.get(r * n + j);
                    }
                    assertEquals(i == j ? 4 : 0, dot, dtype == DType.F32 ? 1e-5 : 1e-12, shape + " " + i + " " + j);
                }
            }
        }
    }

    @Test
    void constantsAndIdentity() {
        assertEquals(Tensor.of(Shape.of(2), 3f, 3f), Initializers.constant(3).initialize(Shape.of(2), DType.F32, 0));
        assertEquals(
                Tensor.of(Shape.of(2, 3), 2.0, 0, 0, 0, 2, 0),
                Initializers.identity(2).initialize(Shape.of(2, 3), DType.F64, 0));
        var e = assertThrows(
                GradusException.class, () -> Initializers.identity().initialize(Shape.of(3, 3, 2, 2), DType.F32, 0));
        assertTrue(e.getMessage().contains("(3, 3, 2, 2)"), e.getMessage());
        assertThrows(GradusException.class, () -> Initializers.byName("glorot"));
    }

    @Test
    void fansOfAllRanks() {
        assertEquals(1, Initializers.Fan.IN.of(Shape.SCALAR));
        assertEquals(5, Initializers.Fan.OUT.of(Shape.of(5)));
        assertEquals(3, Initializers.Fan.IN.of(Shape.of(3, 5)));
        assertEquals(4, Initializers.Fan.AVERAGE.of(Shape.of(3, 5)));
        assertEquals(18, Initializers.Fan.IN.of(Shape.of(3, 3, 2, 5)));
        assertEquals(45, Initializers.Fan.OUT.of(Shape.of(3, 3, 2, 5)));
    }
}
