package gradus.backend.simd;

import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PANEL;
import static gradus.backend.simd.MicroKernel.TILES_COLUMNS;
import static gradus.backend.simd.MicroKernel.TILES_PANELS;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** The tiles of A^T B by themselves: what they add up, and that they return at once when {@link WarmUp} asks for nothing. */
class MicroKernelTest {
    private static final int DEPTH = 6;

    private final float[] a = numbers(1);
    private final float[] b = numbers(2);

    @Test
    void columns() {
        for (int tile : TILES_COLUMNS) {
            check(tile, tile + 1, (depth, c, at, add) -> {
                MicroKernel.columns(tile, depth, a, 0, tile + 1, b, 0, NR, c, at, add);
            });
        }
    }

    @Test
    void panels() {
        for (int tile : TILES_PANELS) {
            check(tile, PANEL, (depth, c, at, add) -> MicroKernel.panels(tile, depth, a, 0, b, 0, c, at, add));
        }
    }

    private void check(int tile, int pitch, Tile kernel) {
        int[] at = new int[tile];
        for (int r = 0; r < tile; r++) {
            at[r] = r * (NR + 3);
        }
        float[] before = numbers(3);
        float[] c = before.clone();
        kernel.run(MicroKernel.NOTHING, c, at, false);
        kernel.run(MicroKernel.NOTHING, c, at, true);
        assertArrayEquals(before, c);
        for (boolean add : new boolean[] {false, true}) {
            c = before.clone();
            kernel.run(DEPTH, c, at, add);
            for (int r = 0; r < tile; r++) {
                for (int j = 0; j < NR + 3 && at[r] + j < at[tile - 1] + NR; j++) {
                    double sum = j < NR && !add ? 0 : before[at[r] + j];
                    for (int k = 0; k < DEPTH && j < NR; k++) {
                        sum += (double) a[k * pitch + r] * b[k * NR + j];
                    }
                    assertEquals(sum, c[at[r] + j], 1e-5, "tile of " + tile + ", row " + r + ", column " + j);
                }
            }
        }
    }

    private interface Tile {
        void run(int depth, float[] c, int[] at, boolean add);
    }

    private static float[] numbers(int seed) {
        var random = new Random(seed);
        var x = new float[1 << 10];
        for (int i = 0; i < x.length; i++) {
            x[i] = random.nextFloat() - 0.5f;
        }
        return x;
    }
}
