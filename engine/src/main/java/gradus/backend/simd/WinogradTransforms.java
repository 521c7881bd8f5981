package gradus.backend.simd;

import static gradus.backend.simd.Elementwise.load;
import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.NR;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;

/**
 * The one-dimensional transforms of Winograd's minimal filtering (Lavin and Gray, 2015, "Fast algorithms for convolutional
 * neural networks"): F(m, 3) computes m outputs of a 3-tap filter from m + 2 inputs with m + 2 multiplications,
 *
 * <pre>
 *   y = A' ((G g) * (B' d))            * elementwise, ' transposed
 *
 *   F(2,3): B' = 1  0 -1  0    G =  1    0    0    A' = 1  1  1  0
 *                0  1  1  0        1/2  1/2  1/2        0  1 -1 -1
 *                0 -1  1  0        1/2 -1/2  1/2
 *                0  1  0 -1         0    0    1
 *
 *   F(4,3): B' = 4  0 -5  0  1  0    G =  1/4    0     0     A' = 1  1  1  1  1  0
 *                0 -4 -4  1  1  0        -1/6  -1/6  -1/6         0  1 -1  2 -2  0
 *                0  4 -4 -1  1  0        -1/6   1/6  -1/6         0  1  1  4  4  0
 *                0 -2 -1  2  1  0        1/24  1/12   1/6         0  1 -1  8 -8  1
 *                0  2 -1 -2  1  0        1/24 -1/12   1/6
 *                0  4  0 -5  0  1          0     0     1
 * </pre>
 *
 * and each method below multiplies one of these matrices, or for derivatives its transpose, with columns whose elements
 * are vectors of {@code n} channels.
 *
 * <p>The two-dimensional transform is two passes, one along each axis. Methods named after a tile do both for one vector
 * of channels after the other, with what lies between them in the first-level cache: a call for each row and column would
 * cost more than its few vectors. The others do one pass of one column, whose element i is at {@code x[i][at[i]]} and result i
 * at {@code y[to + i * step]}, for callers that have long runs.
 *
 * <p>Methods are too large (325 bytes of code) to be inlined, some because both sizes stand in one: in callers that have used up
 * their budget the compiler would leave the Vector API's own methods as calls, and vectors become objects. For the same reason
 * no method of ours stands between the tiles' and the Vector API: {@link WarmUp} calls them with nothing to do so often
 * that C2 would not inline it.
 */
final class WinogradTransforms {
    private WinogradTransforms() {}

