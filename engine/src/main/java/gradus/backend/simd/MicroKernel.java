package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;
import static jdk.incubator.vector.VectorOperators.LE;

import jdk.incubator.vector.FloatVector;

/**
 * The innermost loops of every matrix product and convolution: a tile of C, a few rows by two vectors, is kept in
 * registers while {@code depth} outer products are added to it.
 *
 * <p>12 rows x 2 vectors are 24 accumulators; with two vectors of B and one broadcast element of A that makes 27 of the 32
 * registers of AVX-512 and NEON, and 24 multiply-adds for 14 loads. Machines with 16 registers (AVX2) use 4 x 2 throughout.
 * Accumulators are named locals because an array of vectors would live on the heap, and the methods are this long because
 * a vector passed to a method that is not inlined would too: the compiler inlines nothing but the Vector API itself into
 * methods of this size.
 *
 * <p>B is packed in panels of {@link #NR} columns, {@code b[bAt + k * NR + j]}. A is read in one of two ways:
 * <ul>
 *   <li><b>rows</b>: row r lies anywhere, its elements in sequence: {@code a[at[r] + k]};
 *   <li><b>columns</b>: for products with A transposed: {@code a[at[0] + k * PITCH + r]}.
 * </ul>
 * Row r of C starts at {@code c[at[MR + r]]}. Sums start from the bias or zero, and what C held, if it is to be added to,
 * comes last, so that splitting a long sum into calls also keeps its rounding error small. Residual and ReLU are applied
 * to the sums while they are in registers.
 */
final class MicroKernel {
    /** Rows of the large tile. */
    static final int MR = 12;

    /** Rows of the small tile: for what is left of a block of rows, and for machines with few registers. */
    static final int SMALL = 4;

    static final float[] ZEROS = new float[128];

    /** Columns of either tile. */
    static final int NR = 2 * L;

    /** Elements from one k to the next in a block of columns: an odd number of cache lines, to use every cache set. */
    static final int PITCH = 144;

    private static final boolean FEW_REGISTERS = L <= 8 && FloatVector.SPECIES_PREFERRED.length() <= 8 && isX86();

    private MicroKernel() {}

    /** Rows of the tile to use when that many are left. */
    static int tile(int rowsLeft) {
        return rowsLeft >= MR && !FEW_REGISTERS ? MR : SMALL;
    }

    /**
     * A tile {@code c = bias + A B + addend}, then ReLU if wanted.
     *
     * @param bias NR numbers from biasAt on, the same for all rows; {@link #ZEROS} where there is none
     * @param addend its element for {@code c[o]} is {@code addend[o + shift]}; may be c itself; null where there is none
     */
    static void rows(
            int tile,
            int depth,
            float[] a,
            int[] at,
            float[] b,
            int bAt,
            float[] c,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift,
            boolean relu) {
        if (tile == MR) {
            rows12(depth, a, at, b, bAt, c, bias, biasAt, addend, shift, relu);
        } else {
            rows4(depth, a, at, b, bAt, c, bias, biasAt, addend, shift, relu);
        }
    }

    static void columns(int tile, int depth, float[] a, int[] at, float[] b, int bAt, float[] c, boolean add) {
        if (tile == MR) {
            columns12(depth, a, at, b, bAt, c, add);
        } else {
            columns4(depth, a, at, b, bAt, c, add);
        }
    }

    private static boolean isX86() {
        String arch = System.getProperty("os.arch");
        return arch.equals("amd64") || arch.equals("x86_64");
    }

