package gradus.importer;

import gradus.io.FormatException;
import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.Average;
import gradus.layers.AveragePooling2D;
import gradus.layers.BatchNormalization;
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
import gradus.layers.LayerOutput;
import gradus.layers.LeakyReLU;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.Multiply;
import gradus.layers.Reshape;
import gradus.layers.Subtract;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Networks that Keras has written: the configuration of a Functional or Sequential model, of Keras 2 or 3, becomes a
 * {@link Model}, and tensors are found by the names of layer and weight. The layers are those of Gradus; a layer of
 * another type is an error that names it. Nothing in a configuration is looked up as code.
 *
 * @see <a href="https://keras.io/api/models/model_saving_apis/">Keras: saving of models</a>
 */
public final class Keras {
    /** More layers than any network has: a bound on the work that a damaged file can cause. */
    private static final int MAX_LAYERS = 10_000;

    private static final Set<String> MODELS = Set.of("Model", "Functional", "Sequential");

    private final String source;
    private final ImportOptions options;
    private int layerCount;

    private Keras(String source, ImportOptions options) {
        this.source = source;
        this.options = options;
    }

    /**
     * The model a configuration describes, without weights.
     *
     * @param source what error messages call the file
     * @param config {@code {"class_name": "Functional", "config": {...}}}
     * @throws FormatException naming the layer that cannot be built
     */
    public static Model model(String source, Map<?, ?> config, ImportOptions options) {
        try {
            return new Keras(source, options).model(new Config(source, config), null, 0);
        } catch (FormatException e) {
            throw e;
        } catch (GradusException e) {
            throw new FormatException(source + ": " + e.getMessage(), -1, e);
        }
    }

    // ---- models ----

    /** @param shapes of the inputs where the model is a layer of another one, or null */
    private Model model(Config config, List<Shape> shapes, int depth) {
        if (depth > 16) {
            throw config.error("models within models, more than 16 deep");
        }
        String type = config.string("class_name");
        if (!MODELS.contains(type)) {
            throw config.error(
                    "a model of class '" + Config.text(type) + "' cannot be read, only Functional and Sequential ones");
        }
        Object inner = config.map().get("config");
        Config c = inner instanceof List<?> layers // Sequential of old: the layers alone
                ? new Config(source, Map.of("name", "sequential", "layers", layers))
                : config.object("config");
        layerCount += c.list("layers").size();
        if (layerCount > MAX_LAYERS) {
            throw c.error("more than " + MAX_LAYERS + " layers");
        }
        return type.equals("Sequential") ? sequential(c, shapes, depth) : new Functional(c, shapes, depth).model();
    }

    private Model sequential(Config c, List<Shape> shapes, int depth) {
        List<LayerConfig> layers = c.list("layers").stream().map(this::layer).toList();
        if (layers.isEmpty()) {
            throw c.error("has no layers");
        }
        LayerOutput x;
        LayerConfig first = layers.getFirst();
        if (first.type.equals("InputLayer")) {
            x = input(first, shapes == null ? null : shapes.getFirst());
            layers = layers.subList(1, layers.size());
        } else {
            Config at = first.config.has("batch_input_shape") || !c.has("build_input_shape") ? first.config : c;
            Object batch = at == c
                    ? c.map().get("build_input_shape")
                    : first.config.map().get("batch_input_shape");
            x = Input.of(shapes == null ? inputShape(at, batch) : shapes.getFirst(), null);
        }
        LayerOutput y = x;
        for (LayerConfig layer : layers) {
            y = apply(layer, List.of(y), null, depth).getFirst();
        }
        Model model = Model.of(name(c.string("name", "sequential")), x, y);
        layers.forEach(l -> freeze(model, l));
        return model;
    }

    /** Layer configurations look the same in both kinds of models, but for who says the name. */
    private record LayerConfig(String type, String name, Config config, Config whole) {}

