package gradus.benchmarks.ladder;

import static gradus.benchmarks.ladder.RegisterTiled.COLUMNS;
import static gradus.benchmarks.ladder.RegisterTiled.ROWS;

import java.util.Arrays;

/**
 * The windows are not copied but read where they lie. With the channels of a pixel side by side, the three pixels under a
 * row of the kernel are 3 c numbers in sequence, and the next window begins c numbers further on: rows of A that overlap.
 *
 * <p>The image gets a border of zeros once, one pixel on each side, and is taken as a single line of (w + 2) pixels a row;
 * the two windows at each turn of a row see the end of one and the beginning of the next and are dropped.
 */
final class Direct implements ConvolutionRung {
    private float[] padded = new float[0];
    private float[] lines = new float[0];

    @Override
    public float[] prepare(int channels, int filters, float[] kernel) {
        return panels(9 * channels, filters, kernel, 0);
    }

    /** B, depth x columns, in panels of the tile's width. */
    static float[] panels(int depth, int columns, float[] b, int at) {
        var panels = new float[Packed.START + Math.ceilDiv(columns, COLUMNS) * COLUMNS * depth];
        Packed.packPanels(depth, columns, b, at, columns, panels);
        return panels;
    }

    @Override
    public void convolve(int height, int width, int channels, int filters, float[] x, float[] panels, float[] y) {
        int line = (width + 2) * channels;
        int rows = Math.ceilDiv(height * (width + 2), ROWS) * ROWS;
        pad(height, width, channels, x, (rows + 2 * (width + 2) + 2) * channels);
        if (lines.length < rows * COLUMNS) {
            lines = new float[rows * COLUMNS];
        }
        int depth = 3 * channels;
        for (int o = 0; o < filters; o += COLUMNS) {
            for (int row = 0; row < rows; row += ROWS) {
                for (int i = 0; i < 3; i++) {
                    int a = row * channels + i * line;
                    int b = Packed.START + (o * 3 + i * COLUMNS) * depth;
                    RegisterTiled.tile(
                            depth, padded, a, channels, panels, b, COLUMNS, lines, row * COLUMNS, COLUMNS, i > 0);
                }
            }
            int n = Math.min(COLUMNS, filters - o);
            for (int p = 0; p < height; p++) {
                for (int q = 0; q < width; q++) {
                    System.arraycopy(lines, (p * (width + 2) + q) * COLUMNS, y, (p * width + q) * filters + o, n);
                }
            }
        }
    }

    private void pad(int height, int width, int channels, float[] x, int size) {
        padded = padded.length == size ? padded : new float[size];
        int line = (width + 2) * channels;
        Arrays.fill(padded, 0, line, 0);
        for (int p = 0; p < height; p++) {
            int to = (p + 1) * line;
            Arrays.fill(padded, to, to + channels, 0);
            System.arraycopy(x, p * width * channels, padded, to + channels, width * channels);
            Arrays.fill(padded, to + line - channels, to + line, 0);
        }
        Arrays.fill(padded, (height + 1) * line, size, 0);
    }
}
