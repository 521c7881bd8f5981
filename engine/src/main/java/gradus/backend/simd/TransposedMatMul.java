package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.MatMul.ceil;
import static gradus.backend.simd.MicroKernel.MR_COLUMNS;
import static gradus.backend.simd.MicroKernel.MR_PANELS;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PANEL;

import java.util.Arrays;

/**
 * C = A^T B, for gradients of kernels: few rows and columns and a long inner extent, the pixels. A is given as {@link Patches}, B
 * as {@link Panels}.
 *
 * <p>Blocks of rows of C belong to one tap and use the pixels at which it lies inside the image. The rows of A and B are read by
 * columns, where they are if they follow each other, or from copies in panels, whichever {@link Trials} find faster. What is read
 * where it is is fetched before: in the order of the tiles it would come from memory at half the speed.
 * Where C has too few blocks to share among threads, the inner extent
 * is split as well, by shape alone, and the partial results are added in order.
 *
 * <p>The kernel's gradient of a 1 x 1 convolution can be added up while {@link MatMul} computes that of the image: see {@link #await}.
 */
final class TransposedMatMul implements Workers.Task {
    /** Rows of C in one part, twice as many where there are no more columns than half of this. */
    private static final int ROWS = 256;

    private static final int COLUMNS = 256;

    /** Most elements of C in one part, and of A and B together in a block of the inner extent: shares of the second cache. */
    private static final int RESULT = 1 << 16;

    private static final int BLOCK = 80 << 10;

    /** Most and least inner extent of such a block. */
    private static final int DEPTH = 256;

    private static final int LEAST_DEPTH = 96;

    /** Least inner extent of a partial result, and most of these where another product's parts are as many. */
    private static final int LEAST_SPLIT = 512;

    private static final int MOST_SPLITS = 24;

    /** Most numbers of all partial results together. */
    private static final int PARTIALS = 12 * RESULT;

    /** Rows of C whose partial results are added together. */
    private static final int ADDED = 16;

    /** From one k to the next in a copy of A's columns: an odd number of cache lines, to use every cache set. */
    static final int PITCH = ROWS + 16;

    /** Channels of a tap from which on C is computed tap by tap. */
    private static final int LEAST_CHANNELS = 32;

    /** As many parts as this are enough to keep all threads busy. */
    private static final int ENOUGH = 8;

    // a worker's scratch memory: rows of A, panels of B, one tile of C
    private static final int A_SIZE = DEPTH * (ceil(ROWS, MR_PANELS) + 6) * PANEL;
    private static final int B_SIZE = 1 << 17;

    /** Room for rows of A that are made, before panels of them. */
    private static final int MADE = 100 * PITCH;

    private static final int SCRATCH = A_SIZE + B_SIZE + Math.max(MR_COLUMNS, MR_PANELS) * NR;

    /** Numbers between what two workers write: two pairs of cache lines, or each would wait for the other's. */
    private static final int APART = 64;

    private final Workers workers;
    private final float[] scratch;
    private final int[][] addresses;
    private final int[][] starts;
    private final float[] partials = Lanes.array(PARTIALS);

    // ---- the product in progress ----

    /** Left operand. */
    final Patches a = new Patches();

    /** Right operand. */
    final Panels b = new Panels();

    private int m;
    private int n;
    private int k;
    private float[] c;
    private int cStart;
    private int cRow;
    private int groups;
    private int aGroup;
    private int cGroup;

    /** What is subtracted from each row of A, which is B as well; null but for {@link #squares}. */
    private Memory means;

    /** Whether C is, so that nobody looks at tiles left of the diagonal. */
    private boolean symmetric;

    /** Whether operands that could be read where they are are copied, and whether that was faster so far, shape by shape. */
    private boolean copies = true;

    private final Trials trials = new Trials();

    /** Where they keep the shape of the product in progress. */
    private int place;

    /** Whether it is another product's turn to begin; and whether partial results are being added. */
    private boolean waits;

    private boolean adding;

    // partition of the work
    private int rowBlock;
    private int rowBlocks;
    private int columnBlock;
    private int columnBlocks;
    private int splits;

    /** Blocks of the inner extent in a split where these are as another product's would be; else 0. */
    private int blocks;

    /** Rows of C from one group of blocks to the next, the channels of a tap or all; and whether taps are cut. */
    private int tapRows;

    private boolean byTap;

    TransposedMatMul(Workers workers) {
        this.workers = workers;
        scratch = Lanes.array(workers.count() * SCRATCH);
        addresses = new int[workers.count()][MR_COLUMNS + APART];
        starts = new int[workers.count()][DEPTH + APART];
    }

