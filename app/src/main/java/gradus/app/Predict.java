package gradus.app;

import gradus.classifier.Classifier;
import gradus.classifier.Prediction;
import gradus.io.FileException;
import gradus.io.Json;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Files;
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

/** {@code gradus predict MODEL IMAGE...}. */
@Command(
        name = "predict",
        description = "Says what pictures show, most probable first. A picture that cannot be read is reported and the"
                + " others are still done; the exit status is then 2.")
final class Predict implements Callable<Integer> {
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
            names = {"-k", "--top"},
            paramLabel = "K",
            defaultValue = "3",
            description = "how many classes to name (default 3)")
    int top;

    @Option(
            names = "--json",
            description = "one line an image:"
                    + " {\"file\":..,\"predictions\":[{\"index\":..,\"label\":..,\"probability\":..}]}")
    boolean json;

    @Override
    public Integer call() {
        if (top < 1) {
            throw new UsageException("--top must be 1 or more, not " + top);
        }
        ModelFile file = ModelFile.open(path, options);
        List<Path> files = files(images);
        var out = spec.commandLine().getOut();
        boolean good = true;
        try (var backend = engine.open();
                var classifier = Classifier.of(file.model(), file.labels(), file.pictures(), backend)) {
            if (file.model().outputs().size() > 1) {
                throw new UsageException(path + " has several outputs, "
                        + file.model().outputNames() + "; choose one: 'gradus features --layer "
                        + file.model().outputNames().getLast() + "' prints it");
            }
            if (classifier.labels().isEmpty()) {
                throw new UsageException(path + " has no classifier: its outputs are "
                        + file.model().outputShapes().getFirst() + "; 'gradus features' prints them");
            }
            for (Path image : files) {
                try {
                    List<Prediction> predictions = classifier.classify(image, top);
                    out.println(json ? json(image, predictions) : text(image, predictions));
                    out.flush();
                } catch (GradusException e) {
                    Main.report(spec.commandLine().getErr(), e.getMessage(), e, false);
                    good = false;
                }
            }
        }
        return good ? Exit.OK : Exit.USAGE;
    }

    /** The given files, and the pictures in given folders. */
    static List<Path> files(List<Path> images) {
        var files = new ArrayList<Path>();
        for (Path image : images) {
            if (!Files.isDirectory(image)) {
                files.add(image);
                continue;
            }
            try (var list = Files.list(image)) {
                List<Path> found = list.filter(Predict::isPicture).sorted().toList();
                if (found.isEmpty()) {
                    throw new UsageException("folder " + image + " has no pictures (jpg, jpeg, png, gif, bmp)");
                }
                files.addAll(found);
            } catch (IOException e) {
                throw new UsageException("cannot read folder " + image + ": " + FileException.reason(e), e);
            }
        }
        return files;
    }

    private static boolean isPicture(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return Files.isRegularFile(file) && !name.startsWith(".") && name.matches(".*\\.(jpe?g|png|gif|bmp)");
    }

    private static String json(Path image, List<Prediction> best) {
        var predictions = new ArrayList<Object>();
        for (Prediction p : best) {
            var one = new LinkedHashMap<String, Object>();
            one.put("index", (long) p.index());
            one.put("label", p.label());
            one.put("probability", p.probability());
            predictions.add(one);
        }
        var line = new LinkedHashMap<String, Object>();
        line.put("file", image.toString());
        line.put("predictions", predictions);
        return Json.write(line);
    }

    private static String text(Path image, List<Prediction> best) {
        var text = new StringBuilder(image.toString()).append(':');
        for (Prediction p : best) {
            text.append(String.format(Locale.ROOT, "  %s %.1f %%", p.label(), 100 * p.probability()));
        }
        return text.toString();
    }
}
