package gradus.importer;

import gradus.importer.Protobuf.Writer;
import gradus.io.AtomicFile;
import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.Average;
import gradus.layers.AveragePooling2D;
import gradus.layers.BatchNormalization;
import gradus.layers.Border;
import gradus.layers.ChannelPadding;
import gradus.layers.Clip;
import gradus.layers.Concatenate;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Dropout;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.GlobalMaxPooling2D;
import gradus.layers.Input;
import gradus.layers.Layer;
import gradus.layers.LeakyReLU;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.Multiply;
import gradus.layers.Padding;
import gradus.layers.Reshape;
import gradus.layers.Size;
import gradus.layers.Subtract;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Writes a model in ONNX, opset 17 (20 where it has GELU). Pictures come in as (n, c, h, w), as is the custom there, n being
 * open; nodes are named after layers, tensors after weights. Where a layer takes the axes as they are, a Transpose to (n, h,
 * w, c) stands before it.
 */
final class OnnxWriter {
    /** A value of the graph: its name, and the shape it has here, that is (h, w, c) where ONNX has (n, c, h, w). */
    private record Value(String name, Shape shape, boolean picture) {}

    private final Map<String, Tensor> weights;
    private final List<Writer> nodes = new ArrayList<>();
    private final Map<String, Writer> constants = new LinkedHashMap<>();
    /** Weights in ONNX's layouts by their names here: made when they are written, one at a time. */
    private final Map<String, Initializer> initializers = new LinkedHashMap<>();

    /** Those that have been made, by name. */
    private final Map<String, Value> transposes = new HashMap<>();

    /** Names of nodes, values and constants, of which no two may be equal; those of weights and layers are kept for them. */
    private final Set<String> taken = new HashSet<>();

    /** Names that are kept for the first calls of layers. */
    private final Set<String> layers = new HashSet<>();

    /** Whether there is a MaxPooling2D, in whatever model. */
    private boolean maxPooling;

    private int opset = 17;

    private record Initializer(String name, long[] dims, Tensor tensor, Weights.Layout layout) {
        float[] values() {
            Shape s = tensor.shape();
            return layout == Weights.Layout.OIHW
                    ? Weights.Layout.back(tensor, s.dim(3), s.dim(2), s.dim(0) * s.dim(1))
                    : tensor.floats();
        }
    }

    private OnnxWriter(Map<String, Tensor> weights) {
        this.weights = weights;
    }

    static void write(Model model, Map<String, String> metadata, Path file) {
        var writer = new OnnxWriter(model.weights());
        writer.survey(model, "");
        var inputs = new ArrayList<Value>();
        var graph = new Writer();
        for (int i = 0; i < model.inputShapes().size(); i++) {
            Shape s = model.inputShapes().get(i);
            inputs.add(new Value(model.inputNames().get(i), s, s.rank() == 3));
        }
        List<Value> outputs = writer.model(model, "", "", inputs);
        Set<String> named = new LinkedHashSet<>();
        for (int i = 0; i < outputs.size(); i++) {
            Value y = outputs.get(i);
            if (!named.add(y.name)) {
                y = writer.same("Identity", writer.unique(y.name + ":" + i), new Writer(), y);
            }
            outputs.set(i, y);
        }
        writer.nodes.forEach(n -> graph.message(1, n));
        graph.string(2, model.name());
        writer.constants.values().forEach(c -> graph.message(5, c));
        inputs.forEach(x -> graph.message(11, info(x)));
        outputs.forEach(y -> graph.message(12, info(y)));
        writer.save(graph.toByteArray(), metadata, file);
    }

    // ---- the file ----