    long scratchElements() {
        return (long) scratch.length + partials.length;
    }

    /** y = a^T op(b). */
    void matMul(int m, int n, int k, boolean transposeB, Memory a, Memory b, Memory y) {
        this.a.matrix(a, m);
        groups(1, 0, 0, 0);
        this.b.matrix(b, k, transposeB ? 1 : n, transposeB ? k : 1);
        result(y, n);
        run(m, n, k);
    }

    /** Whether {@link #squares} can subtract means: if rows of all channels fit a worker's scratch memory. */
    static boolean centers(int c) {
        return c <= ROWS;
    }

    /**
     * x^T x, of x less the means in the first row of y if it {@link #centers}, to the rows behind that: what is on the diagonal and
     * right of it, the rest being the same numbers again.
     */
    void squares(int c, int rows, Memory x, Memory y) {
        a.matrix(x, c);
        groups(1, 0, 0, 0);
        b.matrix(x, rows, c, 1);
        result(y, c);
        cStart += c;
        means = centers(c) ? y : null;
        symmetric = true;
        run(c, c, rows);
    }

    // ---- setting up a product ----

    /** Several products side by side: the distances from one to the next in A, B and C. */
    void groups(int count, int a, int b, int c) {
        groups = count;
        aGroup = a;
        this.b.groups(b);
        cGroup = c;
    }

    /** C, whose rows are {@code row} apart. */
    void result(Memory c, int row) {
        this.c = c.array();
        cStart = c.offset();
        cRow = row;
    }

    /**
     * Whether a product, k rows of m and n numbers, is worth computing with one that reads the rows of B, the gradient of an image
     * with that of a kernel: if C is one part, of which every worker can keep a partial result in its cache, and there are enough
     * splits for all. It is cut the same way when it is computed alone.
     */
    static boolean joins(int m, int n, int k) {
        return splits(m, n, k) > 1;
    }

    /** The shares of the pixels if that is so, else 1. */
    static int splits(int m, int n, int k) {
        boolean joins = m > 0 && n > 0 && (long) m * n <= RESULT && k / LEAST_SPLIT >= ENOUGH && n <= MicroKernel.DEPTH;
        return joins ? Math.min(PARTIALS / (m * n), Math.min(k / LEAST_SPLIT, MOST_SPLITS)) : 1;
    }

    /**
     * Whether the next product, for which that is so, waits for another one: this will {@link #add} the pixels of each share as it
     * comes to them, and {@link #end}.
     */
    void await(boolean yes) {
        waits = yes;
    }

    /** Whether it waits for a product whose A are its rows of B, so many of so many numbers, and whose C has so many columns. */
    boolean waitsFor(Patches other, int rows, int k, int columns) {
        return other.array() == b.array()
                && other.rowAt(0) == b.rowAt(0, 0)
                && rows == this.k
                && k == n
                && columns == m;
    }

    /** Computes C, {@code (m, n)} with inner extent k. */
    void run(int m, int n, int k) {
        this.m = m;
        this.n = n;
        this.k = k;
        WarmUp.gradients();
        if (waits) {
            splits = splits(m, n, k);
            return;
        }
        try {
            if (m > 0 && n > 0) {
                compute();
            }
        } finally {
            release();
        }
    }

    /** Forgets operands and result. */
    void release() {
        a.release();
        b.release();
        b.madeBy(null, null);
        c = null;
        means = null;
        symmetric = false;
        adding = false;
    }

    private void compute() {
        a.makeRows();
        partition();
        if (groups * rowBlocks * columnBlocks > 1 || byTap || !b.hasRows() || (long) DEPTH * rowOfB() > B_SIZE) {
            b.makeRows();
        }
        int parts = groups * rowBlocks * columnBlocks * splits;
        if ((long) m * n * k * groups < MatMul.SMALL_WORK) {
            copies = false;
            workers.runHere(this, parts);
        } else {
            boolean room = rowBlock <= ROWS;
            choose(room && a.isPlain() && b.hasRows() && b.rows() == null, 0);
            long begin = System.nanoTime();
            if (workers.run(this, parts)) {
                took(System.nanoTime() - begin);
            }
        }
        if (splits > 1) {
            end();
        }
    }

    /** Whether the next product is computed from copies; {@code way} tells those apart that are computed with another one. */
    private void choose(boolean choice, int way) {
        place = choice ? trials.place(m, n, 2L * k + way) : -1;
        copies = choice && !trials.second(place);
    }

