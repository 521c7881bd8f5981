package gradus.importer;

import gradus.io.FormatException;
import gradus.layers.BatchNormalization;
import gradus.layers.Input;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.Model;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
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

    private static final int MAX_DEPTH = 16;

    private static final Set<String> MODELS = Set.of("Model", "Functional", "Sequential");

    private final String source;
    private final ImportOptions options;

    /** As {@link KerasWeights} wants them. */
    private final Map<String, String> names = new HashMap<>();

    /** Names of the models around the one that is being made, each with '/' behind it. */
    private String path = "";

    /** Whether all layers are for pictures of (c, h, w), which are (h, w, c) here. */
    private boolean channelsFirst;

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
        return new Keras(source, options).model(config);
    }

    private Model model(Map<?, ?> config) {
        try {
            var formats = new HashSet<String>();
            formats(config, formats);
            channelsFirst = formats.equals(Set.of("channels_first"));
            return model(new Config(source, config), null, 0);
        } catch (FormatException e) {
            throw e;
        } catch (GradusException e) {
            throw new FormatException(source + ": " + e.getMessage(), -1, e);
        }
    }

    /** Which orders of axes the layers have that have one. */
    private static void formats(Object data, Set<String> found) {
        if (data instanceof List<?> list) {
            list.forEach(x -> formats(x, found));
        } else if (data instanceof Map<?, ?> map) {
            if (map.get("class_name") instanceof String type && map.get("config") instanceof Map<?, ?> config) {
                if (config.get("data_format") instanceof String format) {
                    found.add(format);
                } else if (KerasLayers.SPATIAL.contains(type)) {
                    found.add("channels_last");
                }
            }
            map.values().forEach(x -> formats(x, found));
        }
    }

    // ---- models ----

    /** @param shapes of the inputs where the model is a layer of another one, or null */
    private Model model(Config config, List<Shape> shapes, int depth) {
        if (depth > MAX_DEPTH) {
            throw config.error("models within models, more than " + MAX_DEPTH + " deep");
        }
        String type = config.string("class_name");
        Config c = inner(config);
        if (!isModel(type, c.map())) {
            throw config.error(
                    "a model of class '" + Config.text(type) + "' cannot be read, only Functional and Sequential ones");
        }
        layerCount += c.list("layers").size();
        if (layerCount > MAX_LAYERS) {
            throw c.error("more than " + MAX_LAYERS + " layers");
        }
        return type.equals("Sequential") ? sequential(c, shapes, depth) : new Functional(c, shapes, depth).model();
    }

    /** A class of its own that was made of connected layers is written as they are. */
    private static boolean isModel(String type, Map<?, ?> config) {
        return MODELS.contains(type) || config.get("layers") instanceof List<?> && config.containsKey("input_layers");
    }

    /** The configuration of a model; that of a Sequential of old has the layers alone. */
    private Config inner(Config model) {
        return model.map().get("config") instanceof List<?> layers
                ? new Config(source, Map.of("name", "sequential", "layers", layers))
                : model.object("config");
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
            Object batch = batchShape(first, 0);
            x = Input.of(
                    shapes == null
                            ? inputShape(
                                    first.config,
                                    batch != null ? batch : c.map().get("build_input_shape"))
                            : shapes.getFirst(),
                    null);
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
    record LayerConfig(String type, String name, Config config, Config whole) {
        boolean isModel() {
            return Keras.isModel(type, config.map());
        }
    }

    private LayerConfig layer(Object data) {
        if (!(data instanceof Map<?, ?> map)) {
            throw new FormatException(source + ": a layer is described by an object, not " + Config.text(data), -1);
        }
        var whole = new Config(source + ": a layer", map);
        String type = whole.string("class_name");
        Config config = inner(whole);
        String name = whole.string("name", null);
        if (name == null) {
            name = config.string("name", MODELS.contains(type) ? type.toLowerCase(Locale.ROOT) : null);
        }
        if (name == null) {
            throw whole.error("of type " + Config.text(type) + " has no name");
        }
        String where = source + ": layer '" + Config.text(name) + "' (" + Config.text(type) + ")";
        var plain = new LinkedHashMap<Object, Object>(config.map());
        plain.replaceAll((key, value) -> untupled(value));
        return new LayerConfig(type, name, new Config(where, plain), new Config(where, map));
    }

    /** Keras writes tuples as lists or as objects with items. */
    private static Object untupled(Object value) {
        if (value instanceof Map<?, ?> map
                && "__tuple__".equals(map.get("class_name"))
                && map.get("items") instanceof List<?> items) {
            return untupled(items);
        }
        return value instanceof List<?> list && list.size() <= 8
                ? list.stream().<Object>map(Keras::untupled).toList()
                : value;
    }

    /** Layer names cannot hold '/' here, which separates layer and weight. */
    private static String name(String keras) {
        return keras.replace('/', '_');
    }

    private void freeze(Model model, LayerConfig layer) {
        String name = name(layer.name);
        boolean fixed = KerasLayers.FIXED.contains(layer.type);
        if (fixed || Boolean.FALSE.equals(layer.config.map().get("trainable"))) {
            model.layerNames().stream()
                    .filter(n -> n.equals(name) || n.startsWith(name + KerasLayers.PART))
                    .filter(n -> !fixed || model.layer(n) instanceof BatchNormalization)
                    .forEach(n -> model.trainable(n, false));
        }
    }

    private LayerOutput input(LayerConfig layer, Shape given) {
        return Input.of(given != null ? given : inputShape(layer.config, batchShape(layer, 0)), name(layer.name));
    }

    /** What a layer says about its input, the batch first; a model, what its own first layer says; or null. */
    private Object batchShape(LayerConfig layer, int depth) {
        for (String key : List.of("batch_shape", "batch_input_shape")) {
            if (layer.config.has(key)) {
                return layer.config.map().get(key);
            }
        }
        if (!layer.isModel() || depth > MAX_DEPTH) {
            return null;
        }
        Config inner = inner(layer.whole);
        List<LayerConfig> layers =
                inner.list("layers").stream().map(this::layer).toList();
        if (layers.isEmpty()) {
            return null;
        }
        String first = inner.has("input_layers")
                ? references(inner.map().get("input_layers"), inner).getFirst().layer
                : layers.getFirst().name;
        return layers.stream()
                .filter(l -> l.name.equals(first))
                .findFirst()
                .map(l -> batchShape(l, depth + 1))
                .orElse(null);
    }

    private Shape inputShape(Config where, Object batch) {
        if (!(batch instanceof List<?> list) || list.isEmpty() || list.size() > 8) {
            throw where.error("does not say the shape of the input, but " + Config.text(batch));
        }
        var dims = new int[list.size() - 1];
        for (int i = 0; i < dims.length; i++) {
            Object extent = list.get(channelsFirst && dims.length == 3 ? (i + 1) % 3 + 1 : i + 1);
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

        private final Map<String, List<Layer>> shared = new HashMap<>();
        private boolean keras3;

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
                    keras3 |= node instanceof Map;
                }
                nodes.put(layer.name, calls);
            }
        }

        Model model() {
            List<Reference> inputs = references(config.map().get("input_layers"), config);
            List<Reference> outputs = references(config.map().get("output_layers"), config).stream()
                    .map(this::counted)
                    .toList();
            var all = new ArrayList<>(outputs);
            nodes.values().forEach(calls -> calls.forEach(all::addAll));
            for (Reference r : all) {
                LayerConfig layer = layers.get(r.layer);
                if (layer == null) {
                    throw config.error("layer '" + Config.text(r.layer) + "' is used but not described");
                }
                if (layer.isModel()) {
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

        /** Keras 3 counts calls of a model from 0 where they are operands, from 1 where they are outputs. */
        private Reference counted(Reference output) {
            LayerConfig layer = layers.get(output.layer);
            boolean one = keras3 && layer != null && layer.isModel() && !layer.type.equals("Sequential");
            return one ? new Reference(output.layer, output.node - 1, output.index) : output;
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
    private List<LayerOutput> apply(LayerConfig l, List<LayerOutput> x, Map<String, List<Layer>> shared, int depth) {
        List<Layer> layers = shared == null ? null : shared.get(l.name);
        try {
            if (layers == null) {
                List<Shape> inputs = x.stream().map(LayerOutput::shape).toList();
                layers = l.isModel()
                        ? List.of(nested(l, inputs, depth + 1))
                        : named(l, KerasLayers.layers(l, inputs, channelsFirst));
                if (shared != null) {
                    shared.put(l.name, layers);
                }
            }
            List<LayerOutput> y = x;
            for (Layer layer : layers) {
                y = layer.applyAll(y);
            }
            return y;
        } catch (FormatException e) {
            throw e;
        } catch (GradusException e) {
            throw new FormatException(l.config.where() + ": " + e.getMessage(), -1, e);
        }
    }

    private Model nested(LayerConfig l, List<Shape> inputs, int depth) {
        String name = name(l.name);
        String around = path;
        names.put(around + name, l.name);
        path = around + name + "/";
        Model model = model(l.whole, inputs, depth).named(name);
        path = around;
        return model;
    }

    /** The last layer of several gets the name. */
    private List<Layer> named(LayerConfig l, List<Layer> layers) {
        String name = name(l.name);
        names.put(path + name, l.name);
        KerasLayers.weights(l.type).forEach((own, keras) -> names.put(path + name + own, l.name + "/" + keras));
        var named = new ArrayList<Layer>();
        for (Layer layer : layers) {
            boolean last = named.size() == layers.size() - 1;
            named.add(layer.named(last ? name : name + KerasLayers.PART + named.size()));
        }
        return named;
    }

    // ---- weights ----

    private List<KerasWeights.Listed> listed(Config model) {
        return inner(model).list("layers").stream()
                .map(this::layer)
                .map(l -> new KerasWeights.Listed(l.type, name(l.name), l.isModel() ? listed(l.whole) : List.of()))
                .toList();
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
        var keras = new Keras(source, options);
        Model model = own != null ? keras.model(own) : Importer.architecture(source, options);
        var weights = new KerasWeights(source, model, tensors, keras.names);
        NavigableMap<String, String> numbers = weights.numbers();
        Map<String, Weights.Link> links = weights.byName();
        if (!numbers.isEmpty()) {
            links.putAll(weights.byNumber(
                    own == null ? null : keras.listed(new Config(source, own)), options.model(), numbers));
        }
        Report report = Weights.assign(source, model, tensors, links, weights.ignored());
        if (own == null && !report.unmatched().isEmpty()) {
            throw new FormatException(
                    source + ": tensors without a place in " + options.model() + ": "
                            + report.unmatched().stream().limit(10).toList(),
                    -1);
        }
        return Importer.imported(source, model, format, metadata, null, options, report);
    }
}
