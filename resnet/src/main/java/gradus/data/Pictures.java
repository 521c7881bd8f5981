package gradus.data;

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
 * @param mode how bytes become numbers
 * @param shorter 0 to stretch a picture to height and width; otherwise its shorter side is resized to so many pixels, in
 *     proportion, and the middle is cut out
 */
public record Pictures(int height, int width, int channels, Preprocess mode, int shorter) {
    /** The smallest input for which published networks were given the middle of a picture 8/7 as large. */
    private static final int LEAST_CROPPED = 128;

    /** @throws DataException if there can be no such pictures */
    public Pictures {
        ImageInput.checkSize("the network's pictures", height, width);
        if (channels != 3 && channels != 1) {
            throw new DataException("a network's pictures have 3 channels or 1, not " + channels);
        }
        if (shorter != 0 && (shorter < Math.max(height, width) || shorter > ImageInput.MAX_SIDE)) {
            throw new DataException("pictures resized to a shorter side of " + shorter + " pixels cannot be cut to "
                    + height + " x " + width + "; 0 stretches them");
        }
    }

    /**
     * Stretched to the size of the model's input.
     *
     * @throws DataException if the model does not take one picture
     */
    public static Pictures of(Model model, Preprocess mode) {
        Shape input = input(model);
        return new Pictures(input.dim(0), input.dim(1), input.dim(2), mode, 0);
    }

    /**
     * As published networks are evaluated: for inputs of 128 pixels and more the shorter side becomes 8/7 of the input's
     * (256 for 224) and the middle is cut out; smaller pictures (CIFAR) are stretched.
     *
     * @throws DataException if the model does not take one picture
     */
    public static Pictures standard(Model model, Preprocess mode) {
        Shape input = input(model);
        int side = Math.max(input.dim(0), input.dim(1));
        int shorter = side < LEAST_CROPPED ? 0 : (int) Math.rint(side * 8 / 7.0);
        return new Pictures(input.dim(0), input.dim(1), input.dim(2), mode, shorter);
    }

    private static Shape input(Model model) {
        Shape input = model.inputShapes().getFirst();
        if (model.inputShapes().size() != 1 || input.rank() != 3 || input.dim(2) != 3 && input.dim(2) != 1) {
            throw new DataException("model '" + model.name() + "' takes " + model.inputShapes()
                    + ", not one picture (height, width, 3)");
        }
        return input;
    }

    /**
     * As a model file's metadata says; stretched and scaled to 0..1 if it does not.
     *
     * @param source the file, for messages
     * @throws FormatException if the entry is not one that {@link #json} writes
     */
    public static Pictures of(String source, Map<String, String> metadata, Model model) {
        String text = metadata.get(Checkpoint.PREPROCESSING);
        if (text == null) {
            return of(model, Preprocess.UNIT);
        }
        Object data;
        try {
            data = Json.parse(text);
        } catch (FormatException e) {
            throw new FormatException(
                    source + ": metadata entry 'preprocessing' is not JSON: " + e.getMessage(), -1, e);
        }
        if (data instanceof Map<?, ?> map) {
            Object resize = map.get("resize");
            for (Preprocess known : Preprocess.values()) {
                if (!known.name().equals(map.get("mode"))) {
                    continue;
                }
                if (resize == null || resize.equals("stretch")) {
                    return of(model, known);
                }
                Pictures cut = standard(model, known);
                if (resize.equals("crop") && !map.containsKey("shorter")) {
                    return cut;
                }
                if (resize.equals("crop") && map.get("shorter") instanceof Long side && side == side.intValue()) {
                    return new Pictures(cut.height, cut.width, cut.channels, known, side.intValue());
                }
            }
        }
        throw new FormatException(
                source + ": metadata entry 'preprocessing' must have a mode out of "
                        + Arrays.toString(Preprocess.values())
                        + " and resize 'stretch', or 'crop' with the 'shorter' side in pixels, not " + text,
                -1);
    }

    /** As it is kept in a model file: {@code {"mode":..,"resize":"crop","shorter":256,"height":224,"width":224}}. */
    public String json() {
        var map = new LinkedHashMap<String, Object>();
        map.put("mode", mode.name());
        map.put("resize", shorter == 0 ? "stretch" : "crop");
        if (shorter != 0) {
            map.put("shorter", (long) shorter);
        }
        map.put("height", (long) height);
        map.put("width", (long) width);
        return Json.write(map);
    }

    /** Numbers of one input. */
    public int size() {
        return height * width * channels;
    }

    /** What the network sees of a picture, still as bytes of 3 channels. One of the network's size is seen as it is. */
    public Picture framed(Picture picture) {
        boolean fits = picture.height() == height && picture.width() == width;
        if (shorter == 0 || fits) {
            return picture.resize(height, width);
        }
        // Of a strip only as much as will be seen is made larger.
        int most = (int) Math.min(
                Integer.MAX_VALUE, (long) ImageInput.MAX_SIDE * Math.min(picture.height(), picture.width()) / shorter);
        return picture.centreCrop(Math.min(picture.height(), most), Math.min(picture.width(), most))
                .resizeShorter(shorter)
                .centreCrop(height, width);
    }

    /**
     * Writes a picture of 3 channels as the network's input: {@link #size} numbers from {@code at} on.
     *
     * @throws DataException if it has another number of channels
     */
    public void convert(Picture picture, float[] out, int at) {
        if (picture.channels() != 3) {
            throw new DataException(
                    "a picture must have 3 channels, red, green and blue, not " + picture.channels() + "; repeat grey");
        }
        byte[] rgb = framed(picture).pixels();
        mode.convert(channels == 3 ? rgb : grey(rgb), size(), channels, out, at);
    }

    /** Picture files as one batch (n, height, width, channels). @throws DataException naming a bad file */
    public Tensor read(List<Path> files) {
        var x = new float[Math.multiplyExact(files.size(), size())];
        for (int i = 0; i < files.size(); i++) {
            convert(ImageInput.read(files.get(i)), x, i * size());
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
