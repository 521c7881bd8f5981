package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.MR;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PITCH;
import static jdk.incubator.vector.FloatVector.fromArray;

import gradus.backend.Window;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * 3 x 3 convolutions of stride 1 by Winograd's minimal filtering (Lavin and Gray, 2015). The output is cut into tiles of
 * m x m pixels; a tile needs (m + 2) x (m + 2) input pixels and, instead of 9 m^2 multiplications for each pair of
 * channels, (m + 2)^2: 2.25 times fewer with m = 2, 4 times fewer with m = 4.
 *
 * <pre>
 *   y = A' [ (G w G') * (B' x B) ] A      * elementwise, then summed over input channels
 * </pre>
 *
 * so that for each of the (m + 2)^2 positions in a tile there is one matrix product, tiles by input channels by output
 * channels. {@link WinogradTransforms} has the matrices.
 *
 * <p>The derivative by x is the same convolution of dy with the kernel turned around. {@link WinogradGradient} has the derivative
 * by w.
 *
 * <p>The transforms round: errors are about those of the direct sum with m = 2 and up to five times as large with m = 4.
 * Whether and with which m a convolution is computed this way depends on the shape of
 * its images and kernel alone, so that results depend on neither batch size nor threads.
 */
final class Winograd extends WinogradTiles implements Workers.Task {
    /** Tiles that a worker transforms and multiplies on its own; all that it needs for them stays in its cache. */
    private static final int TILES = 25;

    /** More where the kernel is larger than this many bytes and comes from a cache behind: up to so many bytes of tiles. */
    private static final int LARGE = 1 << 20;

    /** Most numbers of a transformed kernel, 64 MiB. */
    private static final int MOST = 1 << 24;

    /** As few tiles as this are transformed by all workers together. */
    private static final int FEW_TILES = 60;

    /**
     * Kernels larger than this many bytes, of no more than so many tiles, are not transformed as a whole: every worker
     * transforms a panel and multiplies it with all tiles while it is in its cache.
     */
    private static final int OWN = 1 << 21;

    private static final int OWN_TILES = 130;

    /** Channels from which on pixels are so far apart that lines of a panel's channels are fetched before they are written. */
    private static final int APART = 128;

    /** Input channels of a panel of the kernel that are transformed together. */
    private static final int KERNEL_CHANNELS = 64;

    private enum Phase {
        KERNEL,
        TRANSFORM,
        CONVOLVE
    }

    private final Workers workers;
    private final Scratch[] scratch;

    /** Transformed kernel {@code [panel of NR output channels][position][input channel][NR]}, a gap behind each position. */
    private float[] u = Lanes.array(0);

    /** Transformed tiles, where every worker reads them all. */
    private float[] v = Lanes.array(0);

    // ---- the convolution in progress ----

    private Phase phase;

    /** How many rows of a transformed tile lie in one row of a block of A; the next ones lie below, in so many layers. */
    private int together;

    private int layers;

    /** Parts of the work among which tiles are shared out. */
    private int parts;

    private boolean shared;

    /** Whether each worker transforms the part of the kernel that it needs. */
    private boolean own;

    /** Whether the kernel had been transformed before, for many runs. */
    private boolean prepared;

    /** Whether the kernel is w turned around, for the derivative by x. */
    private boolean turned;

    private float[] kernel;
    private int kernelAt;
    private Memory w;
    private Memory bias;
    private Memory residual;
    private Memory y;
    private boolean relu;

    /** What each worker needs for itself. */
    private static final class Scratch extends Tile {
        /** Rows of products, one after the other. */
        final int[] apart = new int[MR];

        float[] u = Lanes.array(0);
        float[] v = Lanes.array(0);
        float[] m = Lanes.array(0);

        Scratch() {
            Arrays.setAll(apart, r -> r * NR);
        }

        private void reserve(int v, int m, int t) {
            this.v = atLeast(this.v, v);
            this.m = atLeast(this.m, m);
            this.t = atLeast(this.t, t);
        }
    }

    Winograd(Workers workers) {
        this.workers = workers;
        scratch = new Scratch[workers.count()];
        Arrays.setAll(scratch, i -> new Scratch());
    }

    long scratchElements() {
        long elements = (long) u.length + v.length;
        for (Scratch s : scratch) {
            elements += s.u.length + s.v.length + s.m.length + s.t.length + s.pixels.length;
        }
        return elements;
    }

    private void reserve(int v, int m, int t) {
        for (Scratch s : scratch) {
            s.reserve(v, m, t);
        }
    }

    /** Whether a transformed tile is made whole, in one row of a block of A. */
    private boolean whole() {
        return m == 4 && together == alpha;
    }

    /** Output pixels of a tile along each axis: 4, 2, or 0 where a direct convolution is used. */
    static int tile(Window g) {
        if (!suits(g)) {
            return 0;
        }
        return fits(g, 4) && reused(g, 4) ? 4 : reused(g, 2) ? 2 : 0;
    }

    /** The same for kernels transformed once for all runs; large ones would have to come from memory each time. */
    static int preparedTile(Window g) {
        if (!suits(g)) {
            return 0;
        }
        return fits(g, 4) && (long) g.c() * g.f() <= 1 << 17 ? 4 : 2;
    }

    private static boolean suits(Window g) {
        return g.kh() == 3
                && g.kw() == 3
                && g.strideH() == 1
                && g.strideW() == 1
                && g.dilationH() == 1
                && g.dilationW() == 1
                && g.groups() == 1
                && g.n() > 0
                && g.c() % 32 == 0
                && g.f() % 32 == 0
                && g.c() <= ZEROS.length
                && g.f() <= ZEROS.length
                && fits(g, 2)
                && Math.min(g.oh(), g.ow()) > 2;
    }

    /** Whether a row of a transformed tile is no longer than a row of a block of A, and the kernel not too large. */
    private static boolean fits(Window g, int m) {
        return (m + 2) * Math.max(g.c(), g.f()) <= MicroKernel.DEPTH
                && (m + 2) * (m + 2) * (long) g.c() * g.f() <= MOST;
    }

    /** Whether an image has enough tiles to earn back what transforming the kernel costs. */
    private static boolean reused(Window g, int m) {
        return MatMul.ceil(g.oh(), m) * MatMul.ceil(g.ow(), m) * 65536L >= (long) g.c() * g.f();
    }

    /** Elements of the transformed kernel. */
    static int kernelSize(Window g, int m) {
        return (m + 2) * (m + 2) * stride(g.c()) * (g.f() / NR);
    }

    /** From one position of a panel of so many input channels to the next, or from one tap. */
    private static int stride(int channels) {
        return channels * NR + GAP;
    }

    /** y = G w G' as {@link #forward} wants it. */
    void transformKernel(Window g, int m, Memory w, Memory y) {
        begin(g, m);
        this.w = w;
        kernel = y.array();
        kernelAt = y.offset();
        transformKernel();
        end();
    }

    /**
     * @param rows what makes x, or null
     * @param transformed whether w is what {@link #transformKernel} gave
     */
    void forward(
            Window g,
            int m,
            Rows rows,
            Memory x,
            Memory w,
            boolean transformed,
            Memory bias,
            Memory residual,
            boolean relu,
            Memory y) {
        begin(g, m);
        this.w = w;
        this.bias = bias;
        this.residual = residual;
        this.relu = relu;
        this.rows = rows;
        if (transformed) {
            kernel = w.array();
            kernelAt = w.offset();
        }
        convolve(x, y);
        end();
    }

    /** @param residual is added; null for none */
    void inputGradient(Window g, int m, Memory dy, Memory w, Memory residual, Memory dx) {
        begin(g, m);
        this.residual = residual;
        turn();
        turned = true;
        this.w = w;
        convolve(dy, dx);
        end();
    }

    private void transformKernel() {
        reserve(9 * stride(Math.min(channels, KERNEL_CHANNELS)), L * L, 0);
        workers.run(start(Phase.KERNEL), filters / NR * MatMul.ceil(channels, KERNEL_CHANNELS));
    }

    private void begin(Window g, int m) {
        end(); // nothing is left of a convolution that failed
        cut(g, m);
    }

    private void ownKernel() {
        u = atLeast(u, positions * stride(channels) * (filters / NR));
        kernel = u;
        kernelAt = BASE;
    }

    private Workers.Task start(Phase phase) {
        this.phase = phase;
        return this;
    }

    private void end() {
        forget(scratch);
        w = null;
        bias = null;
        residual = null;
        relu = false;
        turned = false;
        y = null;
        kernel = null;
    }

    /**
     * Each part of the work is some tiles and all output channels; or, where there are few tiles, these are transformed by
     * all workers together and each multiplies them with its share of the kernel, which is then read once; a large kernel's
     * share it has transformed itself just before. No element's arithmetic depends on which.
     */
    private void convolve(Memory x, Memory y) {
        this.x = x;
        this.y = y;
        prepared = kernel != null;
        together = Math.min(alpha, MicroKernel.DEPTH / (alpha * channels));
        layers = MatMul.ceil(alpha, together);
        for (int i = 0; i < scratch.length && (whole() || rows != null); i++) {
            reservePixels(scratch[i]);
        }
        long size = 4L * positions * channels * filters;
        own = kernel == null && size > OWN && tiles <= OWN_TILES;
        shared = tiles <= FEW_TILES || own;
        if (own) {
            reserve(9 * stride(channels), 0, 0);
            for (Scratch s : scratch) {
                s.u = atLeast(s.u, 2 * alpha * stride(channels));
            }
        } else if (kernel == null) {
            ownKernel();
            transformKernel();
        }
        if (shared) {
            v = atLeast(v, layers * (tiles + MR) * PITCH);
            reserve(
                    0,
                    positions * (tiles + MR) * NR,
                    Math.max(positions * (channels + L), positions * NR + m * m * NR));
            workers.run(start(Phase.TRANSFORM), MatMul.ceil(tiles, 4));
            workers.run(start(Phase.CONVOLVE), filters / NR);
            return;
        }
        boolean large = size > LARGE;
        int most = large ? Math.clamp(LARGE / (4L * positions * channels), TILES, FEW_TILES) : TILES;
        int threads = workers.count();
        parts = Math.min(tiles, MatMul.ceil(MatMul.ceil(tiles, most), threads) * threads);
        int room = MatMul.ceil(tiles, parts) + MR;
        reserve(
                layers * room * PITCH,
                positions * room * NR,
                Math.max(positions * (channels + L), positions * NR + m * m * NR));
        workers.run(start(Phase.CONVOLVE), parts);
    }

    @Override
    public void run(int part, int worker) {
        Scratch s = scratch[worker];
        switch (phase) {
            case KERNEL -> {
                int blocks = MatMul.ceil(channels, KERNEL_CHANNELS);
                int panel = part / blocks;
                int c0 = part % blocks * KERNEL_CHANNELS;
                int c1 = Math.min(channels, c0 + KERNEL_CHANNELS);
                int step = stride(channels);
                taps(s, panel, c0, c1);
                for (int pair = 0; pair < alpha / 2; pair++) {
                    int to = panel(panel) + row(pair, 0) * alpha * step + c0 * NR;
                    int down = (row(pair, 1) - row(pair, 0)) * alpha * step;
                    kernelRows(s, pair, c1 - c0, kernel, to, down);
                }
            }
            case TRANSFORM -> {
                int count = Math.min(tiles - part * 4, 4);
                transformInputs(s, part * 4, count, v, BASE + part * 4 * PITCH, (tiles + MR) * PITCH);
            }
            case CONVOLVE -> {
                if (shared) {
                    convolve(s, v, 0, tiles, part, part + 1);
                } else {
                    int t0 = (int) ((long) tiles * part / parts);
                    int count = (int) ((long) tiles * (part + 1) / parts) - t0;
                    fetchInputs(s, t0, count);
                    transformInputs(s, t0, count, s.v, BASE, (count + MR) * PITCH);
                    convolve(s, s.v, t0, count, 0, filters / NR);
                }
            }
        }
    }

    // ---- kernels ----

    /** Where a panel of the transformed kernel begins. */
    private int panel(int panel) {
        return kernelAt + panel * positions * stride(channels);
    }

    /**
     * Copies the taps of a panel's output channels and of input channels [c0, c1), to {@code s.v[tap][channel][NR]}, a gap behind
     * each tap. The turned kernel's are w's the other way round.
     */
    private void taps(Scratch s, int panel, int c0, int c1) {
        int f0 = panel * NR;
        int size = (c1 - c0) * NR;
        for (int tap = 0; tap < 9; tap++) {
            int to = BASE + tap * stride(c1 - c0);
            if (!turned) {
                copy(w.array(), w.offset() + (tap * channels + c0) * filters + f0, filters, s.v, to, size);
                continue;
            }
            int from = w.offset() + ((8 - tap) * filters + f0) * channels + c0;
            for (int j = 0; j < NR; j += L) {
                for (int c = 0; c < c1 - c0; c += L) {
                    Transpose.block(w.array(), from + j * channels + c, channels, s.v, to + c * NR + j, NR, s.m, BASE);
                }
            }
        }
    }

    /** Rows of NR numbers, side by side. */
    private static void copy(float[] x, int from, int row, float[] y, int to, int size) {
        for (int i = 0; i < size; i += NR, from += row) {
            fromArray(SPECIES, x, from).intoArray(y, to + i);
            fromArray(SPECIES, x, from + L).intoArray(y, to + i + L);
        }
    }

    /** Of the taps found last, {@code n} channels, position j of row r of the pair to {@code to[at + r down + j stride(channels)]}. */
    private void kernelRows(Scratch s, int pair, int n, float[] to, int at, int down) {
        WinogradTransforms.kernelRows(m, pair, n, s.v, BASE, stride(n), to, at, stride(channels), down);
    }

    /** The first and the second row of positions in a pair, which {@link WinogradTransforms#kernelRows} computes together. */
    private int row(int pair, int r) {
        return pair == 0 ? r * (m + 1) : 2 * pair - 1 + r;
    }

    // ---- convolution ----

    /**
     * Transformed, tile t0 + t at {@code to[at + t PITCH]}, position after position; if that is not room enough, the next ones
     * {@code below} there.
     */
    private void transformInputs(Scratch s, int t0, int count, float[] to, int at, int below) {
        boolean whole = whole();
        for (int t = 0; t < count; t++) {
            find(s, t0 + t, whole);
            if (whole) {
                inputTile(s, 0, channels, to, at + t * PITCH, channels);
                continue;
            }
            inputColumns(s, BASE);
            Arrays.fill(s.from, s.t);
            for (int i = 0; i < alpha; i++) {
                int row = at + t * PITCH + i / together * below;
                inputRow(s, i, channels, BASE, to, row - i / together * together * alpha * channels, channels);
            }
        }
    }

    /** {@code count} tiles from t0 on, which were transformed to v, and the output channels of panels [p0, p1). */
    private void convolve(Scratch s, float[] v, int t0, int count, int p0, int p1) {
        for (int panel = p0; panel < p1; panel++) {
            if (own) {
                taps(s, panel, 0, channels);
            }
            for (int pair = 0; pair < alpha / 2; pair++) {
                if (own) {
                    kernelRows(s, pair, channels, s.u, BASE, alpha * stride(channels));
                }
                for (int r = 0; r < 2 * alpha; r++) {
                    int position = row(pair, r / alpha) * alpha + r % alpha;
                    int b = own ? BASE + r * stride(channels) : panel(panel) + position * stride(channels);
                    multiply(s, position, v, t0, count, own ? s.u : kernel, b);
                }
            }
            int room = count + MR;
            fetchOutputs(s, t0, count, panel * NR);
            for (int t = 0; t < count; t++) {
                transformOutput(s, t0 + t, BASE + t * NR, room * NR, panel * NR);
            }
        }
    }

    /** The products of one position. */
    private void multiply(Scratch s, int position, float[] v, int t0, int count, float[] u, int b) {
        int room = count + MR;
        int row = together * alpha;
        int from = BASE + position / row * room * PITCH + position % row * channels;
        int to = BASE + position * room * NR;
        int end = endAt(position, t0, count);
        for (int t = firstAt(position, t0, count); t < end; ) {
            int tile = MicroKernel.tile(end - t);
            MicroKernel.rows(
                    tile,
                    channels,
                    v,
                    from + t * PITCH,
                    u,
                    b,
                    s.m,
                    s.apart,
                    0,
                    to + t * NR,
                    MicroKernel.ZEROS,
                    0,
                    null,
                    0);
            t += tile;
        }
    }

    /**
     * Fetches what {@link #transformOutput} will write: lines at a distance, for each of which it would wait, if they are in no cache.
     * Where a pixel is few lines, the processor fetches those of its neighbours ahead; and inference writes where something else has
     * just been.
     */
    private void fetchOutputs(Scratch s, int t0, int count, int channel) {
        if (filters < APART || prepared) {
            return;
        }
        float[] y = this.y.array();
        float any = 0;
        float other = 0;
        for (int t = t0; t < t0 + count; t++) {
            locate(s, t);
            int height = Math.min(m, outH - s.p);
            int width = Math.min(m, outW - s.q);
            for (int i = s.p0; i < height; i++) {
                int at = this.y.offset() + ((s.image * outH + s.p + i) * outW + s.q) * filters + channel;
                for (int j = s.q0; j < width; j++) {
                    any += y[at + j * filters];
                    other += y[at + j * filters + L];
                }
            }
        }
        s.t[BASE] = any + other; // or the compiler would leave out the loads
    }

    /** From products at {@code s.m[at + position * step]} to NR channels of the tile's pixels. */
    private void transformOutput(Scratch s, int tile, int at, int step, int channel) {
        int result = BASE + positions * NR;
        locate(s, tile);
        int to = ((s.image * outH + s.p) * outW + s.q) * filters + channel;
        int height = Math.min(m, outH - s.p);
        int width = Math.min(m, outW - s.q);
        if (height - s.p0 == m && width - s.q0 == m && bias == null && residual == null && !relu) {
            int o = y.offset() + to;
            WinogradTransforms.outputTile(m, NR, s.m, at, step, s.t, BASE, y.array(), o, outW * filters, filters);
            return;
        }
        WinogradTransforms.outputTile(m, NR, s.m, at, step, s.t, BASE, s.t, result, m * NR, NR);
        to += (s.p0 * outW + s.q0) * filters;
        for (int i = s.p0; i < height; i++, to += outW * filters) {
            store(s.t, result + (i * m + s.q0) * NR, width - s.q0, to);
        }
    }

    /** NR channels of up to four neighbouring pixels, with bias, residual and ReLU; what is not wanted is zeros. */
    private void store(float[] t, int at, int pixels, int to) {
        boolean biased = bias != null;
        boolean added = residual != null;
        store(
                t,
                at,
                pixels,
                biased ? bias.array() : ZEROS,
                biased ? bias.offset() + to % filters : 0,
                added ? residual.array() : ZEROS,
                added ? residual.offset() + to : 0,
                added ? filters : 0,
                relu,
                y.array(),
                y.offset() + to,
                filters);
    }

    /**
     * The same for pixels that are {@code f} apart in y and {@code step} in what is added. Written out so as not to be
     * inlined, as {@link WinogradTransforms} says; and with no method between it and the Vector API, whose own methods are
     * always inlined, because {@link WarmUp} calls it with nothing to do so often that others would not be.
     */
    static void store(
            float[] t,
            int at,
            int pixels,
            float[] shifts,
            int shift,
            float[] added,
            int add,
            int step,
            boolean relu,
            float[] y,
            int o,
            int f) {
        if (pixels == 0) {
            return;
        }
        var least = FloatVector.broadcast(SPECIES, relu ? 0 : Float.NEGATIVE_INFINITY);
        var left = fromArray(SPECIES, shifts, shift);
        var right = fromArray(SPECIES, shifts, shift + L);
        var a0 = fromArray(SPECIES, t, at).add(left).add(fromArray(SPECIES, added, add));
        var b0 = fromArray(SPECIES, t, at + L).add(right).add(fromArray(SPECIES, added, add + L));
        a0.max(least).intoArray(y, o);
        b0.max(least).intoArray(y, o + L);
        if (pixels > 1) {
            o += f;
            add += step;
            var a1 = fromArray(SPECIES, t, at + NR).add(left).add(fromArray(SPECIES, added, add));
            var b1 = fromArray(SPECIES, t, at + NR + L).add(right).add(fromArray(SPECIES, added, add + L));
            a1.max(least).intoArray(y, o);
            b1.max(least).intoArray(y, o + L);
        }
        if (pixels > 2) {
            o += f;
            add += step;
            var a2 = fromArray(SPECIES, t, at + 2 * NR).add(left).add(fromArray(SPECIES, added, add));
            var b2 = fromArray(SPECIES, t, at + 2 * NR + L).add(right).add(fromArray(SPECIES, added, add + L));
            a2.max(least).intoArray(y, o);
            b2.max(least).intoArray(y, o + L);
        }
        if (pixels > 3) {
            o += f;
            add += step;
            var a3 = fromArray(SPECIES, t, at + 3 * NR).add(left).add(fromArray(SPECIES, added, add));
            var b3 = fromArray(SPECIES, t, at + 3 * NR + L).add(right).add(fromArray(SPECIES, added, add + L));
            a3.max(least).intoArray(y, o);
            b3.max(least).intoArray(y, o + L);
        }
    }
}
