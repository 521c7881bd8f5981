package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.Lanes.L;
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
 *
 * <p>Of small kernels every worker gathers and multiplies tiles of its own, a fixed share of all for each of the partial results.
 * Of others all workers gather the same tiles, and each multiplies some positions.
 */
final class WinogradGradient extends WinogradTiles implements Workers.Task {
    /** Tiles that are gathered before kernel gradients are added up. */
    private static final int TILES_GRADIENT = 200;

    /** The same where a worker gathers them for itself: they and its partial result fit its second-level cache. */
    private static final int OWN_TILES = 50;

    /** Tiles that a worker transforms together for it. */
    private static final int GATHER = 8;

    /** Input channels in a block of the kernel gradient: one row of the block is a row of the micro-kernel's columns. */
    private static final int CHANNELS = 144;

    /**
     * Input and output channels whose kernel gradient one worker computes and transforms where there are few tiles; the former
     * divide those of a block.
     */
    private static final int GRADIENT_CHANNELS = 48;

    private static final int GRADIENT_FILTERS = 64;

    /** As few tiles as this are gathered at once: then a worker transforms a block of the result as soon as it is summed. */
    private static final int FEW_TILES = 130;

    /** Transformed kernels of no more numbers than this have so many partial results, if there are enough tiles for all. */
    private static final int SMALL_KERNEL = 1 << 18;

    private static final int PARTIALS = 8;

    private static final int LEAST_TILES = 48;

    /** Numbers of partial results that are added together. */
    private static final int CHUNK = 1 << 12;

    private enum Phase {
        OWN,
        ADD,
        GATHER,
        MULTIPLY,
        TRANSFORM
    }

    private final Workers workers;
    private final Scratch[] scratch;

    /** The tiles that all workers gather. */
    private final Tiles all = new Tiles();

    /** Products of transformed x and transformed dy. */
    private float[] u = Lanes.array(0);

    // ---- the derivative in progress ----

    private Phase phase;
    private Memory dy;
    private Memory dw;

    /** Blocks of input channels, and elements from one tile to the next in one: an odd number of cache lines, to use every cache set. */
    private int blocks;

    private int pitch;

    /**
     * Tiles [first, first + count), transformed: x as {@code v[position][block][tile][pitch]}, dy as {@code d[position][panel][tile][NR]}
     * with a gap behind each position of it.
     */
    private static final class Tiles {
        float[] v = Lanes.array(0);
        float[] d = Lanes.array(0);
        int first;
        int count;
    }

    private static final class Scratch extends Tile {
        final int[] rows = new int[MicroKernel.MR_COLUMNS + 64];
        final Tiles own = new Tiles();
        float[] u = Lanes.array(0);
    }

    WinogradGradient(Workers workers) {
        this.workers = workers;
        scratch = new Scratch[workers.count()];
        Arrays.setAll(scratch, i -> new Scratch());
    }

    long scratchElements() {
        long elements = (long) u.length + all.v.length + all.d.length;
        for (Scratch s : scratch) {
            elements += s.u.length + s.t.length + s.pixels.length + s.own.v.length + s.own.d.length;
        }
        return elements;
    }

    /** @param rows what makes x, or null */
    void kernelGradient(Window g, Rows rows, Memory x, Memory dy, Memory dw) {
        cut(g, 4);
        this.rows = rows;
        this.x = x;
        this.dy = dy;
        this.dw = dw;
        blocks = MatMul.ceil(channels, CHANNELS);
        pitch = (Math.min(channels, CHANNELS) / 16 + 1 | 1) * 16;
        int size = positions * channels * filters;
        boolean few = tiles <= FEW_TILES;
        for (Scratch s : scratch) {
            reservePixels(s);
            s.t = atLeast(s.t, positions * (Math.max(CHANNELS, filters) + L));
            s.u = few ? atLeast(s.u, positions * (GRADIENT_CHANNELS * GRADIENT_FILTERS + GAP)) : s.u;
        }
        if (size <= SMALL_KERNEL && tiles >= PARTIALS * LEAST_TILES) {
            u = atLeast(u, PARTIALS * size);
            for (Scratch s : scratch) {
                reserve(s.own, Math.min(OWN_TILES, MatMul.ceil(tiles, PARTIALS)));
            }
            workers.run(start(Phase.OWN), PARTIALS);
            workers.run(start(Phase.ADD), MatMul.ceil(size, CHUNK));
            workers.run(start(Phase.TRANSFORM), channels / 8);
        } else if (few) {
            reserveAll();
            gather(0);
            int parts = MatMul.ceil(channels, GRADIENT_CHANNELS) * MatMul.ceil(filters, GRADIENT_FILTERS);
            workers.run(start(Phase.TRANSFORM), parts);
        } else {
            reserveAll();
            u = atLeast(u, size);
            for (int tile = 0; tile < tiles; tile += all.count) {
                gather(tile);
                workers.run(start(Phase.MULTIPLY), positions * blocks);
            }
            workers.run(start(Phase.TRANSFORM), channels / 8);
        }
        forget(scratch);
        this.dy = null;
        this.dw = null;
    }

