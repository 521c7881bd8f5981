package gradus.app;

import gradus.importer.KerasTopology;
import gradus.importer.KerasTopology.Listed;
import gradus.importer.KerasTopology.Weight;
import gradus.io.AtomicFile;
import gradus.io.Json;
import gradus.layers.Model;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Writes what Keras saves:
 *
 * <ul>
 *   <li>{@code h5}, of Keras 2, which Keras 3 loads as well: the configuration as an attribute, arrays by name, {@code
 *       model_weights/conv1/conv1/kernel:0}, and attributes that say which there are, and in which order;
 *   <li>{@code weights}, of Keras 3: arrays by number, {@code layers/conv2d_1/vars/0};
 *   <li>{@code keras3}: an archive of {@code config.json}, {@code metadata.json} and such weights.
 * </ul>
 *
 * Equal models make equal files.
 *
 * @see <a href="https://keras.io/api/models/model_saving_apis/">Keras: saving of models</a>
 */
final class KerasWriter {
    private KerasWriter() {}

    /**
     * Writes a model; the file appears whole or not at all.
     *
     * @param metadata kept where Keras does not look
     * @param format {@code h5}, {@code weights} or {@code keras3}
     * @throws gradus.io.FileException if the file cannot be written
     * @throws gradus.tensor.GradusException if Keras has no word for a layer, which the message names
     */
    static void write(Model model, Map<String, String> metadata, String format, Path file) {
        var own = new LinkedHashMap<String, String>();
        metadata.forEach((key, value) -> own.put(Hdf5Reader.OWN + key, ascii(value)));
        KerasTopology keras = format.equals("h5") ? KerasTopology.keras2(model) : KerasTopology.keras3(model);
        switch (format) {
            case "h5" -> {
                Hdf5Writer.Group root = named(keras);
                root.attributes().putAll(own);
                AtomicFile.write(file, out -> Hdf5Writer.write(root, out));
            }
            case "weights" -> {
                Hdf5Writer.Group root = numbered(keras.layers());
                root.attributes().putAll(own);
                AtomicFile.write(file, out -> Hdf5Writer.write(root, out));
            }
            case "keras3" -> AtomicFile.write(file, out -> archive(keras, own, out));
            default -> throw new IllegalArgumentException(format);
        }
    }

    private static Hdf5Writer.Group named(KerasTopology keras) {
        var root = new Hdf5Writer.Group();
        Hdf5Writer.Group all = root.group("model_weights");
        for (Hdf5Writer.Group group : List.of(root, all)) {
            group.attributes().put("keras_version", "2.10.0");
            group.attributes().put("backend", "tensorflow");
        }
        root.attributes().put("model_config", ascii(Json.write(keras.config())));
        List<Listed> layers =
                keras.layers().stream().filter(l -> !l.weights().isEmpty()).toList();
        all.attributes().put("layer_names", layers.stream().map(Listed::name).toList());
        for (Listed layer : layers) {
            Hdf5Writer.Group group = all.group(layer.name());
            var order = new ArrayList<>(
                    layer.weights().stream().filter(Weight::trainable).toList());
            layer.weights().stream().filter(w -> !w.trainable()).forEach(order::add); // what matters for models
            group.attributes()
                    .put(
                            "weight_names",
                            order.stream().map(w -> w.name() + ":0").toList());
            for (Weight w : order) {
                int slash = w.name().lastIndexOf('/');
                group.group(w.name().substring(0, slash)).put(w.name().substring(slash + 1) + ":0", w.values());
            }
        }
        return root;
    }

    private static Hdf5Writer.Group numbered(List<Listed> layers) {
        var root = new Hdf5Writer.Group();
        numbered(root, layers);
        return root;
    }

    private static void numbered(Hdf5Writer.Group at, List<Listed> layers) {
        for (Listed layer : layers) {
            String group = "layers/" + layer.group();
            if (!layer.layers().isEmpty()) {
                numbered(at.group(group), layer.layers());
                continue;
            }
            for (int i = 0; i < layer.weights().size(); i++) {
                at.group(group + "/vars")
                        .put(Integer.toString(i), layer.weights().get(i).values());
            }
        }
    }

    private static void archive(KerasTopology keras, Map<String, String> own, OutputStream out) throws IOException {
        var metadata = new LinkedHashMap<String, Object>(Map.of("keras_version", "3.0.0"));
        metadata.putAll(own);
        var zip = new ZipOutputStream(out);
        zip.setLevel(Deflater.NO_COMPRESSION); // weights do not become smaller
        begin(zip, "metadata.json").write(json(metadata));
        begin(zip, "config.json").write(json(keras.config()));
        Hdf5Writer.write(numbered(keras.layers()), begin(zip, "model.weights.h5"));
        zip.finish();
    }

    private static OutputStream begin(ZipOutputStream zip, String name) throws IOException {
        var entry = new ZipEntry(name);
        entry.setTimeLocal(LocalDateTime.of(1980, 1, 1, 0, 0)); // always the same
        zip.putNextEntry(entry);
        return zip;
    }

    private static byte[] json(Map<String, Object> object) {
        return ascii(Json.write(object)).getBytes(StandardCharsets.US_ASCII);
    }

    /** The same JSON in ASCII, as Python writes it. */
    private static String ascii(String json) {
        var text = new StringBuilder();
        json.chars().forEach(c -> {
            if (c < 128) {
                text.append((char) c);
            } else {
                text.append(String.format("\\u%04x", c));
            }
        });
        return text.toString();
    }
}
