package gradus.app;

import gradus.classifier.Classifier;
import gradus.data.ImageInput;
import gradus.data.Picture;
import gradus.io.Json;
import gradus.tensor.GradusException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus features MODEL IMAGE...}. */
@Command(
        name = "features",
        description =
                "Turns pictures into numbers that are alike for pictures that look alike: what a layer of the model"
                        + " yields. A picture that cannot be read is reported and the others are still done; the exit status is"
                        + " then 2.")
final class Features implements Callable<Integer> {
    private static final int SHOWN = 6;

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

    @Parameters(
            index = "1..*",
            arity = "1..*",
            paramLabel = "IMAGE",
            description = "picture files (JPEG, PNG, GIF, BMP), or folders of them")
    List<Path> images;

    @Option(
            names = "--layer",
            paramLabel = "NAME",
            description =
                    "whose output to give, flattened; default: what the last Dense layer is given, or the output of a"
                            + " model without one ('summary' lists the layers; OUTER/INNER within a model that is a layer)")
    String layer;

    @Option(names = "--json", description = "one line an image: {\"file\":..,\"features\":[..]}")
    boolean json;

    @Override
    public Integer call() {
        ModelFile file = ModelFile.open(path, options);
        List<Path> files = Predict.files(images);
        var out = spec.commandLine().getOut();
        boolean good = true;
        try (var backend = engine.open();
                var classifier = Classifier.of(file.model(), file.labels(), file.pictures(), backend)) {
            String from = layer == null ? classifier.featureLayer() : layer;
            file.model().outputShape(from); // there is such a layer, or it is said once
            for (Path image : files) {
                try {
                    Picture picture = ImageInput.read(image);
                    float[] features =
                            layer == null ? classifier.features(picture) : classifier.features(picture, layer);
                    out.println(json ? json(image, features) : image + ": " + text(from, features));
                    out.flush();
                } catch (GradusException e) {
                    Main.report(spec.commandLine().getErr(), e.getMessage(), e, false);
                    good = false;
                }
            }
        }
        return good ? Exit.OK : Exit.USAGE;
    }

    private static String json(Path image, float[] features) {
        var list = new ArrayList<Object>();
        for (float f : features) {
            list.add(Double.parseDouble(Float.toString(f))); // the shortest digits that give the float again
        }
        var line = new LinkedHashMap<String, Object>();
        line.put("file", image.toString());
        line.put("features", list);
        return Json.write(line);
    }

    private static String text(String layer, float[] features) {
        var text = new StringBuilder("  " + layer + ", " + features.length + " numbers:");
        for (int i = 0; i < Math.min(SHOWN, features.length); i++) {
            text.append(String.format(Locale.ROOT, " %.4g", features[i]));
        }
        return text.append(features.length > SHOWN ? " ... (all with --json)" : "")
                .toString();
    }
}
