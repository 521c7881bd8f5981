package gradus.benchmarks.peers;

import gradus.io.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;

/**
 * An engine that computes the cases, in a process of its own that waits most of the time: it makes the network, takes one
 * step, prints {@code first}, and then computes whenever a line of its standard input says so. See {@link Worker} for the
 * other side.
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

    /** What the process prints once its first step is done. */
    String FIRST = "first";

    /** Steps of a slice, unless they take this many times as long as the slice was meant to. */
    int MIN_STEPS = 2;

    int LONGEST = 4;

    /** Arguments: case and number of threads. */
    static void main(Peer peer, String[] args) throws Exception {
        Runnable step = peer.prepare(Case.valueOf(args[0]), Integer.parseInt(args[1]));
        step.run();
        System.out.println(FIRST);
        System.out.flush();
        serve(peer, step, new BufferedReader(new InputStreamReader(System.in)), System.out);
        Runtime.getRuntime().halt(0); // some engines leave threads behind
    }

    /**
     * Computes for as many seconds as a line says, answers with one JSON object, and so on until the input ends:
     * {@code ms} and {@code least_ms}, the median and the fastest of the slice's steps if there were any, {@code steps}, how many there were, {@code peak_mib}, the process's largest
     * resident size so far (-1 where the system does not tell), {@code version}.
     */
    static void serve(Peer peer, Runnable step, BufferedReader in, PrintStream out) throws IOException {
        for (String seconds = in.readLine(); seconds != null; seconds = in.readLine()) {
            double[] millis = time(step, Double.parseDouble(seconds));
            var answer = new LinkedHashMap<String, Object>();
            if (millis.length > 0) {
                answer.put("ms", Spread.of(millis).median());
                answer.put("least_ms", Arrays.stream(millis).min().orElseThrow());
            }
            answer.put("steps", (long) millis.length);
            answer.put("peak_mib", peakMemory());
            answer.put("version", peer.version());
            out.println(Json.write(answer).replaceAll("\\s*\\R\\s*", " "));
            out.flush();
        }
    }

    /** Milliseconds of each step. */
    private static double[] time(Runnable step, double seconds) {
        var millis = new double[1 << 16];
        int n = 0;
        double passed = 0;
        while (n < millis.length && (passed < seconds || n < MIN_STEPS && passed < LONGEST * seconds)) {
            long start = System.nanoTime();
            step.run();
            millis[n] = (System.nanoTime() - start) * 1e-6;
            passed += millis[n++] * 1e-3;
        }
        return Arrays.copyOf(millis, n);
    }

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
