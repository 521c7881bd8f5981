package gradus.benchmarks.peers;

import gradus.benchmarks.Document;
import gradus.io.Json;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;

/** The tables of docs/performance.md, from what {@link Peers} measured. */
final class PeerTables {
    private static final String OURS = "Gradus";

    /** The latest line for each engine, case, number of threads and pass. */
    private record Key(String engine, String name, long threads, long pass) {}

    private final Map<Key, Map<?, ?>> lines = new LinkedHashMap<>();

    PeerTables(Path results) {
        try {
            for (String line : Files.readAllLines(results)) {
                Map<?, ?> m = (Map<?, ?>) Json.parse(line);
                var key = new Key((String) m.get("engine"), (String) m.get("case"), (Long) m.get("threads"), (Long)
                        m.get("pass"));
                lines.put(key, m);
            }
        } catch (IOException e) {
            throw new GradusException("no results in " + results + ": run ./gradus jmh --peers first");
        }
    }

    void write(Path document) {
        Document.write(document, "peers:times", times());
        Document.write(document, "peers:sizes", sizes());
    }

    private List<String> engines() {
        var engines = new ArrayList<String>();
        for (String e : List.of(OURS, "ONNX Runtime", "PyTorch", "TensorFlow", "DL4J")) {
            if (lines.keySet().stream().anyMatch(k -> k.engine.equals(e))) {
                engines.add(e);
            }
        }
        return engines;
    }

    private List<Map<?, ?>> passes(String engine, String name, long threads) {
        return lines.entrySet().stream()
                .filter(e -> e.getKey().engine.equals(engine)
                        && e.getKey().name.equals(name)
                        && e.getKey().threads == threads)
                .sorted((a, b) -> Long.compare(a.getKey().pass, b.getKey().pass))
                .<Map<?, ?>>map(Map.Entry::getValue)
                .toList();
    }

    private String times() {
        var text = new StringBuilder();
        var threads = new TreeSet<Long>();
        lines.keySet().forEach(k -> threads.add(k.threads));
        for (long count : threads.descendingSet()) {
            text.append(String.format(
                    "%n%s, median of a step in each pass; spread: half the distance of the quartiles:%n%n"
                            + "| case | engine | ms | spread | pictures/s | times as long as Gradus |%n"
                            + "|---|---|---|---|---|---|%n",
                    count == 1 ? "One thread" : count + " threads"));
            for (Case c : Case.values()) {
                List<Map<?, ?>> ours = passes(OURS, c.name(), count);
                for (String engine : engines()) {
                    List<Map<?, ?>> theirs = passes(engine, c.name(), count);
                    if (!theirs.isEmpty()) {
                        text.append(row(c, engine, theirs, ours));
                    }
                }
            }
        }
        return text.toString();
    }

    private static String row(Case c, String engine, List<Map<?, ?>> theirs, List<Map<?, ?>> ours) {
        if (theirs.stream().anyMatch(m -> m.containsKey("failed"))) {
            return format(
                    "| %s | %s | its process ends with status %s | | | |%n",
                    c, engine, theirs.get(0).get("failed"));
        }
        var ms = new ArrayList<String>();
        var ratios = new ArrayList<String>();
        for (int i = 0; i < theirs.size(); i++) {
            ms.add(format("%.1f", number(theirs.get(i), "ms")));
            if (i < ours.size()) {
                ratios.add(format("%.2f", number(theirs.get(i), "ms") / number(ours.get(i), "ms")));
            }
        }
        double spread = mean(theirs, m -> 50 * (number(m, "ms_q3") - number(m, "ms_q1")) / number(m, "ms"));
        return format(
                "| %s | %s | %s | %.1f %% | %.1f | %s |%n",
                c.name(),
                engine,
                String.join(", ", ms),
                spread,
                1000 * c.batch() / mean(theirs, m -> number(m, "ms")),
                engine.equals(OURS) ? "" : String.join(", ", ratios));
    }

    private String sizes() {
        long most = lines.keySet().stream().mapToLong(Key::threads).max().orElse(1);
        var text =
                new StringBuilder("| engine | jars (Linux, x86-64) | process start to first prediction | memory of that"
                        + " | memory of C_train64_b32 | version |\n|---|---|---|---|---|---|\n");
        for (String engine : engines()) {
            List<Map<?, ?>> cold = succeeded(passes(engine, "cold_start", most));
            List<Map<?, ?>> train = succeeded(passes(engine, Case.C_train64_b32.name(), most));
            var any = lines.entrySet().stream()
                    .filter(e ->
                            e.getKey().engine.equals(engine) && !e.getValue().containsKey("failed"))
                    .findFirst()
                    .orElseThrow()
                    .getValue();
            text.append(format(
                    "| %s | %.1f MB | %s | %s | %s | %s |%n",
                    engine,
                    number(any, "jar_bytes") * 1e-6,
                    cold.isEmpty() ? "" : format("%.2f s", mean(cold, m -> number(m, "first_seconds"))),
                    cold.isEmpty() ? "" : format("%.0f MiB", mean(cold, m -> number(m, "peak_mib"))),
                    train.isEmpty() ? "" : format("%.0f MiB", mean(train, m -> number(m, "peak_mib"))),
                    any.get("version")));
        }
        return text.toString();
    }

    private static List<Map<?, ?>> succeeded(List<Map<?, ?>> lines) {
        return lines.stream().filter(m -> !m.containsKey("failed")).toList();
    }

    private static double mean(List<Map<?, ?>> lines, ToDoubleFunction<Map<?, ?>> f) {
        return lines.stream().mapToDouble(f).average().orElse(Double.NaN);
    }

    private static double number(Map<?, ?> line, String key) {
        return ((Number) line.get(key)).doubleValue();
    }

    private static String format(String form, Object... arguments) {
        return String.format(Locale.ROOT, form, arguments);
    }
}