    // spotless:off
    private static void rows12(
            int depth, float[] a, int[] at, float[] b, int bAt, float[] c, float[] bias, int biasAt, float[] addend, int shift, boolean relu) {
        int a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3];
        int a4 = at[4], a5 = at[5], a6 = at[6], a7 = at[7];
        int a8 = at[8], a9 = at[9], a10 = at[10], a11 = at[11];
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v;
        FloatVector p2 = u, q2 = v, p3 = u, q3 = v;
        FloatVector p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v;
        FloatVector p8 = u, q8 = v, p9 = u, q9 = v;
        FloatVector p10 = u, q10 = v, p11 = u, q11 = v;
        for (int k = 0; k < depth; k++) {
            u = fromArray(SPECIES, b, bAt + k * NR);
            v = fromArray(SPECIES, b, bAt + k * NR + L);
            FloatVector x;
            x = broadcast(SPECIES, a[a0 + k]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[a1 + k]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[a2 + k]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[a3 + k]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            x = broadcast(SPECIES, a[a4 + k]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            x = broadcast(SPECIES, a[a5 + k]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            x = broadcast(SPECIES, a[a6 + k]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            x = broadcast(SPECIES, a[a7 + k]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            x = broadcast(SPECIES, a[a8 + k]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            x = broadcast(SPECIES, a[a9 + k]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            x = broadcast(SPECIES, a[a10 + k]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            x = broadcast(SPECIES, a[a11 + k]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
        }
        int o;
        if (addend != null) {
            o = at[MR + 0] + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 1] + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 2] + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 3] + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 4] + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 5] + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 6] + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 7] + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 8] + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 9] + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 10] + shift; p10 = p10.add(fromArray(SPECIES, addend, o)); q10 = q10.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 11] + shift; p11 = p11.add(fromArray(SPECIES, addend, o)); q11 = q11.add(fromArray(SPECIES, addend, o + L));
        }
        var least = broadcast(SPECIES, relu ? 0 : Float.NEGATIVE_INFINITY);
        o = at[MR + 0]; p0.blend(least, p0.compare(LE, least)).intoArray(c, o); q0.blend(least, q0.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 1]; p1.blend(least, p1.compare(LE, least)).intoArray(c, o); q1.blend(least, q1.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 2]; p2.blend(least, p2.compare(LE, least)).intoArray(c, o); q2.blend(least, q2.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 3]; p3.blend(least, p3.compare(LE, least)).intoArray(c, o); q3.blend(least, q3.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 4]; p4.blend(least, p4.compare(LE, least)).intoArray(c, o); q4.blend(least, q4.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 5]; p5.blend(least, p5.compare(LE, least)).intoArray(c, o); q5.blend(least, q5.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 6]; p6.blend(least, p6.compare(LE, least)).intoArray(c, o); q6.blend(least, q6.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 7]; p7.blend(least, p7.compare(LE, least)).intoArray(c, o); q7.blend(least, q7.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 8]; p8.blend(least, p8.compare(LE, least)).intoArray(c, o); q8.blend(least, q8.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 9]; p9.blend(least, p9.compare(LE, least)).intoArray(c, o); q9.blend(least, q9.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 10]; p10.blend(least, p10.compare(LE, least)).intoArray(c, o); q10.blend(least, q10.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 11]; p11.blend(least, p11.compare(LE, least)).intoArray(c, o); q11.blend(least, q11.compare(LE, least)).intoArray(c, o + L);
    }


    private static void rows4(
            int depth, float[] a, int[] at, float[] b, int bAt, float[] c, float[] bias, int biasAt, float[] addend, int shift, boolean relu) {
        int a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3];
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v;
        FloatVector p2 = u, q2 = v, p3 = u, q3 = v;
        for (int k = 0; k < depth; k++) {
            u = fromArray(SPECIES, b, bAt + k * NR);
            v = fromArray(SPECIES, b, bAt + k * NR + L);
            FloatVector x;
            x = broadcast(SPECIES, a[a0 + k]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[a1 + k]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[a2 + k]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[a3 + k]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
        }
        int o;
        if (addend != null) {
            o = at[MR + 0] + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 1] + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 2] + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[MR + 3] + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
        }
        var least = broadcast(SPECIES, relu ? 0 : Float.NEGATIVE_INFINITY);
        o = at[MR + 0]; p0.blend(least, p0.compare(LE, least)).intoArray(c, o); q0.blend(least, q0.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 1]; p1.blend(least, p1.compare(LE, least)).intoArray(c, o); q1.blend(least, q1.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 2]; p2.blend(least, p2.compare(LE, least)).intoArray(c, o); q2.blend(least, q2.compare(LE, least)).intoArray(c, o + L);
        o = at[MR + 3]; p3.blend(least, p3.compare(LE, least)).intoArray(c, o); q3.blend(least, q3.compare(LE, least)).intoArray(c, o + L);
    }


    private static void columns12(int depth, float[] a, int[] at, float[] b, int bAt, float[] c, boolean add) {
        int a0 = at[0];
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector p6 = zero, q6 = zero, p7 = zero, q7 = zero;
        FloatVector p8 = zero, q8 = zero, p9 = zero, q9 = zero;
        FloatVector p10 = zero, q10 = zero, p11 = zero, q11 = zero;
        for (int k = 0; k < depth; k++) {
            var u = fromArray(SPECIES, b, bAt + k * NR);
            var v = fromArray(SPECIES, b, bAt + k * NR + L);
            FloatVector x;
            x = broadcast(SPECIES, a[a0 + k * PITCH]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 8]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 9]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 10]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 11]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
        }
        float[] old = add ? c : ZEROS;
        int keep = add ? -1 : 0;
        int o;
        o = at[MR + 0]; p0.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q0.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 1]; p1.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q1.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 2]; p2.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q2.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 3]; p3.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q3.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 4]; p4.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q4.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 5]; p5.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q5.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 6]; p6.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q6.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 7]; p7.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q7.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 8]; p8.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q8.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 9]; p9.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q9.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 10]; p10.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q10.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 11]; p11.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q11.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
    }

    private static void columns4(int depth, float[] a, int[] at, float[] b, int bAt, float[] c, boolean add) {
        int a0 = at[0];
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        for (int k = 0; k < depth; k++) {
            var u = fromArray(SPECIES, b, bAt + k * NR);
            var v = fromArray(SPECIES, b, bAt + k * NR + L);
            FloatVector x;
            x = broadcast(SPECIES, a[a0 + k * PITCH]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[a0 + k * PITCH + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
        }
        float[] old = add ? c : ZEROS;
        int keep = add ? -1 : 0;
        int o;
        o = at[MR + 0]; p0.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q0.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 1]; p1.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q1.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 2]; p2.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q2.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
        o = at[MR + 3]; p3.add(fromArray(SPECIES, old, o & keep)).intoArray(c, o); q3.add(fromArray(SPECIES, old, (o & keep) + L)).intoArray(c, o + L);
    }
    // spotless:on
}
