package gradus.backend.simd;

import static gradus.backend.simd.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/** Measures what one core can do at most, as a yardstick: speeds of kernels are stated as a share of it. */
final class Probe {
    private static final int LOOPS = 100_000;
    private static final int CHAINS = 12;

    /** Keeps the compiler from leaving out the work. */
    private static volatile float sink;

    private Probe() {}

    /**
     * Float32 multiply-adds of one core from registers alone, in 10^9 additions and multiplications per second: the best of
     * about 200 ms. Needs a readable {@code jdk.incubator.vector}.
     */
    static double fmaPeakGflops() {
        double best = 0;
        for (long end = System.nanoTime() + 200_000_000; System.nanoTime() < end; ) {
            long start = System.nanoTime();
            sink = multiplyAdd();
            double seconds = (System.nanoTime() - start) * 1e-9;
            best = Math.max(best, 2e-9 * LOOPS * CHAINS * SPECIES.length() / seconds);
        }
        return best;
    }

    // spotless:off
    /** Twelve independent chains: more than two ports times a latency of four or five. */
    private static float multiplyAdd() {
        var x = FloatVector.broadcast(SPECIES, 0.999f);
        var y = FloatVector.broadcast(SPECIES, 0.001f);
        FloatVector a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (int t = 0; t < LOOPS; t++) {
            a = a.fma(x, y); b = b.fma(x, y); c = c.fma(x, y); d = d.fma(x, y);
            e = e.fma(x, y); f = f.fma(x, y); g = g.fma(x, y); h = h.fma(x, y);
            i = i.fma(x, y); j = j.fma(x, y); k = k.fma(x, y); l = l.fma(x, y);
        }
        a = a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).add(i).add(j).add(k).add(l);
        return a.lane(0);
    }
    // spotless:on
}
