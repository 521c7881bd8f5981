package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static java.lang.invoke.VarHandle.loadLoadFence;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;

/**
 * The innermost loops of every matrix product and convolution: a tile of C, a few rows by two vectors, is kept in
 * registers while {@code depth} outer products are added to it.
 *
 * <p>14 rows x 2 vectors are 28 accumulators, with two vectors of B and a broadcast element of A 31 of the 32 registers of
 * AVX-512. The compiler likes to load all elements of A first, would run out of registers and put accumulators into memory,
 * which costs a quarter of the speed. So a {@link java.lang.invoke.VarHandle#loadLoadFence} follows each row: on x86, where
 * loads stay in order anyway, it is no instruction, but the compiler moves no load across it, and one broadcast is alive at a
 * time. With 16 registers (AVX2) 6 x 2 fit: 12 + 2 + 1. Elsewhere (NEON, 32 registers) the fence is an instruction, and 10
 * rows leave room for all elements of A. (A store, which no load may pass either, is not free on x86: stores leave in order,
 * so those behind a row of C that has to come from memory fill the store queue, and the tile waits: a quarter to a half of
 * the speed where C is large.)
 * Accumulators are named locals because an array of vectors would live on the heap, and the methods are this long because
 * a vector passed to a method that is not inlined would too: the compiler inlines nothing but the Vector API itself into
 * methods of this size.
 *
 * <p><b>rows</b>: element k of row r of A lies at {@code a[aAt + r * PITCH + k]}, a block of scratch memory; B is packed in panels
 * of {@link #NR} columns, {@code b[bAt + k * NR + j]}. Both distances are constants of the program, so that an element's address
 * is one register and a number in the instruction. Instructions count where a processor computes for a second program at the
 * same time and has none to spare: a register for each row would cost an addition for every load (a third of the speed). The
 * compiler spends nine more on an index counted from 0; loops count A's own index instead, which is known not to be negative
 * and so needs no sign extension, and take two steps at a time: 47 instructions a step of 14 rows instead of 54. A third step, or
 * ReLU in the same method, is more than the first compiler (C1) has virtual registers for; what it gives up, the second compiles
 * late or never. Row r of C starts at {@code c[at[row + r] + column]}.
 *
 * <p><b>columns</b>, for products with A transposed: elements of A for one k lie side by side, as those of B do,
 * {@code a[aAt + k * aPitch + r]} and {@code b[bAt + k * bPitch + j]}. Both may be read where they are; two additions for each k
 * and a few checks of bounds more are little to 24 products. Row r of C starts at {@code c[at[r]]}.
 *
 * <p><b>panels</b>, the same of copies: A is packed in panels of {@link #MR_PANELS} rows, one line of memory for each k, so that
 * distances are constants again, one index serves both operands, and a tile's share of A stays in the first cache.
 *
 * <p>Sums start from the bias or zero, and what C held, if it is to be added to, comes last, so that splitting a long sum
 * into calls also keeps its rounding error small. A residual is added to the sums while they are in registers.
 */
final class MicroKernel {
    private static final boolean X86 = isX86();

    /** x86 without AVX-512 has 16 vector registers; whatever else this runs on has 32. */
    private static final boolean FEW_REGISTERS = X86 && L <= 8 && FloatVector.SPECIES_PREFERRED.length() <= 8;

    /** All sizes of tiles of {@link #rows}. */
    static final int[] TILES =
            FEW_REGISTERS ? new int[] {6, 5, 4} : X86 ? new int[] {14, 13, 12, 10, 8, 4} : new int[] {10, 8, 4};

    /** Steps that a loop of 8 or 10 rows takes at a time; all other loops but those of 4 and 5 rows take two. */
    private static final int STEPS = X86 ? 2 : 1;

    /** Most rows of a tile; a block of rows is shared out equally among tiles. */
    static final int MR = TILES[0];

