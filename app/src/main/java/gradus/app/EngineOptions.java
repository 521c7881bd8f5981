package gradus.app;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import java.util.Locale;
import picocli.CommandLine.Option;

/** What to compute with; the same options for every command that computes. */
final class EngineOptions {
    private static final int MOST_THREADS = 1024;

    @Option(
            names = "--backend",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "reference, simd, cuda, or auto: the best that can run here (default)")
    String backend;

    @Option(
            names = "--precision",
            paramLabel = "TYPE",
            defaultValue = "float32",
            description =
                    "float32 (default), float64 (reference), or, on cuda, tf32 or bf16: factors of products rounded"
                            + " to 11 or 8 bits, sums and all else in float32")
    String precision;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "0",
            description = "threads to compute with; 0, the default, for all processors")
    int threads;

    @Option(
            names = "--exact",
            description = "sum every product one by one: no Winograd convolutions, which round a little more")
    boolean exact;

    /** @throws UsageException for a precision that does not exist */
    Precision precision() {
        return switch (precision.toLowerCase(Locale.ROOT)) {
            case "float32", "f32" -> Precision.FLOAT32;
            case "float64", "f64" -> Precision.FLOAT64;
            case "tf32" -> Precision.TF32;
            case "bf16", "bfloat16" -> Precision.BF16;
            default ->
                throw new UsageException("--precision must be float32, float64, tf32 or bf16, not '" + precision + "'");
        };
    }

    /**
     * @throws UsageException for more threads than any machine gains from: starting them would take for ever
     * @throws gradus.backend.BackendException if the named backend does not exist or cannot run here
     */
    Backend<?> open() {
        if (threads < 0 || threads > MOST_THREADS) {
            throw new UsageException(
                    "--threads must be from 1 to " + MOST_THREADS + ", or 0 for all processors, not " + threads);
        }
        return Backends.open(backend, new Options(threads, precision(), exact));
    }
}