    private void save(byte[] graph, Map<String, String> metadata, Path file) {
        var heads = new ArrayList<byte[]>();
        long length = graph.length;
        for (Initializer w : initializers.values()) {
            long bytes = 4L * w.tensor.size();
            byte[] fields = new Writer()
                    .integers(1, w.dims)
                    .integer(2, OnnxArray.FLOAT)
                    .string(8, w.name)
                    .header(9, bytes)
                    .toByteArray();
            byte[] head = new Writer().header(5, fields.length + bytes).toByteArray();
            heads.add(concatenated(head, fields));
            length += head.length + fields.length + bytes;
        }
        if (length > Integer.MAX_VALUE - (1 << 20)) {
            throw new GradusException(
                    file + ": an ONNX file has at most 2 GiB, this model's would have " + length + " bytes");
        }
        var model = new Writer()
                .integer(1, opset < 20 ? 8 : 9) // the version of the format that came with the operators
                .string(2, "gradus")
                .message(8, new Writer().string(1, "").integer(2, opset));
        metadata.forEach(
                (key, value) -> model.message(14, new Writer().string(1, key).string(2, value)));
        byte[] begin = model.header(7, length).toByteArray();
        AtomicFile.write(file, out -> {
            out.write(begin);
            out.write(graph);
            int i = 0;
            for (Initializer w : initializers.values()) {
                out.write(heads.get(i++));
                write(w.values(), out);
            }
        });
    }

    private static byte[] concatenated(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }

    static void write(float[] values, OutputStream out) throws IOException {
        var buffer = ByteBuffer.allocate(Math.min(values.length, 1 << 18) * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0, n; i < values.length; i += n) {
            n = Math.min(1 << 18, values.length - i);
            buffer.asFloatBuffer().put(values, i, n);
            out.write(buffer.array(), 0, 4 * n);
        }
    }

    private static Writer info(Value v) {
        var shape = new Writer().message(1, new Writer().string(2, "n"));
        for (long d : extents(v)) {
            shape.message(1, new Writer().integer(1, d));
        }
        var tensor = new Writer().integer(1, OnnxArray.FLOAT).message(2, shape);
        return new Writer().string(1, v.name).message(2, new Writer().message(1, tensor));
    }

    /** A sample's extents as ONNX has them. */
    private static long[] extents(Value v) {
        long[] s = IntStream.of(v.shape.toArray()).asLongStream().toArray();
        return v.picture ? new long[] {s[2], s[0], s[1]} : s;
    }

    // ---- the graph ----

    /** What has to be known of all layers before the first is written. */
    private void survey(Model model, String prefix) {
        for (String name : model.layerNames()) {
            Layer layer = model.layer(name);
            layers.add(prefix + name);
            maxPooling |= layer instanceof MaxPooling2D;
            if (layer instanceof Model nested) {
                survey(nested, prefix + name + "/");
            }
        }
    }

    /**
     * Appends a model's layers in an order in which each finds its inputs.
     *
     * @param own prefix of the weights' names
     * @param prefix of the values' names, another one in each call
     */
    private List<Value> model(Model model, String own, String prefix, List<Value> inputs) {
        Map<?, ?> config = model.config();
        var made = new HashMap<List<?>, Value>();
        int next = 0;
        for (Object reference : (List<?>) config.get("inputs")) {
            made.put((List<?>) reference, inputs.get(next++));
        }
        Set<Object> pooled = maxPooling ? notForConvolutions(model, config) : Set.of();
        boolean progress = true;
        while (progress) {
            progress = false;
            for (Object entry : (List<?>) config.get("layers")) {
                var layer = (Map<?, ?>) entry;
                String name = (String) layer.get("name");
                List<?> calls = (List<?>) layer.get("calls");
                for (int k = 0; k < calls.size(); k++) {
                    List<?> operands = (List<?>) calls.get(k);
                    if (made.containsKey(List.of(name, k, 0))
                            || !operands.stream().allMatch(made::containsKey)) {
                        continue;
                    }
                    List<Value> x = operands.stream().map(made::get).toList();
                    List<Value> y = model.layer(name) instanceof Model nested
                            ? model(nested, own + name + "/", prefix + name + "/" + (k == 0 ? "" : k + "/"), x)
                            : List.of(one(
                                    model.layer(name),
                                    own + name,
                                    named(prefix + name + (k == 0 ? "" : ":" + k)),
                                    x,
                                    pooled.contains(name)));
                    for (int i = 0; i < y.size(); i++) {
                        made.put(List.of(name, k, i), y.get(i));
                    }
                    progress = true;
                }
            }
        }
        var outputs = new ArrayList<Value>();
        ((List<?>) config.get("outputs")).forEach(reference -> outputs.add(made.get(reference)));
        return outputs;
    }

