package gradus.layers;

import gradus.layers.config.Fields;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Models as plain data and back. A layer is a map of its record's components with its type in front; what it is
 * applied to is a list of calls, each a list of [layer, call, output]:
 *
 * <pre>
 * {"name": "small", "layers": [
 *     {"type": "InputLayer", "name": "input_1", "shape": [64, 64, 3], "calls": [[]]},
 *     {"type": "Flatten", "name": "flatten", "calls": [[["input_1", 0, 0]]]}],
 *  "inputs": [["input_1", 0, 0]], "outputs": [["flatten", 0, 0]]}
 * </pre>
 *
 * <p>Reading knows the records listed here and no others: a file can choose among them, not name a class.
 */
final class LayerConfig {
    private LayerConfig() {}

    /** Stands for an initializer that is a program's own function: weights can be loaded, but not made anew. */
    record Unknown() implements Initializer {
        @Override
        public Tensor initialize(Shape shape, DType dtype, long defaultSeed) {
            throw new GradusException(
                    "this model was read from a file and its initializer was a program's own function,"
                            + " which a file cannot hold; load the weights, or build the model in the program");
        }
    }

    // ---- writing ----

    static Map<String, Object> write(Model model) {
        Map<LayerState, List<Call>> callsOf = new LinkedHashMap<>(); // states are equal only to themselves
        model.calls()
                .forEach(c ->
                        callsOf.computeIfAbsent(c.state, s -> new ArrayList<>()).add(c));
        Function<LayerOutput, Object> reference =
                x -> List.of(model.nameOf(x.call()), callsOf.get(x.call().state).indexOf(x.call()), x.index());
        var layers = new ArrayList<>();
        callsOf.forEach((state, calls) -> {
            Layer layer = calls.get(0).layer;
            var map = new LinkedHashMap<String, Object>();
            map.put("type", layer.type());
            map.put("name", model.nameOf(calls.get(0)));
            switch (layer) {
                case Model nested -> map.put("model", write(nested));
                case Input input -> map.put("shape", value(input.shape()));
                case StoredLayer stored -> map.putAll(settings(stored));
                default ->
                    throw new GradusException("layer '" + model.nameOf(calls.get(0)) + "' of model '" + model.name()
                            + "' is a " + layer.getClass().getName()
                            + ", which a model file cannot hold; only Gradus's own"
                            + " layers can be written");
            }
            if (!state.trainable) {
                map.put("trainable", false);
            }
            map.put(
                    "calls",
                    calls.stream()
                            .map(c -> c.inputs.stream().map(reference).toList())
                            .toList());
            layers.add(map);
        });
        var map = new LinkedHashMap<String, Object>();
        map.put("name", model.name());
        map.put("layers", layers);
        map.put("inputs", model.inputs().stream().map(reference).toList());
        map.put("outputs", model.outputs().stream().map(reference).toList());
        return map;
    }

    /** All that is set but the name, in the order of the record. Patterns name every component: none is forgotten. */
    private static Map<String, Object> settings(StoredLayer layer) {
        return switch (layer) {
            case Conv2D(var filters, var geometry, var groups, var bias, var f, var kernel, var start, var l2, var _) ->
                map(
                        "filters geometry groups bias activation kernelInitializer biasInitializer l2",
                        filters,
                        geometry,
                        groups,
                        bias,
                        f,
                        kernel,
                        start,
                        l2);
            case BatchNormalization(var axis, var m, var e, var center, var scale, var unbiased, var initials, var _) ->
                map(
                        "axis momentum epsilon center scale unbiased initials",
                        axis,
                        m,
                        e,
                        center,
                        scale,
                        unbiased,
                        initials);
            case Activation(var function, var _) -> map("function", function);
            case LeakyReLU(var slope, var _) -> map("negativeSlope", slope);
            case Clip(var low, var high, var _) -> map("low high", low, high);
            case Add(var _) -> Map.of();
            case Subtract(var _) -> Map.of();
            case Multiply(var _) -> Map.of();
            case Average(var _) -> Map.of();
            case Concatenate(var axis, var _) -> map("axis", axis);
            case ZeroPadding2D(var top, var bottom, var left, var right, var _) ->
                map("top bottom left right", top, bottom, left, right);
            case ChannelPadding(var before, var behind, var _) -> map("before behind", before, behind);
            case MaxPooling2D(var pool, var strides, var padding, var border, var _) ->
                map("pool strides padding border", pool, strides, padding, border);
            case AveragePooling2D(var pool, var strides, var padding, var border, var _) ->
                map("pool strides padding border", pool, strides, padding, border);
            case GlobalMaxPooling2D(var keepdims, var _) -> map("keepdims", keepdims);
            case GlobalAveragePooling2D(var keepdims, var _) -> map("keepdims", keepdims);
            case Flatten(var _) -> Map.of();
            case Reshape(var target, var _) -> map("target", target);
            case Dense(var units, var bias, var f, var kernel, var start, var l2, var _) ->
                map("units bias activation kernelInitializer biasInitializer l2", units, bias, f, kernel, start, l2);
            case Dropout(var rate, var seed, var _) -> map("rate seed", rate, seed);
        };
    }

