package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.backend.ScalarFunction;
import gradus.graph.Graph;
import gradus.op.BatchNormGradient;
import gradus.op.BatchNormSums;
import gradus.op.FusedBatchNorm;
import gradus.op.Moments;
import gradus.op.Value;
import gradus.tensor.Shape;
import org.openjdk.jmh.annotations.Param;

/** Batch norm in training mode as it stands in ResNet-50. */
public class Normalization extends Measured {
    private static final double EPSILON = 1e-3;

    /** What is computed. */
    public enum Pass {
        /** The mean and variance of each channel. */
        MOMENTS,
        /** max(gamma (x - mean) / sqrt(variance + epsilon) + beta + residual, 0) of statistics already there. */
        NORMALIZE,
        /** dx, dgamma, dbeta. */
        GRADIENT
    }

    /** Channels @ side of the picture. */
    @Param({"64@112", "256@56", "512@28", "1024@14", "2048@7"})
    public String layer;

    @Param
    public Pass pass;

    @Param("8")
    public int batch;

    public Normalization() {}

    @Override
    protected void prepare(Backend<?> backend) {
        measure(graph(layer, pass, batch), backend);
    }

    static Graph graph(String layer, Pass pass, int batch) {
        String[] extents = layer.split("@");
        int c = Integer.parseInt(extents[0]);
        int side = Integer.parseInt(extents[1]);
        Shape shape = Shape.of(batch, side, side, c);
        var graph = new Graph();
        if (pass == Pass.MOMENTS) {
            graph.output("moments", graph.apply(new Moments(), graph.input("x", shape)));
            return graph;
        }
        Value x = graph.parameter("x", shape); // so that its statistics are computed once
        Value m = graph.apply(new Moments(), x);
        Value gamma = graph.input("gamma", Shape.of(c));
        if (pass == Pass.NORMALIZE) {
            var op = new FusedBatchNorm(EPSILON, true, true, new ScalarFunction.Relu());
            Value beta = graph.input("beta", Shape.of(c));
            graph.output("y", graph.apply(op, x, m, gamma, beta, graph.input("residual", shape)));
        } else {
            Value dy = graph.input("dy", shape);
            Value sums = graph.apply(new BatchNormSums(EPSILON), dy, x, m);
            graph.output("sums", sums);
            graph.output("dx", graph.apply(new BatchNormGradient(EPSILON), dy, x, m, gamma, sums));
        }
        return graph;
    }
}
