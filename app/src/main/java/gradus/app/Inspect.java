package gradus.app;

import gradus.importer.Contents;
import gradus.importer.Importer;
import gradus.io.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus inspect FILE}. */
@Command(name = "inspect", description = "Lists the metadata and the tensors of a model file of any known format.")
final class Inspect implements Callable<Integer> {
    /** Longer names and metadata are cut in the table; --json has all of them. */
    private static final int SHOWN = 100;

    @Spec
    CommandSpec spec;

    @Parameters(paramLabel = "FILE", description = "safetensors, a layers-model folder of Keras, HDF5, or ONNX")
    Path path;

    @Option(
            names = "--json",
            description =
                    "one line {\"file\":..,\"format\":..,\"metadata\":{..},\"tensors\":[{\"name\":..,\"dtype\":..,"
                            + "\"shape\":[..]}]}")
    boolean json;

    @Override
    public Integer call() {
        if (!Files.exists(path)) {
            throw new UsageException(path + ": no such file or folder");
        }
        Contents contents = Importer.inspect(path);
        var out = spec.commandLine().getOut();
        if (json) {
            out.println(json(contents));
            return Exit.OK;
        }
        out.println(path + ": " + contents.format());
        contents.metadata().forEach((key, value) -> {
            out.println("  " + shown(key) + ": " + shown(value.strip().replaceAll("\\s+", " ")));
        });
        int width = contents.tensors().stream()
                .mapToInt(t -> shown(t.name()).length())
                .max()
                .orElse(0);
        long elements = 0;
        for (Contents.Entry t : contents.tensors()) {
            out.println(
                    String.format(Locale.ROOT, "%-" + (width + 2) + "s%-9s%s", shown(t.name()), t.dtype(), t.shape()));
            elements += t.shape().size();
        }
        out.println(String.format(
                Locale.ROOT, "%d tensors, %,d elements", contents.tensors().size(), elements));
        return Exit.OK;
    }

    /** On one line of a terminal, which characters of control would set to something else. */
    private static String shown(String text) {
        String start = text.length() > SHOWN ? text.substring(0, SHOWN) + "..." : text;
        return Main.printable(start);
    }

    private String json(Contents contents) {
        var map = new LinkedHashMap<String, Object>();
        map.put("file", path.toString());
        map.put("format", contents.format().toString());
        map.put("metadata", contents.metadata());
        map.put(
                "tensors",
                contents.tensors().stream()
                        .map(t -> {
                            var tensor = new LinkedHashMap<String, Object>();
                            tensor.put("name", t.name());
                            tensor.put("dtype", t.dtype());
                            tensor.put(
                                    "shape",
                                    IntStream.of(t.shape().toArray()).boxed().toList());
                            return tensor;
                        })
                        .toList());
        return Json.write(map);
    }
}
