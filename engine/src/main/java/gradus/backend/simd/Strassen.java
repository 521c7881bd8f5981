package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.MR;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PITCH;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * C = A B with an eighth of the multiplications less: one level of Strassen's method ("Gaussian elimination is not optimal", 1969) in
 * Winograd's form, with 15 sums. A and C are blocks of rows of {@link MatMul}, and they and B are cut into quarters:
 *
 * <pre>
 *   S1 = A21 + A22    T1 = B12 - B11    P1 = A11 B11    P5 = S1 T1    C11 = P1 + P2
 *   S2 = S1  - A11    T2 = B22 - T1     P2 = A12 B21    P6 = S2 T2    C12 = P1 + P6 + P5 + P3
 *   S3 = A11 - A21    T3 = B22 - B12    P3 = S4  B22    P7 = S3 T3    C21 = P1 + P6 + P7 - P4
 *   S4 = A12 - S2     T4 = T2  - B21    P4 = A22 T4                   C22 = P1 + P6 + P7 + P5
 * </pre>
 *
 * The sums of A are made in the caches when a block of rows has been copied, those of B when it is packed; sums of products are
 * added up in a few tiles of scratch memory before they become elements of C. So no sum costs a pass over memory, as in
 * "Strassen's algorithm reloaded" (Huang, Smith, Henry, van de Geijn, 2016).
 *
 * <p>The price is accuracy: the error of an element is bounded by the largest elements of its block, not by its own row and column,
 * and comes to about twice that of a direct product where all are of one size. That is good enough where Winograd's
 * convolutions are; it is used for convolutions alone, and only where kernels change from step to step.
 */
final class Strassen {
    /** Tiles that are under way for a tile in each quarter of C. */
    static final int TILES = 5;

    /** Most columns of tiles that are under way together, so that C is written in longer pieces. */
    static final int STRIP = 8;

    private static final int TILE = MR * NR;

    /** Keeps what is read or written side by side from using the same cache sets. */
    private static final int GAP = 16;

    /** Rows of each half of B that are packed together, and shares in which they are. */
    private static final int ROWS = 16;

    static final int SHARES = 4;

    /** Smallest numbers of rows and columns and inner extent for which it pays. */
    private static final int LEAST_ROWS = 256;

    private static final int LEAST = 64;

    /** Largest inner extent: there must be room for the sums behind a row of A. */
    private static final int DEPTH = 2048;

    private Strassen() {}

    /**
     * Whether it is worth it; by shape alone, or elements would depend on the number of threads. Where there are few rows, packing B costs
     * what the products save.
     */
    static boolean pays(int m, int n, int k) {
        return m >= Math.max(LEAST_ROWS, n / 2)
                && n >= LEAST
                && k >= LEAST
                && k <= DEPTH
                && m % 2 == 0
                && n % (2 * NR) == 0
                && k % 4 == 0; // products that are added to others have even depths
    }

    /** Elements of a panel: NR columns of each of the seven right factors. */
    static int panel(int k) {
        return 7 * (k / 2 * NR + GAP);
    }

    static int panels(int n) {
        return n / 2 / NR;
    }

    /** Behind row r of the upper half of a block of rows: those of S1, S2, S3 and S4. */
    static void sums(float[] a, int at, int rows, int k) {
        int half = k / 2;
        int sum = k + GAP;
        int next = half + GAP;
        int below = rows / 2 * PITCH;
        for (int end = at + below; at < end; at += PITCH) {
            int i = at;
            for (; i < at + Lanes.bound(half); i += L) {
                var a11 = fromArray(SPECIES, a, i);
                var a21 = fromArray(SPECIES, a, i + below);
                var s1 = a21.add(fromArray(SPECIES, a, i + below + half));
                var s2 = s1.sub(a11);
                s1.intoArray(a, i + sum);
                s2.intoArray(a, i + sum + next);
                a11.sub(a21).intoArray(a, i + sum + 2 * next);
                fromArray(SPECIES, a, i + half).sub(s2).intoArray(a, i + sum + 3 * next);
            }
            for (; i < at + half; i++) {
                float s1 = a[i + below] + a[i + below + half];
                float s2 = s1 - a[i];
                a[i + sum] = s1;
                a[i + sum + next] = s2;
                a[i + sum + 2 * next] = a[i] - a[i + below];
                a[i + sum + 3 * next] = a[i + half] - s2;
            }
        }
    }

    /**
     * Some rows of panels [first, end) of B, panel 0 being at {@code y[at]}: factors in the order in which {@link #multiply} reads them.
     *
     * @param share which of {@link #SHARES} of each half's rows
     * @param scratch room for some rows of the four quarters from {@code from} on, and for L * L numbers from {@code blockAt} on
     */
    static void pack(
            Panels b,
            int group,
            int first,
            int end,
            int share,
            int k,
            int n,
            float[] y,
            int at,
            float[] scratch,
            int from,
            int blockAt) {
        int half = k / 2;
        int size = panel(k) / 7;
        int n0 = first * NR;
        int n1 = end * NR;
        int length = MatMul.ceil(half, SHARES);
        int last = Math.min(half, (share + 1) * length);
        for (int i = share * length; i < last; i += ROWS) {
            int rows = Math.min(ROWS, last - i);
            int next = (n1 - n0) * rows + GAP;
            int j = i + half;
            b.packBlock(group, i, i + rows, n0, n1, scratch, from, blockAt);
            b.packBlock(group, i, i + rows, n / 2 + n0, n / 2 + n1, scratch, from + next, blockAt);
            b.packBlock(group, j, j + rows, n0, n1, scratch, from + 2 * next, blockAt);
            b.packBlock(group, j, j + rows, n / 2 + n0, n / 2 + n1, scratch, from + 3 * next, blockAt);
            for (int panel = first; panel < end; panel++) {
                int x = from + (panel - first) * rows * NR;
                sums(scratch, x, next, rows * NR, y, at + panel * 7 * size + i * NR, size);
            }
        }
    }

