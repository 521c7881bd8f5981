package gradus.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendException;
import gradus.backend.Window;
import java.util.BitSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** How work is cut into blocks, as the kernels take it up: every result has one owner, every term one part. */
class TilingTest {
    @Test
    void everyResultAndEveryTermOnce() {
        var random = new SplittableRandom(1);
        for (int t = 0; t < 2000; t++) {
            int m = 1 + random.nextInt(t % 3 == 0 ? 3000 : 200);
            int n = 1 + random.nextInt(t % 5 == 0 ? 2100 : 150);
            int k = 1 + random.nextInt(t % 2 == 0 ? 9000 : 300);
            int batches = 1 + random.nextInt(4);
            boolean vectors = random.nextBoolean();
            covers(Tiling.of(m, n, k, batches, vectors, 128), k, 128);
            covers(Tiling.ofLongSum(m, n, k, batches, vectors), k, 512);
        }
    }

    /** The walk of MatMul.cu and Convolution.cu: x is a tile, z a part of the sum. */
    private static void covers(Tiling t, int k, int least) {
        var rows = new BitSet();
        var columns = new BitSet();
        int across = Math.ceilDiv(t.n(), t.tile().columns);
        assertEquals((long) across * Math.ceilDiv(t.m(), t.tile().rows), t.gridX());
        for (long b = 0; b < t.gridX(); b++) {
            int row = (int) (b / across) * t.tile().rows;
            int column = (int) (b % across) * t.tile().columns;
            assertTrue(row < t.m() && column < t.n());
            rows.set(row, Math.min(t.m(), row + t.tile().rows));
            columns.set(column, Math.min(t.n(), column + t.tile().columns));
        }
        assertEquals(t.m(), rows.cardinality());
        assertEquals(t.n(), columns.cardinality());
        assertEquals(0, t.chunk() % Tiling.DEPTH);
        assertTrue((long) t.chunk() * t.splits() >= k, "no term is left out");
        assertTrue((long) t.chunk() * (t.splits() - 1) < k, "no part is empty");
        assertTrue(t.splits() == 1 || t.chunk() >= least, () -> "a part is too short: " + t);
    }

    @Test
    void smallGridsAreSplit() {
        Window last = new Window(1, 7, 7, 512, 7, 7, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1);
        Tiling t = Convolution.forward(last, true);
        assertEquals(Tiling.Tile.SMALL, t.tile());
        assertTrue(t.gridX() * t.splits() >= 200, t::toString);
        Window stem = new Window(128, 56, 56, 64, 56, 56, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1);
        assertEquals(Tiling.Tile.TALL, Convolution.forward(stem, true).tile(), "64 columns: no half of a tile is idle");
        assertEquals(1, Convolution.forward(stem, true).splits());
        assertEquals(Tiling.Tile.ANY, Convolution.forward(stem, false).tile());
        assertTrue(Convolution.kernelGradient(stem, true).splits() > 50);
    }

    /** What depends on the device would give other bits on another device: nothing here can. */
    @Test
    void classesOfAStridedInputGradient() {
        var g = new Window(2, 15, 9, 8, 8, 5, 12, 3, 3, 2, 2, 1, 1, 1, 1, 1);
        Tiling t = Convolution.inputGradient(g, true);
        assertEquals(2 * 8 * 5, t.m());
        assertEquals(8, t.n());
        assertEquals(1, t.batches());
    }

    @Test
    void tooManyElementsAreNamed() {
        var e = assertThrows(BackendException.class, () -> Tiling.size(70_000, 70_000));
        assertTrue(e.getMessage().contains("70000 x 70000"), e::getMessage);
        assertEquals(Tiling.MOST, Tiling.size(Tiling.MOST));
        assertThrows(BackendException.class, () -> Elementwise.grid(Integer.MAX_VALUE));
        var g = new Window(4096, 224, 224, 64, 224, 224, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1);
        assertThrows(BackendException.class, () -> Convolution.results(g));
        assertThrows(BackendException.class, () -> Tiling.of(64, 64, 64, 70_000, true, 128));
    }

    @Test
    void reductionsAndNorms() {
        for (int rows :
                new int[] {1, 15, 16, 255, 256, 257, 65_536, 65_537, 1_000_000, 200_000_000, Integer.MAX_VALUE}) {
            int chunk = Normalization.chunk(rows);
            assertEquals(0, chunk % 16);
            assertTrue(Normalization.chunks(rows) <= 65_535);
            assertTrue((long) chunk * Normalization.chunks(rows) >= rows);
            assertTrue(Normalization.gridY(rows) >= 1 && Normalization.gridY(rows) <= 1024);
        }
        for (int n : new int[] {1, 1023, 1024, 1025, Tiling.MOST}) {
            assertTrue(Elementwise.grid(n) >= 1 && Elementwise.grid(n) <= 2048);
            assertTrue(Pooling.grid(n) >= 1 && Pooling.grid(n) <= 8192);
        }
        assertEquals(1, Reduction.chunk(1, 0, 1));
        assertEquals(4096, Reduction.chunk(1, 10_000, 1));
        assertEquals(8192, Reduction.chunk(1, 8192, 1));
        assertEquals(512, Reduction.chunk(1, 100_000, 64));
        assertEquals(100_000, Reduction.chunk(512, 100_000, 64));
    }
}