    private LayerConfig layer(Object data) {
        if (!(data instanceof Map<?, ?> map)) {
            throw new FormatException(source + ": a layer is described by an object, not " + Config.text(data), -1);
        }
        var whole = new Config(source + ": a layer", map);
        String type = whole.string("class_name");
        Config config = whole.object("config");
        String name = whole.string("name", null);
        if (name == null) {
            name = config.string("name", MODELS.contains(type) ? type.toLowerCase(Locale.ROOT) : null);
        }
        if (name == null) {
            throw whole.error("of type " + Config.text(type) + " has no name");
        }
        String where = source + ": layer '" + Config.text(name) + "' (" + Config.text(type) + ")";
        return new LayerConfig(type, name, new Config(where, config.map()), new Config(where, map));
    }

    /** Layer names cannot hold '/' here, which separates layer and weight. */
    private static String name(String keras) {
        return keras.replace('/', '_');
    }

    private static void freeze(Model model, LayerConfig layer) {
        if (Boolean.FALSE.equals(layer.config.map().get("trainable"))
                && model.layerNames().contains(name(layer.name))) {
            model.trainable(name(layer.name), false);
        }
    }

    private LayerOutput input(LayerConfig layer, Shape given) {
        Object batch = layer.config.map().get("batch_shape");
        if (batch == null) {
            batch = layer.config.map().get("batch_input_shape");
        }
        return Input.of(given != null ? given : inputShape(layer.config, batch), name(layer.name));
    }

    private Shape inputShape(Config where, Object batch) {
        if (!(batch instanceof List<?> list) || list.isEmpty() || list.size() > 8) {
            throw where.error("does not say the shape of the input, but " + Config.text(batch));
        }
        var dims = new int[list.size() - 1];
        for (int i = 0; i < dims.length; i++) {
            Object extent = list.get(i + 1);
            Integer own = dims.length != 3 || i == 2 ? null : i == 0 ? options.height() : options.width();
            if (own != null) {
                dims[i] = own;
            } else if (extent instanceof Long n && n > 0 && n <= Integer.MAX_VALUE) {
                dims[i] = n.intValue();
            } else if (extent == null) {
                throw where.error("takes pictures of any size; say which with --input HxW");
            } else {
                throw where.error("the input cannot have the extent " + Config.text(extent));
            }
        }
        return Shape.of(dims);
    }

    /** Layers with connections. */
    private final class Functional {
        private final Config config;
        private final List<Shape> shapes;
        private final int depth;
        private final Map<String, LayerConfig> layers = new LinkedHashMap<>();
        private final Map<String, List<List<Reference>>> nodes = new HashMap<>();
        private final Map<String, List<List<LayerOutput>>> made = new HashMap<>();
        /** A model used as a layer counts its calls from 1, as 0 is its own construction; others count from 0. */
        private final Map<String, Integer> firstNode = new HashMap<>();

        private final Map<String, Layer> shared = new HashMap<>();

        Functional(Config config, List<Shape> shapes, int depth) {
            this.config = config;
            this.shapes = shapes;
            this.depth = depth;
            for (Object data : config.list("layers")) {
                LayerConfig layer = layer(data);
                if (layers.put(layer.name, layer) != null) {
                    throw layer.config.error("occurs twice");
                }
                made.put(layer.name, new ArrayList<>());
                Object inbound = layer.whole.map().get("inbound_nodes");
                var calls = new ArrayList<List<Reference>>();
                for (Object node : inbound == null ? List.of() : layer.whole.list("inbound_nodes")) {
                    calls.add(references(node, layer.whole));
                }
                nodes.put(layer.name, calls);
            }
        }