    /** Layers that something else than a convolution reads, which may in the end be a MaxPooling2D. */
    private static Set<Object> notForConvolutions(Model model, Map<?, ?> config) {
        var found = new HashSet<Object>();
        ((List<?>) config.get("outputs")).forEach(reference -> found.add(((List<?>) reference).getFirst()));
        for (Object entry : (List<?>) config.get("layers")) {
            var layer = (Map<?, ?>) entry;
            if (!(model.layer((String) layer.get("name")) instanceof Conv2D)) {
                for (Object call : (List<?>) layer.get("calls")) {
                    ((List<?>) call).forEach(reference -> found.add(((List<?>) reference).getFirst()));
                }
            }
        }
        return found;
    }

    /**
     * @param own prefix of the weights' names
     * @param name of the value this layer yields
     * @param pooled whether a MaxPooling2D may read what this layer pads
     */
    private Value one(Layer layer, String own, String name, List<Value> inputs, boolean pooled) {
        Value x = inputs.getFirst();
        List<Shape> shapes = inputs.stream().map(Value::shape).toList();
        Shape y = layer.output(shapes);
        return switch (layer) {
            case Conv2D c -> convolution(c, own, name, picture(x), y);
            case BatchNormalization b -> batchNormalization(b, own, name, x);
            case Dense d -> dense(d, own, name, x, y);
            case Activation a -> activation(a.function(), name, x);
            case LeakyReLU l ->
                node("LeakyRelu", name, number(new Writer(), "alpha", l.negativeSlope()), y, x.picture, x.name);
            case Clip c ->
                node(
                        "Clip",
                        name,
                        new Writer(),
                        y,
                        x.picture,
                        x.name,
                        scalar(name + ":low", (float) c.low()),
                        scalar(name + ":high", (float) c.high()));
            case Add a -> merge("Add", name, inputs, y);
            case Subtract s -> merge("Sub", name, inputs, y);
            case Multiply m -> merge("Mul", name, inputs, y);
            case Average a -> merge("Mean", name, inputs, y);
            case Concatenate c -> concatenate(c, name, inputs, y);
            case ZeroPadding2D p -> {
                long[] pads = {0, 0, p.top(), p.left(), 0, 0, p.bottom(), p.right()};
                yield pad(name, picture(x), pads, y, pooled);
            }
            case ChannelPadding p -> {
                long[] pads = {0, p.before(), 0, 0, 0, p.behind(), 0, 0};
                yield pad(name, picture(x), pads, y, pooled);
            }
            case MaxPooling2D p -> {
                long[] pads = pads(p.border(), x.shape, p.pool(), p.strides(), p.padding());
                yield pool("MaxPool", name, picture(x), p.pool(), p.strides(), pads, y);
            }
            case AveragePooling2D p -> {
                long[] pads = pads(p.border(), x.shape, p.pool(), p.strides(), p.padding());
                yield pool("AveragePool", name, picture(x), p.pool(), p.strides(), pads, y);
            }
            case GlobalAveragePooling2D g -> global("GlobalAveragePool", name, picture(x), g.keepdims(), y);
            case GlobalMaxPooling2D g -> global("GlobalMaxPool", name, picture(x), g.keepdims(), y);
            case Flatten f -> node("Flatten", name, new Writer(), y, false, plain(x).name);
            case Reshape r -> node("Reshape", name, new Writer(), y, false, plain(x).name, shape(name, y));
            case Dropout d -> node("Identity", name, new Writer(), y, x.picture, x.name);
            case Input i -> throw new GradusException("layer '" + name + "' is an Input that nothing is given to");
            default ->
                throw new GradusException(
                        "layer '" + name + "' is a " + layer.getClass().getName()
                                + ", for which there is no operator; only Gradus's own layers can be written");
        };
    }

    private Value convolution(Conv2D c, String own, String name, Value x, Shape y) {
        var g = c.geometry();
        var a = new Writer();
        ints(a, "kernel_shape", g.kernel().height(), g.kernel().width());
        ints(a, "strides", g.strides().height(), g.strides().width());
        ints(a, "dilations", g.dilation().height(), g.dilation().width());
        ints(a, "pads", pads(x.shape, g.kernel(), g.strides(), g.padding(), g.dilation()));
        integer(a, "group", c.groups());
        String kernel = weight(own + "/kernel", Weights.Layout.OIHW);
        String[] inputs = c.bias()
                ? new String[] {x.name, kernel, weight(own + "/bias", Weights.Layout.SAME)}
                : new String[] {x.name, kernel};
        return activated(c.activation(), "Conv", name, a, y, true, inputs);
    }

