package gradus.tensor;

import java.util.Arrays;

/**
 * A dense row-major array on the Java heap, float32 or float64: how values enter and leave the engine, and how weights are
 * kept between runs. While a program runs, values live in the backend's own memory instead.
 *
 * <p>A Tensor takes over the array it is made from, without a copy; whoever makes it gives the array away.
 */
public final class Tensor {
    private final Shape shape;
    private final float[] floats;
    private final double[] doubles;

    private Tensor(Shape shape, float[] floats, double[] doubles) {
        int length = floats != null ? floats.length : doubles.length;
        if (length != shape.size()) {
            throw new ShapeException("shape " + shape + " has " + shape.size() + " elements, the array " + length);
        }
        this.shape = shape;
        this.floats = floats;
        this.doubles = doubles;
    }

    public static Tensor of(Shape shape, float... values) {
        return new Tensor(shape, values, null);
    }

    public static Tensor of(Shape shape, double... values) {
        return new Tensor(shape, null, values);
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
        return floats != null ? DType.F32 : DType.F64;
    }

    public int size() {
        return shape.size();
    }

    /** Element at a row-major index. */
    public double get(int index) {
        return floats != null ? floats[index] : doubles[index];
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
        if (floats != null) {
            return floats;
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
        var d = new double[floats.length];
        for (int i = 0; i < d.length; i++) {
            d[i] = floats[i];
        }
        return d;
    }

    /** The same values under another shape of equal size, without a copy. */
    public Tensor reshape(int... dims) {
        return new Tensor(Shape.of(dims), floats, doubles);
    }

    /** Equal shape, type and bits. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Tensor t
                && shape.equals(t.shape)
                && Arrays.equals(floats, t.floats)
                && Arrays.equals(doubles, t.doubles);
    }

    @Override
    public int hashCode() {
        return 31 * shape.hashCode() + Arrays.hashCode(floats) + Arrays.hashCode(doubles);
    }

    /** Type, shape and the first values: {@code F32(2, 3)[1.0, 2.0, ...]}. */
    @Override
    public String toString() {
        var s = new StringBuilder().append(dtype()).append(shape).append('[');
        for (int i = 0; i < Math.min(8, size()); i++) {
            s.append(i == 0 ? "" : ", ")
                    .append(floats != null ? Float.toString(floats[i]) : Double.toString(doubles[i]));
        }
        return s.append(size() > 8 ? ", ...]" : "]").toString();
    }
}
