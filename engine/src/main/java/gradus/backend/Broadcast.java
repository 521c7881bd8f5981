package gradus.backend;

import gradus.tensor.Shape;
import java.util.Arrays;

/**
 * How two arrays are walked together under NumPy broadcasting: {@code y} is dense with extents {@code dims}; an operand's
 * stride is 0 along an axis on which it is repeated. Neighbouring axes that both operands walk alike are merged, so that
 * equal shapes become one axis and a bias becomes two: {@code (rows, c)} with strides {@code (c, 1)} and {@code (0, 1)}.
 */
public record Broadcast(int[] dims, int[] aStrides, int[] bStrides) {
    public static Broadcast of(Shape a, Shape b) {
        Shape y = Shape.broadcast(a, b);
        int[] d = y.toArray();
        int[] sa = a.stridesAs(y);
        int[] sb = b.stridesAs(y);
        int rank = 0;
        for (int i = 0; i < d.length; i++) {
            if (d[i] == 1) {
                continue;
            }
            boolean merge = rank > 0 && sa[rank - 1] == sa[i] * d[i] && sb[rank - 1] == sb[i] * d[i];
            int at = merge ? rank - 1 : rank++;
            d[at] = merge ? d[at] * d[i] : d[i];
            sa[at] = sa[i];
            sb[at] = sb[i];
        }
        if (rank == 0) {
            return new Broadcast(new int[] {1}, new int[] {1}, new int[] {1});
        }
        return new Broadcast(Arrays.copyOf(d, rank), Arrays.copyOf(sa, rank), Arrays.copyOf(sb, rank));
    }

    /** Number of elements of the result. */
    public int size() {
        int n = 1;
        for (int d : dims) {
            n *= d;
        }
        return n;
    }
}
