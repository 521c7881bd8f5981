package gradus.importer;

import gradus.io.FormatException;
import java.nio.file.Path;

/** Reads a network from a file or folder of any known format, which is recognized by its content. */
public final class Importer {
    private Importer() {}

    /** As {@link #load(Path, ImportOptions)} for a file that says everything itself. */
    public static Imported load(Path path) {
        return load(path, ImportOptions.none());
    }

    /**
     * The network in a file, or in a folder: one with {@code model.json} or {@code model.safetensors}.
     *
     * @throws gradus.io.FileException if the file cannot be read
     * @throws FormatException if it is of no known format or damaged, or a tensor is missing or of another shape; the
     *     message names file and tensor
     * @throws gradus.tensor.GradusException if the options do not fit the file
     */
    public static Imported load(Path path, ImportOptions options) {
        throw new FormatException(path + ": no reader yet", -1);
    }
}
