package gradus.app.golden;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/**
 * Weights and pictures that follow from a number instead of lying in a file: SplitMix64 (Steele, Lea and Flood, 2014),
 * element i being made from {@code seed + (i + 1) gamma}.
 */
final class Formula {
    private static final long STEP = 0x632BE59BD9B4E019L;
    private static final long GAMMA = 0x9E3779B97F4A7C15L;

    private Formula() {}

    /** Values uniform in [low, high) of stream {@code index} of a seed, rounded to float. */
    static Tensor uniform(long baseSeed, long index, Shape shape, double low, double high) {
        long seed = baseSeed + index * STEP;
        var values = new float[shape.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (low + (high - low) * unit(seed + (i + 1) * GAMMA));
        }
        return Tensor.of(shape, values);
    }

    private static double unit(long state) {
        long z = state;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        z ^= z >>> 31;
        return (z >>> 11) * 0x1p-53;
    }

    /** The k-th parameter of a network, its distribution chosen by its name. */
    static Tensor parameter(long baseSeed, int k, String name, Shape shape, boolean damped) {
        String kind = name.substring(name.lastIndexOf('/') + 1);
        double limit = kind.equals("kernel") ? Math.sqrt(3.0 / shape.size(0, shape.rank() - 1)) : 0;
        return switch (kind) {
            case "kernel" -> uniform(baseSeed, k, shape, -limit, limit);
            case "bias" -> uniform(baseSeed, k, shape, -0.1, 0.1);
            case "gamma" ->
                damped && name.endsWith("2c/gamma")
                        ? uniform(baseSeed, k, shape, 0.1, 0.3)
                        : uniform(baseSeed, k, shape, 0.8, 1.2);
            case "beta", "moving_mean" -> uniform(baseSeed, k, shape, -0.2, 0.2);
            case "moving_variance" -> uniform(baseSeed, k, shape, 0.5, 1.5);
            default -> throw OpCases.unknown(name, "kernel, bias, gamma, beta, moving_mean, moving_variance");
        };
    }
}