        Model model() {
            List<Reference> inputs = references(config.map().get("input_layers"), config);
            List<Reference> outputs = references(config.map().get("output_layers"), config);
            var all = new ArrayList<>(outputs);
            nodes.values().forEach(calls -> calls.forEach(all::addAll));
            for (Reference r : all) {
                LayerConfig layer = layers.get(r.layer);
                if (layer == null) {
                    throw config.error("layer '" + Config.text(r.layer) + "' is used but not described");
                }
                if (MODELS.contains(layer.type)) {
                    firstNode.merge(r.layer, r.node, Math::min);
                }
            }
            var begins = new ArrayList<LayerOutput>();
            for (int i = 0; i < inputs.size(); i++) {
                LayerConfig layer = layers.get(inputs.get(i).layer);
                if (layer == null || !layer.type.equals("InputLayer")) {
                    throw config.error("input '" + Config.text(inputs.get(i).layer) + "' is no InputLayer");
                }
                if (shapes != null && shapes.size() != inputs.size()) {
                    throw config.error("takes " + inputs.size() + " inputs, not " + shapes.size());
                }
                LayerOutput x = input(layer, shapes == null ? null : shapes.get(i));
                begins.add(x);
                made.get(layer.name).add(List.of(x));
            }
            boolean progress = true;
            while (progress) { // once, as Keras lists layers after those they read
                progress = false;
                for (LayerConfig layer : layers.values()) {
                    progress |= call(layer);
                }
            }
            List<LayerOutput> ends = outputs.stream().map(this::resolved).toList();
            Model model = Model.of(name(config.string("name", "model")), begins, ends);
            layers.values().forEach(l -> freeze(model, l));
            return model;
        }

        private boolean call(LayerConfig layer) {
            boolean progress = false;
            List<List<Reference>> calls = nodes.get(layer.name);
            List<List<LayerOutput>> done = made.get(layer.name);
            while (!layer.type.equals("InputLayer") && done.size() < calls.size()) {
                var operands = new ArrayList<LayerOutput>();
                for (Reference r : calls.get(done.size())) {
                    LayerOutput x = output(r);
                    if (x == null) {
                        return progress;
                    }
                    operands.add(x);
                }
                done.add(apply(layer, operands, shared, depth));
                progress = true;
            }
            return progress;
        }

        /** What a reference means, or null while that has not been computed. */
        private LayerOutput output(Reference r) {
            List<List<LayerOutput>> calls = made.get(r.layer);
            int call = r.node - firstNode.getOrDefault(r.layer, 0);
            if (calls == null
                    || call < 0
                    || call >= calls.size()
                    || r.index < 0
                    || r.index >= calls.get(call).size()) {
                return null;
            }
            return calls.get(call).get(r.index);
        }

        private LayerOutput resolved(Reference r) {
            LayerOutput x = output(r);
            if (x == null) {
                throw config.error("output '" + Config.text(r.layer) + "' is connected to no input");
            }
            return x;
        }
    }

    /** Output {@code index} of a layer's call number {@code node}. */
    private record Reference(String layer, int node, int index) {}

    /**
     * All references in a node, however they are nested: Keras 2 has {@code [["conv1", 0, 0, {}]]}, Keras 3
     * {@code {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["conv1", 0, 0]}}]}}.
     */
    private static List<Reference> references(Object data, Config where) {
        var found = new ArrayList<Reference>();
        collect(data, found, where);
        if (found.isEmpty()) {
            throw where.error("is connected to nothing");
        }
        return found;
    }

    private static void collect(Object data, List<Reference> found, Config where) {
        if (data instanceof List<?> list) {
            if (list.size() >= 3
                    && list.get(0) instanceof String layer
                    && list.get(1) instanceof Long node
                    && list.get(2) instanceof Long index) {
                if (node < 0 || node > MAX_LAYERS || index < 0 || index > MAX_LAYERS) {
                    throw where.error("is connected to call " + node + ", output " + index + " of a layer");
                }
                found.add(new Reference(layer, node.intValue(), index.intValue()));
            } else {
                list.forEach(x -> collect(x, found, where));
            }
        } else if (data instanceof Map<?, ?> map) {
            Object history = map.get("class_name") instanceof String s
                            && s.equals("__keras_tensor__")
                            && map.get("config") instanceof Map<?, ?> tensor
                    ? tensor.get("keras_history")
                    : new ArrayList<>(map.values());
            collect(history, found, where);
        }
    }

