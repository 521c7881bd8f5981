package gradus.app.golden;

import gradus.op.BatchNorm;
import gradus.op.Moments;
import gradus.op.Value;
import gradus.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/** Batch normalization: training and inference with their derivatives, and three steps of the moving statistics. */
final class BatchNormCases {
    private BatchNormCases() {}

    static Map<String, Tensor> compute(GoldenCase c, Engine engine) {
        var op = new BatchNorm(c.number("epsilon"));
        var p = new Program();
        Value x = p.input(c, "x");
        Value dy = p.input(c, "dy");
        Value gamma = p.input(c, "gamma");
        Value beta = p.input(c, "beta");

        Value batch = p.graph.apply(new Moments(), x);
        p.output("batch_mean", p.graph.row(batch, 0));
        p.output("batch_var_biased", p.graph.row(batch, 1));
        normalize(p, "train", op, x, batch, gamma, beta, dy);

        Value mean = p.input(c, "moving_mean");
        Value variance = p.input(c, "moving_variance");
        normalize(p, "infer", op, x, p.graph.stack(mean, variance), gamma, beta, dy);

        double t = 1 - c.number("momentum");
        int channels = x.shape().dim(-1);
        Value biased = variance;
        Value unbiased = variance;
        for (Value step : new Value[] {x, p.input(c, "x1"), p.input(c, "x2")}) {
            Value m = step == x ? batch : p.graph.apply(new Moments(), step);
            int n = step.shape().size() / channels;
            Value v = p.graph.row(m, 1);
            mean = towards(p, mean, p.graph.row(m, 0), t);
            biased = towards(p, biased, v, t);
            unbiased = towards(p, unbiased, p.graph.scale(v, n > 1 ? n / (n - 1.0) : 1), t);
        }
        p.output("moving_mean_after3", mean);
        p.output("moving_variance_after3_biased", biased);
        p.output("moving_variance_after3_unbiased", unbiased);
        return p.run(engine);
    }

    private static void normalize(
            Program p, String mode, BatchNorm op, Value x, Value m, Value gamma, Value beta, Value dy) {
        Value y = p.graph.apply(op, x, m, gamma, beta);
        p.output(mode + "_y", y);
        var with = new LinkedHashMap<String, Value>();
        with.put(mode + "_dx", x);
        with.put(mode + "_dgamma", gamma);
        with.put(mode + "_dbeta", beta);
        p.gradients(y, dy, with);
    }

    /** moving momentum + batch (1 - momentum), t = 1 - momentum. */
    private static Value towards(Program p, Value moving, Value batch, double t) {
        return p.graph.apply(new gradus.op.Lerp(t), moving, batch);
    }
}
