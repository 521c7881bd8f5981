package gradus.importer;

import gradus.io.AtomicFile;
import gradus.io.FileException;
import gradus.io.Json;
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
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/** Writes a model as a layers model of Keras 2: {@code model.json} and shards of 4 MiB, which TensorFlow.js loads. */
final class LayersModelWriter {
    private static final int SHARD_BYTES = 4 << 20;

    private final Map<String, Tensor> weights;
    private final Map<String, Tensor> written = new LinkedHashMap<>();

    private LayersModelWriter(Map<String, Tensor> weights) {
        this.weights = weights;
    }

    static void write(Model model, Map<String, String> metadata, Path folder) {
        var writer = new LayersModelWriter(model.weights());
        Map<String, Object> topology = writer.model(model, "");
        long bytes =
                writer.written.values().stream().mapToLong(t -> 4L * t.size()).sum();
        int shards = (int) Math.max(1, (bytes + SHARD_BYTES - 1) / SHARD_BYTES);
        var json = new LinkedHashMap<String, Object>();
        json.put("format", "layers-model");
        json.put("generatedBy", "keras v2.2.4-tf");
        json.put("convertedBy", "gradus");
        json.put(
                "modelTopology",
                Map.of("keras_version", "2.2.4-tf", "backend", "tensorflow", "model_config", topology));
        var manifest = new LinkedHashMap<String, Object>();
        manifest.put(
                "paths",
                IntStream.rangeClosed(1, shards).mapToObj(i -> shard(i, shards)).toList());
        var list = new ArrayList<Object>();
        writer.written.forEach((name, t) -> {
            var entry = new LinkedHashMap<String, Object>();
            entry.put("name", name);
            entry.put("shape", dims(t.shape()));
            entry.put("dtype", "float32");
            list.add(entry);
        });
        manifest.put("weights", list);
        json.put("weightsManifest", List.of(manifest));
        if (!metadata.isEmpty()) {
            var own = new LinkedHashMap<String, Object>();
            metadata.forEach((key, value) -> own.put(key, Json.parse(value)));
            json.put("userDefinedMetadata", own);
        }
        writer.save(Json.write(json).getBytes(StandardCharsets.UTF_8), shards, folder);
    }

    private static String shard(int i, int of) {
        return "group1-shard" + i + "of" + of + ".bin";
    }

    /** Into a folder that gets its name when all of it is there. */
    private void save(byte[] json, int shards, Path folder) {
        try {
            if (Files.exists(folder)) {
                try (var list = Files.list(folder)) {
                    if (list.findAny().isPresent()) {
                        throw new FileException("cannot write " + folder + ": the folder exists and is not empty");
                    }
                }
            }
            Path target = folder.toAbsolutePath();
            Path temporary = Files.createTempDirectory(target.getParent(), "." + target.getFileName() + ".");
            try {
                shards(temporary, shards);
                AtomicFile.write(temporary.resolve("model.json"), json);
                Files.deleteIfExists(target);
                Files.move(temporary, target);
            } catch (Throwable failure) {
                delete(temporary);
                throw failure;
            }
        } catch (IOException e) {
            throw new FileException("cannot write " + folder + ": " + e.getMessage(), e);
        }
    }

    private static void delete(Path folder) throws IOException {
        try (var list = Files.list(folder)) {
            for (Path file : list.toList()) {
                Files.deleteIfExists(file);
            }
        }
        Files.deleteIfExists(folder);
    }

    private void shards(Path folder, int shards) throws IOException {
        var shard = new ByteArrayOutputStream(SHARD_BYTES + (1 << 20));
        int number = 1;
        for (Tensor t : written.values()) {
            OnnxWriter.write(t.floats(), shard);
            if (shard.size() >= SHARD_BYTES) {
                byte[] all = shard.toByteArray();
                int from = 0;
                while (all.length - from >= SHARD_BYTES && number < shards) {
                    write(folder, number++, shards, all, from, from + SHARD_BYTES);
                    from += SHARD_BYTES;
                }
                shard.reset();
                shard.write(all, from, all.length - from);
            }
        }
        byte[] rest = shard.toByteArray();
        write(folder, number, shards, rest, 0, rest.length);
    }

    private static void write(Path folder, int i, int of, byte[] bytes, int from, int to) {
        AtomicFile.write(folder.resolve(shard(i, of)), out -> out.write(bytes, from, to - from));
    }

    // ---- the topology ----

