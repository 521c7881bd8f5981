package gradus.layers;

import gradus.op.Value;
import java.util.List;
import java.util.Map;

/**
 * What a model became in a graph.
 *
 * @param outputs the model's results, batch axis first
 * @param updates weight name to the value it has after this step: moving statistics in training, else empty
 * @param calls what each call of a layer was given and made, in order; the layers of a model inside before that model
 */
public record Lowered(List<Value> outputs, Map<String, Value> updates, List<LoweredCall> calls) {
    /**
     * One call of a layer.
     *
     * @param name of the layer; within models that are layers a path, {@code outer/inner}
     */
    public record LoweredCall(String name, Layer layer, List<Value> inputs, List<Value> outputs) {}
}
