package gradus.benchmarks.peers;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Times of engines that take turns, a second each: whoever else uses the machine, and whatever its clock does, for longer than
 * that meets all of them, and drops out of the ratio of two times of the same round. Every other round goes backwards, so that
 * no engine always comes first.
 */
final class Rounds {
    /** What takes a turn. */
    interface Runner {
        /** Computes so many seconds; the median of the steps in ms, NaN if it cannot any more. */
        double slice(double seconds) throws IOException, InterruptedException;
    }

    private static final int LEAST = 4;

    private final List<double[]> millis = new ArrayList<>();

    /** An even number of rounds, at least {@value #LEAST}, that take about so many seconds together. */
    static Rounds of(List<? extends Runner> runners, double slice, double seconds)
            throws IOException, InterruptedException {
        var rounds = new Rounds();
        long begin = System.nanoTime();
        for (int round = 0; round < LEAST || round % 2 == 1 || System.nanoTime() - begin < seconds * 1e9; round++) {
            var times = new double[runners.size()];
            for (int i = 0; i < times.length; i++) {
                int at = round % 2 == 0 ? i : times.length - 1 - i;
                times[at] = runners.get(at).slice(slice);
            }
            rounds.millis.add(times);
        }
        return rounds;
    }

    int count() {
        return millis.size();
    }

    /** A runner's times, round by round. */
    List<Double> times(int runner) {
        return millis.stream().map(times -> times[runner]).toList();
    }

    /** Of a runner's times. */
    Spread time(int runner) {
        return Spread.of(millis.stream().mapToDouble(times -> times[runner]).toArray());
    }

    /** Of a runner's time as a multiple of another's, in each round. */
    Spread ratio(int runner, int base) {
        return Spread.of(millis.stream()
                .mapToDouble(times -> times[runner] / times[base])
                .toArray());
    }

    /** Whether a runner gave a time in every round. */
    boolean complete(int runner) {
        return millis.stream().noneMatch(times -> Double.isNaN(times[runner]));
    }
}
