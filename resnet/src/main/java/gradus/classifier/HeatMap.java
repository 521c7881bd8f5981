package gradus.classifier;

import gradus.data.Picture;
import gradus.data.Pictures;

/**
 * Where in a picture the evidence for a class is, as {@link Classifier#explain} finds it.
 *
 * @param prediction the class in question and its probability
 * @param layer that was looked at
 * @param height places from top to bottom of what the network saw
 * @param width places from left to right
 * @param values row by row, 0 (none) to 1 (most); all 0 if nothing speaks for the class
 */
public record HeatMap(Prediction prediction, String layer, int height, int width, float[] values) {
    /** Pictures are painted with a shorter side of at least this many pixels, or one could not see much. */
    private static final int LEAST_SIDE = 224;

    private static final int MOST_SIDE = 1024;

    /** @param evidence not negative, of any scale */
    static HeatMap of(Prediction prediction, String layer, int height, int width, float[] evidence) {
        float most = 0;
        for (float v : evidence) {
            most = Math.max(most, v);
        }
        var values = new float[evidence.length];
        for (int i = 0; most > 0 && i < values.length; i++) {
            values[i] = evidence[i] / most;
        }
        return new HeatMap(prediction, layer, height, width, values);
    }

    /** The value at a point of what the network saw, 0..1 in both directions; between the places' centres bilinear. */
    public double at(double y, double x) {
        double row = Math.clamp(y * height - 0.5, 0, height - 1);
        double column = Math.clamp(x * width - 0.5, 0, width - 1);
        int top = (int) row;
        int left = (int) column;
        int bottom = Math.min(top + 1, height - 1);
        int right = Math.min(left + 1, width - 1);
        double down = row - top;
        double across = column - left;
        double upper = value(top, left) * (1 - across) + value(top, right) * across;
        double lower = value(bottom, left) * (1 - across) + value(bottom, right) * across;
        return upper * (1 - down) + lower * down;
    }

    private float value(int row, int column) {
        return values[row * width + column];
    }

    /**
     * The picture with the map over it, half and half: blue for 0 over cyan, yellow to red for 1. What the network did not
     * see, because it was given the middle only, is greyed.
     *
     * @param picture the one that was explained, of 3 channels, not more than 16 times as long as wide
     * @param framing how the network was given it
     */
    public Picture over(Picture picture, Pictures framing) {
        int side = Math.min(picture.height(), picture.width());
        Picture shown = picture.resizeShorter(Math.clamp(side, LEAST_SIDE, MOST_SIDE));
        int h = shown.height();
        int w = shown.width();
        boolean whole =
                framing.shorter() == 0 || picture.height() == framing.height() && picture.width() == framing.width();
        double scale = (double) Math.min(h, w) / framing.shorter();
        double seenHeight = whole ? h : framing.height() * scale;
        double seenWidth = whole ? w : framing.width() * scale;
        double top = (h - seenHeight) / 2;
        double left = (w - seenWidth) / 2;
        var out = new byte[h * w * 3];
        for (int y = 0, o = 0; y < h; y++) {
            double down = (y + 0.5 - top) / seenHeight;
            for (int x = 0; x < w; x++) {
                double across = (x + 0.5 - left) / seenWidth;
                boolean seen = down >= 0 && down <= 1 && across >= 0 && across <= 1;
                double heat = seen ? at(down, across) : 0;
                for (int c = 0; c < 3; c++, o++) {
                    double colour = seen ? 255 * colour(heat, c) : 192;
                    out[o] = (byte) Math.round((shown.get(y, x, c) + colour) / 2);
                }
            }
        }
        return new Picture(h, w, 3, out);
    }

    /** Red, green and blue rise to 1 and fall again about heat 3/4, 1/2 and 1/4. */
    private static double colour(double heat, int channel) {
        return Math.clamp(1.5 - Math.abs(4 * heat - (3 - channel)), 0, 1);
    }
}
