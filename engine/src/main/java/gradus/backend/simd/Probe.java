package gradus.backend.simd;

import static gradus.backend.simd.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/** Measures what one core can do at most, as a yardstick: speeds of kernels are stated as a share of it. */
final class Probe {
    private static final int LOOPS = 5_000;
    private static final int STEPS = 2; // of each chain in a loop

    /** No interpreter reaches that, compiled code on any machine does. */
    private static final double COMPILED = 4;

    private static final int CHAINS = 12;

    /** Keeps the compiler from leaving out the work. */
    private static volatile float sink;

    private Probe() {}

    /**
     * Float32 multiply-adds of one core from registers alone, in 10^9 additions and multiplications per second: the best of
     * 200 ms after the compiler has done its part, for which it gets up to 5 s. Needs a readable
     * {@code jdk.incubator.vector}.
     */
    static double fmaPeakGflops() {
        double best = measure(0, 5_000_000_000L, COMPILED);
        return measure(best, 200_000_000, Double.POSITIVE_INFINITY);
    }

    /** The best of so many nanoseconds, or the first that is good enough. */
    private static double measure(double best, long nanos, double enough) {
        for (long end = System.nanoTime() + nanos; System.nanoTime() < end && best < enough; ) {
            long start = System.nanoTime();
            sink = multiplyAdd();
            double seconds = (System.nanoTime() - start) * 1e-9;
            best = Math.max(best, 2e-9 * LOOPS * STEPS * CHAINS * SPECIES.length() / seconds);
        }
        return best;
    }

    /** Copies 64 MB back and forth on all workers: bytes read and written per nanosecond, the best of 200 ms. */
    static double copyGbytes(Workers workers) {
        int n = 1 << 24;
        int parts = 64;
        var halves = new float[2][n];
        double best = 0;
        int from = 0;
        for (long end = System.nanoTime() + 200_000_000; System.nanoTime() < end; from = 1 - from) {
            float[] x = halves[from];
            float[] y = halves[1 - from];
            long start = System.nanoTime();
            workers.run((part, _) -> System.arraycopy(x, part * (n / parts), y, part * (n / parts), n / parts), parts);
            best = Math.max(best, 8.0 * n / (System.nanoTime() - start));
        }
        return best;
    }

    // spotless:off
    /**
     * Twelve independent chains: more than two ports times a latency of four or five. The sum is the third operand, the one
     * that the instruction overwrites: otherwise each needs a move, and the figure is a sixth too small. Two steps of each
     * chain make the method too long for C2 to inline (325 bytes): inlined into the loop above, the sums are kept in memory
     * and the figure is half.
     */
    private static float multiplyAdd() {
        var x = FloatVector.broadcast(SPECIES, 0.999f);
        var y = FloatVector.broadcast(SPECIES, 0.001f);
        FloatVector a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (int t = 0; t < LOOPS; t++) {
            a = x.fma(y, a); b = x.fma(y, b); c = x.fma(y, c); d = x.fma(y, d);
            e = x.fma(y, e); f = x.fma(y, f); g = x.fma(y, g); h = x.fma(y, h);
            i = x.fma(y, i); j = x.fma(y, j); k = x.fma(y, k); l = x.fma(y, l);
            a = x.fma(y, a); b = x.fma(y, b); c = x.fma(y, c); d = x.fma(y, d);
            e = x.fma(y, e); f = x.fma(y, f); g = x.fma(y, g); h = x.fma(y, h);
            i = x.fma(y, i); j = x.fma(y, j); k = x.fma(y, k); l = x.fma(y, l);
        }
        a = a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).add(i).add(j).add(k).add(l);
        return a.lane(0);
    }
    // spotless:on
}
