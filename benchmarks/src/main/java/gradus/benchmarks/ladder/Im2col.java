package gradus.benchmarks.ladder;

import java.util.Arrays;

/**
 * A convolution is a product of matrices: each row of A is one window of the image, 9 c numbers, and B is the kernel.
 *
 * <p>All that the matrix ladder has won is won here too, for the price of writing every pixel nine times and reading it
 * again: A has nine times the size of the image.
 */
final class Im2col implements ConvolutionRung {
    private final Packed product = new Packed();
    private float[] windows = new float[0];

    @Override
    public void convolve(int height, int width, int channels, int filters, float[] x, float[] w, float[] y) {
        int row = 9 * channels;
        if (windows.length < height * width * row) {
            windows = new float[height * width * row];
        }
        for (int p = 0; p < height; p++) {
            for (int q = 0; q < width; q++) {
                for (int tap = 0; tap < 9; tap++) {
                    int h = p + tap / 3 - 1;
                    int v = q + tap % 3 - 1;
                    int to = (p * width + q) * row + tap * channels;
                    if (h < 0 || h >= height || v < 0 || v >= width) {
                        Arrays.fill(windows, to, to + channels, 0);
                    } else {
                        System.arraycopy(x, (h * width + v) * channels, windows, to, channels);
                    }
                }
            }
        }
        product.multiply(height * width, filters, row, windows, w, y);
    }
}
