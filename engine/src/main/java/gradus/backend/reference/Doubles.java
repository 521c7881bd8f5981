package gradus.backend.reference;

import java.util.Arrays;

/**
 * Memory of the reference backend: {@code length} numbers of a Java array, from {@code offset} on. Slices share the
 * array.
 */
public record Doubles(double[] array, int offset, int length) {
    double get(int i) {
        assert i >= 0 && i < length : i + " of " + length;
        return array[offset + i];
    }

    void set(int i, double value) {
        assert i >= 0 && i < length : i + " of " + length;
        array[offset + i] = value;
    }

    void add(int i, double value) {
        assert i >= 0 && i < length : i + " of " + length;
        array[offset + i] += value;
    }

    void fill(int n, double value) {
        assert n <= length : n + " of " + length;
        Arrays.fill(array, offset, offset + n, value);
    }

    /** this[at, at + n) += a x[from, from + n). */
    void addScaled(int at, int n, double a, Doubles x, int from) {
        assert at >= 0 && at + n <= length && from >= 0 && from + n <= x.length;
        double[] y = array;
        double[] v = x.array;
        int yo = offset + at;
        int xo = x.offset + from;
        for (int i = 0; i < n; i++) {
            y[yo + i] += a * v[xo + i];
        }
    }

    /**
     * The same with float32 accumulators: each sum is rounded, as by a fused multiply-add (the product of floats is
     * exact).
     */
    void addScaledFloat(int at, int n, double a, Doubles x, int from) {
        assert at >= 0 && at + n <= length && from >= 0 && from + n <= x.length;
        double[] y = array;
        double[] v = x.array;
        int yo = offset + at;
        int xo = x.offset + from;
        for (int i = 0; i < n; i++) {
            y[yo + i] = (float) (y[yo + i] + a * v[xo + i]);
        }
    }

    /** sum over i &lt; n of this[at + i] x[from + i]. */
    double dot(int at, int n, Doubles x, int from) {
        assert at >= 0 && at + n <= length && from >= 0 && from + n <= x.length;
        double[] u = array;
        double[] v = x.array;
        int uo = offset + at;
        int xo = x.offset + from;
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += u[uo + i] * v[xo + i];
        }
        return sum;
    }
}