    // ---- layers ----

    /** @param shared layers that have been made already, by name, or null if each is applied once */
    private List<LayerOutput> apply(LayerConfig l, List<LayerOutput> x, Map<String, Layer> shared, int depth) {
        Layer layer = shared == null ? null : shared.get(l.name);
        try {
            if (layer == null) {
                List<Shape> inputs = x.stream().map(LayerOutput::shape).toList();
                layer = MODELS.contains(l.type)
                        ? model(l.whole, inputs, depth + 1).named(name(l.name))
                        : layer(l, inputs).named(name(l.name));
                if (shared != null) {
                    shared.put(l.name, layer);
                }
            }
            return layer.applyAll(x);
        } catch (FormatException e) {
            throw e;
        } catch (GradusException e) {
            throw new FormatException(l.config.where() + ": " + e.getMessage(), -1, e);
        }
    }

    private static Layer layer(LayerConfig l, List<Shape> inputs) {
        Config c = l.config;
        if ("channels_first".equals(c.map().get("data_format"))) {
            throw c.error("has its channels first; convert the model to channels_last");
        }
        return switch (l.type) {
            case "Conv2D", "Convolution2D" -> convolution(c, c.integer("filters"), c.integer("groups", 1));
            case "DepthwiseConv2D" -> {
                if (inputs.size() != 1 || inputs.getFirst().rank() != 3) {
                    throw c.error("takes one picture, not " + inputs);
                }
                int channels = inputs.getFirst().dim(2);
                long filters = (long) channels * c.integer("depth_multiplier", 1);
                if (filters != (int) filters) {
                    throw c.error("has " + filters + " filters");
                }
                yield convolution(c, (int) filters, channels);
            }
            case "BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization" ->
                batchNormalization(c);
            case "Dense" ->
                Dense.of(c.integer("units")).bias(c.flag("use_bias", true)).activation(activation(c, "activation"));
            case "Activation" -> Activation.of(activation(c, "activation"));
            case "ReLU" -> relu(c);
            case "LeakyReLU" -> LeakyReLU.of(c.number("negative_slope", c.number("alpha", 0.3)));
            case "ELU" -> {
                if (c.number("alpha", 1) != 1) {
                    throw c.error("alpha must be 1");
                }
                yield Activation.of(ActivationFunction.ELU);
            }
            case "Softmax" -> {
                int rank = inputs.getFirst().rank();
                int axis = c.integer("axis", -1);
                if (axis != -1 && axis != rank) {
                    throw c.error("softmax is taken along the last axis, not along axis " + axis);
                }
                yield Activation.of(ActivationFunction.SOFTMAX);
            }
            case "Add" -> Add.of();
            case "Subtract" -> Subtract.of();
            case "Multiply" -> Multiply.of();
            case "Average" -> Average.of();
            case "Concatenate" -> Concatenate.of(c.integer("axis", -1));
            case "ZeroPadding2D" -> padding(c);
            case "MaxPooling2D", "MaxPool2D" -> {
                int[] pool = c.pair("pool_size", 2);
                int[] strides = c.has("strides") ? c.pair("strides", 2) : pool;
                yield MaxPooling2D.of(pool[0], pool[1])
                        .strides(strides[0], strides[1])
                        .padding(c.string("padding", "valid"));
            }
            case "AveragePooling2D", "AvgPool2D" -> {
                int[] pool = c.pair("pool_size", 2);
                int[] strides = c.has("strides") ? c.pair("strides", 2) : pool;
                yield AveragePooling2D.of(pool[0], pool[1])
                        .strides(strides[0], strides[1])
                        .padding(c.string("padding", "valid"));
            }
            case "GlobalAveragePooling2D", "GlobalAvgPool2D" ->
                GlobalAveragePooling2D.of().keepdims(c.flag("keepdims", false));
            case "GlobalMaxPooling2D", "GlobalMaxPool2D" ->
                GlobalMaxPooling2D.of().keepdims(c.flag("keepdims", false));
            case "Flatten" -> Flatten.of();
            case "Reshape" -> Reshape.of(target(c, inputs));
            case "Dropout" -> Dropout.of(c.number("rate", 0.5));
            // noise of training, nothing in prediction
            case "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization" ->
                Activation.of(ActivationFunction.LINEAR);
            default -> throw c.error("layers of this type cannot be read; there are " + String.join(", ", types()));
        };
    }

