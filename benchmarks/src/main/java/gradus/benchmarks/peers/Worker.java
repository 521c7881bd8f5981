package gradus.benchmarks.peers;

import gradus.io.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The process of an engine, which computes when it is told to and waits otherwise. That it does wait is made sure of and
 * measured: the threads of some engines spin on for a while after a step, on cores that the next engine needs.
 */
final class Worker implements Rounds.Runner, AutoCloseable {
    /** How long to watch a process that should be at rest, how often at most, and the processor time that counts as none. */
    private static final Duration GLANCE = Duration.ofMillis(100);

    private static final int GLANCES = 20;
    private static final Duration NOTHING = Duration.ofMillis(10); // Linux counts in hundredths of a second

    private final Process process;
    private final BufferedReader out;
    private final Writer in;
    private final long started = System.nanoTime();
    private Map<String, Object> last = Map.of();
    private long steps;
    private double least = Double.POSITIVE_INFINITY;

    private long restsSince;
    private Duration usedUntilRest;
    private double rested;
    private double usedAtRest;

    Worker(ProcessBuilder builder) throws IOException {
        process = builder.start();
        out = process.inputReader();
        in = process.outputWriter();
    }

    /** Seconds from the start of the process to the end of its first step; NaN if it ended before. */
    double first() throws IOException {
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            if (line.equals(Peer.FIRST)) {
                return (System.nanoTime() - started) * 1e-9;
            }
        }
        return Double.NaN;
    }

    /** Lets it compute so long and returns when it is at rest again: the median of its steps in ms; NaN if it has ended. */
    @Override
    public double slice(double seconds) throws IOException, InterruptedException {
        if (usedUntilRest != null) {
            rested += (System.nanoTime() - restsSince) * 1e-9;
            usedAtRest += used().minus(usedUntilRest).toNanos() * 1e-9;
        }
        last = ask(seconds);
        if (last.isEmpty()) {
            return Double.NaN;
        }
        steps += (Long) last.get("steps");
        least = Math.min(least, (Double) last.get("least_ms"));
        rest();
        return (Double) last.get("ms");
    }

    /** Lets it compute so long, with 0 not at all, and returns its answer: see {@link Peer#serve}. Empty if it has ended. */
    Map<String, Object> ask(double seconds) throws IOException {
        try {
            in.write(seconds + "\n");
            in.flush();
        } catch (IOException e) { // nobody reads
            return Map.of();
        }
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            if (line.startsWith("{")) {
                var answer = new LinkedHashMap<String, Object>();
                ((Map<?, ?>) Json.parse(line)).forEach((k, v) -> answer.put((String) k, v));
                return answer;
            }
        }
        return Map.of();
    }

    private void rest() throws InterruptedException {
        for (int i = 0; i < GLANCES; i++) {
            Duration before = used();
            Thread.sleep(GLANCE);
            if (used().minus(before).compareTo(NOTHING) <= 0) {
                break;
            }
        }
        restsSince = System.nanoTime();
        usedUntilRest = used();
    }

    /** Processor time so far; where the system does not tell, none. */
    private Duration used() {
        return process.info().totalCpuDuration().orElse(Duration.ZERO);
    }

    /**
     * Adds its figures to those of processes before: {@code steps}, {@code least_ms} (the fastest of them), {@code
     * waiting_percent} (processor time it took while others computed, in percent of one core, the most of all processes), and what
     * {@link Peer#serve} says of memory and version.
     */
    void addTo(Map<String, Object> figures) {
        double waiting = rested == 0 ? 0 : 100 * usedAtRest / rested;
        figures.merge("least_ms", least, (a, b) -> Math.min((double) a, (double) b));
        figures.merge("steps", steps, (a, b) -> (long) a + (long) b);
        figures.merge("peak_mib", last.get("peak_mib"), (a, b) -> Math.max((long) a, (long) b));
        figures.merge("waiting_percent", waiting, (a, b) -> Math.max((double) a, (double) b));
        figures.put("version", last.get("version"));
    }

    /** The status with which it has ended, once it has said its last. */
    int status() throws InterruptedException {
        return process.waitFor();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
