package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.NOTHING;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PANEL;
import static java.lang.invoke.VarHandle.loadLoadFence;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;

/**
 * The tiles of {@link MicroKernel#panels}, one method for each number of rows that has one of its own: both operands are in panels, two
 * steps at a time.
 */
final class MicroKernelPanels {
    private MicroKernelPanels() {}

    // spotless:off
    static void panels14(
            int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector p6 = zero, q6 = zero, p7 = zero, q7 = zero;
        FloatVector p8 = zero, q8 = zero, p9 = zero, q9 = zero;
        FloatVector p10 = zero, q10 = zero, p11 = zero, q11 = zero;
        FloatVector p12 = zero, q12 = zero, p13 = zero, q13 = zero;
        FloatVector u, v, x;
        int i = Math.max(aAt, 0), end = i + depth * PANEL, ahead = bAt - i / PANEL * NR;
        for (; i < end; i += 2 * PANEL) {
            int j = ahead + i / PANEL * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 12]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 13]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + PANEL]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 8]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 9]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 10]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 11]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 12]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 13]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
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
            o = at[12]; p12 = p12.add(fromArray(SPECIES, c, o)); q12 = q12.add(fromArray(SPECIES, c, o + L));
            o = at[13]; p13 = p13.add(fromArray(SPECIES, c, o)); q13 = q13.add(fromArray(SPECIES, c, o + L));
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
        o = at[12]; p12.intoArray(c, o); q12.intoArray(c, o + L);
        o = at[13]; p13.intoArray(c, o); q13.intoArray(c, o + L);
    }

    static void panels8(
            int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector p6 = zero, q6 = zero, p7 = zero, q7 = zero;
        FloatVector u, v, x;
        int i = Math.max(aAt, 0), end = i + depth * PANEL, ahead = bAt - i / PANEL * NR;
        for (; i < end; i += 2 * PANEL) {
            int j = ahead + i / PANEL * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + PANEL]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 6]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 7]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
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
        }
        o = at[0]; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[1]; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[2]; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[3]; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[4]; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[5]; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[6]; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[7]; p7.intoArray(c, o); q7.intoArray(c, o + L);
    }

    static void panels6(
            int depth, float[] a, int aAt, float[] b, int bAt, float[] c, int[] at, boolean add) {
        if (depth == NOTHING) { return; }
        var zero = FloatVector.zero(SPECIES);
        FloatVector p0 = zero, q0 = zero, p1 = zero, q1 = zero;
        FloatVector p2 = zero, q2 = zero, p3 = zero, q3 = zero;
        FloatVector p4 = zero, q4 = zero, p5 = zero, q5 = zero;
        FloatVector u, v, x;
        int i = Math.max(aAt, 0), end = i + depth * PANEL, ahead = bAt - i / PANEL * NR;
        for (; i < end; i += 2 * PANEL) {
            int j = ahead + i / PANEL * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + PANEL]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 1]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 2]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 3]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 4]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PANEL + 5]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
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
    // spotless:on
    // spotless:on
}
