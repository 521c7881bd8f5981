package gradus.app;

import gradus.io.AtomicFile;
import gradus.train.History;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Loss and accuracy over the epochs as a picture. */
final class Curves {
    private static final int WIDTH = 560;
    private static final int HEIGHT = 400;

    private Curves() {}

    /** @throws gradus.io.FileException if the file cannot be written */
    static void write(History history, Path file) {
        var loss = BitmapEncoder.getBufferedImage(chart("Loss", history, "loss"));
        var accuracy = BitmapEncoder.getBufferedImage(chart("Accuracy", history, "accuracy"));
        var both = new BufferedImage(2 * WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        var g = both.createGraphics();
        g.drawImage(loss, 0, 0, null);
        g.drawImage(accuracy, WIDTH, 0, null);
        g.dispose();
        var bytes = new ByteArrayOutputStream();
        try {
            ImageIO.write(both, "png", bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        AtomicFile.write(file, bytes.toByteArray());
    }

    private static XYChart chart(String title, History history, String quantity) {
        var chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("epoch")
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE).setChartBackgroundColor(Color.WHITE);
        if (quantity.equals("accuracy")) {
            chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideSE);
            chart.getStyler().setYAxisMin(0.0).setYAxisMax(1.0);
        }
        series(chart, history, quantity, "training");
        series(chart, history, "val_" + quantity, "held out");
        return chart;
    }

    private static void series(XYChart chart, History history, String quantity, String name) {
        List<Integer> x = new ArrayList<>();
        List<Double> y = new ArrayList<>();
        for (History.Epoch epoch : history.epochs()) {
            Double v = epoch.values().get(quantity);
            if (v != null && Double.isFinite(v)) {
                x.add(epoch.number() + 1);
                y.add(v);
            }
        }
        if (!x.isEmpty()) {
            chart.addSeries(name, x, y).setMarker(x.size() == 1 ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
        }
    }
}
