package gradus.importer;

import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.Average;
import gradus.layers.BatchNormalization;
import gradus.layers.Clip;
import gradus.layers.Dense;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.GlobalMaxPooling2D;
import gradus.layers.Input;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.LeakyReLU;
import gradus.layers.Model;
import gradus.layers.Multiply;
import gradus.layers.Subtract;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/**
 * Networks in ONNX: every node becomes a layer, or none where it only moves axes.
 *
 * <p>ONNX's pictures are (n, c, h, w), ours (h, w, c). For every value it is known whether its axes mean a picture in
 * ONNX's order or are taken as they are; a Transpose between the two orders changes that note and no number.
 *
 * @see <a href="https://onnx.ai/onnx/operators/">ONNX operators</a>
 */
final class OnnxReader extends OnnxWindows {
    private static final int MAX_NODES = 20_000;
    /** Of pictures: grey, colours, colours with opacity. */
    private static final Set<Integer> CHANNELS = Set.of(1, 3, 4);

    private final ImportOptions options;
    /** Layers that stand for numbers of the graph, not for something trained. */
    private final List<String> frozen = new ArrayList<>();

    private OnnxReader(String source, OnnxFile file, OnnxConstants constants, ImportOptions options) {
        super(source, file, constants);
        this.options = options;
    }

    /** @param folder where the tensors may be that are in other files, or null */
    static Imported read(String source, ByteBuffer bytes, Path folder, ImportOptions options) {
        if (options.model() != null) {
            throw new GradusException(source + " says itself what network it holds; leave --model out");
        }
        OnnxReader reader = null;
        try (var external = new ExternalData(source, folder)) {
            OnnxFile file = OnnxFile.read(source, bytes, external);
            var constants = new OnnxConstants(file.initializers(), bytes.remaining() / 4 + (1 << 18));
            reader = new OnnxReader(source, file, constants, options);
            Model model = reader.model();
            Report report = Weights.assign(source, model, constants.source(), reader.links, constants.settings());
            reader.frozen.forEach(layer -> model.trainable(layer, false));
            return Importer.imported(source, model, Format.ONNX, file.metadata(), null, options, report);
        } catch (FormatException | FileException e) {
            throw e;
        } catch (GradusException e) {
            String where = reader == null || reader.node == null ? "" : reader.node.where() + ": ";
            throw new FormatException(source + ": " + where + e.getMessage(), -1, e);
        }
    }

