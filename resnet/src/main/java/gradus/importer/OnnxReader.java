package gradus.importer;

import gradus.io.FormatException;
import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.Average;
import gradus.layers.AveragePooling2D;
import gradus.layers.BatchNormalization;
import gradus.layers.ChannelPadding;
import gradus.layers.Concatenate;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.GlobalMaxPooling2D;
import gradus.layers.Input;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.LeakyReLU;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.Multiply;
import gradus.layers.Padding;
import gradus.layers.Reshape;
import gradus.layers.Subtract;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Networks in ONNX: every node becomes a layer, or none where it only moves axes.
 *
 * <p>ONNX's pictures are (n, c, h, w), ours (h, w, c). For every value it is known whether its axes mean a picture in
 * ONNX's order or are taken as they are; a Transpose between the two orders changes that note and no number.
 *
 * @see <a href="https://onnx.ai/onnx/operators/">ONNX operators</a>
 */
final class OnnxReader {
    private static final int MAX_NODES = 20_000;

    /**
     * What a name stands for while layers are made.
     *
     * @param picture whether ONNX's axes are (n, c, h, w); x has (h, w, c) then
     * @param nonNegative whether no value can be below 0, so that padding with zeros does not change a maximum
     */
    private record Value(LayerOutput x, boolean picture, boolean nonNegative) {
        Shape shape() {
            return x.shape();
        }

        /** A picture of one pixel is a vector in any order of axes. */
        boolean pixel() {
            return shape().rank() == 3 && shape().dim(0) == 1 && shape().dim(1) == 1;
        }
    }

    private final String source;
    private final OnnxFile file;
    private final ImportOptions options;
    private final Map<String, Value> values = new HashMap<>();
    private final Map<String, OnnxFile.Array> constants = new LinkedHashMap<>();
    private final Map<String, Weights.Link> links = new HashMap<>();
    /** Further names of constants. */
    private final Map<String, String> aliases = new HashMap<>();

    private final Set<String> settings = new HashSet<>();
    private final Set<String> layerNames = new HashSet<>();
    private final Map<String, Integer> counts = new HashMap<>();
    private final Map<String, List<OnnxFile.Node>> readers = new HashMap<>();
    private final Set<OnnxFile.Node> done = Collections.newSetFromMap(new IdentityHashMap<>());

    /** The node being read. */
    private OnnxFile.Node node;

    private OnnxReader(String source, OnnxFile file, ImportOptions options) {
        this.source = source;
        this.file = file;
        this.options = options;
    }

    static Imported read(String source, ByteBuffer bytes, ImportOptions options) {
        if (options.model() != null) {
            throw new GradusException(source + " says itself what network it holds; leave --model out");
        }
        var reader = new OnnxReader(source, OnnxFile.read(source, bytes), options);
        try {
            Model model = reader.model();
            Report report =
                    Weights.assign(source, model, OnnxFile.tensors(reader.constants), reader.links, reader.settings);
            return Importer.imported(source, model, Format.ONNX, reader.file.metadata(), null, options, report);
        } catch (FormatException e) {
            throw e;
        } catch (GradusException e) {
            throw new FormatException(
                    source + ": " + (reader.node == null ? "" : reader.node.where() + ": ") + e.getMessage(), -1, e);
        }
    }

    private FormatException error(String what) {
        return new FormatException(source + ": " + node.where() + ": " + what, -1);
    }

