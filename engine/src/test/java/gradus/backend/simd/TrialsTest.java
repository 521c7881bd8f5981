package gradus.backend.simd;

import static gradus.backend.agreement.Twins.inputs;
import static gradus.backend.agreement.Twins.kernels;
import static gradus.backend.agreement.Twins.results;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Backend;
import gradus.backend.Window;
import gradus.backend.agreement.Twins;
import gradus.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
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

    /** The same for one that is computed with the gradient of the image. */
    @Test
    void bitsAreTheSameTogether() {
        var g = new Window(3, 37, 37, 96, 37, 37, 70, 1, 1, 1, 1, 1, 1, 0, 0, 1);
        try (var k = new SimdBackend(2, false)) {
            assertTrue(k.joinsGradients(g));
            Memory x = numbers(k, 3 * 37 * 37 * 96);
            Memory dy = numbers(k, 3 * 37 * 37 * 70);
            Memory w = numbers(k, 96 * 70);
            Memory dx = k.allocate(3 * 37 * 37 * 96);
            Memory alone = k.allocate(96 * 70);
            Memory together = k.allocate(96 * 70);
            k.conv2dKernelGradient(g, x, dy, alone);
            Runnable product = () -> k.conv2dInputGradient(g, dy, w, dx);
            Runnable gradient = () -> k.conv2dKernelGradient(g, x, dy, together);
            var joined = new Backend.Joined(null, false, product, null, null, gradient);
            for (int i = 0; i < Trials.FIRST + Trials.CALLS + 2; i++) {
                Arrays.fill(together.array(), together.offset(), together.offset() + 96 * 70, Float.NaN);
                k.joined(joined);
                assertArrayEquals(elements(alone), elements(together));
            }
        }
    }

    private static float[] elements(Memory m) {
        return Arrays.copyOfRange(m.array(), m.offset(), m.offset() + 96 * 70);
    }

    private static Memory numbers(SimdBackend k, int count) {
        var random = new Random(count);
        Memory m = k.allocate(count);
        for (int i = 0; i < count; i++) {
            m.array()[m.offset() + i] = random.nextFloat() - 0.5f;
        }
        return m;
    }
}