    /** Rows of the smallest tile, for a few rows. */
    private static final int SMALL = TILES[TILES.length - 1];

    /** Most rows of a tile of {@link #columns}. */
    static final int MR_COLUMNS = FEW_REGISTERS ? 6 : 12;

    /** Most rows of a tile of {@link #panels}, and elements from one k to the next in its panels of A: a cache line. */
    static final int MR_PANELS = FEW_REGISTERS ? 6 : X86 ? 14 : 12;

    static final int PANEL = FEW_REGISTERS ? 8 : 16;

    /** All sizes of tiles of {@link #columns}, and those of {@link #panels} that are not computed as these are. */
    static final int[] TILES_COLUMNS = FEW_REGISTERS ? TILES : new int[] {MR_COLUMNS, SMALL};

    static final int[] TILES_PANELS = FEW_REGISTERS ? new int[] {6} : X86 ? new int[] {MR_PANELS, 8} : new int[0];

    /** Columns of any tile. */
    static final int NR = 2 * L;

    /** Most elements of a row of a block of A. */
    static final int DEPTH = 9216;

    /**
     * Elements from one row to the next: one cache line more than a multiple of pages, to use every cache set. Nine pages; with
     * ten, products of training took up to twice the time on Zen 4.
     */
    static final int PITCH = DEPTH + 16;

    /** A depth with which a tile's method returns at once: see {@link WarmUp}. */
    static final int NOTHING = -1;

    /** Where there is no bias. */
    static final float[] ZEROS = new float[128];

    private MicroKernel() {}

    private static boolean isX86() {
        String arch = System.getProperty("os.arch");
        return arch.equals("amd64") || arch.equals("x86_64");
    }

    /**
     * Rows of the tile of {@link #rows} to use when that many are left, perhaps more than are left: an equal share of as few
     * tiles as possible, or the next size that there is.
     */
    static int tile(int rowsLeft) {
        int share = rowsLeft <= MR ? rowsLeft : MatMul.ceil(rowsLeft, MatMul.ceil(rowsLeft, MR));
        int size = TILES.length - 1;
        while (TILES[size] < share) {
            size--;
        }
        return TILES[size];
    }

    /** The same for {@link #columns}: {@link #MR_COLUMNS} or 4; never more than are left of a multiple of 32. */
    static int tileColumns(int rowsLeft) {
        if (FEW_REGISTERS) {
            return tile(rowsLeft);
        }
        return rowsLeft >= MR_COLUMNS ? MR_COLUMNS : SMALL;
    }

    /**
     * The same for {@link #panels}: with AVX-512 14, but 8 or 4 as long as those that are left would not be whole tiles of 14. Where rows
     * are a multiple of 4, all tiles are whole.
     */
    static int tilePanels(int rowsLeft) {
        if (MR_PANELS < 14) {
            return tileColumns(rowsLeft);
        }
        int rest = rowsLeft % (2 * MR_PANELS);
        boolean large = rest % MR_PANELS == 0 || rowsLeft > MR_PANELS && (rest == 2 || rest % 2 == 1);
        return large ? MR_PANELS : Math.min(rest, rowsLeft) >= 8 ? 8 : SMALL;
    }

    /** How many tiles of {@link #panels} so many rows are. */
    static int panelsOf(int rows) {
        int count = 0;
        for (int left = rows; left > 0; left -= tilePanels(left)) {
            count++;
        }
        return count;
    }