    private void reserveAll() {
        reserve(all, Math.min(TILES_GRADIENT, tiles));
        for (Scratch s : scratch) {
            reserve(s.own, Math.min(GATHER, tiles));
        }
    }

    private void reserve(Tiles tiles, int count) {
        tiles.v = atLeast(tiles.v, positions * blocks * count * pitch);
        tiles.d = atLeast(tiles.d, positions * (count * filters + GAP));
    }

    private void gather(int tile) {
        all.first = tile;
        all.count = Math.min(TILES_GRADIENT, tiles - tile);
        workers.run(start(Phase.GATHER), MatMul.ceil(all.count, GATHER));
    }

    private Workers.Task start(Phase phase) {
        this.phase = phase;
        return this;
    }

    @Override
    public void run(int part, int worker) {
        Scratch s = scratch[worker];
        switch (phase) {
            case OWN -> own(s, part);
            case ADD -> {
                int size = positions * channels * filters;
                int at = BASE + part * CHUNK;
                int n = Math.min(CHUNK, size - part * CHUNK);
                for (int i = 1; i < PARTIALS; i++) {
                    Elementwise.add(u, at, u, at + i * size, u, at, n);
                }
            }
            case GATHER -> gatherForAll(s, part * GATHER);
            case MULTIPLY -> {
                int c0 = part % blocks * CHANNELS;
                int c1 = Math.min(channels, c0 + CHANNELS);
                int to = BASE + (part / blocks * channels + c0) * filters;
                multiply(s, all, part / blocks, c0, c1, 0, filters, all.first > 0, u, to, filters);
            }
            case TRANSFORM -> {
                if (tiles > FEW_TILES) {
                    int at = BASE + part * 8 * filters;
                    transform(s, part * 8, part * 8 + 8, 0, filters, u, at, channels * filters, filters);
                    return;
                }
                int wide = MatMul.ceil(filters, GRADIENT_FILTERS);
                int c0 = part / wide * GRADIENT_CHANNELS;
                int f0 = part % wide * GRADIENT_FILTERS;
                int c1 = Math.min(channels, c0 + GRADIENT_CHANNELS);
                int f1 = Math.min(filters, f0 + GRADIENT_FILTERS);
                fetchResult(s, c0, c1, f0, f1);
                int step = (c1 - c0) * (f1 - f0) + GAP;
                for (int position = 0; position < positions; position++) {
                    multiply(s, all, position, c0, c1, f0, f1, false, s.u, BASE + position * step, f1 - f0);
                }
                transform(s, c0, c1, f0, f1, s.u, BASE, step, f1 - f0);
            }
        }
    }

    /** A partial result: a worker's own tiles, some at a time. */
    private void own(Scratch s, int part) {
        Tiles own = s.own;
        int share = MatMul.ceil(tiles, PARTIALS);
        int first = Math.min(tiles, part * share);
        int end = Math.min(tiles, first + share);
        int rounds = Math.max(1, MatMul.ceil(end - first, OWN_TILES));
        own.first = first;
        for (int round = 0; round < rounds; round++, own.first += own.count) {
            own.count = MatMul.ceil(end - own.first, rounds - round);
            for (int t0 = 0; t0 < own.count; t0 += GATHER) {
                gather(s, own, t0);
            }
            for (int position = 0; position < positions; position++) {
                for (int c0 = 0; c0 < channels; c0 += CHANNELS) {
                    int to = BASE + ((part * positions + position) * channels + c0) * filters;
                    int c1 = Math.min(channels, c0 + CHANNELS);
                    multiply(s, own, position, c0, c1, 0, filters, round > 0, u, to, filters);
                }
            }
        }
    }

    /** Transforms x and dy of up to GATHER tiles from t0 on. */
    private void gather(Scratch s, Tiles to, int t0) {
        int t1 = Math.min(to.count, t0 + GATHER);
        fetchInputs(s, to.first + t0, t1 - t0);
        if (inRows()) {
            int from = rowAt(s, to.first + t0, outH, 0) * outW * filters;
            s.t[BASE] = dy.fetch(from, rowAt(s, to.first + t1 - 1, outH, m) * outW * filters - from);
        }
        for (int t = t0; t < t1; t++) {
            find(s, to.first + t, true);
            for (int k = 0; k < blocks; k++) {
                int width = Math.min(CHANNELS, channels - k * CHANNELS);
                int at = BASE + (k * to.count + t) * pitch;
                inputTile(s, k * CHANNELS, width, to.v, at, blocks * to.count * pitch);
            }
        }
        for (int t = t0; t < t1; t++) {
            gradientTile(s, to.first + t, to.d, BASE + t * NR, to.count * filters + GAP, to.count * NR);
        }
    }

