package gradus.benchmarks;

import java.util.List;
import java.util.Locale;

/** Pictures as SVG, drawn with logarithmic axes: what spans three orders of magnitude is seen at every one. */
public final class Chart {
    private static final int WIDTH = 860;
    private static final int LEFT = 150;
    private static final int RIGHT = 40;
    private static final int TOP = 50;
    private static final String[] COLOURS = {"#0072b2", "#d55e00", "#009e73", "#888888"};

    private final StringBuilder svg = new StringBuilder();
    private final int height;

    /** A value with its name and the figures to be printed beside it. */
    public record Bar(String label, double value, String text) {}

    /** A point of a roofline: operations per byte, 10^9 operations a second, and which of the series it belongs to. */
    public record Point(double intensity, double gflops, int series, String label) {}

    private Chart(int height, String title) {
        this.height = height;
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
                        + " font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                WIDTH,
                height));
        text(LEFT, 25, "start", "black", title);
    }

    /** Bars from {@code least} on, with a line at the limit. */
    public static String bars(String title, List<Bar> bars, double least, double most, double limit, String limitText) {
        var chart = new Chart(TOP + 28 * bars.size() + 40, title);
        most *= 1.15;
        int y = TOP;
        for (Bar bar : bars) {
            double end = chart.across(bar.value, least, most);
            chart.text(LEFT - 8, y + 15, "end", "black", bar.label);
            chart.shape(
                    "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"20\" fill=\"%s\"/>",
                    LEFT, y, end - LEFT, COLOURS[0]);
            boolean inside = end > WIDTH / 2.0;
            chart.text(end + (inside ? -6 : 6), y + 15, inside ? "end" : "start", inside ? "white" : "black", bar.text);
            y += 28;
        }
        chart.line(chart.across(limit, least, most), TOP - 8, chart.across(limit, least, most), y, COLOURS[1]);
        chart.text(chart.across(limit, least, most) - 6, y + 18, "end", COLOURS[1], limitText);
        return chart.svg + "</svg>\n";
    }

    /** The roof: what memory delivers times the operations on each byte, up to what the multiply-add ports do. */
    public static String roofline(String title, List<String> series, List<Point> points, double gflops, double gbytes) {
        var chart = new Chart(520, title);
        double left = 0.1;
        double right = 1000;
        double bottom = 1;
        double top = 4000;
        for (double x = left; x <= right; x *= 10) {
            chart.line(chart.across(x, left, right), TOP, chart.across(x, left, right), chart.height - 50, "#dddddd");
            chart.text(chart.across(x, left, right), chart.height - 32, "middle", "black", plain(x));
        }
        for (double y = bottom; y <= top; y *= 10) {
            chart.line(LEFT, chart.up(y, bottom, top), WIDTH - RIGHT, chart.up(y, bottom, top), "#dddddd");
            chart.text(LEFT - 8, chart.up(y, bottom, top) + 4, "end", "black", plain(y));
        }
        chart.text(
                (LEFT + WIDTH - RIGHT) / 2.0,
                chart.height - 10,
                "middle",
                "black",
                "operations per byte of inputs and result");
        chart.text(LEFT - 8, TOP - 8, "end", "black", "GFLOP/s");
        double ridge = gflops / gbytes;
        double start = Math.max(left, bottom / gbytes);
        chart.line(
                chart.across(start, left, right),
                chart.up(start * gbytes, bottom, top),
                chart.across(ridge, left, right),
                chart.up(gflops, bottom, top),
                "black");
        chart.line(
                chart.across(ridge, left, right),
                chart.up(gflops, bottom, top),
                WIDTH - RIGHT,
                chart.up(gflops, bottom, top),
                "black");
        for (Point p : points) {
            chart.shape(
                    "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\" fill-opacity=\"0.7\"><title>%s</title></circle>",
                    chart.across(Math.clamp(p.intensity, left, right), left, right),
                    chart.up(Math.clamp(p.gflops, bottom, top), bottom, top),
                    COLOURS[p.series],
                    escape(p.label));
        }
        for (int i = 0; i < series.size(); i++) {
            int y = chart.height - 70 - 20 * (series.size() - 1 - i);
            chart.shape("<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>", WIDTH - 290, y - 4, COLOURS[i]);
            chart.text(WIDTH - 280, y, "start", "black", series.get(i));
        }
        return chart.svg + "</svg>\n";
    }

    private static String plain(double x) {
        return x < 1 ? String.format(Locale.ROOT, "%.1f", x) : String.format(Locale.ROOT, "%.0f", x);
    }

    private double across(double x, double least, double most) {
        return LEFT + (WIDTH - LEFT - RIGHT) * Math.log(Math.max(x, least) / least) / Math.log(most / least);
    }

    private double up(double y, double least, double most) {
        return height - 50 - (height - 50 - TOP) * Math.log(y / least) / Math.log(most / least);
    }

    private void line(double x1, double y1, double x2, double y2, String colour) {
        shape(
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"1.5\"/>",
                x1, y1, x2, y2, colour);
    }

    private void text(double x, double y, String anchor, String colour, String text) {
        shape(
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>",
                x, y, anchor, colour, escape(text));
    }

    private void shape(String form, Object... arguments) {
        svg.append(String.format(Locale.ROOT, form, arguments)).append('\n');
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
