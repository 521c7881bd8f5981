package gradus.layers;

import gradus.op.Pad;
import gradus.op.Value;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.List;

/**
 * Channels of zeros before and behind those of an image: (h, w, c) to (h, w, before + c + behind). Not a Keras layer;
 * the parameter-free shortcut of the CIFAR networks (He et al., 2015, option A) needs it.
 */
public record ChannelPadding(int before, int behind, String name) implements StoredLayer {
    public ChannelPadding {
        if (before < 0 || behind < 0) {
            throw new GradusException("ChannelPadding: must not be negative, got (" + before + ", " + behind + ")");
        }
    }

    public static ChannelPadding of(int before, int behind) {
        return new ChannelPadding(before, behind, null);
    }

    @Override
    public ChannelPadding named(String name) {
        return new ChannelPadding(before, behind, name);
    }

    @Override
    public Shape output(List<Shape> inputs) {
        Shape x = Inputs.image(inputs);
        return x.with(2, x.dim(2) + before + behind);
    }

    @Override
    public Value lower(Lowering to, List<Value> inputs) {
        return to.builder().apply(new Pad(List.of(0, 0, 0, before), List.of(0, 0, 0, behind)), inputs);
    }
}
