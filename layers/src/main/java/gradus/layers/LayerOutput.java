package gradus.layers;

import gradus.eager.Eager;
import gradus.eager.Variable;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What flows from layer to layer. Starting from {@link Input} it is a symbol, and what layers make of it can become a
 * {@link Model}; starting from a tensor ({@link #of}) layers compute at once. Code that connects layers is the same for
 * both, so a block can be called on an array to look at its numbers and then be built into a network.
 */
public final class LayerOutput {
    private final Shape shape;
    private final Call call;
    private final int index;
    private final EagerLayers eager;
    private final Variable variable;

    LayerOutput(Call call, int index, Shape shape) {
        this.shape = shape;
        this.call = call;
        this.index = index;
        this.eager = null;
        this.variable = null;
    }

    LayerOutput(EagerLayers eager, Variable variable) {
        Shape batch = variable.shape();
        if (batch.rank() < 1) {
            throw new ShapeException("layers need a batch axis in front, not a scalar");
        }
        this.shape = batch.slice(1, batch.rank());
        this.call = null;
        this.index = 0;
        this.eager = eager;
        this.variable = variable;
    }

    /** A batch of samples on which layers compute at once, with the best backend, in inference mode. */
    public static LayerOutput of(Tensor batch) {
        return of(batch, Eager.shared(), false);
    }

    /** A batch of samples on which layers compute at once, as in training (batch statistics, dropout) or not. */
    public static LayerOutput of(Tensor batch, Eager<?> eager, boolean training) {
        return new EagerLayers(eager, training).input(batch);
    }

    /** Shape of one sample. */
    public Shape shape() {
        return shape;
    }

    /** {@code layer(this)}. */
    public LayerOutput then(Layer layer) {
        return layer.apply(this);
    }

    /** The computed values, batch axis first. @throws GradusException if this is a symbol that began at an Input */
    public Tensor value() {
        return variable().value();
    }

    /** The computed values as an eager variable, which can be differentiated: {@code y.variable().sum().backward()}. */
    public Variable variable() {
        if (variable == null) {
            throw new GradusException(
                    "the output " + index + " of layer type " + call.layer.type() + " has no value: it"
                            + " began at an Input. Make a Model and call predict, or begin at LayerOutput.of(tensor)");
        }
        return variable;
    }

    /** Where the layers that computed this keep their weights. @throws GradusException if this is a symbol */
    public EagerLayers eager() {
        variable();
        return eager;
    }

    Call call() {
        return call;
    }

    int index() {
        return index;
    }

    boolean isEager() {
        return variable != null;
    }

    static List<LayerOutput> apply(Layer layer, List<LayerOutput> inputs) {
        List<Shape> shapes = inputs.stream().map(LayerOutput::shape).toList();
        List<Shape> outputs;
        try {
            outputs = layer.outputs(shapes);
        } catch (ShapeException e) {
            String given = shapes.stream().map(Shape::toString).collect(Collectors.joining(", "));
            throw new ShapeException((layer.name() == null ? "" : "layer '" + layer.name() + "': ") + layer.type()
                    + " of " + given + ": " + e.getMessage());
        }
        long evaluated = inputs.stream().filter(LayerOutput::isEager).count();
        if (evaluated == 0) {
            return new Call(layer, inputs, outputs).outputs;
        }
        if (evaluated < inputs.size()) {
            throw new GradusException((layer.name() == null ? layer.type() : "layer '" + layer.name() + "'")
                    + ": some inputs began at an Input and some at a tensor; begin all of them at one or the other");
        }
        return inputs.get(0).eager.call(layer, inputs);
    }
}
