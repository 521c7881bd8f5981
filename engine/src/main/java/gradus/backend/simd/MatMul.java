package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;
import static gradus.backend.simd.MicroKernel.MR;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PITCH;

import java.util.Arrays;

/**
 * C = A B for every matrix product and convolution: blocking for the caches, packing, and the partition of the work.
 * {@link TransposedMatMul} has A^T B. A is given as {@link Patches}, B as {@link Panels}.
 *
 * <p><b>Rows of A in one piece each</b> (matrices, 1 x 1 convolutions of any stride): B is packed into panels of
 * {@link MicroKernel#NR} columns over its whole depth, once for all runs where it does not change. A worker copies a block
 * of rows of A into its scratch memory, then sends the block's tiles past a strip of panels, then past the next: both stay
 * in the second-level cache meanwhile. (Where one strip is all, each tile could be copied just before it is used; but what
 * comes from memory comes faster in one long piece.) Copying puts the rows at the distance the micro-kernel wants and costs
 * 1 / (2 columns) of the arithmetic. A part of the work is such a block or, where there are few of them, the block and some
 * of the columns. Where there are few rows and B has to be packed, each worker copies all rows and packs the columns of its
 * parts: what one worker has just written comes to another slowly.
 *
 * <p><b>Rows of A gathered from under windows.</b> C is cut into blocks of rows and columns, one part of the work each.
 * A part walks the inner extent in blocks of at most {@link #DEPTH}; for each it packs its columns of B, unless that has
 * been done, then gathers a tile of rows of A and sends it along the panels.
 *
 * <p>Zeros of padding are not multiplied: with several images, rows are taken position by position, so that a tile holds
 * the same window position of different images and the taps that fall outside are the same for all of its rows. In a
 * 3 x 3 convolution of 4 x 4 pixels that is 31 % of all products, of 2 x 2 pixels 56 %.
 *
 * <p>An element of C is a sum over fixed blocks in fixed order whatever the number of rows, columns or threads, however the
 * work was cut and whether its tile was whole; products with padding that are made or left out add nothing to it.
 */
final class MatMul implements Workers.Task {
    /** Inner extent of a block of gathered rows. */
    private static final int DEPTH = 384;

    /** Columns and rows of C in one part. */
    private static final int COLUMNS = 256;

    private static final int ROWS = 224 / MR * MR;

    /** Rows of many short runs that are gathered together. */
    private static final int SHORT_ROWS = 30 / MR * MR;

    /** Most rows of A that are copied together before they meet the panels of B, which then stay in the first cache. */
    private static final int BLOCK = 100 / MR * MR;

    /** Most numbers copied together, a part of the second cache. */
    private static final int BLOCK_SIZE = 1 << 16;

    /**
     * Most neighbouring panels that a tile of rows meets before the next one does, and how many numbers they may be: rows of
     * C are then written, and a residual's read, some lines at a time, which the processor fetches ahead.
     */
    private static final int STRIP = 16;

    private static final int STRIP_SIZE = 1 << 16;

    /** Parts of the work for each worker, unless they would have fewer panels than this. */
    private static final int PARTS = 8;

    private static final int LEAST_PANELS = 4;

    /** Panels of B that are packed together. */
    private static final int PANELS = 4;

    /** Images from which on rows are taken position by position. */
    private static final int MANY_IMAGES = 8;

    /** Runs shorter than this are not worth a block of their own. */
    private static final int SHORT_RUN = 96;

    /** Multiply-adds below which the caller computes alone. */
    static final long SMALL_WORK = 100_000;

    // a worker's scratch memory: block of A, panels of B, one tile of C
    private static final int A_SIZE = BLOCK * PITCH + 16;
    private static final int B_SIZE = Math.max(DEPTH * COLUMNS, 1 << 17);
    private static final int SCRATCH = A_SIZE + B_SIZE + MR * NR;

    private enum Phase {
        PACK,
        DIRECT,
        FEW_ROWS,
        PLAIN,
        AFTERWARDS
    }

