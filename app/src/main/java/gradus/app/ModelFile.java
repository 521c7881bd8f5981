package gradus.app;

import gradus.data.Pictures;
import gradus.layers.Model;
import gradus.train.Checkpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/** A trained model as {@code train} left it. */
record ModelFile(Path file, Checkpoint checkpoint, Model model, List<String> labels, Pictures pictures) {
    static final String NAME = "model.safetensors";

    /** Metadata entry: the data set it was trained on. */
    static final String DATA = "data";

    /**
     * Reads a model file, or that of a folder.
     *
     * @throws gradus.tensor.GradusException if it cannot be read or is no model of pictures
     */
    static ModelFile open(Path path) {
        Path file = locate(path);
        Checkpoint checkpoint = Checkpoint.load(file);
        Model model = checkpoint.model();
        int outputs = model.outputShapes().getFirst().size();
        List<String> labels = checkpoint.labels();
        if (labels.isEmpty()) {
            labels = IntStream.range(0, outputs).mapToObj(Integer::toString).toList();
        }
        if (labels.size() != outputs) {
            throw new UsageException(
                    file + ": the model has " + outputs + " outputs but the file names " + labels.size() + " labels");
        }
        return new ModelFile(
                file, checkpoint, model, labels, Pictures.of(file.toString(), checkpoint.metadata(), model));
    }

    /** The model file in a folder, or the file itself. */
    static Path locate(Path path) {
        if (!Files.exists(path)) {
            throw new UsageException(path + ": no such file or folder; 'gradus train' makes a model");
        }
        if (!Files.isDirectory(path)) {
            return path;
        }
        Path file = path.resolve(NAME);
        if (!Files.exists(file)) {
            throw new UsageException("folder " + path + " has no " + NAME);
        }
        return file;
    }
}
