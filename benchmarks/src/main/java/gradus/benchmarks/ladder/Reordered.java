package gradus.benchmarks.ladder;

import java.util.Arrays;

/**
 * The same products, the two inner loops exchanged: a row of C is a sum of rows of B, each times one element of A.
 *
 * <p>Now the inner loop walks along rows of B and C. Whole cache lines are used, the processor fetches them ahead, the
 * elements of C do not depend on each other, and the compiler turns the loop into vector instructions by itself.
 */
final class Reordered implements MatrixRung {
    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        Arrays.fill(c, 0, m * n, 0);
        for (int i = 0; i < m; i++) {
            for (int p = 0; p < k; p++) {
                addScaled(n, a[i * k + p], b, p * n, c, i * n);
            }
        }
    }

    /** c[cAt ..] += x b[bAt ..], n elements; a method of its own so that the compiler sees one simple loop. */
    static void addScaled(int n, float x, float[] b, int bAt, float[] c, int cAt) {
        for (int j = 0; j < n; j++) {
            c[cAt + j] += x * b[bAt + j];
        }
    }
}