    private final Workers workers;
    private final float[] scratch;
    /** Numbers between what two workers write: two pairs of cache lines, or each would wait for the other's. */
    private static final int APART = 64;

    private final int[][] addresses;
    private final int[][] starts;

    /** The block of rows that a worker has copied; each at a distance from the other workers'. */
    private final int[] copied;

    private float[] own = Lanes.array(0);

    // ---- the product in progress ----

    /** Left operand. */
    final Patches a = new Patches();

    /** Right operand. */
    final Panels b = new Panels();

    private Phase phase;
    private int m;
    private int n;
    private int k;
    /** B as {@link #pack} left it, or null. */
    private float[] packed;

    private int packedAt;
    private float[] c;
    private int cBegin;
    private int cStart;
    private int gridH;
    private int gridW;
    private int cImage;
    private int cRow;
    private int cPixel;

    /** Whether rows of C follow each other at one distance: finding one then takes no division. */
    private boolean cWhole;

    /**
     * C's memory is so many pixels, rows of n numbers each, of which the product computes all or, with a stride, some; 0 if that is
     * not so. What comes after a block of rows is done to the pixels between them as well.
     */
    private int pixels;

    private boolean cAlone;

    private int groups;
    private int aGroup;
    private int cGroup;

    /** What is added to C = A B and done last; off unless set for one product. */
    private Memory bias;

    private Memory residual;
    private boolean relu;

    /** Where zeros take the place of C once it is computed; see {@link #afterwards}. */
    private Memory mask;

    /** What is added to every stepH-th row and stepW-th column of the grid before that; see {@link #afterwards(Memory, int, int)}. */
    private Memory some;

    private int stepH = 1;
    private int stepW = 1;

    /** What takes statistics of the next result's blocks of rows, if it is the one that it waits for; or null. */
    private Normalization statistics;

    private boolean followed;

    // partition of the work
    private int rowBlock;
    private int rowBlocks;
    private int columnBlock;
    private int columnBlocks;

    /** Shares of the rows that are cut into blocks each: those of the kernel gradient that may be computed with the product, if any may. */
    private int splits;

    /** The kernel gradient that may be computed with the next product, and whether it is. */
    private TransposedMatMul gradient;

    private boolean joint;
    private boolean wasJoint;

    /** Elements of a run, and its blocks; images if rows go position by position, else 1. */
    private int run;

    private int runBlocks;
    private int images;

    MatMul(Workers workers) {
        this.workers = workers;
        scratch = Lanes.array(workers.count() * SCRATCH);
        addresses = new int[workers.count()][MR + APART];
        starts = new int[workers.count()][BLOCK + APART];
        copied = new int[workers.count() * APART];
    }

    long scratchElements() {
        return (long) scratch.length + own.length;
    }

    /** y = a op(b). */
    void matMul(int m, int n, int k, boolean transposeB, Memory a, Memory b, Memory y) {
        this.a.matrix(a, k);
        groups(1, 0, 0, 0);
        this.b.matrix(b, k, transposeB ? 1 : n, transposeB ? k : 1);
        result(y, 1, 1, n, n, n);
        run(m, n, k);
    }

    // ---- setting up a product ----

    /** Several products side by side: the distances from one to the next in A, B and C. */
    void groups(int count, int a, int b, int c) {
        groups = count;
        aGroup = a;
        this.b.groups(b);
        cGroup = c;
    }

    /** C: row (n, p, q) of a grid starts at {@code n image + p row + q pixel}. */
    void result(Memory c, int gridH, int gridW, int image, int row, int pixel) {
        result(c, 0, true, gridH, gridW, image, row, pixel);
    }

    /** @param alone whether no other product computes other rows of the same images */
    void result(Memory c, int start, boolean alone, int gridH, int gridW, int image, int row, int pixel) {
        this.c = c.array();
        cBegin = c.offset();
        cStart = c.offset() + start;
        this.gridH = gridH;
        this.gridW = gridW;
        cImage = image;
        cRow = row;
        cPixel = pixel;
        cWhole = row == gridW * pixel && image == gridH * row;
        cAlone = alone;
    }