    private static List<String> types() {
        return List.of(
                "Conv2D",
                "DepthwiseConv2D",
                "BatchNormalization",
                "Dense",
                "Activation",
                "ReLU",
                "LeakyReLU",
                "ELU",
                "Softmax",
                "Add",
                "Subtract",
                "Multiply",
                "Average",
                "Concatenate",
                "ZeroPadding2D",
                "MaxPooling2D",
                "AveragePooling2D",
                "GlobalAveragePooling2D",
                "GlobalMaxPooling2D",
                "Flatten",
                "Reshape",
                "Dropout");
    }

    private static Conv2D convolution(Config c, int filters, int groups) {
        int[] kernel = c.pair("kernel_size", 1);
        int[] strides = c.pair("strides", 1);
        int[] dilation = c.pair("dilation_rate", 1);
        return Conv2D.of(filters, kernel[0], kernel[1])
                .strides(strides[0], strides[1])
                .dilation(dilation[0], dilation[1])
                .padding(c.string("padding", "valid"))
                .groups(groups)
                .bias(c.flag("use_bias", true))
                .activation(activation(c, "activation"));
    }

    private static BatchNormalization batchNormalization(Config c) {
        if (c.flag("renorm", false) || c.has("virtual_batch_size")) {
            throw c.error("renorm and virtual batches are not known here");
        }
        Object axis = c.map().get("axis");
        if (axis instanceof List<?> list && list.size() == 1) {
            axis = list.getFirst();
        }
        if (axis != null && !(axis instanceof Long n && n == n.intValue())) {
            throw c.error("'axis' must be one axis, not " + Config.text(axis));
        }
        return BatchNormalization.of()
                .axis(axis == null ? -1 : ((Long) axis).intValue())
                .momentum(c.number("momentum", 0.99))
                .epsilon(c.number("epsilon", 1e-3))
                .center(c.flag("center", true))
                .scale(c.flag("scale", true));
    }

    /** By name, or as Keras 3 writes functions and layers: an object with the name inside. */
    private static ActivationFunction activation(Config c, String key) {
        Object value = c.map().get(key);
        if (value instanceof Map<?, ?> map) {
            value = "function".equals(map.get("class_name")) ? map.get("config") : map.get("class_name");
        }
        if (value != null && !(value instanceof String)) {
            throw c.error("'" + key + "' must be a name, not " + Config.text(value));
        }
        String name = (String) value;
        return ActivationFunction.of("ReLU".equals(name) ? "relu" : "Softmax".equals(name) ? "softmax" : name);
    }

    private static Layer relu(Config c) {
        double slope = c.number("negative_slope", 0);
        double threshold = c.number("threshold", 0);
        if (threshold == 0 && !c.has("max_value")) {
            return slope == 0 ? Activation.relu() : LeakyReLU.of(slope);
        }
        if (threshold == 0 && slope == 0) {
            double most = c.number("max_value", 6);
            return most == 6 ? Activation.of(ActivationFunction.RELU6) : Clip.of(0, most);
        }
        throw c.error("the threshold must be 0, and with a max_value the slope too");
    }

