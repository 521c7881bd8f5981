package gradus.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ComparisonTest {
    private static final int STEPS = 10;

    /** Ten steps that take a clock's share of 1 ms each and up to 1 % more; the last is {@code last} times as slow. */
    private static Map<String, Object> run(double peak, double last) {
        var steps = new ArrayList<Object>();
        double sum = 0;
        for (int i = 0; i < STEPS; i++) {
            double ms = 100 / peak * (1 + 0.001 * (i * 7 % STEPS)) * (i == STEPS - 1 ? last : 1);
            sum += ms;
            var step = new LinkedHashMap<String, Object>();
            step.put("op", "Conv2D");
            step.put("scope", "layer" + i);
            step.put("shapes", "(1) -> (1)");
            step.put("ms", ms);
            steps.add(step);
        }
        var run = new LinkedHashMap<String, Object>();
        run.put("case", "A_infer224_b1");
        run.put("threads", 2L);
        run.put("gflops_limit", peak);
        run.put("ms", sum);
        run.put("steps", steps);
        return run;
    }

    @Test
    void anotherClockIsNoChange() {
        var c = Comparison.of(List.of(run(400, 1)), List.of(run(300, 1)), 0.05);
        assertFalse(c.slower());
        assertTrue(c.table().contains("the same"), c.table());
        assertEquals(1, c.table().lines().count(), c.table());
    }

    @Test
    void aSlowStepIsNamedAndFails() {
        var c = Comparison.of(List.of(run(400, 1)), List.of(run(300, 2)), 0.05);
        assertTrue(c.slower());
        assertTrue(c.table().contains("SLOWER"), c.table());
        assertTrue(c.table().contains("+100.0 %  9 Conv2D layer9"), c.table());
        assertEquals(2, c.table().lines().count(), c.table());
        assertFalse(
                Comparison.of(List.of(run(400, 1)), List.of(run(300, 2)), 0.2).slower(), "10 % of 20 %");
        assertFalse(
                Comparison.of(List.of(run(400, 2)), List.of(run(300, 1)), 0.05).slower(), "faster");
    }

    /** What repetitions differ by is no regression. */
    @Test
    void noiseIsMeasured() {
        var noisy = List.of(run(400, 1), run(400, 1.5), run(400, 2.5));
        assertFalse(Comparison.of(noisy, List.of(run(400, 2.2)), 0.05).slower());
        var steady = List.of(run(400, 1.5), run(400, 1.5), run(400, 1.5));
        assertTrue(Comparison.of(steady, List.of(run(400, 2.2)), 0.05).slower());
    }

    @Test
    void readsWhatBenchPrints(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("baseline.json");
        Files.writeString(file, Json.write(run(400, 1)) + "\n" + Json.write(run(390, 1)) + "\n");
        assertEquals(List.of(run(400, 1), run(390, 1)), Comparison.read(file));
        Files.writeString(file, "peer=gradus case=A\n");
        assertThrows(UsageException.class, () -> Comparison.read(file));
        assertThrows(UsageException.class, () -> Comparison.read(folder.resolve("none.json")));
    }

    @Test
    void whatCannotBeCompared() {
        var other = run(400, 1);
        other.put("threads", 1L);
        assertThrows(UsageException.class, () -> Comparison.of(List.of(run(400, 1)), List.of(other), 0.05));
        var noPeak = run(400, 1);
        noPeak.put("gflops_limit", null);
        assertThrows(UsageException.class, () -> Comparison.of(List.of(noPeak), List.of(run(400, 1)), 0.05));
    }
}