    /** Elements of B in panels: see {@link #pack}. */
    static long packedSize(int groups, int depth, int columns) {
        return (long) groups * ceil(columns, NR) * NR * depth;
    }

    /** Copies B, which was set up before, into panels of NR columns over its whole depth, for many products to come. */
    void pack(int columns, int depth, Memory y) {
        n = columns;
        k = depth;
        packed = y.array();
        packedAt = y.offset();
        phase = Phase.PACK;
        workers.run(this, groups * ceil(panels(), PANELS));
        packed = null;
        b.release();
    }

    /** B, which is used once, in panels of our own: every worker then reads it as if it had been packed before. */
    private void packOwn(boolean small) {
        long size = packedSize(groups, k, n);
        own = own.length >= size + BASE ? own : Lanes.array(Math.toIntExact(size));
        packed = own;
        packedAt = BASE;
        phase = Phase.PACK;
        int parts = groups * ceil(panels(), PANELS);
        if (small) {
            workers.runHere(this, parts);
        } else {
            workers.run(this, parts);
        }
    }

    /** Panels of B, of each group. */
    private int panels() {
        return ceil(n, NR);
    }

    /** The next product's B is one that was packed. */
    void packed(Memory panels) {
        packed = panels.array();
        packedAt = panels.offset();
    }

    /** The next product is followed by: C = max(C + bias + residual, 0), any of the three where given. */
    void then(Memory bias, Memory residual, boolean relu) {
        this.bias = bias;
        this.residual = residual;
        this.relu = relu;
    }

    /**
     * The next product, one alone, is followed by C = mask <= 0 ? 0 : C on all of C's pixels, block of rows by block where there are
     * many of them, while C is in the cache and the mask comes from memory in long runs. A residual is then fetched before each
     * block, and both begin at the same element as C.
     */
    void afterwards(Memory mask) {
        this.mask = mask;
    }

    /**
     * Before that, a matrix of n columns is added to C: its rows are those of every {@code stepH}-th row and {@code stepW}-th column of C's
     * grid, which is whole and has no residual else.
     */
    void afterwards(Memory some, int stepH, int stepW) {
        this.some = some;
        this.stepH = stepH;
        this.stepW = stepW;
    }

    /** Products until this is called with null may be followed by statistics of C, block of rows by block. */
    void followedBy(Normalization statistics) {
        this.statistics = statistics;
    }

    /** The next product is one whose A has the rows of the B of another, which waits: that is computed with it, if possible. */
    void along(TransposedMatMul gradient) {
        this.gradient = gradient;
        wasJoint = false;
    }

    /** Whether it was. */
    boolean wasJoint() {
        return wasJoint;
    }

    /** Computes C = A B, {@code (m, n)} with inner extent k; A's grid was set up before. */
    void run(int m, int n, int k) {
        this.m = m;
        this.n = n;
        this.k = k;
        try {
            compute();
        } finally { // or the next product would be followed by what was meant for one that failed
            a.release();
            b.release();
            c = null;
            packed = null;
            then(null, null, false);
            afterwards(null);
            afterwards(null, 1, 1);
            followed = false;
            gradient = null;
            joint = false;
        }
    }

