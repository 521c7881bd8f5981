package gradus.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class ScheduleTest {
    private static final double EXACT = 1e-15;

    @Test
    void constant() {
        assertEquals(0.1, Schedule.constant(0.1).at(1_000_000));
        assertThrows(TrainingException.class, () -> Schedule.constant(-1));
        assertThrows(TrainingException.class, () -> Schedule.constant(Double.NaN));
    }

    /** Keras's PiecewiseConstantDecay: a boundary belongs to the interval before it. */
    @Test
    void steps() {
        var s = Schedule.steps(List.of(10L, 20L), List.of(1.0, 0.5, 0.1));
        assertEquals(1, s.at(0));
        assertEquals(1, s.at(10));
        assertEquals(0.5, s.at(11));
        assertEquals(0.5, s.at(20));
        assertEquals(0.1, s.at(21));
        assertThrows(TrainingException.class, () -> Schedule.steps(List.of(1L), List.of(1.0)));
    }

    @Test
    void cosine() {
        var s = Schedule.cosine(0.2, 100);
        assertEquals(0.2, s.at(0), EXACT);
        assertEquals(0.1 * (1 + Math.sqrt(0.5)), s.at(25), EXACT);
        assertEquals(0.1, s.at(50), EXACT);
        assertEquals(0, s.at(100), EXACT);
        assertEquals(0, s.at(1000), EXACT);
        assertEquals(0.02, new Schedule.Cosine(0.2, 100, 0.1).at(100), EXACT);
        assertThrows(TrainingException.class, () -> Schedule.cosine(0.2, 0));
    }

    @Test
    void exponential() {
        assertEquals(0.1 * Math.sqrt(0.5), Schedule.exponential(0.1, 10, 0.5).at(5), EXACT);
        assertEquals(0.025, Schedule.exponential(0.1, 10, 0.5).at(20), EXACT);
        assertEquals(0.05, new Schedule.Exponential(0.1, 10, 0.5, true).at(19), EXACT);
    }

    /** Values of PyTorch's OneCycleLR(max_lr=1, total_steps=11), from its formula. */
    @Test
    void oneCycle() {
        var s = Schedule.oneCycle(1, 11);
        assertEquals(0.04, s.at(0), EXACT);
        double top = 0.3 * 11 - 1;
        assertEquals(1 + (0.04 - 1) / 2 * (1 + Math.cos(Math.PI / top)), s.at(1), EXACT);
        assertEquals(0.04 / 1e4, s.at(10), EXACT);
        assertEquals(0.04 / 1e4, s.at(100), EXACT);
        for (int i = 4; i <= 10; i++) {
            assertEquals(true, s.at(i) < s.at(i - 1));
        }
    }

    /** With a cosine, Keras's CosineDecay with warmup_target and initial rate 0. */
    @Test
    void warmUpThenAnySchedule() {
        var s = Schedule.cosine(0.2, 100).warmUp(10);
        assertEquals(0, s.at(0));
        assertEquals(0.1, s.at(5), EXACT);
        assertEquals(0.2, s.at(10), EXACT);
        assertEquals(0.1, s.at(60), EXACT);
        assertEquals(0.3, Schedule.constant(0.3).warmUp(0).at(0));
    }

    @Test
    void oneAfterTheOtherAndScaled() {
        var s = Schedule.constant(1).then(5, Schedule.cosine(0.5, 10)).times(2);
        assertEquals(2, s.at(4));
        assertEquals(1, s.at(5), EXACT);
        assertEquals(0.5, s.at(10), EXACT);
    }
}
