package gradus.tensor;

import java.util.Arrays;
import java.util.List;

/**
 * A dense row-major array on the Java heap, float32 or float64: how values enter and leave the engine, and how weights are
 * kept between runs. While a program runs, values live in the backend's own memory instead.
 *
 * <p>A Tensor takes over the array it is made from, without a copy; whoever makes it gives the array away. Its values never
 * change, so that others may keep a Tensor instead of a copy. One that was made from a {@link Source} has no array until
 * somebody asks for it: weights can go from a file to where they are needed, one after the other.
 */
public final class Tensor {
    private final Shape shape;
    private final float[] floats;
    private final double[] doubles;
    private final Unread unread;

    /** Where values come from that are not in memory: the same ones each time, whoever asks. */
    @FunctionalInterface
    public interface Source {
        /** Writes all values to {@code y[at...]}. @throws GradusException if that cannot be done any more */
        void read(float[] y, int at);
    }

    /** A source, and the array of its values once somebody has asked for it. */
    private static final class Unread {
        private final Source source;
        private volatile float[] values;

        Unread(Source source) {
            this.source = source;
        }

        synchronized float[] values(int n) {
            if (values == null) {
                var y = new float[n];
                source.read(y, 0);
                values = y;
            }
            return values;
        }
    }

    private Tensor(Shape shape, float[] floats, double[] doubles) {
        int length = floats != null ? floats.length : doubles.length;
        if (length != shape.size()) {
            throw new ShapeException("shape " + shape + " has " + shape.size() + " elements, the array " + length);
        }
        this.shape = shape;
        this.floats = floats;
        this.doubles = doubles;
        this.unread = null;
    }

    private Tensor(Shape shape, Unread unread) {
        this.shape = shape;
        this.floats = null;
        this.doubles = null;
        this.unread = unread;
    }

    public static Tensor of(Shape shape, float... values) {
        return new Tensor(shape, values, null);
    }

    public static Tensor of(Shape shape, double... values) {
        return new Tensor(shape, null, values);
    }

    /**
     * A float32 tensor whose values are read when they are needed: by {@link #copyTo} each time anew and straight to their
     * destination, by everything else once, after which they are kept.
     */
    public static Tensor of(Shape shape, Source source) {
        return new Tensor(shape, new Unread(source));
    }

    /** A float64 scalar: backends round it to their own precision. */
    public static Tensor scalar(double value) {
        return new Tensor(Shape.SCALAR, null, new double[] {value});
    }

    public static Tensor zeros(DType dtype, Shape shape) {
        return dtype == DType.F32 ? of(shape, new float[shape.size()]) : of(shape, new double[shape.size()]);
    }

    public static Tensor full(DType dtype, Shape shape, double value) {
        Tensor t = zeros(dtype, shape);
        if (t.floats != null) {
            Arrays.fill(t.floats, (float) value);
        } else {
            Arrays.fill(t.doubles, value);
        }
        return t;
    }

    public Shape shape() {
        return shape;
    }

    public DType dtype() {
        return doubles == null ? DType.F32 : DType.F64;
    }

    /** Rows {@code [from, to)} of the first axis: this tensor if these are all, else a copy of them. */
    public Tensor rows(int from, int to) {
        if (from == 0 && to == shape.dim(0)) {
            return this;
        }
        int row = shape.size(1, shape.rank());
        Tensor y = zeros(dtype(), shape.with(0, to - from));
        y.put(0, this, from * row, y.size());
        return y;
    }

    /**
     * Tensors of one type, one behind the other along the first axis.
     *
     * @throws ShapeException if they differ in another axis
     */
    public static Tensor joined(List<Tensor> parts) {
        Tensor first = parts.get(0);
        if (parts.size() == 1) {
            return first;
        }
        int n = 0;
        for (Tensor part : parts) {
            if (!part.shape.with(0, first.shape.dim(0)).equals(first.shape)) {
                throw new ShapeException("tensors of shapes " + first.shape + " and " + part.shape
                        + " cannot be put one behind the other");
            }
            n = Math.addExact(n, part.shape.dim(0));
        }
        Tensor y = zeros(first.dtype(), first.shape.with(0, n));
        int at = 0;
        for (Tensor part : parts) {
            y.put(at, part, 0, part.size());
            at += part.size();
        }
        return y;
    }

