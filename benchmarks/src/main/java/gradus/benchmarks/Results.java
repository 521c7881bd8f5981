package gradus.benchmarks;

import gradus.io.AtomicFile;
import gradus.io.Json;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import jdk.incubator.vector.VectorShape;

/**
 * Measured figures in a file of docs/results, one JSON object a line, each with the day, the processor and the Java it was
 * measured with. {@link Documents} makes the tables of README and docs from them and from nothing else.
 */
public final class Results {
    private static final String MACHINE = "machine";
    private static final String DATE = "date";

    private Results() {}

    /** Folder of the files, in the project's. */
    public static Path folder(Path root) {
        return root.resolve("docs/results");
    }

    /**
     * The lines, in the file's order; none if there is no such file.
     *
     * @throws GradusException if the file cannot be read or holds something else
     */
    public static List<Map<?, ?>> read(Path file) {
        if (!Files.exists(file)) {
            return List.of();
        }
        try {
            var lines = new ArrayList<Map<?, ?>>();
            for (String line : Files.readAllLines(file)) {
                lines.add((Map<?, ?>) Json.parse(line));
            }
            return lines;
        } catch (IOException | ClassCastException e) {
            throw new GradusException(file + " does not hold a JSON object a line: " + e);
        }
    }

    /** Puts these figures, measured here and now, in the place of the line with the same values of the keys, or at the end. */
    public static void put(Path file, Map<String, Object> figures, String... keys) {
        var lines = new ArrayList<Map<?, ?>>(read(file));
        var line = new LinkedHashMap<String, Object>(figures);
        line.put(DATE, LocalDate.now().toString());
        line.put(MACHINE, machine());
        int at = 0;
        while (at < lines.size() && !same(lines.get(at), line, keys)) {
            at++;
        }
        if (at < lines.size()) {
            lines.set(at, line);
        } else {
            lines.add(line);
        }
        var text = new StringBuilder();
        lines.forEach(
                l -> text.append(Json.write(l).replaceAll("\\s*\\R\\s*", " ")).append('\n'));
        AtomicFile.write(file, text.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static boolean same(Map<?, ?> a, Map<?, ?> b, String... keys) {
        for (String key : keys) {
            if (!Objects.equals(a.get(key), b.get(key))) {
                return false;
            }
        }
        return true;
    }

    /** Where and when: {@code AMD EPYC, 2 processors, 256-bit vectors, Java 25.0.3; 2026-11-24}. */
    public static String origin(Map<?, ?> line) {
        return line.get(MACHINE) + "; " + line.get(DATE);
    }

    private static String machine() {
        int count = Runtime.getRuntime().availableProcessors();
        return processor() + ", " + count + (count == 1 ? " processor, " : " processors, ")
                + VectorShape.preferredShape().vectorBitSize() + "-bit vectors, Java "
                + System.getProperty("java.version");
    }

    /** As Linux calls it; elsewhere the architecture. */
    private static String processor() {
        try {
            return Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
                    .filter(line -> line.startsWith("model name"))
                    .map(line -> line.replaceFirst("^[^:]*:\\s*", ""))
                    .findFirst()
                    .orElseGet(() -> System.getProperty("os.arch"));
        } catch (IOException e) {
            return System.getProperty("os.arch");
        }
    }

    /** A number of a line; NaN if there is none. */
    public static double number(Map<?, ?> line, String key) {
        return line.get(key) instanceof Number n ? n.doubleValue() : Double.NaN;
    }
}
