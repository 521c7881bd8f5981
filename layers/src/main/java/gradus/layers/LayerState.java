package gradus.layers;

import gradus.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/** What changes about a layer: its weights and whether it is trained. Every model that contains the layer shares it. */
final class LayerState {
    /** The name a model gave to a layer without one. */
    String number;

    boolean trainable = true;

    private final Map<String, Tensor> weights = new LinkedHashMap<>();
    private long version;

    synchronized Tensor get(String weight) {
        return weights.get(weight);
    }

    synchronized void set(String weight, Tensor value) {
        weights.put(weight, value);
        version++;
    }

    synchronized long version() {
        return version;
    }
}
