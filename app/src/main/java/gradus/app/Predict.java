package gradus.app;

import gradus.backend.Backend;
import gradus.io.Json;
import gradus.tensor.GradusException;
import gradus.tensor.Tensor;
import gradus.train.Sgd;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
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
    private static final int BATCH = 16;

    @Spec
    CommandSpec spec;

    @Mixin
    EngineOptions engine;

    @Parameters(index = "0", paramLabel = "MODEL", description = "model file, or the folder that 'train' left it in")
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
        ModelFile file = ModelFile.open(path);
        List<Path> files = files(images);
        try (var backend = engine.open()) {
            return predict(file, files, backend) ? Exit.OK : Exit.USAGE;
        }
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
                throw new UsageException("cannot read folder " + image + ": " + e.getMessage(), e);
            }
        }
        return files;
    }

    private static boolean isPicture(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return Files.isRegularFile(file) && !name.startsWith(".") && name.matches(".*\\.(jpe?g|png|gif|bmp)");
    }

    /** Returns whether all pictures could be read. */
    private boolean predict(ModelFile file, List<Path> files, Backend<?> backend) {
        var training =
                Training.compile(file.model(), Sgd.of(0), SparseCategoricalCrossentropy.of(), List.of(), backend);
        var out = spec.commandLine().getOut();
        boolean good = true;
        for (int from = 0; from < files.size(); from += BATCH) {
            var named = new ArrayList<Path>();
            var inputs = new ArrayList<Tensor>();
            for (Path image : files.subList(from, Math.min(files.size(), from + BATCH))) {
                try {
                    inputs.add(file.pictures().read(List.of(image)));
                    named.add(image);
                } catch (GradusException e) {
                    Main.report(spec.commandLine().getErr(), e.getMessage(), e, false);
                    good = false;
                }
            }
            if (!inputs.isEmpty()) {
                Tensor p = training.predict(stack(inputs));
                for (int i = 0; i < named.size(); i++) {
                    print(out, named.get(i), file.labels(), p, i);
                }
                out.flush();
            }
        }
        return good;
    }

    private static Tensor stack(List<Tensor> pictures) {
        Tensor first = pictures.getFirst();
        var all = new float[first.size() * pictures.size()];
        for (int i = 0; i < pictures.size(); i++) {
            System.arraycopy(pictures.get(i).floats(), 0, all, i * first.size(), first.size());
        }
        return Tensor.of(first.shape().with(0, pictures.size()), all);
    }

    private void print(PrintWriter out, Path image, List<String> labels, Tensor p, int row) {
        int classes = labels.size();
        List<Integer> best = IntStream.range(0, classes)
                .boxed()
                .sorted((a, b) -> Double.compare(p.get(row * classes + b), p.get(row * classes + a)))
                .limit(top)
                .toList();
        if (json) {
            var predictions = new ArrayList<Object>();
            for (int index : best) {
                var one = new LinkedHashMap<String, Object>();
                one.put("index", (long) index);
                one.put("label", labels.get(index));
                one.put("probability", p.get(row * classes + index));
                predictions.add(one);
            }
            var line = new LinkedHashMap<String, Object>();
            line.put("file", image.toString());
            line.put("predictions", predictions);
            out.println(Json.write(line));
            return;
        }
        var text = new StringBuilder(image.toString()).append(':');
        for (int index : best) {
            text.append(
                    String.format(Locale.ROOT, "  %s %.1f %%", labels.get(index), 100 * p.get(row * classes + index)));
        }
        out.println(text);
    }
}
