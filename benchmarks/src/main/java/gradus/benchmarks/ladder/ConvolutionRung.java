package gradus.benchmarks.ladder;

/**
 * y[p, q, o] = sum over i, j, c of x[p + i - 1, q + j - 1, c] w[i, j, c, o], x zero outside: a 3 x 3 convolution of stride 1
 * on one image (h, w, c), with as many pixels in the result.
 */
interface ConvolutionRung {
    /** The kernel (3, 3, c, f) in the form that {@link #convolve} reads; made once, as for inference. */
    default float[] prepare(int channels, int filters, float[] kernel) {
        return kernel;
    }

    void convolve(int height, int width, int channels, int filters, float[] x, float[] prepared, float[] y);
}
