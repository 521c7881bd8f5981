package gradus.importer;

import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.io.MappedFile;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Keras models as TensorFlow.js's converter writes them: {@code model.json} with the topology and a manifest of the
 * tensors, and binary files with their values one after the other, cut anywhere.
 */
final class LayersModel {
    /** Largest {@code model.json} that is read; that of ResNet-152 has a twentieth of it. */
    static final int MAX_JSON_BYTES = 16 << 20;

    private LayersModel() {}

    /** @param file {@code model.json} */
    static Imported read(Path file, ImportOptions options) {
        Config json = parse(file);
        if (json.map().get("modelTopology") == null
                || "graph-model".equals(json.map().get("format"))) {
            throw json.error(
                    "has a graph of TensorFlow operations, not of Keras layers; convert the Keras model itself");
        }
        Map<String, String> metadata = metadata(json);
        String note = null;
        if (!labels(metadata.get(Checkpoint.LABELS))) { // others may mean something else by it
            note = "userDefinedMetadata.labels is not used: it is no list of strings";
            metadata.remove(Checkpoint.LABELS);
        }
        try (var tensors = new Shards(json, file.toAbsolutePath().getParent())) {
            Imported imported =
                    Keras.read(file.toString(), Format.KERAS_LAYERS, model(json), tensors, metadata, options);
            return note == null ? imported : imported.noting(note);
        }
    }

    /** An object, or its text. */
    private static Map<?, ?> model(Config json) {
        Config topology = json.object("modelTopology");
        if (topology.map().get("model_config") instanceof String text) {
            try {
                if (Json.parsePython(text) instanceof Map<?, ?> map) {
                    return map;
                }
            } catch (FormatException e) {
                throw new FormatException(json.where() + ": model_config is not JSON: " + e.getMessage(), -1, e);
            }
        }
        return topology.has("model_config") ? topology.object("model_config").map() : topology.map();
    }

    private static boolean labels(String json) {
        try {
            return json == null
                    || Json.parse(json) instanceof List<?> list && list.stream().allMatch(String.class::isInstance);
        } catch (FormatException e) {
            return false; // a text
        }
    }

    static Contents inspect(Path file) {
        Config json = parse(file);
        try (var tensors = new Shards(json, file.toAbsolutePath().getParent())) {
            return Contents.of(Format.KERAS_LAYERS, metadata(json), tensors);
        }
    }

    private static Config parse(Path file) {
        Object parsed;
        try {
            parsed = Json.parsePython(bytes(file));
        } catch (FormatException e) {
            throw new FormatException(file + ": " + e.getMessage(), e.position(), e);
        }
        if (!(parsed instanceof Map<?, ?> map && map.containsKey("modelTopology"))) {
            throw new FormatException(file + ": has no modelTopology; is this a layers model of Keras?", -1);
        }
        return new Config(file.toString(), map);
    }

    private static Map<String, String> metadata(Config json) {
        var metadata = new LinkedHashMap<String, String>();
        for (String key : List.of("format", "generatedBy", "convertedBy")) {
            if (json.map().get(key) instanceof String s) {
                metadata.put(key, s);
            }
        }
        if (json.map().get("userDefinedMetadata") instanceof Map<?, ?> own) {
            own.forEach((key, value) -> metadata.put((String) key, value instanceof String s ? s : Json.write(value)));
        }
        return metadata;
    }

