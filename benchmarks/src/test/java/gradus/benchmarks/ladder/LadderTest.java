package gradus.benchmarks.ladder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.benchmarks.Measured;
import gradus.tensor.Shape;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every rung computes the same, for sizes that fit no tile, no vector and no block as well. */
class LadderTest {
    private static final int[][] SIZES = {
        {1, 1, 1}, {3, 5, 7}, {12, 32, 16}, {13, 33, 17}, {25, 64, 100}, {40, 130, 129}, {61, 600, 65}, {14, 70, 1100}
    };

    private static final int[][] IMAGES = {{1, 1, 1, 1}, {4, 4, 3, 5}, {5, 7, 16, 32}, {14, 9, 20, 40}, {8, 8, 32, 64}};

    private static final Backend<?> BACKEND = Backends.open("simd", new Options(2, Precision.FLOAT32));

    @AfterAll
    static void close() {
        BACKEND.close();
    }

    @ParameterizedTest
    @EnumSource
    void products(MatrixLadder.Step step) {
        for (int[] s : SIZES) {
            int m = s[0];
            int n = s[1];
            int k = s[2];
            float[] a = random(m, k);
            float[] b = random(k, n);
            var c = new float[m * n];
            Arrays.fill(c, Float.NaN);
            var rung = step.rung(BACKEND, 2);
            for (int run = 0; run < 2; run++) { // the second with buffers that were used
                rung.multiply(m, n, k, a, b, c);
                for (int i = 0; i < m * n; i++) {
                    int at = i;
                    double sum = IntStream.range(0, k)
                            .mapToDouble(p -> (double) a[at / n * k + p] * b[p * n + at % n])
                            .sum();
                    assertEquals(
                            sum, c[i], 2e-6 * Math.max(16, k), () -> step + " " + Arrays.toString(s) + " at " + at);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void parallelIsTheSameForAllThreads(MatrixLadder.Step step) {
        float[] a = random(61, 600);
        float[] b = random(600, 65);
        var one = new float[61 * 65];
        var three = new float[61 * 65];
        step.rung(BACKEND, 1).multiply(61, 65, 600, a, b, one);
        step.rung(BACKEND, 3).multiply(61, 65, 600, a, b, three);
        assertArrayEquals(one, three);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "ENGINE")
    void convolutions(ConvolutionLadder.Step step) {
        for (int[] s : IMAGES) {
            int h = s[0];
            int w = s[1];
            int c = s[2];
            int f = s[3];
            float[] x = random(h * w, c);
            float[] kernel = random(9 * c, f);
            var y = new float[h * w * f];
            Arrays.fill(y, Float.NaN);
            var rung = step.rung();
            for (int run = 0; run < 2; run++) {
                rung.convolve(h, w, c, f, x, rung.prepare(c, f, kernel), y);
                for (int i = 0; i < y.length; i++) {
                    int at = i;
                    double sum = expected(h, w, c, f, x, kernel, i / f / w, i / f % w, i % f);
                    assertEquals(sum, y[i], 1e-5 * Math.max(4, c), () -> step + " " + Arrays.toString(s) + " at " + at);
                }
            }
        }
    }

    private static double expected(int h, int w, int c, int f, float[] x, float[] kernel, int p, int q, int o) {
        double sum = 0;
        for (int tap = 0; tap < 9; tap++) {
            int row = p + tap / 3 - 1;
            int column = q + tap % 3 - 1;
            for (int i = 0; i < c && row >= 0 && row < h && column >= 0 && column < w; i++) {
                sum += (double) x[(row * w + column) * c + i] * kernel[(tap * c + i) * f + o];
            }
        }
        return sum;
    }

    private static float[] random(int rows, int columns) {
        return Measured.random(Shape.of(rows, columns), rows + 31L * columns).floats();
    }
}