    /** The time that it took, with what was computed with it. */
    void took(long nanos) {
        trials.took(place, nanos);
    }

    /** Before {@link #add}: the other product's blocks have no more than so many rows. */
    void begin(int rows) {
        int even = rows + rows % 2;
        boolean room = MADE + MicroKernel.panelsOf(m) * even * PANEL <= A_SIZE && ceil(n, NR) * NR * even <= B_SIZE;
        choose(room && rows * PITCH <= MADE, 1);
    }

    /** Adds the partial results. */
    void end() {
        adding = true;
        workers.run(this, ceil(m, ADDED));
    }

    /** Elements from one row of B to the next where these are made: an odd number of cache lines. */
    private int rowOfB() {
        return (ceil(n, 16) | 1) * 16;
    }

    private void partition() {
        splits = groups == 1 && a.isPlain() && b.hasRows() ? splits(m, n, k) : 1;
        blocks = splits > 1 ? MatMul.blocks(ceil(k, splits), n) : 0;
        if (blocks > 0) {
            byTap = false;
            tapRows = rowBlock = m;
            columnBlock = n;
            rowBlocks = columnBlocks = 1;
            return;
        }
        byTap = a.channels() >= LEAST_CHANNELS && !a.isPlain();
        tapRows = byTap ? a.channels() : m;
        rowBlocks = ceil(tapRows, a.isPlain() && n <= ROWS / 2 ? 2 * ROWS : ROWS);
        rowBlock = ceil(ceil(tapRows, rowBlocks), 4) * 4;
        rowBlocks = ceil(tapRows, rowBlock) * (m / tapRows);
        int most = Math.clamp(RESULT / rowBlock / NR * NR, COLUMNS, 2 * COLUMNS);
        // splits, and so sums, depend on it
        columnBlock = MatMul.columnBlock(most, n, groups * rowBlocks * Math.max(1, k / LEAST_SPLIT), ENOUGH);
        columnBlocks = ceil(n, columnBlock);
        splits = groups == 1 && (long) m * n <= PARTIALS
                ? Math.clamp(
                        ceil(2 * ENOUGH, rowBlocks * columnBlocks),
                        1,
                        Math.max(1, Math.min(k / LEAST_SPLIT, PARTIALS / (m * n))))
                : 1;
    }

    @Override
    public void run(int part, int worker) {
        if (adding) {
            addPartials(part * ADDED, Math.min(m, part * ADDED + ADDED));
            return;
        }
        int n0 = part % columnBlocks * columnBlock;
        int n1 = Math.min(n, n0 + columnBlock);
        int rows = part / columnBlocks % rowBlocks;
        int rest = part / columnBlocks / rowBlocks;
        int tapBlocks = ceil(tapRows, rowBlock);
        int tap = rows / tapBlocks;
        int m0 = tap * tapRows + rows % tapBlocks * rowBlock;
        int m1 = Math.min((tap + 1) * tapRows, m0 + rowBlock);
        block(rest / splits, rest % splits, tap, m0, m1, n0, n1, worker);
    }

    private static int tileAt(int worker, int r) {
        return BASE + worker * SCRATCH + A_SIZE + B_SIZE + r * NR;
    }