    /** Values under keys in one string; a value that is null is left out with its key. */
    private static Map<String, Object> map(String keys, Object... values) {
        var map = new LinkedHashMap<String, Object>();
        String[] each = keys.split(" ");
        for (int i = 0; i < each.length; i++) {
            if (values[i] != null) {
                map.put(each[i], value(values[i]));
            }
        }
        return map;
    }

    private static Object value(Object value) {
        return switch (value) {
            case Number n -> n;
            case Boolean b -> b;
            case String s -> s;
            case Enum<?> e -> Fields.word(e);
            case Shape s -> IntStream.of(s.toArray()).boxed().toList();
            case Size(var height, var width) -> map("height width", height, width);
            case Border(var top, var bottom, var left, var right) ->
                map("top bottom left right", top, bottom, left, right);
            case Geometry(var kernel, var strides, var padding, var dilation) ->
                map("kernel strides padding dilation", kernel, strides, padding, dilation);
            case BatchNormalization.Initials(var beta, var gamma, var mean, var variance) ->
                map("beta gamma movingMean movingVariance", beta, gamma, mean, variance);
            case LegacyPhilox.FromStream s -> value(s.distribution());
            case Initializers.Constant(var constant) -> map("type value", "Constant", constant);
            case Initializers.Identity(var gain) -> map("type gain", "Identity", gain);
            case Initializers.Distribution d -> distribution(d);
            case Initializer _ -> map("type", "Unknown");
            default -> throw new IllegalStateException("no rule to write a " + value.getClass());
        };
    }

    private static Map<String, Object> distribution(Initializers.Distribution distribution) {
        return switch (distribution) {
            case Initializers.RandomUniform(var low, var high, var seed) ->
                map("type low high seed", "RandomUniform", low, high, seed);
            case Initializers.RandomNormal(var mean, var deviation, var seed) ->
                map("type mean deviation seed", "RandomNormal", mean, deviation, seed);
            case Initializers.TruncatedNormal(var mean, var deviation, var seed) ->
                map("type mean deviation seed", "TruncatedNormal", mean, deviation, seed);
            case Initializers.VarianceScaling(var scale, var fan, var form, var seed) ->
                map("type scale fan form seed", "VarianceScaling", scale, fan, form, seed);
            case Initializers.Orthogonal(var gain, var seed) -> map("type gain seed", "Orthogonal", gain, seed);
        };
    }

    // ---- reading ----

    static Model readModel(Map<?, ?> config) {
        return model(Fields.of(config, "model"));
    }

    private static Model model(Fields config) {
        String name = config.text("name");
        Map<String, Fields> layers = new LinkedHashMap<>();
        List<String> frozen = new ArrayList<>();
        for (Object data : config.list("layers")) {
            if (!(data instanceof Map<?, ?> map) || !(map.get("name") instanceof String layerName)) {
                throw config.error("has a layer that is not a map with a name: " + data);
            }
            Fields layer = Fields.of(map, layerName);
            if (layers.put(layerName, layer) != null) {
                throw config.error("has two layers named '" + layerName + "'");
            }
            if (Boolean.FALSE.equals(layer.get("trainable"))) {
                frozen.add(layerName);
            }
        }
        var reader = new Reader(layers);
        List<LayerOutput> inputs = reader.outputs(config.list("inputs"), config.path("inputs"));
        List<LayerOutput> outputs = reader.outputs(config.list("outputs"), config.path("outputs"));
        Model model = Model.of(name, inputs, outputs);
        for (String layer : frozen) {
            model.trainable(layer, false);
        }
        return model;
    }

