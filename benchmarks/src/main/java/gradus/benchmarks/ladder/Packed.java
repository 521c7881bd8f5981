package gradus.benchmarks.ladder;

import static gradus.benchmarks.ladder.RegisterTiled.COLUMNS;
import static gradus.benchmarks.ladder.RegisterTiled.ROWS;
import static gradus.benchmarks.ladder.Vectorised.L;
import static gradus.benchmarks.ladder.Vectorised.SPECIES;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Copies of A and B in the order in which the tile reads them, block by block.
 *
 * <p>In place, the rows of a tile lie a whole row of the matrix apart: each on a page of its own, and for sizes like 1024 all
 * in the same few sets of the first-level cache, where they push each other out. Copied, a panel of B (two vectors wide) and
 * a strip of A (twelve rows high) are read from one end to the other. A copy costs a pass over its matrix and is used for
 * all columns, or all rows, of a block. The block of B stays in the second-level cache, the strip of A in the first.
 */
final class Packed implements MatrixRung {
    private static final int DEPTH = 512;
    private static final int WIDTH = 512;

    private final float[] panels = new float[DEPTH * WIDTH];
    private final float[] strip = new float[DEPTH * ROWS];
    private final float[] edge = new float[ROWS * COLUMNS];

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        multiply(0, m, n, k, a, b, c);
    }

    /** Rows [m0, m1) of C. */
    void multiply(int m0, int m1, int n, int k, float[] a, float[] b, float[] c) {
        for (int p = 0; p < k; p += DEPTH) {
            int depth = Math.min(DEPTH, k - p);
            for (int j = 0; j < n; j += WIDTH) {
                int width = Math.min(WIDTH, n - j);
                for (int column = 0; column < width; column += COLUMNS) {
                    packPanel(
                            depth, Math.min(COLUMNS, width - column), b, p * n + j + column, n, panels, column * depth);
                }
                for (int i = m0; i < m1; i += ROWS) {
                    int height = Math.min(ROWS, m1 - i);
                    packStrip(depth, height, a, i * k + p, k);
                    for (int column = 0; column < width; column += COLUMNS) {
                        boolean whole = height == ROWS && column + COLUMNS <= width;
                        int at = i * n + j + column;
                        if (whole) {
                            tile(depth, strip, panels, column * depth, c, at, n, p > 0);
                        } else {
                            tile(depth, strip, panels, column * depth, edge, 0, COLUMNS, false);
                            putEdge(height, Math.min(COLUMNS, width - column), c, at, n, p > 0);
                        }
                    }
                }
            }
        }
    }

    /** Columns of B side by side: element (p, j) at {@code p COLUMNS + j}, zeros where there is no column. */
    static void packPanel(int depth, int width, float[] b, int bAt, int bRow, float[] panel, int at) {
        for (int p = 0; p < depth; p++) {
            System.arraycopy(b, bAt + p * bRow, panel, at + p * COLUMNS, width);
            Arrays.fill(panel, at + p * COLUMNS + width, at + (p + 1) * COLUMNS, 0);
        }
    }

    /** Rows of A, column by column: element (i, p) at {@code p ROWS + i}. */
    private void packStrip(int depth, int height, float[] a, int aAt, int aRow) {
        for (int i = 0; i < ROWS; i++) {
            for (int p = 0; p < depth; p++) {
                strip[p * ROWS + i] = i < height ? a[aAt + i * aRow + p] : 0;
            }
        }
    }

    private void putEdge(int height, int width, float[] c, int at, int cRow, boolean add) {
        for (int i = 0; i < height; i++) {
            for (int j = 0; j < width; j++) {
                c[at + i * cRow + j] = edge[i * COLUMNS + j] + (add ? c[at + i * cRow + j] : 0);
            }
        }
    }

    // spotless:off
    private static void tile(int depth, float[] a, float[] b, int bAt, float[] c, int cAt, int cRow, boolean add) {
        var zero = FloatVector.zero(SPECIES);
        FloatVector s0 = zero, t0 = zero, s1 = zero, t1 = zero, s2 = zero, t2 = zero, s3 = zero, t3 = zero;
        FloatVector s4 = zero, t4 = zero, s5 = zero, t5 = zero, s6 = zero, t6 = zero, s7 = zero, t7 = zero;
        FloatVector s8 = zero, t8 = zero, s9 = zero, t9 = zero, s10 = zero, t10 = zero, s11 = zero, t11 = zero;
        for (int p = 0; p < depth; p++) {
            var u = fromArray(SPECIES, b, bAt + p * COLUMNS);
            var v = fromArray(SPECIES, b, bAt + p * COLUMNS + L);
            int at = p * ROWS;
            FloatVector x;
            x = broadcast(SPECIES, a[at]); s0 = x.fma(u, s0); t0 = x.fma(v, t0);
            x = broadcast(SPECIES, a[at + 1]); s1 = x.fma(u, s1); t1 = x.fma(v, t1);
            x = broadcast(SPECIES, a[at + 2]); s2 = x.fma(u, s2); t2 = x.fma(v, t2);
            x = broadcast(SPECIES, a[at + 3]); s3 = x.fma(u, s3); t3 = x.fma(v, t3);
            x = broadcast(SPECIES, a[at + 4]); s4 = x.fma(u, s4); t4 = x.fma(v, t4);
            x = broadcast(SPECIES, a[at + 5]); s5 = x.fma(u, s5); t5 = x.fma(v, t5);
            x = broadcast(SPECIES, a[at + 6]); s6 = x.fma(u, s6); t6 = x.fma(v, t6);
            x = broadcast(SPECIES, a[at + 7]); s7 = x.fma(u, s7); t7 = x.fma(v, t7);
            x = broadcast(SPECIES, a[at + 8]); s8 = x.fma(u, s8); t8 = x.fma(v, t8);
            x = broadcast(SPECIES, a[at + 9]); s9 = x.fma(u, s9); t9 = x.fma(v, t9);
            x = broadcast(SPECIES, a[at + 10]); s10 = x.fma(u, s10); t10 = x.fma(v, t10);
            x = broadcast(SPECIES, a[at + 11]); s11 = x.fma(u, s11); t11 = x.fma(v, t11);
        }
        RegisterTiled.put(s0, t0, c, cAt, add);
        RegisterTiled.put(s1, t1, c, cAt + cRow, add);
        RegisterTiled.put(s2, t2, c, cAt + 2 * cRow, add);
        RegisterTiled.put(s3, t3, c, cAt + 3 * cRow, add);
        RegisterTiled.put(s4, t4, c, cAt + 4 * cRow, add);
        RegisterTiled.put(s5, t5, c, cAt + 5 * cRow, add);
        RegisterTiled.put(s6, t6, c, cAt + 6 * cRow, add);
        RegisterTiled.put(s7, t7, c, cAt + 7 * cRow, add);
        RegisterTiled.put(s8, t8, c, cAt + 8 * cRow, add);
        RegisterTiled.put(s9, t9, c, cAt + 9 * cRow, add);
        RegisterTiled.put(s10, t10, c, cAt + 10 * cRow, add);
        RegisterTiled.put(s11, t11, c, cAt + 11 * cRow, add);
    }
    // spotless:on
}
