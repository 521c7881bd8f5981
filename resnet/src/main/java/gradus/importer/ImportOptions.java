package gradus.importer;

import gradus.data.Preprocess;
import java.util.List;

/**
 * What a file may leave unsaid. Each component may be null; one that is set prevails over the file.
 *
 * @param model an architecture by its name in {@link gradus.resnet.ResNets}, for files of weights alone
 * @param height of the pictures, for networks that take any size
 * @param width of the pictures
 * @param preprocess how bytes become inputs
 * @param labels names of the classes
 */
public record ImportOptions(String model, Integer height, Integer width, Preprocess preprocess, List<String> labels) {
    /** Everything as the file says. */
    public static ImportOptions none() {
        return new ImportOptions(null, null, null, null, null);
    }

    public ImportOptions model(String model) {
        return new ImportOptions(model, height, width, preprocess, labels);
    }

    /** Extents of the pictures in pixels. */
    public ImportOptions input(int height, int width) {
        return new ImportOptions(model, height, width, preprocess, labels);
    }

    public ImportOptions preprocess(Preprocess preprocess) {
        return new ImportOptions(model, height, width, preprocess, labels);
    }

    public ImportOptions labels(List<String> labels) {
        return new ImportOptions(model, height, width, preprocess, labels);
    }
}