    private Model model() {
        if (file.nodes().size() > MAX_NODES) {
            throw new FormatException(source + ": more than " + MAX_NODES + " nodes", -1);
        }
        var begins = new ArrayList<LayerOutput>();
        for (OnnxFile.Input input : file.inputs()) {
            LayerOutput x = input(input);
            if (!readers(input.name()).isEmpty()) {
                begins.add(x);
            }
        }
        for (OnnxFile.Node n : file.nodes()) {
            node = n;
            if (!isDone(n) && !constants.fold(n)) {
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
            if (y.maps() != null) {
                node = file.nodes().stream()
                        .filter(n -> n.outputs().contains(output))
                        .findFirst()
                        .orElseThrow();
                throw error("ends the graph with a vector of pictures " + y.maps()
                        + " with channels first; a dense layer must follow on it");
            }
            ends.add(y.x());
        }
        if (begins.isEmpty() || ends.isEmpty()) {
            throw new FormatException(source + ": the graph has no inputs that are used, or no outputs", -1);
        }
        return Model.of(file.name().isEmpty() ? "onnx" : file.name(), begins, ends);
    }

    private LayerOutput input(OnnxFile.Input input) {
        int[] s = input.shape();
        if (s == null || s.length < 2) {
            throw new FormatException(source + ": input '" + input.name() + "' does not say its shape", -1);
        }
        boolean picture = s.length == 4 && isChannelsFirst(input.name(), s);
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

    /**
     * As the first operator says that is sure of it, behind those that are not: one that brings the channels to the front or
     * one that wants them there. If there is none, a number of channels at the end alone speaks for channels last.
     */
    private boolean isChannelsFirst(String input, int[] s) {
        var front = new ArrayDeque<>(List.of(input));
        var seen = new HashSet<>(front);
        while (!front.isEmpty()) {
            for (OnnxFile.Node n : readers(front.remove())) {
                switch (n.op()) {
                    case "Transpose" -> {
                        return !Arrays.equals(n.ints("perm"), TO_CHANNELS_FIRST);
                    }
                    case "Conv",
                            "BatchNormalization",
                            "MaxPool",
                            "AveragePool",
                            "GlobalAveragePool",
                            "GlobalMaxPool" -> {
                        return true;
                    }
                    case "Cast", "Identity", "Pad", "Add", "Sub", "Mul", "Div", "Clip", "Relu" -> {
                        if (!n.outputs().isEmpty() && seen.add(n.outputs().getFirst())) {
                            front.add(n.outputs().getFirst());
                        }
                    }
                    default -> {}
                }
            }
        }
        return !(CHANNELS.contains(s[3]) && !CHANNELS.contains(s[1]) && (s[1] == 0 || s[1] > s[3]));
    }

    // ---- nodes ----

    private void read() {
        if (!node.domain().isEmpty() && !node.domain().equals("ai.onnx")) {
            throw error("operators of domain '" + node.domain() + "' cannot be read");
        }
        switch (node.op()) {
            case "Constant" -> constants.add(output(), OnnxConstants.constant(node));
            case "Identity", "Dropout" -> result(value(0));
            case "Cast" -> cast();
            case "Conv" -> convolution();
            case "BatchNormalization" -> batchNormalization();
            case "Relu" -> layer(Activation.relu(), true);
            case "Sigmoid" -> layer(Activation.of(ActivationFunction.SIGMOID), true);
            case "Exp" -> layer(Activation.of(ActivationFunction.EXPONENTIAL), true);
            case "Tanh" -> layer(Activation.of(ActivationFunction.TANH), false);
            case "Elu" -> {
                if (node.number("alpha", 1) != 1) {
                    throw error("alpha must be 1");
                }
                layer(Activation.of(ActivationFunction.ELU), false);
            }
            case "LeakyRelu" -> layer(LeakyReLU.of(decimal(node.number("alpha", 0.01f))), false);
            case "Gelu" ->
                layer(
                        Activation.of(
                                "tanh".equals(node.text("approximate", "none"))
                                        ? ActivationFunction.GELU_TANH
                                        : ActivationFunction.GELU),
                        false);
            case "Clip" -> clip();
            case "Softmax" -> softmax(ActivationFunction.SOFTMAX);
            case "LogSoftmax" -> softmax(ActivationFunction.LOG_SOFTMAX);
            case "Add", "Sum" -> merge(Add.of());
            case "Sub" -> merge(Subtract.of());
            case "Mul" -> merge(Multiply.of());
            case "Div" -> arithmetic();
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
            case "Unsqueeze" -> unsqueeze();
            case "Shape" -> shape();
            case "Transpose" -> transpose();
            case "Gemm" -> gemm();
            case "MatMul" -> matMul();
            default ->
                throw error(
                        "this operator cannot be read; there are those of residual networks: Conv, BatchNormalization,"
                                + " Relu, Add, MaxPool, AveragePool, GlobalAveragePool, Gemm and the like");
        }
    }

    /** Between kinds of numbers with fractions nothing happens: all are float32 here. */
    private void cast() {
        long to = node.integer("to", OnnxArray.FLOAT);
        if (!OnnxArray.isFloat(to)) {
            throw error("makes numbers of type " + to + "; only float16, bfloat16, float32 and float64 can be read");
        }
        result(value(0));
    }

    private void batchNormalization() {
        Value x = value(0);
        if (!x.picture() && x.shape().rank() != 1 || x.maps() != null) {
            throw error("takes pictures with channels first, or vectors, not " + x.shape());
        }
        if (node.integer("training_mode", 0) != 0 || node.integer("spatial", 1) != 1) {
            throw error("is in training mode; export the model for inference");
        }
        String name = name();
        String[] weights = {"gamma", "beta", "moving_mean", "moving_variance"};
        for (int i = 0; i < 4; i++) {
            link(name, weights[i], weight(i + 1), Weights.Layout.SAME);
        }
        Layer layer = BatchNormalization.of()
                .epsilon(decimal(node.number("epsilon", 1e-5f)))
                .momentum(decimal(node.number("momentum", 0.9f)));
        result(x.with(layer.named(name).apply(x.x()), false));
    }

    /** A layer on one value, element by element. */
    private void layer(Layer layer, boolean nonNegative) {
        Value x = value(0);
        result(x.with(layer.named(name()).apply(x.x()), nonNegative));
    }

    private void clip() {
        double min = limit("min", 1, -Float.MAX_VALUE);
        double max = limit("max", 2, Float.MAX_VALUE);
        if (min == -Float.MAX_VALUE && max == Float.MAX_VALUE) {
            result(value(0));
        } else if (min == 0 && (max == 6 || max == Float.MAX_VALUE)) {
            layer(Activation.of(max == 6 ? ActivationFunction.RELU6 : ActivationFunction.RELU), true);
        } else {
            layer(Clip.of(min, max), min >= 0);
        }
    }

    /** An attribute before opset 11, an input since; the largest float32 stands for none. */
    private double limit(String attribute, int input, float none) {
        float v = node.number(attribute, none);
        if (has(input)) {
            OnnxArray array = setting(input);
            if (array.size() != 1) {
                throw error(attribute + " must be one number");
            }
            v = array.floats()[0];
        }
        return Math.abs(v) >= Float.MAX_VALUE && Math.signum(v) == Math.signum(none) ? none : decimal(v);
    }

    /** Along the channels; before opset 13 all axes from the given one on are one. */
    private void softmax(ActivationFunction function) {
        Value x = value(0);
        int rank = x.shape().rank() + 1;
        long axis = node.integer("axis", file.opset() < 13 ? 1 : -1);
        axis = axis < 0 ? axis + rank : axis;
        boolean last = x.picture() ? axis == 1 && (file.opset() >= 13 || x.pixel()) : axis == rank - 1;
        if (!last) {
            throw error("is taken along axis " + axis + " of " + x.shape() + "; only the channels' can be read");
        }
        layer(Activation.of(function), function == ActivationFunction.SOFTMAX);
    }

    private void merge(Layer layer) {
        if (node.inputs().size() == 2 && constantOf(node) != null) {
            arithmetic();
            return;
        }
        var inputs = new ArrayList<Value>();
        for (int i = 0; i < node.inputs().size(); i++) {
            inputs.add(value(i));
        }
        if (inputs.stream().anyMatch(Value::picture)) {
            inputs.replaceAll(this::picture);
        }
        Value first = value(0);
        boolean nonNegative = !(layer instanceof Subtract);
        for (Value x : inputs) {
            if (x.shape().rank() != first.shape().rank() || !Objects.equals(x.maps(), first.maps())) {
                throw error("joins " + first.shape() + " and " + x.shape() + ", whose axes do not mean the same");
            }
            nonNegative &= x.nonNegative();
        }
        if (inputs.size() == 1) {
            result(first);
            return;
        }
        LayerOutput y = layer.named(name()).apply(inputs.stream().map(Value::x).toList());
        result(new Value(y, inputs.getFirst().picture(), first.maps(), nonNegative));
    }

    /**
     * Sums and products with constants, as many as follow on each other: y = scale x + shift, with one number of each for
     * every channel. That is a batch norm whose statistics do nothing.
     */
    private void arithmetic() {
        Value x = value(constants.get(input(0)) == null ? 0 : 1);
        int c = x.shape().dim(-1);
        constants.take(4L * c);
        var scale = new float[c];
        Arrays.fill(scale, 1);
        var shift = new float[c];
        OnnxFile.Node last = node;
        done(node); // which a damaged graph may lead back to
        calculate(node, x, scale, shift);
        for (OnnxFile.Node next = onlyReader(last); next != null && !isDone(next); next = onlyReader(last)) {
            if (!isArithmetic(next) || !fits(x, constantOf(next))) {
                break;
            }
            calculate(next, x, scale, shift);
            done(next);
            last = next;
        }
        String name = name();
        frozen.add(name);
        var one = new float[c];
        Arrays.fill(one, 1);
        given(name, "gamma", scale);
        given(name, "beta", shift);
        given(name, "moving_mean", new float[c]);
        given(name, "moving_variance", one);
        Layer layer = BatchNormalization.of().epsilon(0).named(name);
        result(last, x.with(layer.apply(x.x()), false));
    }

    private boolean isArithmetic(OnnxFile.Node n) {
        boolean constantFirst =
                n.inputs().size() == 2 && constants.get(n.inputs().getFirst()) != null;
        return constantOf(n) != null
                && (n.op().equals("Add")
                        || n.op().equals("Sum")
                        || n.op().equals("Mul")
                        || n.op().equals("Sub")
                        || n.op().equals("Div") && !constantFirst);
    }

    private void calculate(OnnxFile.Node n, Value x, float[] scale, float[] shift) {
        OnnxArray constant = constantOf(n);
        if (!isArithmetic(n)) {
            throw error("computes with " + constant + " in a way that cannot be read");
        }
        if (!fits(x, constant)) {
            throw error("computes " + x.shape() + " with " + constant
                    + "; only a number, or one for each channel, can be read");
        }
        constants.settings().add(constant.name);
        constants.take(constant.size());
        float[] values = constant.floats();
        boolean constantFirst = constants.get(n.inputs().getFirst()) != null;
        for (int i = 0; i < scale.length; i++) {
            float v = values[values.length == 1 ? 0 : i];
            switch (n.op()) {
                case "Add", "Sum" -> shift[i] += v;
                case "Sub" -> {
                    scale[i] = constantFirst ? -scale[i] : scale[i];
                    shift[i] = constantFirst ? v - shift[i] : shift[i] - v;
                }
                case "Mul" -> {
                    scale[i] *= v;
                    shift[i] *= v;
                }
                default -> {
                    scale[i] /= v;
                    shift[i] /= v;
                }
            }
        }
    }

    /** Whether a constant is a number, or one for each channel. */
    private static boolean fits(Value x, OnnxArray constant) {
        int rank = x.shape().rank() + 1;
        int axis = constant.dims.length - (x.picture() ? 3 : 1);
        int c = x.shape().dim(-1);
        return constant.dims.length <= rank
                && (constant.size() == 1
                        || x.maps() == null && axis >= 0 && constant.dims[axis] == c && constant.size() == c);
    }

    private void given(String layer, String weight, float[] values) {
        String name = layer + "/" + weight;
        constants.add(name, OnnxArray.of("", new int[] {values.length}, values));
        link(layer, weight, constants.get(name), Weights.Layout.SAME);
    }

    private void gemm() {
        Value x = vectorInput();
        OnnxArray kernel = weight(1);
        boolean transposed = node.integer("transB", 0) != 0;
        if (node.integer("transA", 0) != 0 || node.number("alpha", 1) != 1 || kernel.dims.length != 2) {
            throw error("is no dense layer: transA " + node.integer("transA", 0) + ", alpha " + node.number("alpha", 1)
                    + ", a matrix of " + kernel.dims.length + " axes");
        }
        boolean bias = has(2) && node.number("beta", 1) != 0;
        if (bias && node.number("beta", 1) != 1) {
            throw error("beta must be 1, not " + node.number("beta", 1));
        }
        dense(x, kernel, transposed, bias ? weight(2) : null, null);
    }

    private Value vectorInput() {
        Value x = value(0);
        if (x.picture()) {
            throw error("takes a matrix, not pictures " + x.shape() + " with channels first");
        }
        return x;
    }

    private void matMul() {
        Value x = vectorInput();
        OnnxArray kernel = weight(1);
        if (kernel.dims.length != 2) {
            throw error("is no dense layer: a matrix of " + kernel.dims.length + " axes");
        }
        OnnxFile.Node sum = biasBehind(kernel.dims[1], false);
        dense(x, kernel, false, sum == null ? null : constantOf(sum), sum);
    }

    /** @param transposed whether the kernel is (out, in) */
    private void dense(Value x, OnnxArray kernel, boolean transposed, OnnxArray bias, OnnxFile.Node sum) {
        String name = name();
        int units = kernel.dims[transposed ? 0 : 1];
        if (x.maps() == null || kernel.dims[transposed ? 1 : 0] != x.shape().size()) {
            link(name, "kernel", kernel, transposed ? Weights.Layout.OI : Weights.Layout.SAME);
        } else {
            Shape s = x.maps();
            link(
                    name,
                    "kernel",
                    transposed
                            ? kernel.reshaped(units, s.dim(2), s.dim(0), s.dim(1))
                            : kernel.reshaped(s.dim(2), s.dim(0) * s.dim(1), units),
                    transposed ? Weights.Layout.OCHW : Weights.Layout.CHWO);
        }
        link(name, "bias", bias, Weights.Layout.RESHAPED);
        Layer layer = Dense.of(units).bias(bias != null);
        result(sum, new Value(layer.named(name).apply(x.x()), false, false));
    }

    /** The decimal number that somebody wrote and a float32 stands for: 1e-5 is meant, not 9.999999747378752e-06. */
    private static double decimal(float f) {
        return Double.parseDouble(Float.toString(f));
    }
}
