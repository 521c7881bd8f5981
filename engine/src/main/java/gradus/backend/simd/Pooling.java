package gradus.backend.simd;

import static gradus.backend.simd.Elementwise.load;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.Lanes.bound;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.NE;

import gradus.backend.Window;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Maxima and means of windows, a vector of channels at a time. A part is a row of results; of the gradients, whose windows
 * overlap, a whole image.
 *
 * <p>A value replaces the maximum found so far if it is greater or NaN, so NaN is passed on and the first of equals wins.
 */
final class Pooling implements Workers.Task {
    private enum Kind {
        MAX,
        MAX_GRADIENT,
        AVERAGE,
        AVERAGE_GRADIENT
    }

    private final Workers workers;
    private Kind kind;
    private Window g;
    private Memory x;
    private Memory y;
    private Memory dx;

    /** Per worker: the winning tap of each channel of one window, and the maxima. */
    private final float[][] winners;

    Pooling(Workers workers) {
        this.workers = workers;
        winners = new float[workers.count()][0];
    }

    void max(Window g, Memory x, Memory y) {
        run(Kind.MAX, g, x, y, null, g.n() * g.oh());
    }

    void maxGradient(Window g, Memory dy, Memory x, Memory dx) {
        for (int i = 0; i < winners.length; i++) {
            winners[i] = winners[i].length < 2 * g.c() ? new float[2 * g.c()] : winners[i];
        }
        run(Kind.MAX_GRADIENT, g, x, dy, dx, g.n());
    }

    void average(Window g, Memory x, Memory y) {
        run(Kind.AVERAGE, g, x, y, null, g.n() * g.oh());
    }

    void averageGradient(Window g, Memory dy, Memory dx) {
        run(Kind.AVERAGE_GRADIENT, g, null, dy, dx, g.n());
    }

    private void run(Kind kind, Window g, Memory x, Memory y, Memory dx, int parts) {
        this.kind = kind;
        this.g = g;
        this.x = x;
        this.y = y;
        this.dx = dx;
        if ((long) g.n() * g.oh() * g.ow() * g.c() * g.kh() * g.kw() < Elementwise.CHUNK) {
            workers.runHere(this, parts);
        } else {
            workers.run(this, parts);
        }
        this.x = null;
        this.y = null;
        this.dx = null;
    }

    @Override
    public void run(int part, int worker) {
        if (kind == Kind.MAX || kind == Kind.AVERAGE) {
            for (int q = 0; q < g.ow(); q++) {
                window(part / g.oh(), part % g.oh(), q, worker);
            }
            return;
        }
        int size = g.h() * g.w() * g.c();
        int from = dx.offset() + part * size;
        Arrays.fill(dx.array(), from, from + size, 0);
        for (int p = 0; p < g.oh(); p++) {
            for (int q = 0; q < g.ow(); q++) {
                window(part, p, q, worker);
            }
        }
    }

