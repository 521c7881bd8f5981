package gradus.importer;

import gradus.layers.ChannelPadding;
import gradus.layers.Concatenate;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.MaxPooling2D;
import gradus.layers.Reshape;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The operators that move, cut, join or pad axes. Most of them move no number here: they change the note of what the axes
 * mean.
 */
abstract class OnnxAxes extends OnnxGraph {
    OnnxAxes(String source, OnnxFile file, OnnxConstants constants) {
        super(source, file, constants);
    }

    final void concatenate() {
        var inputs = new ArrayList<LayerOutput>();
        boolean nonNegative = true;
        Value first = value(0);
        for (int i = 0; i < node.inputs().size(); i++) {
            Value x = value(i);
            if (x.shape().rank() != first.shape().rank() || x.picture() != first.picture() || x.maps() != null) {
                throw error("joins " + first.shape() + " and " + x.shape() + ", whose axes do not mean the same");
            }
            inputs.add(x.x());
            nonNegative &= x.nonNegative();
        }
        int rank = first.shape().rank() + 1;
        long axis = node.integer("axis", 1);
        axis = axis < 0 ? axis + rank : axis;
        if (axis < 1 || axis >= rank) {
            throw error("joins along axis " + axis + "; the batch must stay as it is");
        }
        int own = first.picture() ? (axis == 1 ? 3 : (int) axis - 1) : (int) axis;
        result(
                inputs.size() == 1
                        ? first
                        : new Value(Concatenate.of(own).named(name()).apply(inputs), first.picture(), nonNegative));
    }

    /** Over height and width: global average pooling. */
    final void mean() {
        Value x = value(0);
        long[] axes = axes(1);
        boolean keep = node.integer("keepdims", 1) != 0;
        normalize(axes, x);
        if (x.shape().rank() != 3 || !Arrays.equals(axes, x.picture() ? new long[] {2, 3} : new long[] {1, 2})) {
            throw error("averages over axes " + Arrays.toString(axes) + "; only height and width can be read");
        }
        Layer layer = GlobalAveragePooling2D.of().keepdims(keep);
        result(new Value(layer.named(name()).apply(x.x()), keep && x.picture(), x.nonNegative()));
    }

    private static void normalize(long[] axes, Value x) {
        for (int i = 0; i < axes.length; i++) {
            axes[i] += axes[i] < 0 ? x.shape().rank() + 1 : 0;
        }
        Arrays.sort(axes);
    }

    final void pad() {
        Value x = value(0);
        if (!node.text("mode", "constant").equals("constant")) {
            throw error("pads by mode '" + node.text("mode", "") + "'; only zeros can be read");
        }
        double filling = node.number("value", 0);
        if (node.inputs().size() > 2 && !input(2).isEmpty()) {
            OnnxArray value = setting(2);
            if (value.size() != 1) {
                throw error("pads with " + value.size() + " numbers");
            }
            filling = Math.abs(value.floats()[0]) <= Float.MIN_NORMAL ? 0 : value.floats()[0]; // see OnnxWriter.pad
        }
        long[] pads = node.inputs().size() > 1 ? setting(1).longs() : node.ints("pads");
        int rank = x.shape().rank() + 1;
        if (node.inputs().size() > 3 && !input(3).isEmpty()) {
            pads = spread(pads, setting(3).longs(), rank);
        }
        if (pads.length != 2 * rank || rank != 4 || filling != 0 || pads[0] != 0 || pads[4] != 0) {
            throw error("pads " + x.shape() + " by " + Arrays.toString(pads) + " with " + filling
                    + "; only zeros around the pixels or channels of pictures can be read");
        }
        for (long p : pads) {
            if (p < 0 || p > 1 << 20) {
                throw error("cannot pad by " + p);
            }
        }
        int c = x.picture() ? 1 : 3;
        int h = x.picture() ? 2 : 1;
        int w = h + 1;
        LayerOutput y = x.x();
        String name = name();
        if (pads[c] + pads[c + 4] > 0) {
            boolean both = pads[h] + pads[h + 4] + pads[w] + pads[w + 4] > 0;
            y = y.then(ChannelPadding.of((int) pads[c], (int) pads[c + 4])
                    .named(both ? unique(name + "_channels") : name));
        }
        if (y == x.x() || pads[h] + pads[h + 4] + pads[w] + pads[w + 4] > 0) {
            y = y.then(ZeroPadding2D.of((int) pads[h], (int) pads[h + 4], (int) pads[w], (int) pads[w + 4])
                    .named(name));
        }
        result(new Value(y, x.picture(), x.nonNegative()));
    }