    private Map<String, Object> model(Model model, String prefix) {
        Map<?, ?> own = model.config();
        Set<String> models = new HashSet<>();
        for (Object entry : (List<?>) own.get("layers")) {
            var layer = (Map<?, ?>) entry;
            if (layer.containsKey("model")) {
                models.add((String) layer.get("name"));
            }
        }
        var layers = new ArrayList<Object>();
        for (Object entry : (List<?>) own.get("layers")) {
            var map = (Map<?, ?>) entry;
            String name = (String) map.get("name");
            Layer layer = model.layer(name);
            Map<String, Object> keras = layer instanceof Model nested
                    ? model(nested, prefix + name + "/")
                    : layer(layer, prefix + name, model);
            var whole = new LinkedHashMap<String, Object>();
            whole.put("name", name);
            whole.put("class_name", keras.get("class_name"));
            var config = new LinkedHashMap<String, Object>();
            config.put("name", name);
            if (!(layer instanceof Model)) {
                config.put(
                        "trainable", !Boolean.FALSE.equals(map.get("trainable")) && !(layer instanceof ChannelPadding));
                config.put("dtype", "float32");
            }
            ((Map<?, ?>) keras.get("config")).forEach((k, v) -> config.put((String) k, v));
            config.put("name", name);
            whole.put("config", config);
            var nodes = new ArrayList<Object>();
            if (!(layer instanceof Input)) {
                for (Object call : (List<?>) map.get("calls")) {
                    nodes.add(((List<?>) call)
                            .stream().map(r -> reference(r, models, true)).toList());
                }
            }
            whole.put("inbound_nodes", nodes);
            if (layer instanceof ChannelPadding p) { // beside what Keras reads
                whole.put(KerasLayers.CHANNEL_PADDING, List.of(p.before(), p.behind()));
            }
            layers.add(whole);
        }
        var config = new LinkedHashMap<String, Object>();
        config.put("name", model.name());
        config.put("layers", layers);
        config.put("input_layers", references(own.get("inputs"), models));
        config.put("output_layers", references(own.get("outputs"), models));
        var keras = new LinkedHashMap<String, Object>();
        keras.put("class_name", "Model");
        keras.put("config", config);
        return keras;
    }

    private static List<Object> references(Object list, Set<String> models) {
        return ((List<?>) list).stream().map(r -> reference(r, models, false)).toList();
    }

    /** Calls of a model within a model are counted from 1, its own construction being 0. */
    private static Object reference(Object own, Set<String> models, boolean arguments) {
        var r = (List<?>) own;
        var reference = new ArrayList<Object>(r);
        if (models.contains(r.get(0))) {
            reference.set(1, ((Number) r.get(1)).intValue() + 1);
        }
        if (arguments) {
            reference.add(Map.of());
        }
        return reference;
    }

    private static List<Integer> dims(Shape s) {
        return IntStream.of(s.toArray()).boxed().toList();
    }

    private static List<Integer> pair(Size s) {
        return List.of(s.height(), s.width());
    }

    private static String activation(ActivationFunction f, String layer) {
        if (f == ActivationFunction.GELU_TANH) {
            throw new GradusException("layer '" + layer + "': gelu_tanh has no name in Keras");
        }
        return f.toString();
    }

    private Map<String, Object> layer(Layer layer, String name, Model model) {
        var c = new LinkedHashMap<String, Object>();
        String type = layer.type();
        switch (layer) {
            case Input i -> {
                var batch = new ArrayList<Object>();
                batch.add(null);
                batch.addAll(dims(i.shape()));
                c.put("batch_input_shape", batch);
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
                take(name, l.bias() ? List.of("kernel", "bias") : List.of("kernel"));
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
                written.put(name + "/kernel", Tensor.of(Shape.of(1, 1, in, out), identity));
            }
            case BatchNormalization b -> {
                c.put("axis", b.axis());
                c.put("momentum", b.momentum());
                c.put("epsilon", b.epsilon());
                c.put("center", b.center());
                c.put("scale", b.scale());
                if (b.scale()) {
                    take(name, List.of("gamma"));
                }
                if (b.center()) {
                    take(name, List.of("beta"));
                }
                take(name, List.of("moving_mean", "moving_variance"));
            }
            case Dense d -> {
                c.put("units", d.units());
                c.put("activation", activation(d.activation(), name));
                c.put("use_bias", d.bias());
                take(name, d.bias() ? List.of("kernel", "bias") : List.of("kernel"));
            }
            case Activation a -> c.put("activation", activation(a.function(), name));
            case LeakyReLU l -> c.put("alpha", l.negativeSlope());
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
        return Map.of("class_name", type, "config", c);
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

    private void take(String layer, List<String> names) {
        for (String weight : names) {
            written.put(layer + "/" + weight, weights.get(layer + "/" + weight));
        }
    }
}