    private static ZeroPadding2D padding(Config c) {
        Object value = c.map().get("padding");
        if (value instanceof List<?> list && list.size() == 2 && list.getFirst() instanceof List) {
            var sides = new Config(c.where(), Map.of("rows", list.get(0), "columns", list.get(1)));
            int[] rows = sides.pair("rows", 1);
            int[] columns = sides.pair("columns", 1);
            return ZeroPadding2D.of(rows[0], rows[1], columns[0], columns[1]);
        }
        int[] both = c.pair("padding", 1);
        return ZeroPadding2D.of(both[0], both[1]);
    }

    private static int[] target(Config c, List<Shape> inputs) {
        List<?> list = c.list("target_shape");
        if (list.size() > 8) {
            throw c.error("cannot have " + list.size() + " axes");
        }
        var dims = new int[list.size()];
        int open = -1;
        long known = 1;
        for (int i = 0; i < dims.length; i++) {
            if (!(list.get(i) instanceof Long n && n >= -1 && n <= Integer.MAX_VALUE)) {
                throw c.error("cannot have the extent " + Config.text(list.get(i)));
            }
            dims[i] = n.intValue();
            if (n == -1) {
                open = i;
            } else {
                known = Math.min(known * n, Integer.MAX_VALUE);
            }
        }
        if (open >= 0) {
            dims[open] = known == 0 ? 0 : (int) (inputs.getFirst().size() / known);
        }
        return dims;
    }

    // ---- weights ----

    /**
     * Which tensor belongs to which weight. Keras's names are paths that end in layer and weight
     * ({@code conv1/kernel}, {@code resnet50/conv1/kernel:0}); the one that has most of its end in common with the
     * model's own name is taken, and if there is none, the only one below a group named after the layer
     * ({@code conv1/conv1_1/kernel:0}).
     */
    private static Map<String, Weights.Link> links(Model model, TensorSource tensors) {
        Map<String, List<String>> byEnd = new HashMap<>();
        for (String tensor : tensors.names()) {
            String[] path = path(tensor);
            for (int i = Math.max(0, path.length - 8); i < path.length - 1; i++) {
                List<String> found =
                        byEnd.computeIfAbsent(path[i] + "/" + path[path.length - 1], k -> new ArrayList<>());
                if (found.isEmpty() || !found.getLast().equals(tensor)) {
                    found.add(tensor);
                }
            }
        }
        var links = new HashMap<String, Weights.Link>();
        for (var weight : model.weightList()) {
            String[] path = path(weight.name());
            List<String> candidates =
                    byEnd.getOrDefault(path[path.length - 2] + "/" + path[path.length - 1], List.of());
            String best = null;
            int most = 0;
            boolean tie = false;
            for (String tensor : candidates.size() > 100 ? candidates.subList(0, 100) : candidates) {
                int common = common(path, path(tensor));
                tie = common == most || tie && common < most;
                if (common > most) {
                    most = common;
                    best = tensor;
                }
            }
            if (best != null && !tie) {
                boolean depthwise = best.contains("depthwise_kernel");
                links.put(
                        weight.name(),
                        new Weights.Link(best, depthwise ? Weights.Layout.RESHAPED : Weights.Layout.SAME));
            }
        }
        return links;
    }

    private static String[] path(String name) {
        String plain = name.endsWith(":0") ? name.substring(0, name.length() - 2) : name;
        return plain.replace("depthwise_kernel", "kernel").split("/");
    }

    private static int common(String[] a, String[] b) {
        int n = 0;
        while (n < a.length && n < b.length && a[a.length - 1 - n].equals(b[b.length - 1 - n])) {
            n++;
        }
        return n;
    }

