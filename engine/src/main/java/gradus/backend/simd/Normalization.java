package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.Lanes.bound;
import static jdk.incubator.vector.FloatVector.fromArray;
import static jdk.incubator.vector.VectorOperators.LE;

import gradus.backend.ScalarFunction;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Statistics per channel and batch normalization over x seen as (rows, c). All of it is limited by memory, so each pass
 * reads its inputs once, in chunks of rows that fit the second-level cache. Where nothing is written meanwhile, chunks are
 * {@linkplain Memory#fetch fetched} first.
 *
 * <p>Moments: each chunk computes its own mean and, in a second pass over cached values, its sum of squared deviations;
 * chunks are then merged pairwise (Chan, Golub, LeVeque, 1979). That is as stable as two passes and reads memory once.
 */
final class Normalization implements Workers.Task, Rows {
    private static final int CHUNK = 1 << 15;
    private static final int LONGEST = 512;

    private enum Kind {
        MOMENTS,
        MOMENTS_GRADIENT,
        NORMALIZE,
        SUM,
        SUMS,
        GRADIENT
    }

    private final Workers workers;
    private final Elementwise elementwise;

    /** Partial results, two rows of c per chunk. */
    private float[] partials = Lanes.array(0);

    /** Up to five coefficients per channel, or a worker's own each; a row is {@link #pitch} long. */
    private float[] coefficients = Lanes.array(0);

    private int pitch;

    private Kind kind;
    private int rows;
    private int c;
    private boolean relu;

    /** Where chunks of rows begin; the last ends where one more would begin. */
    private int[] chunk = new int[2];

    private int chunks;
    private double epsilon;

    /** Where statistics go, the product whose blocks of rows they wait for, and whether they were taken with these: see {@link #take}. */
    private Memory result;

    private MatMul product;

    private boolean taken;
    private Memory x;
    private Memory dy;
    private Memory m;
    private Memory residual;
    private Memory y;
    private float fetched;

    /** Who is to have the rows of the next normalization or gradient made, a block at a time; null for us, at once. */
    private Operand holder;

    /** What makes the residual, or null. */
    private Normalization residuals;

    Normalization(Workers workers, Elementwise elementwise) {
        this.workers = workers;
        this.elementwise = elementwise;
    }

    long scratchElements() {
        return partials.length + coefficients.length;
    }

    void moments(int rows, int c, Memory x, Memory m) {
        this.x = x;
        prepare(Kind.MOMENTS, rows, c);
        result = m;
        statistics();
    }

    /** y = the sum of the rows of x. */
    void sum(int rows, int c, Memory x, Memory y) {
        this.x = x;
        prepare(Kind.SUM, rows, c);
        result = y;
        statistics();
    }

    private void statistics() {
        if (product != null) {
            return;
        }
        if (workers.run(this, taken ? 0 : chunks)) {
            switch (kind) {
                case MOMENTS -> merge(result);
                case SUM -> {
                    Reduction.addPairwise(partials, BASE, chunks, 2 * c);
                    System.arraycopy(partials, BASE, result.array(), result.offset(), c);
                }
                default -> add(result);
            }
        }
        release();
    }

    /**
     * Statistics wait for the product whose result they are of, and are taken block of rows by block while these are in a cache,
     * if it is cut so; else at the {@link #end}. Which of the two depends on shapes alone.
     */
    void take(MatMul product, Runnable statistics) {
        this.product = product;
        statistics.run();
        product.followedBy(this);
    }

    /** Whether the next statistics do. */
    boolean waits() {
        return product != null;
    }

    /** The product is done. */
    void end() {
        product.followedBy(null);
        product = null;
        statistics();
    }

    /** Whether it is the statistics of these rows that wait. */
    boolean of(float[] y, int at, int rows, int columns) {
        Memory of = kind == Kind.SUMS ? dy : x;
        return of.array() == y && of.offset() == at && rows == this.rows && columns == c;
    }

    boolean isOfDerivative() {
        return kind == Kind.SUMS || kind == Kind.SUM;
    }

    /** They are taken in so many parts instead. */
    void parts(int count) {
        taken = true;
        chunks(count);
    }

    /** Where one of them begins. */
    void part(int i, int row) {
        chunk[i] = row;
    }

    private void merge(Memory m) {
        for (int step = 1; step < chunks; step *= 2) {
            for (int i = 0; i + step < chunks; i += 2 * step) {
                int first = chunk[i + step] - chunk[i];
                int second = chunk[Math.min(chunks, i + 2 * step)] - chunk[i + step];
                merge(BASE + 2 * i * c, first, BASE + 2 * (i + step) * c, second);
            }
        }
        float[] ma = m.array();
        int mo = m.offset();
        for (int j = 0; j < c; j++) {
            ma[mo + j] = partials[BASE + j];
            ma[mo + c + j] = partials[BASE + c + j] / rows;
        }
    }

    /** From the sums in the first row of y to means. */
    static void means(int rows, int c, Memory y) {
        for (int j = 0; j < c; j++) {
            y.array()[y.offset() + j] /= rows;
        }
    }

    /**
     * From sums of products of channels in the rows behind that, on the diagonal and right of it, to covariances; {@code centered} if means
     * were subtracted before.
     */
    static void covariance(int rows, int c, boolean centered, Memory y) {
        float[] a = y.array();
        int o = y.offset();
        for (int i = 0; i < c; i++) {
            double mean = centered ? 0 : a[o + i];
            int row = o + (1 + i) * c;
            for (int j = i; j < c; j++) {
                float value = (float) ((double) a[row + j] / rows - mean * a[o + j]);
                a[row + j] = value;
                a[o + (1 + j) * c + i] = value;
            }
        }
    }

    void momentsGradient(int rows, int c, Memory dm, Memory x, Memory m, Memory dx) {
        prepare(Kind.MOMENTS_GRADIENT, rows, c);
        float[] d = dm.array();
        float[] ma = m.array();
        for (int j = 0; j < c; j++) {
            coefficient(0, j, d[dm.offset() + j] / rows);
            coefficient(1, j, 2 * d[dm.offset() + c + j] / rows);
            coefficient(2, j, ma[m.offset() + j]);
        }
        this.x = x;
        y = dx;
        make();
    }

    void batchNorm(
            int rows,
            int c,
            double epsilon,
            ScalarFunction f,
            Memory x,
            Memory m,
            Memory gamma,
            Memory beta,
            Memory residual,
            Memory y) {
        prepare(Kind.NORMALIZE, rows, c);
        normalizers(epsilon, m, gamma, beta);
        this.x = x;
        this.residual = residual;
        this.y = y;
        relu = f instanceof ScalarFunction.Relu;
        boolean more = f != null && !relu;
        if (holder != null && !more) {
            holder.madeBy(this, y);
            return;
        }
        make();
        if (more) {
            elementwise.map(f, rows * c, y, y);
        }
    }

    /** Of dy, or with gamma and beta of what ReLU after the batch norm lets pass of it. */
    void sums(int rows, int c, double epsilon, Memory dy, Memory x, Memory m, Memory gamma, Memory beta, Memory s) {
        relu = gamma != null;
        prepare(Kind.SUMS, rows, c);
        float[] ma = m.array();
        for (int j = 0; j < c; j++) {
            coefficient(0, j, ma[m.offset() + j]);
        }
        if (relu) {
            normalizers(epsilon, m, gamma, beta);
        }
        this.x = x;
        this.dy = dy;
        this.m = m;
        this.epsilon = epsilon;
        result = s;
        statistics();
    }

    private void add(Memory s) {
        Reduction.addPairwise(partials, BASE, chunks, 2 * c);
        float[] ma = m.array();
        float[] sa = s.array();
        System.arraycopy(partials, BASE, sa, s.offset(), c);
        for (int j = 0; j < c; j++) {
            double sum = partials[BASE + c + j];
            sa[s.offset() + c + j] = (float) (sum / Math.sqrt(ma[m.offset() + c + j] + epsilon));
        }
    }

    void gradient(
            int rows,
            int c,
            double epsilon,
            Memory dy,
            Memory x,
            Memory m,
            Memory gamma,
            Memory beta,
            Memory s,
            Memory dx) {
        relu = beta != null;
        prepare(Kind.GRADIENT, rows, c);
        normalizers(epsilon, m, gamma, beta);
        float[] ma = m.array();
        float[] sa = s.array();
        for (int j = 0; j < c; j++) {
            double inverse = 1 / Math.sqrt(ma[m.offset() + c + j] + epsilon);
            coefficient(3, j, (float) (inverse * sa[s.offset() + c + j] / rows));
            coefficient(4, j, sa[s.offset() + j] / rows);
        }
        this.x = x;
        this.dy = dy;
        y = dx;
        if (holder == null) {
            make();
        } else {
            holder.madeBy(this, dx);
        }
    }

    /** Whether it holds the rows of this memory. */
    boolean makes(Memory rows) {
        return holder != null && y != null && y.equals(rows);
    }

    /** The next normalization's residual is what that one holds: it is made row by row where the result goes. */
    void adds(Normalization residuals) {
        this.residuals = residuals;
    }

    /** The next normalization or gradient is prepared, and its rows are left to a product that reads them; null to end that. */
    void hold(Operand holder) {
        this.holder = holder;
    }

    @Override
    public void make() {
        workers.run(this, rows == 0 ? 0 : chunks);
        release();
    }

    private void prepare(Kind kind, int rows, int c) {
        this.kind = kind;
        this.rows = rows;
        this.c = c;
        int chunkRows = Math.clamp(CHUNK / Math.max(1, c), 4, LONGEST);
        chunks(Math.max(1, MatMul.ceil(rows, chunkRows)));
        for (int i = 0; i <= chunks; i++) {
            chunk[i] = Math.min(rows, i * chunkRows);
        }
        pitch = MatMul.ceil(c, 16) * 16;
        int rowsOfCoefficients = Math.max(5, workers.count());
        if (coefficients.length < BASE + rowsOfCoefficients * pitch) {
            coefficients = Lanes.array(rowsOfCoefficients * pitch);
        }
    }

    /** Makes room for so many chunks of rows. */
    private void chunks(int count) {
        chunks = count;
        if (chunk.length <= count) {
            chunk = new int[count + 1];
        }
        if (partials.length < BASE + count * 2 * c) {
            partials = Lanes.array(count * 2 * c);
        }
    }

    private void coefficient(int which, int channel, float value) {
        coefficients[BASE + which * pitch + channel] = value;
    }

    /** Coefficients mean, scale and shift: y = (x - mean) scale + shift, the same numbers forward and backward. */
    private void normalizers(double epsilon, Memory m, Memory gamma, Memory beta) {
        float[] ma = m.array();
        for (int j = 0; j < c; j++) {
            double deviation = Math.sqrt(ma[m.offset() + c + j] + epsilon);
            coefficient(0, j, ma[m.offset() + j]);
            coefficient(1, j, (float) (gamma.array()[gamma.offset() + j] / deviation));
            coefficient(2, j, beta == null ? 0 : beta.array()[beta.offset() + j]);
        }
    }

    void release() {
        if (product != null) { // it failed
            product.followedBy(null);
            product = null;
        }
        taken = false;
        x = null;
        dy = null;
        m = null;
        result = null;
        residual = null;
        residuals = null;
        y = null;
    }

    @Override
    public void run(int part, int worker) {
        int row = chunk[part];
        int n = chunk[part + 1] - row;
        int at = row * c;
        int partial = BASE + part * 2 * c;
        switch (kind) {
            case MOMENTS -> {
                if (!taken) {
                    fetched = x.fetch(at, n * c);
                }
                moments(x.array(), x.offset() + at, n, partials, partial, BASE + worker * pitch);
            }
            case SUM -> {
                if (!taken) {
                    fetched = x.fetch(at, n * c);
                }
                Arrays.fill(partials, partial, partial + 2 * c, 0);
                Reduction.addRows(x.array(), x.offset() + at, n, c, partials, partial);
            }
            case SUMS -> {
                fetched = (taken ? 0 : dy.fetch(at, n * c)) + x.fetch(at, n * c);
                Arrays.fill(partials, partial, partial + 2 * c, 0);
                if (relu) {
                    reluSums(dy.array(), dy.offset() + at, x.array(), x.offset() + at, n, partial);
                } else {
                    sums(dy.array(), dy.offset() + at, x.array(), x.offset() + at, n, partial);
                }
            }
            case NORMALIZE, GRADIENT -> make(row, n);
            case MOMENTS_GRADIENT -> momentsGradient(x.array(), x.offset() + at, n, y.array(), y.offset() + at);
        }
    }

    @Override
    public void make(int row, int n) {
        make(row, n, y.array(), y.offset() + row * c, c);
    }

    @Override
    public float fetch(int row, int n) {
        return x.fetch(row * c, n * c);
    }

    @Override
    public void make(int row, int n, float[] to, int o, int pitch) {
        int at = row * c;
        float[] values = x.array();
        int xo = x.offset() + at;
        if (kind == Kind.NORMALIZE && residual == null) {
            normalize(values, xo, n, to, o, pitch);
        } else if (kind == Kind.NORMALIZE && residuals != null) {
            residuals.make(row, n, to, o, pitch);
            normalize(values, xo, n, to, o, pitch, to, o, pitch);
        } else if (kind == Kind.NORMALIZE) {
            normalize(values, xo, n, residual.array(), residual.offset() + at, c, to, o, pitch);
        } else if (relu) {
            reluGradient(dy.array(), dy.offset() + at, values, xo, n, to, o, pitch);
        } else {
            gradient(dy.array(), dy.offset() + at, values, xo, n, to, o, pitch);
        }
    }

    // ---- statistics of a chunk ----

    /**
     * y[0, j] = mean over rows of x[r, j]; y[1, j] = sum over rows of (x[r, j] - mean)^2. One pass over the distances d from
     * a shift: mean = shift + sum d / rows, squares = sum d^2 - (sum d)^2 / rows. The shift is a mean of the first rows, so
     * that whatever the numbers are, the difference loses no more than a factor of rows / 4, and usually nothing.
     */
    private void moments(float[] x, int xo, int rows, float[] y, int yo, int shifts) {
        int c = this.c;
        float[] k = coefficients;
        int first = Math.min(rows, 4);
        Arrays.fill(k, shifts, shifts + c, 0);
        Arrays.fill(y, yo, yo + 2 * c, 0);
        Reduction.addRows(x, xo, first, c, k, shifts);
        float share = 1f / Math.max(1, first);
        for (int j = 0; j < c; j++) {
            k[shifts + j] *= share;
        }
        int r = 0;
        for (; r < rows - 3; r += 4) {
            int r0 = xo + r * c;
            int r1 = r0 + c;
            int r2 = r1 + c;
            int r3 = r2 + c;
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector shift = fromArray(SPECIES, k, shifts + j);
                FloatVector a = fromArray(SPECIES, x, r0 + j).sub(shift);
                FloatVector b = fromArray(SPECIES, x, r1 + j).sub(shift);
                FloatVector d = fromArray(SPECIES, x, r2 + j).sub(shift);
                FloatVector e = fromArray(SPECIES, x, r3 + j).sub(shift);
                fromArray(SPECIES, y, yo + j).add(a.add(b).add(d.add(e))).intoArray(y, yo + j);
                FloatVector s = a.fma(a, b.mul(b)).add(d.fma(d, e.mul(e)));
                fromArray(SPECIES, y, yo + c + j).add(s).intoArray(y, yo + c + j);
            }
            for (; j < c; j++) {
                float a = x[r0 + j] - k[shifts + j];
                float b = x[r1 + j] - k[shifts + j];
                float d = x[r2 + j] - k[shifts + j];
                float e = x[r3 + j] - k[shifts + j];
                y[yo + j] += (a + b) + (d + e);
                y[yo + c + j] += Math.fma(a, a, b * b) + Math.fma(d, d, e * e);
            }
        }
        for (; r < rows; r++) {
            for (int j = 0; j < c; j++) {
                float a = x[xo + r * c + j] - k[shifts + j];
                y[yo + j] += a;
                y[yo + c + j] += a * a;
            }
        }
        means(k, shifts, rows, c, y, yo);
    }

    /**
     * From sums of distances and of their squares to what {@link #moments} gives. Nothing but the Vector API's own methods: it is
     * called so rarely beside the loop before that others would not be inlined there, and their vectors were objects.
     */
    private static void means(float[] shifts, int at, int rows, int c, float[] y, int yo) {
        int n = Math.max(1, rows);
        var count = FloatVector.broadcast(SPECIES, n);
        var zero = FloatVector.zero(SPECIES);
        int j = 0;
        for (; j < bound(c); j += L) {
            FloatVector sum = fromArray(SPECIES, y, yo + j);
            FloatVector mean = sum.div(count);
            mean.add(fromArray(SPECIES, shifts, at + j)).intoArray(y, yo + j);
            sum.neg().fma(mean, fromArray(SPECIES, y, yo + c + j)).max(zero).intoArray(y, yo + c + j);
        }
        for (; j < c; j++) {
            float sum = y[yo + j];
            float mean = sum / n;
            y[yo + j] = shifts[at + j] + mean;
            y[yo + c + j] = Math.max(0, Math.fma(-sum, mean, y[yo + c + j]));
        }
    }

    /** Merges the moments of nb rows at b into those of na rows at a. */
    private void merge(int a, int na, int b, int nb) {
        float[] p = partials;
        float share = (float) ((double) nb / (na + nb));
        float weight = na * share;
        FloatVector shares = FloatVector.broadcast(SPECIES, share);
        int j = 0;
        for (; j < bound(c); j += L) {
            FloatVector mean = fromArray(SPECIES, p, a + j);
            FloatVector delta = fromArray(SPECIES, p, b + j).sub(mean);
            delta.fma(shares, mean).intoArray(p, a + j);
            FloatVector squares = fromArray(SPECIES, p, a + c + j).add(fromArray(SPECIES, p, b + c + j));
            delta.mul(delta).mul(weight).add(squares).intoArray(p, a + c + j);
        }
        for (; j < c; j++) {
            float delta = p[b + j] - p[a + j];
            p[a + j] = Math.fma(delta, share, p[a + j]);
            p[a + c + j] = delta * delta * weight + (p[a + c + j] + p[b + c + j]);
        }
    }

    /** Adds, for each channel, dy and dy (x - mean) over rows, two rows at a time. */
    private void sums(float[] dy, int dyo, float[] x, int xo, int n, int to) {
        float[] k = coefficients;
        float[] p = partials;
        int c = this.c;
        int r = 0;
        for (; r < n - 1; r += 2) {
            int r0 = r * c;
            int r1 = r0 + c;
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector mean = fromArray(SPECIES, k, BASE + j);
                FloatVector d0 = fromArray(SPECIES, dy, dyo + r0 + j);
                FloatVector d1 = fromArray(SPECIES, dy, dyo + r1 + j);
                fromArray(SPECIES, p, to + j).add(d0.add(d1)).intoArray(p, to + j);
                FloatVector h0 = fromArray(SPECIES, x, xo + r0 + j).sub(mean);
                FloatVector h1 = fromArray(SPECIES, x, xo + r1 + j).sub(mean);
                fromArray(SPECIES, p, to + c + j).add(d0.fma(h0, d1.mul(h1))).intoArray(p, to + c + j);
            }
            for (; j < c; j++) {
                float d0 = dy[dyo + r0 + j];
                float d1 = dy[dyo + r1 + j];
                p[to + j] += d0 + d1;
                p[to + c + j] += Math.fma(d0, x[xo + r0 + j] - k[BASE + j], d1 * (x[xo + r1 + j] - k[BASE + j]));
            }
        }
        for (; r < n; r++) {
            for (int j = 0; j < c; j++) {
                float d = dy[dyo + r * c + j];
                p[to + j] += d;
                p[to + c + j] = Math.fma(d, x[xo + r * c + j] - k[BASE + j], p[to + c + j]);
            }
        }
    }

    /** The same where (x - mean) scale + shift is not above 0 counted as 0, two rows at a time. */
    private void reluSums(float[] dy, int dyo, float[] x, int xo, int n, int to) {
        float[] k = coefficients;
        float[] p = partials;
        int c = this.c;
        int scales = BASE + pitch;
        int shifts = scales + pitch;
        int r = 0;
        for (; r < n - 1; r += 2) {
            int r0 = r * c;
            int r1 = r0 + c;
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector mean = fromArray(SPECIES, k, BASE + j);
                FloatVector scale = fromArray(SPECIES, k, scales + j);
                FloatVector shift = fromArray(SPECIES, k, shifts + j);
                FloatVector h0 = fromArray(SPECIES, x, xo + r0 + j).sub(mean);
                FloatVector h1 = fromArray(SPECIES, x, xo + r1 + j).sub(mean);
                FloatVector d0 = fromArray(SPECIES, dy, dyo + r0 + j)
                        .blend(0, h0.fma(scale, shift).compare(LE, 0));
                FloatVector d1 = fromArray(SPECIES, dy, dyo + r1 + j)
                        .blend(0, h1.fma(scale, shift).compare(LE, 0));
                fromArray(SPECIES, p, to + j).add(d0.add(d1)).intoArray(p, to + j);
                fromArray(SPECIES, p, to + c + j).add(d0.fma(h0, d1.mul(h1))).intoArray(p, to + c + j);
            }
            for (; j < c; j++) {
                float h0 = x[xo + r0 + j] - k[BASE + j];
                float h1 = x[xo + r1 + j] - k[BASE + j];
                float d0 = Math.fma(h0, k[scales + j], k[shifts + j]) <= 0 ? 0 : dy[dyo + r0 + j];
                float d1 = Math.fma(h1, k[scales + j], k[shifts + j]) <= 0 ? 0 : dy[dyo + r1 + j];
                p[to + j] += d0 + d1;
                p[to + c + j] += Math.fma(d0, h0, d1 * h1);
            }
        }
        for (; r < n; r++) {
            for (int j = 0; j < c; j++) {
                float h = x[xo + r * c + j] - k[BASE + j];
                float d = Math.fma(h, k[scales + j], k[shifts + j]) <= 0 ? 0 : dy[dyo + r * c + j];
                p[to + j] += d;
                p[to + c + j] = Math.fma(d, h, p[to + c + j]);
            }
        }
    }

    // ---- the rows of a chunk, step apart in y; k holds the coefficients, one row of each after the other ----

    /** y = (x - mean) scale + shift, then ReLU. */
    private void normalize(float[] x, int xo, int rows, float[] y, int yo, int step) {
        float[] k = coefficients;
        int c = this.c;
        int scale = BASE + pitch;
        int shift = scale + pitch;
        boolean relu = this.relu;
        for (int r = 0; r < rows; r++, xo += c, yo += step) {
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector u = fromArray(SPECIES, x, xo + j)
                        .sub(fromArray(SPECIES, k, BASE + j))
                        .fma(fromArray(SPECIES, k, scale + j), fromArray(SPECIES, k, shift + j));
                (relu ? u.blend(0, u.compare(LE, 0)) : u).intoArray(y, yo + j);
            }
            for (; j < c; j++) {
                float u = Math.fma(x[xo + j] - k[BASE + j], k[scale + j], k[shift + j]);
                y[yo + j] = relu && u <= 0 ? 0 : u;
            }
        }
    }

    /** y = (x - mean) scale + shift + residual, then ReLU. */
    private void normalize(
            float[] x, int xo, int rows, float[] residual, int ro, int roStep, float[] y, int yo, int step) {
        float[] k = coefficients;
        int c = this.c;
        int scale = BASE + pitch;
        int shift = scale + pitch;
        boolean relu = this.relu;
        for (int r = 0; r < rows; r++, xo += c, ro += roStep, yo += step) {
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector u = fromArray(SPECIES, x, xo + j)
                        .sub(fromArray(SPECIES, k, BASE + j))
                        .fma(fromArray(SPECIES, k, scale + j), fromArray(SPECIES, k, shift + j));
                u = u.add(fromArray(SPECIES, residual, ro + j));
                (relu ? u.blend(0, u.compare(LE, 0)) : u).intoArray(y, yo + j);
            }
            for (; j < c; j++) {
                float u = Math.fma(x[xo + j] - k[BASE + j], k[scale + j], k[shift + j]) + residual[ro + j];
                y[yo + j] = relu && u <= 0 ? 0 : u;
            }
        }
    }

    /** dx = (dm0 + 2 dm1 (x - mean)) / rows. */
    private void momentsGradient(float[] x, int xo, int rows, float[] y, int yo) {
        float[] k = coefficients;
        int c = this.c;
        int slope = BASE + pitch;
        int mean = slope + pitch;
        for (int r = 0; r < rows; r++, xo += c, yo += c) {
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector centred = fromArray(SPECIES, x, xo + j).sub(fromArray(SPECIES, k, mean + j));
                centred.fma(fromArray(SPECIES, k, slope + j), fromArray(SPECIES, k, BASE + j))
                        .intoArray(y, yo + j);
            }
            for (; j < c; j++) {
                y[yo + j] = Math.fma(x[xo + j] - k[mean + j], k[slope + j], k[BASE + j]);
            }
        }
    }

    /** dx = scale (dy - fall - (x - mean) slope). */
    private void gradient(float[] dy, int dyo, float[] x, int xo, int rows, float[] y, int yo, int step) {
        float[] k = coefficients;
        int c = this.c;
        int scale = BASE + pitch;
        int slope = BASE + 3 * pitch;
        int fall = slope + pitch;
        for (int r = 0; r < rows; r++, dyo += c, xo += c, yo += step) {
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector centred = fromArray(SPECIES, x, xo + j).sub(fromArray(SPECIES, k, BASE + j));
                FloatVector u = fromArray(SPECIES, dy, dyo + j).sub(fromArray(SPECIES, k, fall + j));
                u.sub(centred.mul(fromArray(SPECIES, k, slope + j)))
                        .mul(fromArray(SPECIES, k, scale + j))
                        .intoArray(y, yo + j);
            }
            for (; j < c; j++) {
                float centred = x[xo + j] - k[BASE + j];
                y[yo + j] = (dy[dyo + j] - k[fall + j] - centred * k[slope + j]) * k[scale + j];
            }
        }
    }

    /** The same with dy counted as 0 where (x - mean) scale + shift is not above 0. */
    private void reluGradient(float[] dy, int dyo, float[] x, int xo, int rows, float[] y, int yo, int step) {
        float[] k = coefficients;
        int c = this.c;
        int scales = BASE + pitch;
        int shift = scales + pitch;
        int slope = shift + pitch;
        int fall = slope + pitch;
        for (int r = 0; r < rows; r++, dyo += c, xo += c, yo += step) {
            int j = 0;
            for (; j < bound(c); j += L) {
                FloatVector centred = fromArray(SPECIES, x, xo + j).sub(fromArray(SPECIES, k, BASE + j));
                FloatVector scale = fromArray(SPECIES, k, scales + j);
                var stopped =
                        centred.fma(scale, fromArray(SPECIES, k, shift + j)).compare(LE, 0);
                FloatVector u =
                        fromArray(SPECIES, dy, dyo + j).blend(0, stopped).sub(fromArray(SPECIES, k, fall + j));
                u.sub(centred.mul(fromArray(SPECIES, k, slope + j))).mul(scale).intoArray(y, yo + j);
            }
            for (; j < c; j++) {
                float centred = x[xo + j] - k[BASE + j];
                float d = Math.fma(centred, k[scales + j], k[shift + j]) <= 0 ? 0 : dy[dyo + j];
                y[yo + j] = (d - k[fall + j] - centred * k[slope + j]) * k[scales + j];
            }
        }
    }
}
