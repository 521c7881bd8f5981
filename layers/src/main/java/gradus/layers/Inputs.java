package gradus.layers;

import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import java.util.List;

/** Checks that layers share. The name of the layer is added to the message by whoever applies it. */
final class Inputs {
    private Inputs() {}

    static Shape one(List<Shape> inputs) {
        if (inputs.size() != 1) {
            throw new ShapeException(
                    "takes one input, not " + inputs.size() + "; merge them first, with Add or Concatenate");
        }
        return inputs.get(0);
    }

    /** The one input, which must be an image (h, w, c). */
    static Shape image(List<Shape> inputs) {
        Shape x = one(inputs);
        if (x.rank() != 3) {
            throw new ShapeException("needs images (height, width, channels), not " + x
                    + "; shapes here are those of one sample, without the batch axis");
        }
        return x;
    }

    /** As Keras prints a shape with its batch axis: {@code (None, 64, 64, 3)}. */
    static String batched(Shape sample) {
        String s = sample.toString();
        return switch (sample.rank()) {
            case 0 -> "(None,)";
            case 1 -> "(None, " + sample.dim(0) + ")";
            default -> "(None, " + s.substring(1);
        };
    }
}
