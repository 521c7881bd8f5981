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

    enum Precision {
        FLOAT32,
        FLOAT64
    }
}
