package gradus.importer;

import gradus.io.AtomicFile;
import gradus.io.FileException;
import gradus.io.Json;
import gradus.layers.Model;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;

/** Writes a model as a layers model of Keras 2: {@code model.json} and shards of 4 MiB, which TensorFlow.js loads. */
final class LayersModelWriter {
    private static final int SHARD_BYTES = 4 << 20;

    private final List<KerasTopology.Weight> written;

    private LayersModelWriter(List<KerasTopology.Weight> written) {
        this.written = written;
    }

    static void write(Model model, Map<String, String> metadata, Path folder) {
        var topology = KerasTopology.keras2(model);
        var writer = new LayersModelWriter(
                topology.layers().stream().flatMap(l -> l.weights().stream()).toList());
        long bytes =
                writer.written.stream().mapToLong(w -> 4L * w.values().size()).sum();
        int shards = (int) Math.max(1, (bytes + SHARD_BYTES - 1) / SHARD_BYTES);
        var json = new LinkedHashMap<String, Object>();
        json.put("format", "layers-model");
        json.put("generatedBy", "keras v2.2.4-tf");
        json.put("convertedBy", "gradus");
        json.put(
                "modelTopology",
                KerasTopology.map(
                        "keras_version", "2.2.4-tf", "backend", "tensorflow", "model_config", topology.config()));
        var manifest = new LinkedHashMap<String, Object>();
        manifest.put(
                "paths",
                IntStream.rangeClosed(1, shards).mapToObj(i -> shard(i, shards)).toList());
        var list = new ArrayList<Object>();
        writer.written.forEach(w -> {
            list.add(KerasTopology.map(
                    "name", w.name(), "shape", KerasTopology.dims(w.values().shape()), "dtype", "float32"));
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

    /** Into a folder that gets its name when all of it is there. A symbolic link to a folder is followed. */
    private void save(byte[] json, int shards, Path folder) {
        try {
            Path target = AtomicFile.followed(folder);
            if (Files.exists(target)) {
                try (var list = Files.list(target)) {
                    if (list.findAny().isPresent()) {
                        throw new FileException("cannot write " + folder + ": the folder exists and is not empty");
                    }
                }
            } else if (!Files.isDirectory(target.getParent())) {
                throw new FileException(
                        "cannot write " + folder + ": there is no directory " + target.getParent() + "; create it");
            }
            String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
            Path temporary = target.resolveSibling("." + target.getFileName() + "." + random + ".tmp");
            Files.createDirectory(temporary); // with the permissions of any new folder
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
            throw FileException.writing(folder, e);
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
        for (KerasTopology.Weight w : written) {
            OnnxWriter.write(w.values().floats(), shard);
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
}
