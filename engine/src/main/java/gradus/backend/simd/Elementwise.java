package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.Lanes.bound;
import static jdk.incubator.vector.FloatVector.fromArray;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.LE;

import gradus.backend.Arithmetic;
import gradus.backend.Broadcast;
import gradus.backend.Noise;
import gradus.backend.ScalarFunction;
import gradus.backend.StridedCopy;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Operations on every element. All are limited by memory, so each is one plain loop of vectors over {@link #CHUNK}
 * elements at a time and a scalar loop, with the same roundings, over the few that are left. Functions without a vector
 * form are computed element by element in double precision.
 */
final class Elementwise implements Workers.Task {
    /** Elements of a part: its operands fit the second-level cache, and its time exceeds that of a dispatch by far. */
    static final int CHUNK = 1 << 14;

    private enum Kind {
        FILL,
        COPY,
        MAP,
        MAP_GRADIENT,
        ARITHMETIC,
        COMBINE,
        LERP,
        LERP_SQUARE,
        ADAM_STEP,
        ADAM,
        DROPOUT
    }

    /** Numbers with normal squares. */
    private static final float LEAST_ROOT = 0x1p-63f;

    private final Workers workers;

    // ---- the operation in progress ----

    private Kind kind;
    private int size;
    private Memory a;
    private Memory b;
    private Memory v;
    private Memory g;
    private Memory y;
    private float p;
    private float q;
    private float t1;
    private float t2;
    private double probability;
    private long seed;
    private long step;
    private ScalarFunction f;
    private Arithmetic arithmetic;
    private Broadcast broadcast;
    private StridedCopy view;

    Elementwise(Workers workers) {
        this.workers = workers;
    }

    void fill(int n, double value, Memory y) {
        p = (float) value;
        run(Kind.FILL, n, null, null, y);
    }

    void copy(StridedCopy view, Memory x, Memory y) {
        int n = 1;
        for (int d : view.dims()) {
            n *= d;
        }
        this.view = view;
        run(Kind.COPY, n, x, null, y);
    }

    void map(ScalarFunction f, int n, Memory x, Memory y) {
        this.f = f;
        run(Kind.MAP, n, x, null, y);
    }

    void mapGradient(ScalarFunction f, int n, Memory dy, Memory z, Memory dx) {
        this.f = f;
        run(Kind.MAP_GRADIENT, n, dy, z, dx);
    }

    void arithmetic(Arithmetic op, Broadcast view, Memory a, Memory b, Memory y) {
        arithmetic = op;
        broadcast = view;
        run(Kind.ARITHMETIC, view.size(), a, b, y);
    }

    void combine(int n, double alpha, double beta, Memory a, Memory s, Memory b, Memory y) {
        p = (float) alpha;
        q = (float) (beta * s.array()[s.offset()]);
        run(Kind.COMBINE, n, a, b, y);
    }

    void lerp(int n, double t, Memory a, Memory b, Memory y) {
        p = (float) t;
        run(Kind.LERP, n, a, b, y);
    }

    void lerpSquare(int n, double t, Memory v, Memory g, Memory y) {
        p = (float) t;
        run(Kind.LERP_SQUARE, n, v, g, y);
    }

    void adamStep(int n, double epsilon, Memory w, Memory m, Memory v, Memory rate, Memory y) {
        p = (float) epsilon;
        q = rate.array()[rate.offset()];
        this.v = v;
        run(Kind.ADAM_STEP, n, w, m, y);
    }

    /** All three at once. */
    void adam(int n, double t1, double t2, double epsilon, Memory w, Memory m, Memory v, Memory g, Memory rate) {
        p = (float) epsilon;
        q = rate.array()[rate.offset()];
        this.t1 = (float) t1;
        this.t2 = (float) t2;
        this.v = v;
        this.g = g;
        run(Kind.ADAM, n, w, m, w);
    }

    void dropout(int n, double p, long seed, Memory step, Memory x, Memory y) {
        probability = p;
        this.p = (float) (1 / (1 - p));
        this.seed = seed;
        this.step = (long) step.array()[step.offset()];
        run(Kind.DROPOUT, n, x, null, y);
    }

    private void run(Kind kind, int n, Memory a, Memory b, Memory y) {
        this.kind = kind;
        this.size = n;
        this.a = a;
        this.b = b;
        this.y = y;
        workers.run(this, MatMul.ceil(n, CHUNK));
        this.a = null;
        this.b = null;
        this.v = null;
        this.g = null;
        this.y = null;
    }

    @Override
    public void run(int part, int worker) {
        int i = part * CHUNK;
        int n = Math.min(CHUNK, size - i);
        float[] ya = y.array();
        int yo = y.offset() + i;
        float[] aa = a == null ? null : a.array();
        int ao = a == null ? 0 : a.offset() + i;
        float[] ba = b == null ? null : b.array();
        int bo = b == null ? 0 : b.offset() + i;
        switch (kind) {
            case FILL -> Arrays.fill(ya, yo, yo + n, p);
            case COPY -> copy(i, n);
            case MAP -> map(aa, ao, ya, yo, n);
            case MAP_GRADIENT -> mapGradient(aa, ao, ba, bo, ya, yo, n);
            case ARITHMETIC -> arithmetic(i, n);
            case COMBINE -> combine(p, aa, ao, q, ba, bo, ya, yo, n);
            case LERP -> lerp(p, aa, ao, ba, bo, ya, yo, n);
            case LERP_SQUARE -> lerpSquare(p, aa, ao, ba, bo, ya, yo, n);
            case ADAM_STEP -> adamStep(p, q, aa, ao, ba, bo, v.array(), v.offset() + i, ya, yo, n);
            case ADAM -> adam(t1, t2, p, q, ya, yo, ba, bo, v.array(), v.offset() + i, g.array(), g.offset() + i, n);
            case DROPOUT -> {
                for (int j = 0; j < n; j++) {
                    ya[yo + j] = Noise.uniform(seed, step, i + j) < probability ? 0 : aa[ao + j] * p;
                }
            }
        }
    }

    // ---- strided views ----

    /** Elements [i, i + n) of the view, row by row of its last axis. */
    private void copy(int i, int n) {
        int[] dims = view.dims();
        int last = dims.length - 1;
        int inner = last < 0 ? 1 : dims[last];
        int xStride = last < 0 ? 1 : view.xStrides()[last];
        int yStride = last < 0 ? 1 : view.yStrides()[last];
        float[] x = a.array();
        float[] y = this.y.array();
        for (int end = i + n; i < end; ) {
            int row = i / inner;
            int column = i - row * inner;
            int run = Math.min(inner - column, end - i);
            int xAt = a.offset() + view.xOffset() + column * xStride + offset(row, dims, view.xStrides());
            int yAt = this.y.offset() + view.yOffset() + column * yStride + offset(row, dims, view.yStrides());
            if (xStride == 1 && yStride == 1) {
                System.arraycopy(x, xAt, y, yAt, run);
            } else {
                for (int j = 0; j < run; j++) {
                    y[yAt + j * yStride] = x[xAt + j * xStride];
                }
            }
            i += run;
        }
    }

    /** Where row number {@code row} of a view starts, rows being counted over all axes but the last. */
    private static int offset(int row, int[] dims, int[] strides) {
        int offset = 0;
        for (int axis = dims.length - 2; axis >= 0; axis--) {
            offset += row % dims[axis] * strides[axis];
            row /= dims[axis];
        }
        return offset;
    }

    // ---- arithmetic ----

    /** Elements [i, i + n) of y, row by row of the last axis. */
    private void arithmetic(int i, int n) {
        int[] dims = broadcast.dims();
        int last = dims.length - 1;
        int aStride = broadcast.aStrides()[last];
        int bStride = broadcast.bStrides()[last];
        float[] aa = a.array();
        float[] ba = b.array();
        float[] ya = y.array();
        for (int end = i + n; i < end; ) {
            int row = i / dims[last];
            int column = i - row * dims[last];
            int run = Math.min(dims[last] - column, end - i);
            int ao = a.offset() + column * aStride + offset(row, dims, broadcast.aStrides());
            int bo = b.offset() + column * bStride + offset(row, dims, broadcast.bStrides());
            int yo = y.offset() + i;
            if (aStride == 1 && bStride == 1) {
                switch (arithmetic) {
                    case ADD -> add(aa, ao, ba, bo, ya, yo, run);
                    case SUBTRACT -> subtract(aa, ao, ba, bo, ya, yo, run);
                    case MULTIPLY -> multiply(aa, ao, ba, bo, ya, yo, run);
                    case DIVIDE -> divide(aa, ao, ba, bo, ya, yo, run);
                }
            } else if (aStride == 1 && bStride == 0 && arithmetic != Arithmetic.DIVIDE) {
                float value = ba[bo];
                switch (arithmetic) {
                    case ADD -> affine(1, aa, ao, value, ya, yo, run);
                    case SUBTRACT -> affine(1, aa, ao, -value, ya, yo, run);
                    default -> multiply(aa, ao, value, ya, yo, run);
                }
            } else {
                for (int j = 0; j < run; j++) {
                    float s = aa[ao + j * aStride];
                    float t = ba[bo + j * bStride];
                    ya[yo + j] = switch (arithmetic) {
                        case ADD -> s + t;
                        case SUBTRACT -> s - t;
                        case MULTIPLY -> s * t;
                        case DIVIDE -> s / t;
                    };
                }
            }
            i += run;
        }
    }

    static void add(float[] a, int ao, float[] b, int bo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, a, ao + i).add(fromArray(SPECIES, b, bo + i)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = a[ao + i] + b[bo + i];
        }
    }

    static void subtract(float[] a, int ao, float[] b, int bo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, a, ao + i).sub(fromArray(SPECIES, b, bo + i)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = a[ao + i] - b[bo + i];
        }
    }

    static void multiply(float[] a, int ao, float[] b, int bo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, a, ao + i).mul(fromArray(SPECIES, b, bo + i)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = a[ao + i] * b[bo + i];
        }
    }

    private static void divide(float[] a, int ao, float[] b, int bo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, a, ao + i).div(fromArray(SPECIES, b, bo + i)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = a[ao + i] / b[bo + i];
        }
    }

    private static void multiply(float[] a, int ao, float value, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            normal(fromArray(SPECIES, a, ao + i).mul(value), Float.MIN_NORMAL).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = normal(a[ao + i] * value, Float.MIN_NORMAL);
        }
    }

    private static void affine(float scale, float[] x, int xo, float shift, float[] y, int yo, int n) {
        FloatVector s = FloatVector.broadcast(SPECIES, scale);
        FloatVector t = FloatVector.broadcast(SPECIES, shift);
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, x, xo + i).fma(s, t).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = Math.fma(x[xo + i], scale, shift);
        }
    }

    // ---- optimizers ----

    private static void combine(float p, float[] a, int ao, float q, float[] b, int bo, float[] y, int yo, int n) {
        FloatVector vp = FloatVector.broadcast(SPECIES, p);
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, a, ao + i)
                    .fma(vp, fromArray(SPECIES, b, bo + i).mul(q))
                    .intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = Math.fma(a[ao + i], p, b[bo + i] * q);
        }
    }

    /**
     * x, or 0 if it is smaller than that. Moments of a weight whose gradient stays away decay; among the denormal numbers they would
     * stay for ever (nine tenths of four units are four units) and cost the processor a hundred cycles at every step.
     */
    private static FloatVector normal(FloatVector x, float least) {
        return x.blend(0, x.abs().lt(least));
    }

    private static float normal(float x, float least) {
        return Math.abs(x) < least ? 0 : x;
    }

    private static void lerp(float t, float[] a, int ao, float[] b, int bo, float[] y, int yo, int n) {
        FloatVector vt = FloatVector.broadcast(SPECIES, t);
        int i = 0;
        for (; i < bound(n); i += L) {
            FloatVector u = fromArray(SPECIES, a, ao + i);
            normal(fromArray(SPECIES, b, bo + i).sub(u).fma(vt, u), Float.MIN_NORMAL)
                    .intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = normal(Math.fma(b[bo + i] - a[ao + i], t, a[ao + i]), Float.MIN_NORMAL);
        }
    }

    private static void lerpSquare(float t, float[] v, int vo, float[] g, int go, float[] y, int yo, int n) {
        FloatVector vt = FloatVector.broadcast(SPECIES, t);
        int i = 0;
        for (; i < bound(n); i += L) {
            FloatVector u = fromArray(SPECIES, v, vo + i);
            FloatVector w = normal(fromArray(SPECIES, g, go + i), LEAST_ROOT);
            normal(w.mul(w).sub(u).fma(vt, u), Float.MIN_NORMAL).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            float root = normal(g[go + i], LEAST_ROOT);
            y[yo + i] = normal(Math.fma(root * root - v[vo + i], t, v[vo + i]), Float.MIN_NORMAL);
        }
    }

    private static void adamStep(
            float epsilon,
            float rate,
            float[] w,
            int wo,
            float[] m,
            int mo,
            float[] v,
            int vo,
            float[] y,
            int yo,
            int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            FloatVector root = fromArray(SPECIES, v, vo + i).sqrt().add(epsilon);
            fromArray(SPECIES, w, wo + i)
                    .sub(fromArray(SPECIES, m, mo + i).mul(rate).div(root))
                    .intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = w[wo + i] - m[mo + i] * rate / ((float) Math.sqrt(v[vo + i]) + epsilon);
        }
    }

    /** The three in one loop: divisions and square roots, which a core computes slowly, hide behind four streams from memory. */
    private static void adam(
            float t1,
            float t2,
            float epsilon,
            float rate,
            float[] w,
            int wo,
            float[] m,
            int mo,
            float[] v,
            int vo,
            float[] g,
            int go,
            int n) {
        FloatVector vt1 = FloatVector.broadcast(SPECIES, t1);
        FloatVector vt2 = FloatVector.broadcast(SPECIES, t2);
        int i = 0;
        for (; i < bound(n); i += L) {
            FloatVector gradient = fromArray(SPECIES, g, go + i);
            FloatVector mean = fromArray(SPECIES, m, mo + i);
            mean = normal(gradient.sub(mean).fma(vt1, mean), Float.MIN_NORMAL);
            mean.intoArray(m, mo + i);
            gradient = normal(gradient, LEAST_ROOT);
            FloatVector square = fromArray(SPECIES, v, vo + i);
            square = normal(gradient.mul(gradient).sub(square).fma(vt2, square), Float.MIN_NORMAL);
            square.intoArray(v, vo + i);
            fromArray(SPECIES, w, wo + i)
                    .sub(mean.mul(rate).div(square.sqrt().add(epsilon)))
                    .intoArray(w, wo + i);
        }
        lerp(t1, m, mo + i, g, go + i, m, mo + i, n - i);
        lerpSquare(t2, v, vo + i, g, go + i, v, vo + i, n - i);
        adamStep(epsilon, rate, w, wo + i, m, mo + i, v, vo + i, w, wo + i, n - i);
    }

    // ---- functions ----

    private void map(float[] x, int xo, float[] y, int yo, int n) {
        switch (f) {
            case ScalarFunction.Relu _ -> relu(x, xo, y, yo, n);
            case ScalarFunction.Relu6 _ -> relu6(x, xo, y, yo, n);
            case ScalarFunction.Affine(double scale, double shift) ->
                affine((float) scale, x, xo, (float) shift, y, yo, n);
            case ScalarFunction.Square _ -> multiply(x, xo, x, xo, y, yo, n);
            case ScalarFunction.Sqrt _ -> sqrt(x, xo, y, yo, n);
            case ScalarFunction.Exp _ -> Exponential.exp(x, xo, y, yo, n);
            case ScalarFunction.Sigmoid _ -> Exponential.sigmoid(x, xo, y, yo, n);
            case ScalarFunction.Silu _ -> Exponential.silu(x, xo, y, yo, n);
            default -> {
                ScalarFunction f = this.f;
                for (int i = 0; i < n; i++) {
                    y[yo + i] = (float) f.apply(x[xo + i]);
                }
            }
        }
    }

    private void mapGradient(float[] dy, int dyo, float[] z, int zo, float[] dx, int dxo, int n) {
        switch (f) {
            case ScalarFunction.Relu _ -> reluGradient(dy, dyo, z, zo, dx, dxo, n);
            case ScalarFunction.Relu6 _ -> relu6Gradient(dy, dyo, z, zo, dx, dxo, n);
            case ScalarFunction.Affine(double scale, double _) -> multiply(dy, dyo, (float) scale, dx, dxo, n);
            case ScalarFunction.Exp _ -> multiply(dy, dyo, z, zo, dx, dxo, n);
            default -> {
                ScalarFunction f = this.f;
                for (int i = 0; i < n; i++) {
                    dx[dxo + i] = (float) (dy[dyo + i] * f.derivative(z[zo + i]));
                }
            }
        }
    }

    /** Comparison and selection rather than a maximum: NaN passes. */
    static void relu(float[] x, int xo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            FloatVector u = fromArray(SPECIES, x, xo + i);
            u.blend(0, u.compare(LE, 0)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            float u = x[xo + i];
            y[yo + i] = u <= 0 ? 0 : u;
        }
    }

    static void reluGradient(float[] dy, int dyo, float[] z, int zo, float[] dx, int dxo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, dy, dyo + i)
                    .blend(0, fromArray(SPECIES, z, zo + i).compare(LE, 0))
                    .intoArray(dx, dxo + i);
        }
        for (; i < n; i++) {
            dx[dxo + i] = z[zo + i] <= 0 ? 0 : dy[dyo + i];
        }
    }

    private static void relu6(float[] x, int xo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            FloatVector u = fromArray(SPECIES, x, xo + i);
            u.blend(0, u.compare(LE, 0)).blend(6, u.compare(GE, 6)).intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            float u = x[xo + i];
            y[yo + i] = u <= 0 ? 0 : u >= 6 ? 6 : u;
        }
    }

    private static void relu6Gradient(float[] dy, int dyo, float[] z, int zo, float[] dx, int dxo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            FloatVector u = fromArray(SPECIES, z, zo + i);
            fromArray(SPECIES, dy, dyo + i)
                    .blend(0, u.compare(LE, 0))
                    .blend(0, u.compare(GE, 6))
                    .intoArray(dx, dxo + i);
        }
        for (; i < n; i++) {
            dx[dxo + i] = z[zo + i] <= 0 || z[zo + i] >= 6 ? 0 : dy[dyo + i];
        }
    }

    private static void sqrt(float[] x, int xo, float[] y, int yo, int n) {
        int i = 0;
        for (; i < bound(n); i += L) {
            fromArray(SPECIES, x, xo + i).sqrt().intoArray(y, yo + i);
        }
        for (; i < n; i++) {
            y[yo + i] = (float) Math.sqrt(x[xo + i]);
        }
    }
}