    /** A block of C, or of a partial result. */
    private void block(int group, int split, int tap, int m0, int m1, int n0, int n1, int worker) {
        int aAt = BASE + worker * SCRATCH;
        int bAt = aAt + A_SIZE;
        // the pixels at which the tap is inside: rows [p0, p1) and columns [q0, q1) of each image
        int p0 = byTap ? a.firstRow(tap) : 0;
        int q0 = byTap ? a.firstColumn(tap) : 0;
        int height = byTap ? Math.max(0, a.endRow(tap) - p0) : a.positions();
        int width = byTap ? Math.max(0, a.endColumn(tap) - q0) : 1;
        int pitch = byTap ? a.gridW() : 1;
        int pixels = k / a.positions() * height * width;
        int length = ceil(pixels, splits);
        int first = Math.min(pixels, split * length);
        int end = Math.min(pixels, first + length);
        boolean leftInPlace = a.isPlain() && !copies;
        boolean made = b.rows() != null;
        boolean panels = (byTap || copies) && b.hasRows();
        boolean rightInPlace = made || b.hasRows() && !panels;
        float[] left = leftInPlace ? a.array() : scratch;
        float[] right = rightInPlace && !made ? b.array() : scratch;
        int rightPitch = made ? rowOfB() : rightInPlace ? b.pitch() : NR;
        int most = Math.clamp(BLOCK / (rowBlock + columnBlock), LEAST_DEPTH, DEPTH);
        int count = blocks > 0 ? blocks : Math.max(1, ceil(end - first, most));
        int depth = ceil(end - first, count);
        for (int block = 0; block < count; block++) {
            int k0 = first + block * depth;
            int k1 = Math.min(end, k0 + depth);
            if (blocks > 0) {
                k0 = MatMul.rowAt(split * blocks + block, k, splits, blocks);
                k1 = MatMul.rowAt(split * blocks + block + 1, k, splits, blocks);
            }
            int leftAt = aAt;
            int rightAt = bAt;
            int rows = k1 - k0 + (panels ? (k1 - k0) % 2 : 0);
            if (means != null) {
                center(k0, k1, aAt);
                int to = aAt + m0;
                int from = aAt + n0;
                tiles(
                        0, split, m0, m1, n0, n1, k1 - k0, scratch, to, PITCH, scratch, from, PITCH, NR, block > 0,
                        worker);
                continue;
            }
            if (leftInPlace) {
                leftAt = a.rowAt(k0) + group * aGroup + m0;
                scratch[tileAt(worker, 0)] = Memory.fetch(left, leftAt, k1 - k0, m1 - m0, a.pitch());
            }
            if (made) {
                b.rows().make(k0, k1 - k0, scratch, bAt, rightPitch);
            } else if (rightInPlace) {
                rightAt = b.rowAt(group, k0) + n0;
                scratch[tileAt(worker, 0)] += Memory.fetch(right, rightAt, k1 - k0, n1 - n0, b.pitch());
            } else if (!b.hasRows()) { // a matrix
                b.packBlock(group, k0, k1, n0, n1, scratch, bAt, bAt - A_SIZE);
            }
            int q = k0 % Math.max(1, width);
            int p = k0 / Math.max(1, width) % Math.max(1, height);
            int image = k0 / Math.max(1, width * height);
            for (int i = leftInPlace && (rightInPlace || !b.hasRows()) ? k1 : k0; i < k1; ) {
                int row = image * a.positions() + (p0 + p) * pitch + q0 + q;
                int run = byTap ? Math.min(width - q, k1 - i) : k1 - i; // rows that follow each other
                if (panels) {
                    a.panels(row, run, m0, m1, group * aGroup, scratch, aAt + (i - k0) * PANEL, rows * PANEL);
                } else if (m0 == 0 && m1 == m && a.shortRuns()) {
                    a.rows(row, run, group * aGroup, scratch, aAt + (i - k0) * PITCH, PITCH, starts[worker]);
                } else {
                    for (int r = 0; r < run; r++) {
                        a.row(row + r, m0, m1, group * aGroup, scratch, aAt + (i - k0 + r) * PITCH);
                    }
                }
                if (b.hasRows() && !rightInPlace) {
                    b.packRows(group, row, run, i - k0, rows, n0, n1, scratch, bAt);
                }
                i += run;
                q += run;
                if (q >= width) {
                    q = 0;
                    if (++p == height) {
                        p = 0;
                        image++;
                    }
                }
            }
            if (rows > k1 - k0) {
                zeroRow(m1 - m0, n1 - n0, k1 - k0, rows, aAt, bAt);
            }
            int leftPitch = panels ? 0 : leftInPlace ? a.pitch() : PITCH;
            int panel = rightInPlace ? NR : NR * rows;
            boolean add = block > 0;
            tiles(
                    group,
                    split,
                    m0,
                    m1,
                    n0,
                    n1,
                    rows,
                    left,
                    leftAt,
                    leftPitch,
                    right,
                    rightAt,
                    rightPitch,
                    panel,
                    add,
                    worker);
        }
    }

    /** Row number k of panels so deep, which has to be even, of so many rows and columns of C: its products are -0 and change no sum. */
    private void zeroRow(int rows, int columns, int k, int depth, int aAt, int bAt) {
        for (int at = aAt + k * PANEL; rows > 0; at += depth * PANEL) {
            Arrays.fill(scratch, at, at + PANEL, 0);
            rows -= MicroKernel.tilePanels(rows);
        }
        for (int at = bAt + k * NR; columns > 0; at += depth * NR) {
            Arrays.fill(scratch, at, at + NR, -0f);
            columns -= NR;
        }
    }

    /** Copies rows of A less the means. */
    private void center(int k0, int k1, int to) {
        for (int k = k0; k < k1; k++, to += PITCH) {
            Elementwise.subtract(a.array(), a.rowAt(k), means.array(), means.offset(), scratch, to, m);
        }
    }