    /**
     * A tile {@code c = bias + A B + addend}.
     *
     * @param tile rows, as {@link #tile} says
     * @param at where rows of C start, those of the tile from number {@code row} on
     * @param column where in these rows the tile starts
     * @param bias NR numbers from biasAt on, the same for all rows; {@link #ZEROS} where there is none
     * @param addend its element for {@code c[o]} is {@code addend[o + shift]}; may be c itself; null where there is none, and
     *     always if the depth is odd
     */
    static void rows(
            int tile,
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth > 0 && depth % 2 == 1) {
            int even = depth - 1; // the loops take two steps at a time
            rows(tile, even, a, aAt, b, bAt, c, at, row, column, bias, biasAt, null, 0);
            step(tile, a, aAt + even, b, bAt + even * NR, c, at, row, column);
            return;
        }
        switch (tile) {
            case 14 -> rows14(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 13 -> rows13(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 12 -> rows12(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 10 -> rows10(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 8 -> rows8(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 6 -> rows6(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 5 -> rows5(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            default -> rows4(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
        }
    }

    /** One outer product more, for an odd depth: {@code c = c + a b}. */
    static void step(int tile, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, int row, int column) {
        var u = fromArray(SPECIES, b, bAt);
        var v = fromArray(SPECIES, b, bAt + L);
        for (int r = 0; r < tile; r++) {
            int o = at[row + r] + column;
            var x = broadcast(SPECIES, a[aAt + r * PITCH]);
            x.fma(u, fromArray(SPECIES, c, o)).intoArray(c, o);
            x.fma(v, fromArray(SPECIES, c, o + L)).intoArray(c, o + L);
        }
    }

    /** {@code c = max(c, 0)} for a tile of {@link #rows}. */
    static void relu(int tile, float[] c, int[] at, int row, int column) {
        var zero = FloatVector.zero(SPECIES);
        for (int r = 0; r < tile; r++) {
            int o = at[row + r] + column;
            fromArray(SPECIES, c, o).max(zero).intoArray(c, o);
            fromArray(SPECIES, c, o + L).max(zero).intoArray(c, o + L);
        }
    }

    /**
     * A tile {@code c = A' B}, or that added to c. What is read behind A's or B's last row or column has no effect on others.
     *
     * @param tile rows, as {@link #tileColumns} says
     * @param aPitch elements from one k to the next in A; {@code bPitch} in B
     */
    static void columns(
            int tile,
            int depth,
            float[] a,
            int aAt,
            int aPitch,
            float[] b,
            int bAt,
            int bPitch,
            float[] c,
            int[] at,
            boolean add) {
        if (tile == SMALL) {
            columns4(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        } else if (!FEW_REGISTERS) {
            columns12(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        } else if (tile == MR_COLUMNS) {
            columns6(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        } else {
            columns5(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        }
    }

    // spotless:off
    private static void rows14(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v, p10 = u, q10 = v, p11 = u, q11 = v;
        FloatVector p12 = u, q12 = v, p13 = u, q13 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 13 * PITCH]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 13 * PITCH]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 10] + column + shift; p10 = p10.add(fromArray(SPECIES, addend, o)); q10 = q10.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 11] + column + shift; p11 = p11.add(fromArray(SPECIES, addend, o)); q11 = q11.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 12] + column + shift; p12 = p12.add(fromArray(SPECIES, addend, o)); q12 = q12.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 13] + column + shift; p13 = p13.add(fromArray(SPECIES, addend, o)); q13 = q13.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[row + 10] + column; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[row + 11] + column; p11.intoArray(c, o); q11.intoArray(c, o + L);
        o = at[row + 12] + column; p12.intoArray(c, o); q12.intoArray(c, o + L);
        o = at[row + 13] + column; p13.intoArray(c, o); q13.intoArray(c, o + L);
    }

    private static void rows13(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v, p10 = u, q10 = v, p11 = u, q11 = v;
        FloatVector p12 = u, q12 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 10] + column + shift; p10 = p10.add(fromArray(SPECIES, addend, o)); q10 = q10.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 11] + column + shift; p11 = p11.add(fromArray(SPECIES, addend, o)); q11 = q11.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 12] + column + shift; p12 = p12.add(fromArray(SPECIES, addend, o)); q12 = q12.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[row + 10] + column; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[row + 11] + column; p11.intoArray(c, o); q11.intoArray(c, o + L);
        o = at[row + 12] + column; p12.intoArray(c, o); q12.intoArray(c, o + L);
    }

    private static void rows12(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v, p10 = u, q10 = v, p11 = u, q11 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 10] + column + shift; p10 = p10.add(fromArray(SPECIES, addend, o)); q10 = q10.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 11] + column + shift; p11 = p11.add(fromArray(SPECIES, addend, o)); q11 = q11.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[row + 10] + column; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[row + 11] + column; p11.intoArray(c, o); q11.intoArray(c, o + L);
    }