    private long[] spread(long[] pads, long[] axes, int rank) {
        if (pads.length != 2 * axes.length) {
            throw error("has " + pads.length + " pads for " + axes.length + " axes");
        }
        var all = new long[2 * rank];
        for (int i = 0; i < axes.length; i++) {
            long axis = axes[i] < 0 ? axes[i] + rank : axes[i];
            if (axis < 0 || axis >= rank) {
                throw error("pads axis " + axes[i]);
            }
            all[(int) axis] = pads[i];
            all[(int) axis + rank] = pads[i + axes.length];
        }
        return all;
    }

    final void flatten() {
        Value x = value(0);
        long axis = node.integer("axis", 1);
        if (axis != 1 && axis != -x.shape().rank()) {
            throw error("flattens from axis " + axis + "; the batch must stay as it is");
        }
        shaped(x, x.shape().size());
    }

    /** The same values with other extents, in ONNX's order. */
    private void shaped(Value x, int... dims) {
        Shape s = x.shape();
        if (Arrays.equals(dims, x.extents())) {
            result(x);
        } else if (!x.ordered()) {
            if (dims.length != 1) {
                throw error("makes " + Arrays.toString(dims) + " of "
                        + (x.maps() == null ? "pictures " + s : "a vector of pictures " + x.maps())
                        + " with channels first; only vectors can be made of them");
            }
            result(new Value(Flatten.of().named(name()).apply(x.x()), false, s, x.nonNegative()));
        } else if (dims.length == 1) {
            result(new Value(Flatten.of().named(name()).apply(x.x()), false, x.nonNegative()));
        } else if (dims.length == 3 && dims[0] == 1 && s.equals(Shape.of(dims[1], dims[2], 1))) {
            result(new Value(x.x(), true, x.nonNegative())); // one channel: a Transpose in disguise
        } else if (dims.length == 3 && dims[0] > 1 && dims[1] == 1 && dims[2] == 1) {
            Layer pixel = Reshape.of(1, 1, dims[0]).named(name());
            result(new Value(pixel.apply(x.x()), true, x.nonNegative()));
        } else {
            result(new Value(Reshape.of(dims).named(name()).apply(x.x()), false, x.nonNegative()));
        }
    }

    final void reshape() {
        Value x = value(0);
        long[] target = node.inputs().size() > 1 ? setting(1).longs() : node.ints("shape");
        int[] given = x.extents();
        int size = x.shape().size();
        if (target.length < 2 || target.length > 8) {
            throw error(
                    "makes shape " + Arrays.toString(target) + " of " + x.shape() + "; the batch must stay as it is");
        }
        var dims = new int[target.length - 1];
        int open = -1;
        long known = 1;
        for (int i = 1; i < target.length; i++) {
            long d = target[i];
            if (d == 0 && i <= given.length) { // as in the input
                d = given[i - 1];
            }
            if (d < -1 || d > Integer.MAX_VALUE || d == -1 && open >= 0) {
                throw error("cannot make shape " + Arrays.toString(target));
            }
            if (d == -1) {
                open = i - 1;
            } else {
                known = Math.min(known * d, Integer.MAX_VALUE);
            }
            dims[i - 1] = (int) d;
        }
        if (open >= 0) {
            dims[open] = known == 0 ? 0 : (int) (size / known);
            known *= dims[open];
        }
        if (known != size || target[0] > 1) {
            throw error(
                    "makes shape " + Arrays.toString(target) + " of " + x.shape() + "; the batch must stay as it is");
        }
        shaped(x, dims);
    }

