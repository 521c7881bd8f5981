package gradus.app.golden;

import gradus.layers.Lowering;
import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Lets one layer be translated into a program on its own, with its weights as the program's inputs.
 *
 * @param values what the weights are, by name
 * @param updates what the layer wants its weights to become
 */
record LayerWeights(
        Program program,
        Map<String, Tensor> values,
        boolean training,
        Map<String, Value> declared,
        Map<String, Value> updates)
        implements Lowering {
    static LayerWeights of(Program program, Map<String, Tensor> values, boolean training) {
        return new LayerWeights(program, values, training, new LinkedHashMap<>(), new LinkedHashMap<>());
    }

    @Override
    public Builder builder() {
        return program.graph();
    }

    @Override
    public boolean trainable() {
        return true;
    }

    @Override
    public Value weight(String name) {
        return declared.computeIfAbsent(name, n -> {
            Tensor value = values.get(n);
            if (value == null) {
                throw new GoldenException("the file has no tensor " + n);
            }
            return program.input(n, value);
        });
    }

    @Override
    public void update(String weight, Value value) {
        updates.put(weight, value);
    }

    @Override
    public Value step() {
        throw new IllegalStateException("no step is fed");
    }

    @Override
    public long seed() {
        return 0;
    }

    @Override
    public void scope(String layer) {
        program.graph().scope(layer);
    }
}
