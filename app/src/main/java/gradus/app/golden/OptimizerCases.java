package gradus.app.golden;

import gradus.backend.Backend;
import gradus.graph.Graph;
import gradus.plan.Parameters;
import gradus.plan.Plan;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.AdamW;
import gradus.train.Optimizer;
import gradus.train.Sgd;
import gradus.train.WeightDecay;
import java.util.LinkedHashMap;
import java.util.Map;

/** Optimizers: steps from given gradients, state beginning at 0. */
final class OptimizerCases {
    private static final String WEIGHT = "w";

    private OptimizerCases() {}

    static Map<String, Tensor> compute(GoldenCase c, Engine engine) {
        return compute(c, engine.backend());
    }

    private static <B> Map<String, Tensor> compute(GoldenCase c, Backend<B> backend) {
        Optimizer optimizer = optimizer(c, c.text("optimizer"));
        Tensor w = c.tensor("w");
        var graph = new Graph();
        graph.parameter(WEIGHT, w.shape());
        optimizer.update(graph, Map.of(WEIGHT, graph.input("g", w.shape()))).forEach(graph::update);

        var parameters = new Parameters<>(backend);
        parameters.set(WEIGHT, w);
        var plan = Plan.of(graph, parameters);
        var results = new LinkedHashMap<String, Tensor>();
        int steps = c.integer("steps");
        for (int t = 1; t <= steps; t++) {
            plan.feed("g", c.tensor("g" + t));
            scalars(optimizer, t - 1).forEach((name, value) -> {
                if (graph.inputs().containsKey(name)) {
                    plan.feed(name, value);
                }
            });
            plan.run();
            results.put("w_after" + t, parameters.get(WEIGHT));
        }
        for (String slot : new String[] {"m", "v", "velocity"}) {
            String name = Optimizer.PREFIX + slot + "/" + WEIGHT;
            if (parameters.has(name)) {
                results.put(slot + "_after" + steps, parameters.get(name));
            }
        }
        return results;
    }

    /** What is fed for a step. */
    static Map<String, Tensor> scalars(Optimizer optimizer, long step) {
        var scalars = new LinkedHashMap<String, Tensor>();
        optimizer.scalars(step, optimizer.learningRate().at(step)).forEach((k, v) -> scalars.put(k, Tensor.scalar(v)));
        return scalars;
    }

    /** The optimizer that attributes {@code lr, momentum, beta_1, ...} describe. */
    static Optimizer optimizer(GoldenCase c, String name) {
        double rate = c.number("lr");
        var decay = WeightDecay.of(c.number("weight_decay", 0));
        return switch (name) {
            case "sgd" -> {
                var sgd = Sgd.of(rate).momentum(c.number("momentum", 0)).weightDecay(decay);
                yield c.flag("nesterov", false) ? sgd.nesterov(true) : sgd;
            }
            case "adam" ->
                Adam.of(rate)
                        .betas(c.number("beta_1"), c.number("beta_2"))
                        .epsilon(c.number("epsilon"))
                        .weightDecay(decay);
            case "adamw" ->
                AdamW.of(rate)
                        .betas(c.number("beta_1"), c.number("beta_2"))
                        .epsilon(c.number("epsilon"))
                        .weightDecay(decay);
            default -> throw OpCases.unknown(name, "sgd, adam, adamw");
        };
    }
}
