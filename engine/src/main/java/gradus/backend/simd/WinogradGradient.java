package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.MicroKernel.NR;

import gradus.backend.Window;
import java.util.Arrays;

/**
 * The derivative by the kernel of the convolutions that {@link Winograd} computes, with m = 4: the adjoint of what is written
 * there, position by position,
 *
 * <pre>
 *   dw = G' [ (B' x B)' (A dy A') ] G
 * </pre>
 *
 * so that for each position there is one matrix product, input channels by tiles by output channels. Tiles are gathered some
 * at a time, always the same ones, and the sums over them added in order: bits do not depend on threads.
 */
final class WinogradGradient extends WinogradTiles implements Workers.Task {
    /** Tiles that are gathered before kernel gradients are added up. */
    private static final int TILES_GRADIENT = 192;

    /** Tiles that a worker transforms together for it. */
    private static final int GATHER = 8;

    /** Input channels in a block of the kernel gradient: one row of the block is a row of the micro-kernel's columns. */
    private static final int CHANNELS = 144;

    /** Elements from one tile to the next in a block of channels: an odd number of cache lines, to use every cache set. */
    private static final int PITCH = 176;

    /**
     * Input and output channels whose kernel gradient one worker computes and transforms where there are few tiles; the former
     * divide those of a block.
     */
    private static final int GRADIENT_CHANNELS = 48;

    private static final int GRADIENT_FILTERS = 64;

    /** As few tiles as this leave little to add up: then a worker transforms a block of the result as soon as it is summed. */
    private static final int FEW_TILES = 60;

    private enum Phase {
        GATHER,
        MULTIPLY,
        TRANSFORM
    }

    private final Workers workers;
    private final Scratch[] scratch;

    /** Transformed x, transformed dy, and their products. */
    private float[] v = Lanes.array(0);

    private float[] d = Lanes.array(0);
    private float[] u = Lanes.array(0);

    // ---- the derivative in progress ----

    private Phase phase;
    private int firstTile;
    private int gathered;
    private Memory dy;
    private Memory dw;

    private static final class Scratch extends Tile {
        final int[] rows = new int[MicroKernel.MR_COLUMNS + 64];
        float[] u = Lanes.array(0);
    }

    WinogradGradient(Workers workers) {
        this.workers = workers;
        scratch = new Scratch[workers.count()];
        Arrays.setAll(scratch, i -> new Scratch());
    }

    long scratchElements() {
        long elements = (long) u.length + v.length + d.length;
        for (Scratch s : scratch) {
            elements += s.u.length + s.t.length;
        }
        return elements;
    }

    void kernelGradient(Window g, Memory x, Memory dy, Memory dw) {
        cut(g, 4);
        this.x = x;
        this.dy = dy;
        this.dw = dw;
        int most = Math.min(tiles, TILES_GRADIENT);
        int blocks = MatMul.ceil(channels, CHANNELS);
        v = atLeast(v, positions * blocks * most * PITCH);
        d = atLeast(d, positions * most * filters);
        int gather = Math.max(m * GATHER * GRADIENT_FILTERS, alpha * GATHER * CHANNELS);
        boolean few = tiles <= FEW_TILES;
        for (Scratch s : scratch) {
            s.t = atLeast(s.t, alpha * Math.max(gather, 3 * filters));
            s.u = few ? atLeast(s.u, positions * GRADIENT_CHANNELS * GRADIENT_FILTERS) : s.u;
        }
        if (few) {
            gather(0);
            int parts = MatMul.ceil(channels, GRADIENT_CHANNELS) * MatMul.ceil(filters, GRADIENT_FILTERS);
            workers.run(start(Phase.TRANSFORM), parts);
        } else {
            u = atLeast(u, positions * channels * filters);
            for (int tile = 0; tile < tiles; tile += gathered) {
                gather(tile);
                workers.run(start(Phase.MULTIPLY), positions * blocks);
            }
            workers.run(start(Phase.TRANSFORM), channels / 8);
        }
        this.x = null;
        this.dy = null;
        this.dw = null;
    }

    private void gather(int tile) {
        firstTile = tile;
        gathered = Math.min(TILES_GRADIENT, tiles - tile);
        workers.run(start(Phase.GATHER), MatMul.ceil(gathered, GATHER));
    }

    private Workers.Task start(Phase phase) {
        this.phase = phase;
        return this;
    }

