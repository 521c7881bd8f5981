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
 * in the same few sets of the first-level cache, where they push each other out. Copied, a panel of B (two vectors wide) is
 * read from one end to the other, and the four rows of A lie close together, at distances the compiler knows. A copy costs
 * a pass over its matrix and is used for all columns, or all rows, of a block. The block of B stays in the second-level
 * cache, the rows of A in the first.
 */
final class Packed implements MatrixRung {
    private static final int DEPTH = 384;
    private static final int WIDTH = 512;

    /** From a row of A to the next: an odd number of cache lines, to use all sets. */
    private static final int PITCH = DEPTH + 16;

    /** First element of a large array that begins a cache line: a vector that lies on two lines is two loads. */
    static final int START = 12;

    private final float[] panels = new float[START + DEPTH * WIDTH];
    private final float[] rows = new float[PITCH * ROWS];
    private final float[] edge = new float[ROWS * COLUMNS];

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        multiply(0, m, n, k, a, b, c);
    }

    /** Rows [m0, m1) of C. */
    void multiply(int m0, int m1, int n, int k, float[] a, float[] b, float[] c) {
        int blocks = Math.ceilDiv(k, DEPTH);
        for (int block = 0; block < blocks; block++) {
            int p = k * block / blocks;
            int depth = k * (block + 1) / blocks - p;
            for (int j = 0; j < n; j += WIDTH) {
                int width = Math.min(WIDTH, n - j);
                packPanels(depth, width, b, p * n + j, n, panels);
                for (int i = m0; i < m1; i += ROWS) {
                    int height = Math.min(ROWS, m1 - i);
                    for (int row = 0; row < height; row++) {
                        System.arraycopy(a, (i + row) * k + p, rows, row * PITCH, depth);
                    }
                    for (int column = 0; column < width; column += COLUMNS) {
                        boolean whole = height == ROWS && column + COLUMNS <= width;
                        int at = i * n + j + column;
                        if (whole) {
                            tile(depth, rows, panels, START + column * depth, c, at, n, block > 0);
                        } else {
                            tile(depth, rows, panels, START + column * depth, edge, 0, COLUMNS, false);
                            putEdge(height, Math.min(COLUMNS, width - column), c, at, n, block > 0);
                        }
                    }
                }
            }
        }
    }

    /** Element (p, j) of B goes to panel j / COLUMNS, there to {@code p COLUMNS + j % COLUMNS}; zeros fill the last panel. */
    static void packPanels(int depth, int width, float[] b, int bAt, int bRow, float[] panels) {
        for (int p = 0; p < depth; p++) {
            int from = bAt + p * bRow;
            int to = START + p * COLUMNS;
            int j = 0;
            for (; j + COLUMNS <= width; j += COLUMNS, to += depth * COLUMNS) {
                fromArray(SPECIES, b, from + j).intoArray(panels, to);
                fromArray(SPECIES, b, from + j + L).intoArray(panels, to + L);
            }
            if (j < width) {
                System.arraycopy(b, from + j, panels, to, width - j);
                Arrays.fill(panels, to + width - j, to + COLUMNS, 0);
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
        for (int p = 0; p < depth; p++) {
            var u = fromArray(SPECIES, b, bAt + p * COLUMNS);
            var v = fromArray(SPECIES, b, bAt + p * COLUMNS + L);
            FloatVector x;
            x = broadcast(SPECIES, a[p]); s0 = x.fma(u, s0); t0 = x.fma(v, t0);
            x = broadcast(SPECIES, a[p + PITCH]); s1 = x.fma(u, s1); t1 = x.fma(v, t1);
            x = broadcast(SPECIES, a[p + 2 * PITCH]); s2 = x.fma(u, s2); t2 = x.fma(v, t2);
            x = broadcast(SPECIES, a[p + 3 * PITCH]); s3 = x.fma(u, s3); t3 = x.fma(v, t3);
        }
        float[] old = add ? c : RegisterTiled.ZEROS;
        int keep = add ? -1 : 0;
        int o = cAt, g = o & keep;
        s0.add(fromArray(SPECIES, old, g)).intoArray(c, o); t0.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s1.add(fromArray(SPECIES, old, g)).intoArray(c, o); t1.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s2.add(fromArray(SPECIES, old, g)).intoArray(c, o); t2.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s3.add(fromArray(SPECIES, old, g)).intoArray(c, o); t3.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
    }
    // spotless:on
}
