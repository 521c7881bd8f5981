package gradus.backend;

/**
 * Counter-based random numbers for dropout: the number at an index is a function of seed, step and index alone, so it does
 * not matter who computes it, in which order, or how often. SplitMix64's finalizer (Steele, Lea, Flood, 2014).
 */
public final class Noise {
    private Noise() {}

    /** Uniform in [0, 1), a multiple of 2^-24. */
    public static float uniform(long seed, long step, int index) {
        return (mix(mix(seed + 0x9E3779B97F4A7C15L * step) + 0x9E3779B97F4A7C15L * (index + 1L)) >>> 40) * 0x1p-24f;
    }

    /** A 64-bit mixing function: every bit of the argument changes about half of the result's. */
    public static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
