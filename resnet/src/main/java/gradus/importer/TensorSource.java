package gradus.importer;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.util.Set;

/** Named arrays of a file, whose values are read only when asked for. */
public interface TensorSource {
    Set<String> names();

    /** Shape of a tensor, without reading it. */
    Shape shape(String name);

    /** How its numbers are stored: {@code F32}, {@code float16}, as the format calls it. */
    String dtype(String name);

    /** @throws gradus.tensor.GradusException naming file and tensor, if its values cannot be read */
    Tensor read(String name);
}
