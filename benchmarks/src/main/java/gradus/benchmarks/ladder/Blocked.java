package gradus.benchmarks.ladder;

import java.util.Arrays;

/**
 * The same loop over a block of B that stays in the caches: {@value #DEPTH} rows of {@value #WIDTH} columns are 128 KB, used
 * for all rows of A before the next block comes.
 *
 * <p>Before, all of B went through the caches once for every row of A, m times in all. Now B comes from beyond them once; what
 * travels m times is a piece of a row of C for each block, and that stays in the first-level cache while the block's rows
 * are added.
 */
final class Blocked implements MatrixRung {
    private static final int DEPTH = 64;
    private static final int WIDTH = 512;

    private final float[][] block = new float[DEPTH][WIDTH];
    private final float[] sum = new float[WIDTH];

    @Override
    public void multiply(int m, int n, int k, float[] a, float[] b, float[] c) {
        Arrays.fill(c, 0, m * n, 0);
        for (int j = 0; j < n; j += WIDTH) {
            int width = Math.min(WIDTH, n - j);
            for (int p = 0; p < k; p += DEPTH) {
                int depth = Math.min(DEPTH, k - p);
                for (int q = 0; q < depth; q++) {
                    System.arraycopy(b, (p + q) * n + j, block[q], 0, width);
                }
                for (int i = 0; i < m; i++) {
                    System.arraycopy(c, i * n + j, sum, 0, width);
                    for (int q = 0; q < depth; q++) {
                        Reordered.addScaled(width, a[i * k + p + q], block[q], sum);
                    }
                    System.arraycopy(sum, 0, c, i * n + j, width);
                }
            }
        }
    }
}
