package gradus.train;

import gradus.graph.Graph;
import gradus.op.Builder;
import gradus.op.Combine;
import gradus.op.Subtract;
import gradus.op.Value;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How weights follow from gradients, with the formulas and defaults of Keras. An optimizer is only its settings: it
 * appends its arithmetic to the training graph, and its state lives beside the weights, in parameters named
 * {@code optimizer/<slot>/<weight>} that start at 0.
 *
 * <p>Order of a step: gradients are clipped, weights decayed, then moved; then the running average is taken.
 */
public sealed interface Optimizer permits Sgd, RmsProp, Adam, AdamW {
    /** Names of the state parameters begin with this. */
    String PREFIX = "optimizer/";

    /** Slot of the running average of the weights. */
    String AVERAGE = "ema";

    Schedule learningRate();

    WeightDecay weightDecay();

    Clipping clipping();

    /**
     * Share of the old value in the running average of the weights, for example 0.999; 0 for no average. With an
     * average, evaluation, prediction and the model after training use it (Polyak and Juditsky, 1992; Keras's {@code
     * use_ema}). Moving statistics are averaged along with the weights that they were measured with.
     */
    double average();

    /** The same with another learning rate. */
    Optimizer learningRate(Schedule learningRate);

    /** One weight in a step of this optimizer. */
    interface Step {
        Builder builder();

        /** The weight, already decayed. */
        Value weight();

        /** Its gradient, already clipped. */
        Value gradient();

        /** State of this weight, of its shape; 0 before the first step. */
        Value slot(String name);

        /** Sets a state to what it will be after the step. Returns {@code value}. */
        Value slot(String name, Value value);

        /** A number that is fed at each step, one of {@link Optimizer#scalars}. */
        Value scalar(String name);
    }

    /** Appends the formula of one weight; returns its new value. */
    Value step(Step s);

    /**
     * Numbers that change from step to step.
     *
     * @param step number of the step, from 0
     */
    default Map<String, Double> scalars(long step, double learningRate) {
        return Map.of("learning_rate", learningRate);
    }

    /**
     * Appends a whole step to the graph, without declaring updates. Numbers that change from step to step become inputs
     * of the graph with the names of {@link #scalars}.
     *
     * @param gradients by weight name; the weights are parameters of the graph
     * @return new values of weights and state, by parameter name
     */
    default Map<String, Value> update(Graph graph, Map<String, Value> gradients) {
        graph.scope("optimizer");
        var updates = new LinkedHashMap<String, Value>();
        List<Value> clipped = clipping().apply(graph, List.copyOf(gradients.values()));
        int i = 0;
        for (String name : gradients.keySet()) {
            Value w = graph.parameters().get(name);
            if (weightDecay().appliesTo(name)) {
                w = graph.apply(
                        new Combine(1, -weightDecay().rate()), w, OptimizerStep.scalar(graph, "learning_rate"), w);
            }
            updates.put(name, step(new OptimizerStep(graph, name, w, clipped.get(i++), updates)));
        }
        graph.scope("");
        return updates;
    }

    /**
     * Appends the running average of values that the step gives: a += (w - a) s, with s = 1 at the first step and
     * 1 - {@link #average()} from then on.
     *
     * @param values new values by parameter name
     * @return new averages by parameter name
     */
    default Map<String, Value> averages(Graph graph, Map<String, Value> values) {
        var updates = new LinkedHashMap<String, Value>();
        graph.scope("optimizer");
        values.forEach((name, w) -> {
            String slot = PREFIX + AVERAGE + "/" + name;
            Value a = graph.parameter(slot, w.shape());
            Value difference = graph.apply(new Subtract(), w, a);
            updates.put(
                    slot, graph.apply(new Combine(1, 1), a, OptimizerStep.scalar(graph, "average_rate"), difference));
        });
        graph.scope("");
        return updates;
    }
}
