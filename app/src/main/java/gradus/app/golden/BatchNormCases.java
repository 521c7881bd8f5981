package gradus.app.golden;

import gradus.layers.BatchNormalization;
import gradus.op.Moments;
import gradus.op.Value;
import gradus.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The layer BatchNormalization: both modes with their derivatives, and three steps of the moving statistics. */
final class BatchNormCases {
    private BatchNormCases() {}

    static Map<String, Tensor> compute(GoldenCase c, Engine engine) {
        var results = new LinkedHashMap<String, Tensor>();
        results.putAll(normalize(c, engine, "train"));
        results.putAll(normalize(c, engine, "infer"));
        results.putAll(statistics(c, engine));
        results.putAll(movingStatistics(c, engine, false));
        results.putAll(movingStatistics(c, engine, true));
        return results;
    }

    private static BatchNormalization layer(GoldenCase c) {
        return BatchNormalization.of()
                .epsilon(c.number("epsilon"))
                .momentum(c.number("momentum"))
                .axis((int) c.number("axis", -1));
    }

    private static Map<String, Tensor> normalize(GoldenCase c, Engine engine, String mode) {
        var p = new Program(engine);
        Value x = p.input(c, "x");
        Value dy = p.input(c, "dy");
        var weights = LayerWeights.of(p, c.tensors(), mode.equals("train"));
        Value y = layer(c).lower(weights, List.of(x));
        p.output(mode + "_y", y);
        var with = new LinkedHashMap<String, Value>();
        with.put(mode + "_dx", x);
        with.put(mode + "_dgamma", weights.weight("gamma"));
        with.put(mode + "_dbeta", weights.weight("beta"));
        p.gradients(y, dy, with);
        return p.run();
    }

    private static Map<String, Tensor> statistics(GoldenCase c, Engine engine) {
        var p = new Program(engine);
        Value m = p.graph().apply(new Moments(), p.input(c, "x"));
        p.output("batch_mean", p.graph().row(m, 0));
        p.output("batch_var_biased", p.graph().row(m, 1));
        return p.run();
    }

    /** What the moving statistics are after training steps on x, x1 and x2. */
    private static Map<String, Tensor> movingStatistics(GoldenCase c, Engine engine, boolean unbiased) {
        var state = new LinkedHashMap<>(c.tensors());
        for (String batch : List.of("x", "x1", "x2")) {
            var p = new Program(engine);
            var weights = LayerWeights.of(p, state, true);
            layer(c).unbiased(unbiased).lower(weights, List.of(p.input(c, batch)));
            weights.updates().forEach(p::output);
            state.putAll(p.run());
        }
        return Map.of(
                "moving_mean_after3",
                state.get("moving_mean"),
                "moving_variance_after3_" + (unbiased ? "unbiased" : "biased"),
                state.get("moving_variance"));
    }
}