    private Model model() {
        if (file.nodes().size() > MAX_NODES) {
            throw new FormatException(source + ": more than " + MAX_NODES + " nodes", -1);
        }
        constants.putAll(file.initializers());
        for (OnnxFile.Node n : file.nodes()) {
            n.inputs()
                    .forEach(i ->
                            readers.computeIfAbsent(i, k -> new ArrayList<>()).add(n));
        }
        var begins = new ArrayList<LayerOutput>();
        for (OnnxFile.Input input : file.inputs()) {
            LayerOutput x = input(input);
            if (readers.containsKey(input.name())) {
                begins.add(x);
            }
        }
        for (OnnxFile.Node n : file.nodes()) {
            node = n;
            if (!done.contains(n)) {
                read();
            }
        }
        node = null;
        var ends = new ArrayList<LayerOutput>();
        for (String output : file.outputs()) {
            Value y = values.get(output);
            if (y == null) {
                throw new FormatException(source + ": no node yields the output '" + output + "'", -1);
            }
            ends.add(y.x);
        }
        if (begins.isEmpty() || ends.isEmpty()) {
            throw new FormatException(source + ": the graph has no inputs that are used, or no outputs", -1);
        }
        return Model.of(file.name().isEmpty() ? "onnx" : file.name(), begins, ends);
    }

    /** A picture if it has four axes: channels first, unless all that happens to it is to be brought into that order. */
    private LayerOutput input(OnnxFile.Input input) {
        int[] s = input.shape();
        if (s == null || s.length < 2) {
            throw new FormatException(source + ": input '" + input.name() + "' does not say its shape", -1);
        }
        boolean picture = s.length == 4
                && !readers.getOrDefault(input.name(), List.of()).stream()
                        .allMatch(n -> n.op().equals("Transpose") && Arrays.equals(ints(n, "perm"), TO_CHANNELS_FIRST));
        int[] sample = picture ? new int[] {s[2], s[3], s[1]} : Arrays.copyOfRange(s, 1, s.length);
        if (sample.length == 3 && options.height() != null) {
            sample[0] = options.height();
            sample[1] = options.width();
        }
        for (int extent : sample) {
            if (extent == 0) {
                throw new FormatException(
                        source + ": input '" + input.name()
                                + "' takes pictures of any size; say which with --input HxW",
                        -1);
            }
        }
        LayerOutput x = Input.of(Shape.of(sample), unique(clean(input.name())));
        values.put(input.name(), new Value(x, picture, false));
        return x;
    }

    // ---- nodes ----

    private void read() {
        if (!node.domain().isEmpty() && !node.domain().equals("ai.onnx")) {
            throw error("operators of domain '" + node.domain() + "' cannot be read");
        }
        switch (node.op()) {
            case "Constant" -> constant();
            case "Identity", "Dropout" -> alias();
            case "Conv" -> convolution();
            case "BatchNormalization" -> batchNormalization();
            case "Relu" -> layer(Activation.relu(), true);
            case "Sigmoid" -> layer(Activation.of(ActivationFunction.SIGMOID), true);
            case "Exp" -> layer(Activation.of(ActivationFunction.EXPONENTIAL), true);
            case "Tanh" -> layer(Activation.of(ActivationFunction.TANH), false);
            case "Elu" -> {
                if (number("alpha", 1) != 1) {
                    throw error("alpha must be 1");
                }
                layer(Activation.of(ActivationFunction.ELU), false);
            }
            case "LeakyRelu" -> layer(LeakyReLU.of(decimal(number("alpha", 0.01f))), false);
            case "Gelu" ->
                layer(
                        Activation.of(
                                "tanh".equals(text("approximate", "none"))
                                        ? ActivationFunction.GELU_TANH
                                        : ActivationFunction.GELU),
                        false);
            case "Clip" -> clip();
            case "Softmax" -> softmax(ActivationFunction.SOFTMAX);
            case "LogSoftmax" -> softmax(ActivationFunction.LOG_SOFTMAX);
            case "Add", "Sum" -> merge(Add.of());
            case "Sub" -> merge(Subtract.of());
            case "Mul" -> merge(Multiply.of());
            case "Mean" -> merge(Average.of());
            case "Concat" -> concatenate();
            case "MaxPool", "AveragePool" -> pool();
            case "GlobalAveragePool" -> global(GlobalAveragePooling2D.of().keepdims(true));
            case "GlobalMaxPool" -> global(GlobalMaxPooling2D.of().keepdims(true));
            case "ReduceMean" -> mean();
            case "Pad" -> pad();
            case "Flatten" -> flatten();
            case "Reshape" -> reshape();
            case "Slice" -> slice();
            case "Squeeze" -> squeeze();
            case "Transpose" -> transpose();
            case "Gemm" -> gemm();
            case "MatMul" -> matMul();
            default ->
                throw error(
                        "this operator cannot be read; there are those of residual networks: Conv, BatchNormalization,"
                                + " Relu, Add, MaxPool, AveragePool, GlobalAveragePool, Gemm and the like");
        }
    }

