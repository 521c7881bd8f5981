package gradus.app;

import gradus.backend.Backend;
import gradus.importer.Importer;
import gradus.io.FileException;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.layers.Predictor;
import gradus.plan.Plan;
import gradus.plan.Profile;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.SparseCategoricalCrossentropy;
import gradus.train.Training;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus bench}: times whole networks and says what share of the machine they use. */
@Command(
        name = "bench",
        description = {
            "Times ResNet-50 and says what share of the machine it uses.",
            "Prints a line for each case: median and least time of a step, pictures a second, GFLOP/s as if every"
                    + " multiplication were done, peak memory, and the machine's own limit measured in the same process."
                    + " Cases: A_infer224_b1, A_infer224_b16, B_infer64_b32, C_train64_b32, D_train224_b8, any other of"
                    + " the form infer224_bN, infer64_bN, train224_bN, train64_bN, and cold_start (one prediction of A,"
                    + " from the start of a process on, the model coming from a file; give it alone). Inference uses a"
                    + " model file, by default one of random weights that another process writes first: its memory is"
                    + " not counted."
        })
final class Bench implements Callable<Integer> {
    private static final String MAIN = "gradus.app/gradus.app.Main";
    private static final List<String> DEFAULT =
            List.of("A_infer224_b1", "A_infer224_b16", "B_infer64_b32", "C_train64_b32", "D_train224_b8");

    @Spec
    CommandSpec spec;

    @Mixin
    EngineOptions engine;

    @Parameters(arity = "0..*", paramLabel = "CASE", description = "what to time (default: all but cold_start)")
    List<String> cases = List.of();

    @Option(names = "--repeat", paramLabel = "N", defaultValue = "1", description = "go through the cases N times")
    int repeat;

    @Option(
            names = "--seconds",
            paramLabel = "S",
            defaultValue = "12",
            description = "time each case for S seconds after half as long to warm up (default 12)")
    double seconds;

    @Option(
            names = "--resident",
            description = "leave the inputs where the backend computes and the results too: time the steps alone")
    boolean resident;

    @Option(
            names = "--matmul",
            paramLabel = "N",
            description = "time the product of two N x N matrices instead of networks")
    Integer side;

    @Option(
            names = "--model",
            paramLabel = "FILE",
            description = "a model file for inference and cold_start instead of one with random weights")
    Path model;

    @Option(names = "--profile", description = "print where the time goes, step by step, instead")
    boolean profile;

    @Option(names = "--json", description = "the profile as JSON, one object a case")
    boolean json;

    @Option(
            names = "--compare",
            paramLabel = "FILE",
            description =
                    "compare with what --json printed before, as shares of each run's peak; exit status 1 if slower")
    Path baseline;

    @Option(
            names = "--limit",
            paramLabel = "PERCENT",
            defaultValue = "5",
            description = "how much slower than the file, beyond noise, --compare lets pass (default 5)")
    double limit;

    @Option(
            names = "--kernels",
            paramLabel = "REGEX",
            arity = "0..1",
            fallbackValue = "",
            description =
                    "time single kernels instead: the product of 1024 x 1024 matrices and every convolution of ResNet-50"
                            + " (those whose name the expression matches), --seconds / 24 each, on one thread and on"
                            + " all unless --threads says")
    Pattern kernels;

    @Option(
            names = "--recompute",
            description = "training steps compute normalised and activated values again instead of keeping them")
    boolean recompute;

    @Option(names = "--write-models", paramLabel = "FOLDER", hidden = true)
    Path writeTo;

    private Path folder;
    private volatile Process other;
    private final List<Map<String, Object>> profiles = new ArrayList<>();
    private double peak;

