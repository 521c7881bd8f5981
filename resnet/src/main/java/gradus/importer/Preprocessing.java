package gradus.importer;

import gradus.data.Preprocess;
import gradus.io.FormatException;
import gradus.io.Json;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * How a picture becomes a network's input: first its size, then its numbers. Kept in a model file's metadata as
 * {@code {"mode": "CAFFE", "resize": "crop"}}.
 */
public record Preprocessing(Preprocess mode, Resize resize) {
    /** How a picture gets the size that the network takes. A picture of that size is left as it is. */
    public enum Resize {
        /** Scaled to height and width, without regard to proportions. */
        STRETCH,
        /** The shorter side scaled to 256 / 224 of the network's, then the middle cut out: the custom of ImageNet. */
        CROP
    }

    /** The JSON that {@link #parse} reads. */
    public String json() {
        var map = new LinkedHashMap<String, Object>();
        map.put("mode", mode.name());
        map.put("resize", resize.name().toLowerCase(Locale.ROOT));
        return Json.write(map);
    }

    /**
     * From a model file's metadata entry; without a word on the size, pictures are stretched.
     *
     * @param source what error messages call the file
     * @throws FormatException for anything but {@code {"mode": .., "resize": ..}} with known words
     */
    public static Preprocessing parse(String source, String json) {
        Object parsed;
        try {
            parsed = Json.parse(json);
        } catch (FormatException e) {
            throw new FormatException(
                    source + ": metadata entry 'preprocessing' is not JSON: " + e.getMessage(), -1, e);
        }
        if (parsed instanceof Map<?, ?> map) {
            Object size = map.containsKey("resize") ? map.get("resize") : "stretch";
            for (Preprocess mode : Preprocess.values()) {
                for (Resize resize : Resize.values()) {
                    if (mode.name().equals(map.get("mode"))
                            && resize.name().toLowerCase(Locale.ROOT).equals(size)) {
                        return new Preprocessing(mode, resize);
                    }
                }
            }
        }
        throw new FormatException(
                source + ": metadata entry 'preprocessing' must have a mode out of "
                        + Arrays.toString(Preprocess.values()) + " and perhaps a resize, stretch or crop, not " + json,
                -1);
    }
}