    /** The same for all workers, whose caches do not hold the result: by way of the worker's own, whence it goes in long runs. */
    private void gatherForAll(Scratch s, int t0) {
        Tiles own = s.own;
        own.first = all.first + t0;
        own.count = Math.min(GATHER, all.count - t0);
        gather(s, own, 0);
        int n = own.count * pitch;
        for (int i = 0; i < positions * blocks; i++) {
            System.arraycopy(own.v, BASE + i * n, all.v, BASE + (i * all.count + t0) * pitch, n);
        }
        n = own.count * NR;
        for (int i = 0; i < positions * (filters / NR); i++) {
            int gaps = i / (filters / NR) * GAP;
            System.arraycopy(own.d, BASE + i * n + gaps, all.d, BASE + (i * all.count + t0) * NR + gaps, n);
        }
    }

    /** A dy A' of a tile, to {@code d[at + position step + panel]}; one that is not whole from a copy with zeros. */
    private void gradientTile(Scratch s, int tile, float[] d, int at, int step, int panel) {
        locate(s, tile);
        int row = outW * filters;
        int from = dy.offset() + (s.image * outH + s.p) * row + s.q * filters;
        int t = BASE + m * m * filters;
        if (s.p0 + s.q0 == 0 && s.p + m <= outH && s.q + m <= outW) {
            WinogradTransforms.gradientTile(filters, dy.array(), from, row, filters, s.t, t, d, at, step, panel);
            return;
        }
        int o = BASE;
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < m; j++, o += filters) {
                if (i >= s.p0 && j >= s.q0 && s.p + i < outH && s.q + j < outW) {
                    System.arraycopy(dy.array(), from + i * row + j * filters, s.t, o, filters);
                } else {
                    Arrays.fill(s.t, o, o + filters, 0);
                }
            }
        }
        WinogradTransforms.gradientTile(filters, s.t, BASE, m * filters, filters, s.t, t, d, at, step, panel);
    }

    /**
     * V^T D of gathered tiles, added to what is there or not, for one position and the input and output channels of a block: its
     * row number c, from channel c0 + c on, begins at {@code to[at + c row]}.
     */
    private void multiply(
            Scratch s,
            Tiles tiles,
            int position,
            int c0,
            int c1,
            int f0,
            int f1,
            boolean add,
            float[] to,
            int at,
            int row) {
        int first = firstAt(position, tiles.first, tiles.count);
        int depth = Math.max(0, endAt(position, tiles.first, tiles.count) - first);
        int a = BASE + ((position * blocks + c0 / CHANNELS) * tiles.count + first) * pitch + c0 % CHANNELS;
        for (int c = 0; c < c1 - c0; ) {
            int tile = MicroKernel.tileColumns(c1 - c0 - c);
            for (int f = f0; f < f1; f += NR) {
                for (int r = 0; r < tile; r++) {
                    s.rows[r] = at + (c + r) * row + f - f0;
                }
                int b = BASE + position * GAP + (position * filters + f) * tiles.count + first * NR;
                MicroKernel.columns(tile, depth, tiles.v, a + c, pitch, tiles.d, b, NR, to, s.rows, add);
            }
            c += tile;
        }
    }

    /** Fetches a block of dw that will be written: short runs, for whose lines the transform would wait one after the other. */
    private void fetchResult(Scratch s, int c0, int c1, int f0, int f1) {
        float any = 0;
        for (int tap = 0; tap < 9; tap++) {
            int at = dw.offset() + (tap * channels + c0) * filters + f0;
            any += Memory.fetch(dw.array(), at, c1 - c0, f1 - f0, filters);
        }
        s.t[BASE] = any;
    }

    /** dw of a block of channels from what {@link #multiply} left at {@code u[at]}, rows {@code pitch} and positions {@code step} apart. */
    private void transform(Scratch s, int c0, int c1, int f0, int f1, float[] u, int at, int step, int pitch) {
        int tap = channels * filters;
        for (int c = 0; c < c1 - c0; c++) {
            int to = dw.offset() + (c0 + c) * filters + f0;
            WinogradTransforms.kernelTransposedTile(f1 - f0, u, at + c * pitch, step, s.t, BASE, dw.array(), to, tap);
        }
    }
}