    /** y = B' x: 4 to 4 elements for m = 2, 6 to 6 for m = 4. */
    static void input(int m, int n, float[][] x, int[] at, float[] y, int to, int step) {
        if (m == 2) {
            float[] x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
            int a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3];
            int t1 = to + step, t2 = t1 + step, t3 = t2 + step;
            for (int c = 0; c < n; c += L) {
                FloatVector d1 = load(x1, a1 + c);
                FloatVector d2 = load(x2, a2 + c);
                load(x0, a0 + c).sub(d2).intoArray(y, to + c);
                d1.add(d2).intoArray(y, t1 + c);
                d2.sub(d1).intoArray(y, t2 + c);
                d1.sub(load(x3, a3 + c)).intoArray(y, t3 + c);
            }
            return;
        }
        float[] x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], x4 = x[4], x5 = x[5];
        int a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3], a4 = at[4], a5 = at[5];
        int t1 = to + step, t2 = t1 + step, t3 = t2 + step, t4 = t3 + step, t5 = t4 + step;
        FloatVector two = FloatVector.broadcast(Lanes.SPECIES, 2);
        FloatVector four = FloatVector.broadcast(Lanes.SPECIES, 4);
        FloatVector minusFour = FloatVector.broadcast(Lanes.SPECIES, -4);
        FloatVector minusFive = FloatVector.broadcast(Lanes.SPECIES, -5);
        for (int c = 0; c < n; c += L) {
            FloatVector d1 = load(x1, a1 + c);
            FloatVector d2 = load(x2, a2 + c);
            FloatVector d3 = load(x3, a3 + c);
            FloatVector d4 = load(x4, a4 + c);
            load(x0, a0 + c).fma(four, d2.fma(minusFive, d4)).intoArray(y, to + c);
            FloatVector even = d2.fma(minusFour, d4);
            FloatVector odd = d1.fma(minusFour, d3);
            even.add(odd).intoArray(y, t1 + c);
            even.sub(odd).intoArray(y, t2 + c);
            even = d4.sub(d2);
            odd = d3.sub(d1).mul(two);
            even.add(odd).intoArray(y, t3 + c);
            even.sub(odd).intoArray(y, t4 + c);
            d1.fma(four, d3.fma(minusFive, load(x5, a5 + c))).intoArray(y, t5 + c);
        }
    }

    /**
     * Both passes of B' x B for m = 4 and a tile inside the image, a vector of channels at a time: x(i, j) begins at
     * {@code x[at + i down + j right]}, position {@code 6 i + j} of the result at {@code y[to + (6 i + j) step]}.
     *
     * @param t room for 36 vectors from tAt on
     */
    static void inputTile(
            int n, float[] x, int at, int down, int right, float[] t, int tAt, float[] y, int to, int step) {
        FloatVector two = FloatVector.broadcast(SPECIES, 2);
        FloatVector four = FloatVector.broadcast(SPECIES, 4);
        FloatVector minusFour = FloatVector.broadcast(SPECIES, -4);
        FloatVector minusFive = FloatVector.broadcast(SPECIES, -5);
        for (int c = 0; c < n; c += L) {
            for (int j = 0; j < 6; j++) {
                int a = at + c + j * right;
                int o = tAt + j * L;
                FloatVector d1 = fromArray(SPECIES, x, a + down);
                FloatVector d2 = fromArray(SPECIES, x, a + 2 * down);
                FloatVector d3 = fromArray(SPECIES, x, a + 3 * down);
                FloatVector d4 = fromArray(SPECIES, x, a + 4 * down);
                fromArray(SPECIES, x, a).fma(four, d2.fma(minusFive, d4)).intoArray(t, o);
                FloatVector even = d2.fma(minusFour, d4);
                FloatVector odd = d1.fma(minusFour, d3);
                even.add(odd).intoArray(t, o + 6 * L);
                even.sub(odd).intoArray(t, o + 12 * L);
                even = d4.sub(d2);
                odd = d3.sub(d1).mul(two);
                even.add(odd).intoArray(t, o + 18 * L);
                even.sub(odd).intoArray(t, o + 24 * L);
                d1.fma(four, d3.fma(minusFive, fromArray(SPECIES, x, a + 5 * down)))
                        .intoArray(t, o + 30 * L);
            }
            for (int i = 0; i < 6; i++) {
                int a = tAt + 6 * i * L;
                int o = to + c + 6 * i * step;
                FloatVector d1 = fromArray(SPECIES, t, a + L);
                FloatVector d2 = fromArray(SPECIES, t, a + 2 * L);
                FloatVector d3 = fromArray(SPECIES, t, a + 3 * L);
                FloatVector d4 = fromArray(SPECIES, t, a + 4 * L);
                fromArray(SPECIES, t, a).fma(four, d2.fma(minusFive, d4)).intoArray(y, o);
                FloatVector even = d2.fma(minusFour, d4);
                FloatVector odd = d1.fma(minusFour, d3);
                even.add(odd).intoArray(y, o + step);
                even.sub(odd).intoArray(y, o + 2 * step);
                even = d4.sub(d2);
                odd = d3.sub(d1).mul(two);
                even.add(odd).intoArray(y, o + 3 * step);
                even.sub(odd).intoArray(y, o + 4 * step);
                d1.fma(four, d3.fma(minusFive, fromArray(SPECIES, t, a + 5 * L)))
                        .intoArray(y, o + 5 * step);
            }
        }
    }

    /**
     * Both passes of A' x A, a vector of channels at a time: position (i, j) of (m + 2) x (m + 2) begins at
     * {@code x[at + ((m + 2) i + j) step]}, pixel (i, j) of m x m at {@code y[to + i down + j right]}.
     *
     * @param t room for 24 vectors from tAt on
     */
    static void outputTile(
            int m, int n, float[] x, int at, int step, float[] t, int tAt, float[] y, int to, int down, int right) {
        if (m == 2) {
            for (int c = 0; c < n; c += L) {
                for (int j = 0; j < 4; j++) {
                    int a = at + c + j * step;
                    FloatVector m1 = fromArray(SPECIES, x, a + 4 * step);
                    FloatVector m2 = fromArray(SPECIES, x, a + 8 * step);
                    fromArray(SPECIES, x, a).add(m1.add(m2)).intoArray(t, tAt + j * L);
                    m1.sub(m2).sub(fromArray(SPECIES, x, a + 12 * step)).intoArray(t, tAt + (4 + j) * L);
                }
                for (int i = 0; i < 2; i++) {
                    int a = tAt + 4 * i * L;
                    int o = to + c + i * down;
                    FloatVector m1 = fromArray(SPECIES, t, a + L);
                    FloatVector m2 = fromArray(SPECIES, t, a + 2 * L);
                    fromArray(SPECIES, t, a).add(m1.add(m2)).intoArray(y, o);
                    m1.sub(m2).sub(fromArray(SPECIES, t, a + 3 * L)).intoArray(y, o + right);
                }
            }
            return;
        }
        FloatVector two = FloatVector.broadcast(SPECIES, 2);
        FloatVector four = FloatVector.broadcast(SPECIES, 4);
        FloatVector eight = FloatVector.broadcast(SPECIES, 8);
        for (int c = 0; c < n; c += L) {
            for (int j = 0; j < 6; j++) {
                int a = at + c + j * step;
                int o = tAt + j * L;
                FloatVector m1 = fromArray(SPECIES, x, a + 6 * step);
                FloatVector m2 = fromArray(SPECIES, x, a + 12 * step);
                FloatVector m3 = fromArray(SPECIES, x, a + 18 * step);
                FloatVector m4 = fromArray(SPECIES, x, a + 24 * step);
                FloatVector ones = m1.add(m2);
                FloatVector twos = m3.add(m4);
                fromArray(SPECIES, x, a).add(ones.add(twos)).intoArray(t, o);
                twos.fma(four, ones).intoArray(t, o + 12 * L);
                ones = m1.sub(m2);
                twos = m3.sub(m4);
                twos.fma(two, ones).intoArray(t, o + 6 * L);
                twos.fma(eight, ones).add(fromArray(SPECIES, x, a + 30 * step)).intoArray(t, o + 18 * L);
            }
            for (int i = 0; i < 4; i++) {
                int a = tAt + 6 * i * L;
                int o = to + c + i * down;
                FloatVector m1 = fromArray(SPECIES, t, a + L);
                FloatVector m2 = fromArray(SPECIES, t, a + 2 * L);
                FloatVector m3 = fromArray(SPECIES, t, a + 3 * L);
                FloatVector m4 = fromArray(SPECIES, t, a + 4 * L);
                FloatVector ones = m1.add(m2);
                FloatVector twos = m3.add(m4);
                fromArray(SPECIES, t, a).add(ones.add(twos)).intoArray(y, o);
                twos.fma(four, ones).intoArray(y, o + 2 * right);
                ones = m1.sub(m2);
                twos = m3.sub(m4);
                twos.fma(two, ones).intoArray(y, o + right);
                twos.fma(eight, ones).add(fromArray(SPECIES, t, a + 5 * L)).intoArray(y, o + 3 * right);
            }
        }
    }

    /** y = A x: 2 to 4 elements, or 4 to 6; {@code panel} as in {@link #kernel}. */
    static void outputTransposed(int m, int n, float[][] x, int[] at, float[] y, int to, int step, int panel) {
        if (m == 2) {
            float[] x0 = x[0], x1 = x[1];
            int a0 = at[0], a1 = at[1];
            int t1 = to + step, t2 = t1 + step, t3 = t2 + step;
            for (int c = 0; c < n; c += L) {
                int o = c / NR * panel + c % NR;
                FloatVector y0 = load(x0, a0 + c);
                FloatVector y1 = load(x1, a1 + c);
                y0.intoArray(y, to + o);
                y0.add(y1).intoArray(y, t1 + o);
                y0.sub(y1).intoArray(y, t2 + o);
                y1.neg().intoArray(y, t3 + o);
            }
            return;
        }
        float[] x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
        int a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3];
        int t1 = to + step, t2 = t1 + step, t3 = t2 + step, t4 = t3 + step, t5 = t4 + step;
        FloatVector two = FloatVector.broadcast(Lanes.SPECIES, 2);
        FloatVector four = FloatVector.broadcast(Lanes.SPECIES, 4);
        for (int c = 0; c < n; c += L) {
            int o = c / NR * panel + c % NR;
            FloatVector y0 = load(x0, a0 + c);
            FloatVector y1 = load(x1, a1 + c);
            FloatVector y2 = load(x2, a2 + c);
            FloatVector y3 = load(x3, a3 + c);
            y0.intoArray(y, to + o);
            FloatVector even = y0.add(y2);
            FloatVector odd = y1.add(y3);
            even.add(odd).intoArray(y, t1 + o);
            even.sub(odd).intoArray(y, t2 + o);
            even = y2.fma(four, y0);
            odd = y3.fma(four, y1).mul(two);
            even.add(odd).intoArray(y, t3 + o);
            even.sub(odd).intoArray(y, t4 + o);
            y3.intoArray(y, t5 + o);
        }
    }

    /** y = G x: 3 to 4 elements, or 3 to 6. Every NR channels of the result begin {@code panel} after the last NR. */
    static void kernel(int m, int n, float[][] x, int[] at, float[] y, int to, int step, int panel) {
        if (m == 2) {
            float[] x0 = x[0], x1 = x[1], x2 = x[2];
            int a0 = at[0], a1 = at[1], a2 = at[2];
            int t1 = to + step, t2 = t1 + step, t3 = t2 + step;
            FloatVector half = FloatVector.broadcast(Lanes.SPECIES, 0.5f);
            for (int c = 0; c < n; c += L) {
                int o = c / NR * panel + c % NR;
                FloatVector g0 = load(x0, a0 + c);
                FloatVector g2 = load(x2, a2 + c);
                FloatVector even = g0.add(g2).mul(half);
                FloatVector odd = load(x1, a1 + c).mul(half);
                g0.intoArray(y, to + o);
                even.add(odd).intoArray(y, t1 + o);
                even.sub(odd).intoArray(y, t2 + o);
                g2.intoArray(y, t3 + o);
            }
            return;
        }
        float[] x0 = x[0], x1 = x[1], x2 = x[2];
        int a0 = at[0], a1 = at[1], a2 = at[2];
        int t1 = to + step, t2 = t1 + step, t3 = t2 + step, t4 = t3 + step, t5 = t4 + step;
        FloatVector four = FloatVector.broadcast(Lanes.SPECIES, 4);
        FloatVector quarter = FloatVector.broadcast(Lanes.SPECIES, 1 / 4f);
        FloatVector sixth = FloatVector.broadcast(Lanes.SPECIES, -1 / 6f);
        FloatVector twelfth = FloatVector.broadcast(Lanes.SPECIES, 1 / 12f);
        FloatVector small = FloatVector.broadcast(Lanes.SPECIES, 1 / 24f);
        for (int c = 0; c < n; c += L) {
            int o = c / NR * panel + c % NR;
            FloatVector g0 = load(x0, a0 + c);
            FloatVector g1 = load(x1, a1 + c);
            FloatVector g2 = load(x2, a2 + c);
            g0.mul(quarter).intoArray(y, to + o);
            FloatVector even = g0.add(g2).mul(sixth);
            FloatVector odd = g1.mul(sixth);
            even.add(odd).intoArray(y, t1 + o);
            even.sub(odd).intoArray(y, t2 + o);
            even = g2.fma(four, g0).mul(small);
            odd = g1.mul(twelfth);
            even.add(odd).intoArray(y, t3 + o);
            even.sub(odd).intoArray(y, t4 + o);
            g2.intoArray(y, t5 + o);
        }
    }

    /**
     * Both passes of G' x G for m = 4, a vector of channels at a time: position {@code 6 i + j} of x begins at
     * {@code x[at + (6 i + j) step]}, tap {@code 3 i + j} of the result at {@code y[to + (3 i + j) tap]}.
     *
     * @param t room for 18 vectors from tAt on
     */
    static void kernelTransposedTile(
            int n, float[] x, int at, int step, float[] t, int tAt, float[] y, int to, int tap) {
        FloatVector four = FloatVector.broadcast(SPECIES, 4);
        FloatVector quarter = FloatVector.broadcast(SPECIES, 1 / 4f);
        FloatVector sixth = FloatVector.broadcast(SPECIES, -1 / 6f);
        FloatVector twelfth = FloatVector.broadcast(SPECIES, 1 / 12f);
        FloatVector small = FloatVector.broadcast(SPECIES, 1 / 24f);
        for (int c = 0; c < n; c += L) {
            for (int j = 0; j < 6; j++) {
                int a = at + c + j * step;
                int o = tAt + j * L;
                FloatVector u1 = fromArray(SPECIES, x, a + 6 * step);
                FloatVector u2 = fromArray(SPECIES, x, a + 12 * step);
                FloatVector u3 = fromArray(SPECIES, x, a + 18 * step);
                FloatVector u4 = fromArray(SPECIES, x, a + 24 * step);
                FloatVector ones = u1.add(u2).mul(sixth);
                FloatVector twos = u3.add(u4).mul(small);
                fromArray(SPECIES, x, a).fma(quarter, ones).add(twos).intoArray(t, o);
                u3.sub(u4).fma(twelfth, u1.sub(u2).mul(sixth)).intoArray(t, o + 6 * L);
                twos.fma(four, ones).add(fromArray(SPECIES, x, a + 30 * step)).intoArray(t, o + 12 * L);
            }
            for (int i = 0; i < 3; i++) {
                int a = tAt + 6 * i * L;
                int o = to + c + 3 * i * tap;
                FloatVector u1 = fromArray(SPECIES, t, a + L);
                FloatVector u2 = fromArray(SPECIES, t, a + 2 * L);
                FloatVector u3 = fromArray(SPECIES, t, a + 3 * L);
                FloatVector u4 = fromArray(SPECIES, t, a + 4 * L);
                FloatVector ones = u1.add(u2).mul(sixth);
                FloatVector twos = u3.add(u4).mul(small);
                fromArray(SPECIES, t, a).fma(quarter, ones).add(twos).intoArray(y, o);
                u3.sub(u4).fma(twelfth, u1.sub(u2).mul(sixth)).intoArray(y, o + tap);
                twos.fma(four, ones).add(fromArray(SPECIES, t, a + 5 * L)).intoArray(y, o + 2 * tap);
            }
        }
    }
}
