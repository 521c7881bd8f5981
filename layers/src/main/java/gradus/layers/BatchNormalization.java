package gradus.layers;

import gradus.op.BatchNorm;
import gradus.op.Builder;
import gradus.op.Combine;
import gradus.op.Moments;
import gradus.op.Transpose;
import gradus.op.Value;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * y = gamma (x - mean) / sqrt(variance + epsilon) + beta per channel (Ioffe and Szegedy, 2015). Keras's
 * BatchNormalization.
 *
 * <p>In training mean and (biased) variance are those of the batch, over all axes but the channels, and
 * {@code moving = moving momentum + batch (1 - momentum)}. In inference, and while the layer is frozen, the moving
 * statistics take their place.
 *
 * @param axis the channels' axis, counted with the batch axis as in Keras: 3 and -1 are the channels of images
 * @param center whether there is a beta
 * @param scale whether there is a gamma
 * @param unbiased whether the moving variance collects sum / (n - 1) instead of sum / n: false in Keras 3, true in
 *     tf.keras 2 for float32 images and in PyTorch
 * @param initials what the four weights begin with
 */
public record BatchNormalization(
        int axis,
        double momentum,
        double epsilon,
        boolean center,
        boolean scale,
        boolean unbiased,
        Initials initials,
        String name)
        implements StoredLayer {
    /** What the weights begin with: zeros and ones by default. */
    public record Initials(Initializer beta, Initializer gamma, Initializer movingMean, Initializer movingVariance) {
        private static Initials usual() {
            return new Initials(Initializers.zeros(), Initializers.ones(), Initializers.zeros(), Initializers.ones());
        }
    }

    /** @throws GradusException for arguments Keras refuses */
    public BatchNormalization {
        if (!(momentum >= 0 && momentum <= 1)) {
            throw new GradusException("BatchNormalization: momentum must be in [0, 1], got " + momentum);
        }
        if (!(epsilon >= 0)) {
            throw new GradusException("BatchNormalization: epsilon must not be negative, got " + epsilon);
        }
        if (axis == 0) {
            throw new GradusException("BatchNormalization: axis 0 is the batch; the channels are axis -1");
        }
    }

    /** Over the last axis with momentum 0.99, epsilon 0.001, center and scale. */
    public static BatchNormalization of() {
        return new BatchNormalization(-1, 0.99, 1e-3, true, true, false, Initials.usual(), null);
    }

    public BatchNormalization axis(int axis) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    public BatchNormalization momentum(double momentum) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    public BatchNormalization epsilon(double epsilon) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    public BatchNormalization center(boolean center) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    public BatchNormalization scale(boolean scale) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    public BatchNormalization unbiased(boolean unbiased) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    public BatchNormalization betaInitializer(Initializer beta) {
        return initials(new Initials(beta, initials.gamma, initials.movingMean, initials.movingVariance));
    }

    public BatchNormalization gammaInitializer(Initializer gamma) {
        return initials(new Initials(initials.beta, gamma, initials.movingMean, initials.movingVariance));
    }

    public BatchNormalization movingInitializers(Initializer mean, Initializer variance) {
        return initials(new Initials(initials.beta, initials.gamma, mean, variance));
    }

    public BatchNormalization initials(Initials initials) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    @Override
    public BatchNormalization named(String name) {
        return new BatchNormalization(axis, momentum, epsilon, center, scale, unbiased, initials, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        channelAxis(Inputs.one(inputs).prepend(1));
        return inputs.get(0);
    }

    private int channelAxis(Shape batch) {
        int a = axis < 0 ? axis + batch.rank() : axis;
        if (a < 1 || a >= batch.rank()) {
            throw new ShapeException("axis " + axis + " is not an axis of "
                    + Inputs.batched(batch.slice(1, batch.rank())) + " other than the batch");
        }
        return a;
    }

    @Override
    public List<Weight> weights(List<Shape> inputs) {
        Shape batch = inputs.get(0).prepend(1);
        Shape c = Shape.of(batch.dim(channelAxis(batch)));
        var weights = new ArrayList<Weight>();
        if (scale) {
            weights.add(Weight.trained("gamma", c, initials.gamma));
        }
        if (center) {
            weights.add(Weight.trained("beta", c, initials.beta));
        }
        weights.add(Weight.kept("moving_mean", c, initials.movingMean));
        weights.add(Weight.kept("moving_variance", c, initials.movingVariance));
        return weights;
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        Value x = inputs.get(0);
        int rank = x.shape().rank();
        int a = channelAxis(x.shape());
        if (a == rank - 1) {
            return normalize(to, x);
        }
        var swap = new ArrayList<Integer>(); // exchanges the channels with the last axis; its own inverse
        for (int i = 0; i < rank; i++) {
            swap.add(i == a ? rank - 1 : i == rank - 1 ? a : i);
        }
        Builder b = to.builder();
        return b.apply(new Transpose(swap), normalize(to, b.apply(new Transpose(swap), x)));
    }

    private Value normalize(Lowering to, Value x) {
        Builder b = to.builder();
        Shape c = Shape.of(x.shape().dim(-1));
        Value gamma = scale ? to.weight("gamma") : constant(b, c, 1);
        Value beta = center ? to.weight("beta") : constant(b, c, 0);
        Value m;
        if (to.training() && to.trainable()) {
            m = b.apply(new Moments(), x);
            long n = x.shape().size() / c.size();
            collect(to, "moving_mean", b.row(m, 0), 1);
            collect(to, "moving_variance", b.row(m, 1), unbiased && n > 1 ? n / (n - 1.0) : 1);
        } else {
            m = b.stack(to.weight("moving_mean"), to.weight("moving_variance"));
        }
        return b.apply(new BatchNorm(epsilon), x, m, gamma, beta);
    }

    /** moving = moving momentum + batch factor (1 - momentum). */
    private void collect(Lowering to, String moving, Value batch, double factor) {
        Builder b = to.builder();
        var combine = new Combine(momentum, (1 - momentum) * factor);
        to.update(moving, b.apply(combine, to.weight(moving), b.constant(1), batch));
    }

    private static Value constant(Builder b, Shape shape, double value) {
        return b.constant(Tensor.full(DType.F32, shape, value));
    }
}
