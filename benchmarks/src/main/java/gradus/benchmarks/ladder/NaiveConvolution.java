package gradus.benchmarks.ladder;

/**
 * The definition: six loops. As in {@link Naive}, a chain of dependent additions, and the kernel read in steps of f.
 */
final class NaiveConvolution implements ConvolutionRung {
    @Override
    public void convolve(int height, int width, int channels, int filters, float[] x, float[] w, float[] y) {
        for (int p = 0; p < height; p++) {
            for (int q = 0; q < width; q++) {
                for (int o = 0; o < filters; o++) {
                    y[(p * width + q) * filters + o] = pixel(height, width, channels, filters, x, w, p, q, o);
                }
            }
        }
    }

    private static float pixel(
            int height, int width, int channels, int filters, float[] x, float[] w, int p, int q, int o) {
        float sum = 0;
        for (int i = Math.max(0, 1 - p); i < Math.min(3, height + 1 - p); i++) {
            for (int j = Math.max(0, 1 - q); j < Math.min(3, width + 1 - q); j++) {
                int from = ((p + i - 1) * width + q + j - 1) * channels;
                int tap = (i * 3 + j) * channels;
                for (int c = 0; c < channels; c++) {
                    sum += x[from + c] * w[(tap + c) * filters + o];
                }
            }
        }
        return sum;
    }
}
