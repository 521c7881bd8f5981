package gradus.train;

import java.util.List;

/**
 * w -= rate lr w before each step, apart from the gradient (Loshchilov and Hutter, 2019; Keras's {@code weight_decay}).
 *
 * @param rate 0 for none
 * @param except last parts of weight names that are left alone: {@code "gamma"} spares {@code bn_1/gamma}
 */
public record WeightDecay(double rate, List<String> except) {
    public WeightDecay {
        if (!(rate >= 0)) {
            throw new TrainingException("weight decay must be 0 or more, not " + rate);
        }
        except = List.copyOf(except);
    }

    public static WeightDecay none() {
        return of(0);
    }

    /** Of all weights, as Keras does. */
    public static WeightDecay of(double rate) {
        return new WeightDecay(rate, List.of());
    }

    /** Of kernels alone: sparing biases and batch norm, as most recipes for residual networks do. */
    public static WeightDecay ofKernels(double rate) {
        return of(rate).except("bias", "gamma", "beta");
    }

    public WeightDecay except(String... names) {
        return new WeightDecay(rate, List.of(names));
    }

    public boolean appliesTo(String weight) {
        return rate != 0 && !except.contains(weight.substring(weight.lastIndexOf('/') + 1));
    }
}
