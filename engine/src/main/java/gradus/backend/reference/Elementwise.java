package gradus.backend.reference;

import gradus.backend.Arithmetic;
import gradus.backend.Broadcast;
import gradus.backend.Noise;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;

/**
 * What happens to every element by itself. Index i runs over all n elements; y may be the operand it is computed from.
 */
final class Elementwise {
    private Elementwise() {}

    /** y[sum i_k yStrides_k + yOffset] = x[sum i_k xStrides_k + xOffset], for all i_k &lt; dims_k. */
    static void copy(StridedCopy view, Doubles x, Doubles y) {
        copy(view, 0, view.xOffset(), view.yOffset(), x, y);
    }

    /** The part of the copy in which the indices of all axes before {@code axis} are fixed. */
    private static void copy(StridedCopy view, int axis, int from, int to, Doubles x, Doubles y) {
        if (axis == view.dims().length) {
            y.set(to, x.get(from));
            return;
        }
        for (int i = 0; i < view.dims()[axis]; i++) {
            copy(view, axis + 1, from + i * view.xStrides()[axis], to + i * view.yStrides()[axis], x, y);
        }
    }

    /** y[i] = f(x[i]). */
    static void map(ScalarFunction f, int n, Doubles x, Doubles y) {
        for (int i = 0; i < n; i++) {
            y.set(i, f.apply(x.get(i)));
        }
    }

    /** dx[i] = dy[i] f'(z[i]), the chain rule. */
    static void mapGradient(ScalarFunction f, int n, Doubles dy, Doubles z, Doubles dx) {
        boolean gate = f instanceof ScalarFunction.Relu || f instanceof ScalarFunction.Relu6; // shut even for NaN
        for (int i = 0; i < n; i++) {
            double slope = f.derivative(z.get(i));
            dx.set(i, gate && slope == 0 ? 0 : dy.get(i) * slope);
        }
    }

    /** y[i] = a[view of i] (op) b[view of i]: y dense with extents dims, a and b with strides that may be 0. */
    static void arithmetic(Arithmetic op, Broadcast view, Doubles a, Doubles b, Doubles y) {
        arithmetic(op, view, 0, 0, 0, 0, a, b, y);
    }

    /**
     * The part in which the indices of all axes before {@code axis} are fixed: they led to elements ai, bi and, as y is
     * dense, to the yi-th block of y.
     */
    private static void arithmetic(
            Arithmetic op, Broadcast view, int axis, int ai, int bi, int yi, Doubles a, Doubles b, Doubles y) {
        if (axis == view.dims().length) {
            y.set(yi, op.apply(a.get(ai), b.get(bi)));
            return;
        }
        int extent = view.dims()[axis];
        int sa = view.aStrides()[axis];
        int sb = view.bStrides()[axis];
        for (int i = 0; i < extent; i++) {
            arithmetic(op, view, axis + 1, ai + i * sa, bi + i * sb, yi * extent + i, a, b, y);
        }
    }

    /** y[i] = alpha a[i] + beta s b[i]. */
    static void combine(int n, double alpha, double beta, Doubles a, Doubles s, Doubles b, Doubles y) {
        double factor = beta * s.get(0);
        for (int i = 0; i < n; i++) {
            y.set(i, alpha * a.get(i) + factor * b.get(i));
        }
    }

    /** y[i] = a[i] + (b[i] - a[i]) t. */
    static void lerp(int n, double t, Doubles a, Doubles b, Doubles y) {
        for (int i = 0; i < n; i++) {
            y.set(i, a.get(i) + (b.get(i) - a.get(i)) * t);
        }
    }

    /** y[i] = v[i] + (g[i]^2 - v[i]) t. */
    static void lerpSquare(int n, double t, Doubles v, Doubles g, Doubles y) {
        for (int i = 0; i < n; i++) {
            y.set(i, v.get(i) + (g.get(i) * g.get(i) - v.get(i)) * t);
        }
    }

    /**
     * y[i] = w[i] - m[i] rate / (sqrt(v[i]) + epsilon): Kingma and Ba, 2015, with the corrections for bias in the rate.
     */
    static void adamStep(int n, double epsilon, Doubles w, Doubles m, Doubles v, Doubles rate, Doubles y) {
        double lr = rate.get(0);
        for (int i = 0; i < n; i++) {
            y.set(i, w.get(i) - m.get(i) * lr / (Math.sqrt(v.get(i)) + epsilon));
        }
    }

    /** y[i] = u[i] &lt; p ? 0 : x[i] / (1 - p): what is kept is enlarged so that the expected value stays. */
    static void dropout(int n, double p, long seed, Doubles step, Doubles x, Doubles y) {
        long t = (long) step.get(0);
        for (int i = 0; i < n; i++) {
            y.set(i, Noise.uniform(seed, t, i) < p ? 0 : x.get(i) / (1 - p));
        }
    }
}
