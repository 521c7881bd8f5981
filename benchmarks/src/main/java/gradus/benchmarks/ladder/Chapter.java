package gradus.benchmarks.ladder;

import gradus.benchmarks.Chart;
import gradus.benchmarks.Documents;
import gradus.benchmarks.Results;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.openjdk.jmh.results.RunResult;

/** The ladders as they were measured: kept in {@link Results}, shown in docs/ladder.md. */
public final class Chapter {
    private static final String HEADER =
            "| rung | time | GFLOP/s | % of peak | times the first | lines | idea | what still"
                    + " holds it back |\n|---|---|---|---|---|---|---|---|\n";
    private static final String DOCUMENT = "docs/ladder.md";
    private static final String MATRIX = "matrix";
    private static final String CONVOLUTION = "convolution";

    /** A rung as it was measured: those on one thread first, from the definition to the engine. */
    private record Row(Rung rung, String name, int threads, double millis, double gflops, double percent, long lines) {
        static final Comparator<Row> ORDER =
                Comparator.comparing((Row r) -> r.threads > 1).thenComparing(r -> r.rung.ordinal());
    }

    private Chapter() {}

    private static Path file(Path root) {
        return Results.folder(root).resolve("ladder.jsonl");
    }

    /** Keeps results of both ladders. */
    public static void keep(List<RunResult> results, Path root) {
        for (RunResult r : results) {
            boolean product = r.getParams().getBenchmark().contains("MatrixLadder");
            String name = r.getParams().getParam("rung");
            int asked = Integer.parseInt(r.getParams().getParam("threads"));
            var line = new LinkedHashMap<String, Object>();
            line.put("ladder", product ? MATRIX : CONVOLUTION);
            line.put("rung", name);
            line.put("threads", (long) (asked == 0 ? Runtime.getRuntime().availableProcessors() : asked));
            line.put(
                    "ms",
                    r.getPrimaryResult().getScore()
                            * r.getParams().getTimeUnit().toNanos(1)
                            * 1e-6);
            line.put("gflops", r.getSecondaryResults().get("GFLOP/s").getScore());
            line.put("percent", r.getSecondaryResults().get("% FMA").getScore());
            line.put("lines", lines(rung(product, name).files(), root));
            Results.put(file(root), line, "ladder", "rung", "threads");
        }
    }

    private static Rung rung(boolean product, String name) {
        return product ? MatrixLadder.Step.valueOf(name) : ConvolutionLadder.Step.valueOf(name);
    }

    /** Adds tables and pictures. */
    public static void render(Documents documents, Path root) {
        section(documents, root, MATRIX, "C = A B, 1024 x 1024 x 1024");
        section(documents, root, CONVOLUTION, "3 x 3 convolution, 128 to 128 channels, 28 x 28 pixels");
    }

    private static void section(Documents documents, Path root, String ladder, String what) {
        List<Map<?, ?>> measured = Results.read(file(root)).stream()
                .filter(l -> l.get("ladder").equals(ladder))
                .toList();
        if (measured.isEmpty()) {
            return;
        }
        List<Row> rows = measured.stream()
                .map(l -> row(l, rung(ladder.equals(MATRIX), (String) l.get("rung"))))
                .sorted(Row.ORDER)
                .toList();
        var text = new StringBuilder(HEADER);
        var bars = new ArrayList<Chart.Bar>();
        double first = rows.get(0).millis;
        double peak = 0;
        for (Row row : rows) {
            String threads = row.threads == 1 ? "" : ", " + row.threads + " threads";
            text.append(String.format(
                    Locale.ROOT,
                    "| [%s](../%s)%s | %s | %.1f | %.1f | %.0f | %d | %s | %s |\n",
                    row.name,
                    row.rung.files().get(0),
                    threads,
                    time(row.millis),
                    row.gflops,
                    row.percent,
                    first / row.millis,
                    row.lines,
                    row.rung.idea(),
                    row.rung.next()));
            peak = Math.max(peak, row.threads == 1 ? 100 * row.gflops / row.percent : 0);
            bars.add(new Chart.Bar(
                    row.name + threads,
                    row.gflops,
                    String.format(Locale.ROOT, "%.1f GFLOP/s, %.0f %%", row.gflops, row.percent)));
        }
        text.append("\nMeasured: ").append(Results.origin(measured.getLast())).append('\n');
        documents.section(DOCUMENT, "ladder:" + ladder, text.toString());
        double most = bars.stream().mapToDouble(Chart.Bar::value).max().orElse(1);
        documents.picture(
                "docs/ladder-" + ladder + ".svg",
                Chart.bars(
                        what + ": GFLOP/s, and the share of the peak of as many threads",
                        bars,
                        bars.get(0).value() / 3,
                        most,
                        peak,
                        String.format(Locale.ROOT, "one core: %.0f GFLOP/s", peak)));
    }

    private static Row row(Map<?, ?> line, Rung rung) {
        return new Row(
                rung,
                ((String) line.get("rung")).toLowerCase(Locale.ROOT).replace('_', ' '),
                (int) Results.number(line, "threads"),
                Results.number(line, "ms"),
                Results.number(line, "gflops"),
                Results.number(line, "percent"),
                (long) Results.number(line, "lines"));
    }

    private static String time(double millis) {
        return millis >= 1
                ? String.format(Locale.ROOT, "%.1f ms", millis)
                : String.format(Locale.ROOT, "%.0f us", millis * 1e3);
    }

    /** Lines of code: neither empty nor comment, imports left out. */
    private static long lines(List<String> files, Path root) {
        long sum = 0;
        for (String file : files) {
            try {
                sum += Files.readAllLines(root.resolve(file)).stream()
                        .map(String::strip)
                        .filter(s -> !s.isEmpty() && !s.startsWith("import ") && !s.startsWith("package "))
                        .filter(s -> !s.startsWith("/") && !s.startsWith("*"))
                        .count();
            } catch (IOException e) {
                throw new GradusException("cannot count the lines of " + file + ": " + e);
            }
        }
        return sum;
    }
}
