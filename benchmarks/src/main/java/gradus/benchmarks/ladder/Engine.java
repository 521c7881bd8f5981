package gradus.benchmarks.ladder;

import gradus.backend.Backend;
import gradus.benchmarks.MatrixProduct;
import gradus.plan.Plan;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;

/**
 * The engine's own product, {@code gradus.backend.simd.MatMul}: the ideas above, and a tile for every shape, no copy of A
 * where rows can be read as they lie, blocks cut by the shape, convolutions as products, threads that spin for the next task.
 */
final class Engine implements MatrixRung {
    private final Backend<?> backend;

    Engine(Backend<?> backend) {
        this.backend = backend;
    }

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        var plan = Plan.of(MatrixProduct.graph(m, n, k, false, false), backend);
        plan.feed("a", Tensor.of(Shape.of(m, k), a));
        plan.feed("b", Tensor.of(Shape.of(k, n), b));
        plan.run();
        System.arraycopy(plan.output("y").floats(), 0, c, 0, m * n);
    }
}
