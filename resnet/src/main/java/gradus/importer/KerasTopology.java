package gradus.importer;

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
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A model in Keras's words, for each of the files that Keras reads: what layers there are and how they are connected, in
 * the dialect of Keras 2 or 3, and their weights.
 *
 * @see <a href="https://keras.io/api/models/model_saving_apis/">Keras: saving of models</a>
 */
public final class KerasTopology {
    /** @param name a path, {@code model/layer/kernel} */
    public record Weight(String name, Tensor values, boolean trainable) {}

    /**
     * @param group what Keras 3 calls it where names do not count: its class, and how many of that are listed before
     * @param weights of the layer, or of all layers if it is a model
     * @param layers if it is a model
     */
    public record Listed(String name, String group, List<Weight> weights, List<Listed> layers) {}

    private final Map<String, Tensor> weights;
    private final boolean keras3;
    private final Map<String, Object> config;
    private final List<Listed> layers = new ArrayList<>();

    private KerasTopology(Model model, boolean keras3) {
        this.weights = model.weights();
        this.keras3 = keras3;
        this.config = model(model, model.name(), "", true, layers);
    }

    /**
     * As Keras 2 describes it in {@code .h5} files and TensorFlow.js in layers models; Keras 3 reads that too.
     *
     * @throws GradusException if Keras has no word for a layer, which the message names
     */
    public static KerasTopology keras2(Model model) {
        return new KerasTopology(model, false);
    }

    /** As {@link #keras2}, as the {@code config.json} of Keras 3 has it. */
    public static KerasTopology keras3(Model model) {
        return new KerasTopology(model, true);
    }

    /** {@code {"class_name": ..., "config": {"layers": [...], ...}}}, for {@link gradus.io.Json}. */
    public Map<String, Object> config() {
        return config;
    }

    /** All layers, in Keras's order, which is what counts where weights have no names. */
    public List<Listed> layers() {
        return layers;
    }

    // ---- models ----

    private Map<String, Object> model(Model model, String name, String path, boolean trainable, List<Listed> listed) {
        Map<?, ?> own = model.config();
        var entries = new HashMap<String, Map<?, ?>>();
        ((List<?>) own.get("layers")).forEach(e -> entries.put((String) ((Map<?, ?>) e).get("name"), (Map<?, ?>) e));
        var calls = new Calls(model, entries);
        var groups = new HashMap<String, Integer>();
        var described = new HashMap<String, Object>();
        for (String each : model.layerNames(true)) {
            Layer layer = model.layer(each);
            boolean learns = trainable
                    && !(layer instanceof ChannelPadding)
                    && !Boolean.FALSE.equals(entries.get(each).get("trainable"));
            var taken = new ArrayList<Weight>();
            var inner = new ArrayList<Listed>();
            Map<String, Object> whole;
            String group;
            if (layer instanceof Model nested) {
                whole = model(nested, each, path + each + "/", learns, inner);
                inner.forEach(l -> taken.addAll(l.weights));
                group = nested.type();
            } else {
                Map<String, Object> c = map("name", each, "trainable", learns, "dtype", "float32");
                var tensors = new LinkedHashMap<String, Tensor>();
                group = layer(layer, path + each, model, c, tensors);
                tensors.forEach((weight, t) ->
                        taken.add(new Weight(path + each + "/" + weight, t, learns && !weight.startsWith("moving_"))));
                whole = object(group, c);
            }
            group = KerasWeights.group(group);
            int before = groups.merge(group, 1, Integer::sum) - 1;
            listed.add(new Listed(each, before == 0 ? group : group + "_" + before, taken, inner));
            whole.put("name", each);
            whole.put("inbound_nodes", layer instanceof Input ? List.of() : calls.nodes(each));
            if (layer instanceof ChannelPadding p) { // beside what Keras reads
                whole.put(KerasLayers.CHANNEL_PADDING, List.of(p.before(), p.behind()));
            }
            described.put(each, whole);
        }
        List<String> order = model.layerNames(keras3); // Keras 3 numbers weights in the order of this list
        Map<String, Object> c =
                map("name", name, "layers", order.stream().map(described::get).toList());
        c.put("input_layers", calls.ends(own.get("inputs")));
        c.put("output_layers", calls.ends(own.get("outputs")));
        return object(keras3 ? "Functional" : "Model", c);
    }

    private Map<String, Object> object(String type, Map<String, Object> config) {
        Map<String, Object> object = map("class_name", type, "config", config);
        if (keras3) {
            boolean model = config.containsKey("layers");
            object.put("module", model ? "keras.src.models.functional" : "keras.layers");
            object.put("registered_name", model ? type : null);
        }
        return object;
    }