    /** Copies n values into this tensor, which nobody has yet. */
    private void put(int at, Tensor from, int begin, int n) {
        if (doubles != null) {
            System.arraycopy(from.doubles(), begin, doubles, at, n);
        } else {
            System.arraycopy(from.floats(), begin, floats, at, n);
        }
    }

    /** The array of a float32 tensor, read now if it was not; null if this one is float64. */
    private float[] array() {
        return unread != null ? unread.values(size()) : floats;
    }

    /** Bytes that the values occupy in memory: none while they have not been read. */
    public long bytes() {
        return unread != null && unread.values == null ? 0 : (long) size() * dtype().bytes();
    }

    /** Writes the values, rounded to float32, to {@code y[at...]}; those of a {@link Source} are not kept. */
    public void copyTo(float[] y, int at) {
        if (doubles != null) {
            for (int i = 0; i < doubles.length; i++) {
                y[at + i] = (float) doubles[i];
            }
        } else if (floats == null && unread.values == null) {
            unread.source.read(y, at);
        } else {
            System.arraycopy(array(), 0, y, at, size());
        }
    }

    public int size() {
        return shape.size();
    }

    /** Element at a row-major index. */
    public double get(int index) {
        return doubles != null ? doubles[index] : array()[index];
    }

    /** The only element. @throws ShapeException if there is not exactly one */
    public double item() {
        if (size() != 1) {
            throw new ShapeException("item() needs one element, the shape is " + shape);
        }
        return get(0);
    }

    /** The values as float32: the tensor's own array if it is float32 (do not write to it), else a rounded copy. */
    public float[] floats() {
        if (doubles == null) {
            return array();
        }
        var f = new float[doubles.length];
        for (int i = 0; i < f.length; i++) {
            f[i] = (float) doubles[i];
        }
        return f;
    }

    /** The values as float64: the tensor's own array if it is float64 (do not write to it), else a widened copy. */
    public double[] doubles() {
        if (doubles != null) {
            return doubles;
        }
        float[] f = array();
        var d = new double[f.length];
        for (int i = 0; i < d.length; i++) {
            d[i] = f[i];
        }
        return d;
    }

    /** The same values under another shape of equal size, without a copy. */
    public Tensor reshape(int... dims) {
        return reshape(Shape.of(dims));
    }

    /** As {@link #reshape(int...)}. @throws ShapeException if the sizes differ */
    public Tensor reshape(Shape shape) {
        if (unread == null) {
            return new Tensor(shape, floats, doubles);
        }
        if (shape.size() != size()) {
            throw new ShapeException("shape " + shape + " has " + shape.size() + " elements, the tensor " + size());
        }
        return new Tensor(shape, unread);
    }

    /** Equal shape, type and bits. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Tensor t
                && shape.equals(t.shape)
                && dtype() == t.dtype()
                && Arrays.equals(array(), t.array())
                && Arrays.equals(doubles, t.doubles);
    }

    @Override
    public int hashCode() {
        return 31 * shape.hashCode() + Arrays.hashCode(array()) + Arrays.hashCode(doubles);
    }

    /** Type, shape and the first values: {@code F32(2, 3)[1.0, 2.0, ...]}. */
    @Override
    public String toString() {
        var s = new StringBuilder().append(dtype()).append(shape).append('[');
        for (int i = 0; i < Math.min(8, size()); i++) {
            s.append(i == 0 ? "" : ", ")
                    .append(doubles != null ? Double.toString(doubles[i]) : Float.toString(array()[i]));
        }
        return s.append(size() > 8 ? ", ...]" : "]").toString();
    }
}
