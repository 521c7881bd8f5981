package gradus.benchmarks.peers;

import gradus.benchmarks.Documents;
import gradus.benchmarks.Results;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/** The tables of docs/performance.md, from what {@link Peers} measured. */
public final class PeerTables {
    private static final String OURS = "Gradus";
    private static final String DOCUMENT = "docs/performance.md";

    /** Largest distance of two passes' ratios, as a share, at which they count as the same. */
    private static final double AGREEMENT = 0.1;

    /** The latest line for each engine, case, number of threads and pass. */
    private record Key(String engine, String name, long threads, long pass) {}

    private final Map<Key, Map<?, ?>> lines = new LinkedHashMap<>();

    private PeerTables(List<Map<?, ?>> measured) {
        for (Map<?, ?> m : measured) {
            lines.put(
                    new Key((String) m.get("engine"), (String) m.get("case"), (Long) m.get("threads"), (Long)
                            m.get("pass")),
                    m);
        }
    }

    /** Where {@link Peers} keeps its results unless told otherwise. */
    static Path file(Path root) {
        return Results.folder(root).resolve("peers.jsonl");
    }

    /** Adds the tables. */
    public static void render(Documents documents, Path root) {
        var tables = new PeerTables(Results.read(file(root)));
        boolean any = !tables.lines.isEmpty();
        documents.section(DOCUMENT, "peers:times", any ? tables.times() : "");
        documents.section(DOCUMENT, "peers:sizes", any ? tables.sizes() : "");
    }

    /** Rows of README's table, a case each: how long the others take, on as many threads as were measured. */
    public static String rows(Path root) {
        var tables = new PeerTables(Results.read(file(root)));
        var text = new StringBuilder();
        for (Case c : List.of(Case.A_infer224_b1, Case.C_train64_b32)) {
            var others = new ArrayList<String>();
            for (String engine : tables.engines()) {
                List<Map<?, ?>> passes = tables.passes(engine, c.name(), tables.most()).stream()
                        .filter(m -> m.containsKey("ratio"))
                        .toList();
                if (!passes.isEmpty()) {
                    others.add(format("%s %.2f", engine, mean(passes, m -> Results.number(m, "ratio"))));
                }
            }
            List<Map<?, ?>> ours = succeeded(tables.passes(OURS, c.name(), tables.most()));
            if (!others.isEmpty() && !ours.isEmpty()) {
                text.append(format(
                        "| `./gradus jmh --peers --cases %s` | %.1f ms a step; as a multiple of that: %s | %s |\n",
                        c.name(),
                        mean(ours, m -> Results.number(m, "ms")),
                        String.join(", ", others),
                        Results.origin(ours.getLast())));
            }
        }
        return text.toString();
    }

    private long most() {
        return lines.keySet().stream().mapToLong(Key::threads).max().orElse(1);
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
        var origins = new TreeSet<String>();
        lines.values().forEach(m -> origins.add(Results.origin(m)));
        text.append("Measured: ").append(String.join("; ", origins)).append(".\n");
        for (long count : threads.descendingSet()) {
            text.append(format(
                    "\n%s; quartiles of the rounds in brackets, one figure for each pass:\n\n"
                            + "| case | engine | ms a step | pictures/s | times as long as Gradus | the fastest step |\n"
                            + "|---|---|---|---|---|---|\n",
                    count == 1 ? "One thread" : count + " threads"));
            for (Case c : Case.values()) {
                for (String engine : engines()) {
                    List<Map<?, ?>> theirs = passes(engine, c.name(), count);
                    if (!theirs.isEmpty()) {
                        text.append(row(c, engine, theirs));
                    }
                }
            }
        }
        return text.toString();
    }

    private static String row(Case c, String engine, List<Map<?, ?>> passes) {
        List<Map<?, ?>> measured = succeeded(passes);
        if (measured.size() < passes.size()) {
            Map<?, ?> failed = passes.stream()
                    .filter(m -> m.containsKey("failed"))
                    .findFirst()
                    .orElseThrow();
            return format("| %s | %s | its process ends with status %s | | | |\n", c, engine, failed.get("failed"));
        }
        var ratios = new ArrayList<String>();
        double least = Double.POSITIVE_INFINITY;
        double most = 0;
        for (Map<?, ?> m : measured) {
            if (m.containsKey("ratio")) {
                ratios.add(spread(m, "ratio", "%.2f"));
                least = Math.min(least, Results.number(m, "ratio"));
                most = Math.max(most, Results.number(m, "ratio"));
            }
        }
        if (most > (1 + AGREEMENT) * least) {
            ratios.add("not quiet enough");
        }
        return format(
                "| %s | %s | %s | %.1f | %s | %s |\n",
                c.name(),
                engine,
                measured.stream().map(m -> spread(m, "ms", "%.1f")).collect(Collectors.joining(", ")),
                1000 * c.batch() / mean(measured, m -> Results.number(m, "ms")),
                String.join(", ", ratios),
                measured.stream()
                        .filter(m -> m.containsKey("ratio_least"))
                        .map(m -> format("%.2f", Results.number(m, "ratio_least")))
                        .collect(Collectors.joining(", ")));
    }

    /** Median, and the quartiles in brackets. */
    static String spread(Map<?, ?> line, String name, String form) {
        return format(form, Results.number(line, name))
                + format(
                        " (" + form + " to " + form + ")",
                        Results.number(line, name + "_q1"),
                        Results.number(line, name + "_q3"));
    }

    private String sizes() {
        var text =
                new StringBuilder("| engine | jars (Linux, x86-64) | process start to first prediction | memory of that"
                        + " | memory of C_train64_b32 | version |\n|---|---|---|---|---|---|\n");
        for (String engine : engines()) {
            List<Map<?, ?>> cold = succeeded(passes(engine, "cold_start", most()));
            List<Map<?, ?>> train = succeeded(passes(engine, Case.C_train64_b32.name(), most()));
            var any = lines.entrySet().stream()
                    .filter(e ->
                            e.getKey().engine.equals(engine) && !e.getValue().containsKey("failed"))
                    .findFirst()
                    .orElseThrow()
                    .getValue();
            text.append(format(
                    "| %s | %.1f MB | %s | %s | %s | %s |\n",
                    engine,
                    Results.number(any, "jar_bytes") * 1e-6,
                    cold.isEmpty() ? "" : format("%.2f s", mean(cold, m -> Results.number(m, "first_seconds"))),
                    cold.isEmpty() ? "" : format("%.0f MiB", mean(cold, m -> Results.number(m, "peak_mib"))),
                    train.isEmpty() ? "" : format("%.0f MiB", mean(train, m -> Results.number(m, "peak_mib"))),
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

    private static String format(String form, Object... arguments) {
        return String.format(Locale.ROOT, form, arguments);
    }
}
