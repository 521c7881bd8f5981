package gradus.resnet;

import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.AveragePooling2D;
import gradus.layers.Dense;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.List;

/**
 * Description of a residual network; {@link #build} makes a {@link Model} of it. {@link ResNets} has the usual ones.
 *
 * @param name of the model
 * @param input shape of a picture: (height, width, channels)
 * @param classes number of outputs
 * @param begin what stands before the blocks
 * @param kind what the blocks are made of
 * @param blocks what all blocks have in common
 * @param stages from fine to coarse; the first is stage 2 in the layers' names
 * @param end what stands behind the blocks
 * @param logits whether the outputs are logits instead of the softmax of them
 */
public record ResNet(
        String name,
        Shape input,
        int classes,
        Begin begin,
        Kind kind,
        Blocks blocks,
        List<Stage> stages,
        End end,
        boolean logits) {
    /** What stands before the blocks. */
    public enum Begin {
        /** Padding 3, conv 7x7 stride 2, bn, relu, max pool 3x3 stride 2 without padding: the notebooks. */
        NOTEBOOK,
        /** As NOTEBOOK, but the max pool is padded by 1: He et al., Keras, torchvision. */
        IMAGENET,
        /** As IMAGENET without bn and relu, which pre-activation blocks begin with. */
        PREACTIVATION,
        /** conv 3x3, bn, relu, no pooling: pictures of 32 x 32. */
        CIFAR
    }

    /** What the blocks are made of. */
    public enum Kind {
        /** 1x1, f x f, 1x1. */
        BOTTLENECK,
        /** Two 3x3, projection where the shape changes. */
        BASIC,
        /** Two 3x3, parameter-free shortcut where the shape changes (option A). */
        BASIC_PADDED,
        /** bn and relu before each convolution. */
        PREACTIVATION
    }

    /** What stands between the blocks and the classifier. */
    public enum End {
        /** Average pooling 2x2, flatten: the notebooks. */
        AVERAGE_POOL_2,
        GLOBAL_AVERAGE
    }

    public ResNet {
        stages = List.copyOf(stages);
        if (input.rank() != 3) {
            throw new GradusException("a ResNet takes pictures (height, width, channels), not " + input);
        }
        if (classes < 1) {
            throw new GradusException("a classifier needs at least one class, not " + classes);
        }
    }

    public ResNet name(String name) {
        return new ResNet(name, input, classes, begin, kind, blocks, stages, end, logits);
    }

    public ResNet input(int height, int width, int channels) {
        return input(Shape.of(height, width, channels));
    }

    public ResNet input(Shape input) {
        return new ResNet(name, input, classes, begin, kind, blocks, stages, end, logits);
    }

    public ResNet classes(int classes) {
        return new ResNet(name, input, classes, begin, kind, blocks, stages, end, logits);
    }

    public ResNet blocks(Blocks blocks) {
        return new ResNet(name, input, classes, begin, kind, blocks, stages, end, logits);
    }

    public ResNet kind(Kind kind) {
        return new ResNet(name, input, classes, begin, kind, blocks, stages, end, logits);
    }

    public ResNet end(End end) {
        return new ResNet(name, input, classes, begin, kind, blocks, stages, end, logits);
    }

    public ResNet logits(boolean logits) {
        return new ResNet(name, input, classes, begin, kind, blocks, stages, end, logits);
    }

    /**
     * The same network with one stage replaced; stages are numbered 2, 3, 4, 5 as in the layers' names.
     *
     * @throws GradusException if there is no such stage
     */
    public ResNet stage(int number, Stage stage) {
        if (number < 2 || number > stages.size() + 1) {
            throw new GradusException(
                    "ResNet '" + name + "' has stages 2 to " + (stages.size() + 1) + ", not " + number);
        }
        var changed = new ArrayList<>(stages);
        changed.set(number - 2, stage);
        return new ResNet(name, input, classes, begin, kind, blocks, changed, end, logits);
    }

    /**
     * The network with new weights.
     *
     * @throws gradus.tensor.ShapeException naming the layer, if the pictures are too small
     */
    public Model build() {
        LayerOutput x = Input.of(input, blocks.naming().stem("input"));
        LayerOutput y = begin(x);
        for (int i = 0; i < stages.size(); i++) {
            y = stage(y, stages.get(i), i + 2);
        }
        if (kind == Kind.PREACTIVATION) {
            y = y.then(named(blocks.norm(), "post_bn")).then(named(Activation.relu(), "post_relu"));
        }
        y = switch (end) {
            case GLOBAL_AVERAGE -> y.then(named(GlobalAveragePooling2D.of(), "avg_pool"));
            case AVERAGE_POOL_2 ->
                y.then(named(AveragePooling2D.of(2), "avg_pool")).then(named(Flatten.of(), "flatten"));
        };
        var classifier = Dense.of(classes)
                .activation(logits ? ActivationFunction.LINEAR : ActivationFunction.SOFTMAX)
                .kernelInitializer(blocks.initializer())
                .l2(blocks.l2())
                .named(blocks.naming().classifier(classes));
        return Model.of(name, x, y.then(classifier));
    }

    private Layer named(Layer layer, String what) {
        return layer.named(blocks.naming().stem(what));
    }

    private LayerOutput begin(LayerOutput x) {
        if (begin == Begin.CIFAR) {
            int filters = stages.get(0).filters().first();
            return activated(x.then(named(blocks.conv(filters, 3, 1).same(), "conv")));
        }
        LayerOutput y = x.then(named(ZeroPadding2D.of(3), "padding"));
        if (begin == Begin.PREACTIVATION) {
            y = y.then(named(blocks.conv(64, 7, 2).bias(true), "conv"));
        } else {
            y = activated(y.then(named(blocks.conv(64, 7, 2), "conv")));
        }
        if (begin != Begin.NOTEBOOK) {
            y = y.then(named(ZeroPadding2D.of(1), "pool_padding"));
        }
        return y.then(named(MaxPooling2D.of(3).strides(2), "pool"));
    }

    private LayerOutput activated(LayerOutput x) {
        return x.then(named(blocks.norm(), "bn")).then(named(Activation.relu(), "relu"));
    }

    private LayerOutput stage(LayerOutput x, Stage stage, int number) {
        LayerOutput y = x;
        for (int i = 0; i < stage.blocks(); i++) {
            boolean first = i == 0;
            Filters filters = first ? stage.filters() : stage.identityFilters();
            int stride = first ? stage.stride() : 1;
            y = switch (kind) {
                case BOTTLENECK -> blocks.bottleneck(y, 3, filters, stride, first, number, i);
                case BASIC -> blocks.basic(y, filters.last(), stride, Blocks.Shortcut.PROJECTED, number, i);
                case BASIC_PADDED -> blocks.basic(y, filters.last(), stride, Blocks.Shortcut.PADDED, number, i);
                case PREACTIVATION -> {
                    int last = i == stage.blocks() - 1 ? stage.stride() : 1;
                    yield blocks.preactivation(y, 3, filters, last, first, number, i);
                }
            };
        }
        return y;
    }
}
