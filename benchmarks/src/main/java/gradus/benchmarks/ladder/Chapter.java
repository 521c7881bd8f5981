package gradus.benchmarks.ladder;

import gradus.benchmarks.Chart;
import gradus.benchmarks.Document;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;

/** Writes the measured ladders into docs/ladder.md and draws them. */
public final class Chapter {
    private static final String HEADER =
            "| rung | time | GFLOP/s | % of peak | times the first | lines | idea | what still"
                    + " holds it back |\n|---|---|---|---|---|---|---|---|\n";

    /** A rung as it was measured. */
    private record Row(Rung rung, String name, int threads, double millis, double gflops, double percent) {}

    private final Path root;

    /** @param root folder of the project */
    public Chapter(Path root) {
        this.root = root;
    }

    /** From results of both ladders, in the order of their rungs. */
    public void write(List<RunResult> results) {
        var matrix = new ArrayList<Row>();
        var convolution = new ArrayList<Row>();
        for (RunResult r : results) {
            String name = r.getParams().getParam("rung");
            boolean product = r.getParams().getBenchmark().contains("MatrixLadder");
            Rung rung = product ? MatrixLadder.Step.valueOf(name) : ConvolutionLadder.Step.valueOf(name);
            (product ? matrix : convolution).add(row(r, rung, name));
        }
        section("matrix", "C = A B, 1024 x 1024 x 1024", matrix);
        section("convolution", "3 x 3 convolution, 128 to 128 channels, 28 x 28 pixels", convolution);
    }

    private static Row row(RunResult r, Rung rung, String name) {
        Result<?> time = r.getPrimaryResult();
        int asked = Integer.parseInt(r.getParams().getParam("threads"));
        return new Row(
                rung,
                name.toLowerCase(Locale.ROOT).replace('_', ' '),
                asked == 0 ? Runtime.getRuntime().availableProcessors() : asked,
                time.getScore() * r.getParams().getTimeUnit().toNanos(1) * 1e-6,
                r.getSecondaryResults().get("GFLOP/s").getScore(),
                r.getSecondaryResults().get("% FMA").getScore());
    }

    private void section(String name, String what, List<Row> rows) {
        if (rows.isEmpty()) {
            return;
        }
        var text = new StringBuilder(HEADER);
        var bars = new ArrayList<Chart.Bar>();
        double first = rows.get(0).millis;
        double peak = 0;
        for (Row row : rows) {
            String threads = row.threads == 1 ? "" : ", " + row.threads + " threads";
            String file = row.rung.files().get(0);
            text.append(String.format(
                    Locale.ROOT,
                    "| [%s](../%s)%s | %s | %.1f | %.1f | %.0f | %d | %s | %s |%n",
                    row.name,
                    file,
                    threads,
                    time(row.millis),
                    row.gflops,
                    row.percent,
                    first / row.millis,
                    lines(row.rung.files()),
                    row.rung.idea(),
                    row.rung.next()));
            peak = Math.max(peak, row.threads == 1 ? 100 * row.gflops / row.percent : 0);
            bars.add(new Chart.Bar(
                    row.name + threads,
                    row.gflops,
                    String.format(Locale.ROOT, "%.1f GFLOP/s, %.0f %%", row.gflops, row.percent)));
        }
        Path document = root.resolve("docs/ladder.md");
        Document.write(document, "ladder:" + name, text.toString());
        double most = bars.stream().mapToDouble(Chart.Bar::value).max().orElse(1);
        Chart.bars(
                root.resolve("docs/ladder-" + name + ".svg"),
                what + ": GFLOP/s, and the share of the peak of as many threads",
                bars,
                bars.get(0).value() / 3,
                most,
                peak,
                String.format(Locale.ROOT, "one core: %.0f GFLOP/s", peak));
    }

    private static String time(double millis) {
        return millis >= 1
                ? String.format(Locale.ROOT, "%.1f ms", millis)
                : String.format(Locale.ROOT, "%.0f us", millis * 1e3);
    }

    /** Lines of code: neither empty nor comment, imports left out. */
    private long lines(List<String> files) {
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
