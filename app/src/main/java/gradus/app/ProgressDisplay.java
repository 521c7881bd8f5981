package gradus.app;

import gradus.train.Callback;
import gradus.train.History;
import gradus.train.Progress;
import gradus.train.Training;
import java.io.PrintWriter;
import java.util.Locale;

/**
 * How far training is: on a terminal a bar that is drawn again and again in one line, elsewhere a plain line every ten
 * seconds; both with a line for each epoch that is done.
 */
final class ProgressDisplay implements Callback {
    private static final long REDRAW = 200_000_000L;
    private static final long PLAIN = 10_000_000_000L;
    private static final int BAR = 24;

    private final PrintWriter out;
    private final boolean terminal;
    private long shown = System.nanoTime();
    private long epochStart;
    private long rateStart;
    private long rateSamples = -1;
    private int width;
    private double epochWaited;
    private double waited;

    ProgressDisplay(PrintWriter out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    /** Whether standard output is a terminal that a person looks at. */
    static boolean onTerminal() {
        var console = System.console();
        return console != null && console.isTerminal();
    }

    @Override
    public void onEpochBegin(Training<?> training, int epoch) {
        epochStart = System.nanoTime();
        epochWaited = 0;
        rateSamples = -1;
    }

    @Override
    public void onBatchEnd(Training<?> training, Progress p) {
        long now = System.nanoTime();
        epochWaited = p.secondsWaited();
        if (rateSamples < 0) { // the first step compiles; the speed is that of the others
            rateStart = now;
            rateSamples = p.samples();
        }
        if (now - shown < (terminal ? REDRAW : PLAIN)) {
            return;
        }
        shown = now;
        String state = String.format(
                Locale.ROOT,
                "loss %.4f%s  %.1f images/s  %s left",
                p.loss(),
                accuracy(p),
                speed(p, now),
                time(left(p, now)));
        String epoch = "epoch " + (p.epoch() + 1) + "/" + p.epochs();
        if (terminal) {
            int filled = (int) (BAR * p.samples() / p.total());
            draw(epoch + " [" + "=".repeat(filled) + " ".repeat(BAR - filled) + "] " + state);
        } else {
            out.println(epoch + "  " + p.samples() + "/" + p.total() + "  " + state);
            out.flush();
        }
    }

    @Override
    public void onEpochEnd(Training<?> training, History history) {
        var values = history.last().values();
        double seconds = (System.nanoTime() - epochStart) / 1e9;
        var line = new StringBuilder("epoch " + (history.last().number() + 1));
        values.forEach((name, v) -> {
            if (name.equals("learning_rate")) {
                line.append(String.format(Locale.ROOT, "  rate %.2g", v));
            } else {
                line.append(String.format(Locale.ROOT, "  %s %.4f", name, v));
            }
        });
        waited += epochWaited;
        draw("");
        out.println(line + String.format(Locale.ROOT, "  %.0f s", seconds));
        out.flush();
        shown = System.nanoTime();
    }

    @Override
    public void onTrainEnd(Training<?> training, History history) {
        draw("");
    }

    /** Seconds of all epochs in which no step was computed because there was no batch yet. */
    double secondsWaited() {
        return waited;
    }

    private static String accuracy(Progress p) {
        Double a = p.metrics().get("accuracy");
        return a == null ? "" : String.format(Locale.ROOT, "  accuracy %.1f %%", 100 * a);
    }

    private double speed(Progress p, long now) {
        return p.samples() > rateSamples
                ? (p.samples() - rateSamples) / ((now - rateStart) / 1e9)
                : p.samplesPerSecond();
    }

    private double left(Progress p, long now) {
        long samples = (long) (p.epochs() - p.epoch()) * p.total() - p.samples();
        return samples / speed(p, now);
    }

    /** {@code 4:05} or {@code 1:04:05}. */
    static String time(double seconds) {
        if (!(seconds < 1e7)) {
            return "?";
        }
        long s = Math.round(seconds);
        return s < 3600
                ? String.format(Locale.ROOT, "%d:%02d", s / 60, s % 60)
                : String.format(Locale.ROOT, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    }

    private void draw(String line) {
        if (terminal) {
            out.print("\r" + line + " ".repeat(Math.max(0, width - line.length())) + (line.isEmpty() ? "\r" : ""));
            out.flush();
            width = line.length();
        }
    }
}
