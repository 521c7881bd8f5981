package gradus.benchmarks.peers;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Times of engines that take turns, half a second each: whoever else uses the machine, and whatever its clock does, for longer
 * than that meets all of them, and drops out of the ratio of two times of the same round. Every other round goes backwards, so
 * that no engine always comes first. An engine whose turns take far longer than the others' (two steps are the least) has
 * the first rounds only: the others' would be few.
 */
final class Rounds {
    /** What takes a turn. */
    interface Runner {
        /** Computes so many seconds; the median of the steps in ms, NaN if it cannot any more. */
        double slice(double seconds) throws IOException, InterruptedException;
    }

    private static final int LEAST = 4;

    /** A runner whose turn takes as many times as long as it was meant to has only the least number of them. */
    private static final int LONG = 8;

    /** NaN where a runner took no turn. */
    private final List<double[]> millis = new ArrayList<>();

    private final boolean[] ended;

    Rounds(int runners) {
        ended = new boolean[runners];
    }

    /**
     * An even number of rounds, at least {@value #LEAST}, that take about so many seconds together, after one that does not
     * count: caches, clocks and allocators of an engine that has just waited long are not what they are in the middle.
     */
    static Rounds of(List<? extends Runner> runners, double slice, double seconds)
            throws IOException, InterruptedException {
        var rounds = new Rounds(runners.size());
        var slow = new boolean[runners.size()];
        for (Runner runner : runners) {
            runner.slice(slice);
        }
        long begin = System.nanoTime();
        for (int round = 0; round < LEAST || round % 2 == 1 || System.nanoTime() - begin < seconds * 1e9; round++) {
            var times = new double[runners.size()];
            for (int i = 0; i < times.length; i++) {
                int at = round % 2 == 0 ? i : times.length - 1 - i;
                if (slow[at] && round >= LEAST) {
                    times[at] = Double.NaN;
                    continue;
                }
                long turn = System.nanoTime();
                times[at] = runners.get(at).slice(slice);
                slow[at] |= System.nanoTime() - turn > LONG * slice * 1e9;
                rounds.ended[at] |= Double.isNaN(times[at]);
            }
            rounds.millis.add(times);
        }
        return rounds;
    }

    /** Adds the rounds of other processes of the same engines. */
    void add(Rounds others) {
        millis.addAll(others.millis);
        for (int i = 0; i < ended.length; i++) {
            ended[i] |= others.ended[i];
        }
    }

    /** The rounds in which a runner took a turn. */
    int count(int runner) {
        return times(runner).size();
    }

    /** A runner's times, round by round. */
    List<Double> times(int runner) {
        return millis.stream()
                .map(times -> times[runner])
                .filter(t -> !Double.isNaN(t))
                .toList();
    }

    /** Of a runner's times. */
    Spread time(int runner) {
        return Spread.of(times(runner).stream().mapToDouble(Double::doubleValue).toArray());
    }

    /** Of a runner's time as a multiple of another's, in each round that both took part in. */
    Spread ratio(int runner, int base) {
        return Spread.of(millis.stream()
                .mapToDouble(times -> times[runner] / times[base])
                .filter(r -> !Double.isNaN(r))
                .toArray());
    }

    /** Whether a runner gave a time at every turn. */
    boolean complete(int runner) {
        return !ended[runner];
    }
}
