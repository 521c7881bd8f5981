package gradus.app;

import gradus.data.Pictures;
import gradus.importer.Exporter;
import gradus.importer.Format;
import gradus.importer.Report;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus convert IN OUT}. */
@Command(
        name = "convert",
        description =
                "Writes a model in another format: OUT.safetensors (Gradus's own), OUT.onnx, Keras's OUT.h5 (whole, of"
                        + " Keras 2), OUT.keras (whole, of Keras 3), OUT.weights.h5 (weights alone), or a folder OUT"
                        + " (layers model, which TensorFlow.js loads), or with --to torchvision the weights of one of"
                        + " torchvision's ResNets.")
final class Convert implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    FileOptions options;

    @Parameters(
            index = "0",
            paramLabel = "IN",
            description = "model: what 'train' left, safetensors, a layers-model folder of Keras, HDF5, or ONNX")
    Path in;

    @Parameters(index = "1", paramLabel = "OUT", description = "file or folder to write")
    Path out;

    @Option(
            names = "--to",
            paramLabel = "FORMAT",
            description =
                    "gradus, onnx, keras (a folder), h5, keras3, weights (.weights.h5) or torchvision; default: by the"
                            + " ending of OUT")
    String to;

    @Option(names = "--report", description = "list every tensor and the weight it became")
    boolean report;

    private static final List<String> FORMATS =
            List.of("gradus", "onnx", "keras", "h5", "keras3", "weights", "torchvision");

    /** By what a name ends in, the first that fits. */
    private static final List<Map.Entry<String, String>> ENDINGS = List.of(
            Map.entry(".safetensors", "gradus"),
            Map.entry(".onnx", "onnx"),
            Map.entry(".weights.h5", "weights"),
            Map.entry(".h5", "h5"),
            Map.entry(".hdf5", "h5"),
            Map.entry(".keras", "keras3"));

    @Override
    public Integer call() {
        String format = format();
        ModelFile file = ModelFile.open(in, options);
        var imported = file.imported();
        Pictures pictures = imported.pictures().orElse(null);
        Format own = switch (format) {
            case "gradus" -> Format.GRADUS;
            case "onnx" -> Format.ONNX;
            case "keras" -> Format.KERAS_LAYERS;
            case "torchvision" -> Format.TORCHVISION;
            default -> null;
        };
        if (own != null) {
            Exporter.write(file.model(), imported.labels(), pictures, own, out);
        } else {
            KerasWriter.write(file.model(), Exporter.metadata(imported.labels(), pictures), format, out);
        }
        var writer = spec.commandLine().getOut();
        if (report) {
            for (Report.Match m : imported.report().matched()) {
                writer.println(m.tensor() + " -> " + m.weight() + " " + m.shape());
            }
        }
        writer.println(in + " (" + imported.format() + "): " + imported.report());
        writer.println(String.format(
                Locale.ROOT,
                "%s (%s): %,d parameters",
                out,
                format,
                file.model().parameterCount()));
        return Exit.OK;
    }

    /** Name of a file in lower case, whose ending says what it holds; empty for a root, which has none. */
    static String name(Path file) {
        Path name = file.getFileName();
        return name == null ? "" : name.toString().toLowerCase(Locale.ROOT);
    }

    private String format() {
        if (to != null) {
            if (!FORMATS.contains(to)) {
                throw new UsageException("--to must be one of " + String.join(", ", FORMATS) + ", not '" + to + "'");
            }
            return to;
        }
        String name = name(out);
        return ENDINGS.stream()
                .filter(e -> name.endsWith(e.getKey()))
                .findFirst()
                .map(Map.Entry::getValue)
                .orElseGet(() -> {
                    if (name.contains(".")) {
                        throw new UsageException("which format '" + out
                                + "' is to have does not follow from its name; say it with --to");
                    }
                    return "keras";
                });
    }
}