    private static void rows10(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += STEPS) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            if (STEPS == 2) {
                loadLoadFence();
                u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
                x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            }
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
    }

    private static void rows8(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += STEPS) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            if (STEPS == 2) {
                loadLoadFence();
                u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
                x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            }
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
    }

    private static void rows6(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
    }

    private static void rows5(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i++) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
    }

    /**
     * The same for A in panels of a few rows: element k of row r is {@code a[aAt + k * PANEL + r]}, and of B {@code b[bAt + k * NR + j]}.
     *
     * @param tile rows, as {@link #tilePanels} says
     * @param depth even
     */
    static void panels(
            int tile, int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        switch (tile) {
            case 14 -> panels14(depth, a, aAt, b, bAt, c, at, add);
            case 8 -> panels8(depth, a, aAt, b, bAt, c, at, add);
            case 6 -> panels6(depth, a, aAt, b, bAt, c, at, add);
            default -> columns(tile, depth, a, aAt, PANEL, b, bAt, NR, c, at, add);
        }
    }

    private static void rows4(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v;
        for (int k = 0; k < depth; k++) {
            u = fromArray(SPECIES, b, bAt + k * NR);
            v = fromArray(SPECIES, b, bAt + k * NR + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt + k]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[aAt + k + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[aAt + k + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[aAt + k + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
    }

    private static void columns12(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector p6 = zero, q6 = zero, p7 = zero, q7 = zero;
        FloatVector p8 = zero, q8 = zero, p9 = zero, q9 = zero;
        FloatVector p10 = zero, q10 = zero, p11 = zero, q11 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            x = broadcast(SPECIES, a[aAt + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            x = broadcast(SPECIES, a[aAt + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            x = broadcast(SPECIES, a[aAt + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            x = broadcast(SPECIES, a[aAt + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            x = broadcast(SPECIES, a[aAt + 8]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            x = broadcast(SPECIES, a[aAt + 9]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            x = broadcast(SPECIES, a[aAt + 10]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            x = broadcast(SPECIES, a[aAt + 11]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
            o = at[5]; p5 = p5.add(fromArray(SPECIES, c, o)); q5 = q5.add(fromArray(SPECIES, c, o + L));
            o = at[6]; p6 = p6.add(fromArray(SPECIES, c, o)); q6 = q6.add(fromArray(SPECIES, c, o + L));
            o = at[7]; p7 = p7.add(fromArray(SPECIES, c, o)); q7 = q7.add(fromArray(SPECIES, c, o + L));
            o = at[8]; p8 = p8.add(fromArray(SPECIES, c, o)); q8 = q8.add(fromArray(SPECIES, c, o + L));
            o = at[9]; p9 = p9.add(fromArray(SPECIES, c, o)); q9 = q9.add(fromArray(SPECIES, c, o + L));
            o = at[10]; p10 = p10.add(fromArray(SPECIES, c, o)); q10 = q10.add(fromArray(SPECIES, c, o + L));
            o = at[11]; p11 = p11.add(fromArray(SPECIES, c, o)); q11 = q11.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[6]; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[7]; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[8]; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[9]; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[10]; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[11]; p11.intoArray(c, o); q11.intoArray(c, o + L);
    }

    private static void columns6(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero, p2 = zero, q2 = zero;
        FloatVector p3 = zero, q3 = zero, p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
            o = at[5]; p5 = p5.add(fromArray(SPECIES, c, o)); q5 = q5.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
    }

    private static void columns5(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero, p2 = zero, q2 = zero;
        FloatVector p3 = zero, q3 = zero, p4 = zero, q4 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
    }

    private static void columns4(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
    }

    private static void panels14(
            int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector p6 = zero, q6 = zero, p7 = zero, q7 = zero;
        FloatVector p8 = zero, q8 = zero, p9 = zero, q9 = zero;
        FloatVector p10 = zero, q10 = zero, p11 = zero, q11 = zero;
        FloatVector p12 = zero, q12 = zero, p13 = zero, q13 = zero;
        FloatVector u, v, x;
        int i = Math.max(aAt, 0), end = i + depth * PANEL, ahead = bAt - i / PANEL * NR;
        for (; i < end; i += 2 * PANEL) {
            int j = ahead + i / PANEL * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 12]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 13]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + PANEL]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 8]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 9]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 10]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 11]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 12]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 13]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
            o = at[5]; p5 = p5.add(fromArray(SPECIES, c, o)); q5 = q5.add(fromArray(SPECIES, c, o + L));
            o = at[6]; p6 = p6.add(fromArray(SPECIES, c, o)); q6 = q6.add(fromArray(SPECIES, c, o + L));
            o = at[7]; p7 = p7.add(fromArray(SPECIES, c, o)); q7 = q7.add(fromArray(SPECIES, c, o + L));
            o = at[8]; p8 = p8.add(fromArray(SPECIES, c, o)); q8 = q8.add(fromArray(SPECIES, c, o + L));
            o = at[9]; p9 = p9.add(fromArray(SPECIES, c, o)); q9 = q9.add(fromArray(SPECIES, c, o + L));
            o = at[10]; p10 = p10.add(fromArray(SPECIES, c, o)); q10 = q10.add(fromArray(SPECIES, c, o + L));
            o = at[11]; p11 = p11.add(fromArray(SPECIES, c, o)); q11 = q11.add(fromArray(SPECIES, c, o + L));
            o = at[12]; p12 = p12.add(fromArray(SPECIES, c, o)); q12 = q12.add(fromArray(SPECIES, c, o + L));
            o = at[13]; p13 = p13.add(fromArray(SPECIES, c, o)); q13 = q13.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[6]; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[7]; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[8]; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[9]; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[10]; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[11]; p11.intoArray(c, o); q11.intoArray(c, o + L);
        o = at[12]; p12.intoArray(c, o); q12.intoArray(c, o + L);
        o = at[13]; p13.intoArray(c, o); q13.intoArray(c, o + L);
    }

    private static void panels8(
            int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector p6 = zero, q6 = zero, p7 = zero, q7 = zero;
        FloatVector u, v, x;
        int i = Math.max(aAt, 0), end = i + depth * PANEL, ahead = bAt - i / PANEL * NR;
        for (; i < end; i += 2 * PANEL) {
            int j = ahead + i / PANEL * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + PANEL]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
            o = at[5]; p5 = p5.add(fromArray(SPECIES, c, o)); q5 = q5.add(fromArray(SPECIES, c, o + L));
            o = at[6]; p6 = p6.add(fromArray(SPECIES, c, o)); q6 = q6.add(fromArray(SPECIES, c, o + L));
            o = at[7]; p7 = p7.add(fromArray(SPECIES, c, o)); q7 = q7.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[6]; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[7]; p7.intoArray(c, o); q7.intoArray(c, o + L);
    }

    private static void panels6(
            int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector u, v, x;
        int i = Math.max(aAt, 0), end = i + depth * PANEL, ahead = bAt - i / PANEL * NR;
        for (; i < end; i += 2 * PANEL) {
            int j = ahead + i / PANEL * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + PANEL]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
            o = at[5]; p5 = p5.add(fromArray(SPECIES, c, o)); q5 = q5.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
    }
    // spotless:on
}
