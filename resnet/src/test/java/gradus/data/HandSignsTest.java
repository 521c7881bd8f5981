package gradus.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.concurrent.ForkJoinPool;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class HandSignsTest {
    @Test
    void picturesDependOnSeedAndIndexAlone() throws Exception {
        var many = HandSigns.generate(70, 3);
        var few = HandSigns.generate(25, 3);
        var alone = new ForkJoinPool(1).submit(() -> HandSigns.generate(70, 3)).get();
        for (int i = 0; i < 70; i++) {
            assertArrayEquals(pixels(many, i), pixels(alone, i));
            assertEquals(many.label(i), alone.label(i));
        }
        for (int i = 0; i < 25; i++) {
            assertArrayEquals(pixels(many, i), pixels(few, i));
        }
        assertFalse(Arrays.equals(pixels(many, 0), pixels(HandSigns.generate(1, 4), 0)));
    }

    /** The checksum was taken on Linux x86-64; another value on another machine means inexact arithmetic. */
    @Test
    void picturesAreTheSameEverywhere() {
        var data = HandSigns.generate(60, 1);
        var crc = new CRC32();
        for (int i = 0; i < data.size(); i++) {
            crc.update(pixels(data, i));
        }
        assertEquals(CHECKSUM, crc.getValue());
    }

    private static final long CHECKSUM = 493358704L;

    @Test
    void classesAreBalanced() {
        assertArrayEquals(
                new int[] {20, 20, 20, 20, 20, 20}, HandSigns.generate(120, 9).counts());
        assertEquals(64, HandSigns.generate(1, 9).height());
        assertEquals(0, HandSigns.generate(0, 9).size());
        assertThrows(DataException.class, () -> HandSigns.generate(-1, 0));
    }

    @Test
    void handsStandOutFromTheirBackground() {
        var data = HandSigns.generate(120, 5);
        for (int i = 0; i < data.size(); i++) {
            if (data.label(i) == 0) {
                continue; // may be an empty wall
            }
            int least = 255;
            int most = 0;
            for (byte b : pixels(data, i)) {
                least = Math.min(least, b & 255);
                most = Math.max(most, b & 255);
            }
            assertTrue(most - least > 40, data.source(i) + ": values " + least + ".." + most);
        }
    }

    static byte[] pixels(Dataset data, int i) {
        var out = new byte[data.imageSize()];
        data.image(i, out);
        return out;
    }
}