    /** One window: taps [i0, i1) x [j0, j1) of it lie inside the image. */
    private void window(int image, int p, int q, int worker) {
        int top = p * g.strideH() - g.top();
        int left = q * g.strideW() - g.left();
        int i0 = first(top, g.dilationH());
        int i1 = end(top, g.dilationH(), g.h(), g.kh());
        int j0 = first(left, g.dilationW());
        int j1 = end(left, g.dilationW(), g.w(), g.kw());
        int result = y.offset() + ((image * g.oh() + p) * g.ow() + q) * g.c();
        int count = Math.max(0, i1 - i0) * Math.max(0, j1 - j0);
        boolean average = kind == Kind.AVERAGE;
        if (average) {
            Arrays.fill(y.array(), result, result + g.c(), 0);
        } else if (kind == Kind.MAX) {
            Arrays.fill(y.array(), result, result + g.c(), Float.NEGATIVE_INFINITY);
        } else if (kind == Kind.MAX_GRADIENT) {
            Arrays.fill(winners[worker], 0, g.c(), i0 * g.kw() + j0);
            Arrays.fill(winners[worker], g.c(), 2 * g.c(), Float.NEGATIVE_INFINITY);
        }
        for (int i = i0; i < i1; i++) {
            for (int j = j0; j < j1; j++) {
                int pixel = ((image * g.h() + top + i * g.dilationH()) * g.w() + left + j * g.dilationW()) * g.c();
                switch (kind) {
                    case MAX -> max(x.array(), x.offset() + pixel, y.array(), result, g.c());
                    case MAX_GRADIENT ->
                        find(x.array(), x.offset() + pixel, i * g.kw() + j, winners[worker], g.c());
                    case AVERAGE ->
                        Elementwise.add(
                                y.array(), result, x.array(), x.offset() + pixel, y.array(), result, g.c());
                    case AVERAGE_GRADIENT ->
                        addShare(y.array(), result, 1f / count, dx.array(), dx.offset() + pixel, g.c());
                }
            }
        }
        if (average) {
            divide(y.array(), result, count, g.c());
        } else if (kind == Kind.MAX_GRADIENT) {
            for (int i = i0; i < i1; i++) {
                for (int j = j0; j < j1; j++) {
                    int pixel = ((image * g.h() + top + i * g.dilationH()) * g.w() + left + j * g.dilationW()) * g.c();
                    send(y.array(), result, i * g.kw() + j, winners[worker], dx.array(), dx.offset() + pixel, g.c());
                }
            }
        }
    }

    private static int first(int start, int dilation) {
        return start >= 0 ? 0 : MatMul.ceil(-start, dilation);
    }

    private static int end(int start, int dilation, int size, int taps) {
        return start >= size ? 0 : Math.min(taps, MatMul.ceil(size - start, dilation));
    }

    private static void max(float[] x, int xo, float[] y, int yo, int c) {
        int j = 0;
        for (; j < bound(c); j += L) {
            FloatVector u = load(x, xo + j);
            FloatVector best = load(y, yo + j);
            best.blend(u, u.compare(GT, best).or(u.compare(NE, u)))
                    .intoArray(y, yo + j);
        }
        for (; j < c; j++) {
            float u = x[xo + j];
            if (u > y[yo + j] || u != u) {
                y[yo + j] = u;
            }
        }
    }

    /**
     * As max, also noting the number of the tap, or of the first NaN; winners are c tap numbers followed by c maxima. They
     * begin with the first tap and -infinity.
     */
    private static void find(float[] x, int xo, int tap, float[] winners, int c) {
        int j = 0;
        for (; j < bound(c); j += L) {
            FloatVector u = load(x, xo + j);
            FloatVector best = load(winners, c + j);
            var wins = u.compare(GT, best).or(u.compare(NE, u).and(best.compare(EQ, best)));
            best.blend(u, wins).intoArray(winners, c + j);
            load(winners, j).blend(tap, wins).intoArray(winners, j);
        }
        for (; j < c; j++) {
            float u = x[xo + j];
            float best = winners[c + j];
            if (u > best || u != u && best == best) {
                winners[c + j] = u;
                winners[j] = tap;
            }
        }
    }

    private static void send(float[] dy, int dyo, int tap, float[] winners, float[] dx, int dxo, int c) {
        FloatVector zero = FloatVector.zero(SPECIES);
        int j = 0;
        for (; j < bound(c); j += L) {
            FloatVector d = zero.blend(load(dy, dyo + j), load(winners, j).compare(EQ, tap));
            load(dx, dxo + j).add(d).intoArray(dx, dxo + j);
        }
        for (; j < c; j++) {
            if (winners[j] == tap) {
                dx[dxo + j] += dy[dyo + j];
            }
        }
    }

    private static void addShare(float[] dy, int dyo, float share, float[] dx, int dxo, int c) {
        FloatVector s = FloatVector.broadcast(SPECIES, share);
        int j = 0;
        for (; j < bound(c); j += L) {
            load(dy, dyo + j).fma(s, load(dx, dxo + j)).intoArray(dx, dxo + j);
        }
        for (; j < c; j++) {
            dx[dxo + j] = Math.fma(dy[dyo + j], share, dx[dxo + j]);
        }
    }

    private static void divide(float[] y, int yo, float count, int c) {
        for (int j = 0; j < c; j++) {
            y[yo + j] /= count;
        }
    }
}
