package gradus.benchmarks;

import gradus.backend.Backend;
import gradus.graph.Graph;
import gradus.op.MatMul;
import gradus.op.Value;
import gradus.tensor.Shape;
import org.openjdk.jmh.annotations.Param;

/** y = op(a) op(b): square ones, and the last layer of ResNet-50. */
public class MatrixProduct extends Measured {
    /** Rows x columns x inner extent. */
    @Param({"256x256x256", "512x512x512", "1024x1024x1024", "2048x2048x2048", "1x1000x2048", "32x1000x2048"})
    public String size;

    /** Which operands are stored transposed: NN none, TN the first, NT the second. */
    @Param({"NN", "TN", "NT"})
    public String form;

    public MatrixProduct() {}

    @Override
    protected void prepare(Backend<?> backend) {
        String[] extents = size.split("x");
        int m = Integer.parseInt(extents[0]);
        int n = Integer.parseInt(extents[1]);
        int k = Integer.parseInt(extents[2]);
        measure(graph(m, n, k, form.charAt(0) == 'T', form.charAt(1) == 'T'), backend);
    }

    /** Inputs a and b, output y. */
    public static Graph graph(int m, int n, int k, boolean transposeA, boolean transposeB) {
        var graph = new Graph();
        Value a = graph.input("a", transposeA ? Shape.of(k, m) : Shape.of(m, k));
        Value b = graph.input("b", transposeB ? Shape.of(n, k) : Shape.of(k, n));
        graph.output("y", graph.apply(new MatMul(transposeA, transposeB), a, b));
        return graph;
    }
}
