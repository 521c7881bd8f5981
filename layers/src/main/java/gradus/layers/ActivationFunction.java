package gradus.layers;

import gradus.backend.ScalarFunction;
import gradus.op.Builder;
import gradus.op.LogSoftmax;
import gradus.op.Softmax;
import gradus.op.Value;
import gradus.tensor.GradusException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The activation functions by Keras's names, each with Keras's default parameters. */
public enum ActivationFunction {
    /** x. */
    LINEAR(null),
    /** max(x, 0). */
    RELU(new ScalarFunction.Relu()),
    /** min(max(x, 0), 6). */
    RELU6(new ScalarFunction.Relu6()),
    /** x for x > 0, else 0.2 x; another slope with {@link LeakyReLU}. */
    LEAKY_RELU(new ScalarFunction.LeakyRelu(0.2)),
    /** x for x > 0, else e^x - 1. */
    ELU(new ScalarFunction.Elu(1)),
    /** x Phi(x), Phi the normal distribution function, exactly. */
    GELU(new ScalarFunction.Gelu()),
    /** 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): Keras's {@code gelu} with {@code approximate=True}. */
    GELU_TANH(null),
    /** x / (1 + e^-x); Keras also calls it swish. */
    SILU(new ScalarFunction.Silu()),
    /** 1 / (1 + e^-x). */
    SIGMOID(new ScalarFunction.Sigmoid()),
    /** tanh x. */
    TANH(new ScalarFunction.Tanh()),
    /** e^x. */
    EXPONENTIAL(new ScalarFunction.Exp()),
    /** e^x[k] / sum of e^x[j], along the last axis. */
    SOFTMAX(null),
    /** ln softmax, along the last axis. */
    LOG_SOFTMAX(null);

    private final ScalarFunction pointwise;

    ActivationFunction(ScalarFunction pointwise) {
        this.pointwise = pointwise;
    }

    /**
     * From Keras's name: {@code "relu"}, {@code "leaky_relu"}, {@code "swish"}; null is {@code "linear"}.
     *
     * @throws GradusException for an unknown name, listing the known ones
     */
    public static ActivationFunction of(String name) {
        if (name == null) {
            return LINEAR;
        }
        if (name.equals("swish")) {
            return SILU;
        }
        return Arrays.stream(values())
                .filter(f -> f.toString().equals(name))
                .findFirst()
                .orElseThrow(() -> new GradusException("unknown activation \"" + name + "\"; there are "
                        + Arrays.stream(values()).map(Object::toString).collect(Collectors.joining(", "))));
    }

    /** Keras's name. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    Value apply(Builder b, Value x) {
        return switch (this) {
            case LINEAR -> x;
            case SOFTMAX -> b.apply(new Softmax(), x);
            case LOG_SOFTMAX -> b.apply(new LogSoftmax(), x);
            case GELU_TANH -> geluTanh(b, x);
            default -> b.map(pointwise, x);
        };
    }

    private static Value geluTanh(Builder b, Value x) {
        Value factor = b.map(new ScalarFunction.Affine(0.044715, 1), b.map(new ScalarFunction.Square(), x));
        Value inner = b.scale(b.multiply(x, factor), Math.sqrt(2 / Math.PI));
        Value half = b.map(new ScalarFunction.Affine(0.5, 0.5), b.map(new ScalarFunction.Tanh(), inner));
        return b.multiply(x, half);
    }
}