    private void compute() {
        if (m > 0 && n > 0) {
            boolean inPixels = cAlone && groups == 1 && cImage % n == 0 && cRow % n == 0 && cPixel % n == 0;
            pixels = inPixels ? m / (gridH * gridW) * (cImage / n) : 0;
            boolean small = (long) m * n * k * groups < SMALL_WORK;
            partition(small);
            if (phase != Phase.DIRECT || !inBlocks() || groups > 1 || a.rows() != null && !a.isMade()) {
                a.makeRows();
            }
            int parts = joint ? splits : groups * rowBlocks * columnBlocks;
            if (joint) {
                gradient.begin(rowsOfBlock());
            }
            long begin = System.nanoTime();
            if (small) {
                workers.runHere(this, parts);
            } else if (workers.run(this, parts) && joint) {
                gradient.took(System.nanoTime() - begin);
            }
            a.madeBy(null, null);
            if (joint) {
                gradient.end();
                wasJoint = true;
            }
            if ((mask != null || some != null || followed) && !inBlocks()) {
                rowBlocks = phase == Phase.FEW_ROWS ? splits * blocks(ceil(m, splits), k) : rowBlocks;
                phase = Phase.AFTERWARDS;
                images = 1; // rows as they lie
                workers.run(this, rowBlocks);
            }
        }
    }

    private void partition(boolean small) {
        if (a.direct() && k <= MicroKernel.DEPTH) {
            images = 1;
            rowBlock = 0;
            splits = groups == 1 && a.isPlain() && pixels == m ? TransposedMatMul.splits(n, k, m) : 1;
            rowBlocks = splits * blocks(ceil(m, splits), k);
            joint = splits > 1 && gradient != null && gradient.waitsFor(a, m, k, n);
            a.alone(joint || a.isAlone());
            follow();
            Arrays.fill(copied, -1);
            if (packed == null && !joint && fewRows()) {
                phase = Phase.FEW_ROWS;
                rowBlocks = 1;
                columnBlock = Math.clamp(B_SIZE / (NR * Math.max(1, k)), 1, PANELS) * NR;
                columnBlocks = ceil(n, columnBlock);
                return;
            }
            if (packed == null) {
                packOwn(small);
            }
            phase = Phase.DIRECT;
            partitionDirect();
            return;
        }
        phase = Phase.PLAIN;
        boolean aligned = a.run() >= SHORT_RUN && k > a.run();
        run = aligned ? a.run() : k;
        runBlocks = Math.max(1, ceil(run, DEPTH));
        int count = m / a.positions();
        images = aligned && count >= MANY_IMAGES ? count : 1;
        rowBlocks = ceil(m, ROWS);
        rowBlock = ceil(ceil(m, rowBlocks), MR) * MR;
        rowBlocks = ceil(m, rowBlock);
        columnBlock = columnBlock(COLUMNS, n, groups * rowBlocks, 2 * workers.count());
        columnBlocks = ceil(n, columnBlock);
        if (images == 1) {
            follow();
        }
    }

    /**
     * Statistics that wait for this product's result are taken of its blocks of rows. Sums of a derivative only if these are rows of
     * A in order: where recomputation puts something between the two calls, others would have been added up in another order.
     */
    private void follow() {
        followed = statistics != null
                && pixels > 0
                && statistics.of(c, cBegin, pixels, n)
                && (!statistics.isOfDerivative() || rowBlock == 0 && pixels == m);
        if (followed) {
            statistics.parts(rowBlocks * pieces());
            for (int i = 0; i <= rowBlocks * pieces(); i++) {
                statistics.part(i, piece(i));
            }
        }
    }

    /**
     * Whether there are so few rows that every worker may copy all of them and pack the columns that it multiplies them with:
     * B, which is larger, then goes from one worker to another no more.
     */
    private boolean fewRows() {
        return groups == 1 && m <= n / workers.count() && m <= BLOCK * (PITCH / rowLength()) && k <= B_SIZE / NR;
    }

    /** Elements from one block of rows to the next where they lie side by side. */
    private int rowLength() {
        return ceil(Math.max(1, k), 16) * 16;
    }

    /**
     * Parts are blocks of rows, and where these are few, shares of their columns: about eight parts for each worker, so
     * that one whose processor is slowed down leaves some to the others. Neighbouring parts share their rows. All have the
     * same number of whole tiles, give or take one.
     */
    private void partitionDirect() {
        columnBlocks = joint
                ? 1
                : Math.clamp(ceil(PARTS * workers.count(), groups * rowBlocks), 1, ceil(n, LEAST_PANELS * NR));
    }