    private static void sums(float[] b, int from, int next, int n, float[] y, int to, int size) {
        for (int i = from; i < from + n; i += L, to += L) {
            var b11 = fromArray(SPECIES, b, i);
            var b12 = fromArray(SPECIES, b, i + next);
            var b21 = fromArray(SPECIES, b, i + 2 * next);
            var b22 = fromArray(SPECIES, b, i + 3 * next);
            var t1 = b12.sub(b11);
            var t2 = b22.sub(t1);
            b11.intoArray(y, to);
            t2.intoArray(y, to + size);
            b21.intoArray(y, to + 2 * size);
            b22.sub(b12).intoArray(y, to + 3 * size);
            t1.intoArray(y, to + 4 * size);
            b22.intoArray(y, to + 5 * size);
            b21.sub(t2).intoArray(y, to + 6 * size); // -T4
        }
    }

    /**
     * A tile in each quarter of C: C11 to tile 0, C12 - P5 to tile 1, C22 - P5 to tile 2, P5 to tile 3, C21 to tile 4.
     *
     * @param top where the tile's rows of A begin in a block of so many {@code rows}
     * @param at where the rows of a tile start, {@code column} numbers before tile 0
     */
    static void multiply(int tile, int rows, int k, float[] a, int top, float[] b, int panel, int[] at, int column) {
        int half = k / 2;
        int size = half * NR + GAP;
        int sum = top + k + GAP;
        int next = half + GAP;
        int a22 = top + rows / 2 * PITCH + half;
        product(tile, half, a, top, b, panel, at, column, null, 0); // P1
        product(tile, half, a, sum + next, b, panel + size, at, column + TILE, a, -TILE); // + P6
        product(tile, half, a, top + half, b, panel + 2 * size, at, column, a, 0); // C11
        product(tile, half, a, sum + 2 * next, b, panel + 3 * size, at, column + 2 * TILE, a, -TILE);
        product(tile, half, a, sum, b, panel + 4 * size, at, column + 3 * TILE, null, 0);
        product(tile, half, a, sum + 3 * next, b, panel + 5 * size, at, column + TILE, a, 0);
        product(tile, half, a, a22, b, panel + 6 * size, at, column + 4 * TILE, a, -2 * TILE);
    }

    private static void product(
            int tile, int k, float[] a, int aAt, float[] b, int bAt, int[] at, int column, float[] addend, int shift) {
        MicroKernel.rows(tile, k, a, aAt, b, bAt, a, at, 0, column, MicroKernel.ZEROS, 0, addend, shift);
    }

    /**
     * So many rows of some tiles side by side to C, to which the bias and the residual are added, and ReLU applied, if there are any.
     *
     * @param from where the tiles are
     * @param at where rows of C start; {@code row} is the tiles' first, {@code below} rows above that of the lower half
     * @param column where in these rows the tiles start, {@code right} columns before those of the right half
     * @param next how far it is from one tile's bias to the next one's: 0 if there is none
     * @param shift where the residual for an element of C is
     */
    static void finish(
            int rows,
            int count,
            float[] tiles,
            int from,
            float[] c,
            int[] at,
            int row,
            int below,
            int column,
            int right,
            float[] bias,
            int biasAt,
            int next,
            float[] residual,
            int shift,
            boolean relu) {
        int biasRight = next == 0 ? biasAt : biasAt + right;
        for (int r = 0; r < rows; r++, from += NR) {
            int top = at[row + r] + column;
            int bottom = at[row + below + r] + column;
            for (int i = 0; i < count; i++) {
                for (int j = 0; j < NR; j += L) {
                    int t = from + i * TILES * TILE + j;
                    int o = top + i * NR + j;
                    int u = bottom + i * NR + j;
                    var left = fromArray(SPECIES, bias, biasAt + i * next + j);
                    var over = fromArray(SPECIES, bias, biasRight + i * next + j);
                    var p5 = fromArray(SPECIES, tiles, t + 3 * TILE);
                    var c11 = fromArray(SPECIES, tiles, t).add(left);
                    var c12 = fromArray(SPECIES, tiles, t + TILE).add(p5).add(over);
                    var c21 = fromArray(SPECIES, tiles, t + 4 * TILE).add(left);
                    var c22 = fromArray(SPECIES, tiles, t + 2 * TILE).add(p5).add(over);
                    if (residual != null) {
                        c11 = c11.add(fromArray(SPECIES, residual, o + shift));
                        c12 = c12.add(fromArray(SPECIES, residual, o + right + shift));
                        c21 = c21.add(fromArray(SPECIES, residual, u + shift));
                        c22 = c22.add(fromArray(SPECIES, residual, u + right + shift));
                    }
                    if (relu) {
                        var zero = FloatVector.zero(SPECIES);
                        c11 = c11.blend(zero, c11.compare(VectorOperators.LE, zero));
                        c12 = c12.blend(zero, c12.compare(VectorOperators.LE, zero));
                        c21 = c21.blend(zero, c21.compare(VectorOperators.LE, zero));
                        c22 = c22.blend(zero, c22.compare(VectorOperators.LE, zero));
                    }
                    c11.intoArray(c, o);
                    c12.intoArray(c, o + right);
                    c21.intoArray(c, u);
                    c22.intoArray(c, u + right);
                }
            }
        }
    }
}
