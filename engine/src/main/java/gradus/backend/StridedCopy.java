package gradus.backend;

/**
 * A copy between two strided views: {@code y[yOffset + sum i_k yStrides_k] = x[xOffset + sum i_k xStrides_k]} for all
 * indices {@code 0 <= i_k < dims_k}. With suitable strides this is a transpose, a slice, padding, concatenation or a
 * repetition (x stride 0).
 */
public record StridedCopy(int[] dims, int xOffset, int[] xStrides, int yOffset, int[] yStrides) {}
