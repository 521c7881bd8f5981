package gradus.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The extents of a dense row-major array: {@code (n, h, w, c)} for images, {@code (kh, kw, in, out)} for convolution
 * kernels, {@code ()} for a scalar. An extent may be 0; the number of elements must fit an {@code int}.
 */
public final class Shape {
    public static final Shape SCALAR = new Shape(new int[0], 1);

    private final int[] dims;
    private final int size;

    private Shape(int[] dims, int size) {
        this.dims = dims;
        this.size = size;
    }

    /** @throws ShapeException for a negative extent or more than 2^31 - 1 elements */
    public static Shape of(int... dims) {
        if (dims.length == 0) {
            return SCALAR;
        }
        long size = 1;
        boolean empty = false;
        for (int d : dims) {
            if (d < 0) {
                throw new ShapeException("shape " + text(dims) + ": extents must not be negative");
            }
            empty |= d == 0;
        }
        for (int d : dims) {
            size *= empty ? 0 : d;
            if (size > Integer.MAX_VALUE) {
                throw new ShapeException("shape " + text(dims) + ": more than 2^31 - 1 elements");
            }
        }
        return new Shape(dims.clone(), (int) size);
    }

    public int rank() {
        return dims.length;
    }

    /** Extent of an axis; negative axes count from the end, as in NumPy: -1 is the last. */
    public int dim(int axis) {
        return dims[axis(axis)];
    }

    /** The axis as a number in {@code [0, rank)}. */
    public int axis(int axis) {
        int a = axis < 0 ? axis + dims.length : axis;
        if (a < 0 || a >= dims.length) {
            throw new ShapeException("axis " + axis + " does not exist in shape " + this);
        }
        return a;
    }

    /** Number of elements: the product of all extents, 1 for a scalar. */
    public int size() {
        return size;
    }

    /** Product of the extents of axes {@code [from, to)}. */
    public int size(int from, int to) {
        int product = 1;
        for (int i = from; i < to; i++) {
            product *= dims[i];
        }
        return product;
    }

    public int[] toArray() {
        return dims.clone();
    }

    /** Row-major strides in elements: {@code stride[i] = product of dims[i+1..]}. */
    public int[] strides() {
        var strides = new int[dims.length];
        int stride = 1;
        for (int i = dims.length - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= dims[i];
        }
        return strides;
    }

    /** The same shape with one extent replaced. */
    public Shape with(int axis, int extent) {
        int[] d = dims.clone();
        d[axis(axis)] = extent;
        return of(d);
    }

    /** This shape behind a new first axis, usually the batch. */
    public Shape prepend(int extent) {
        var d = new int[dims.length + 1];
        d[0] = extent;
        System.arraycopy(dims, 0, d, 1, dims.length);
        return of(d);
    }

    /** Axes {@code [from, to)} as a shape of their own. */
    public Shape slice(int from, int to) {
        return of(Arrays.copyOfRange(dims, from, to));
    }

    /**
     * The shape of an elementwise result under NumPy's broadcasting: aligned at the last axis, extents must be equal or 1.
     *
     * @throws ShapeException naming both shapes
     */
    public static Shape broadcast(Shape a, Shape b) {
        int rank = Math.max(a.rank(), b.rank());
        var d = new int[rank];
        for (int i = 0; i < rank; i++) {
            int x = i < rank - a.rank() ? 1 : a.dims[i - rank + a.rank()];
            int y = i < rank - b.rank() ? 1 : b.dims[i - rank + b.rank()];
            if (x != y && x != 1 && y != 1) {
                throw new ShapeException("shapes " + a + " and " + b + " cannot be broadcast: axis " + i
                        + " of the result" + " would be both " + x + " and " + y);
            }
            d[i] = x == 1 ? y : x;
        }
        return of(d);
    }

    /** Strides with which this shape is read as {@code target}: 0 on every axis along which it is repeated. */
    public int[] stridesAs(Shape target) {
        int[] own = strides();
        var strides = new int[target.rank()];
        for (int i = 0; i < rank(); i++) {
            int t = i + target.rank() - rank();
            strides[t] = dims[i] == 1 && target.dims[t] != 1 ? 0 : own[i];
        }
        return strides;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape s && Arrays.equals(dims, s.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    /** As Python prints a tuple: {@code (2, 64, 64, 3)}, {@code (5,)}, {@code ()}. */
    @Override
    public String toString() {
        return text(dims);
    }

    private static String text(int[] dims) {
        String inner = IntStream.of(dims).mapToObj(Integer::toString).collect(Collectors.joining(", "));
        return dims.length == 1 ? "(" + inner + ",)" : "(" + inner + ")";
    }
}
