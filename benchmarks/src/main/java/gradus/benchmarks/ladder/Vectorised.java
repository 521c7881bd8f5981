package gradus.benchmarks.ladder;

import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The Vector API instead of what the compiler makes of a loop, and with it what the compiler would not do: four rows of B are
 * added at a time, and the piece of C stays in a register meanwhile.
 *
 * <p>Before, each multiply-add loaded its element of C and stored it again: two loads and a store for one multiply-add, and a
 * core has one store a cycle. Now it is five loads and a store for four.
 */
final class Vectorised implements MatrixRung {
    static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    static final int L = SPECIES.length();
    private static final int DEPTH = 64;
    private static final int WIDTH = 512;

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        Arrays.fill(c, 0, m * n, 0);
        for (int j = 0; j < n; j += WIDTH) {
            int width = Math.min(WIDTH, n - j);
            for (int p0 = 0; p0 < k; p0 += DEPTH) {
                int p1 = Math.min(k, p0 + DEPTH);
                for (int i = 0; i < m; i++) {
                    int p = p0;
                    for (; p + 4 <= p1; p += 4) {
                        addFour(width, a, i * k + p, b, p * n + j, n, c, i * n + j);
                    }
                    for (; p < p1; p++) {
                        addScaled(0, width, a[i * k + p], b, p * n + j, c, i * n + j);
                    }
                }
            }
        }
    }

    private static void addFour(int width, float[] a, int aAt, float[] b, int bAt, int bRow, float[] c, int cAt) {
        FloatVector x0 = broadcast(SPECIES, a[aAt]);
        FloatVector x1 = broadcast(SPECIES, a[aAt + 1]);
        FloatVector x2 = broadcast(SPECIES, a[aAt + 2]);
        FloatVector x3 = broadcast(SPECIES, a[aAt + 3]);
        int whole = SPECIES.loopBound(width);
        for (int j = 0; j < whole; j += L) {
            FloatVector sum = fromArray(SPECIES, c, cAt + j);
            sum = x0.fma(fromArray(SPECIES, b, bAt + j), sum);
            sum = x1.fma(fromArray(SPECIES, b, bAt + bRow + j), sum);
            sum = x2.fma(fromArray(SPECIES, b, bAt + 2 * bRow + j), sum);
            sum = x3.fma(fromArray(SPECIES, b, bAt + 3 * bRow + j), sum);
            sum.intoArray(c, cAt + j);
        }
        for (int p = 0; p < 4 && whole < width; p++) {
            addScaled(whole, width, a[aAt + p], b, bAt + p * bRow, c, cAt);
        }
    }

    private static void addScaled(int from, int to, float x, float[] b, int bAt, float[] c, int cAt) {
        for (int j = from; j < to; j++) {
            c[cAt + j] += x * b[bAt + j];
        }
    }
}