    /** Applies layers in the order of the file, as often as it says. */
    private static final class Reader {
        private final Map<String, List<List<LayerOutput>>> made = new HashMap<>();

        Reader(Map<String, Fields> configs) {
            // A layer's later calls may read layers further down, so calls are made as soon as their operands are
            // there.
            Map<String, Layer> layers = new LinkedHashMap<>();
            Map<Layer, List<?>> waiting = new IdentityHashMap<>();
            configs.forEach((name, config) -> {
                List<?> calls = config.list("calls");
                Layer layer = layer(config, name);
                layers.put(name, layer);
                waiting.put(layer, calls);
                made.put(name, new ArrayList<>());
            });
            boolean progress = true;
            while (progress) {
                progress = false;
                for (var entry : layers.entrySet()) {
                    progress |= call(entry.getKey(), entry.getValue(), waiting.get(entry.getValue()));
                }
            }
            layers.forEach((name, layer) -> {
                if (made.get(name).size() < waiting.get(layer).size()) {
                    throw Fields.error(name, "is applied to something that does not exist");
                }
            });
        }

        private boolean call(String name, Layer layer, List<?> calls) {
            List<List<LayerOutput>> done = made.get(name);
            boolean progress = false;
            while (done.size() < calls.size()) {
                if (!(calls.get(done.size()) instanceof List<?> operands)) {
                    throw Fields.error(name, "calls must be lists");
                }
                List<LayerOutput> inputs = new ArrayList<>();
                for (Object operand : operands) {
                    LayerOutput x = output(operand, name);
                    if (x == null) {
                        return progress;
                    }
                    inputs.add(x);
                }
                done.add(layer.applyAll(inputs));
                progress = true;
            }
            return progress;
        }

        /** What [layer, call, output] means, or null if that call has not been made. */
        private LayerOutput output(Object reference, String where) {
            if (!(reference instanceof List<?> list)
                    || list.size() != 3
                    || !(list.get(0) instanceof String layer)
                    || !(list.get(1) instanceof Number call)
                    || !(list.get(2) instanceof Number index)) {
                throw Fields.error(where, "must be connected by [layer, call, output], not " + reference);
            }
            List<List<LayerOutput>> calls = made.get(layer);
            if (calls == null) {
                throw Fields.error(where, "is connected to '" + layer + "', which is not a layer of the model");
            }
            int c = call.intValue();
            int i = index.intValue();
            if (c < 0 || c >= calls.size()) {
                return null;
            }
            if (i < 0 || i >= calls.get(c).size()) {
                throw Fields.error(where, "is connected to output " + i + " of '" + layer + "', which does not exist");
            }
            return calls.get(c).get(i);
        }

        List<LayerOutput> outputs(List<?> references, String where) {
            var result = new ArrayList<LayerOutput>();
            for (Object reference : references) {
                LayerOutput x = output(reference, where);
                if (x == null) {
                    throw Fields.error(where, "names a call that does not exist: " + reference);
                }
                result.add(x);
            }
            return result;
        }
    }

    private static Layer layer(Fields f, String name) {
        return switch (f.text("type")) {
            case "InputLayer" -> new Input(f.shape("shape"), name);
            case "Functional" -> model(f.fields("model")).named(name);
            default -> f.read(LayerConfig::stored);
        };
    }

