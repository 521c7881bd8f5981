package gradus.app.golden;

import gradus.layers.Initializer;
import gradus.layers.Initializers;
import gradus.layers.LegacyPhilox;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import java.util.zip.CRC32;

/**
 * Seeded initializers. Tensors are named {@code NAME/SHAPE/seedS/WHAT}; uniform ones must be equal bit for bit, normal
 * ones to a few units of rounding, as sine and logarithm differ between libraries. The backend has no part in it; what
 * type the values have is said by the file.
 */
final class InitializerCases {
    private static final double NORMAL_F32 = 5e-7;
    private static final double NORMAL_F64 = 2e-15;

    /** Sums of many values are compared to this share of the sum of their magnitudes. */
    private static final double SUMMATION = 1e-12;

    private InitializerCases() {}

    static List<Check> run(GoldenCase c, Manifest manifest, Engine engine) {
        return c.hasAttribute("global_seed") ? stateful(c) : stateless(c);
    }

    private static List<Check> stateless(GoldenCase c) {
        DType dtype = c.text("dtype").equals("f64") ? DType.F64 : DType.F32;
        Map<String, Tensor> drawn = new HashMap<>();
        var checks = new ArrayList<Check>();
        for (String tensor : c.tensors().keySet()) {
            String[] part = tensor.split("/");
            if (part.length != 4 || !part[2].startsWith("seed")) {
                throw new GoldenException("tensor " + tensor + " is not named NAME/SHAPE/seedS/WHAT");
            }
            Tensor values = drawn.computeIfAbsent(part[0] + part[1] + part[2], k -> {
                int[] dims = Arrays.stream(part[1].split("x"))
                        .mapToInt(Integer::parseInt)
                        .toArray();
                Initializer initializer = Initializers.byName(part[0]);
                return initializer.initialize(Shape.of(dims), dtype, Long.parseLong(part[2].substring(4)));
            });
            boolean uniform = part[0].endsWith("uniform");
            double bound = uniform ? 0 : (dtype == DType.F64 ? NORMAL_F64 : NORMAL_F32) * max(values, Math::abs);
            Tensor expected = c.tensor(tensor);
            switch (part[3]) {
                case "values" -> checks.add(Check.of(tensor, expected, values, bound));
                case "first8" -> checks.add(Check.of(tensor, expected, first(values, expected.size()), bound));
                case "stats" -> checks.add(stats(tensor, expected, values, bound));
                case "crc32" -> {
                    if (uniform) {
                        checks.add(Check.of(tensor, expected.item(), crc32(values), 0));
                    }
                }
                default -> throw OpCases.unknown(tensor, "values, first8, stats, crc32");
            }
        }
        return nonEmpty(checks);
    }

    /** The stream of older versions: one call of its own, and a sequence of calls. */
    private static List<Check> stateful(GoldenCase c) {
        long global = (long) c.number("global_seed");
        long op = (long) c.number("op_seed");
        var checks = new ArrayList<Check>();
        for (String tensor : c.tensors().keySet()) {
            if (tensor.startsWith("call0") && tensor.endsWith("uniform01")) {
                Initializer unit = new LegacyPhilox(global, op).with(Initializers.randomUniform(0, 1));
                checks.add(same(tensor, c.tensor(tensor), unit));
            }
        }
        Initializer sequence = new LegacyPhilox(global, op).glorotUniform();
        for (int i = 0; i < c.list("shapes").size(); i++) {
            String tensor = "sequence/" + i + "/glorot_uniform";
            checks.add(same(tensor, c.tensor(tensor), sequence));
        }
        return nonEmpty(checks);
    }

    private static Check same(String tensor, Tensor expected, Initializer initializer) {
        return Check.of(tensor, expected, initializer.initialize(expected.shape(), expected.dtype(), 0), 0);
    }

    private static List<Check> nonEmpty(List<Check> checks) {
        if (checks.isEmpty()) {
            throw new GoldenException("the file holds nothing to compare with");
        }
        return checks;
    }

    private static Tensor first(Tensor values, int n) {
        return Tensor.of(
                Shape.of(n), IntStream.range(0, n).mapToDouble(values::get).toArray());
    }

    /** Sum, sum of squares, minimum, maximum, last value. */
    private static Check stats(String tensor, Tensor expected, Tensor values, double bound) {
        int n = values.size();
        double magnitude = sum(values, Math::abs);
        double squares = sum(values, v -> v * v);
        double[] actual = {sum(values, v -> v), squares, -max(values, v -> -v), max(values, v -> v), values.get(n - 1)};
        double[] tolerance = {
            n * bound + SUMMATION * magnitude, 2 * bound * magnitude + SUMMATION * squares, bound, bound, bound
        };
        return new Check(tensor, expected, Tensor.of(Shape.of(actual.length), actual), i -> tolerance[i]);
    }

    private static double sum(Tensor t, DoubleUnaryOperator f) {
        return IntStream.range(0, t.size()).mapToDouble(t::get).map(f).sum();
    }

    private static double max(Tensor t, DoubleUnaryOperator f) {
        return IntStream.range(0, t.size()).mapToDouble(t::get).map(f).max().orElse(0);
    }

    /** Checksum of the values as they would lie in a file. */
    static long crc32(Tensor t) {
        var bytes = ByteBuffer.allocate(t.size() * t.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
        switch (t.dtype()) {
            case F32 -> bytes.asFloatBuffer().put(t.floats());
            case F64 -> bytes.asDoubleBuffer().put(t.doubles());
        }
        var crc = new CRC32();
        crc.update(bytes.array());
        return crc.getValue();
    }
}
