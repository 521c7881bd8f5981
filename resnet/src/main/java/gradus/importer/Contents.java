package gradus.importer;

import gradus.tensor.Shape;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a model file says and holds.
 *
 * @param metadata as text, in the order of the file
 * @param tensors in the order of the file
 */
public record Contents(Format format, Map<String, String> metadata, List<Entry> tensors) {
    /**
     * A tensor.
     *
     * @param dtype as the format calls it
     * @param shape as it is in the file
     */
    public record Entry(String name, String dtype, Shape shape) {}

    public Contents {
        metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
        tensors = List.copyOf(tensors);
    }

    /** All tensors of a file. */
    public static Contents of(Format format, Map<String, String> metadata, TensorSource tensors) {
        return new Contents(
                format,
                metadata,
                tensors.names().stream()
                        .map(name -> new Entry(name, tensors.dtype(name), tensors.shape(name)))
                        .toList());
    }
}
