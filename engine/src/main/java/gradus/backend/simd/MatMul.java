package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.MR;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PITCH;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * C = A B and C = A^T B for every matrix product and convolution: blocking for the caches, packing, and the partition of
 * the work. A is given as {@link Patches}; B as one or several matrices stacked (a kernel's taps), plain or transposed.
 *
 * <p>C is cut into blocks of rows and columns, one part of the work each. A part walks the inner extent in blocks of at
 * most {@link #DEPTH}; for each it packs its columns of B into panels (at most 400 KB, which stay in the second-level
 * cache), then copies a tile of rows of A (at most 18 KB, first-level) and sends it along the panels. Packing B inside the
 * part costs 1 / (rows of the block) of the arithmetic and leaves no pass over memory for itself.
 *
 * <p>A^T B, the gradients of kernels, has few rows and columns and a long inner extent, the pixels. Its A blocks are copied
 * as they lie, {@link MicroKernel#PITCH} apart, and read by columns. Where C has too few blocks to share among threads,
 * the inner extent is split as well, by shape alone, and the partial results are added in order.
 *
 * <p>An element of C is a sum over fixed blocks in fixed order whatever the number of rows, columns or threads.
 */
final class MatMul implements Workers.Task {
    /** Inner extent of a block. */
    private static final int DEPTH = 384;

    /** Columns and rows of C in one part; rows of C in one part of A^T B. */
    private static final int COLUMNS = 256;

    private static final int ROWS = 22 * MR;
    private static final int WIDE = 8 * MR;

    /** As many parts as this are enough to keep all threads busy. */
    private static final int ENOUGH = 8;

    /** Multiply-adds below which the caller computes alone. */
    private static final long SMALL_WORK = 100_000;

    // a worker's scratch memory: block of A, panels of B, one tile of C
    private static final int A_SIZE = Math.max(MR * (DEPTH + 16), DEPTH * PITCH) + 16;
    private static final int B_SIZE = DEPTH * COLUMNS;
    private static final int SCRATCH = A_SIZE + B_SIZE + MR * NR;

    private final Workers workers;
    private final float[] scratch;
    private final int[][] addresses;
    private final float[] partials = Lanes.array(ENOUGH * WIDE * COLUMNS);

    // ---- the product in progress ----

    /** Left operand. */
    final Patches a = new Patches();

    /** Where the matrices start of which B consists, one above the other; grown by {@link #taps}. */
    int[] bTap = new int[64];

    private boolean transposed;
    private int m;
    private int n;
    private int k;
    private float[] b;
    private int bStart;
    private int bDepth;
    private int bRow;
    private int bColumn;
    private float[] c;
    private int cStart;
    private int gridH;
    private int gridW;
    private int cImage;
    private int cRow;
    private int cPixel;
    private int groups;
    private int aGroup;
    private int bGroup;
    private int cGroup;

    // partition of the work
    private int rowBlock;
    private int rowBlocks;
    private int columnBlock;
    private int columnBlocks;
    private int splits;

    MatMul(Workers workers) {
        this.workers = workers;
        scratch = Lanes.array(workers.count() * SCRATCH);
        addresses = new int[workers.count()][2 * MR];
    }

    /** y = op(a) op(b). */
    void matMul(int m, int n, int k, boolean transposeA, boolean transposeB, Memory a, Memory b, Memory y) {
        this.a.matrix(a, transposeA ? m : k);
        groups(1, 0, 0, 0);
        right(b, k, transposeB ? 1 : n, transposeB ? k : 1);
        bTap[0] = 0;
        result(y, 1, 1, n, n, n);
        run(transposeA, m, n, k);
    }

    // ---- setting up a product ----

    /** Several products side by side: the distances from one to the next in A, B and C. */
    void groups(int count, int a, int b, int c) {
        groups = count;
        aGroup = a;
        bGroup = b;
        cGroup = c;
    }

    /** B: matrices of {@code depth} rows, elements {@code row} and {@code column} apart; one of the two is 1. */
    void right(Memory b, int depth, int row, int column) {
        this.b = b.array();
        bStart = b.offset();
        bDepth = depth;
        bRow = row;
        bColumn = column;
    }

    void taps(int count) {
        bTap = bTap.length < count ? new int[count] : bTap;
    }

    /** C: row (n, p, q) of a grid starts at {@code n image + p row + q pixel}. */
    void result(Memory c, int gridH, int gridW, int image, int row, int pixel) {
        result(c, 0, gridH, gridW, image, row, pixel);
    }

    void result(Memory c, int start, int gridH, int gridW, int image, int row, int pixel) {
        this.c = c.array();
        cStart = c.offset() + start;
        this.gridH = gridH;
        this.gridW = gridW;
        cImage = image;
        cRow = row;
        cPixel = pixel;
    }

    /** Computes C = A B, {@code (m, n)} with inner extent k, or C = A^T B. In both cases A's grid was set up before. */
    void run(boolean transposed, int m, int n, int k) {
        this.transposed = transposed;
        this.m = m;
        this.n = n;
        this.k = k;
        if (m > 0 && n > 0) {
            int most = transposed ? WIDE : ROWS;
            rowBlocks = ceil(m, most);
            rowBlock = ceil(ceil(m, rowBlocks), MR) * MR;
            rowBlocks = ceil(m, rowBlock);
            columnBlock = COLUMNS;
            while (columnBlock > NR && columnBlock > 64 && groups * rowBlocks * ceil(n, columnBlock) < ENOUGH) {
                columnBlock /= 2;
            }
            columnBlocks = ceil(n, columnBlock);
            int blocks = groups * rowBlocks * columnBlocks;
            splits = transposed && groups == 1 ? Math.max(1, Math.min(ENOUGH / blocks, k / 512)) : 1;
            if ((long) m * n * k * groups < SMALL_WORK) {
                workers.runHere(this, blocks * splits);
            } else {
                workers.run(this, blocks * splits);
            }
            if (splits > 1) {
                addPartials();
            }
        }
        a.release();
        b = null;
        c = null;
    }

    static int ceil(int n, int d) {
        return (n + d - 1) / d;
    }

    @Override
    public void run(int part, int worker) {
        int columns = part % columnBlocks;
        int rest = part / columnBlocks;
        int rows = rest % rowBlocks;
        rest /= rowBlocks;
        int m0 = rows * rowBlock;
        int n0 = columns * columnBlock;
        int m1 = Math.min(m, m0 + rowBlock);
        int n1 = Math.min(n, n0 + columnBlock);
        if (transposed) {
            int length = ceil(k, splits);
            int k0 = rest % splits * length;
            transposedPart(rest / splits, rest % splits, m0, m1, n0, n1, k0, Math.min(k, k0 + length), worker);
        } else {
            plainPart(rest, m0, m1, n0, n1, worker);
        }
    }

    private void plainPart(int group, int m0, int m1, int n0, int n1, int worker) {
        int aAt = BASE + worker * SCRATCH;
        int bAt = aAt + A_SIZE;
        int[] at = addresses[worker];
        int blocks = Math.max(1, ceil(k, DEPTH));
        int depth = ceil(k, blocks);
        int pitch = ceil(depth, 16) * 16 + 16;
        for (int block = 0; block < blocks; block++) {
            int k0 = block * depth;
            int k1 = Math.min(k, k0 + depth);
            packB(group, k0, k1, n0, n1, bAt);
            for (int row = m0; row < m1; ) {
                int tile = MicroKernel.tile(m1 - row);
                int valid = Math.min(tile, m1 - row);
                for (int r = 0; r < tile; r++) {
                    if (r < valid) {
                        a.row(row + r, k0, k1, group * aGroup, scratch, aAt + r * pitch);
                    }
                    at[r] = aAt + r * pitch;
                }
                for (int column = n0; column < n1; column += NR) {
                    tile(worker, tile, group, row, valid, column, n1, k1 - k0, bAt + (column - n0) * (k1 - k0), block > 0);
                }
                row += tile;
            }
        }
    }

    private void transposedPart(int group, int split, int m0, int m1, int n0, int n1, int from, int to, int worker) {
        int aAt = BASE + worker * SCRATCH;
        int bAt = aAt + A_SIZE;
        int[] at = addresses[worker];
        int blocks = Math.max(1, ceil(to - from, DEPTH));
        int depth = ceil(to - from, blocks);
        for (int block = 0; block < blocks; block++) {
            int k0 = from + block * depth;
            int k1 = Math.min(to, k0 + depth);
            packB(group, k0, k1, n0, n1, bAt);
            for (int row = k0; row < k1; row++) {
                a.row(row, m0, m1, group * aGroup, scratch, aAt + (row - k0) * PITCH);
            }
            for (int row = m0; row < m1; ) {
                int tile = MicroKernel.tile(m1 - row);
                at[0] = aAt + row - m0;
                int valid = Math.min(tile, m1 - row);
                for (int column = n0; column < n1; column += NR) {
                    int panel = bAt + (column - n0) * (k1 - k0);
                    if (splits > 1) {
                        partialTile(worker, tile, split, row, valid, column, n1, k1 - k0, panel, block > 0);
                    } else {
                        tile(worker, tile, group, row, valid, column, n1, k1 - k0, panel, block > 0);
                    }
                }
                row += tile;
            }
        }
    }

    /** One tile of C, straight to its place if it is whole, else by way of scratch memory. */
    private void tile(
            int worker, int tile, int group, int row, int valid, int column, int n1, int depth, int panel, boolean add) {
        int[] at = addresses[worker];
        if (valid == tile && column + NR <= n1) {
            for (int r = 0; r < tile; r++) {
                at[MR + r] = cAt(group, row + r) + column;
            }
            kernel(tile, depth, at, panel, c, add);
            return;
        }
        int tileAt = scratchTile(worker, tile, depth, panel);
        int width = Math.min(NR, n1 - column);
        for (int r = 0; r < valid; r++) {
            int to = cAt(group, row + r) + column;
            for (int j = 0; j < width; j++) {
                float value = scratch[tileAt + r * NR + j];
                c[to + j] = add ? c[to + j] + value : value;
            }
        }
    }

    /** The same for a product whose inner extent is split: partial results are dense matrices of their own. */
    private void partialTile(
            int worker, int tile, int split, int row, int valid, int column, int n1, int depth, int panel, boolean add) {
        int[] at = addresses[worker];
        int start = BASE + split * m * n;
        if (valid == tile && column + NR <= n1) {
            for (int r = 0; r < tile; r++) {
                at[MR + r] = start + (row + r) * n + column;
            }
            kernel(tile, depth, at, panel, partials, add);
            return;
        }
        int tileAt = scratchTile(worker, tile, depth, panel);
        int width = Math.min(NR, n1 - column);
        for (int r = 0; r < valid; r++) {
            int to = start + (row + r) * n + column;
            for (int j = 0; j < width; j++) {
                float value = scratch[tileAt + r * NR + j];
                partials[to + j] = add ? partials[to + j] + value : value;
            }
        }
    }

    private int scratchTile(int worker, int tile, int depth, int panel) {
        int tileAt = BASE + worker * SCRATCH + A_SIZE + B_SIZE;
        int[] at = addresses[worker];
        for (int r = 0; r < tile; r++) {
            at[MR + r] = tileAt + r * NR;
        }
        kernel(tile, depth, at, panel, scratch, false);
        return tileAt;
    }

    private void kernel(int tile, int depth, int[] at, int panel, float[] c, boolean add) {
        if (transposed) {
            MicroKernel.columns(tile, depth, scratch, at, scratch, panel, c, add);
        } else {
            MicroKernel.rows(tile, depth, scratch, at, scratch, panel, c, add);
        }
    }

    private int cAt(int group, int row) {
        int start = cStart + group * cGroup;
        if (transposed) {
            return start + row * cPixel;
        }
        int q = row % gridW;
        int p = row / gridW % gridH;
        return start + row / gridW / gridH * cImage + p * cRow + q * cPixel;
    }

    /** c = the partial results, added in order. */
    private void addPartials() {
        for (int row = 0; row < m; row++) {
            int to = cStart + row * cPixel;
            int from = BASE + row * n;
            System.arraycopy(partials, from, c, to, n);
            for (int split = 1; split < splits; split++) {
                Elementwise.add(c, to, partials, from + split * m * n, c, to, n);
            }
        }
    }

    // ---- packing B into panels of NR columns: element (k, j) of a panel at k * NR + j ----

    private void packB(int group, int k0, int k1, int n0, int n1, int at) {
        for (int k = k0; k < k1; ) {
            int tap = k / bDepth;
            int within = k - tap * bDepth;
            int run = Math.min(k1 - k, bDepth - within);
            int from = bStart + group * bGroup + bTap[tap] + within * bRow + n0 * bColumn;
            for (int column = n0; column < n1; column += NR) {
                int to = at + (column - n0) * (k1 - k0) + (k - k0) * NR;
                int width = Math.min(NR, n1 - column);
                if (bColumn == 1) {
                    copyPanel(from + column - n0, run, width, to);
                } else {
                    transposePanel(from + (column - n0) * bColumn, run, width, to);
                }
            }
            k += run;
        }
    }

    private void copyPanel(int from, int rows, int width, int to) {
        float[] b = this.b;
        float[] y = scratch;
        if (width == NR) {
            for (int i = 0; i < rows; i++) {
                FloatVector.fromArray(SPECIES, b, from + i * bRow).intoArray(y, to + i * NR);
                FloatVector.fromArray(SPECIES, b, from + i * bRow + L).intoArray(y, to + i * NR + L);
            }
            return;
        }
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < width; j++) {
                y[to + i * NR + j] = b[from + i * bRow + j];
            }
            Arrays.fill(y, to + i * NR + width, to + i * NR + NR, 0);
        }
    }

    private void transposePanel(int from, int rows, int width, int to) {
        float[] b = this.b;
        float[] y = scratch;
        for (int j = 0; j < width; j++) {
            int column = from + j * bColumn;
            for (int i = 0; i < rows; i++) {
                y[to + i * NR + j] = b[column + i * bRow];
            }
        }
        for (int i = 0; i < rows && width < NR; i++) {
            Arrays.fill(y, to + i * NR + width, to + i * NR + NR, 0);
        }
    }
}
