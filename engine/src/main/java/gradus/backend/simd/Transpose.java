package gradus.backend.simd;

import static gradus.backend.simd.Elementwise.load;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Transposes a square block of L vectors of L floats. Element (r, j) has to go to (j, r): for each bit of the indices in
 * turn, rows whose numbers differ in that bit alone exchange the halves in which the lane's bit differs from the row's.
 * That is log2 L passes of full vectors, the passes in between over a scratch block in the first-level cache.
 */
final class Transpose {
    private static final VectorShuffle<Float> SWAP1 = swap(1);
    private static final VectorShuffle<Float> SWAP2 = swap(2);
    private static final VectorShuffle<Float> SWAP4 = swap(4);
    private static final VectorShuffle<Float> SWAP8 = swap(8);
    private static final VectorMask<Float> HIGH1 = high(1);
    private static final VectorMask<Float> HIGH2 = high(2);
    private static final VectorMask<Float> HIGH4 = high(4);
    private static final VectorMask<Float> HIGH8 = high(8);

    private Transpose() {}

    private static VectorShuffle<Float> swap(int bit) {
        return VectorShuffle.fromOp(SPECIES, lane -> (lane ^ bit) % L);
    }

    private static VectorMask<Float> high(int bit) {
        long lanes = 0;
        for (int lane = 0; lane < L; lane++) {
            lanes |= (lane & bit) != 0 ? 1L << lane : 0;
        }
        return VectorMask.fromLong(SPECIES, lanes);
    }

    /** {@code y[yo + j * ys + r] = x[xo + r * xs + j]} for r and j up to L, by way of L * L floats of t at to. */
    static void block(float[] x, int xo, int xs, float[] y, int yo, int ys, float[] t, int to) {
        exchange(x, xo, xs, t, to, L, 1, SWAP1, HIGH1);
        if (L == 16) {
            exchange(t, to, L, t, to, L, 8, SWAP8, HIGH8);
        }
        if (L >= 8) {
            exchange(t, to, L, t, to, L, 4, SWAP4, HIGH4);
        }
        exchange(t, to, L, y, yo, ys, 2, SWAP2, HIGH2);
    }

    private static void exchange(
            float[] x,
            int xo,
            int xs,
            float[] y,
            int yo,
            int ys,
            int bit,
            VectorShuffle<Float> swap,
            VectorMask<Float> high) {
        for (int i = 0; i < L / 2; i++) {
            int r = (i & -bit) * 2 + (i & (bit - 1)); // the i-th number without that bit
            FloatVector a = load(x, xo + r * xs);
            FloatVector b = load(x, xo + (r + bit) * xs);
            a.blend(b.rearrange(swap), high).intoArray(y, yo + r * ys);
            a.rearrange(swap).blend(b, high).intoArray(y, yo + (r + bit) * ys);
        }
    }
}
