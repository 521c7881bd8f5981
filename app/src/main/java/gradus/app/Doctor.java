package gradus.app;

import gradus.backend.Backend;
import gradus.backend.BackendProvider;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code gradus doctor}. */
@Command(
        name = "doctor",
        description =
                "Says what gradus finds on this machine: JDK, processor, memory, backends and how fast they are, and"
                        + " for a backend that cannot run, why and what to do about it.")
final class Doctor implements Callable<Integer> {
    private static final int SIDE = 768;
    private static final int RUNS = 8;

    @Spec
    CommandSpec spec;

    @Override
    public Integer call() {
        var out = spec.commandLine().getOut();
        var runtime = Runtime.getRuntime();
        line(
                out,
                "JDK",
                System.getProperty("java.vm.name") + " " + Runtime.version() + ", " + System.getProperty("java.vendor")
                        + ", " + System.getProperty("java.home"));
        line(
                out,
                "system",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch") + ", " + runtime.availableProcessors() + " processors");
        line(out, "memory", runtime.maxMemory() / (1 << 20) + " MiB of heap at most (java -Xmx sets it)");
        boolean vectors = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        line(
                out,
                "Vector API",
                vectors
                        ? "module jdk.incubator.vector is there"
                        : "missing: run with 'java --add-modules jdk.incubator.vector', as ./gradus does");
        for (Precision precision : Precision.values()) {
            var options = new Options(0, precision);
            for (BackendProvider provider : Backends.providers()) {
                String what =
                        "backend " + provider.name() + " " + precision.name().toLowerCase(Locale.ROOT);
                var problem = provider.unavailable(options);
                if (problem.isEmpty()) {
                    try (var backend = provider.open(options)) {
                        line(out, what, backend.description() + ", " + speed(backend));
                    } catch (GradusException e) {
                        line(out, what, "failed: " + e.getMessage());
                    }
                } else if (precision == Precision.FLOAT32 || precision == Precision.FLOAT64) {
                    line(out, what, "not available: " + problem.get());
                } // the others are of one backend alone
            }
        }
        out.flush();
        return Exit.OK;
    }

    private static void line(PrintWriter out, String what, String text) {
        out.println(String.format(Locale.ROOT, "%-26s %s", what, text));
        out.flush();
    }

    /** What a product of two matrices achieves: the best of a few runs. */
    private static <B> String speed(Backend<B> backend) {
        boolean slow = backend.name().equals("reference");
        int n = slow ? SIDE / 4 : SIDE;
        var values = new float[n * n];
        Arrays.fill(values, 0.5f);
        B a = backend.allocate(n * n);
        B b = backend.allocate(n * n);
        B y = backend.allocate(n * n);
        backend.write(Tensor.of(Shape.of(n, n), values), a);
        backend.write(Tensor.of(Shape.of(n, n), values), b);
        double best = 0;
        for (int run = 0; run < (slow ? RUNS / 2 : 10 * RUNS); run++) {
            long start = System.nanoTime();
            backend.matMul(n, n, n, false, false, a, b, y);
            backend.synchronize();
            best = Math.max(best, 2.0 * n * n * n / (System.nanoTime() - start));
        }
        double peak = backend.peakGflops();
        String product = String.format(Locale.ROOT, "%.1f GFLOP/s in a product of %d x %d matrices", best, n, n);
        return Double.isNaN(peak)
                ? product
                : String.format(Locale.ROOT, "%s, %.0f %% of the FMA peak %.1f", product, 100 * best / peak, peak);
    }
}
