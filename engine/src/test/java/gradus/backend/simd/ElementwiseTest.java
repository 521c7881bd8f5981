package gradus.backend.simd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class ElementwiseTest {
    private static final int N = 37;

    /**
     * Moments of a weight whose gradient stays away: without rounding to 0 they would never leave the denormal numbers, where nine
     * tenths of four units are four units. And a gradient whose square is denormal leaves the second moment as if it were 0.
     */
    @Test
    void momentsThatDecayEndAtZero() {
        try (var workers = new Workers(1)) {
            var elementwise = new Elementwise(workers);
            var m = filled(1);
            var v = filled(1);
            var g = filled(0);
            for (int i = 0; i < 1000; i++) {
                elementwise.lerp(N, 0.1, m, g, m);
                elementwise.lerpSquare(N, 0.5, v, g, v);
                for (int j = 0; j < N; j++) {
                    assertEquals(m.array()[m.offset()], m.array()[m.offset() + j]);
                    assertEquals(v.array()[v.offset()], v.array()[v.offset() + j]);
                    assertTrue(m.array()[m.offset() + j] == 0 || m.array()[m.offset() + j] >= Float.MIN_NORMAL);
                    assertTrue(v.array()[v.offset() + j] == 0 || v.array()[v.offset() + j] >= Float.MIN_NORMAL);
                }
                assertEquals(i < 828, m.array()[m.offset()] > 0, "m after " + (i + 1));
                assertEquals(i < 126, v.array()[v.offset()] > 0, "v after " + (i + 1));
            }
            elementwise.lerpSquare(N, 1, v, filled(0x1p-64f), v);
            assertEquals(0, v.array()[v.offset()]);
            elementwise.lerpSquare(N, 1, v, filled(-0x1p-63f), v);
            assertEquals(Float.MIN_NORMAL, v.array()[v.offset() + N - 1]);
        }
    }

    private static Memory filled(float value) {
        float[] array = Lanes.array(N);
        Arrays.fill(array, value);
        return new Memory(array, Lanes.BASE, N);
    }
}
