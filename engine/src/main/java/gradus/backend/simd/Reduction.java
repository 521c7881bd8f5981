package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.Lanes.bound;
import static jdk.incubator.vector.FloatVector.fromArray;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Sums and maxima along an axis. A long axis is cut into chunks by shape alone; chunks are summed independently and their
 * sums added pairwise, which fixes the order of additions for any number of threads and keeps rounding errors small.
 */
final class Reduction implements Workers.Task {
    private static final int CHUNK = 1 << 15;

    /** Most numbers that are added to one accumulator one after the other. */
    private static final int LONGEST = 512;

    private enum Kind {
        SUM,
        MAX,
        MAX_GRADIENT
    }

    private final Workers workers;
    private float[] partials = Lanes.array(0);
    private final float[] lanes;

    private Kind kind;
    private int outer;
    private int reduced;
    private int inner;

    /** Rows (steps along the reduced axis) in a chunk, and chunks of one outer index. */
    private int chunkRows;

    private int chunks;

    /** Outer indices in a part, where each has one chunk only. */
    private int group;

    private Memory x;
    private Memory dy;
    private Memory y;
    private Memory dx;

    Reduction(Workers workers) {
        this.workers = workers;
        lanes = new float[workers.count() * 16];
    }

    long scratchElements() {
        return partials.length + lanes.length;
    }

    void sum(int outer, int reduced, int inner, Memory x, Memory y) {
        set(Kind.SUM, outer, reduced, inner);
        this.x = x;
        this.y = y;
        if (outer * inner == 0) {
            return;
        }
        chunkRows = inner == 1 ? CHUNK / 2 : Math.clamp(CHUNK / inner, 4, LONGEST);
        chunks = Math.max(1, MatMul.ceil(reduced, chunkRows));
        if (chunks > 1 && partials.length < BASE + outer * chunks * inner) {
            partials = Lanes.array(outer * chunks * inner);
        }
        group = chunks > 1 ? 1 : Math.clamp(CHUNK / Math.max(1, (long) reduced * inner), 1, outer);
        boolean done = workers.run(this, chunks > 1 ? outer * chunks : MatMul.ceil(outer, group));
        if (done && chunks > 1) {
            for (int o = 0; o < outer; o++) {
                int at = BASE + o * chunks * inner;
                addPairwise(partials, at, chunks, inner);
                System.arraycopy(partials, at, y.array(), y.offset() + o * inner, inner);
            }
        }
        release();
    }

    void max(int outer, int reduced, int inner, Memory x, Memory y) {
        set(Kind.MAX, outer, reduced, inner);
        this.x = x;
        this.y = y;
        byOuter();
    }

    void maxGradient(int outer, int reduced, int inner, Memory dy, Memory x, Memory y, Memory dx) {
        set(Kind.MAX_GRADIENT, outer, reduced, inner);
        this.dy = dy;
        this.x = x;
        this.y = y;
        this.dx = dx;
        byOuter();
    }

    private void set(Kind kind, int outer, int reduced, int inner) {
        this.kind = kind;
        this.outer = outer;
        this.reduced = reduced;
        this.inner = inner;
    }

    private void byOuter() {
        group = Math.clamp(CHUNK / Math.max(1, (long) reduced * inner), 1, Math.max(1, outer));
        workers.run(this, MatMul.ceil(outer, group));
        release();
    }

    private void release() {
        x = null;
        y = null;
        dy = null;
        dx = null;
    }

    @Override
    public void run(int part, int worker) {
        if (kind == Kind.SUM && chunks > 1) {
            int o = part / chunks;
            int r = part % chunks * chunkRows;
            int rows = Math.min(chunkRows, reduced - r);
            sum(x.array(), x.offset() + (o * reduced + r) * inner, rows, partials, BASE + part * inner, worker);
            return;
        }
        for (int o = part * group; o < Math.min(outer, (part + 1) * group); o++) {
            int xo = x.offset() + o * reduced * inner;
            int yo = y.offset() + o * inner;
            switch (kind) {
                case SUM -> sum(x.array(), xo, reduced, y.array(), yo, worker);
                case MAX -> max(xo, yo);
                case MAX_GRADIENT -> maxGradient(o * reduced * inner, o * inner);
            }
        }
    }

