package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.NOTHING;
import static java.lang.invoke.VarHandle.loadLoadFence;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;

/**
 * The tiles of {@link MicroKernel#columns}, one method for each number of rows: both operands lie where they are, at distances that are
 * no constants.
 */
final class MicroKernelColumns {
    private MicroKernelColumns() {}

    // spotless:off
    static void columns12(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector p6 = zero, q6 = zero, p7 = zero, q7 = zero;
        FloatVector p8 = zero, q8 = zero, p9 = zero, q9 = zero;
        FloatVector p10 = zero, q10 = zero, p11 = zero, q11 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            x = broadcast(SPECIES, a[aAt + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            x = broadcast(SPECIES, a[aAt + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            x = broadcast(SPECIES, a[aAt + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            x = broadcast(SPECIES, a[aAt + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            x = broadcast(SPECIES, a[aAt + 8]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            x = broadcast(SPECIES, a[aAt + 9]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            x = broadcast(SPECIES, a[aAt + 10]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            x = broadcast(SPECIES, a[aAt + 11]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
            o = at[5]; p5 = p5.add(fromArray(SPECIES, c, o)); q5 = q5.add(fromArray(SPECIES, c, o + L));
            o = at[6]; p6 = p6.add(fromArray(SPECIES, c, o)); q6 = q6.add(fromArray(SPECIES, c, o + L));
            o = at[7]; p7 = p7.add(fromArray(SPECIES, c, o)); q7 = q7.add(fromArray(SPECIES, c, o + L));
            o = at[8]; p8 = p8.add(fromArray(SPECIES, c, o)); q8 = q8.add(fromArray(SPECIES, c, o + L));
            o = at[9]; p9 = p9.add(fromArray(SPECIES, c, o)); q9 = q9.add(fromArray(SPECIES, c, o + L));
            o = at[10]; p10 = p10.add(fromArray(SPECIES, c, o)); q10 = q10.add(fromArray(SPECIES, c, o + L));
            o = at[11]; p11 = p11.add(fromArray(SPECIES, c, o)); q11 = q11.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[6]; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[7]; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[8]; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[9]; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[10]; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[11]; p11.intoArray(c, o); q11.intoArray(c, o + L);
    }

    static void columns6(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero, p2 = zero, q2 = zero;
        FloatVector p3 = zero, q3 = zero, p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
            o = at[5]; p5 = p5.add(fromArray(SPECIES, c, o)); q5 = q5.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
    }

    static void columns5(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero, p2 = zero, q2 = zero;
        FloatVector p3 = zero, q3 = zero, p4 = zero, q4 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[aAt + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
            o = at[4]; p4 = p4.add(fromArray(SPECIES, c, o)); q4 = q4.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
    }

    static void columns4(
            int depth, float[] a, int aAt, int aPitch, float[] b, int bAt, int bPitch, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        for (int k = 0; k < depth; k++, aAt += aPitch, bAt += bPitch) {
            var u = fromArray(SPECIES, b, bAt);
            var v = fromArray(SPECIES, b, bAt + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[aAt + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[aAt + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[aAt + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
        }
        int o;
        if (add) {
            o = at[0]; p0 = p0.add(fromArray(SPECIES, c, o)); q0 = q0.add(fromArray(SPECIES, c, o + L));
            o = at[1]; p1 = p1.add(fromArray(SPECIES, c, o)); q1 = q1.add(fromArray(SPECIES, c, o + L));
            o = at[2]; p2 = p2.add(fromArray(SPECIES, c, o)); q2 = q2.add(fromArray(SPECIES, c, o + L));
            o = at[3]; p3 = p3.add(fromArray(SPECIES, c, o)); q3 = q3.add(fromArray(SPECIES, c, o + L));
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
    }
    // spotless:on
}