    private static long[] pads(Border border, Shape x, Size pool, Size strides, Padding padding) {
        return border == null
                ? pads(x, pool, strides, padding, new Size(1, 1))
                : new long[] {border.top(), border.left(), border.bottom(), border.right()};
    }

    /** Top, left, bottom, right. */
    private static long[] pads(Shape x, Size kernel, Size strides, Padding padding, Size dilation) {
        var pads = new long[4];
        if (padding == Padding.SAME) {
            int[] in = {x.dim(0), x.dim(1)};
            int[] k = {kernel.height(), kernel.width()};
            int[] s = {strides.height(), strides.width()};
            int[] d = {dilation.height(), dilation.width()};
            for (int i = 0; i < 2; i++) {
                int total = Math.max(((in[i] + s[i] - 1) / s[i] - 1) * s[i] + (k[i] - 1) * d[i] + 1 - in[i], 0);
                pads[i] = total / 2;
                pads[i + 2] = total - total / 2;
            }
        }
        return pads;
    }

    private Value batchNormalization(BatchNormalization b, String own, String name, Value given) {
        int rank = given.shape.rank() + 1;
        if (b.axis() != -1 && b.axis() != rank - 1) {
            throw new GradusException("layer '" + name + "': batch norm over axis " + b.axis()
                    + " cannot be written, only over channels");
        }
        Value x = given.shape.rank() == 3 ? picture(given) : given;
        if (!x.picture && x.shape.rank() != 1) {
            throw new GradusException("layer '" + name + "': batch norm of " + x.shape
                    + " cannot be written, only of pictures and vectors");
        }
        int c = x.shape.dim(-1);
        var a = number(new Writer(), "epsilon", b.epsilon());
        number(a, "momentum", b.momentum());
        return node(
                "BatchNormalization",
                name,
                a,
                x.shape,
                x.picture,
                x.name,
                b.scale() ? weight(own + "/gamma", Weights.Layout.SAME) : filled(own + "/gamma", c, 1),
                b.center() ? weight(own + "/beta", Weights.Layout.SAME) : filled(own + "/beta", c, 0),
                weight(own + "/moving_mean", Weights.Layout.SAME),
                weight(own + "/moving_variance", Weights.Layout.SAME));
    }

    private Value dense(Dense d, String own, String name, Value given, Shape y) {
        Value x = plain(given);
        String kernel = weight(own + "/kernel", Weights.Layout.SAME);
        String bias = d.bias() ? weight(own + "/bias", Weights.Layout.SAME) : null;
        if (x.shape.rank() == 1) {
            String[] inputs = bias == null ? new String[] {x.name, kernel} : new String[] {x.name, kernel, bias};
            return activated(d.activation(), "Gemm", name, new Writer(), y, false, inputs);
        }
        if (bias == null) {
            return activated(d.activation(), "MatMul", name, new Writer(), y, false, x.name, kernel);
        }
        Value product = node("MatMul", unique(name + ":product"), new Writer(), y, false, x.name, kernel);
        return activated(d.activation(), "Add", name, new Writer(), y, false, product.name, bias);
    }

    /** A node and, unless it is linear, the function behind it; the last of them has the layer's name. */
    private Value activated(
            ActivationFunction f,
            String op,
            String name,
            Writer attributes,
            Shape y,
            boolean picture,
            String... inputs) {
        if (f == ActivationFunction.LINEAR) {
            return node(op, name, attributes, y, picture, inputs);
        }
        return activation(f, name, node(op, unique(name + ":linear"), attributes, y, picture, inputs));
    }

