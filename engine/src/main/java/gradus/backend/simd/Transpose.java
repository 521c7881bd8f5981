package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Transposes a square block of L vectors of L floats. Element (r, j) has to go to (j, r): for each bit of the indices in
 * turn, rows whose numbers differ in that bit alone exchange the halves in which the lane's bit differs from the row's.
 * That is log2 L exchanges of full vectors, two of them at a time on four rows in registers, then the others by way of a
 * scratch block in the first-level cache.
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
        if (L == 4) {
            exchange(x, xo, xs, y, yo, ys, 1, SWAP1, HIGH1, SWAP2, HIGH2);
        } else if (L == 16) {
            exchange(x, xo, xs, t, to, L, 1, SWAP1, HIGH1, SWAP2, HIGH2);
            exchange(t, to, L, y, yo, ys, 4, SWAP4, HIGH4, SWAP8, HIGH8);
        } else {
            exchange(x, xo, xs, t, to, L, 1, SWAP1, HIGH1, SWAP2, HIGH2);
            exchange(t, to, L, y, yo, ys);
        }
    }

    /** The lowest bits but one of {@code step} and of twice that: four rows at a time. */
    private static void exchange(
            float[] x,
            int xo,
            int xs,
            float[] y,
            int yo,
            int ys,
            int step,
            VectorShuffle<Float> swap,
            VectorMask<Float> high,
            VectorShuffle<Float> swap2,
            VectorMask<Float> high2) {
        for (int i = 0; i < L / 4; i++) {
            int r = step == 1 ? 4 * i : i;
            int from = xo + r * xs;
            int to = yo + r * ys;
            FloatVector a = fromArray(SPECIES, x, from);
            FloatVector b = fromArray(SPECIES, x, from + step * xs);
            FloatVector c = fromArray(SPECIES, x, from + 2 * step * xs);
            FloatVector d = fromArray(SPECIES, x, from + 3 * step * xs);
            FloatVector e = a.blend(b.rearrange(swap), high);
            FloatVector f = a.rearrange(swap).blend(b, high);
            FloatVector g = c.blend(d.rearrange(swap), high);
            FloatVector h = c.rearrange(swap).blend(d, high);
            e.blend(g.rearrange(swap2), high2).intoArray(y, to);
            f.blend(h.rearrange(swap2), high2).intoArray(y, to + step * ys);
            e.rearrange(swap2).blend(g, high2).intoArray(y, to + 2 * step * ys);
            f.rearrange(swap2).blend(h, high2).intoArray(y, to + 3 * step * ys);
        }
    }

    /** Bit 4 of 8 rows. */
    private static void exchange(float[] x, int xo, int xs, float[] y, int yo, int ys) {
        for (int i = 0; i < L / 2; i++) {
            FloatVector a = fromArray(SPECIES, x, xo + i * xs);
            FloatVector b = fromArray(SPECIES, x, xo + (i + 4) * xs);
            a.blend(b.rearrange(SWAP4), HIGH4).intoArray(y, yo + i * ys);
            a.rearrange(SWAP4).blend(b, HIGH4).intoArray(y, yo + (i + 4) * ys);
        }
    }
}
