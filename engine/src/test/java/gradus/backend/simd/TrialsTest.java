package gradus.backend.simd;

import static gradus.backend.agreement.Twins.inputs;
import static gradus.backend.agreement.Twins.kernels;
import static gradus.backend.agreement.Twins.results;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Window;
import gradus.backend.agreement.Twins;
import gradus.tensor.Tensor;
import org.junit.jupiter.api.Test;

class TrialsTest {
    @Test
    void theFasterWayIsTaken() {
        for (boolean second : new boolean[] {true, false}) {
            var trials = new Trials();
            int place = trials.place(64, 256, 3136);
            for (int i = 0; i < Trials.FIRST + Trials.CALLS; i++) {
                assertEquals(i % 2 == 1, trials.second(place));
                long noise = i % 6 == 0 ? 90 : 0;
                // the first calls tell the contrary
                trials.took(place, noise + (trials.second(place) == second == i >= Trials.FIRST ? 100 : 110));
            }
            for (int i = 0; i < 3; i++) {
                assertEquals(second, trials.second(place));
                trials.took(place, second ? 1000 : 1);
            }
            int other = trials.place(64, 256, 3137);
            assertFalse(other == place || trials.second(other));
        }
        assertFalse(new Trials().second(-1));
        assertEquals(-1, new Trials().place(1 << 20, 1, 1));
    }

    /** Kernel gradients of an odd number of pixels, in both ways, and in the one that is left. */
    @Test
    void bitsAreTheSame() {
        var twins = new Twins(3, 2, false);
        try {
            int[][] channels = {{64, 256}, {1024, 256}, {256, 512}, {256, 1024}, {70, 90}, {255, 33}};
            for (int[] c : channels) {
                var g = new Window(3, 13, 13, c[0], 13, 13, c[1], 1, 1, 1, 1, 1, 1, 0, 0, 1);
                Tensor x = twins.numbers(inputs(g));
                Tensor dy = twins.numbers(results(g));
                Twins.Call call = (b, m, y) -> b.conv2dKernelGradient(g, m[0], m[1], y);
                float[] first = twins.tested(call, kernels(g), x, dy);
                assertTrue(first[0] != 0);
                for (int i = 0; i < Trials.FIRST + Trials.CALLS + 2; i++) {
                    assertArrayEquals(first, twins.tested(call, kernels(g), x, dy), g::toString);
                }
            }
        } finally {
            twins.close();
        }
    }
}