    /** Blocks in which so many rows of k numbers are copied; the same for any number of threads. */
    static int blocks(int rows, int k) {
        return ceil(ceil(rows, MR), Math.clamp(BLOCK_SIZE / Math.max(1, k), MR, BLOCK) / MR);
    }

    /** Most rows of a block. */
    private int rowsOfBlock() {
        int most = 0;
        for (int block = 0; block < rowBlocks; block++) {
            most = Math.max(most, rowAt(block + 1) - rowAt(block));
        }
        return most;
    }

    /** Where a block of rows begins. */
    private int rowAt(int block) {
        return rowBlock > 0 ? Math.min(m, block * rowBlock) : rowAt(block, m, splits, rowBlocks / splits);
    }

    /** The same for rows in equal shares of so many blocks each. */
    static int rowAt(int block, int rows, int shares, int blocks) {
        int length = ceil(ceil(rows, shares), 2) * 2; // tiles of kernel gradients take two rows of B at a time
        int from = Math.min(rows, block / blocks * length);
        return from + share(Math.min(length, rows - from), MR, block % blocks, blocks);
    }

    /** Wide parts, which read long pieces of B's rows, unless there are too few of them. */
    static int columnBlock(int most, int n, int blocks, int enough) {
        int block = most;
        while (block > 64 && blocks * ceil(n, block) < (block > 128 ? enough : enough / 2)) {
            block /= 2;
        }
        return block;
    }

    /** Where share number i of so many begins if n elements are shared out in whole units, about as many in each. */
    private static int share(int n, int unit, int i, int shares) {
        return Math.min(n, (int) ((long) ceil(n, unit) * i / shares) * unit);
    }

    static int ceil(int n, int d) {
        return (n + d - 1) / d;
    }

    @Override
    public void run(int part, int worker) {
        if (phase == Phase.AFTERWARDS) {
            finish(part, worker);
            return;
        }
        if (phase == Phase.PACK) {
            int blocks = ceil(panels(), PANELS);
            int group = part / blocks;
            int first = part % blocks * PANELS;
            int end = Math.min(panels(), first + PANELS);
            int blockAt = BASE + worker * SCRATCH;
            int to = packedAt + group * panels() * NR * k;
            b.pack(group, first, end, k, n, packed, to, scratch, blockAt);
            return;
        }
        int rest = part / columnBlocks;
        if (joint && phase == Phase.DIRECT) {
            withGradient(part, worker);
            return;
        }
        if (phase == Phase.DIRECT) {
            direct(rest, part % columnBlocks, worker);
            return;
        }
        int n0 = part % columnBlocks * columnBlock;
        int n1 = Math.min(n, n0 + columnBlock);
        if (phase == Phase.FEW_ROWS) {
            fewRows(n0, n1, worker);
            return;
        }
        int rows = rest % rowBlocks;
        plain(rest / rowBlocks, rows * rowBlock, Math.min(m, (rows + 1) * rowBlock), n0, n1, worker);
        if (inBlocks()) {
            finish(rows, worker);
        }
    }

    // ---- rows of A in one piece each and B packed: sums go over the whole inner extent ----