    private void constant() {
        OnnxFile.Attribute value = node.attributes().get("value");
        OnnxFile.Attribute ints = node.attributes().get("value_ints");
        OnnxFile.Attribute single = node.attributes().get("value_int");
        OnnxFile.Array array = value != null && value.tensor() != null
                ? value.tensor()
                : ints != null ? OnnxFile.Array.of(ints.ints()) : single != null ? OnnxFile.Array.of(single.i()) : null;
        if (array == null) {
            throw error("has no tensor");
        }
        constants.put(output(), array);
    }

    /** Another name for a value or a constant. */
    private void alias() {
        String from = input(0);
        if (constants.containsKey(from)) {
            aliases.put(output(), from);
        } else {
            values.put(output(), value(0));
        }
    }

    private void convolution() {
        Value x = picture(0);
        OnnxFile.Array kernel = weight(1);
        if (kernel.dims.length != 4) {
            throw error("has a kernel of " + kernel.dims.length + " axes; only pictures can be read");
        }
        int[] size = {kernel.dims[2], kernel.dims[3]};
        int[] strides = pair("strides");
        int[] dilation = pair("dilations");
        Window window = window(x, size, strides, dilation, true);
        OnnxFile.Node sum = node.inputs().size() > 2 && !input(2).isEmpty() ? null : biasBehind(kernel.dims[0], true);
        String bias = sum != null ? constantOf(sum) : node.inputs().size() > 2 ? input(2) : "";
        Conv2D conv = Conv2D.of(kernel.dims[0], size[0], size[1])
                .strides(strides[0], strides[1])
                .dilation(dilation[0], dilation[1])
                .groups(Math.clamp(integer("group", 1), 0, Integer.MAX_VALUE))
                .padding(window.padding)
                .bias(!bias.isEmpty());
        String name = name();
        link(name, "kernel", input(1), Weights.Layout.OIHW);
        link(name, "bias", bias, Weights.Layout.RESHAPED);
        result(sum, new Value(conv.named(name).apply(window.x.x), true, false));
    }

    private void batchNormalization() {
        Value x = value(0);
        if (!x.picture && x.shape().rank() != 1) {
            throw error("takes pictures with channels first, or vectors, not " + x.shape());
        }
        if (integer("training_mode", 0) != 0 || integer("spatial", 1) != 1) {
            throw error("is in training mode; export the model for inference");
        }
        String name = name();
        String[] weights = {"gamma", "beta", "moving_mean", "moving_variance"};
        for (int i = 0; i < 4; i++) {
            link(name, weights[i], input(i + 1), Weights.Layout.SAME);
        }
        Layer layer = BatchNormalization.of()
                .epsilon(decimal(number("epsilon", 1e-5f)))
                .momentum(decimal(number("momentum", 0.9f)));
        result(null, new Value(layer.named(name).apply(x.x), x.picture, false));
    }

    /** A layer on one value, element by element. */
    private void layer(Layer layer, boolean nonNegative) {
        Value x = value(0);
        result(null, new Value(layer.named(name()).apply(x.x), x.picture, nonNegative));
    }

    private void clip() {
        double min = limit("min", 1, Double.NEGATIVE_INFINITY);
        double max = limit("max", 2, Double.POSITIVE_INFINITY);
        if (min == Double.NEGATIVE_INFINITY && max == Double.POSITIVE_INFINITY) {
            alias();
        } else if (min == 0 && (max == 6 || max == Double.POSITIVE_INFINITY)) {
            layer(Activation.of(max == 6 ? ActivationFunction.RELU6 : ActivationFunction.RELU), true);
        } else {
            throw error("clips to " + min + " .. " + max + "; only 0 .. 6 and 0 .. infinity can be read");
        }
    }

