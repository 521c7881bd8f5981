package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.graph.Graph;
import gradus.op.Softmax;
import gradus.tensor.Shape;
import org.openjdk.jmh.annotations.Param;

/** y = e^(x - max) / sum e^(x - max) along each row. */
public class SoftmaxRows extends Measured {
    /** Rows x classes. */
    @Param({"1x1000", "256x1000", "32x6"})
    public String size;

    public SoftmaxRows() {}

    @Override
    protected void prepare(Backend<?> backend) {
        measure(graph(size), backend);
    }

    static Graph graph(String size) {
        String[] extents = size.split("x");
        var graph = new Graph();
        Shape shape = Shape.of(Integer.parseInt(extents[0]), Integer.parseInt(extents[1]));
        graph.output("y", graph.apply(new Softmax(), graph.input("x", shape)));
        return graph;
    }
}
