package gradus.resnet;

import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.ChannelPadding;
import gradus.layers.Conv2D;
import gradus.layers.Initializer;
import gradus.layers.Initializers;
import gradus.layers.LayerOutput;
import gradus.layers.MaxPooling2D;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.GradusException;
import gradus.tensor.ShapeException;

/**
 * Residual blocks y = relu(F(x) + shortcut(x)) (He et al., 2015), as functions of what flows through them: a symbol
 * when a model is built, an array when one wants to look at the numbers. What all blocks of a network have in common
 * is kept here; the defaults are those of Keras and of the notebooks.
 *
 * <pre>
 * identity       x -> conv 1x1, F1 -> bn, relu -> conv f x f, F2 -> bn, relu -> conv 1x1, F3 -> bn -> + -> relu
 *                x ------------------------------------------------------------------------------->
 * convolutional  the same with stride s, and conv 1x1, F3, stride s -> bn on the shortcut
 * </pre>
 *
 * @param naming how layers are called
 * @param initializer of all convolution kernels
 * @param epsilon of all batch norms
 * @param momentum of all batch norms
 * @param unbiased whether moving variances collect sum / (n - 1), as in PyTorch
 * @param bias whether convolutions in front of a batch norm have a bias; never in pre-activation blocks
 * @param strideOnKernel whether the stride is on the f x f convolution (v1.5) instead of the first 1x1 (v1)
 * @param symmetric whether f x f convolutions with a stride pad f / 2 on all sides, as in PyTorch, instead of SAME
 * @param shortcutFirst whether the shortcut's layers come before those of the main path, as in keras.applications
 * @param zeroGamma whether the last batch norm of each block begins with gamma 0, so that a new network passes on its
 *     shortcuts alone and learns faster at first (Goyal et al., 2017); pre-activation blocks end in no batch norm, and this changes nothing
 * @param l2 factor of the penalty l2 sum(w^2) on kernels, 0 for none
 */
