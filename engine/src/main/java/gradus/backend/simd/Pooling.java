package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.Lanes.bound;
import static jdk.incubator.vector.FloatVector.fromArray;
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

    /** Numbers. */
    private static final int MOST_FETCHED = 1 << 16;

    private final Workers workers;
    private Kind kind;
    private Window g;
    private Memory x;
    private Memory y;
    private Memory largest;
    private Memory dx;
    private float fetched;

    Pooling(Workers workers) {
        this.workers = workers;
    }

    void max(Window g, Memory x, Memory y) {
        run(Kind.MAX, g, x, y, null, g.n() * g.oh());
    }

    void maxGradient(Window g, Memory dy, Memory x, Memory y, Memory dx) {
        largest = y;
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
        largest = null;
        this.dx = null;
    }

    @Override
    public void run(int part, int worker) {
        if (kind == Kind.MAX || kind == Kind.AVERAGE) {
            fetch(part / g.oh(), part % g.oh());
            for (int q = 0; q < g.ow(); q++) {
                window(part / g.oh(), part % g.oh(), q);
            }
            return;
        }
        int zeros =
                0; // rows of dx that are ready: just as far as the next windows reach, which finds them in the cache
        for (int p = 0; p < g.oh(); p++) {
            int reached = Math.clamp(p * g.strideH() - g.top() + (g.kh() - 1) * g.dilationH() + 1, zeros, g.h());
            if (kind == Kind.MAX_GRADIENT) {
                fetch(part, p);
            }
            zero(part, zeros, reached);
            zeros = reached;
            for (int q = 0; q < g.ow(); q++) {
                window(part, p, q);
            }
        }
        zero(part, zeros, g.h());
    }

    /** The rows of x under a row of windows, unless they are too many for the second-level cache. */
    private void fetch(int image, int p) {
        int from = Math.clamp(p * g.strideH() - g.top(), 0, g.h());
        int to = Math.clamp(p * g.strideH() - g.top() + (g.kh() - 1) * g.dilationH() + 1, 0, g.h());
        int row = g.w() * g.c();
        if ((long) (to - from) * row <= MOST_FETCHED) {
            fetched = x.fetch((image * g.h() + from) * row, (to - from) * row);
        }
    }

    private void zero(int image, int from, int to) {
        int row = g.w() * g.c();
        int at = dx.offset() + image * g.h() * row;
        Arrays.fill(dx.array(), at + from * row, at + to * row, 0);
    }

    /** One window: a rectangle of taps inside the image, described by its first pixel and the distances between taps. */
    private void window(int image, int p, int q) {
        int top = p * g.strideH() - g.top();
        int left = q * g.strideW() - g.left();
        int i0 = first(top, g.dilationH());
        int j0 = first(left, g.dilationW());
        int height = Math.max(0, end(top, g.dilationH(), g.h(), g.kh()) - i0);
        int width = Math.max(0, end(left, g.dilationW(), g.w(), g.kw()) - j0);
        if (height == 0 || width == 0) {
            height = 0;
            i0 = 0;
            j0 = 0;
        }
        int row = (image * g.h() + top + i0 * g.dilationH()) * g.w();
        int at = (row + left + j0 * g.dilationW()) * g.c();
        int result = y.offset() + ((image * g.oh() + p) * g.ow() + q) * g.c();
        int down = g.dilationH() * g.w() * g.c();
        int over = g.dilationW() * g.c();
        switch (kind) {
            case MAX -> max(x.array(), x.offset() + at, height, down, width, over, y.array(), result, g.c());
            case AVERAGE -> average(x.array(), x.offset() + at, height, down, width, over, y.array(), result, g.c());
            case MAX_GRADIENT ->
                maxGradient(
                        y.array(),
                        result,
                        largest.array(),
                        largest.offset() + result - y.offset(),
                        x.array(),
                        x.offset() + at,
                        height,
                        down,
                        width,
                        over,
                        dx.array(),
                        dx.offset() + at,
                        g.c());
            case AVERAGE_GRADIENT ->
                averageGradient(y.array(), result, height, down, width, over, dx.array(), dx.offset() + at, g.c());
        }
    }

    /** The first tap inside, for a window that starts at a padded position; and the first after that is outside again. */
    private static int first(int start, int dilation) {
        return start >= 0 ? 0 : MatMul.ceil(-start, dilation);
    }

    private static int end(int start, int dilation, int size, int taps) {
        return start >= size ? 0 : Math.min(taps, MatMul.ceil(size - start, dilation));
    }

    // ---- one window: tap (i, j) of channel c at xo + i * down + j * over + c ----

    static void max(float[] x, int xo, int height, int down, int width, int over, float[] y, int yo, int channels) {
        int c = 0;
        for (; c + 4 * L <= channels; c += 4 * L) {
            maxOfFour(x, xo + c, height, down, width, over, y, yo + c);
        }
        for (; c < bound(channels); c += L) {
            FloatVector best = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    FloatVector u = fromArray(SPECIES, x, xo + i * down + j * over + c);
                    best = best.blend(u, u.compare(GT, best).or(u.compare(NE, u)));
                }
            }
            best.intoArray(y, yo + c);
        }
        for (; c < channels; c++) {
            float best = Float.NEGATIVE_INFINITY;
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    float u = x[xo + i * down + j * over + c];
                    best = u > best || u != u ? u : best;
                }
            }
            y[yo + c] = best;
        }
    }

    /**
     * Four vectors of channels, because each waits for its own comparisons. Loads are spelled out: in a method of this size the
     * compiler may inline nothing but the Vector API, and would make objects of what a helper returns.
     */
    private static void maxOfFour(float[] x, int xo, int height, int down, int width, int over, float[] y, int yo) {
        FloatVector p = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
        FloatVector q = p;
        FloatVector r = p;
        FloatVector s = p;
        for (int i = 0; i < height; i++) {
            for (int j = 0; j < width; j++) {
                int at = xo + i * down + j * over;
                FloatVector u = fromArray(SPECIES, x, at);
                p = p.blend(u, u.compare(GT, p).or(u.compare(NE, u)));
                u = fromArray(SPECIES, x, at + L);
                q = q.blend(u, u.compare(GT, q).or(u.compare(NE, u)));
                u = fromArray(SPECIES, x, at + 2 * L);
                r = r.blend(u, u.compare(GT, r).or(u.compare(NE, u)));
                u = fromArray(SPECIES, x, at + 3 * L);
                s = s.blend(u, u.compare(GT, s).or(u.compare(NE, u)));
            }
        }
        p.intoArray(y, yo);
        q.intoArray(y, yo + L);
        r.intoArray(y, yo + 2 * L);
        s.intoArray(y, yo + 3 * L);
    }

    /** The first tap that is y's value, or NaN, gets dy added. */
    private static void maxGradient(
            float[] dy,
            int dyo,
            float[] y,
            int yo,
            float[] x,
            int xo,
            int height,
            int down,
            int width,
            int over,
            float[] dx,
            int dxo,
            int channels) {
        int c = 0;
        for (; c + 4 * L <= channels; c += 4 * L) {
            maxGradientOfFour(dy, dyo + c, y, yo + c, x, xo + c, height, down, width, over, dx, dxo + c);
        }
        FloatVector zero = FloatVector.zero(SPECIES);
        for (; c < bound(channels); c += L) {
            FloatVector best = fromArray(SPECIES, y, yo + c);
            FloatVector d = fromArray(SPECIES, dy, dyo + c);
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    FloatVector u = fromArray(SPECIES, x, xo + i * down + j * over + c);
                    var wins = u.compare(EQ, best).or(u.compare(NE, u));
                    int at = dxo + i * down + j * over + c;
                    fromArray(SPECIES, dx, at).add(zero.blend(d, wins)).intoArray(dx, at);
                    d = d.blend(0, wins); // for the taps behind
                }
            }
        }
        for (; c < channels; c++) {
            float d = dy[dyo + c];
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    float u = x[xo + i * down + j * over + c];
                    if (u == y[yo + c] || u != u) {
                        dx[dxo + i * down + j * over + c] += d;
                        d = 0;
                    }
                }
            }
        }
    }

    private static void maxGradientOfFour(
            float[] dy,
            int dyo,
            float[] y,
            int yo,
            float[] x,
            int xo,
            int height,
            int down,
            int width,
            int over,
            float[] dx,
            int dxo) {
        FloatVector zero = FloatVector.zero(SPECIES);
        FloatVector p = fromArray(SPECIES, y, yo);
        FloatVector q = fromArray(SPECIES, y, yo + L);
        FloatVector r = fromArray(SPECIES, y, yo + 2 * L);
        FloatVector s = fromArray(SPECIES, y, yo + 3 * L);
        FloatVector dp = fromArray(SPECIES, dy, dyo);
        FloatVector dq = fromArray(SPECIES, dy, dyo + L);
        FloatVector dr = fromArray(SPECIES, dy, dyo + 2 * L);
        FloatVector ds = fromArray(SPECIES, dy, dyo + 3 * L);
        for (int i = 0; i < height; i++) {
            for (int j = 0; j < width; j++) {
                int from = xo + i * down + j * over;
                int to = dxo + i * down + j * over;
                FloatVector u = fromArray(SPECIES, x, from);
                var wins = u.compare(EQ, p).or(u.compare(NE, u));
                fromArray(SPECIES, dx, to).add(zero.blend(dp, wins)).intoArray(dx, to);
                dp = dp.blend(0, wins);
                u = fromArray(SPECIES, x, from + L);
                wins = u.compare(EQ, q).or(u.compare(NE, u));
                fromArray(SPECIES, dx, to + L).add(zero.blend(dq, wins)).intoArray(dx, to + L);
                dq = dq.blend(0, wins);
                u = fromArray(SPECIES, x, from + 2 * L);
                wins = u.compare(EQ, r).or(u.compare(NE, u));
                fromArray(SPECIES, dx, to + 2 * L).add(zero.blend(dr, wins)).intoArray(dx, to + 2 * L);
                dr = dr.blend(0, wins);
                u = fromArray(SPECIES, x, from + 3 * L);
                wins = u.compare(EQ, s).or(u.compare(NE, u));
                fromArray(SPECIES, dx, to + 3 * L).add(zero.blend(ds, wins)).intoArray(dx, to + 3 * L);
                ds = ds.blend(0, wins);
            }
        }
    }

    private static void average(
            float[] x, int xo, int height, int down, int width, int over, float[] y, int yo, int channels) {
        float count = height * width;
        int c = 0;
        for (; c < bound(channels); c += L) {
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    sum = sum.add(fromArray(SPECIES, x, xo + i * down + j * over + c));
                }
            }
            sum.div(count).intoArray(y, yo + c);
        }
        for (; c < channels; c++) {
            float sum = 0;
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    sum += x[xo + i * down + j * over + c];
                }
            }
            y[yo + c] = sum / count;
        }
    }

    private static void averageGradient(
            float[] dy, int dyo, int height, int down, int width, int over, float[] dx, int dxo, int channels) {
        float count = height * width;
        int c = 0;
        for (; c < bound(channels); c += L) {
            FloatVector share = fromArray(SPECIES, dy, dyo + c).div(count);
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    int at = dxo + i * down + j * over + c;
                    fromArray(SPECIES, dx, at).add(share).intoArray(dx, at);
                }
            }
        }
        for (; c < channels; c++) {
            float share = dy[dyo + c] / count;
            for (int i = 0; i < height; i++) {
                for (int j = 0; j < width; j++) {
                    dx[dxo + i * down + j * over + c] += share;
                }
            }
        }
    }
}
