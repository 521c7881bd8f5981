package gradus.benchmarks.ladder;

/**
 * The definition: c[i, j] = sum over p of a[i, p] b[p, j].
 *
 * <p>b is read along a column: each element lies a whole row behind the last, so each comes with a cache line of its own, of
 * which one float in sixteen is used. And a sum of floats in this order is one long chain: no addition can begin before the
 * last one has ended, and the compiler may not reorder it, because rounding would change.
 */
final class Naive implements MatrixRung {
    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                float sum = 0;
                for (int p = 0; p < k; p++) {
                    sum += a[i * k + p] * b[p * n + j];
                }
                c[i * n + j] = sum;
            }
        }
    }
}
