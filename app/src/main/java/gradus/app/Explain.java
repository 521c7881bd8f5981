package gradus.app;

import gradus.classifier.Classifier;
import gradus.classifier.HeatMap;
import gradus.classifier.Prediction;
import gradus.data.ImageInput;
import gradus.data.Picture;
import gradus.io.AtomicFile;
import gradus.io.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import javax.imageio.ImageIO;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus explain MODEL IMAGE}. */
@Command(
        name = "explain",
        description =
                "Paints where in a picture the evidence for a class is (Grad-CAM): from blue for none to red for most;"
                        + " grey is what the network was not shown.")
final class Explain implements Callable<Integer> {
    @Spec
    CommandSpec spec;

    @Mixin
    EngineOptions engine;

    @Mixin
    FileOptions options;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "model: what 'train' left, safetensors, a layers-model folder of Keras, HDF5, or ONNX")
    Path path;

    @Parameters(index = "1", paramLabel = "IMAGE", description = "picture file (JPEG, PNG, GIF, BMP)")
    Path image;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            defaultValue = "map.png",
            description = "the picture to write (default map.png)")
    Path file;

    @Option(
            names = "--class",
            paramLabel = "N",
            description = "number or label of the class to explain; default: the most probable one")
    String wanted;

    @Option(
            names = "--layer",
            paramLabel = "NAME",
            description =
                    "whose output to look at; default: the last one that knows places ('summary' lists the layers)")
    String layer;

    @Option(
            names = "--json",
            description = "print {\"file\":..,\"index\":..,\"label\":..,\"probability\":..,\"layer\":..,\"out\":..}")
    boolean json;

    @Override
    public Integer call() {
        if (!Convert.name(file).endsWith(".png")) {
            throw new UsageException("--out must end in .png, not " + file);
        }
        ModelFile model = ModelFile.open(path, options);
        Picture picture = ImageInput.read(image);
        try (var backend = engine.open();
                var classifier = Classifier.of(model.model(), model.labels(), model.pictures(), backend)) {
            int index = wanted == null ? -1 : index(classifier.labels());
            HeatMap map = classifier.explain(picture, index, layer == null ? classifier.spatialLayer() : layer);
            AtomicFile.write(file, png(map.over(picture, classifier.pictures())));
            print(map);
        }
        return Exit.OK;
    }

    private int index(List<String> labels) {
        if (labels.contains(wanted)) {
            return labels.indexOf(wanted);
        }
        if (wanted.matches("\\d{1,9}") && Integer.parseInt(wanted) < labels.size()) {
            return Integer.parseInt(wanted);
        }
        throw new UsageException("--class must be a label or a number from 0 to " + (labels.size() - 1) + ", not '"
                + wanted + "'; the labels begin with " + labels.subList(0, Math.min(10, labels.size())));
    }

    private static byte[] png(Picture picture) {
        var out = new ByteArrayOutputStream();
        try {
            ImageIO.write(picture.toImage(), "png", out);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // there is no input or output in memory
        }
        return out.toByteArray();
    }

    private void print(HeatMap map) {
        Prediction p = map.prediction();
        var out = spec.commandLine().getOut();
        if (!json) {
            out.printf(
                    Locale.ROOT,
                    "%s: %s %.1f %%, seen by layer %s; wrote %s%n",
                    image,
                    p.label(),
                    100 * p.probability(),
                    map.layer(),
                    file);
            return;
        }
        var line = new LinkedHashMap<String, Object>();
        line.put("file", image.toString());
        line.put("index", (long) p.index());
        line.put("label", p.label());
        line.put("probability", p.probability());
        line.put("layer", map.layer());
        line.put("out", file.toString());
        out.println(Json.write(line));
    }
}