public record Blocks(
        Naming naming,
        Initializer initializer,
        double epsilon,
        double momentum,
        boolean unbiased,
        boolean bias,
        boolean strideOnKernel,
        boolean symmetric,
        boolean shortcutFirst,
        boolean zeroGamma,
        double l2) {
    /** The notebooks' blocks: glorot_uniform, epsilon 0.001, momentum 0.99, bias, stride on the first convolution. */
    public static Blocks of() {
        return new Blocks(
                Naming.COURSE, Initializers.glorotUniform(), 1e-3, 0.99, false, true, false, false, false, false, 0);
    }

    public Blocks naming(Naming naming) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks initializer(Initializer initializer) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks epsilon(double epsilon) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks momentum(double momentum) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks unbiased(boolean unbiased) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks bias(boolean bias) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks strideOnKernel(boolean strideOnKernel) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks symmetric(boolean symmetric) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks shortcutFirst(boolean shortcutFirst) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks zeroGamma(boolean zeroGamma) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    public Blocks l2(double l2) {
        return new Blocks(
                naming,
                initializer,
                epsilon,
                momentum,
                unbiased,
                bias,
                strideOnKernel,
                symmetric,
                shortcutFirst,
                zeroGamma,
                l2);
    }

    /** Where a block stands: stages count from 2, blocks from 0. */
    private record Place(Blocks blocks, int stage, int block) {
        String leaf(String what, String leaf) {
            return blocks.naming.leaf(what, stage, block, leaf);
        }

        String name(String what) {
            return blocks.naming.block(what, stage, block);
        }
    }

    private static Place place(Blocks blocks, int stage, String block) {
        if (block.length() != 1 || block.charAt(0) < 'a' || block.charAt(0) > 'z') {
            throw new GradusException("a block is called by a letter a to z, not '" + block + "'");
        }
        return new Place(blocks, stage, block.charAt(0) - 'a');
    }

    // ---- bottleneck blocks: 1x1, f x f, 1x1 ----

    /**
     * The block whose shortcut is x itself.
     *
     * @param f extent of the middle kernel
     * @param filters of the three convolutions; the last must be x's number of channels
     * @param stage first part of the names, 2 to 5
     * @param block second part of the names, "a", "b", ...
     */
    public LayerOutput identity(LayerOutput x, int f, Filters filters, int stage, String block) {
        return bottleneck(x, f, filters, 1, false, stage, place(this, stage, block).block);
    }

    /** The block with a convolution on the shortcut; stride s divides height and width. */
    public LayerOutput convolutional(LayerOutput x, int f, Filters filters, int stage, String block, int stride) {
        return bottleneck(x, f, filters, stride, true, stage, place(this, stage, block).block);
    }

    LayerOutput bottleneck(LayerOutput x, int f, Filters filters, int stride, boolean project, int stage, int block) {
        var at = new Place(this, stage, block);
        int channels = x.shape().dim(-1);
        if (!project && channels != filters.last()) {
            throw new ShapeException(
                    "identity block " + stage + (char) ('a' + block) + " of " + x.shape() + ": the sum needs "
                            + filters.last() + " channels, x has " + channels + "; use the convolutional block");
        }
        LayerOutput shortcut = shortcutFirst && project ? projection(x, filters.last(), stride, at) : x;
        LayerOutput y = x.then(conv(filters.first(), 1, strideOnKernel ? 1 : stride, at, "2a"));
        y = y.then(norm(at, "2a")).then(relu(at, "2a"));
        y = kernel(y, f, filters.middle(), strideOnKernel ? stride : 1, at, "2b");
        y = y.then(norm(at, "2b")).then(relu(at, "2b"));
        y = y.then(conv(filters.last(), 1, 1, at, "2c")).then(lastNorm(at, "2c"));
        if (project && !shortcutFirst) {
            shortcut = projection(x, filters.last(), stride, at);
        }
        return sum(shortcut, y, at);
    }

    private LayerOutput projection(LayerOutput x, int filters, int stride, Place at) {
        return x.then(conv(filters, 1, stride, at, "1")).then(norm(at, "1"));
    }

    private LayerOutput sum(LayerOutput shortcut, LayerOutput y, Place at) {
        var add = Add.of().named(at.name("add"));
        return (shortcutFirst ? add.apply(shortcut, y) : add.apply(y, shortcut))
                .then(Activation.relu().named(at.name("out")));
    }

    // ---- basic blocks: two 3x3 (ResNet-18, -34 and the CIFAR networks) ----

    /** How a basic block's shortcut gets from x's shape to the block's. */
    enum Shortcut {
        /** Every stride-th pixel, channels of zeros before and behind (He et al., option A): no parameters. */
        PADDED,
        /** conv 1x1 and batch norm (option B). */
        PROJECTED
    }

    LayerOutput basic(LayerOutput x, int filters, int stride, Shortcut kind, int stage, int block) {
        var at = new Place(this, stage, block);
        int channels = x.shape().dim(-1);
        LayerOutput shortcut = x;
        boolean changes = stride > 1 || channels != filters;
        if (changes && shortcutFirst) {
            shortcut = shortcut(x, filters, stride, kind, at);
        }
        LayerOutput y =
                kernel(x, 3, filters, stride, at, "2a").then(norm(at, "2a")).then(relu(at, "2a"));
        y = kernel(y, 3, filters, 1, at, "2b").then(lastNorm(at, "2b"));
        if (changes && !shortcutFirst) {
            shortcut = shortcut(x, filters, stride, kind, at);
        }
        return sum(shortcut, y, at);
    }

    private LayerOutput shortcut(LayerOutput x, int filters, int stride, Shortcut kind, Place at) {
        if (kind == Shortcut.PROJECTED) {
            return projection(x, filters, stride, at);
        }
        int more = filters - x.shape().dim(-1);
        LayerOutput y =
                stride == 1 ? x : x.then(MaxPooling2D.of(1).strides(stride).named(at.leaf("pool", "1")));
        return more == 0
                ? y
                : y.then(ChannelPadding.of(more / 2, more - more / 2).named(at.leaf("channels", "1")));
    }

    // ---- pre-activation blocks (He et al., 2016), as ResNet50V2 of keras.applications ----

    /** bn, relu -> conv 1x1 -> bn, relu -> conv f x f, stride -> bn, relu -> conv 1x1 -> +: the sum stays untouched. */
    LayerOutput preactivation(
            LayerOutput x, int f, Filters filters, int stride, boolean project, int stage, int block) {
        var at = new Place(this, stage, block);
        var plain = bias(false);
        LayerOutput active = x.then(norm().named(at.name("preact_bn")))
                .then(Activation.relu().named(at.name("preact_relu")));
        LayerOutput shortcut = project
                ? active.then(conv(filters.last(), 1, stride, at, "1").bias(true))
                : stride > 1 ? x.then(MaxPooling2D.of(1).strides(stride)) : x;
        LayerOutput y = active.then(plain.conv(filters.first(), 1, 1, at, "2a"));
        y = y.then(norm(at, "2a")).then(relu(at, "2a"));
        y = y.then(ZeroPadding2D.of(f / 2).named(at.leaf("pad", "2b")));
        y = y.then(plain.conv(filters.middle(), f, stride, at, "2b"));
        y = y.then(norm(at, "2b")).then(relu(at, "2b"));
        y = y.then(conv(filters.last(), 1, 1, at, "2c").bias(true));
        return Add.of().named(at.name("out")).apply(shortcut, y);
    }

    // ---- layers ----

    private LayerOutput kernel(LayerOutput x, int f, int filters, int stride, Place at, String leaf) {
        if (stride == 1 || !symmetric) {
            return x.then(conv(filters, f, stride, at, leaf).same());
        }
        return x.then(ZeroPadding2D.of(f / 2).named(at.leaf("pad", leaf))).then(conv(filters, f, stride, at, leaf));
    }

    private Conv2D conv(int filters, int f, int stride, Place at, String leaf) {
        return conv(filters, f, stride).named(at.leaf("conv", leaf));
    }

    Conv2D conv(int filters, int f, int stride) {
        return Conv2D.of(filters, f)
                .strides(stride)
                .bias(bias)
                .kernelInitializer(initializer)
                .l2(l2);
    }

    private BatchNormalization norm(Place at, String leaf) {
        return norm().named(at.leaf("bn", leaf));
    }

    private BatchNormalization lastNorm(Place at, String leaf) {
        var norm = norm(at, leaf);
        return zeroGamma ? norm.gammaInitializer(Initializers.zeros()) : norm;
    }

    BatchNormalization norm() {
        return BatchNormalization.of().epsilon(epsilon).momentum(momentum).unbiased(unbiased);
    }

    private static Activation relu(Place at, String leaf) {
        return Activation.relu().named(at.leaf("relu", leaf));
    }
}
