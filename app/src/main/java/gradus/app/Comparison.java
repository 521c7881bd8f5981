package gradus.app;

import gradus.io.FileException;
import gradus.io.Json;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.DoubleStream;

/**
 * Two runs of {@code gradus bench --json}, an older one and a newer one: what has become slower or faster?
 *
 * <p>Clocks differ from run to run and from machine to machine, so times are compared after multiplying each with the FMA
 * peak that its own process measured: the operations that could have been done in that time, the inverse of the share of the
 * peak. A change counts when it exceeds the noise. For a case that is the largest distance of its repetitions ({@code
 * --repeat}) from their median, in either run; for a step, and for a case that ran once, three times the scatter of all
 * steps' changes (1.4826 times the median of their distances from the median, which is the standard deviation where most
 * steps have not changed).
 */
final class Comparison {
    /** Steps that take less than this share of the time are not listed. */
    private static final double SMALL = 0.005;

    /** Standard deviations of a normal distribution in a median absolute deviation. */
    private static final double DEVIATION = 1.4826;

    /** No change smaller than this is believed. */
    private static final double RESOLUTION = 0.005;

    private static final double NOISE = 3 * DEVIATION;

    private final StringBuilder table = new StringBuilder();
    private boolean slower;

    /** All runs of one case with one number of threads. */
    private record Runs(List<Map<?, ?>> list) {
        /** Milliseconds times the peak, in 10^6 operations, of each run. */
        double[] works() {
            return list.stream()
                    .mapToDouble(run -> number(run, "ms") * number(run, "gflops_limit"))
                    .sorted()
                    .toArray();
        }

        /** The same for each step, the median over the runs, by what identifies the step. */
        Map<String, Double> steps() {
            var all = new LinkedHashMap<String, List<Double>>();
            for (Map<?, ?> run : list) {
                int index = 0;
                for (Object o : (List<?>) run.get("steps")) {
                    Map<?, ?> step = (Map<?, ?>) o;
                    String name = index++ + " " + step.get("op") + " " + step.get("scope") + " " + step.get("shapes");
                    all.computeIfAbsent(name, _ -> new ArrayList<>())
                            .add(number(step, "ms") * number(run, "gflops_limit"));
                }
            }
            var medians = new LinkedHashMap<String, Double>();
            all.forEach((name, works) -> medians.put(name, median(works.stream().mapToDouble(w -> w))));
            return medians;
        }
    }

    private Comparison() {}

    /**
     * @param limit share by which a case may be slower
     * @throws UsageException if the two have no case in common, or one lacks what is compared
     */
    static Comparison of(List<Map<String, Object>> baseline, List<Map<String, Object>> now, double limit) {
        var comparison = new Comparison();
        Map<String, Runs> before = byCase(baseline);
        Map<String, Runs> after = byCase(now);
        if (before.keySet().stream().noneMatch(after::containsKey)) {
            throw new UsageException("nothing to compare: the baseline has " + before.keySet() + ", this run "
                    + after.keySet() + "; give the same cases and --threads");
        }
        after.forEach((name, runs) -> {
            if (before.containsKey(name)) {
                comparison.add(name, before.get(name), runs, limit);
            } else {
                comparison.table.append(name).append(": not in the baseline\n");
            }
        });
        return comparison;
    }

    /**
     * What {@code bench --json} printed: one JSON object a line.
     *
     * @throws GradusException if the file cannot be read or holds anything else
     */
    static List<Map<String, Object>> read(Path file) {
        var runs = new ArrayList<Map<String, Object>>();
        try {
            for (String line : Files.readAllLines(file)) {
                if (!line.isBlank() && Json.parse(line) instanceof Map<?, ?> map) {
                    var run = new LinkedHashMap<String, Object>();
                    map.forEach((k, v) -> run.put((String) k, v));
                    runs.add(run);
                }
            }
        } catch (IOException | GradusException e) {
            throw new UsageException("cannot read " + file + ": "
                    + (e instanceof IOException io ? FileException.reason(io) : e.getMessage())
                    + "; write it with 'gradus bench --json --repeat 3 > " + file + "'");
        }
        if (runs.isEmpty()) {
            throw new UsageException(file + " holds no results; write it with 'gradus bench --json --repeat 3'");
        }
        return runs;
    }

    private static Map<String, Runs> byCase(List<Map<String, Object>> runs) {
        var cases = new LinkedHashMap<String, Runs>();
        for (var run : runs) {
            for (String key : List.of("case", "threads", "ms", "gflops_limit", "steps")) {
                if (run.get(key) == null) {
                    throw new UsageException("a result has no \"" + key
                            + "\": it is not what 'bench --json' prints, or the" + " backend knows no peak");
                }
            }
            String name = run.get("case") + ", " + run.get("threads") + " threads";
            cases.computeIfAbsent(name, _ -> new Runs(new ArrayList<>())).list.add(run);
        }
        return cases;
    }

    private void add(String name, Runs before, Runs after, double limit) {
        Map<String, Double> old = before.steps();
        Map<String, Double> now = after.steps();
        double total = now.values().stream().mapToDouble(w -> w).sum();
        var changes = new LinkedHashMap<String, Double>();
        now.forEach((step, work) -> {
            if (old.containsKey(step) && work > SMALL * total) {
                changes.put(step, work / old.get(step) - 1);
            }
        });
        double middle = median(changes.values().stream().mapToDouble(c -> c));
        double scatter =
                Math.max(RESOLUTION, NOISE * median(changes.values().stream().mapToDouble(c -> Math.abs(c - middle))));
        boolean once = before.list.size() == 1 && after.list.size() == 1;
        double noise = once ? scatter : Math.max(spread(before.works()), spread(after.works()));
        double change = median(Arrays.stream(after.works())) / median(Arrays.stream(before.works())) - 1;
        boolean worse = change > Math.max(limit, noise);
        slower |= worse;
        table.append(String.format(
                Locale.ROOT,
                "%s: %+.1f %% time at the same peak, noise %.1f %%: %s%n",
                name,
                100 * change,
                100 * noise,
                worse
                        ? "SLOWER"
                        : change < -noise ? "faster" : change > noise ? "slower, within the limit" : "the same"));
        changes.forEach((step, c) -> {
            if (Math.abs(c) > scatter && Math.abs(c - middle) > scatter) {
                table.append(String.format(Locale.ROOT, "  %+6.1f %%  %s%n", 100 * c, step));
            }
        });
        long gone = old.keySet().stream().filter(s -> !now.containsKey(s)).count();
        long added = now.keySet().stream().filter(s -> !old.containsKey(s)).count();
        if (gone + added > 0) {
            table.append(String.format("  %d steps of the baseline are no more, %d are new%n", gone, added));
        }
    }

    /** Largest distance from the median, as a share of it. */
    private static double spread(double[] sorted) {
        double middle = median(Arrays.stream(sorted));
        return Math.max(sorted[sorted.length - 1] - middle, middle - sorted[0]) / middle;
    }

    private static double median(DoubleStream values) {
        double[] sorted = values.sorted().toArray();
        int n = sorted.length;
        return n == 0 ? 0 : (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    }

    private static double number(Map<?, ?> map, String key) {
        return map.get(key) instanceof Number n ? n.doubleValue() : Double.NaN;
    }

    /** For reading: a line for each case, and one for each of its steps that moved. */
    String table() {
        return table.toString();
    }

    /** Whether a case has become slower than the limit allows. */
    boolean slower() {
        return slower;
    }
}