    /** Of keys, each with its value behind it. */
    static Map<String, Object> map(Object... entries) {
        var map = new LinkedHashMap<String, Object>();
        for (int i = 0; i < entries.length; i += 2) {
            map.put((String) entries[i], entries[i + 1]);
        }
        return map;
    }

    /** What reads what in a model, whose {@link Model#config} has references as [layer, call, output]. */
    private final class Calls {
        private final Model model;
        private final Map<String, Map<?, ?>> entries;
        private final Map<List<?>, List<Shape>> known = new HashMap<>();

        Calls(Model model, Map<String, Map<?, ?>> entries) {
            this.model = model;
            this.entries = entries;
        }

        private List<?> of(Object layer) {
            return (List<?>) entries.get(layer).get("calls");
        }

        /**
         * Keras 3 has an object where Keras 2 has {@code [["conv1", 0, 0, {}]]}. There each call of a model is said twice,
         * {@link #reference} says why.
         */
        List<?> nodes(String layer) {
            int times = !keras3 && model.layer(layer) instanceof Model ? 2 : 1;
            return of(layer).stream()
                    .flatMap(call -> Collections.nCopies(times, node((List<?>) call)).stream())
                    .toList();
        }

        private Object node(List<?> call) {
            List<?> operands = call.stream().map(this::operand).toList();
            return keras3
                    ? map("args", List.of(operands.size() == 1 ? operands.getFirst() : operands), "kwargs", Map.of())
                    : operands;
        }

        private Object operand(Object own) {
            if (keras3) {
                var shape = batch(shape((List<?>) own));
                return map(
                        "class_name",
                        "__keras_tensor__",
                        "config",
                        map("shape", shape, "dtype", "float32", "keras_history", own));
            }
            List<Object> reference = reference(own);
            reference.add(Map.of());
            return reference;
        }

        /** Keras 3 tells one tensor from a list of one. */
        List<?> ends(Object own) {
            List<List<Object>> all =
                    ((List<?>) own).stream().map(this::reference).toList();
            return keras3 && all.size() == 1 ? all.getFirst() : all;
        }

        /**
         * Keras 2 counts calls of a model from 1, its own construction being 0. Keras 3 does so where outputs of the whole are
         * listed, and counts operands from 0 even where it reads files of Keras 2. With each call twice, at 1 and 2, 3 and 4,
         * the numbers 1, 3, ... mean the same to both.
         */
        private List<Object> reference(Object own) {
            var reference = new ArrayList<Object>((List<?>) own);
            if (model.layer((String) reference.get(0)) instanceof Model) {
                reference.set(1, (Integer) reference.get(1) * (keras3 ? 1 : 2) + 1);
            }
            return reference;
        }

        private Shape shape(List<?> r) {
            List<?> call = r.subList(0, 2);
            List<Shape> shapes = known.get(call);
            if (shapes == null) {
                List<Shape> operands = ((List<?>) of(r.get(0)).get((Integer) r.get(1)))
                        .stream().map(x -> shape((List<?>) x)).toList();
                Layer layer = model.layer((String) r.get(0));
                shapes = layer instanceof Input i ? List.of(i.shape()) : layer.outputs(operands);
                known.put(call, shapes);
            }
            return shapes.get((Integer) r.get(2));
        }
    }

    // ---- layers ----

    static List<Integer> dims(Shape s) {
        return IntStream.of(s.toArray()).boxed().toList();
    }

    private static List<Object> batch(Shape s) {
        var batch = new ArrayList<Object>(dims(s));
        batch.addFirst(null);
        return batch;
    }

    private static List<Integer> pair(Size s) {
        return List.of(s.height(), s.width());
    }

    private String activation(ActivationFunction f, String layer) {
        if (f == ActivationFunction.GELU_TANH) {
            throw new GradusException("layer '" + layer + "': gelu_tanh has no name in Keras");
        }
        return f == ActivationFunction.SILU && !keras3 ? "swish" : f.toString(); // one function, of an older name
    }

