package gradus.backend.simd;

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
 *   F(4,3): B' = 1  0 -5/2  0   1  0    G =  1      0      0    A' = 1  1    1    1   1   0
 *                0 -2a -2   a   1  0        -2/3  -2a/3  -1/3        0  a   -a    b  -b   0
 *                0  2a -2  -a   1  0        -2/3   2a/3  -1/3        0 1/2  1/2   2   2   0
 *                0 -a -1/2 2a   1  0         1/6    a/3   1/3        0 a/2 -a/2  4a -4a   1
 *                0  a -1/2 -2a  1  0         1/6   -a/3   1/3
 *                0  1   0 -5/2  0  1          0      0     1
 * </pre>
 *
 * where the points of F(4,3) are 0, a = sqrt(1/2), -a, b = 2 a = sqrt(2), -b and infinity: with the customary 1 and 2 for a and b
 * matrices reach 8 and errors are twice as large. Each method below multiplies one of these matrices, or for derivatives its transpose, with columns whose elements
 * are vectors of {@code n} channels.
 *
 * <p>The two-dimensional transform is two passes, one along each axis. Methods named after a tile do both for one vector
 * of channels after the other, with what lies between them in the first-level cache: a call for each row and column would
 * cost more than its few vectors; {@link #kernelRows} does both in registers. The others do one pass of one column, whose element i is at {@code x[i][at[i]]} and result i
 * at {@code y[to + i * step]}, for callers that have long runs.
 *
 * <p>Methods are too large (325 bytes of code) to be inlined, some because both sizes stand in one: in callers that have used up
 * their budget the compiler would leave the Vector API's own methods as calls, and vectors become objects. For the same reason
 * no method of ours stands between the tiles' and the Vector API: {@link WarmUp} calls them with nothing to do so often
 * that C2 would not inline it.
 */
final class WinogradTransforms {
    /** The smaller of F(4,3)'s points. */
    private static final float A = (float) Math.sqrt(0.5);

    private WinogradTransforms() {}

    /** y = B' x: 4 to 4 elements for m = 2, 6 to 6 for m = 4. */
    static void input(int m, int n, float[][] x, int[] at, float[] y, int to, int step) {
        if (m == 2) {
            float[] x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
            int a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3];
            int t1 = to + step, t2 = t1 + step, t3 = t2 + step;
            for (int c = 0; c < n; c += L) {
                FloatVector d1 = fromArray(SPECIES, x1, a1 + c);
                FloatVector d2 = fromArray(SPECIES, x2, a2 + c);
                fromArray(SPECIES, x0, a0 + c).sub(d2).intoArray(y, to + c);
                d1.add(d2).intoArray(y, t1 + c);
                d2.sub(d1).intoArray(y, t2 + c);
                d1.sub(fromArray(SPECIES, x3, a3 + c)).intoArray(y, t3 + c);
            }
            return;
        }
        float[] x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], x4 = x[4], x5 = x[5];
        int a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3], a4 = at[4], a5 = at[5];
        int t1 = to + step, t2 = t1 + step, t3 = t2 + step, t4 = t3 + step, t5 = t4 + step;
        FloatVector outer = FloatVector.broadcast(SPECIES, -2.5f);
        FloatVector minusTwo = FloatVector.broadcast(SPECIES, -2);
        FloatVector minusHalf = FloatVector.broadcast(SPECIES, -0.5f);
        FloatVector a = FloatVector.broadcast(SPECIES, A);
        FloatVector minusA = FloatVector.broadcast(SPECIES, -A);
        FloatVector b = FloatVector.broadcast(SPECIES, 2 * A);
        FloatVector minusB = FloatVector.broadcast(SPECIES, -2 * A);
        for (int c = 0; c < n; c += L) {
            FloatVector d1 = fromArray(SPECIES, x1, a1 + c);
            FloatVector d2 = fromArray(SPECIES, x2, a2 + c);
            FloatVector d3 = fromArray(SPECIES, x3, a3 + c);
            FloatVector d4 = fromArray(SPECIES, x4, a4 + c);
            d2.fma(outer, fromArray(SPECIES, x0, a0 + c).add(d4)).intoArray(y, to + c);
            FloatVector even = d2.fma(minusTwo, d4);
            FloatVector odd = d1.fma(minusTwo, d3);
            odd.fma(a, even).intoArray(y, t1 + c);
            odd.fma(minusA, even).intoArray(y, t2 + c);
            even = d2.fma(minusHalf, d4);
            odd = d1.fma(minusHalf, d3);
            odd.fma(b, even).intoArray(y, t3 + c);
            odd.fma(minusB, even).intoArray(y, t4 + c);
            d3.fma(outer, d1.add(fromArray(SPECIES, x5, a5 + c))).intoArray(y, t5 + c);
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
        FloatVector outer = FloatVector.broadcast(SPECIES, -2.5f);
        FloatVector minusTwo = FloatVector.broadcast(SPECIES, -2);
        FloatVector minusHalf = FloatVector.broadcast(SPECIES, -0.5f);
        FloatVector a = FloatVector.broadcast(SPECIES, A);
        FloatVector minusA = FloatVector.broadcast(SPECIES, -A);
        FloatVector b = FloatVector.broadcast(SPECIES, 2 * A);
        FloatVector minusB = FloatVector.broadcast(SPECIES, -2 * A);
        for (int c = 0; c < n; c += L) {
            for (int j = 0; j < 6; j++) {
                int from = at + c + j * right;
                int o = tAt + j * L;
                FloatVector d1 = fromArray(SPECIES, x, from + down);
                FloatVector d2 = fromArray(SPECIES, x, from + 2 * down);
                FloatVector d3 = fromArray(SPECIES, x, from + 3 * down);
                FloatVector d4 = fromArray(SPECIES, x, from + 4 * down);
                d2.fma(outer, fromArray(SPECIES, x, from).add(d4)).intoArray(t, o);
                FloatVector even = d2.fma(minusTwo, d4);
                FloatVector odd = d1.fma(minusTwo, d3);
                odd.fma(a, even).intoArray(t, o + 6 * L);
                odd.fma(minusA, even).intoArray(t, o + 12 * L);
                even = d2.fma(minusHalf, d4);
                odd = d1.fma(minusHalf, d3);
                odd.fma(b, even).intoArray(t, o + 18 * L);
                odd.fma(minusB, even).intoArray(t, o + 24 * L);
                d3.fma(outer, d1.add(fromArray(SPECIES, x, from + 5 * down))).intoArray(t, o + 30 * L);
            }
            for (int i = 0; i < 6; i++) {
                int from = tAt + 6 * i * L;
                int o = to + c + 6 * i * step;
                FloatVector d1 = fromArray(SPECIES, t, from + L);
                FloatVector d2 = fromArray(SPECIES, t, from + 2 * L);
                FloatVector d3 = fromArray(SPECIES, t, from + 3 * L);
                FloatVector d4 = fromArray(SPECIES, t, from + 4 * L);
                d2.fma(outer, fromArray(SPECIES, t, from).add(d4)).intoArray(y, o);
                FloatVector even = d2.fma(minusTwo, d4);
                FloatVector odd = d1.fma(minusTwo, d3);
                odd.fma(a, even).intoArray(y, o + step);
                odd.fma(minusA, even).intoArray(y, o + 2 * step);
                even = d2.fma(minusHalf, d4);
                odd = d1.fma(minusHalf, d3);
                odd.fma(b, even).intoArray(y, o + 3 * step);
                odd.fma(minusB, even).intoArray(y, o + 4 * step);
                d3.fma(outer, d1.add(fromArray(SPECIES, t, from + 5 * L))).intoArray(y, o + 5 * step);
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
        FloatVector half = FloatVector.broadcast(SPECIES, 0.5f);
        FloatVector a = FloatVector.broadcast(SPECIES, A);
        FloatVector halfA = FloatVector.broadcast(SPECIES, A / 2);
        for (int c = 0; c < n; c += L) {
            for (int j = 0; j < 6; j++) {
                int from = at + c + j * step;
                int o = tAt + j * L;
                FloatVector m1 = fromArray(SPECIES, x, from + 6 * step);
                FloatVector m2 = fromArray(SPECIES, x, from + 12 * step);
                FloatVector m3 = fromArray(SPECIES, x, from + 18 * step);
                FloatVector m4 = fromArray(SPECIES, x, from + 24 * step);
                FloatVector ones = m1.add(m2);
                FloatVector twos = m3.add(m4);
                fromArray(SPECIES, x, from).add(ones.add(twos)).intoArray(t, o);
                twos.fma(four, ones).mul(half).intoArray(t, o + 12 * L);
                ones = m1.sub(m2);
                twos = m3.sub(m4);
                twos.fma(two, ones).mul(a).intoArray(t, o + 6 * L);
                twos.fma(eight, ones)
                        .fma(halfA, fromArray(SPECIES, x, from + 30 * step))
                        .intoArray(t, o + 18 * L);
            }
            for (int i = 0; i < 4; i++) {
                int from = tAt + 6 * i * L;
                int o = to + c + i * down;
                FloatVector m1 = fromArray(SPECIES, t, from + L);
                FloatVector m2 = fromArray(SPECIES, t, from + 2 * L);
                FloatVector m3 = fromArray(SPECIES, t, from + 3 * L);
                FloatVector m4 = fromArray(SPECIES, t, from + 4 * L);
                FloatVector ones = m1.add(m2);
                FloatVector twos = m3.add(m4);
                fromArray(SPECIES, t, from).add(ones.add(twos)).intoArray(y, o);
                twos.fma(four, ones).mul(half).intoArray(y, o + 2 * right);
                ones = m1.sub(m2);
                twos = m3.sub(m4);
                twos.fma(two, ones).mul(a).intoArray(y, o + right);
                twos.fma(eight, ones)
                        .fma(halfA, fromArray(SPECIES, t, from + 5 * L))
                        .intoArray(y, o + 3 * right);
            }
        }
    }

    /**
     * Both passes of A x A' for m = 4, a vector of channels at a time: pixel (i, j) begins at {@code x[at + i down + j right]}, position
     * {@code 6 i + j} of the result at {@code y[to + (6 i + j) step]}, where every NR channels begin {@code panel} after the last NR.
     *
     * @param t room for 24 vectors from tAt on
     */
    static void gradientTile(
            int n, float[] x, int at, int down, int right, float[] t, int tAt, float[] y, int to, int step, int panel) {
        FloatVector half = FloatVector.broadcast(SPECIES, 0.5f);
        FloatVector two = FloatVector.broadcast(SPECIES, 2);
        FloatVector a = FloatVector.broadcast(SPECIES, A);
        FloatVector minusA = FloatVector.broadcast(SPECIES, -A);
        FloatVector b = FloatVector.broadcast(SPECIES, 2 * A);
        FloatVector minusB = FloatVector.broadcast(SPECIES, -2 * A);
        for (int c = 0; c < n; c += L) {
            for (int j = 0; j < 4; j++) {
                int from = at + c + j * right;
                int o = tAt + j * L;
                FloatVector y0 = fromArray(SPECIES, x, from);
                FloatVector y1 = fromArray(SPECIES, x, from + down);
                FloatVector y2 = fromArray(SPECIES, x, from + 2 * down);
                FloatVector y3 = fromArray(SPECIES, x, from + 3 * down);
                y0.intoArray(t, o);
                FloatVector even = y2.fma(half, y0);
                FloatVector odd = y3.fma(half, y1);
                odd.fma(a, even).intoArray(t, o + 4 * L);
                odd.fma(minusA, even).intoArray(t, o + 8 * L);
                even = y2.fma(two, y0);
                odd = y3.fma(two, y1);
                odd.fma(b, even).intoArray(t, o + 12 * L);
                odd.fma(minusB, even).intoArray(t, o + 16 * L);
                y3.intoArray(t, o + 20 * L);
            }
            for (int i = 0; i < 6; i++) {
                int from = tAt + 4 * i * L;
                int o = to + 6 * i * step + c / NR * panel + c % NR;
                FloatVector y0 = fromArray(SPECIES, t, from);
                FloatVector y1 = fromArray(SPECIES, t, from + L);
                FloatVector y2 = fromArray(SPECIES, t, from + 2 * L);
                FloatVector y3 = fromArray(SPECIES, t, from + 3 * L);
                y0.intoArray(y, o);
                FloatVector even = y2.fma(half, y0);
                FloatVector odd = y3.fma(half, y1);
                odd.fma(a, even).intoArray(y, o + step);
                odd.fma(minusA, even).intoArray(y, o + 2 * step);
                even = y2.fma(two, y0);
                odd = y3.fma(two, y1);
                odd.fma(b, even).intoArray(y, o + 3 * step);
                odd.fma(minusB, even).intoArray(y, o + 4 * step);
                y3.intoArray(y, o + 5 * step);
            }
        }
    }

    /**
     * G w G' for NR output channels and a pair of the result's rows, the first and the last, or those of the points p and -p,
     * numbered 2 pair - 1 and 2 pair. Tap (i, j) of input channel c begins at {@code x[at + (3 i + j) tap + c NR]},
     * position j of the first row of the pair at {@code y[to + j step + c NR]}, of the second row {@code down} behind.
     */
    static void kernelRows(
            int m, int pair, int channels, float[] x, int at, int tap, float[] y, int to, int step, int down) {
        // g0 + p^2 g2, once for both points, and p g1, each with 1 / (the products of differences)
        FloatVector near = FloatVector.broadcast(SPECIES, m == 2 ? 1 : 0.5f);
        FloatVector evenNear = FloatVector.broadcast(SPECIES, m == 2 ? 0.5f : -2 / 3f);
        FloatVector oddNear = FloatVector.broadcast(SPECIES, m == 2 ? 0.5f : -2 * A / 3);
        FloatVector two = FloatVector.broadcast(SPECIES, 2);
        FloatVector sixth = FloatVector.broadcast(SPECIES, 1 / 6f);
        FloatVector oddFar = FloatVector.broadcast(SPECIES, A / 3);
        if (pair == 0) {
            for (int c = 0; c < channels; c++) {
                for (int r = 0; r < 4; r++) {
                    int a = at + r / 2 * 6 * tap + c * NR + r % 2 * L;
                    int o = to + r / 2 * down + c * NR + r % 2 * L;
                    FloatVector g0 = fromArray(SPECIES, x, a);
                    FloatVector g1 = fromArray(SPECIES, x, a + tap);
                    FloatVector g2 = fromArray(SPECIES, x, a + 2 * tap);
                    g0.intoArray(y, o);
                    FloatVector even = g2.fma(near, g0).mul(evenNear);
                    FloatVector odd = g1.mul(oddNear);
                    even.add(odd).intoArray(y, o + step);
                    even.sub(odd).intoArray(y, o + 2 * step);
                    if (m == 4) {
                        even = g2.fma(two, g0).mul(sixth);
                        odd = g1.mul(oddFar);
                        even.add(odd).intoArray(y, o + 3 * step);
                        even.sub(odd).intoArray(y, o + 4 * step);
                    }
                    g2.intoArray(y, o + (m + 1) * step);
                }
            }
            return;
        }
        FloatVector square = FloatVector.broadcast(SPECIES, m == 2 ? 1 : pair == 1 ? 0.5f : 2);
        FloatVector evens = FloatVector.broadcast(SPECIES, m == 2 ? 0.5f : pair == 1 ? -2 / 3f : 1 / 6f);
        FloatVector odds = FloatVector.broadcast(SPECIES, m == 2 ? 0.5f : pair == 1 ? -2 * A / 3 : A / 3);
        for (int c = 0; c < channels; c++) {
            for (int f = 0; f < NR; f += L) {
                int a = at + c * NR + f;
                int o = to + c * NR + f;
                FloatVector even = fromArray(SPECIES, x, a + 6 * tap)
                        .fma(square, fromArray(SPECIES, x, a))
                        .mul(evens);
                FloatVector odd = fromArray(SPECIES, x, a + 3 * tap).mul(odds);
                FloatVector p0 = even.add(odd);
                FloatVector q0 = even.sub(odd);
                even = fromArray(SPECIES, x, a + 7 * tap)
                        .fma(square, fromArray(SPECIES, x, a + tap))
                        .mul(evens);
                odd = fromArray(SPECIES, x, a + 4 * tap).mul(odds);
                FloatVector p1 = even.add(odd);
                FloatVector q1 = even.sub(odd);
                even = fromArray(SPECIES, x, a + 8 * tap)
                        .fma(square, fromArray(SPECIES, x, a + 2 * tap))
                        .mul(evens);
                odd = fromArray(SPECIES, x, a + 5 * tap).mul(odds);
                FloatVector p2 = even.add(odd);
                FloatVector q2 = even.sub(odd);
                p0.intoArray(y, o);
                even = p2.fma(near, p0).mul(evenNear);
                odd = p1.mul(oddNear);
                even.add(odd).intoArray(y, o + step);
                even.sub(odd).intoArray(y, o + 2 * step);
                if (m == 4) {
                    even = p2.fma(two, p0).mul(sixth);
                    odd = p1.mul(oddFar);
                    even.add(odd).intoArray(y, o + 3 * step);
                    even.sub(odd).intoArray(y, o + 4 * step);
                }
                p2.intoArray(y, o + (m + 1) * step);
                o += down;
                q0.intoArray(y, o);
                even = q2.fma(near, q0).mul(evenNear);
                odd = q1.mul(oddNear);
                even.add(odd).intoArray(y, o + step);
                even.sub(odd).intoArray(y, o + 2 * step);
                if (m == 4) {
                    even = q2.fma(two, q0).mul(sixth);
                    odd = q1.mul(oddFar);
                    even.add(odd).intoArray(y, o + 3 * step);
                    even.sub(odd).intoArray(y, o + 4 * step);
                }
                q2.intoArray(y, o + (m + 1) * step);
            }
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
        FloatVector half = FloatVector.broadcast(SPECIES, 0.5f);
        FloatVector two = FloatVector.broadcast(SPECIES, 2);
        FloatVector thirds = FloatVector.broadcast(SPECIES, -2 / 3f);
        FloatVector sixth = FloatVector.broadcast(SPECIES, 1 / 6f);
        FloatVector oddA = FloatVector.broadcast(SPECIES, -2 * A / 3);
        FloatVector oddB = FloatVector.broadcast(SPECIES, A / 3);
        for (int c = 0; c < n; c += L) {
            for (int j = 0; j < 6; j++) {
                int a = at + c + j * step;
                int o = tAt + j * L;
                FloatVector u1 = fromArray(SPECIES, x, a + 6 * step);
                FloatVector u2 = fromArray(SPECIES, x, a + 12 * step);
                FloatVector u3 = fromArray(SPECIES, x, a + 18 * step);
                FloatVector u4 = fromArray(SPECIES, x, a + 24 * step);
                FloatVector ones = u1.add(u2).mul(thirds);
                FloatVector twos = u3.add(u4).mul(sixth);
                fromArray(SPECIES, x, a).add(ones).add(twos).intoArray(t, o);
                u3.sub(u4).fma(oddB, u1.sub(u2).mul(oddA)).intoArray(t, o + 6 * L);
                twos.fma(two, ones.fma(half, fromArray(SPECIES, x, a + 30 * step)))
                        .intoArray(t, o + 12 * L);
            }
            for (int i = 0; i < 3; i++) {
                int a = tAt + 6 * i * L;
                int o = to + c + 3 * i * tap;
                FloatVector u1 = fromArray(SPECIES, t, a + L);
                FloatVector u2 = fromArray(SPECIES, t, a + 2 * L);
                FloatVector u3 = fromArray(SPECIES, t, a + 3 * L);
                FloatVector u4 = fromArray(SPECIES, t, a + 4 * L);
                FloatVector ones = u1.add(u2).mul(thirds);
                FloatVector twos = u3.add(u4).mul(sixth);
                fromArray(SPECIES, t, a).add(ones).add(twos).intoArray(y, o);
                u3.sub(u4).fma(oddB, u1.sub(u2).mul(oddA)).intoArray(y, o + tap);
                twos.fma(two, ones.fma(half, fromArray(SPECIES, t, a + 5 * L))).intoArray(y, o + 2 * tap);
            }
        }
    }
}
