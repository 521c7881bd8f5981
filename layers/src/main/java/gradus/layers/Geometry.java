package gradus.layers;

/**
 * How a kernel slides over an image.
 *
 * @param kernel its extents
 * @param strides steps from one output to the next
 * @param padding what surrounds the image
 * @param dilation distance between neighbouring taps
 */
public record Geometry(Size kernel, Size strides, Padding padding, Size dilation) {
    /** Stride 1, no padding, no dilation. */
    static Geometry of(Size kernel) {
        return new Geometry(kernel, Size.of(1), Padding.VALID, Size.of(1));
    }

    Geometry strides(Size strides) {
        return new Geometry(kernel, strides, padding, dilation);
    }

    Geometry padding(Padding padding) {
        return new Geometry(kernel, strides, padding, dilation);
    }

    Geometry dilation(Size dilation) {
        return new Geometry(kernel, strides, padding, dilation);
    }
}