    private static StoredLayer stored(Fields f) {
        String name = f.text("name");
        return switch (f.text("type")) {
            case "Conv2D" ->
                new Conv2D(
                        f.integer("filters"),
                        f.fields("geometry").read(LayerConfig::geometry),
                        f.integer("groups"),
                        f.flag("bias"),
                        f.choice("activation", ActivationFunction.values()),
                        initializer(f, "kernelInitializer"),
                        initializer(f, "biasInitializer"),
                        f.number("l2"),
                        name);
            case "BatchNormalization" ->
                new BatchNormalization(
                        f.integer("axis"),
                        f.number("momentum"),
                        f.number("epsilon"),
                        f.flag("center"),
                        f.flag("scale"),
                        f.flag("unbiased"),
                        f.fields("initials").read(LayerConfig::initials),
                        name);
            case "Activation" -> new Activation(f.choice("function", ActivationFunction.values()), name);
            case "LeakyReLU" -> new LeakyReLU(f.number("negativeSlope"), name);
            case "Clip" -> new Clip(f.number("low"), f.number("high"), name);
            case "Add" -> new Add(name);
            case "Subtract" -> new Subtract(name);
            case "Multiply" -> new Multiply(name);
            case "Average" -> new Average(name);
            case "Concatenate" -> new Concatenate(f.integer("axis"), name);
            case "ZeroPadding2D" ->
                new ZeroPadding2D(f.integer("top"), f.integer("bottom"), f.integer("left"), f.integer("right"), name);
            case "ChannelPadding" -> new ChannelPadding(f.integer("before"), f.integer("behind"), name);
            case "MaxPooling2D" -> new MaxPooling2D(size(f, "pool"), size(f, "strides"), padding(f), border(f), name);
            case "AveragePooling2D" ->
                new AveragePooling2D(size(f, "pool"), size(f, "strides"), padding(f), border(f), name);
            case "GlobalMaxPooling2D" -> new GlobalMaxPooling2D(f.flag("keepdims"), name);
            case "GlobalAveragePooling2D" -> new GlobalAveragePooling2D(f.flag("keepdims"), name);
            case "Flatten" -> new Flatten(name);
            case "Reshape" -> new Reshape(f.shape("target"), name);
            case "Dense" ->
                new Dense(
                        f.integer("units"),
                        f.flag("bias"),
                        f.choice("activation", ActivationFunction.values()),
                        initializer(f, "kernelInitializer"),
                        initializer(f, "biasInitializer"),
                        f.number("l2"),
                        name);
            case "Dropout" -> new Dropout(f.number("rate"), f.integerOrNull("seed"), name);
            default -> throw f.unknownType();
        };
    }

    private static Geometry geometry(Fields f) {
        return new Geometry(size(f, "kernel"), size(f, "strides"), padding(f), size(f, "dilation"));
    }

    private static Padding padding(Fields f) {
        return f.choice("padding", Padding.values());
    }

    private static Border border(Fields f) {
        return f.get("border") == null
                ? null
                : f.fields("border")
                        .read(b -> new Border(
                                b.integer("top"), b.integer("bottom"), b.integer("left"), b.integer("right")));
    }

    private static Size size(Fields f, String key) {
        return f.fields(key).read(size -> new Size(size.integer("height"), size.integer("width")));
    }

    private static BatchNormalization.Initials initials(Fields f) {
        return new BatchNormalization.Initials(
                initializer(f, "beta"),
                initializer(f, "gamma"),
                initializer(f, "movingMean"),
                initializer(f, "movingVariance"));
    }

    private static Initializer initializer(Fields f, String key) {
        return f.fields(key).read(LayerConfig::ofType);
    }

    private static Initializer ofType(Fields f) {
        return switch (f.text("type")) {
            case "Constant" -> new Initializers.Constant(f.number("value"));
            case "Identity" -> new Initializers.Identity(f.number("gain"));
            case "RandomUniform" ->
                new Initializers.RandomUniform(f.number("low"), f.number("high"), f.integerOrNull("seed"));
            case "RandomNormal" ->
                new Initializers.RandomNormal(f.number("mean"), f.number("deviation"), f.integerOrNull("seed"));
            case "TruncatedNormal" ->
                new Initializers.TruncatedNormal(f.number("mean"), f.number("deviation"), f.integerOrNull("seed"));
            case "VarianceScaling" ->
                new Initializers.VarianceScaling(
                        f.number("scale"),
                        f.choice("fan", Initializers.Fan.values()),
                        f.choice("form", Initializers.Form.values()),
                        f.integerOrNull("seed"));
            case "Orthogonal" -> new Initializers.Orthogonal(f.number("gain"), f.integerOrNull("seed"));
            case "Unknown" -> new Unknown();
            default -> throw f.unknownType();
        };
    }
}
