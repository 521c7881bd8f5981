package gradus.benchmarks.ladder;

import java.util.Arrays;

/**
 * The same loop over a block of B that stays in the caches: {@value #DEPTH} rows of {@value #WIDTH} columns are 128 KB, used
 * for all rows of A before the next block comes.
 *
 * <p>Before, all of B went through the caches once for every row of A, m times in all. Now B comes from memory once; what
 * travels m times is a short piece of a row of C, and that stays in the first-level cache while the block's rows are added.
 */
final class Blocked implements MatrixRung {
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
                    for (int p = p0; p < p1; p++) {
                        Reordered.addScaled(width, a[i * k + p], b, p * n + j, c, i * n + j);
                    }
                }
            }
        }
    }
}