    /**
     * The same tensors under names that end in layer and weight. Keras 3 numbers weights within a layer ({@code
     * layers/conv2d_1/vars/0}) and calls layers by their names, or, until lately, by the number of layers of their class
     * before them.
     */
    private TensorSource named(TensorSource tensors, Map<?, ?> config, Model model) {
        if (tensors.names().stream().noneMatch(n -> n.contains("/vars/"))) {
            return tensors;
        }
        Map<String, String> plain = new HashMap<>(); // without what versions differ in
        tensors.names().forEach(n -> plain.put(n.replace("_layer_checkpoint_dependencies/", "layers/"), n));
        Map<String, List<String>> weights = new LinkedHashMap<>();
        for (var w : model.weightList()) {
            int slash = w.name().lastIndexOf('/');
            weights.computeIfAbsent(w.name().substring(0, slash), k -> new ArrayList<>())
                    .add(w.name().substring(slash + 1));
        }
        var original = new LinkedHashMap<String, String>();
        boolean byName = weights.keySet().stream()
                .allMatch(layer -> plain.containsKey("layers/" + layer.replace("/", "/layers/") + "/vars/0"));
        if (byName) {
            weights.forEach((layer, names) ->
                    number("layers/" + layer.replace("/", "/layers/"), layer, names, plain, original));
        } else if (config != null) {
            number(new Config(source, config), "", "", weights, plain, original);
        } else {
            throw new FormatException(
                    source
                            + ": numbers its layers instead of naming them; use the .keras file, which says what they are",
                    -1);
        }
        Set<String> renamed = new HashSet<>(original.values());
        tensors.names().stream().filter(n -> !renamed.contains(n)).forEach(n -> original.put(n, n));
        return new TensorSource() {
            @Override
            public Set<String> names() {
                return original.keySet();
            }

            @Override
            public Shape shape(String name) {
                return tensors.shape(original.get(name));
            }

            @Override
            public String dtype(String name) {
                return tensors.dtype(original.get(name));
            }

            @Override
            public Tensor read(String name) {
                return tensors.read(original.get(name));
            }
        };
    }

    private void number(
            Config model,
            String path,
            String own,
            Map<String, List<String>> weights,
            Map<String, String> plain,
            Map<String, String> original) {
        Map<String, Integer> counts = new HashMap<>();
        for (Object data : model.object("config").list("layers")) {
            LayerConfig layer = layer(data);
            String base = layer.type
                    .replaceAll("\\W+", "")
                    .replaceAll("(.)([A-Z][a-z]+)", "$1_$2")
                    .replaceAll("([a-z])([A-Z])", "$1_$2")
                    .toLowerCase(Locale.ROOT);
            int before = counts.merge(base, 1, Integer::sum) - 1;
            String at = path + "layers/" + (before == 0 ? base : base + "_" + before);
            String name = own + name(layer.name);
            if (MODELS.contains(layer.type)) {
                number(layer.whole, at + "/", name + "/", weights, plain, original);
            } else {
                number(at, name, weights.getOrDefault(name, List.of()), plain, original);
            }
        }
    }

    private static void number(
            String at, String layer, List<String> names, Map<String, String> plain, Map<String, String> original) {
        for (int i = 0; i < names.size(); i++) {
            String tensor = plain.get(at + "/vars/" + i);
            if (tensor != null) {
                original.put(layer + "/" + names.get(i), tensor);
            }
        }
    }

    /**
     * A model with the weights of a file.
     *
     * @param config of the model, or null if the file has weights alone: then the options must name an architecture
     * @param tensors of the file, named by paths that end in layer and weight
     * @throws FormatException if the file does not fit, with what does not
     */
    public static Imported read(
            String source,
            Format format,
            Map<?, ?> config,
            TensorSource tensors,
            Map<String, String> metadata,
            ImportOptions options) {
        Map<?, ?> own = options.model() == null ? config : null;
        Model model = own != null ? model(source, own, options) : Importer.architecture(source, options);
        TensorSource named = new Keras(source, options).named(tensors, own, model);
        Report report = Weights.assign(source, model, named, links(model, named), Set.of());
        if (own == null && !report.unmatched().isEmpty()) {
            throw new FormatException(
                    source + ": tensors without a place in " + options.model() + ": "
                            + report.unmatched().stream().limit(10).toList(),
                    -1);
        }
        return Importer.imported(source, model, format, metadata, null, options, report);
    }
}
