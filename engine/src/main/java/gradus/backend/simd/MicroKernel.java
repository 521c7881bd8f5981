package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
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
    static final boolean X86 = isX86();

    /** x86 without AVX-512 has 16 vector registers; whatever else this runs on has 32. */
    private static final boolean FEW_REGISTERS = X86 && L <= 8 && FloatVector.SPECIES_PREFERRED.length() <= 8;

    /** All sizes of tiles of {@link #rows}. */
    static final int[] TILES =
            FEW_REGISTERS ? new int[] {6, 5, 4} : X86 ? new int[] {14, 13, 12, 10, 8, 4} : new int[] {10, 8, 4};

    /** Steps that a loop of 8 or 10 rows takes at a time; all other loops but those of 4 and 5 rows take two. */
    static final int STEPS = X86 ? 2 : 1;

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
            case 14 -> MicroKernelRows.rows14(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 13 -> MicroKernelRows.rows13(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 12 -> MicroKernelRows.rows12(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 10 -> MicroKernelRows.rows10(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 8 -> MicroKernelRows.rows8(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 6 -> MicroKernelRows.rows6(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            case 5 -> MicroKernelRows.rows5(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
            default -> MicroKernelRows.rows4(depth, a, aAt, b, bAt, c, at, row, column, bias, biasAt, addend, shift);
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
            MicroKernelColumns.columns4(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        } else if (!FEW_REGISTERS) {
            MicroKernelColumns.columns12(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        } else if (tile == MR_COLUMNS) {
            MicroKernelColumns.columns6(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        } else {
            MicroKernelColumns.columns5(depth, a, aAt, aPitch, b, bAt, bPitch, c, at, add);
        }
    }

    /**
     * The same for A in panels of a few rows: element k of row r is {@code a[aAt + k * PANEL + r]}, and of B {@code b[bAt + k * NR + j]}.
     *
     * @param tile rows, as {@link #tilePanels} says
     * @param depth even
     */
    static void panels(int tile, int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        switch (tile) {
            case 14 -> MicroKernelPanels.panels14(depth, a, aAt, b, bAt, c, at, add);
            case 8 -> MicroKernelPanels.panels8(depth, a, aAt, b, bAt, c, at, add);
            case 6 -> MicroKernelPanels.panels6(depth, a, aAt, b, bAt, c, at, add);
            default -> columns(tile, depth, a, aAt, PANEL, b, bAt, NR, c, at, add);
        }
    }
}
