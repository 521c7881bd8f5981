package gradus.layers;

import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/**
 * The stateful random stream of TensorFlow up to 2.9, for notebooks of that time: every initializer made here draws
 * where the one before it stopped. A call of n values moves the stream on by 256 n blocks. Bit-exact for uniform
 * distributions.
 *
 * <p>Because each call changes the stream, initializers made here break the rule that weights depend on names and seeds
 * alone: they depend on the order of calls, which is the order of a model's layers.
 */
public final class LegacyPhilox {
    private Philox stream;

    /** The stream of {@code tf.random.set_seed(globalSeed)} and an operation with {@code seed=opSeed}. */
    public LegacyPhilox(long globalSeed, long opSeed) {
        stream = new Philox((int) globalSeed, (int) (globalSeed >>> 32), 0, 0, (int) opSeed, (int) (opSeed >>> 32));
    }

    /** An initializer whose calls continue this stream instead of drawing from a seed. */
    public Initializer with(Initializers.Distribution distribution) {
        return new FromStream(this, distribution);
    }

    public Initializer glorotUniform() {
        return with(Initializers.glorotUniform());
    }

    private synchronized Tensor next(Initializers.Distribution distribution, Shape shape, DType dtype) {
        Tensor y = distribution.draw(stream, shape, dtype);
        stream = stream.skip(256L * shape.size());
        return y;
    }

    /** What {@link #with} returns. */
    record FromStream(LegacyPhilox stream, Initializers.Distribution distribution) implements Initializer {
        @Override
        public Tensor initialize(Shape shape, DType dtype, long defaultSeed) {
            return stream.next(distribution, shape, dtype);
        }
    }
}
