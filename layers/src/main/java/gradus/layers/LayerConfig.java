package gradus.layers;

import gradus.io.FormatException;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;
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
    private static final Map<String, Class<? extends Record>> LAYERS = byName(List.of(
            Conv2D.class,
            BatchNormalization.class,
            Activation.class,
            LeakyReLU.class,
            Add.class,
            Subtract.class,
            Multiply.class,
            Average.class,
            Concatenate.class,
            ZeroPadding2D.class,
            ChannelPadding.class,
            MaxPooling2D.class,
            AveragePooling2D.class,
            GlobalMaxPooling2D.class,
            GlobalAveragePooling2D.class,
            Flatten.class,
            Reshape.class,
            Dense.class,
            Dropout.class));

    private static final Map<String, Class<? extends Record>> INITIALIZERS = byName(List.of(
            Initializers.Constant.class,
            Initializers.Identity.class,
            Initializers.RandomUniform.class,
            Initializers.RandomNormal.class,
            Initializers.TruncatedNormal.class,
            Initializers.VarianceScaling.class,
            Initializers.Orthogonal.class,
            Unknown.class));

    /** Settings that say where a layer stands, not what it is. */
    private static final List<String> FRAME = List.of("type", "name", "trainable", "calls");

    private LayerConfig() {}

    /** The kinds of layers a file can hold, Input and nested models aside. */
    static Set<String> types() {
        return LAYERS.keySet();
    }

    /** Stands for an initializer that is a program's own function: weights can be loaded, but not made anew. */
    record Unknown() implements Initializer {
        @Override
        public Tensor initialize(Shape shape, DType dtype, long defaultSeed) {
            throw new GradusException(
                    "this model was read from a file and its initializer was a program's own function,"
                            + " which a file cannot hold; load the weights, or build the model in the program");
        }
    }

    private static Map<String, Class<? extends Record>> byName(List<Class<? extends Record>> records) {
        return records.stream().collect(Collectors.toMap(Class::getSimpleName, Function.identity()));
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
                case Record record when LAYERS.get(layer.type()) == record.getClass() -> components(record, map);
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

    /** Adds a record's components that are set; the name is written by the caller. */
    private static void components(Record record, Map<String, Object> map) {
        for (RecordComponent c : record.getClass().getRecordComponents()) {
            Object value;
            try {
                value = c.getAccessor().invoke(record);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e); // the records are of this package
            }
            if (value != null && !c.getName().equals("name")) {
                map.put(c.getName(), value(value));
            }
        }
    }

    private static Object value(Object value) {
        return switch (value) {
            case Number n -> n;
            case Boolean b -> b;
            case Enum<?> e -> e.name().toLowerCase(Locale.ROOT);
            case Shape s -> IntStream.of(s.toArray()).boxed().toList();
            case LegacyPhilox.FromStream s -> value(s.distribution());
            case Initializer i -> {
                var map = new LinkedHashMap<String, Object>();
                Record record = i instanceof Record r && INITIALIZERS.get(name(r)) == r.getClass() ? r : new Unknown();
                map.put("type", name(record));
                components(record, map);
                yield map;
            }
            case Record r -> {
                var map = new LinkedHashMap<String, Object>();
                components(r, map);
                yield map;
            }
            default -> throw new IllegalStateException("no rule to write a " + value.getClass());
        };
    }

    private static String name(Record record) {
        return record.getClass().getSimpleName();
    }

    // ---- reading ----

    static Model readModel(Map<?, ?> config) {
        return model(config, "model");
    }

    private static Model model(Map<?, ?> config, String where) {
        String name = typed(config, "name", String.class, where);
        Map<String, Map<?, ?>> configs = new LinkedHashMap<>();
        for (Object layer : typed(config, "layers", List.class, where)) {
            if (!(layer instanceof Map<?, ?> map)) {
                throw error(where, "layers must be maps, not " + layer);
            }
            String layerName = typed(map, "name", String.class, where + ".layers");
            if (configs.put(layerName, map) != null) {
                throw error(where, "has two layers named '" + layerName + "'");
            }
        }
        var reader = new Reader(configs);
        List<LayerOutput> inputs = reader.outputs(typed(config, "inputs", List.class, where), where + ".inputs");
        List<LayerOutput> outputs = reader.outputs(typed(config, "outputs", List.class, where), where + ".outputs");
        Model model = Model.of(name, inputs, outputs);
        configs.forEach((layerName, map) -> {
            if (Boolean.FALSE.equals(map.get("trainable"))) {
                model.trainable(layerName, false);
            }
        });
        return model;
    }

    /** Applies layers in the order of the file, as often as it says. */
    private static final class Reader {
        private final Map<String, List<List<LayerOutput>>> made = new HashMap<>();

        Reader(Map<String, Map<?, ?>> configs) {
            // A layer's later calls may read layers further down, so calls are made as soon as their operands are
            // there.
            Map<String, Layer> layers = new LinkedHashMap<>();
            Map<Layer, List<?>> waiting = new IdentityHashMap<>();
            configs.forEach((name, map) -> {
                Layer layer = layer(map, name);
                layers.put(name, layer);
                waiting.put(layer, typed(map, "calls", List.class, name));
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
                    throw error(name, "is applied to something that does not exist");
                }
            });
        }

        private boolean call(String name, Layer layer, List<?> calls) {
            List<List<LayerOutput>> done = made.get(name);
            boolean progress = false;
            while (done.size() < calls.size()) {
                if (!(calls.get(done.size()) instanceof List<?> operands)) {
                    throw error(name, "calls must be lists");
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
                throw error(where, "must be connected by [layer, call, output], not " + reference);
            }
            List<List<LayerOutput>> calls = made.get(layer);
            if (calls == null) {
                throw error(where, "is connected to '" + layer + "', which is not a layer of the model");
            }
            int c = call.intValue();
            int i = index.intValue();
            if (c < 0 || c >= calls.size()) {
                return null;
            }
            if (i < 0 || i >= calls.get(c).size()) {
                throw error(where, "is connected to output " + i + " of '" + layer + "', which does not exist");
            }
            return calls.get(c).get(i);
        }

        List<LayerOutput> outputs(List<?> references, String where) {
            var result = new ArrayList<LayerOutput>();
            for (Object reference : references) {
                LayerOutput x = output(reference, where);
                if (x == null) {
                    throw error(where, "names a call that does not exist: " + reference);
                }
                result.add(x);
            }
            return result;
        }
    }

    private static Layer layer(Map<?, ?> map, String name) {
        String type = typed(map, "type", String.class, name);
        if (type.equals("InputLayer")) {
            return new Input(shape(map.get("shape"), name), name);
        }
        if (type.equals("Functional")) {
            return model(typed(map, "model", Map.class, name), name).named(name);
        }
        Class<? extends Record> c = LAYERS.get(type);
        if (c == null) {
            throw error(name, "has the unknown type '" + type + "'; was it written by a later version?");
        }
        return (Layer) record(map, c, name);
    }

    /** What reflection says of a record, asked once: a network has hundreds of a few kinds. */
    private record Form(List<String> names, Class<?>[] types, Constructor<? extends Record> constructor) {
        private static final Map<Class<? extends Record>, Form> KNOWN = new ConcurrentHashMap<>();

        static Form of(Class<? extends Record> c) {
            Form known = KNOWN.get(c);
            if (known != null) {
                return known;
            }
            RecordComponent[] components = c.getRecordComponents();
            var names = new ArrayList<String>();
            var types = new Class<?>[components.length];
            for (int i = 0; i < types.length; i++) {
                names.add(components[i].getName());
                types[i] = components[i].getType();
            }
            try {
                var form = new Form(names, types, c.getDeclaredConstructor(types));
                KNOWN.put(c, form);
                return form;
            } catch (NoSuchMethodException e) {
                throw new IllegalStateException(e); // records have one
            }
        }
    }

    private static Record record(Map<?, ?> map, Class<? extends Record> c, String where) {
        Form form = Form.of(c);
        var values = new Object[form.types.length];
        for (int i = 0; i < values.length; i++) {
            String name = form.names.get(i);
            values[i] = value(map.get(name), form.types[i], where, name);
        }
        for (Object key : map.keySet()) {
            if (!form.names.contains(key) && !FRAME.contains(key)) {
                throw error(where, "has an unknown setting '" + key + "'");
            }
        }
        try {
            return form.constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            throw error(where, String.valueOf(e.getCause().getMessage()));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e); // the records are of this package
        }
    }

    private static Object value(Object data, Class<?> type, String whole, String part) {
        if (data == null && !type.isPrimitive() && (type == String.class || type == Long.class)) {
            return null;
        }
        if (type == String.class && data instanceof String || type == boolean.class && data instanceof Boolean) {
            return data;
        }
        if (type == double.class && data instanceof Number n) {
            return n.doubleValue();
        }
        if (type == int.class && data instanceof Number n && n.doubleValue() == n.intValue()) {
            return n.intValue();
        }
        if (type == Long.class && data instanceof Number n && n.doubleValue() == n.longValue()) {
            return n.longValue();
        }
        if (type == Shape.class) {
            return shape(data, whole + "." + part);
        }
        if (type.isEnum()) {
            for (Object constant : type.getEnumConstants()) {
                if (((Enum<?>) constant).name().toLowerCase(Locale.ROOT).equals(data)) {
                    return constant;
                }
            }
        }
        if (type.isRecord() && data instanceof Map<?, ?> map) {
            return record(map, type.asSubclass(Record.class), whole + "." + part);
        }
        if (type == Initializer.class && data instanceof Map<?, ?> map) {
            Class<? extends Record> c = INITIALIZERS.get(String.valueOf(map.get("type")));
            if (c != null) {
                return record(map, c, whole + "." + part);
            }
        }
        throw error(whole + "." + part, "must be a " + type.getSimpleName() + ", not " + data);
    }

    private static Shape shape(Object data, String where) {
        if (data instanceof List<?> list) {
            var dims = new int[list.size()];
            for (int i = 0; i < dims.length; i++) {
                dims[i] = (int) value(list.get(i), int.class, where, Integer.toString(i));
            }
            return Shape.of(dims);
        }
        throw error(where, "must be a list of extents, not " + data);
    }

    private static <T> T typed(Map<?, ?> map, String key, Class<T> type, String where) {
        if (!type.isInstance(map.get(key))) {
            throw error(where, "needs '" + key + "', a " + type.getSimpleName() + ", not " + map.get(key));
        }
        return type.cast(map.get(key));
    }

    private static FormatException error(String where, String what) {
        return new FormatException("'" + where + "' " + what, -1);
    }
}
