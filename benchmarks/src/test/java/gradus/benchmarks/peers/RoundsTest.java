package gradus.benchmarks.peers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.Json;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RoundsTest {
    /** Turns taken so far on a machine that grows a half slower, for a few turns, again and again. */
    private int turns;

    private final List<String> order = new ArrayList<>();

    private Rounds.Runner engine(String name, double ms) {
        return seconds -> {
            order.add(name);
            return ms * (++turns / 7 % 2 == 0 ? 1 : 1.5);
        };
    }

    @Test
    void ratiosDoNotDependOnTheNeighbours() throws Exception {
        Rounds rounds = Rounds.of(List.of(engine("a", 10), engine("b", 12)), 1, 0.0);
        assertEquals(4, rounds.count(0));
        assertEquals(List.of("a", "b", "a", "b", "b", "a", "a", "b", "b", "a"), order, "the first two do not count");
        assertEquals(1.2, rounds.ratio(1, 0).median(), 1e-12);
        assertTrue(rounds.time(0).q3() > rounds.time(0).q1());
    }

    @Test
    void whoStopsIsIncompleteAndTheOthersGoOn() throws Exception {
        Rounds rounds = Rounds.of(List.of(engine("a", 10), _ -> Double.NaN), 1, 0.0);
        assertTrue(rounds.complete(0));
        assertFalse(rounds.complete(1));
        assertEquals(4, rounds.count(0));
    }

    @Test
    void whoTakesLongHasFewTurnsAndTheOthersMany() throws Exception {
        Rounds.Runner slow = _ -> {
            sleep(20);
            return 20;
        };
        Rounds rounds = Rounds.of(List.of(slow, engine("a", 10), engine("b", 30)), 0.001, 0.2);
        assertEquals(4, rounds.count(0));
        assertTrue(rounds.count(1) > 100, "in the time that is left");
        assertTrue(rounds.complete(0));
        assertEquals(4, rounds.times(0).size());
        assertEquals(3, rounds.ratio(2, 1).median(), 1e-12);
        rounds.add(Rounds.of(List.of(slow, engine("a", 10), _ -> Double.NaN), 0.001, 0));
        assertEquals(8, rounds.count(0));
        assertFalse(rounds.complete(2), "it ended in one of two processes");
    }

    @Test
    void quartiles() {
        assertEquals(new Spread(1.75, 2.5, 3.25), Spread.of(new double[] {4, 1, 3, 2}));
        assertEquals(new Spread(7, 7, 7), Spread.of(new double[] {7}));
    }

    /** As the processes do: a line of seconds, a slice of steps, a line of what it took. */
    @Test
    void peersAnswerLineByLine() throws Exception {
        Peer peer = new Peer() {
            @Override
            public String version() {
                return "1";
            }

            @Override
            public Runnable prepare(Case c, int threads) {
                return () -> sleep(20);
            }
        };
        var out = new ByteArrayOutputStream();
        Runnable step = peer.prepare(Case.A_infer224_b1, 1);
        var in = new BufferedReader(new StringReader("0.1\n0.015\n0.001\n0\n"));
        Peer.serve(peer, step, in, new PrintStream(out));
        List<Map<?, ?>> answers = out.toString(StandardCharsets.UTF_8)
                .lines()
                .<Map<?, ?>>map(line -> (Map<?, ?>) Json.parse(line))
                .toList();
        assertEquals(4, answers.size());
        assertTrue((double) answers.get(0).get("ms") >= 20);
        assertTrue((double) answers.get(0).get("least_ms")
                <= (double) answers.get(0).get("ms"));
        assertTrue((long) answers.get(0).get("steps") >= 2, "until the time is over");
        assertEquals(2L, answers.get(1).get("steps"), "two at least");
        assertEquals(1L, answers.get(2).get("steps"), "unless one takes far longer than the slice");
        assertEquals(0L, answers.get(3).get("steps"));
        assertFalse(answers.get(3).containsKey("ms"));
        assertEquals("1", answers.get(3).get("version"));
    }

    private static void sleep(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
