package gradus.benchmarks.ladder;

import static gradus.benchmarks.ladder.Vectorised.L;
import static gradus.benchmarks.ladder.Vectorised.SPECIES;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;

/**
 * A tile of C in registers instead of a piece of a row: {@value #ROWS} rows by two vectors, 24 of the 32 registers.
 *
 * <p>A row at a time, each multiply-add needs a vector of B from the cache, and two multiply-add ports want two loads a cycle.
 * In the tile two vectors of B and twelve elements of A, 14 loads, serve 24 multiply-adds. And 24 chains are far more than
 * the latency needs. Every accumulator has
 * a name, and all is in one method: vectors in an array, or passed to a method that is not inlined, become objects.
 */
final class RegisterTiled implements MatrixRung {
    static final int ROWS = 12;

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
        int a1 = aAt + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow, a6 = a5 + aRow;
        int a7 = a6 + aRow, a8 = a7 + aRow, a9 = a8 + aRow, a10 = a9 + aRow, a11 = a10 + aRow;
        var zero = FloatVector.zero(SPECIES);
        FloatVector s0 = zero, t0 = zero, s1 = zero, t1 = zero, s2 = zero, t2 = zero, s3 = zero, t3 = zero;
        FloatVector s4 = zero, t4 = zero, s5 = zero, t5 = zero, s6 = zero, t6 = zero, s7 = zero, t7 = zero;
        FloatVector s8 = zero, t8 = zero, s9 = zero, t9 = zero, s10 = zero, t10 = zero, s11 = zero, t11 = zero;
        for (int p = 0; p < depth; p++) {
            var u = fromArray(SPECIES, b, bAt + p * bRow);
            var v = fromArray(SPECIES, b, bAt + p * bRow + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt + p]); s0 = x.fma(u, s0); t0 = x.fma(v, t0);
            x = broadcast(SPECIES, a[a1 + p]); s1 = x.fma(u, s1); t1 = x.fma(v, t1);
            x = broadcast(SPECIES, a[a2 + p]); s2 = x.fma(u, s2); t2 = x.fma(v, t2);
            x = broadcast(SPECIES, a[a3 + p]); s3 = x.fma(u, s3); t3 = x.fma(v, t3);
            x = broadcast(SPECIES, a[a4 + p]); s4 = x.fma(u, s4); t4 = x.fma(v, t4);
            x = broadcast(SPECIES, a[a5 + p]); s5 = x.fma(u, s5); t5 = x.fma(v, t5);
            x = broadcast(SPECIES, a[a6 + p]); s6 = x.fma(u, s6); t6 = x.fma(v, t6);
            x = broadcast(SPECIES, a[a7 + p]); s7 = x.fma(u, s7); t7 = x.fma(v, t7);
            x = broadcast(SPECIES, a[a8 + p]); s8 = x.fma(u, s8); t8 = x.fma(v, t8);
            x = broadcast(SPECIES, a[a9 + p]); s9 = x.fma(u, s9); t9 = x.fma(v, t9);
            x = broadcast(SPECIES, a[a10 + p]); s10 = x.fma(u, s10); t10 = x.fma(v, t10);
            x = broadcast(SPECIES, a[a11 + p]); s11 = x.fma(u, s11); t11 = x.fma(v, t11);
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
        o += cRow; g = o & keep;
        s4.add(fromArray(SPECIES, old, g)).intoArray(c, o); t4.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s5.add(fromArray(SPECIES, old, g)).intoArray(c, o); t5.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s6.add(fromArray(SPECIES, old, g)).intoArray(c, o); t6.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s7.add(fromArray(SPECIES, old, g)).intoArray(c, o); t7.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s8.add(fromArray(SPECIES, old, g)).intoArray(c, o); t8.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s9.add(fromArray(SPECIES, old, g)).intoArray(c, o); t9.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s10.add(fromArray(SPECIES, old, g)).intoArray(c, o); t10.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
        o += cRow; g = o & keep;
        s11.add(fromArray(SPECIES, old, g)).intoArray(c, o); t11.add(fromArray(SPECIES, old, g + L)).intoArray(c, o + L);
    }
    // spotless:on
}
