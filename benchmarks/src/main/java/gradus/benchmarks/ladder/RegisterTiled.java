package gradus.benchmarks.ladder;

import static gradus.benchmarks.ladder.Vectorised.L;
import static gradus.benchmarks.ladder.Vectorised.SPECIES;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;

/**
 * A tile of C in registers instead of a piece of a row: {@value #ROWS} rows by two vectors.
 *
 * <p>A row at a time, each multiply-add needs a vector of B from the cache, and two multiply-add ports want two loads a cycle.
 * In the tile two vectors of B and four elements of A, 6 loads, serve 8 multiply-adds. Eight chains are just what two ports
 * with a latency of four can begin before the first is done; with the operands of a step they take 14 registers, so that the
 * tile fits the 16 of AVX2. Every accumulator has a name, and all is in one method: vectors in an array, or passed to a
 * method that is not inlined, become objects.
 */
final class RegisterTiled implements MatrixRung {
    static final int ROWS = 4;

    /** Columns of a tile. */
    static final int COLUMNS = 2 * L;

    static final float[] ZEROS = new float[COLUMNS];

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        if (m < ROWS || n < COLUMNS) {
            new Reordered().multiply(m, n, k, a, b, c);
            return;
        }
        for (int column = 0; column < n; column += COLUMNS) {
            int j = Math.min(column, n - COLUMNS); // the last tiles overlap: some sums are formed twice
            for (int row = 0; row < m; row += ROWS) {
                int i = Math.min(row, m - ROWS);
                tile(k, a, i * k, k, b, j, n, c, i * n + j, n, false);
            }
        }
    }

    // spotless:off
    /**
     * {@value #ROWS} rows of C, {@code cRow} apart, get or are added the product of as many rows of A, {@code aRow} apart,
     * and {@code depth} rows of B.
     */
    static void tile(int depth, float[] a, int aAt, int aRow, float[] b, int bAt, int bRow, float[] c, int cAt, int cRow, boolean add) {
        int a1 = aAt + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        var zero = FloatVector.zero(SPECIES);
        FloatVector s0 = zero, t0 = zero, s1 = zero, t1 = zero, s2 = zero, t2 = zero, s3 = zero, t3 = zero;
        for (int p = 0; p < depth; p++) {
            var u = fromArray(SPECIES, b, bAt + p * bRow);
            var v = fromArray(SPECIES, b, bAt + p * bRow + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt + p]); s0 = x.fma(u, s0); t0 = x.fma(v, t0);
            x = broadcast(SPECIES, a[a1 + p]); s1 = x.fma(u, s1); t1 = x.fma(v, t1);
            x = broadcast(SPECIES, a[a2 + p]); s2 = x.fma(u, s2); t2 = x.fma(v, t2);
            x = broadcast(SPECIES, a[a3 + p]); s3 = x.fma(u, s3); t3 = x.fma(v, t3);
        }
        float[] old = add ? c : ZEROS;
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
