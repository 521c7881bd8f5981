package gradus.benchmarks.peers;

import gradus.io.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;

/**
 * An engine that computes the cases. Its program prints two lines: {@code first} once the first step is done, by which the
 * parent process judges the cold start, and at the end a JSON object with what was measured.
 */
public interface Peer {
    /** The engine's version and whatever else decides its speed. */
    String version();

    /** Makes network and data; each run of the result is one step, whose result is looked at. */
    Runnable prepare(Case c, int threads) throws Exception;

    /** System property: where a program may keep files from one run to the next. */
    String FOLDER = "gradus.peers.folder";

    /** System property: {@code nhwc} or {@code nchw} for engines that leave the layout to their users. */
    String LAYOUT = "gradus.peers.layout";

    /** Least steps to warm up, and to time, however long they take. */
    int MIN_STEPS = 3;

    /** Arguments: case, threads, seconds; half as many seconds to warm up. With 0 seconds only the first step is made. */
    static void main(Peer peer, String[] args) throws Exception {
        Case c = Case.valueOf(args[0]);
        int threads = Integer.parseInt(args[1]);
        double seconds = Double.parseDouble(args[2]);
        Runnable step = peer.prepare(c, threads);
        step.run();
        System.out.println("first");
        System.out.flush();
        var line = new LinkedHashMap<String, Object>();
        line.put("version", peer.version());
        if (seconds > 0) {
            long begin = System.nanoTime();
            for (int i = 1; i < MIN_STEPS || System.nanoTime() - begin < seconds / 2 * 1e9; i++) {
                step.run();
            }
            double[] millis = time(step, seconds);
            line.put("ms", quantile(millis, 0.5));
            line.put("ms_q1", quantile(millis, 0.25));
            line.put("ms_q3", quantile(millis, 0.75));
            line.put("ms_min", millis[0]);
            line.put("steps", (long) millis.length);
        }
        line.put("peak_mib", peakMemory());
        System.out.println(Json.write(line).replaceAll("\\s*\\R\\s*", " "));
        System.out.flush();
        Runtime.getRuntime().halt(0); // some engines leave threads behind
    }

    /** Milliseconds of each step, ascending. */
    private static double[] time(Runnable step, double seconds) {
        var millis = new double[1 << 16];
        int n = 0;
        long begin = System.nanoTime();
        while (n < MIN_STEPS || System.nanoTime() - begin < seconds * 1e9 && n < millis.length) {
            long start = System.nanoTime();
            step.run();
            millis[n++] = (System.nanoTime() - start) * 1e-6;
        }
        double[] sorted = Arrays.copyOf(millis, n);
        Arrays.sort(sorted);
        return sorted;
    }

    private static double quantile(double[] sorted, double q) {
        double at = q * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(sorted.length - 1, below + 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /** Largest resident size of this process in MiB, where the system tells (Linux); else -1. */
    private static long peakMemory() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith("VmHWM:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                    .findFirst()
                    .orElse(-1);
        } catch (IOException e) {
            return -1;
        }
    }
}