    /** Its class; {@code c} gets its configuration, {@code taken} its weights. */
    private String layer(Layer layer, String name, Model model, Map<String, Object> c, Map<String, Tensor> taken) {
        String type = layer.type();
        switch (layer) {
            case Input i -> {
                c.put(keras3 ? "batch_shape" : "batch_input_shape", batch(i.shape()));
                c.put("sparse", false);
            }
            case Conv2D l -> {
                convolution(
                        c,
                        l.filters(),
                        pair(l.geometry().kernel()),
                        pair(l.geometry().strides()),
                        l.bias());
                c.put("padding", l.geometry().padding().toString());
                c.put("dilation_rate", pair(l.geometry().dilation()));
                c.put("groups", l.groups());
                c.put("activation", activation(l.activation(), name));
                take(taken, name, l.bias() ? List.of("kernel", "bias") : List.of("kernel"));
            }
            case ChannelPadding p -> { // for which Keras has no layer: a convolution with an identity matrix
                type = "Conv2D";
                int in = channels(model, p);
                int out = in + p.before() + p.behind();
                convolution(c, out, List.of(1, 1), List.of(1, 1), false);
                c.put("padding", "valid");
                c.put("activation", "linear");
                var identity = new float[in * out];
                for (int i = 0; i < in; i++) {
                    identity[i * out + p.before() + i] = 1;
                }
                taken.put("kernel", Tensor.of(Shape.of(1, 1, in, out), identity));
            }
            case BatchNormalization b -> {
                c.put("axis", b.axis());
                c.put("momentum", b.momentum());
                c.put("epsilon", b.epsilon());
                c.put("center", b.center());
                c.put("scale", b.scale());
                if (b.scale()) {
                    take(taken, name, List.of("gamma"));
                }
                if (b.center()) {
                    take(taken, name, List.of("beta"));
                }
                take(taken, name, List.of("moving_mean", "moving_variance"));
            }
            case Dense d -> {
                c.put("units", d.units());
                c.put("activation", activation(d.activation(), name));
                c.put("use_bias", d.bias());
                take(taken, name, d.bias() ? List.of("kernel", "bias") : List.of("kernel"));
            }
            case Activation a -> c.put("activation", activation(a.function(), name));
            case LeakyReLU l -> c.put(keras3 ? "negative_slope" : "alpha", l.negativeSlope());
            case Clip l -> {
                if (l.low() != 0) {
                    throw new GradusException("layer '" + name + "' clips to " + l.low() + " .. " + l.high()
                            + "; Keras's layers clip at 0 alone; write the model as ONNX");
                }
                type = "ReLU";
                c.put("max_value", l.high());
            }
            case Concatenate j -> c.put("axis", j.axis());
            case ZeroPadding2D p -> {
                c.put("padding", List.of(List.of(p.top(), p.bottom()), List.of(p.left(), p.right())));
                c.put("data_format", "channels_last");
            }
            case MaxPooling2D p -> pool(c, name, p.pool(), p.strides(), p.padding(), p.border());
            case AveragePooling2D p -> pool(c, name, p.pool(), p.strides(), p.padding(), p.border());
            case GlobalAveragePooling2D g -> global(c, g.keepdims());
            case GlobalMaxPooling2D g -> global(c, g.keepdims());
            case Reshape r -> c.put("target_shape", dims(r.target()));
            case Dropout d -> c.put("rate", d.rate());
            case Add a -> {}
            case Subtract s -> {}
            case Multiply m -> {}
            case Average a -> {}
            case Flatten f -> c.put("data_format", "channels_last");
            default ->
                throw new GradusException(
                        "layer '" + name + "' is a " + layer.getClass().getName()
                                + ", for which Keras has no layer; only Gradus's own layers can be written");
        }
        return type;
    }

    private static void convolution(
            Map<String, Object> c, int filters, List<Integer> kernel, List<Integer> strides, boolean bias) {
        c.put("filters", filters);
        c.put("kernel_size", kernel);
        c.put("strides", strides);
        c.put("data_format", "channels_last");
        c.put("use_bias", bias);
    }

    private static void pool(
            Map<String, Object> c, String name, Size pool, Size strides, Padding padding, Border border) {
        if (border != null) {
            throw new GradusException("layer '" + name + "' has the border " + border
                    + ", which Keras's pooling cannot have; write the model as ONNX");
        }
        c.put("pool_size", pair(pool));
        c.put("strides", pair(strides));
        c.put("padding", padding.toString());
        c.put("data_format", "channels_last");
    }

    /** keepdims is newer than the files written here and only said where it matters. */
    private static void global(Map<String, Object> c, boolean keepdims) {
        c.put("data_format", "channels_last");
        if (keepdims) {
            c.put("keepdims", true);
        }
    }

    private static int channels(Model model, ChannelPadding p) {
        for (String name : model.layerNames()) {
            if (model.layer(name) == p) {
                return model.outputShape(name).dim(2) - p.before() - p.behind();
            }
        }
        throw new IllegalStateException("no such layer");
    }

    private void take(Map<String, Tensor> taken, String layer, List<String> names) {
        names.forEach(weight -> taken.put(weight, weights.get(layer + "/" + weight)));
    }
}
