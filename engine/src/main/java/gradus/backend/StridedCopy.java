package gradus.backend;

import java.util.Arrays;

/**
 * A copy between two strided views: {@code y[yOffset + sum i_k yStrides_k] = x[xOffset + sum i_k xStrides_k]} for all
 * indices {@code 0 <= i_k < dims_k}. With suitable strides this is a transpose, a slice, padding, concatenation or a
 * repetition (x stride 0).
 *
 * <p>Neighbouring axes that both views walk through as one are made one, so that backends see the longest runs there are:
 * the padding of images with c channels moves whole rows of pixels.
 */
public record StridedCopy(int[] dims, int xOffset, int[] xStrides, int yOffset, int[] yStrides) {
    public StridedCopy {
        int n = dims.length;
        int[] d = dims.clone();
        int[] xs = xStrides.clone();
        int[] ys = yStrides.clone();
        int last = 0; // the axes so far, merged, are those up to this one
        for (int k = 1; k < n; k++) {
            boolean one = xs[last] == d[k] * xs[k] && ys[last] == d[k] * ys[k];
            if (one) {
                d[last] *= d[k];
            } else {
                d[++last] = d[k];
            }
            xs[last] = xs[k];
            ys[last] = ys[k];
        }
        dims = Arrays.copyOf(d, Math.min(n, last + 1));
        xStrides = Arrays.copyOf(xs, dims.length);
        yStrides = Arrays.copyOf(ys, dims.length);
    }
}