    private void sum(float[] x, int xo, int rows, float[] y, int yo, int worker) {
        if (inner == 1) {
            y[yo] = sum(x, xo, rows, worker);
        } else {
            Arrays.fill(y, yo, yo + inner, 0);
            addRows(x, xo, rows, inner, y, yo);
        }
    }

    /**
     * y[j] += sum over rows of x[row, j]. Four rows at a time: y stays in the first-level cache, x streams. Nothing but the Vector
     * API's own methods, as some call it so rarely that others would not be inlined.
     */
    static void addRows(float[] x, int xo, int rows, int c, float[] y, int yo) {
        int r = 0;
        for (; r < rows - 3; r += 4) {
            int r0 = xo + r * c;
            int r1 = r0 + c;
            int r2 = r1 + c;
            int r3 = r2 + c;
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector s = fromArray(SPECIES, x, r0 + j).add(fromArray(SPECIES, x, r1 + j));
                FloatVector t = fromArray(SPECIES, x, r2 + j).add(fromArray(SPECIES, x, r3 + j));
                fromArray(SPECIES, y, yo + j).add(s.add(t)).intoArray(y, yo + j);
            }
            for (; j < c; j++) {
                y[yo + j] += (x[r0 + j] + x[r1 + j]) + (x[r2 + j] + x[r3 + j]);
            }
        }
        for (; r < rows; r++) {
            Elementwise.add(y, yo, x, xo + r * c, y, yo, c);
        }
    }

    /** Adds rows of c elements pairwise, as a balanced tree, into the first. */
    static void addPairwise(float[] x, int at, int rows, int c) {
        for (int step = 1; step < rows; step *= 2) {
            for (int r = 0; r + step < rows; r += 2 * step) {
                Elementwise.add(x, at + r * c, x, at + (r + step) * c, x, at + r * c, c);
            }
        }
    }

    private float sum(float[] x, int xo, int n, int worker) {
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        int i = 0;
        for (; i <= n - 4 * L; i += 4 * L) {
            s0 = s0.add(fromArray(SPECIES, x, xo + i));
            s1 = s1.add(fromArray(SPECIES, x, xo + i + L));
            s2 = s2.add(fromArray(SPECIES, x, xo + i + 2 * L));
            s3 = s3.add(fromArray(SPECIES, x, xo + i + 3 * L));
        }
        float rest = 0;
        for (; i < n; i++) {
            rest += x[xo + i];
        }
        s0.add(s1).add(s2.add(s3)).intoArray(lanes, worker * 16);
        return sum(lanes, worker * 16) + rest;
    }

    /** The sum of a vector's lanes, stored before, in a fixed order, which {@code reduceLanes} does not promise. */
    static float sum(float[] scratch, int at) {
        for (int step = L / 2; step > 0; step /= 2) {
            for (int i = 0; i < step; i++) {
                scratch[at + i] += scratch[at + i + step];
            }
        }
        return scratch[at];
    }

    private void max(int xo, int yo) {
        float[] x = this.x.array();
        float[] y = this.y.array();
        Arrays.fill(y, yo, yo + inner, Float.NEGATIVE_INFINITY);
        for (int r = 0; r < reduced; r++) {
            for (int j = 0; j < inner; j++) {
                y[yo + j] = Math.max(y[yo + j], x[xo + r * inner + j]);
            }
        }
    }

    private void maxGradient(int from, int to) {
        float[] xa = x.array();
        float[] ya = y.array();
        float[] dya = dy.array();
        float[] dxa = dx.array();
        for (int i = 0; i < inner; i++) {
            float max = ya[y.offset() + to + i];
            int count = 0;
            for (int r = 0; r < reduced; r++) {
                count += xa[x.offset() + from + r * inner + i] == max ? 1 : 0;
            }
            float share = dya[dy.offset() + to + i] / count;
            for (int r = 0; r < reduced; r++) {
                boolean winner = xa[x.offset() + from + r * inner + i] == max;
                dxa[dx.offset() + from + r * inner + i] = winner ? share : 0;
            }
        }
    }
}
