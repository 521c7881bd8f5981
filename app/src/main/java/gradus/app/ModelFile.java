package gradus.app;

import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.importer.Format;
import gradus.importer.ImportOptions;
import gradus.importer.Imported;
import gradus.importer.Importer;
import gradus.layers.Model;
import gradus.tensor.Shape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/** A trained model: as {@code train} left it, or as another program wrote it. */
record ModelFile(Path path, Imported imported) {
    static final String NAME = "model.safetensors";

    /** Metadata entry: the data set it was trained on. */
    static final String DATA = "data";

    /** As {@link #open(Path, FileOptions)} for a file that says everything itself. */
    static ModelFile open(Path path) {
        return open(path, ImportOptions.none());
    }

    /**
     * Reads a model file, or that of a folder.
     *
     * @throws gradus.tensor.GradusException if it cannot be read
     */
    static ModelFile open(Path path, FileOptions options) {
        return open(path, options.options());
    }

    private static ModelFile open(Path path, ImportOptions options) {
        if (!Files.exists(path)) {
            throw new UsageException(path + ": no such file or folder; 'gradus train' makes a model");
        }
        return new ModelFile(path, Importer.load(path, options));
    }

    Model model() {
        return imported.model();
    }

    /** Names of the classes, numbers if nobody has named them; none if the model's outputs are no classes. */
    List<String> labels() {
        Shape output = model().outputShapes().getFirst();
        boolean classes = model().outputs().size() == 1 && output.rank() == 1;
        return imported.labels().isEmpty() && classes
                ? IntStream.range(0, output.size()).mapToObj(Integer::toString).toList()
                : imported.labels();
    }

    /** @throws UsageException if neither the file nor the user says how pictures become inputs */
    Pictures pictures() {
        return imported.pictures().orElseGet(() -> {
            if (imported.format() == Format.GRADUS) {
                return Pictures.of(model(), Preprocess.UNIT);
            }
            throw new UsageException(
                    path + " does not say how pictures become inputs; give --preprocess caffe, tf, torch or unit");
        });
    }
}
