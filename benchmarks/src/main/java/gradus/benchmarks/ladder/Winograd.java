package gradus.benchmarks.ladder;

import static gradus.benchmarks.ladder.Packed.START;
import static gradus.benchmarks.ladder.RegisterTiled.COLUMNS;
import static gradus.benchmarks.ladder.RegisterTiled.ROWS;
import static gradus.benchmarks.ladder.Vectorised.L;
import static gradus.benchmarks.ladder.Vectorised.SPECIES;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * F(m x m, 3 x 3) of Lavin and Gray (2015): fewer multiplications. Instead of the 9 m^2 products that m x m pixels of the
 * result need for each pair of channels, (m + 2)^2 are formed, between transformed tiles of the image and the transformed
 * kernel: 2.25 times fewer for m = 2, 4 times for m = 4. For each of the (m + 2)^2 positions in a tile that is one product of
 * matrices, tiles by channels by filters.
 *
 * <pre>    y = A' [ (G w G') * (B' x B) ] A        * elementwise, summed over channels</pre>
 *
 * <p>The transforms add up numbers of both signs, so rounding errors grow with m: a tenfold for m = 4.
 */
final class Winograd implements ConvolutionRung {
    private static final float[][] B2 = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
    private static final float[][] G2 = {{1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}};
    private static final float[][] A2 = {{1, 1, 1, 0}, {0, 1, -1, -1}};
    private static final float[][] B4 = {
        {4, 0, -5, 0, 1, 0},
        {0, -4, -4, 1, 1, 0},
        {0, 4, -4, -1, 1, 0},
        {0, -2, -1, 2, 1, 0},
        {0, 2, -1, -2, 1, 0},
        {0, 4, 0, -5, 0, 1}
    };
    private static final float[][] G4 = {
        {1 / 4f, 0, 0},
        {-1 / 6f, -1 / 6f, -1 / 6f},
        {-1 / 6f, 1 / 6f, -1 / 6f},
        {1 / 24f, 1 / 12f, 1 / 6f},
        {1 / 24f, -1 / 12f, 1 / 6f},
        {0, 0, 1}
    };
    private static final float[][] A4 = {
        {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}
    };

    private final int m;
    private final int alpha;
    private final float[][] inputs;
    private final float[][] kernels;
    private final float[][] outputs;
    private float[] tile = new float[0];
    private float[] half = new float[0];
    private float[] v = new float[0];
    private float[] sums = new float[0];

    Winograd(int m) {
        this.m = m;
        alpha = m + 2;
        inputs = m == 2 ? B2 : B4;
        kernels = m == 2 ? G2 : G4;
        outputs = m == 2 ? A2 : A4;
    }

    @Override
    public float[] prepare(int channels, int filters, float[] kernel) {
        int n = channels * filters;
        half = new float[alpha * 3 * n];
        var u = new float[alpha * alpha * n];
        transform(kernels, n, kernel, 0, n, half, u, 0, n);
        var panels = new float[0];
        for (int position = 0; position < alpha * alpha; position++) {
            float[] next = Direct.panels(channels, filters, u, position * n);
            int size = next.length - START;
            panels = position == 0 ? new float[START + alpha * alpha * size] : panels;
            System.arraycopy(next, START, panels, START + position * size, size);
        }
        return panels;
    }

    @Override
    public void convolve(int height, int width, int channels, int filters, float[] x, float[] u, float[] y) {
        int across = Math.ceilDiv(width, m);
        int tiles = Math.ceilDiv(height, m) * across;
        int room = Math.ceilDiv(tiles, ROWS) * ROWS;
        int most = Math.max(channels, COLUMNS);
        tile = atLeast(tile, alpha * alpha * most);
        half = atLeast(half, alpha * alpha * most);
        v = atLeast(v, alpha * alpha * room * channels);
        sums = atLeast(sums, alpha * alpha * room * COLUMNS);
        for (int t = 0; t < tiles; t++) {
            gather(height, width, channels, x, t / across * m - 1, t % across * m - 1);
            transform(inputs, channels, tile, 0, channels, half, v, t * channels, room * channels);
        }
        for (int o = 0; o < filters; o += COLUMNS) {
            for (int position = 0; position < alpha * alpha; position++) {
                int b = START + (position * Math.ceilDiv(filters, COLUMNS) * COLUMNS + o) * channels;
                for (int t = 0; t < room; t += ROWS) {
                    int row = position * room + t;
                    RegisterTiled.tile(
                            channels, v, row * channels, channels, u, b, COLUMNS, sums, row * COLUMNS, COLUMNS, false);
                }
            }
            for (int t = 0; t < tiles; t++) {
                transform(outputs, COLUMNS, sums, t * COLUMNS, room * COLUMNS, half, tile, 0, COLUMNS);
                scatter(height, width, filters, o, y, t / across * m, t % across * m);
            }
        }
    }

    /** The pixels under a tile, zeros outside the image. */
    private void gather(int height, int width, int channels, float[] x, int top, int left) {
        for (int i = 0; i < alpha; i++) {
            for (int j = 0; j < alpha; j++) {
                int h = top + i;
                int w = left + j;
                int to = (i * alpha + j) * channels;
                if (h < 0 || h >= height || w < 0 || w >= width) {
                    Arrays.fill(tile, to, to + channels, 0);
                } else {
                    System.arraycopy(x, (h * width + w) * channels, tile, to, channels);
                }
            }
        }
    }

    private void scatter(int height, int width, int filters, int o, float[] y, int top, int left) {
        for (int i = 0; i < Math.min(m, height - top); i++) {
            for (int j = 0; j < Math.min(m, width - left); j++) {
                int to = ((top + i) * width + left + j) * filters + o;
                System.arraycopy(tile, (i * m + j) * COLUMNS, y, to, Math.min(COLUMNS, filters - o));
            }
        }
    }

    /** Y = M X M' of grids whose elements are n numbers: element e of X at {@code xAt + e xStep}, of Y likewise. */
    private static void transform(
            float[][] m, int n, float[] x, int xAt, int xStep, float[] half, float[] y, int yAt, int yStep) {
        int from = m[0].length;
        for (int i = 0; i < m.length; i++) {
            for (int j = 0; j < from; j++) {
                combine(m[i], n, x, xAt + j * xStep, from * xStep, half, (i * from + j) * n);
            }
        }
        for (int i = 0; i < m.length; i++) {
            for (int j = 0; j < m.length; j++) {
                combine(m[j], n, half, i * from * n, n, y, yAt + (i * m.length + j) * yStep);
            }
        }
    }

    /** y = sum over k of factors[k] x[k], of n numbers each. */
    private static void combine(float[] factors, int n, float[] x, int xAt, int step, float[] y, int yAt) {
        int whole = SPECIES.loopBound(n);
        for (int c = 0; c < whole; c += L) {
            var sum = FloatVector.fromArray(SPECIES, x, xAt + c).mul(factors[0]);
            for (int k = 1; k < factors.length; k++) {
                var factor = FloatVector.broadcast(SPECIES, factors[k]);
                sum = FloatVector.fromArray(SPECIES, x, xAt + k * step + c).fma(factor, sum);
            }
            sum.intoArray(y, yAt + c);
        }
        for (int c = whole; c < n; c++) {
            float sum = 0;
            for (int k = 0; k < factors.length; k++) {
                sum += factors[k] * x[xAt + k * step + c];
            }
            y[yAt + c] = sum;
        }
    }

    private static float[] atLeast(float[] a, int n) {
        return a.length >= n ? a : new float[n];
    }
}
