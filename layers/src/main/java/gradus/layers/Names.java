package gradus.layers;

import java.util.Locale;
import java.util.Map;

/** Names for layers that have none, as Keras makes them. */
final class Names {
    private Names() {}

    /**
     * The layer's type in snake case: Conv2D gives conv2d, BatchNormalization batch_normalization, InputLayer input.
     */
    static String base(Layer layer) {
        if (layer instanceof Input) {
            return "input";
        }
        return layer.type()
                .replaceAll("(.)([A-Z][a-z]+)", "$1_$2")
                .replaceAll("([a-z])([A-Z])", "$1_$2")
                .toLowerCase(Locale.ROOT);
    }

    /** conv2d, conv2d_1, conv2d_2, ... but input_1, input_2, ... */
    static String numbered(String base, Map<String, Integer> counts) {
        int count = counts.merge(base, 1, Integer::sum);
        return base.equals("input") ? "input_" + count : count == 1 ? base : base + "_" + (count - 1);
    }
}
