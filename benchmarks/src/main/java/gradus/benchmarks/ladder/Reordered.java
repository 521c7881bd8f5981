package gradus.benchmarks.ladder;

import java.util.Arrays;

/**
 * The same products, the two inner loops exchanged: a row of C is a sum of rows of B, each times one element of A.
 *
 * <p>Now the inner loop walks along rows. Whole cache lines are used, the processor fetches them ahead, the sums do not
 * depend on each other, and the compiler turns the loop into vector instructions, if it can rule out that what it writes is
 * what it reads next: it can where both arrays have the same index. So B is taken apart into an array for each row, and the
 * row of C is summed in an array of its own.
 */
final class Reordered implements MatrixRung {
    private float[][] rows = new float[0][];

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        if (rows.length != k || rows[0].length != n) {
            rows = new float[k][n];
        }
        for (int p = 0; p < k; p++) {
            System.arraycopy(b, p * n, rows[p], 0, n);
        }
        var sum = new float[n];
        for (int i = 0; i < m; i++) {
            Arrays.fill(sum, 0);
            for (int p = 0; p < k; p++) {
                addScaled(n, a[i * k + p], rows[p], sum);
            }
            System.arraycopy(sum, 0, c, i * n, n);
        }
    }

    /** sum += x row; a method of its own so that the compiler sees one simple loop. */
    static void addScaled(int n, float x, float[] row, float[] sum) {
        for (int j = 0; j < n; j++) {
            sum[j] += x * row[j];
        }
    }
}
