package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.NOTHING;
import static gradus.backend.simd.MicroKernel.NR;
import static gradus.backend.simd.MicroKernel.PITCH;
import static gradus.backend.simd.MicroKernel.STEPS;
import static gradus.backend.simd.MicroKernel.X86;
import static java.lang.invoke.VarHandle.loadLoadFence;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.FloatVector.fromArray;

import jdk.incubator.vector.FloatVector;

/**
 * The tiles of {@link MicroKernel#rows}, one method for each number of rows: A's rows are {@link MicroKernel#PITCH} apart, B is in
 * panels. Loops count A's index and take two steps at a time, {@link MicroKernel#STEPS} with 8 or 10 rows, one with 4 or 5. What they
 * have in common and why they are spelled out is told at {@link MicroKernel}.
 */
final class MicroKernelRows {
    private MicroKernelRows() {}

    // spotless:off
    static void rows14(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v, p10 = u, q10 = v, p11 = u, q11 = v;
        FloatVector p12 = u, q12 = v, p13 = u, q13 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 13 * PITCH]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 13 * PITCH]); p13 = x.fma(u, p13); q13 = x.fma(v, q13);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 10] + column + shift; p10 = p10.add(fromArray(SPECIES, addend, o)); q10 = q10.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 11] + column + shift; p11 = p11.add(fromArray(SPECIES, addend, o)); q11 = q11.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 12] + column + shift; p12 = p12.add(fromArray(SPECIES, addend, o)); q12 = q12.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 13] + column + shift; p13 = p13.add(fromArray(SPECIES, addend, o)); q13 = q13.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[row + 10] + column; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[row + 11] + column; p11.intoArray(c, o); q11.intoArray(c, o + L);
        o = at[row + 12] + column; p12.intoArray(c, o); q12.intoArray(c, o + L);
        o = at[row + 13] + column; p13.intoArray(c, o); q13.intoArray(c, o + L);
    }

    static void rows13(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v, p10 = u, q10 = v, p11 = u, q11 = v;
        FloatVector p12 = u, q12 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 12 * PITCH]); p12 = x.fma(u, p12); q12 = x.fma(v, q12);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 10] + column + shift; p10 = p10.add(fromArray(SPECIES, addend, o)); q10 = q10.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 11] + column + shift; p11 = p11.add(fromArray(SPECIES, addend, o)); q11 = q11.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 12] + column + shift; p12 = p12.add(fromArray(SPECIES, addend, o)); q12 = q12.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[row + 10] + column; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[row + 11] + column; p11.intoArray(c, o); q11.intoArray(c, o + L);
        o = at[row + 12] + column; p12.intoArray(c, o); q12.intoArray(c, o + L);
    }

    static void rows12(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v, p10 = u, q10 = v, p11 = u, q11 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 10 * PITCH]); p10 = x.fma(u, p10); q10 = x.fma(v, q10);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 11 * PITCH]); p11 = x.fma(u, p11); q11 = x.fma(v, q11);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 10] + column + shift; p10 = p10.add(fromArray(SPECIES, addend, o)); q10 = q10.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 11] + column + shift; p11 = p11.add(fromArray(SPECIES, addend, o)); q11 = q11.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
        o = at[row + 10] + column; p10.intoArray(c, o); q10.intoArray(c, o + L);
        o = at[row + 11] + column; p11.intoArray(c, o); q11.intoArray(c, o + L);
    }

    static void rows10(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v, p8 = u, q8 = v;
        FloatVector p9 = u, q9 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += STEPS) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            if (STEPS == 2) {
                loadLoadFence();
                u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
                x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 8 * PITCH]); p8 = x.fma(u, p8); q8 = x.fma(v, q8);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 9 * PITCH]); p9 = x.fma(u, p9); q9 = x.fma(v, q9);
            }
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 8] + column + shift; p8 = p8.add(fromArray(SPECIES, addend, o)); q8 = q8.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 9] + column + shift; p9 = p9.add(fromArray(SPECIES, addend, o)); q9 = q9.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
        o = at[row + 8] + column; p8.intoArray(c, o); q8.intoArray(c, o + L);
        o = at[row + 9] + column; p9.intoArray(c, o); q9.intoArray(c, o + L);
    }

    static void rows8(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector p6 = u, q6 = v, p7 = u, q7 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += STEPS) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
            if (X86) { loadLoadFence(); }
            x = broadcast(SPECIES, a[i + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            if (STEPS == 2) {
                loadLoadFence();
                u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
                x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 6 * PITCH]); p6 = x.fma(u, p6); q6 = x.fma(v, q6);
                loadLoadFence();
                x = broadcast(SPECIES, a[i + 1 + 7 * PITCH]); p7 = x.fma(u, p7); q7 = x.fma(v, q7);
            }
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 6] + column + shift; p6 = p6.add(fromArray(SPECIES, addend, o)); q6 = q6.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 7] + column + shift; p7 = p7.add(fromArray(SPECIES, addend, o)); q7 = q7.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
        o = at[row + 6] + column; p6.intoArray(c, o); q6.intoArray(c, o + L);
        o = at[row + 7] + column; p7.intoArray(c, o); q7.intoArray(c, o + L);
    }

    static void rows6(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v, p5 = u, q5 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i += 2) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
            u = fromArray(SPECIES, b, j + NR); v = fromArray(SPECIES, b, j + NR + L);
            x = broadcast(SPECIES, a[i + 1]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 1 + 5 * PITCH]); p5 = x.fma(u, p5); q5 = x.fma(v, q5);
            loadLoadFence();
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 5] + column + shift; p5 = p5.add(fromArray(SPECIES, addend, o)); q5 = q5.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
        o = at[row + 5] + column; p5.intoArray(c, o); q5.intoArray(c, o + L);
    }

    static void rows5(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v, p4 = u, q4 = v;
        FloatVector x;
        int i = Math.max(aAt, 0), end = i + depth, ahead = bAt - i * NR;
        for (; i < end; i++) {
            int j = ahead + i * NR;
            u = fromArray(SPECIES, b, j); v = fromArray(SPECIES, b, j + L);
            x = broadcast(SPECIES, a[i]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
            loadLoadFence();
            x = broadcast(SPECIES, a[i + 4 * PITCH]); p4 = x.fma(u, p4); q4 = x.fma(v, q4);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 4] + column + shift; p4 = p4.add(fromArray(SPECIES, addend, o)); q4 = q4.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
        o = at[row + 4] + column; p4.intoArray(c, o); q4.intoArray(c, o + L);
    }

    static void rows4(
            int depth,
            float[] a,
            int aAt,
            float[] b,
            int bAt,
            float[] c,
            int[] at,
            int row,
            int column,
            float[] bias,
            int biasAt,
            float[] addend,
            int shift) {
        if (depth == NOTHING) { return; }
        var u = fromArray(SPECIES, bias, biasAt);
        var v = fromArray(SPECIES, bias, biasAt + L);
        FloatVector p0 = u, q0 = v, p1 = u, q1 = v, p2 = u, q2 = v;
        FloatVector p3 = u, q3 = v;
        for (int k = 0; k < depth; k++) {
            u = fromArray(SPECIES, b, bAt + k * NR);
            v = fromArray(SPECIES, b, bAt + k * NR + L);
            FloatVector x;
            x = broadcast(SPECIES, a[aAt + k]); p0 = x.fma(u, p0); q0 = x.fma(v, q0);
            x = broadcast(SPECIES, a[aAt + k + PITCH]); p1 = x.fma(u, p1); q1 = x.fma(v, q1);
            x = broadcast(SPECIES, a[aAt + k + 2 * PITCH]); p2 = x.fma(u, p2); q2 = x.fma(v, q2);
            x = broadcast(SPECIES, a[aAt + k + 3 * PITCH]); p3 = x.fma(u, p3); q3 = x.fma(v, q3);
        }
        int o;
        if (addend != null) {
            o = at[row] + column + shift; p0 = p0.add(fromArray(SPECIES, addend, o)); q0 = q0.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 1] + column + shift; p1 = p1.add(fromArray(SPECIES, addend, o)); q1 = q1.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 2] + column + shift; p2 = p2.add(fromArray(SPECIES, addend, o)); q2 = q2.add(fromArray(SPECIES, addend, o + L));
            o = at[row + 3] + column + shift; p3 = p3.add(fromArray(SPECIES, addend, o)); q3 = q3.add(fromArray(SPECIES, addend, o + L));
        }
        o = at[row] + column; p0.intoArray(c, o); q0.intoArray(c, o + L);
        o = at[row + 1] + column; p1.intoArray(c, o); q1.intoArray(c, o + L);
        o = at[row + 2] + column; p2.intoArray(c, o); q2.intoArray(c, o + L);
        o = at[row + 3] + column; p3.intoArray(c, o); q3.intoArray(c, o + L);
    }
    // spotless:on
}