    @Override
    public void run(int part, int worker) {
        Scratch s = scratch[worker];
        switch (phase) {
            case GATHER -> {
                int t0 = part * GATHER;
                int count = Math.min(gathered - t0, GATHER);
                fetchInputs(s, firstTile + t0, count);
                fetch(s, firstTile + t0, count, dy, outH, outW * filters, 0, m);
                gather(s, t0, t0 + count);
            }
            case MULTIPLY -> {
                int blocks = MatMul.ceil(channels, CHANNELS);
                int c0 = part % blocks * CHANNELS;
                int c1 = Math.min(channels, c0 + CHANNELS);
                int to = BASE + (part / blocks * channels + c0) * filters;
                multiply(s, part / blocks, c0, c1, 0, filters, u, to, filters);
            }
            case TRANSFORM -> {
                if (tiles > FEW_TILES) {
                    transform(s, part * 8, part * 8 + 8, 0, filters, u, BASE + part * 8 * filters, channels, filters);
                    return;
                }
                int blocks = MatMul.ceil(filters, GRADIENT_FILTERS);
                int c0 = part / blocks * GRADIENT_CHANNELS;
                int f0 = part % blocks * GRADIENT_FILTERS;
                int c1 = Math.min(channels, c0 + GRADIENT_CHANNELS);
                int f1 = Math.min(filters, f0 + GRADIENT_FILTERS);
                for (int position = 0; position < positions; position++) {
                    multiply(s, position, c0, c1, f0, f1, s.u, BASE + position * (c1 - c0) * (f1 - f0), f1 - f0);
                }
                transform(s, c0, c1, f0, f1, s.u, BASE, c1 - c0, f1 - f0);
            }
        }
    }

    /** Transforms x and dy of tiles [t0, t1) of those to be gathered. */
    private void gather(Scratch s, int t0, int t1) {
        int blocks = MatMul.ceil(channels, CHANNELS);
        int step = blocks * gathered * PITCH;
        for (int k = 0; k < blocks; k++) {
            int width = Math.min(CHANNELS, channels - k * CHANNELS);
            int size = positions * width;
            for (int t = t0; t < t1; t++) {
                inputColumns(s, firstTile + t, k * CHANNELS, width, BASE + (t - t0) * size);
            }
            Arrays.fill(s.from, s.t);
            for (int i = 0; i < alpha; i++) {
                for (int t = t0; t < t1; t++) {
                    int to = BASE + (k * gathered + t) * PITCH;
                    inputRow(s, i, width, BASE + (t - t0) * size, v, to, step);
                }
            }
        }
        for (int f = 0; f < filters; f += GRADIENT_FILTERS) {
            transformGradient(s, t0, t1, f, Math.min(GRADIENT_FILTERS, filters - f));
        }
    }

    /** A dy A' of tiles, {@code width} output channels from f0 on, to {@code d[position][panel][t][NR]}: in long runs. */
    private void transformGradient(Scratch s, int t0, int t1, int f0, int width) {
        int run = (t1 - t0) * NR;
        int block = (t1 - t0) * width;
        for (int t = t0; t < t1; t++) {
            locate(s, firstTile + t);
            int at = (s.image * outH + s.p) * outW + s.q;
            for (int j = 0; j < m; j++) {
                for (int i = 0; i < m; i++) {
                    boolean inside = i >= s.p0 && j >= s.q0 && s.p + i < outH && s.q + j < outW;
                    s.from[i] = inside ? dy.array() : ZEROS;
                    s.at[i] = inside ? dy.offset() + (at + i * outW + j) * filters + f0 : 0;
                }
                int to = BASE + j * block + (t - t0) * NR;
                WinogradTransforms.outputTransposed(width, s.from, s.at, s.t, to, m * block, run);
            }
        }
        Arrays.fill(s.from, s.t);
        int step = gathered * filters;
        for (int panel = 0; panel < width / NR; panel++) {
            for (int i = 0; i < alpha; i++) {
                for (int j = 0; j < m; j++) {
                    s.at[j] = BASE + (i * m + j) * block + panel * run;
                }
                int to = BASE + i * alpha * step + (f0 + panel * NR) * gathered + t0 * NR;
                WinogradTransforms.outputTransposed(run, s.from, s.at, d, to, step, NR);
            }
        }
    }

    /**
     * Adds V^T D of the gathered tiles, for one position and the input and output channels of a block: its row number c, from
     * channel c0 + c on, begins at {@code to[at + c pitch]}.
     */
    private void multiply(Scratch s, int position, int c0, int c1, int f0, int f1, float[] to, int at, int pitch) {
        int blocks = MatMul.ceil(channels, CHANNELS);
        int first = firstAt(position, firstTile, gathered);
        int depth = Math.max(0, endAt(position, firstTile, gathered) - first);
        int a = BASE + ((position * blocks + c0 / CHANNELS) * gathered + first) * PITCH + c0 % CHANNELS;
        for (int c = 0; c < c1 - c0; ) {
            int tile = MicroKernel.tileColumns(c1 - c0 - c);
            for (int f = f0; f < f1; f += NR) {
                for (int r = 0; r < tile; r++) {
                    s.rows[r] = at + (c + r) * pitch + f - f0;
                }
                int b = BASE + (position * filters + f) * gathered + first * NR;
                MicroKernel.columns(tile, depth, v, a + c, PITCH, d, b, NR, to, s.rows, firstTile > 0);
            }
            c += tile;
        }
    }

    /** dw of a block of channels from what {@link #multiply} left at {@code u[at]}, {@code rows} rows for each position. */
    private void transform(Scratch s, int c0, int c1, int f0, int f1, float[] u, int at, int rows, int pitch) {
        int tap = channels * filters;
        for (int c = 0; c < c1 - c0; c++) {
            int to = dw.offset() + (c0 + c) * filters + f0;
            WinogradTransforms.kernelTransposedTile(
                    f1 - f0, u, at + c * pitch, rows * pitch, s.t, BASE, dw.array(), to, tap);
        }
    }
}
