package gradus.layers;

import gradus.op.Concat;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/**
 * The inputs one behind the other along an axis. Keras's Concatenate.
 *
 * @param axis counted with the batch axis as in Keras: 3 and -1 are the channels of images
 */
public record Concatenate(int axis, String name) implements StoredLayer {
    public Concatenate {
        if (axis == 0) {
            throw new GradusException("Concatenate: axis 0 is the batch; the channels are axis -1");
        }
    }

    /** Along the last axis. */
    public static Concatenate of() {
        return of(-1);
    }

    public static Concatenate of(int axis) {
        return new Concatenate(axis, null);
    }

    @Override
    public Concatenate named(String name) {
        return new Concatenate(axis, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        if (inputs.size() < 2) {
            throw new ShapeException("merges at least 2 inputs, not " + inputs.size());
        }
        if (axis < 0 && -axis > inputs.get(0).rank()) {
            throw new ShapeException(
                    "axis " + axis + " is not an axis of " + Inputs.batched(inputs.get(0)) + " other than the batch");
        }
        var batches = inputs.stream().map(s -> s.prepend(1)).toList();
        Shape y = new Concat(axis).shape(batches);
        return y.slice(1, y.rank());
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().apply(new Concat(inputs.get(0).shape().axis(axis)), inputs);
    }
}
