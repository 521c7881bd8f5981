package gradus.layers;

import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.List;

/**
 * A step from inputs to an output: what it is, not where it stands. Implementations are records, and {@code named},
 * {@code same()} and the like return changed copies. Names, arguments, defaults and errors are those of Keras.
 *
 * <p>Shapes are those of one sample: a Conv2D turns {@code (64, 64, 3)} into {@code (62, 62, 8)}. Values in
 * {@link #lower} have the batch axis in front.
 *
 * <p>As in Keras, one layer object that is applied several times is one layer with one set of weights; two objects with
 * one name in a model are an error.
 */
public interface Layer {
    /** The layer's name, or null: then a model numbers it as Keras does: conv2d, conv2d_1, conv2d_2. */
    String name();

    /** The same layer under another name. */
    Layer named(String name);

    /** As a summary prints it: {@code Conv2D}. */
    default String type() {
        return getClass().getSimpleName();
    }

    /**
     * Shape of the result for one sample.
     *
     * @throws gradus.tensor.ShapeException saying what does not fit and what to change
     */
    Shape output(List<Shape> inputs);

    /** Shapes of all results; only a {@link Model} can have several. */
    default List<Shape> outputs(List<Shape> inputs) {
        return List.of(output(inputs));
    }

    /** The arrays this layer learns or keeps, in Keras's order. */
    default List<Weight> weights(List<Shape> inputs) {
        return List.of();
    }

    /** Appends this layer's operations; inputs and result have the batch as first axis. */
    Value lower(Lowering to, List<Value> inputs);

    /** As {@link #lower}, for layers with several results. */
    default List<Value> lowerAll(Lowering to, List<Value> inputs) {
        return List.of(lower(to, inputs));
    }

    /** Applies this layer, as {@code layer([a, b])} does in Keras. */
    default LayerOutput apply(LayerOutput... inputs) {
        return apply(List.of(inputs));
    }

    /** Applies this layer and returns its (first) result. */
    default LayerOutput apply(List<LayerOutput> inputs) {
        return applyAll(inputs).get(0);
    }

    /** Applies this layer and returns all its results. */
    default List<LayerOutput> applyAll(List<LayerOutput> inputs) {
        return LayerOutput.apply(this, inputs);
    }
}
