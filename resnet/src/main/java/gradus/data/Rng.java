package gradus.data;

/**
 * Random numbers that depend on a key alone: SplitMix64 (Steele, Lea, Flood 2014) started from a hash of the key. Written
 * out here, because the sequences of {@code java.util.random} may change between releases, and generated data must not.
 */
final class Rng {
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private long state;

    /** The sequence that belongs to these numbers, for instance a seed, an epoch and a sample index. */
    Rng(long... key) {
        long h = 0;
        for (long k : key) {
            h = mix(h + GOLDEN + k);
        }
        state = h;
    }

    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    long bits() {
        state += GOLDEN;
        return mix(state);
    }

    /** Uniform in {@code [0, 1)}. */
    double uniform() {
        return (bits() >>> 11) * 0x1p-53;
    }

    double uniform(double from, double to) {
        return from + (to - from) * uniform();
    }

    /** Uniform in {@code [0, bound)}; the bias of the multiplication is below 2^-32 for every int bound. */
    int below(int bound) {
        return (int) Math.multiplyHigh(bits() >>> 1, (long) bound << 1);
    }

    boolean chance(double probability) {
        return uniform() < probability;
    }

    /** About normal (sum of four uniforms, at most 3.46 deviations), mean 0 and deviation 1: needs no logarithm. */
    double normal() {
        return (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508075688772;
    }

    double normal(double mean, double deviation) {
        return mean + deviation * normal();
    }

    /** Fisher-Yates. */
    int[] permutation(int n) {
        var p = new int[n];
        for (int i = 0; i < n; i++) {
            int j = below(i + 1);
            p[i] = p[j];
            p[j] = i;
        }
        return p;
    }
}
