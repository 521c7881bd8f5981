package gradus.benchmarks;

import gradus.backend.Backend;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * States a time as work done and as a share of what the machine can do, which is measured right after each iteration, in
 * the same process and with the same threads and vector width: clocks drift, ratios do not.
 *
 * <pre>
 *   GFLOP/s = operations / time       % FMA    = GFLOP/s / (multiply-adds from registers alone)
 *   GB/s    = bytes / time            % memory = GB/s / (copy of memory that no cache holds)
 * </pre>
 *
 * Bytes are those of inputs and results, each counted once; what comes out of a cache can therefore exceed 100 % memory.
 */
public final class MachineLimit implements InternalProfiler {
    static final String GFLOPS = "GFLOP/s";
    static final String PEAK = "% FMA";
    static final String GBYTES = "GB/s";
    static final String MEMORY = "% memory";

    private static Backend<?> backend;
    private static double flop;
    private static double bytes;
    private static double bandwidth;

    public MachineLimit() {}

    /** Called while a benchmark is set up: what one operation of it is, and on which backend. */
    static void of(Backend<?> backend, double flop, double bytes) {
        MachineLimit.backend = backend;
        MachineLimit.flop = flop;
        MachineLimit.bytes = bytes;
        bandwidth = 0;
    }

    @Override
    public String getDescription() {
        return "Arithmetic and memory traffic, and their share of what the machine can do";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {}

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        if (result.getRawPrimaryResults().isEmpty()) { // it failed
            return List.of();
        }
        double nanos =
                result.getPrimaryResult().getScore() * benchmark.getTimeUnit().toNanos(1);
        double peak = backend.peakGflops();
        bandwidth = bandwidth == 0 ? backend.peakGbytes() : bandwidth;
        return List.of(
                scalar(GFLOPS, flop / nanos, "GFLOP/s"),
                scalar(PEAK, 100 * flop / nanos / peak, "%"),
                scalar(GBYTES, bytes / nanos, "GB/s"),
                scalar(MEMORY, 100 * bytes / nanos / bandwidth, "%"));
    }

    private static ScalarResult scalar(String name, double value, String unit) {
        return new ScalarResult(name, value, unit, AggregationPolicy.AVG);
    }
}