    @Override
    public Integer call() {
        if (repeat < 1 || !(seconds > 0)) {
            throw new UsageException("--repeat must be 1 or more and --seconds positive");
        }
        PrintWriter out = spec.commandLine().getOut();
        if (side != null && (side < 1 || side > 32_768)) {
            throw new UsageException("--matmul must be from 1 to 32768, not " + side);
        }
        if (side != null || kernels != null) {
            checkAlone();
        }
        List<BenchCase> wanted =
                (cases.isEmpty() ? DEFAULT : cases).stream().map(BenchCase::of).toList();
        boolean steps = profile || json || baseline != null;
        if (wanted.stream().anyMatch(BenchCase::isColdStart) && (wanted.size() > 1 || repeat > 1 || steps)) {
            throw new UsageException("cold_start counts from the start of the process: give it alone, without --repeat,"
                    + " --profile, --json or --compare");
        }
        if (kernels != null) {
            kernels(out);
            return Exit.OK;
        }
        if (writeTo != null) {
            wanted.forEach(c -> c.write(writeTo));
            return Exit.OK;
        }
        if (model != null || side != null || wanted.stream().allMatch(BenchCase::train)) {
            return time(wanted, steps, out);
        }
        try {
            folder = Files.createTempDirectory("gradus-bench-");
            // After Ctrl-C too, and for a file that Windows does not let go of before the end.
            Runtime.getRuntime().addShutdownHook(new Thread(this::clear, "gradus-bench-clear"));
            try {
                int status = again("--write-models", folder.toString());
                return status != Exit.OK
                        ? status
                        : wanted.getFirst().isColdStart()
                                ? again(
                                        "--model",
                                        wanted.getFirst().file(folder).toString())
                                : time(wanted, steps, out);
            } finally {
                clear();
            }
        } catch (IOException e) {
            throw new FileException("cannot make a folder for models: " + FileException.reason(e), e);
        }
    }

    /** @throws UsageException if more was given than {@code --kernels} or {@code --matmul} heeds */
    private void checkAlone() {
        String only = kernels != null ? "--kernels" : "--matmul";
        List<String> others = kernels != null
                ? List.of("--matmul", "--model", "--resident", "--recompute", "--profile", "--json", "--compare")
                : List.of("--model", "--resident", "--recompute");
        var given = new ArrayList<>(cases);
        spec.commandLine().getParseResult().matchedOptions().stream()
                .map(OptionSpec::longestName)
                .filter(others::contains)
                .forEach(given::add);
        if (!given.isEmpty()) {
            throw new UsageException(only + " times no networks, it goes without " + String.join(", ", given));
        }
    }

