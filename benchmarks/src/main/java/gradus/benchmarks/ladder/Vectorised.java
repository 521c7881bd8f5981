package gradus.benchmarks.ladder;

import static jdk.incubator.vector.FloatVector.fromArray;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The Vector API, and with it the one thing the compiler would not do: four vectors of a row of C stay in registers while
 * all products are added to them.
 *
 * <p>Before, each multiply-add loaded and stored its element of C: two loads and a store for one multiply-add, and the store
 * port is the bottleneck. Now C is written once, and each multiply-add costs one load. The chain of additions is back, but
 * there are four of them, which hides most of the latency of four cycles on two ports.
 */
final class Vectorised implements MatrixRung {
    static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    static final int L = SPECIES.length();
    private static final int DEPTH = 128;

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        Arrays.fill(c, 0, m * n, 0);
        for (int p0 = 0; p0 < k; p0 += DEPTH) {
            int p1 = Math.min(k, p0 + DEPTH);
            int j = 0;
            for (; j + 4 * L <= n; j += 4 * L) {
                for (int i = 0; i < m; i++) {
                    fourVectors(p0, p1, a, i * k, b, j, n, c, i * n + j);
                }
            }
            for (int i = 0; i < m; i++) {
                for (int p = p0; p < p1; p++) {
                    Reordered.addScaled(n - j, a[i * k + p], b, p * n + j, c, i * n + j);
                }
            }
        }
    }

    private static void fourVectors(int p0, int p1, float[] a, int aAt, float[] b, int j, int n, float[] c, int cAt) {
        var s = fromArray(SPECIES, c, cAt);
        var t = fromArray(SPECIES, c, cAt + L);
        var u = fromArray(SPECIES, c, cAt + 2 * L);
        var v = fromArray(SPECIES, c, cAt + 3 * L);
        for (int p = p0; p < p1; p++) {
            var x = FloatVector.broadcast(SPECIES, a[aAt + p]);
            int at = p * n + j;
            s = x.fma(fromArray(SPECIES, b, at), s);
            t = x.fma(fromArray(SPECIES, b, at + L), t);
            u = x.fma(fromArray(SPECIES, b, at + 2 * L), u);
            v = x.fma(fromArray(SPECIES, b, at + 3 * L), v);
        }
        s.intoArray(c, cAt);
        t.intoArray(c, cAt + L);
        u.intoArray(c, cAt + 2 * L);
        v.intoArray(c, cAt + 3 * L);
    }
}
