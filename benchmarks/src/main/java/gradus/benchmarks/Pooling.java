package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.graph.Graph;
import gradus.op.AveragePool2D;
import gradus.op.MaxPool2D;
import gradus.op.MaxPool2DGradient;
import gradus.op.Sliding;
import gradus.op.Value;
import gradus.tensor.Shape;
import org.openjdk.jmh.annotations.Param;

/** ResNet-50's two poolings: the largest of 3 x 3 pixels after the first layer, the mean of 7 x 7 before the last. */
public class Pooling extends Measured {
    /** What is computed. */
    public enum Pass {
        MAX,
        MAX_GRADIENT,
        AVERAGE
    }

    @Param
    public Pass pass;

    @Param("8")
    public int batch;

    public Pooling() {}

    @Override
    protected void prepare(Backend<?> backend) {
        measure(graph(pass, batch), backend);
    }

    static Graph graph(Pass pass, int batch) {
        var graph = new Graph();
        var max = new MaxPool2D(3, 3, new Sliding(2, 2, 1, 1, 1, 1, 1, 1));
        Shape shape = pass == Pass.AVERAGE ? Shape.of(batch, 7, 7, 2048) : Shape.of(batch, 112, 112, 64);
        // a parameter where the largest are to be found once
        Value x = pass == Pass.MAX_GRADIENT ? graph.parameter("x", shape) : graph.input("x", shape);
        Value y = switch (pass) {
            case MAX -> graph.apply(max, x);
            case MAX_GRADIENT -> {
                Value largest = graph.apply(max, x);
                yield graph.apply(new MaxPool2DGradient(max), graph.input("dy", largest.shape()), x, largest);
            }
            case AVERAGE -> graph.apply(new AveragePool2D(7, 7, Sliding.valid(7, 7)), x);
        };
        graph.output("y", y);
        return graph;
    }
}
