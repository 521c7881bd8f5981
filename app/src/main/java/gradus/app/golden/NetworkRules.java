package gradus.app.golden;

import gradus.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What counts as equal for a whole network, where one absolute number per tensor would not do: relative to the truth,
 * to a gradient's length, or, where training of the network is badly conditioned, not at all in float32.
 *
 * @param zeroGradients for each trainable parameter whether its gradient is mathematically zero: biases of convolutions
 *     in front of a batch norm
 * @param sizes elements of each trainable parameter
 */
record NetworkRules(GoldenCase c, boolean float64, boolean damped, boolean[] zeroGradients, int[] sizes) {
    private static final double RELATIVE_F64 = 1e-9;

    /** Bound for the length of a gradient that is mathematically zero. */
    private double zero() {
        return float64 ? RELATIVE_F64 : 1e-3;
    }

    /** Whether gradients and further steps are compared at all. */
    boolean judgesTraining() {
        return float64 || damped;
    }

    /** The tolerance of a result, or null if it is no criterion. */
    Tolerance of(String name) {
        Tensor e = c.truth(name);
        return float64 ? float64(name, e) : float32(name, e);
    }

    private Tolerance float64(String name, Tensor e) {
        return switch (name) {
            case "train.adam_losses", "train.sgd_losses" ->
                damped ? i -> RELATIVE_F64 * Math.abs(e.get(i)) : Tolerance.absolute(1e-6);
            case "train.grad_norm" -> i -> zeroGradients[i] ? zero() : RELATIVE_F64 * e.get(i);
            case "train.grad_projection" -> projection(RELATIVE_F64, e);
            case "train.grad_first4" -> first4(RELATIVE_F64);
            default ->
                // A summary is mean, length and maximum, then single values, which are judged by the maximum.
                name.endsWith(".summary")
                        ? i -> RELATIVE_F64 * Math.abs(e.get(Math.min(i, 2)))
                        : name.contains("_norm")
                                ? i -> RELATIVE_F64 * Math.abs(e.get(i))
                                : Tolerance.absolute(RELATIVE_F64 * largest(e));
        };
    }

    private Tolerance float32(String name, Tensor e) {
        if (name.startsWith("infer.")) {
            return Tolerance.absolute(2e-5 * largest(e));
        }
        if (!damped) {
            return switch (name) {
                case "train.logits" -> Tolerance.absolute(1e-2 * largest(e));
                case "train.loss" -> Tolerance.absolute(1e-2);
                default -> null;
            };
        }
        return switch (name) {
            case "train.logits" -> Tolerance.absolute(1e-4 * largest(e));
            case "train.loss" -> Tolerance.absolute(1e-4);
            case "train.adam_losses", "train.sgd_losses" -> Tolerance.absolute(1e-3);
            case "train.d_x_norm" -> Tolerance.absolute(0.01 * largest(e));
            case "train.grad_norm" -> i -> zeroGradients[i] ? zero() : 0.01 * e.get(i);
            case "train.grad_projection" -> projection(0.05, e);
            case "train.grad_first4" -> first4(0.05);
            default -> null; // stages and moving statistics of the training step
        };
    }

    /** Dot products with a vector of elements in [-1, 1): judged by the gradient's length. */
    private Tolerance projection(double share, Tensor e) {
        Tensor norm = c.truth("train.grad_norm");
        return i -> zeroGradients[i]
                ? zero() * Math.sqrt(sizes[i])
                : share * (float64 ? Math.max(norm.get(i), Math.abs(e.get(i))) : norm.get(i));
    }

    private Tolerance first4(double share) {
        Tensor norm = c.truth("train.grad_norm");
        return i -> zeroGradients[i / 4] ? zero() : share * norm.get(i / 4);
    }

    private static double largest(Tensor t) {
        return IntStream.range(0, t.size())
                .mapToDouble(i -> Math.abs(t.get(i)))
                .max()
                .orElse(0);
    }

    /** Marks biases of convolutions among the trainable parameters. */
    static boolean[] zeroGradients(List<String> trainable, Map<String, Tensor> weights) {
        var zero = new boolean[trainable.size()];
        for (int i = 0; i < zero.length; i++) {
            String name = trainable.get(i);
            Tensor kernel = name.endsWith("/bias") ? weights.get(name.replace("/bias", "/kernel")) : null;
            zero[i] = kernel != null && kernel.shape().rank() == 4;
        }
        return zero;
    }
}