    /** @param block which block of rows, over all groups; a worker that has it already need not copy it */
    private void direct(int block, int columns, int worker) {
        int group = block / rowBlocks;
        int m0 = rowAt(block % rowBlocks);
        int rows = rowAt(block % rowBlocks + 1) - m0;
        int n0 = share(n, NR, columns, columnBlocks);
        int n1 = share(n, NR, columns + 1, columnBlocks);
        int most = Math.clamp(STRIP_SIZE / Math.max(1, k) / NR, 1, STRIP);
        int width = ceil(n1 - n0, ceil(n1 - n0, most * NR));
        width = ceil(width, NR) * NR;
        if (copied[worker * APART] != block) {
            copied[worker * APART] = block;
            if (a.makesOwn()) {
                a.rows().make(m0, rows, scratch, BASE + worker * SCRATCH, PITCH);
                start(group, m0, rows, worker);
            } else {
                if (a.rows() != null) {
                    int pixel = a.pixelAt(m0, m);
                    a.rows().make(pixel, a.pixelAt(m0 + rows, m) - pixel);
                }
                copy(group, m0, rows, worker);
            }
        }
        if (mask != null && residual != null && inBlocks()) {
            int pixel = piece(block * pieces());
            scratch[tileAt(worker, 0)] = residual.fetch(pixel * n, (piece((block + 1) * pieces()) - pixel) * n);
        }
        for (int strip = n0; strip < n1; strip += width) {
            int end = Math.min(n1, strip + width);
            for (int r = 0; r < rows; ) {
                int tile = MicroKernel.tile(rows - r);
                int valid = Math.min(tile, rows - r);
                for (int column = strip; column < end; column += NR) {
                    int panel = packedAt + (group * panels() * NR + column) * k;
                    multiply(worker, group, r * PITCH, r, tile, valid, k, panel, packed, column, n1, false, true);
                }
                r += valid;
            }
        }
        if (inBlocks()) {
            finish(block, worker);
        }
    }

    /** Blocks of rows, and with what of A and of other operands then is in the cache, their share of the kernel's gradient. */
    private void withGradient(int split, int worker) {
        int blocks = rowBlocks / splits;
        for (int block = split * blocks; block < (split + 1) * blocks; block++) {
            direct(block, 0, worker);
            int to = rowAt(block + 1);
            gradient.add(
                    split, rowAt(block), to, block > split * blocks, scratch, BASE + worker * SCRATCH, PITCH, worker);
        }
    }

    /** Whether parts are whole rows of C in one piece, many of them. */
    private boolean inBlocks() {
        return columnBlocks == 1 && (phase == Phase.DIRECT || phase == Phase.PLAIN && images == 1);
    }

    /** What comes after a block of rows of C: as much at a time as those rows are. */
    private void finish(int block, int worker) {
        for (int i = block * pieces(); i < (block + 1) * pieces(); i++) {
            if (some != null) {
                addSome(piece(i), piece(i + 1));
            }
            if (mask != null) {
                int at = piece(i) * n;
                int o = cBegin + at;
                Elementwise.reluGradient(c, o, mask.array(), mask.offset() + at, c, o, piece(i + 1) * n - at);
            }
            if (followed) {
                statistics.run(i, worker);
            }
        }
    }

    /** Adds what there is for rows [from, to) of C's grid. */
    private void addSome(int from, int to) {
        int rows = ceil(gridH, stepH);
        int columns = ceil(gridW, stepW);
        for (int row = from; row < to; ) {
            int q = row % gridW;
            int p = row / gridW % gridH;
            if (p % stepH > 0) {
                row += gridW - q;
                continue;
            }
            if (q % stepW == 0) {
                int at = some.offset() + ((row / gridW / gridH * rows + p / stepH) * columns + q / stepW) * n;
                Elementwise.add(c, cBegin + row * n, some.array(), at, c, cBegin + row * n, n);
            }
            row++;
        }
    }

    private int pieces() {
        return Math.max(1, pixels / m);
    }

    /** The pixel of C where a piece begins; the first block of rows begins with the first pixel, the last ends with the last. */
    private int piece(int i) {
        int block = i / pieces();
        int from = pixelAt(block);
        return i % pieces() == 0 ? from : from + (pixelAt(block + 1) - from) * (i % pieces()) / pieces();
    }

    private int pixelAt(int block) {
        return block == 0 ? 0 : block == rowBlocks ? pixels : (cAt(0, rowAt(block)) - cBegin) / n;
    }

    /** Copies rows [m0, m0 + rows) of A to the worker's scratch memory. */
    private void copy(int group, int m0, int rows, int worker) {
        a.copy(m0, rows, group * aGroup, k, a.rows() != null, scratch, BASE + worker * SCRATCH);
        start(group, m0, rows, worker);
    }