    /** An attribute before opset 11, an input since; the largest float32 stands for none. */
    private double limit(String attribute, int input, double none) {
        float v = number(attribute, (float) none);
        if (node.inputs().size() > input && !input(input).isEmpty()) {
            OnnxFile.Array array = setting(input);
            if (array.size() != 1) {
                throw error(attribute + " must be one number");
            }
            v = array.floats()[0];
        }
        return Math.abs(v) == Float.MAX_VALUE ? none : v;
    }

    /** Along the channels; before opset 13 all axes from the given one on are one. */
    private void softmax(ActivationFunction function) {
        Value x = value(0);
        int rank = x.shape().rank() + 1;
        long axis = integer("axis", file.opset() < 13 ? 1 : -1);
        axis = axis < 0 ? axis + rank : axis;
        boolean last = x.picture ? axis == 1 && (file.opset() >= 13 || x.pixel()) : axis == rank - 1;
        if (!last) {
            throw error("is taken along axis " + axis + " of " + x.shape() + "; only the channels' can be read");
        }
        layer(Activation.of(function), function == ActivationFunction.SOFTMAX);
    }

    private void merge(Layer layer) {
        var inputs = new ArrayList<LayerOutput>();
        boolean nonNegative = !(layer instanceof Subtract);
        Value first = value(0);
        for (int i = 0; i < node.inputs().size(); i++) {
            Value x = value(i);
            if (x.shape().rank() != first.shape().rank() || x.picture != first.picture) {
                throw error("joins " + first.shape() + " and " + x.shape() + ", whose axes do not mean the same");
            }
            inputs.add(x.x);
            nonNegative &= x.nonNegative;
        }
        if (inputs.size() == 1) {
            alias();
            return;
        }
        result(null, new Value(layer.named(name()).apply(inputs), first.picture, nonNegative));
    }

    private void concatenate() {
        var inputs = new ArrayList<LayerOutput>();
        boolean nonNegative = true;
        Value first = value(0);
        for (int i = 0; i < node.inputs().size(); i++) {
            Value x = value(i);
            if (x.shape().rank() != first.shape().rank() || x.picture != first.picture) {
                throw error("joins " + first.shape() + " and " + x.shape() + ", whose axes do not mean the same");
            }
            inputs.add(x.x);
            nonNegative &= x.nonNegative;
        }
        int rank = first.shape().rank() + 1;
        long axis = integer("axis", 1);
        axis = axis < 0 ? axis + rank : axis;
        if (axis < 1 || axis >= rank) {
            throw error("joins along axis " + axis + "; the batch must stay as it is");
        }
        int own = first.picture ? (axis == 1 ? 3 : (int) axis - 1) : (int) axis;
        result(
                null,
                inputs.size() == 1
                        ? first
                        : new Value(Concatenate.of(own).named(name()).apply(inputs), first.picture, nonNegative));
    }

    private void pool() {
        Value x = picture(0);
        boolean max = node.op().equals("MaxPool");
        int[] size = pair("kernel_shape");
        int[] strides = pair("strides");
        int[] dilation = pair("dilations");
        if (dilation[0] != 1 || dilation[1] != 1) {
            throw error("has a dilation of " + dilation[0] + " x " + dilation[1] + ", which cannot be read");
        }
        boolean padded = max ? x.nonNegative : integer("count_include_pad", 0) != 0;
        Window window = window(x, size, strides, dilation, padded);
        Layer layer = max
                ? MaxPooling2D.of(size[0], size[1])
                        .strides(strides[0], strides[1])
                        .padding(window.padding)
                : AveragePooling2D.of(size[0], size[1])
                        .strides(strides[0], strides[1])
                        .padding(window.padding);
        result(null, new Value(layer.named(name()).apply(window.x.x), true, x.nonNegative));
    }

