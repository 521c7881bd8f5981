package gradus.benchmarks;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.format.OutputFormat;
import org.openjdk.jmh.util.Statistics;

/** A line for each benchmark as soon as it is done, in place of JMH's log; messages go to the error stream. */
final class Report implements OutputFormat {
    private static final List<String> OWN_COLUMNS = List.of("threads", "bits", "batch");

    /** Lines that say nothing. */
    private static final Pattern IDLE =
            Pattern.compile("^\\s*$|^# (Fork|Run complete|Run progress: 0.00|Warmup Fork)|Using incubator modules");

    private final PrintStream out;
    private final PrintStream err;

    /** A line of a fork's output that has not ended yet. */
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    Report(PrintStream out, PrintStream err) {
        this.out = out;
        this.err = err;
    }

    void header() {
        out.printf(
                "%-14s %-33s %5s %7s %4s %22s %9s %6s %7s %6s %9s%n",
                "operation",
                "what",
                "batch",
                "threads",
                "bits",
                "time",
                "GFLOP/s",
                "% FMA",
                "GB/s",
                "% mem",
                "bytes/op");
    }

    @Override
    public void endBenchmark(BenchmarkResult result) {
        if (result != null) {
            out.println(line(result));
            out.flush();
        }
    }

    private static String line(BenchmarkResult result) {
        BenchmarkParams p = result.getParams();
        Result<?> time = result.getPrimaryResult();
        double micros = time.getScore() * p.getTimeUnit().toNanos(1) * 1e-3;
        Statistics s = time.getStatistics();
        return String.format(
                Locale.ROOT,
                "%-14s %-33s %5s %7s %4s %12s %9s %9.1f %6.1f %7.1f %6.1f %9.0f",
                operation(p),
                what(p),
                parameter(p, "batch", "-"),
                parameter(p, "threads", "-").replaceFirst("^0$", "all"),
                parameter(p, "bits", "0").replaceFirst("^0$", "max"),
                time(micros),
                String.format(Locale.ROOT, "+-%.1f %%", 50 * (s.getMax() - s.getMin()) / s.getMean()),
                secondary(result, MachineLimit.GFLOPS),
                secondary(result, MachineLimit.PEAK),
                secondary(result, MachineLimit.GBYTES),
                secondary(result, MachineLimit.MEMORY),
                secondary(result, "gc.alloc.rate.norm"));
    }

    private static String operation(BenchmarkParams p) {
        String[] parts = p.getBenchmark().split("\\.");
        return parts[parts.length - 2];
    }

    /** The parameters that have no column of their own. */
    private static String what(BenchmarkParams p) {
        var words = new StringBuilder();
        for (String key : p.getParamsKeys()) {
            if (!OWN_COLUMNS.contains(key)) {
                String value = p.getParam(key);
                boolean upper = value.length() > 2 && value.equals(value.toUpperCase(Locale.ROOT));
                words.append(words.isEmpty() ? "" : " ").append(upper ? value.toLowerCase(Locale.ROOT) : value);
            }
        }
        return words.toString().replace('_', ' ');
    }

    private static String parameter(BenchmarkParams p, String key, String otherwise) {
        String value = p.getParam(key);
        return value == null ? otherwise : value;
    }

    private static String time(double micros) {
        return micros < 1000
                ? String.format(Locale.ROOT, "%.2f us", micros)
                : String.format(Locale.ROOT, "%.3f ms", micros * 1e-3);
    }

    /** NaN if it was not measured. */
    static double secondary(BenchmarkResult result, String label) {
        Result<?> r = result.getSecondaryResults().get(label);
        return r == null ? Double.NaN : r.getScore();
    }

    void legend() {
        out.println();
        out.println(
                "time: mean, and half the distance of the slowest from the fastest iteration. bytes/op: allocated.");
        out.println(
                "% FMA: share of the multiply-adds that registers alone allow on as many threads; counted as if every");
        out.println(
                "product were formed, so a method that saves some can exceed 100. % mem: share of the traffic of a copy");
        out.println(
                "of memory, inputs and results counted once; from a cache it can exceed 100. Both limits were measured in");
        out.println("the same process, and every operation was compared with the reference before it was timed.");
    }

    @Override
    public void startRun() {}

    @Override
    public void endRun(Collection<RunResult> results) {}

    @Override
    public void println(String text) {
        print(text + "\n");
    }

    @Override
    public void print(String text) {
        text.lines().filter(line -> !IDLE.matcher(line).find()).forEach(err::println);
    }

    @Override
    public void flush() {
        err.flush();
    }

    /** Called from the threads that read what a fork prints. */
    @Override
    public synchronized void write(int b) {
        line.write(b);
        if (b == '\n') {
            print(line.toString());
            line.reset();
        }
    }

    @Override
    public void write(byte[] bytes) {
        for (byte b : bytes) {
            write(b);
        }
    }

    @Override
    public void close() {}

    @Override
    public void verbosePrintln(String text) {}

    @Override
    public void iteration(BenchmarkParams benchmark, IterationParams params, int iteration) {}

    @Override
    public void iterationResult(
            BenchmarkParams benchmark, IterationParams params, int iteration, IterationResult data) {}

    @Override
    public void startBenchmark(BenchmarkParams benchmark) {}
}
