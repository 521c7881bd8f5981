package gradus.app;

import gradus.data.ImageInput;
import gradus.data.Preprocess;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Checkpoint;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How pictures become a network's inputs: kept in the model file, so that prediction does what training did.
 *
 * @param height of the network's pictures
 * @param channels 3, or 1 for the mean of red, green and blue
 */
record Pictures(int height, int width, int channels, Preprocess mode) {
    /** @throws UsageException if the model does not take one picture */
    static Pictures of(Model model, Preprocess mode) {
        Shape input = model.inputShapes().getFirst();
        if (model.inputShapes().size() != 1 || input.rank() != 3 || input.dim(2) != 3 && input.dim(2) != 1) {
            throw new UsageException("model '" + model.name() + "' takes " + model.inputShapes()
                    + ", not one picture (height, width, 3)");
        }
        return new Pictures(input.dim(0), input.dim(1), input.dim(2), mode);
    }

    /** As the model file says; scaled to 0..1 if it does not. */
    static Pictures of(Path file, Checkpoint checkpoint, Model model) {
        String text = checkpoint.metadata().get(Checkpoint.PREPROCESSING);
        if (text == null) {
            return of(model, Preprocess.UNIT);
        }
        if (parsed(file, text) instanceof Map<?, ?> map && map.get("mode") instanceof String mode) {
            for (Preprocess known : Preprocess.values()) {
                if (known.name().equals(mode)) {
                    return of(model, known);
                }
            }
        }
        throw new FormatException(
                file + ": metadata entry 'preprocessing' must have a mode out of "
                        + Arrays.toString(Preprocess.values()) + ", not " + text,
                -1);
    }

    private static Object parsed(Path file, String text) {
        try {
            return Json.parse(text);
        } catch (FormatException e) {
            throw new FormatException(file + ": metadata entry 'preprocessing' is not JSON: " + e.getMessage(), -1, e);
        }
    }

    String json() {
        var map = new LinkedHashMap<String, Object>();
        map.put("mode", mode.name());
        map.put("resize", "stretch");
        map.put("height", (long) height);
        map.put("width", (long) width);
        return Json.write(map);
    }

    /** Picture files as one batch (n, height, width, channels). @throws gradus.data.DataException naming a bad file */
    Tensor read(List<Path> files) {
        int size = height * width * channels;
        var x = new float[files.size() * size];
        for (int i = 0; i < files.size(); i++) {
            byte[] rgb = ImageInput.read(files.get(i)).resize(height, width).pixels();
            mode.convert(channels == 3 ? rgb : grey(rgb), size, channels, x, i * size);
        }
        return Tensor.of(Shape.of(files.size(), height, width, channels), x);
    }

    private static byte[] grey(byte[] rgb) {
        var grey = new byte[rgb.length / 3];
        for (int i = 0; i < grey.length; i++) {
            grey[i] = (byte) (((rgb[3 * i] & 255) + (rgb[3 * i + 1] & 255) + (rgb[3 * i + 2] & 255) + 1) / 3);
        }
        return grey;
    }
}
