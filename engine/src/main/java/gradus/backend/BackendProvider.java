package gradus.backend;

import java.util.Optional;

/** A way to compute that may or may not work on this machine. Found by {@link java.util.ServiceLoader}. */
public interface BackendProvider {
    /** {@code reference}, {@code simd}, {@code cuda}. */
    String name();

    /** Among providers that can run, the largest is taken when none was asked for by name. */
    int priority();

    /** Why this provider cannot run here with these options and what to do about it, or empty if it can. Cheap to ask. */
    Optional<String> unavailable(Options options);

    /** @throws BackendException if this provider cannot run with these options */
    Backend<?> open(Options options);

    /**
     * @param threads number of threads to compute with, 0 for all processors
     * @param precision what numbers are stored and rounded to
     * @param exact whether methods that save multiplications at the cost of some rounding, such as Winograd's, are left out
     */
    record Options(int threads, Precision precision, boolean exact) {
        public Options(int threads, Precision precision) {
            this(threads, precision, false);
        }

        public Options {
            if (threads < 0) {
                throw new BackendException("threads must be 0 (all processors) or more, not " + threads);
            }
            threads = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        }
    }

    /** What numbers are stored and rounded to. */
    enum Precision {
        /** Stored and computed in float32. */
        FLOAT32(0x1p-24),
        FLOAT64(0x1p-53),
        /** Stored in float32; the factors of matrix products and convolutions are rounded to 11 significant bits. */
        TF32(0x1p-11),
        /** Stored in float32; the factors of matrix products and convolutions are rounded to 8 significant bits. */
        BF16(0x1p-8);

        private final double roundoff;

        Precision(double roundoff) {
            this.roundoff = roundoff;
        }

        /** Half a unit in the last place of 1: the largest relative error of rounding a factor of a product. */
        public double roundoff() {
            return roundoff;
        }
    }
}
