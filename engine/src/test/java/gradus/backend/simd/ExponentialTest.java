package gradus.backend.simd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class ExponentialTest {
    private static final float LEAST = -87.3365f;

    /**
     * All floats in steps of some hundred units in the last place: within 2 units, and alike for vectors and numbers; 0 instead
     * of denormal numbers.
     */
    @Test
    void accurateAndAlike() {
        var x = new float[1 << 14];
        var y = new float[1 << 14];
        double worst = 0;
        for (long bits = 0; bits < 1L << 32; ) {
            for (int i = 0; i < x.length; i++, bits += 97) {
                x[i] = Float.intBitsToFloat((int) bits);
            }
            Exponential.exp(x, 0, y, 0, x.length);
            for (int i = 0; i < x.length; i++) {
                assertEquals(Exponential.exp(x[i]), y[i]);
                double expected = Math.exp(x[i]);
                if (Float.isNaN(x[i]) || (float) expected == Float.POSITIVE_INFINITY) {
                    assertEquals((float) expected, y[i]);
                } else if (x[i] < LEAST) {
                    assertEquals(0, y[i]);
                } else {
                    worst = Math.max(worst, Math.abs(y[i] - expected) / Math.ulp((float) expected));
                }
            }
        }
        assertTrue(worst < 2, "off by " + worst + " units in the last place");
        assertEquals(Float.MIN_NORMAL, Exponential.exp(LEAST), 1e-4 * Float.MIN_NORMAL);
    }
}
