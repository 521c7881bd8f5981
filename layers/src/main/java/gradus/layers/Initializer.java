package gradus.layers;

import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/** First values of a weight. The usual ones are made by {@link Initializers}. */
@FunctionalInterface
public interface Initializer {
    /**
     * New values.
     *
     * @param defaultSeed what to draw from if this initializer has no seed of its own
     */
    Tensor initialize(Shape shape, DType dtype, long defaultSeed);

    /** The same values, made no earlier than needed if this initializer gives the same ones each time. */
    default Tensor promise(Shape shape, DType dtype, long defaultSeed) {
        return initialize(shape, dtype, defaultSeed);
    }
}
