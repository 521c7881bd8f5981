package gradus.app;

import gradus.importer.Exporter;
import gradus.importer.Format;
import gradus.importer.Report;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;
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
                "Writes a model in another format: OUT.safetensors (Gradus's own), OUT.onnx, a folder OUT (layers model"
                        + " of Keras), or with --to torchvision the weights of one of torchvision's ResNets.")
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
            description = "gradus, onnx, keras or torchvision; default: by the ending of OUT")
    String to;

    @Option(names = "--report", description = "list every tensor and the weight it became")
    boolean report;

    private static final Set<String> HDF5 = Set.of("h5", "hdf5", "keras");

    private static final String UNWRITTEN =
            ": .h5 and .keras files are read, not written; Keras's layers models, which TensorFlow.js's converter makes .h5"
                    + " of, are folders: give a name without ending; or write .onnx or .safetensors";

    @Override
    public Integer call() {
        Format format = format();
        ModelFile file = ModelFile.open(in, options);
        var imported = file.imported();
        Exporter.write(file.model(), imported.labels(), imported.pictures().orElse(null), format, out);
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

    private Format format() {
        String name = out.getFileName() == null ? "" : out.getFileName().toString();
        String kind = to != null
                ? to
                : name.endsWith(".safetensors")
                        ? "gradus"
                        : name.endsWith(".onnx") ? "onnx" : name.contains(".") ? "" : "keras";
        return switch (kind) {
            case "gradus" -> Format.GRADUS;
            case "onnx" -> Format.ONNX;
            case "keras" -> Format.KERAS_LAYERS;
            case "torchvision" -> Format.TORCHVISION;
            default ->
                throw new UsageException(
                        to != null
                                ? "--to must be gradus, onnx, keras or torchvision, not '" + to + "'"
                                        + (HDF5.contains(to) ? UNWRITTEN : "")
                                : HDF5.contains(name.substring(name.lastIndexOf('.') + 1)
                                                .toLowerCase(Locale.ROOT))
                                        ? "'" + out + "' cannot be written" + UNWRITTEN
                                        : "which format '" + out
                                                + "' is to have does not follow from its name; say it with --to");
        };
    }
}