    private Value activation(ActivationFunction f, String name, Value x) {
        var none = new Writer();
        int channels = x.picture ? 1 : -1;
        return switch (f) {
            case LINEAR -> same("Identity", name, none, x);
            case RELU -> same("Relu", name, none, x);
            case RELU6 ->
                node(
                        "Clip",
                        name,
                        none,
                        x.shape,
                        x.picture,
                        x.name,
                        scalar(name + ":min", 0),
                        scalar(name + ":max", 6));
            case LEAKY_RELU -> same("LeakyRelu", name, number(none, "alpha", 0.2), x);
            case ELU -> same("Elu", name, none, x);
            case SIGMOID -> same("Sigmoid", name, none, x);
            case TANH -> same("Tanh", name, none, x);
            case EXPONENTIAL -> same("Exp", name, none, x);
            case SILU -> {
                Value gate = same("Sigmoid", unique(name + ":gate"), none, x);
                yield node("Mul", name, new Writer(), x.shape, x.picture, x.name, gate.name);
            }
            case GELU, GELU_TANH -> {
                opset = 20;
                yield same("Gelu", name, text(none, "approximate", f == ActivationFunction.GELU ? "none" : "tanh"), x);
            }
            case SOFTMAX -> same("Softmax", name, integer(none, "axis", channels), x);
            case LOG_SOFTMAX -> same("LogSoftmax", name, integer(none, "axis", channels), x);
        };
    }

    private Value same(String op, String name, Writer attributes, Value x) {
        return node(op, name, attributes, x.shape, x.picture, x.name);
    }

    /** Pairs from left to right, but for Mean, which takes any number. */
    private Value merge(String op, String name, List<Value> inputs, Shape y) {
        List<Value> x = aligned(name, inputs);
        boolean picture = x.getFirst().picture;
        if (op.equals("Mean")) {
            return node(
                    op,
                    name,
                    new Writer(),
                    y,
                    picture,
                    x.stream().map(Value::name).toArray(String[]::new));
        }
        Value sum = x.getFirst();
        for (int i = 1; i < x.size(); i++) {
            String step = i == x.size() - 1 ? name : unique(name + ":" + i);
            Shape s = Shape.broadcast(sum.shape, x.get(i).shape);
            sum = node(op, step, new Writer(), s, picture, sum.name, x.get(i).name);
        }
        return sum;
    }

    /** All with the same meaning of axes; samples of lower rank get axes of 1 in front. */
    private List<Value> aligned(String name, List<Value> inputs) {
        int rank = inputs.stream().mapToInt(v -> v.shape.rank()).max().orElseThrow();
        var x = new ArrayList<Value>();
        for (int i = 0; i < inputs.size(); i++) {
            Value v = inputs.get(i);
            if (v.shape.rank() < rank) {
                Shape s = plain(v).shape;
                while (s.rank() < rank) {
                    s = s.prepend(1);
                }
                String step = unique(name + ":axes" + i);
                v = node("Reshape", step, new Writer(), s, false, plain(v).name, shape(step, s));
            }
            x.add(v);
        }
        if (x.stream().allMatch(Value::picture)) {
            return x;
        }
        return x.stream().map(rank == 3 ? this::picture : this::plain).toList();
    }

    private Value concatenate(Concatenate c, String name, List<Value> inputs, Shape y) {
        List<Value> x = aligned(name, inputs);
        int axis = c.axis() < 0 ? c.axis() + y.rank() + 1 : c.axis();
        boolean picture = x.getFirst().picture;
        int onnx = picture ? (axis == 3 ? 1 : axis + 1) : axis;
        return node(
                "Concat",
                name,
                integer(new Writer(), "axis", onnx),
                y,
                picture,
                x.stream().map(Value::name).toArray(String[]::new));
    }

    /**
     * ONNX Runtime 1.29 lets a MaxPool pad by itself what a Pad before it pads with 0, and there padding never wins: with
     * values below 0 the maximum comes out wrong. It does not do so for a number that is not quite 0. Nodes between the two
     * that do nothing are taken out before that.
     */
    private Value pad(String name, Value x, long[] pads, Shape y, boolean pooled) {
        String by = integers(name + ":pads", pads);
        return pooled
                ? node("Pad", name, new Writer(), y, true, x.name, by, scalar(name + ":zero", Float.MIN_NORMAL))
                : node("Pad", name, new Writer(), y, true, x.name, by);
    }

    private Value pool(String op, String name, Value x, Size pool, Size strides, long[] pads, Shape y) {
        var a = new Writer();
        ints(a, "kernel_shape", pool.height(), pool.width());
        ints(a, "strides", strides.height(), strides.width());
        ints(a, "pads", pads);
        return node(op, name, a, y, true, x.name);
    }