    /** A picture with the padding that is left for the layer that slides over it. */
    private record Window(Value x, Padding padding) {}

    /** @param zeros whether what is around the picture may be made of zeros */
    private Window window(Value x, int[] kernel, int[] strides, int[] dilation, boolean zeros) {
        int[] in = {x.shape().dim(0), x.shape().dim(1)};
        var same = new long[4]; // top, left, bottom, right
        var pads = new long[4];
        String auto = text("auto_pad", "NOTSET");
        for (int k = 0; k < 2; k++) {
            if (kernel[k] < 1 || strides[k] < 1 || dilation[k] < 1) {
                throw error("has a kernel, stride or dilation below 1");
            }
            long extent = (kernel[k] - 1L) * dilation[k] + 1;
            long total = Math.max(((in[k] + strides[k] - 1L) / strides[k] - 1) * strides[k] + extent - in[k], 0);
            same[k] = total / 2;
            same[k + 2] = total - total / 2;
        }
        switch (auto) {
            case "NOTSET" -> {
                long[] given = ints(node, "pads");
                if (given.length == 4) {
                    pads = given.clone();
                } else if (given.length != 0) {
                    throw error("needs 4 pads, not " + given.length);
                }
            }
            case "VALID" -> {}
            case "SAME_UPPER" -> pads = same.clone();
            case "SAME_LOWER" -> pads = new long[] {same[2], same[3], same[0], same[1]};
            default -> throw error("has the unknown auto_pad " + auto);
        }
        for (int k = 0; k < 2; k++) {
            long slack = in[k] + pads[k] + pads[k + 2] - ((kernel[k] - 1L) * dilation[k] + 1);
            if (pads[k] < 0 || pads[k + 2] < 0 || pads[k] > 1 << 20 || pads[k + 2] > 1 << 20) {
                throw error("cannot have the pads " + Arrays.toString(pads));
            }
            if (integer("ceil_mode", 0) != 0 && slack % strides[k] != 0) {
                throw error(
                        "rounds sizes up (ceil_mode), which leaves windows beyond the picture; that cannot be read");
            }
        }
        if (Arrays.equals(pads, new long[4])) {
            return new Window(x, Padding.VALID);
        }
        if (Arrays.equals(pads, same) && !(node.op().equals("AveragePool") && zeros)) {
            return new Window(x, Padding.SAME);
        }
        if (!zeros) {
            throw error("has pads " + Arrays.toString(pads) + " that zeros around the picture cannot stand for");
        }
        Layer border = ZeroPadding2D.of((int) pads[0], (int) pads[2], (int) pads[1], (int) pads[3]);
        return new Window(
                new Value(border.named(unique(name(node) + "_pad")).apply(x.x), true, x.nonNegative), Padding.VALID);
    }

    private void global(Layer layer) {
        Value x = picture(0);
        result(null, new Value(layer.named(name()).apply(x.x), true, x.nonNegative));
    }

    /** Over height and width: global average pooling. */
    private void mean() {
        Value x = value(0);
        long[] axes = axes(1);
        boolean keep = integer("keepdims", 1) != 0;
        normalize(axes, x);
        if (x.shape().rank() != 3 || !Arrays.equals(axes, x.picture ? new long[] {2, 3} : new long[] {1, 2})) {
            throw error("averages over axes " + Arrays.toString(axes) + "; only height and width can be read");
        }
        Layer layer = GlobalAveragePooling2D.of().keepdims(keep);
        result(null, new Value(layer.named(name()).apply(x.x), keep && x.picture, x.nonNegative));
    }

    /** Axes as an attribute (before opset 13 or 18) or as an input. */
    private long[] axes(int input) {
        return node.inputs().size() > input && !input(input).isEmpty()
                ? setting(input).longs().clone()
                : ints(node, "axes").clone();
    }

    private static void normalize(long[] axes, Value x) {
        for (int i = 0; i < axes.length; i++) {
            axes[i] += axes[i] < 0 ? x.shape().rank() + 1 : 0;
        }
        Arrays.sort(axes);
    }