    /** Deletes the models and their folder, as far as they are there. */
    private void clear() {
        Process writer = other;
        if (writer != null) {
            writer.destroyForcibly().onExit().join(); // it would go on writing
        }
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            // gone already, or a mapped file on Windows, which is tried again at the end
        }
    }

    private int time(List<BenchCase> wanted, boolean steps, PrintWriter out) {
        List<Map<String, Object>> before = baseline == null ? List.of() : Comparison.read(baseline);
        try (var backend = engine.open()) {
            if (wanted.getFirst().isColdStart()) {
                coldStart(wanted.getFirst(), backend, out);
                return Exit.OK;
            }
            peak = backend.peakGflops();
            for (int i = 0; i < repeat; i++) {
                if (side != null && steps) {
                    Plan<?> plan = KernelTable.product(side, backend);
                    warmUp(plan::run);
                    profile("matmul" + side, gflop(side), plan, out);
                } else if (side != null) {
                    matMul(side, backend, out);
                } else {
                    wanted.forEach(c -> measure(c, steps, backend, out));
                }
            }
        }
        if (baseline == null) {
            return Exit.OK;
        }
        Comparison comparison = Comparison.of(before, profiles, limit / 100);
        out.print(comparison.table());
        return comparison.slower() ? Exit.DIFFERENT : Exit.OK;
    }

    private void measure(BenchCase c, boolean steps, Backend<?> backend, PrintWriter out) {
        if (steps) {
            profile(c, backend, out);
        } else {
            time(c, backend, out);
        }
    }

    /** Of the product of two n x n matrices. */
    private static double gflop(int n) {
        return 2e-9 * n * n * n;
    }

    private <B> void time(BenchCase c, Backend<B> backend, PrintWriter out) {
        Runnable step = resident ? steps(c, backend) : c.train() ? training(c, backend) : inference(c, backend);
        time(c.name(), c.batch(), c.gflop(), step, backend, out);
    }

    private <B> void matMul(int n, Backend<B> backend, PrintWriter out) {
        var random = new SplittableRandom(1);
        B a = matrix(n, random, backend);
        B b = matrix(n, random, backend);
        B y = backend.allocate((long) n * n);
        peak = backend.peakGflops();
        Runnable product = backend.recorded(() -> backend.matMul(n, n, n, false, false, a, b, y));
        Runnable step = () -> {
            product.run();
            backend.synchronize();
        };
        time("matmul" + n, 1, gflop(n), step, backend, out);
    }

    /** Numbers from 0 to 1: multiplying equal ones takes less power, so that a device that is held to some would run faster. */
    private static <B> B matrix(int n, SplittableRandom random, Backend<B> backend) {
        B matrix = backend.allocate((long) n * n);
        for (int row = 0; row < n; row++) {
            var values = new float[n];
            for (int i = 0; i < n; i++) {
                values[i] = random.nextFloat();
            }
            backend.write(Tensor.of(Shape.of(n), values), backend.slice(matrix, (long) row * n, n));
        }
        return matrix;
    }

    private void time(String name, int batch, double gflop, Runnable step, Backend<?> backend, PrintWriter out) {
        warmUp(step);
        var millis = new double[1 << 16];
        int reps = 0;
        long begin = System.nanoTime();
        while (reps < 5 || System.nanoTime() - begin < seconds * 1e9 && reps < millis.length) {
            long start = System.nanoTime();
            step.run();
            millis[reps++] = (System.nanoTime() - start) * 1e-6;
        }
        Arrays.sort(millis, 0, reps);
        double median = (millis[(reps - 1) / 2] + millis[reps / 2]) / 2;
        double gflops = gflop * 1000 / median;
        out.println(String.format(
                Locale.ROOT,
                "peer=gradus case=%s threads=%d batch=%d img_per_s=%.2f p50_ms=%.2f min_ms=%.2f reps=%d gflops=%.1f"
                        + " vmhwm_mib=%d # backend=%s precision=%s fma_peak=%.1f percent_of_peak=%.0f",
                name,
                threads(),
                batch,
                batch * 1000 / median,
                median,
                millis[0],
                reps,
                gflops,
                peakMemory(),
                backend.name(),
                engine.precision().name().toLowerCase(Locale.ROOT),
                peak,
                100 * gflops / peak));
        out.flush();
    }

    private void warmUp(Runnable step) {
        long begin = System.nanoTime();
        for (int i = 0; i < 3 || System.nanoTime() - begin < seconds / 2 * 1e9; i++) {
            step.run();
        }
    }

    /** The steps of a network whose inputs were fed once; nothing is read but that they are done. */
    private <B> Runnable steps(BenchCase c, Backend<B> backend) {
        Plan<B> plan;
        if (c.train()) {
            var training = trainer(c, backend);
            training.trainOnBatch(c.labelled()); // feeds everything
            plan = training.plan(c.batch());
        } else {
            Model loaded = loaded(c);
            var predictor = Predictor.of(loaded, backend);
            predictor.predict(c.withBatch(1).pictures()); // brings the weights
            plan = predictor.planOf(c.batch());
            plan.feed(loaded.inputNames().getFirst(), c.pictures());
        }
        return () -> {
            plan.run();
            backend.synchronize();
        };
    }

    private <B> Runnable inference(BenchCase c, Backend<B> backend) {
        var predictor = Predictor.of(loaded(c), backend);
        Tensor x = c.pictures();
        return () -> predictor.predict(x);
    }

    private <B> Training<B> trainer(BenchCase c, Backend<B> backend) {
        return Training.compile(c.model(), Adam.of(), SparseCategoricalCrossentropy.of(), List.of(), backend)
                .recompute(recompute);
    }

    private <B> Runnable training(BenchCase c, Backend<B> backend) {
        var training = trainer(c, backend);
        var batch = c.labelled();
        return () -> training.trainOnBatch(batch);
    }

    /** As users have one: from a file, theirs or one that another process has written. */
    private Model loaded(BenchCase c) {
        return Importer.load(model == null ? c.file(folder) : model).model();
    }

    private <B> void profile(BenchCase c, Backend<B> backend, PrintWriter out) {
        Plan<B> plan;
        if (c.train()) {
            var training = trainer(c, backend);
            training.trainOnBatch(c.labelled()); // feeds everything
            plan = training.plan(c.batch());
        } else {
            var predictor = Predictor.of(loaded(c), backend);
            predictor.predict(c.pictures());
            plan = predictor.planOf(c.batch());
        }
        profile(c.name(), c.gflop(), plan, out);
    }

    private void profile(String name, double gflop, Plan<?> plan, PrintWriter out) {
        var result = Profile.of(plan, Math.max(5, (int) (seconds * 500 / (gflop + 10))));
        var data = result.data();
        data.put("case", name);
        data.put("threads", (long) threads());
        profiles.add(data);
        if (json) {
            out.println(Json.write(data));
        } else if (profile) {
            out.println(name + ", " + threads() + " threads");
            out.print(result.table());
        }
        out.flush();
    }

    private <B> void coldStart(BenchCase c, Backend<B> backend, PrintWriter out) {
        Predictor.of(loaded(c), backend).predict(c.pictures());
        double s = age();
        out.println(String.format(
                Locale.ROOT,
                "peer=gradus case=cold_start threads=%d batch=1 seconds=%.2f vmhwm_mib=%d",
                threads(),
                s,
                peakMemory()));
    }

    /** Starts this command again, as it was started itself, with these arguments more; returns its exit status. */
    private int again(String... more) {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        List<String> self = List.of(ProcessHandle.current().info().arguments().orElse(new String[0]));
        int main = Math.max(self.indexOf(MAIN), self.indexOf(Main.class.getName()));
        String modules = System.getProperty("jdk.module.path");
        if (main >= 0) { // options of the JVM, too
            command.addAll(self.subList(0, main + 1));
        } else if (modules != null) {
            command.addAll(List.of("-p", modules, "-m", MAIN));
        } else {
            command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        }
        var arguments =
                new ArrayList<>(spec.root().commandLine().getParseResult().originalArgs());
        arguments.addAll(arguments.indexOf(spec.name()) + 1, List.of(more)); // not at the end: a -- may stand before
        command.addAll(arguments);
        try {
            other = new ProcessBuilder(command).inheritIO().start();
            return other.waitFor();
        } catch (IOException e) {
            throw new FileException("cannot start another process: " + FileException.reason(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Exit.INTERRUPTED;
        }
    }

    /**
     * Seconds since this process was started. The JDK gives the time of day of the start, which on Linux may be off by up to a
     * second, because the system states the time of its own start in whole ones.
     */
    private static double age() {
        try {
            String stat = Files.readString(Path.of("/proc/self/stat"));
            String ticks = stat.substring(stat.lastIndexOf(')') + 2).split(" ")[19]; // in 1/100 s, as uptime
            String uptime = Files.readString(Path.of("/proc/uptime")).split(" ")[0];
            return Double.parseDouble(uptime) - Long.parseLong(ticks) * 0.01;
        } catch (IOException | RuntimeException e) { // not Linux
            Instant start = ProcessHandle.current().info().startInstant().orElseThrow();
            return Duration.between(start, Instant.now()).toNanos() * 1e-9;
        }
    }

    private void kernels(PrintWriter out) {
        int all = threads();
        for (int t : engine.threads == 0 && all > 1 ? new int[] {1, all} : new int[] {all}) {
            engine.threads = t;
            try (var backend = engine.open()) {
                kernels(backend, out);
            }
        }
    }

    private <B> void kernels(Backend<B> backend, PrintWriter out) {
        BenchCase c = BenchCase.of("A_infer224_b1");
        var table = KernelTable.of(c.model(), c.pictures(), backend);
        for (int i = 0; i < repeat; i++) {
            table.print(kernels, backend, threads(), seconds / 24, out);
        }
    }

    private int threads() {
        return engine.threads == 0 ? Runtime.getRuntime().availableProcessors() : engine.threads;
    }

    /** Largest resident size of this process so far in MiB, where the system tells (Linux); else -1. */
    private static long peakMemory() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith("VmHWM:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                    .findFirst()
                    .orElse(-1);
        } catch (IOException e) {
            return -1;
        }
    }
}