    /**
     * Adds the products of pixels [k0, k1), whose rows of B are at {@code right[rightAt]} and so far apart, to a partial result, or
     * begins it with them.
     */
    void add(int split, int k0, int k1, boolean add, float[] right, int rightAt, int rightPitch, int worker) {
        float[] left = a.array();
        int at = a.rowAt(k0);
        int pitch = a.pitch();
        if (a.makesOwn() && m <= ROWS) {
            left = scratch;
            at = BASE + worker * SCRATCH;
            pitch = PITCH;
            a.rows().make(k0, k1 - k0, left, at, pitch);
        } else if (a.rows() != null) {
            a.rows().make(k0, k1 - k0);
        } else {
            scratch[tileAt(worker, 0)] = Memory.fetch(left, at, k1 - k0, m, pitch);
        }
        if (!copies) {
            tiles(0, split, 0, m, 0, n, k1 - k0, left, at, pitch, right, rightAt, rightPitch, NR, add, worker);
            return;
        }
        int rows = k1 - k0 + (k1 - k0) % 2;
        int aAt = BASE + worker * SCRATCH + MADE;
        int bAt = BASE + worker * SCRATCH + A_SIZE;
        Patches.panels(left, at, pitch, k1 - k0, m, scratch, aAt, rows * PANEL);
        for (int column = 0; column < n; column += NR) {
            Panels.panel(right, rightAt + column, rightPitch, k1 - k0, scratch, bAt + column * rows);
        }
        if (rows > k1 - k0) {
            zeroRow(m, n, k1 - k0, rows, aAt, bAt);
        }
        tiles(0, split, 0, m, 0, n, rows, scratch, aAt, 0, scratch, bAt, NR, rows * NR, add, worker);
    }

    /**
     * Rows [m0, m1) of C and columns [n0, n1), tile by tile; {@code leftPitch} from one k to the next in A, 0 if it is in panels, and
     * {@code panel} from NR columns of B to the next.
     */
    private void tiles(
            int group,
            int split,
            int m0,
            int m1,
            int n0,
            int n1,
            int depth,
            float[] left,
            int leftAt,
            int leftPitch,
            float[] right,
            int rightAt,
            int rightPitch,
            int panel,
            boolean add,
            int worker) {
        float[] to = splits > 1 ? partials : c;
        boolean panels = leftPitch == 0;
        int a = leftAt;
        for (int row = m0; row < m1; ) {
            int tile = panels ? MicroKernel.tilePanels(m1 - row) : MicroKernel.tileColumns(m1 - row);
            int valid = Math.min(tile, m1 - row);
            for (int column = n0, b = rightAt; column < n1; column += NR, b += panel) {
                if (symmetric && column + NR <= row) {
                    continue;
                }
                boolean whole = valid == tile && column + NR <= n1;
                int[] at = startsOf(worker, group, split, row, tile, whole, column);
                float[] c = whole ? to : scratch;
                if (panels) {
                    MicroKernel.panels(tile, depth, left, a, right, b, c, at, whole && add);
                } else {
                    MicroKernel.columns(tile, depth, left, a, leftPitch, right, b, rightPitch, c, at, whole && add);
                }
                for (int r = 0; r < valid && !whole; r++) {
                    int from = tileAt(worker, r);
                    int o = startOf(group, split, row + r) + column;
                    for (int j = 0; j < Math.min(NR, n1 - column); j++) {
                        to[o + j] = scratch[from + j] + (add ? to[o + j] : 0);
                    }
                }
            }
            row += valid;
            a += panels ? depth * PANEL : valid;
        }
    }

    /** Where a row of C, or of a partial result, starts. */
    private int startOf(int group, int split, int row) {
        return splits > 1 ? BASE + (split * m + row) * n : cStart + group * cGroup + row * cRow;
    }

    /** Where the rows of a tile start: one that is not whole goes by way of scratch memory. */
    private int[] startsOf(int worker, int group, int split, int row, int tile, boolean whole, int column) {
        int[] at = addresses[worker];
        for (int r = 0; r < tile; r++) {
            at[r] = whole ? startOf(group, split, row + r) + column : tileAt(worker, r);
        }
        return at;
    }

    /** Rows [m0, m1) of c = the partial results, added in order. */
    private void addPartials(int m0, int m1) {
        for (int row = m0; row < m1; row++) {
            int to = cStart + row * cRow;
            int from = BASE + row * n;
            System.arraycopy(partials, from, c, to, n);
            for (int split = 1; split < splits; split++) {
                Elementwise.add(c, to, partials, from + split * m * n, c, to, n);
            }
        }
    }
}