    private Value global(String op, String name, Value x, boolean keep, Shape y) {
        Shape pixel = Shape.of(1, 1, x.shape.dim(2));
        if (keep) {
            return node(op, name, new Writer(), pixel, true, x.name);
        }
        Value pooled = node(op, unique(name + ":pixel"), new Writer(), pixel, true, x.name);
        return node("Flatten", name, new Writer(), y, false, pooled.name);
    }

    // ---- order of axes ----

    private Value picture(Value x) {
        if (x.picture) {
            return x;
        }
        return transposed(x, "nchw", true, 0, 3, 1, 2);
    }

    private Value plain(Value x) {
        return x.picture ? transposed(x, "nhwc", false, 0, 2, 3, 1) : x;
    }

    private Value transposed(Value x, String order, boolean picture, long... perm) {
        return transposes.computeIfAbsent(
                x.name + ":" + order,
                name -> node("Transpose", unique(name), ints(new Writer(), "perm", perm), x.shape, picture, x.name));
    }

    // ---- nodes, attributes, tensors ----

    /** The name, or one that begins with it if there is such a node, value or constant. */
    private String unique(String name) {
        String s = name;
        for (int i = 2; layers.contains(s) || weights.containsKey(s) || !taken.add(s); i++) {
            s = name + ":" + i;
        }
        return s;
    }

    /** The name of a call of a layer: for its first call the one that is kept for it. */
    private String named(String call) {
        return layers.contains(call) && taken.add(call) ? call : unique(call);
    }

    private Value node(String op, String name, Writer attributes, Shape shape, boolean picture, String... inputs) {
        var node = new Writer();
        for (String input : inputs) {
            node.string(1, input);
        }
        node.string(2, name).string(3, name).string(4, op);
        nodes.add(node.append(attributes));
        return new Value(name, shape, picture);
    }

    private static Writer ints(Writer to, String name, long... values) {
        return to.message(5, new Writer().string(1, name).integers(8, values).integer(20, 7));
    }

    private static Writer integer(Writer to, String name, long value) {
        return to.message(5, new Writer().string(1, name).integer(3, value).integer(20, 2));
    }

    private static Writer number(Writer to, String name, double value) {
        return to.message(
                5, new Writer().string(1, name).float32(2, (float) value).integer(20, 1));
    }

    private static Writer text(Writer to, String name, String value) {
        return to.message(5, new Writer().string(1, name).string(4, value).integer(20, 3));
    }

    private String weight(String name, Weights.Layout layout) {
        Tensor t = weights.get(name);
        Shape s = t.shape();
        long[] dims = layout == Weights.Layout.OIHW
                ? new long[] {s.dim(3), s.dim(2), s.dim(0), s.dim(1)}
                : IntStream.of(s.toArray()).asLongStream().toArray();
        initializers.putIfAbsent(name, new Initializer(name, dims, t, layout));
        return name;
    }

    private String filled(String name, int n, float value) {
        var values = new float[n];
        Arrays.fill(values, value);
        return initializers.computeIfAbsent(
                        name,
                        own -> new Initializer(
                                unique(own), new long[] {n}, Tensor.of(Shape.of(n), values), Weights.Layout.SAME))
                .name;
    }

    private String scalar(String wanted, float value) {
        String name = unique(wanted);
        byte[] bytes = ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(value)
                .array();
        constants.put(
                name, new Writer().integer(2, OnnxArray.FLOAT).string(8, name).bytes(9, bytes));
        return name;
    }

    private String shape(String name, Shape sample) {
        var dims = new long[sample.rank() + 1];
        dims[0] = -1;
        for (int i = 1; i < dims.length; i++) {
            dims[i] = sample.dim(i - 1);
        }
        return integers(name + ":shape", dims);
    }

    private String integers(String wanted, long... values) {
        String name = unique(wanted);
        var bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(values);
        constants.put(
                name,
                new Writer()
                        .integers(1, values.length)
                        .integer(2, OnnxArray.INT64)
                        .string(8, name)
                        .bytes(9, bytes.array()));
        return name;
    }
}