    private void start(int group, int m0, int rows, int worker) {
        for (int r = 0; r < rows; r++) {
            starts[worker][r] = cAt(group, m0 + r);
        }
    }

    /** All rows of A and columns [n0, n1): blocks of rows lie side by side in the worker's scratch memory. */
    private void fewRows(int n0, int n1, int worker) {
        int length = rowLength();
        int aAt = BASE + worker * SCRATCH;
        if (copied[worker * APART] < 0) {
            copied[worker * APART] = 0;
            for (int row = 0; row < m; row += BLOCK) {
                a.copy(row, Math.min(BLOCK, m - row), 0, k, false, scratch, aAt + row / BLOCK * length);
            }
        }
        int bAt = aAt + A_SIZE;
        b.pack(0, n0 / NR, ceil(n1, NR), k, n, scratch, bAt - n0 * k, scratch, tileAt(worker, 0));
        for (int row = 0; row < m; ) {
            int rows = Math.min(m - row, BLOCK - row % BLOCK);
            int tile = MicroKernel.tile(rows);
            int valid = Math.min(tile, rows);
            start(0, row, valid, worker);
            int at = row % BLOCK * PITCH + row / BLOCK * length;
            for (int column = n0; column < n1; column += NR) {
                int panel = bAt + (column - n0) * k;
                multiply(worker, 0, at, 0, tile, valid, k, panel, scratch, column, n1, false, true);
            }
            row += valid;
        }
    }

    /**
     * A tile of A in the worker's scratch memory, from its element {@code from} on, times a panel of B; its rows of C are
     * those from number {@code row} on of the worker's.
     */
    private void multiply(
            int worker,
            int group,
            int from,
            int row,
            int tile,
            int valid,
            int depth,
            int panel,
            float[] right,
            int column,
            int n1,
            boolean add,
            boolean last) {
        int[] to = starts[worker];
        int aAt = BASE + worker * SCRATCH + from;
        // the bias comes with the first block of the sum, as does the residual; ReLU with the last
        boolean biased = !add && bias != null;
        float[] shifts = biased ? bias.array() : MicroKernel.ZEROS;
        int shiftsAt = biased ? bias.offset() + group * cGroup + column : 0;
        boolean oddSum = depth % 2 == 1 && (add || residual != null);
        if (valid == tile && column + NR <= n1 && !oddSum) {
            float[] addend = add ? c : residual == null ? null : residual.array();
            int shift = add || residual == null ? 0 : residual.offset() - cBegin;
            MicroKernel.rows(
                    tile, depth, scratch, aAt, right, panel, c, to, row, column, shifts, shiftsAt, addend, shift);
            if (last && relu) {
                MicroKernel.relu(tile, c, to, row, column);
            }
            return;
        }
        int[] at = addresses[worker];
        for (int r = 0; r < tile; r++) {
            at[r] = tileAt(worker, r);
        }
        MicroKernel.rows(tile, depth, scratch, aAt, right, panel, scratch, at, 0, 0, shifts, shiftsAt, null, 0);
        for (int r = 0; r < valid; r++) {
            put(tileAt(worker, r), Math.min(NR, n1 - column), add, last, c, to[row + r] + column);
        }
    }

    // ---- rows of A gathered ----

    private void plain(int group, int m0, int m1, int n0, int n1, int worker) {
        int bAt = BASE + worker * SCRATCH + A_SIZE;
        int depth = ceil(run, runBlocks);
        int blocks = run == 0 ? 1 : k / run * runBlocks;
        for (int block = 0; block < blocks; block++) {
            int k0 = block / runBlocks * run + block % runBlocks * depth;
            int k1 = Math.min((block / runBlocks + 1) * run, k0 + depth);
            if (packed == null) {
                b.packBlock(group, k0, k1, n0, n1, scratch, bAt, bAt - A_SIZE);
            }
            if (blocks == 1 && a.shortRuns()) {
                shortRuns(group, m0, m1, n0, n1, worker, bAt);
                return;
            }
            for (int row = m0; row < m1; ) {
                int rows = images == 1 ? m1 - row : Math.min(m1 - row, images - row % images);
                int tile = MicroKernel.tile(rows);
                boolean last = block == blocks - 1;
                tileRow(worker, group, block, last, row, tile, Math.min(tile, rows), k0, k1, n0, n1, bAt);
                row += Math.min(tile, rows);
            }
        }
    }

