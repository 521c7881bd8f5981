package gradus.train;

import gradus.graph.Graph;
import gradus.op.Builder;
import gradus.op.Value;
import gradus.tensor.Shape;
import java.util.Map;

/** A weight's step in a training graph. */
record OptimizerStep(Graph graph, String name, Value weight, Value gradient, Map<String, Value> updates)
        implements Optimizer.Step {
    @Override
    public Builder builder() {
        return graph;
    }

    @Override
    public Value slot(String slot) {
        return graph.parameter(Optimizer.PREFIX + slot + "/" + name, weight.shape());
    }

    @Override
    public Value slot(String slot, Value value) {
        slot(slot);
        updates.put(Optimizer.PREFIX + slot + "/" + name, value);
        return value;
    }

    @Override
    public Value scalar(String name) {
        return scalar(graph, name);
    }

    /** The graph's scalar input of that name, made when first asked for. */
    static Value scalar(Graph graph, String name) {
        Value v = graph.inputs().get(name);
        return v != null ? v : graph.input(name, Shape.SCALAR);
    }
}