    private static byte[] bytes(Path file) {
        try {
            long size = Files.size(file);
            if (size > MAX_JSON_BYTES) {
                throw new FormatException(
                        file + ": has " + size + " bytes, at most " + MAX_JSON_BYTES + " are read", -1);
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw FileException.reading(file, e);
        }
    }

    /** The tensors of the manifest. */
    static final class Shards implements TensorSource, AutoCloseable {
        /** Where a tensor begins in the bytes of its group, and how its numbers are stored. */
        private record Entry(Group group, Shape shape, long begin, Storage storage, double scale, double min) {
            long bytes() {
                return (long) shape.size() * storage.bytes;
            }
        }

        private enum Storage {
            FLOAT32(4),
            FLOAT16(2),
            INT32(4),
            UINT16(2),
            UINT8(1);

            final int bytes;

            Storage(int bytes) {
                this.bytes = bytes;
            }
        }

        /** Files that are read as one. */
        private record Group(List<MappedFile> files) {
            long size() {
                return files.stream().mapToLong(MappedFile::size).sum();
            }

            byte[] copy(long begin, int n) {
                var copy = new byte[n];
                int done = 0;
                long start = 0;
                for (MappedFile file : files) {
                    long from = Math.max(begin + done, start);
                    long end = Math.min(begin + n, start + file.size());
                    if (from < end) {
                        int at = done;
                        int length = (int) (end - from);
                        file.read(from - start, length, b -> b.get(copy, at, length));
                        done += length;
                    }
                    start += file.size();
                }
                return copy;
            }
        }

        private static final int MAX_FILES = 1_000;

        private final String source;
        private final Map<String, Entry> entries = new LinkedHashMap<>();
        private final List<MappedFile> files = new ArrayList<>();

        Shards(Config json, Path folder) {
            source = json.where();
            try {
                for (Object group : json.list("weightsManifest")) {
                    if (!(group instanceof Map<?, ?> map)) {
                        throw json.error("weightsManifest must list objects, not " + Config.text(group));
                    }
                    group(new Config(source + ": weightsManifest", map), folder);
                }
            } catch (Throwable failure) {
                close();
                throw failure;
            }
        }

        private void group(Config manifest, Path folder) {
            var mapped = new ArrayList<MappedFile>();
            for (Object path : manifest.list("paths")) {
                Path shard = path instanceof String name ? Importer.beside(folder, name) : null;
                if (shard == null) {
                    throw manifest.error("'" + Config.text(path)
                            + "' is not the name of a file beside it, or none that this system can have");
                }
                if (files.size() == MAX_FILES) {
                    throw manifest.error("more than " + MAX_FILES + " files");
                }
                MappedFile file = MappedFile.open(shard);
                files.add(file);
                mapped.add(file);
            }
            var group = new Group(List.copyOf(mapped));
            long end = 0;
            for (Object weight : manifest.list("weights")) {
                if (!(weight instanceof Map<?, ?> map)) {
                    throw manifest.error("weights must be objects, not " + Config.text(weight));
                }
                String name = new Config(manifest.where(), map).string("name");
                Entry entry = entry(group, new Config(source + ": tensor '" + Config.text(name) + "'", map), end);
                if (entries.put(name, entry) != null) {
                    throw manifest.error("tensor '" + Config.text(name) + "' occurs twice");
                }
                end += entry.bytes();
                if (end > group.size()) {
                    throw manifest.error("the files end at byte " + group.size() + ", tensor '" + Config.text(name)
                            + "' at byte " + end + "; is the download complete?");
                }
            }
            if (end != group.size()) {
                throw manifest.error("the tensors have " + end + " bytes, the files " + group.size());
            }
        }

        private static Entry entry(Group group, Config c, long begin) {
            List<?> list = c.list("shape");
            if (list.size() > 8) {
                throw c.error("cannot have " + list.size() + " axes");
            }
            var dims = new int[list.size()];
            long size = 1;
            for (int i = 0; i < dims.length; i++) {
                if (!(list.get(i) instanceof Long n && n >= 0 && n <= Integer.MAX_VALUE)) {
                    throw c.error("cannot have the extent " + Config.text(list.get(i)));
                }
                dims[i] = n.intValue();
                size *= n;
                if (size > Integer.MAX_VALUE) {
                    throw c.error("has more than 2^31 - 1 elements");
                }
            }
            String dtype = c.string("dtype");
            double scale = 1;
            double min = 0;
            if (c.has("quantization")) {
                Config q = c.object("quantization");
                dtype = q.string("dtype");
                scale = q.number("scale", 1);
                min = q.number("min", 0);
            }
            Storage storage = switch (dtype) {
                case "float32" -> Storage.FLOAT32;
                case "float16" -> Storage.FLOAT16;
                case "int32" -> Storage.INT32;
                case "uint16" -> Storage.UINT16;
                case "uint8", "bool" -> Storage.UINT8;
                default -> throw c.error("has the type '" + Config.text(dtype) + "', which cannot be read");
            };
            return new Entry(group, Shape.of(dims), begin, storage, scale, min);
        }

        @Override
        public Set<String> names() {
            return entries.keySet();
        }

        @Override
        public Shape shape(String name) {
            return entries.get(name).shape;
        }

        @Override
        public String dtype(String name) {
            return entries.get(name).storage.name().toLowerCase(Locale.ROOT);
        }

        @Override
        public Tensor read(String name) {
            Entry e = entries.get(name);
            if (e.bytes() > Integer.MAX_VALUE - 8) {
                throw new FormatException(source + ": tensor '" + name + "' has " + e.bytes() + " bytes, too many", -1);
            }
            ByteBuffer b =
                    ByteBuffer.wrap(e.group.copy(e.begin, (int) e.bytes())).order(ByteOrder.LITTLE_ENDIAN);
            var y = new float[e.shape.size()];
            float scale = (float) e.scale;
            float min = (float) e.min;
            switch (e.storage) {
                case FLOAT32 -> b.asFloatBuffer().get(y);
                case FLOAT16 -> {
                    for (int i = 0; i < y.length; i++) {
                        y[i] = Float.float16ToFloat(b.getShort());
                    }
                }
                case INT32 -> {
                    for (int i = 0; i < y.length; i++) {
                        y[i] = b.getInt();
                    }
                }
                case UINT16 -> {
                    for (int i = 0; i < y.length; i++) {
                        y[i] = (b.getShort() & 0xffff) * scale + min;
                    }
                }
                case UINT8 -> {
                    for (int i = 0; i < y.length; i++) {
                        y[i] = (b.get() & 0xff) * scale + min;
                    }
                }
            }
            return Tensor.of(e.shape, y);
        }

        @Override
        public void close() {
            files.forEach(MappedFile::close);
        }
    }
}