    /** Rows of many short runs: some tiles meet a panel, which then is in the first cache, before they meet the next. */
    private void shortRuns(int group, int m0, int m1, int n0, int n1, int worker, int bAt) {
        for (int row = m0; row < m1; row += SHORT_ROWS) {
            int rows = Math.min(m1 - row, SHORT_ROWS);
            a.rows(row, rows, group * aGroup, scratch, BASE + worker * SCRATCH, PITCH, starts[worker]);
            start(group, row, rows, worker);
            for (int column = n0; column < n1; column += NR) {
                int panel = packed == null ? bAt + (column - n0) * k : packedAt + (group * panels() * NR + column) * k;
                float[] right = packed == null ? scratch : packed;
                for (int r = 0; r < rows; ) {
                    int tile = MicroKernel.tile(rows - r);
                    int valid = Math.min(tile, rows - r);
                    multiply(worker, group, r * PITCH, r, tile, valid, k, panel, right, column, n1, false, true);
                    r += valid;
                }
            }
        }
    }

    /** A tile of rows times a block of B. */
    private void tileRow(
            int worker,
            int group,
            int block,
            boolean last,
            int row,
            int tile,
            int valid,
            int k0,
            int k1,
            int n0,
            int n1,
            int bAt) {
        int from = k0;
        int to = k1;
        boolean add = block > 0; // the first block writes, zeros if need be
        if (images > 1) {
            int position = gridRow(row);
            from = Math.max(k0, a.insideFrom(position, block / runBlocks));
            to = Math.min(k1, a.insideTo(position, block / runBlocks));
            if (from >= to && add && !(last && relu)) {
                return;
            }
            to = Math.max(from, to);
        }
        int aAt = BASE + worker * SCRATCH;
        for (int r = 0; r < valid; r++) {
            a.row(gridRow(row + r), from, to, group * aGroup, scratch, aAt + r * PITCH);
        }
        float[] right = packed == null ? scratch : packed;
        int[] start = starts[worker];
        for (int r = 0; r < valid; r++) {
            start[r] = cAt(group, row + r);
        }
        for (int column = n0; column < n1; column += NR) {
            int panel = packed == null
                    ? bAt + (column - n0) * (k1 - k0) + (from - k0) * NR
                    : packedAt + (group * panels() * NR + column) * k + from * NR;
            multiply(worker, group, 0, 0, tile, valid, to - from, panel, right, column, n1, add, last);
        }
    }

    /** The row of A's grid that is computed as row number {@code row}. */
    private int gridRow(int row) {
        return images == 1 ? row : row % images * a.positions() + row / images;
    }

    private int cAt(int group, int row) {
        int at = gridRow(row);
        if (cWhole) {
            return cStart + group * cGroup + at * cPixel;
        }
        int q = at % gridW;
        int p = at / gridW % gridH;
        return cStart + group * cGroup + at / gridW / gridH * cImage + p * cRow + q * cPixel;
    }

    // ---- a tile of C that is not whole goes by way of scratch memory ----

    private static int tileAt(int worker, int r) {
        return BASE + worker * SCRATCH + A_SIZE + B_SIZE + r * NR;
    }

    /** What the micro-kernel does to whole tiles in the end, number by number. */
    private void put(int from, int width, boolean add, boolean last, float[] c, int to) {
        for (int j = 0; j < width; j++) {
            float y = scratch[from + j];
            if (add) {
                y += c[to + j];
            } else if (residual != null) {
                y += residual.array()[residual.offset() + to - cBegin + j];
            }
            c[to + j] = last && relu && y <= 0 ? 0 : y;
        }
    }
}
