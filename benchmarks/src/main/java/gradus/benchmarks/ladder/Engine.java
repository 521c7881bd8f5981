package gradus.benchmarks.ladder;

import gradus.backend.Backend;
import gradus.graph.Graph;
import gradus.op.MatMul;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/**
 * The engine's own product, {@code gradus.backend.simd.MatMul}: the ideas above, and a tile for every shape and register
 * file, no copy of A where rows can be read as they lie, blocks cut by the shape, convolutions as products, threads that spin
 * for the next task.
 */
final class Engine implements MatrixRung {
    private final Backend<?> backend;
    private final boolean prepared;

    /** @param prepared whether B is known beforehand, so that it is packed once for all products */
    Engine(Backend<?> backend, boolean prepared) {
        this.backend = backend;
        this.prepared = prepared;
    }

    static Graph graph(int m, int n, int k, boolean prepared) {
        var graph = new Graph();
        Value a = graph.input("a", Shape.of(m, k));
        Value b = prepared ? graph.parameter("b", Shape.of(k, n)) : graph.input("b", Shape.of(k, n));
        graph.output("y", graph.apply(new MatMul(false, false), a, b));
        return graph;
    }

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        var plan = Plan.of(graph(m, n, k, prepared), backend);
        plan.feed("a", Tensor.of(Shape.of(m, k), a));
        Tensor second = Tensor.of(Shape.of(k, n), b);
        if (prepared) {
            plan.parameters().set("b", second);
        } else {
            plan.feed("b", second);
        }
        plan.run();
        System.arraycopy(plan.output("y").floats(), 0, c, 0, m * n);
    }
}
