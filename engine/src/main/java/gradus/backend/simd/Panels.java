package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.NR;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * The right operand of a product and the order in which the micro-kernel reads it: one or several matrices one above the
 * other (a kernel's taps), plain or transposed, are copied into panels of {@link MicroKernel#NR} columns. Element (k, j) of a
 * panel lies at {@code k * NR + j}; a last panel that is not whole is filled up with zeros.
 */
final class Panels extends Rows.Operand {
    /** Where the matrices start of which the operand consists; grown by {@link #taps}. */
    int[] tap = new int[64];

    private float[] x;
    private int start;
    private int depth;
    private int row;
    private int column;
    private int group;

    /** Matrices of {@code depth} rows, elements {@code row} and {@code column} apart; one of the two is 1. The first is at 0. */
    void matrix(Memory b, int depth, int row, int column) {
        x = b.array();
        start = b.offset();
        this.depth = depth;
        this.row = row;
        this.column = column;
        tap[0] = 0;
    }

    /** Room for so many matrices. */
    void taps(int count) {
        tap = tap.length < count ? new int[count] : tap;
    }

    /** The distance from one of several products side by side to the next. */
    void groups(int distance) {
        group = distance;
    }

    /** Whether rows lie in one piece each; columns do if not. */
    boolean hasRows() {
        return column == 1;
    }

    /** Where the operand lies and a row begins, with its distance from the next, if it {@link #hasRows}. */
    float[] array() {
        return x;
    }

    int rowAt(int group, int row) {
        return start + tap[0] + group * this.group + row * this.row;
    }

    int pitch() {
        return row;
    }

    /** Forgets the operand, so that its memory can be collected. */
    void release() {
        x = null;
    }

    /** The same for {@code count} rows that follow each other: {@link #packRow}, four panels at a time. */
    void packRows(int group, int row, int count, int i, int depth, int n0, int n1, float[] y, int at) {
        int from = rowAt(group, row);
        int column = n0;
        for (; column + 4 * NR <= n1; column += 4 * NR) {
            fourPanels(from + column, count, y, at + (column - n0) * depth + i * NR, depth * NR);
        }
        for (int r = 0; r < count && column < n1; r++) {
            packRow(from + r * this.row, i + r, depth, column, n1, y, at + (column - n0) * depth);
        }
    }

    private void fourPanels(int from, int count, float[] y, int to, int panel) {
        float[] x = this.x;
        for (int r = 0; r < count; r++, from += row, to += NR) {
            var a = FloatVector.fromArray(SPECIES, x, from);
            var b = FloatVector.fromArray(SPECIES, x, from + L);
            var c = FloatVector.fromArray(SPECIES, x, from + 2 * L);
            var d = FloatVector.fromArray(SPECIES, x, from + 3 * L);
            a.intoArray(y, to);
            b.intoArray(y, to + L);
            c.intoArray(y, to + panel);
            d.intoArray(y, to + panel + L);
            a = FloatVector.fromArray(SPECIES, x, from + 4 * L);
            b = FloatVector.fromArray(SPECIES, x, from + 5 * L);
            c = FloatVector.fromArray(SPECIES, x, from + 6 * L);
            d = FloatVector.fromArray(SPECIES, x, from + 7 * L);
            a.intoArray(y, to + 2 * panel);
            b.intoArray(y, to + 2 * panel + L);
            c.intoArray(y, to + 3 * panel);
            d.intoArray(y, to + 3 * panel + L);
        }
    }

    /** A panel of rows {@code step} apart; what lies behind a row may be read too. */
    static void panel(float[] x, int from, int step, int rows, float[] y, int to) {
        for (int end = to + rows * NR; to < end; to += NR, from += step) {
            FloatVector.fromArray(SPECIES, x, from).intoArray(y, to);
            FloatVector.fromArray(SPECIES, x, from + L).intoArray(y, to + L);
        }
    }

    /** Columns [n0, n1) of a row of the first matrix, as row {@code i} of panels so deep, the first of them at {@code y[at]}. */
    private void packRow(int from, int i, int depth, int n0, int n1, float[] y, int at) {
        float[] x = this.x;
        int column = n0;
        int to = at + i * NR;
        for (; column + NR <= n1; column += NR, to += depth * NR) {
            FloatVector.fromArray(SPECIES, x, from + column).intoArray(y, to);
            FloatVector.fromArray(SPECIES, x, from + column + L).intoArray(y, to + L);
        }
        if (column < n1) {
            System.arraycopy(x, from + column, y, to, n1 - column);
            Arrays.fill(y, to + n1 - column, to + NR, 0);
        }
    }

    /**
     * Panels [first, end) of the first matrix over its whole depth k, panel 0 being at {@code y[at]}; row by row, because one
     * panel's share of a row is only a line or two.
     *
     * @param block room for L * L numbers from blockAt on
     */
    void pack(int group, int first, int end, int k, int n, float[] y, int at, float[] block, int blockAt) {
        int whole = Math.min(end, n / NR);
        int from = start + tap[0] + group * this.group + first * NR * column;
        int to = at + first * NR * k;
        if (!hasRows()) {
            for (int panel = first; panel < end; panel++, from += NR * column, to += NR * k) {
                transpose(from, k, Math.min(NR, n - panel * NR), y, to, block, blockAt);
            }
            return;
        }
        for (int i = 0; i < k; i++, from += row, to += NR) {
            int x = from;
            int o = to;
            for (int panel = first; panel < whole; panel++, x += NR, o += NR * k) {
                FloatVector.fromArray(SPECIES, this.x, x).intoArray(y, o);
                FloatVector.fromArray(SPECIES, this.x, x + L).intoArray(y, o + L);
            }
            if (whole < end) {
                int width = n - whole * NR;
                System.arraycopy(this.x, x, y, o, width);
                Arrays.fill(y, o + width, o + NR, 0);
            }
        }
    }

    /**
     * Rows [k0, k1) of all matrices as one, columns [n0, n1), to {@code y[at]}.
     *
     * @param blockAt where y has room for L * L more numbers
     */
    void packBlock(int group, int k0, int k1, int n0, int n1, float[] y, int at, int blockAt) {
        for (int k = k0; k < k1; ) {
            int matrix = k / depth;
            int within = k - matrix * depth;
            int run = Math.min(k1 - k, depth - within);
            int from = start + group * this.group + tap[matrix] + within * row;
            if (hasRows()) {
                for (int i = 0; i < run; i++) {
                    packRow(from + i * row, k - k0 + i, k1 - k0, n0, n1, y, at);
                }
            } else {
                for (int j = n0; j < n1; j += NR) {
                    int to = at + (j - n0) * (k1 - k0) + (k - k0) * NR;
                    transpose(from + j * column, run, Math.min(NR, n1 - j), y, to, y, blockAt);
                }
            }
            k += run;
        }
    }

    /** A panel, read along the columns, in square blocks as far as they go. */
    private void transpose(int from, int rows, int width, float[] y, int to, float[] block, int blockAt) {
        float[] x = this.x;
        int whole = Lanes.bound(rows);
        for (int j0 = 0; j0 < width; j0 += L) {
            int columns = Math.min(L, width - j0);
            int square = columns == L ? whole : 0;
            for (int i = 0; i < square; i += L) {
                Transpose.block(x, from + j0 * column + i, column, y, to + i * NR + j0, NR, block, blockAt);
            }
            for (int j = j0; j < j0 + columns; j++) {
                int at = from + j * column;
                for (int i = square; i < rows; i++) {
                    y[to + i * NR + j] = x[at + i];
                }
            }
        }
        for (int i = 0; i < rows && width < NR; i++) {
            Arrays.fill(y, to + i * NR + width, to + i * NR + NR, 0);
        }
    }
}