    /** Every n-th row or column of a picture, as the shortcuts of the CIFAR ResNets are written. */
    final void slice() {
        Value x = picture(0);
        long[] starts = setting(1).longs();
        long[] ends = setting(2).longs();
        long[] axes = node.inputs().size() > 3 ? setting(3).longs() : new long[0];
        long[] steps = node.inputs().size() > 4 ? setting(4).longs() : new long[0];
        int[] stride = {1, 1};
        boolean whole = starts.length == axes.length && ends.length == axes.length && steps.length == axes.length;
        for (int i = 0; whole && i < axes.length; i++) {
            int k = (int) (axes[i] < 0 ? axes[i] + 4 : axes[i]) - 2;
            whole = (k == 0 || k == 1)
                    && starts[i] == 0
                    && ends[i] >= x.shape().dim(k)
                    && steps[i] >= 1
                    && steps[i] <= 1 << 20;
            if (whole) {
                stride[k] = (int) steps[i];
            }
        }
        if (!whole) {
            throw error("cuts " + Arrays.toString(starts) + " .. " + Arrays.toString(ends) + " by "
                    + Arrays.toString(steps) + "; only every n-th row and column of whole pictures can be read");
        }
        Layer layer = MaxPooling2D.of(1).strides(stride[0], stride[1]);
        result(new Value(layer.named(name()).apply(x.x()), true, x.nonNegative()));
    }

    final void squeeze() {
        Value x = value(0);
        int[] s = x.extents();
        long[] axes = axes(1);
        boolean[] gone = OnnxConstants.marked(axes, s.length + 1);
        int[] kept = IntStream.range(0, s.length)
                .filter(i -> axes.length > 0 ? !gone[i + 1] : s[i] != 1)
                .map(i -> s[i])
                .toArray();
        boolean ones = IntStream.range(0, s.length).allMatch(i -> !gone[i + 1] || s[i] == 1);
        if (gone[0] || !ones || kept.length == 0) {
            throw error("drops axes " + Arrays.toString(axes) + " of " + x.shape()
                    + "; only those of extent 1 can be read, and the batch must stay as it is");
        }
        shaped(x, kept);
    }

    final void unsqueeze() {
        Value x = value(0);
        int[] s = x.extents();
        long[] axes = axes(1);
        int rank = s.length + 1 + axes.length;
        boolean[] fresh = OnnxConstants.marked(axes, Math.min(rank, 9));
        if (rank > 8 || fresh[0]) {
            throw error("adds axes " + Arrays.toString(axes) + " to " + x.shape() + "; the batch must stay as it is");
        }
        var dims = new int[rank - 1];
        for (int i = 0, from = 0; i < dims.length; i++) {
            dims[i] = fresh[i + 1] || from == s.length ? 1 : s[from++];
        }
        shaped(x, dims);
    }

    /** A constant, but for the number of samples. */
    final void shape() {
        int[] s = value(0).extents();
        var shape = new long[s.length + 1];
        shape[0] = OnnxArray.BATCH;
        for (int i = 0; i < s.length; i++) {
            shape[i + 1] = s[i];
        }
        constants.add(output(), OnnxArray.of("", new int[] {shape.length}, shape));
        constants.settings().add(output());
    }

    static final long[] TO_CHANNELS_FIRST = {0, 3, 1, 2};
    private static final long[] TO_CHANNELS_LAST = {0, 2, 3, 1};

    final void transpose() {
        Value x = value(0);
        long[] perm = node.ints("perm");
        boolean nothing = perm.length == x.shape().rank() + 1;
        for (int i = 0; i < perm.length; i++) {
            nothing &= perm[i] == i;
        }
        if (nothing) {
            result(x);
        } else if (x.picture() && Arrays.equals(perm, TO_CHANNELS_LAST)) {
            result(new Value(x.x(), false, x.nonNegative()));
        } else if (!x.picture() && x.shape().rank() == 3 && Arrays.equals(perm, TO_CHANNELS_FIRST)) {
            result(new Value(x.x(), true, x.nonNegative()));
        } else {
            throw error(
                    "orders axes by " + Arrays.toString(perm) + "; only channels first to last and back can be read");
        }
    }
}