    private void pad() {
        Value x = value(0);
        if (!text("mode", "constant").equals("constant")) {
            throw error("pads by mode '" + text("mode", "") + "'; only zeros can be read");
        }
        double filling = number("value", 0);
        if (node.inputs().size() > 2 && !input(2).isEmpty()) {
            OnnxFile.Array value = setting(2);
            if (value.size() != 1) {
                throw error("pads with " + value.size() + " numbers");
            }
            filling = Math.abs(value.floats()[0]) <= Float.MIN_NORMAL ? 0 : value.floats()[0]; // see OnnxWriter.pad
        }
        long[] pads = node.inputs().size() > 1 ? setting(1).longs() : ints(node, "pads");
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
        int c = x.picture ? 1 : 3;
        int h = x.picture ? 2 : 1;
        int w = h + 1;
        LayerOutput y = x.x;
        String name = name();
        if (pads[c] + pads[c + 4] > 0) {
            boolean both = pads[h] + pads[h + 4] + pads[w] + pads[w + 4] > 0;
            y = y.then(ChannelPadding.of((int) pads[c], (int) pads[c + 4])
                    .named(both ? unique(name + "_channels") : name));
        }
        if (y == x.x || pads[h] + pads[h + 4] + pads[w] + pads[w + 4] > 0) {
            y = y.then(ZeroPadding2D.of((int) pads[h], (int) pads[h + 4], (int) pads[w], (int) pads[w + 4])
                    .named(name));
        }
        result(null, new Value(y, x.picture, x.nonNegative));
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

    private void flatten() {
        Value x = value(0);
        long axis = integer("axis", 1);
        if (axis != 1 && axis != -x.shape().rank()) {
            throw error("flattens from axis " + axis + "; the batch must stay as it is");
        }
        vector(x);
    }

    /** Every sample as a vector; of pictures only where the order of axes makes no difference. */
    private void vector(Value x) {
        if (x.picture && !x.pixel() && x.shape().dim(2) > 1) {
            throw error("makes a vector of pictures " + x.shape() + " with channels first; only one pixel, as behind"
                    + " GlobalAveragePool, or a Transpose to channels last before it can be read");
        }
        result(
                null,
                x.shape().rank() == 1
                        ? new Value(x.x, false, x.nonNegative)
                        : new Value(Flatten.of().named(name()).apply(x.x), false, x.nonNegative));
    }

    private void reshape() {
        Value x = value(0);
        long[] target = node.inputs().size() > 1 ? setting(1).longs() : ints(node, "shape");
        int rank = x.shape().rank() + 1;
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
            if (d == 0 && i < rank) { // as in the input, in ONNX's order of axes
                d = x.shape().dim(x.picture ? (i == 1 ? 2 : i - 2) : i - 1);
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
        if (dims.length == 1) {
            vector(x);
        } else if (x.shape().rank() == 1 && dims.length == 3 && dims[1] == 1 && dims[2] == 1) {
            result(null, new Value(Reshape.of(1, 1, dims[0]).named(name()).apply(x.x), true, x.nonNegative));
        } else if (!x.picture) {
            result(null, new Value(Reshape.of(dims).named(name()).apply(x.x), false, x.nonNegative));
        } else {
            throw error(
                    "makes shape " + Arrays.toString(target) + " of pictures " + x.shape() + " with channels first");
        }
    }

    /** Every n-th row or column of a picture, as the shortcuts of the CIFAR ResNets are written. */
    private void slice() {
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
        result(null, new Value(layer.named(name()).apply(x.x), true, x.nonNegative));
    }

    private void squeeze() {
        Value x = value(0);
        long[] axes = axes(1);
        normalize(axes, x);
        if (x.pixel() && Arrays.equals(axes, x.picture ? new long[] {2, 3} : new long[] {1, 2})) {
            vector(x);
        } else {
            throw error("drops axes " + Arrays.toString(axes) + " of " + x.shape()
                    + "; only those of a single pixel can be read");
        }
    }

    private static final long[] TO_CHANNELS_FIRST = {0, 3, 1, 2};
    private static final long[] TO_CHANNELS_LAST = {0, 2, 3, 1};

    private void transpose() {
        Value x = value(0);
        long[] perm = ints(node, "perm");
        boolean nothing = perm.length == x.shape().rank() + 1;
        for (int i = 0; i < perm.length; i++) {
            nothing &= perm[i] == i;
        }
        if (nothing) {
            result(null, x);
        } else if (x.picture && Arrays.equals(perm, TO_CHANNELS_LAST)) {
            result(null, new Value(x.x, false, x.nonNegative));
        } else if (!x.picture && x.shape().rank() == 3 && Arrays.equals(perm, TO_CHANNELS_FIRST)) {
            result(null, new Value(x.x, true, x.nonNegative));
        } else {
            throw error(
                    "orders axes by " + Arrays.toString(perm) + "; only channels first to last and back can be read");
        }
    }

    private void gemm() {
        Value x = vectorInput();
        OnnxFile.Array kernel = weight(1);
        boolean transposed = integer("transB", 0) != 0;
        if (integer("transA", 0) != 0 || number("alpha", 1) != 1 || kernel.dims.length != 2) {
            throw error("is no dense layer: transA " + integer("transA", 0) + ", alpha " + number("alpha", 1)
                    + ", a matrix of " + kernel.dims.length + " axes");
        }
        boolean bias = node.inputs().size() > 2 && !input(2).isEmpty() && number("beta", 1) != 0;
        if (bias && number("beta", 1) != 1) {
            throw error("beta must be 1, not " + number("beta", 1));
        }
        dense(
                x,
                kernel.dims[transposed ? 0 : 1],
                transposed ? Weights.Layout.OI : Weights.Layout.SAME,
                bias ? input(2) : "",
                null);
    }

    private Value vectorInput() {
        Value x = value(0);
        if (x.picture) {
            throw error("takes a matrix, not pictures " + x.shape() + " with channels first");
        }
        return x;
    }

    private void matMul() {
        Value x = vectorInput();
        OnnxFile.Array kernel = weight(1);
        if (kernel.dims.length != 2) {
            throw error("is no dense layer: a matrix of " + kernel.dims.length + " axes");
        }
        OnnxFile.Node sum = biasBehind(kernel.dims[1], false);
        dense(x, kernel.dims[1], Weights.Layout.SAME, sum == null ? "" : constantOf(sum), sum);
    }

    private void dense(Value x, int units, Weights.Layout layout, String bias, OnnxFile.Node sum) {
        String name = name();
        link(name, "kernel", input(1), layout);
        link(name, "bias", bias, Weights.Layout.RESHAPED);
        Layer layer = Dense.of(units).bias(!bias.isEmpty());
        result(sum, new Value(layer.named(name).apply(x.x), false, false));
    }

    /** The Add that is the only reader of this node and adds a constant for each channel: a bias written apart. */
    private OnnxFile.Node biasBehind(int channels, boolean picture) {
        List<OnnxFile.Node> next = readers.getOrDefault(output(), List.of());
        if (next.size() != 1
                || !next.getFirst().op().equals("Add")
                || next.getFirst().inputs().size() != 2
                || next.getFirst().outputs().isEmpty()
                || file.outputs().contains(output())) {
            return null;
        }
        OnnxFile.Array bias = constants.get(constantOf(next.getFirst()));
        if (bias == null || bias.size() != channels) {
            return null;
        }
        int axis = picture ? bias.dims.length - 3 : bias.dims.length - 1; // (c, 1, 1) or (c)
        return axis >= 0 && bias.dims[axis] == channels ? next.getFirst() : null;
    }

    /** The other operand of an Add behind this node. */
    private String constantOf(OnnxFile.Node sum) {
        String name = sum.inputs().get(sum.inputs().getFirst().equals(output()) ? 1 : 0);
        return aliases.getOrDefault(name, name);
    }

    // ---- a node's parts ----

    private String input(int i) {
        if (i >= node.inputs().size()) {
            throw error("has " + node.inputs().size() + " inputs, too few");
        }
        String name = node.inputs().get(i);
        return aliases.getOrDefault(name, name);
    }

    private String output() {
        if (node.outputs().isEmpty()) {
            throw error("has no output");
        }
        return node.outputs().getFirst();
    }

    private Value value(int i) {
        Value x = values.get(input(i));
        if (x == null) {
            throw error(
                    constants.containsKey(input(i))
                            ? "computes with the constant '" + input(i) + "'; only weights of layers can be read"
                            : "reads '" + input(i) + "', which no node before it yields");
        }
        return x;
    }

    private Value picture(int i) {
        Value x = value(i);
        if (!x.picture) {
            throw error("takes pictures (n, c, h, w), not " + x.shape());
        }
        return x;
    }

    private OnnxFile.Array weight(int i) {
        OnnxFile.Array array = constants.get(input(i));
        if (array == null) {
            throw error("'" + input(i) + "' should be a tensor of the file");
        }
        return array;
    }

    /** A constant that is a setting, no weight. */
    private OnnxFile.Array setting(int i) {
        OnnxFile.Array array = weight(i);
        settings.add(input(i));
        if (array.size() > 64) {
            throw error("'" + input(i) + "' should be a few numbers, not " + array.size());
        }
        return array;
    }

    private void link(String layer, String weight, String tensor, Weights.Layout layout) {
        if (!tensor.isEmpty()) {
            links.put(layer + "/" + weight, new Weights.Link(tensor, layout));
            settings.remove(tensor);
        }
    }

    /** @param last the node this one ends with, if it has taken in another */
    private void result(OnnxFile.Node last, Value y) {
        values.put(output(), y);
        if (last != null) {
            done.add(last);
            values.put(last.outputs().getFirst(), y);
        }
    }

    private long integer(String attribute, long otherwise) {
        OnnxFile.Attribute a = node.attributes().get(attribute);
        return a == null ? otherwise : a.i();
    }

    private float number(String attribute, float otherwise) {
        OnnxFile.Attribute a = node.attributes().get(attribute);
        return a == null ? otherwise : a.f();
    }

    /** The decimal number that somebody wrote and a float32 stands for: 1e-5 is meant, not 9.999999747378752e-06. */
    private static double decimal(float f) {
        return Double.parseDouble(Float.toString(f));
    }

    private String text(String attribute, String otherwise) {
        OnnxFile.Attribute a = node.attributes().get(attribute);
        return a == null ? otherwise : a.s();
    }

    private static long[] ints(OnnxFile.Node node, String attribute) {
        OnnxFile.Attribute a = node.attributes().get(attribute);
        return a == null ? new long[0] : a.ints();
    }

    /** Height and width, 1 and 1 if it is not said. */
    private int[] pair(String attribute) {
        long[] given = ints(node, attribute);
        if (given.length == 0 && !attribute.equals("kernel_shape")) {
            return new int[] {1, 1};
        }
        if (given.length != 2 || given[0] < 1 || given[1] < 1 || given[0] > 1 << 20 || given[1] > 1 << 20) {
            throw error(attribute + " must be a height and a width, not " + Arrays.toString(given));
        }
        return new int[] {(int) given[0], (int) given[1]};
    }

    // ---- names ----

    private String name() {
        return unique(name(node));
    }

    private static String name(OnnxFile.Node node) {
        return clean(
                !node.name().isEmpty()
                        ? node.name()
                        : node.outputs().isEmpty() ? node.op() : node.outputs().getFirst());
    }

    /** Layer names cannot hold '/'. */
    private static String clean(String name) {
        String s = name.startsWith("/") ? name.substring(1) : name;
        return s.isEmpty() ? "unnamed" : s.replace('/', '.');
    }

    private String unique(String name) {
        String s = name;
        while (!layerNames.add(s)) {
            s = name + "_" + counts.merge(name, 1, Integer::sum);
        }
        return s;
    }
}
