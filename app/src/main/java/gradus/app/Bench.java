package gradus.app;

import gradus.backend.Backend;
import gradus.importer.Importer;
import gradus.io.FileException;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.layers.Predictor;
import gradus.plan.Plan;
import gradus.plan.Profile;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import gradus.train.Adam;
import gradus.train.Batch;
import gradus.train.Checkpoint;
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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gradus bench}: times whole networks and says what share of the machine they use. */
@Command(
        name = "bench",
        description = {
            "Times ResNet-50 and prints a line for each case: median and least time of a step, pictures a second,",
            "GFLOP/s as if every multiplication were done, peak memory, and the machine's own limit measured in the",
            "same process. Cases: A_infer224_b1, A_infer224_b16, B_infer64_b32, C_train64_b32, D_train224_b8, any other",
            "of the form infer224_bN, infer64_bN, train224_bN, train64_bN, and cold_start (one prediction of A, from the",
            "start of a process on, the model coming from a file; give it alone). Inference uses a model file, by default",
            "one of random weights that is written first."
        })
final class Bench implements Callable<Integer> {
    private static final int CLASSES = 1000;

    private static final List<String> DEFAULT =
            List.of("A_infer224_b1", "A_infer224_b16", "B_infer64_b32", "C_train64_b32", "D_train224_b8");
    private static final String COLD_START = "cold_start";
    private static final Pattern NAME = Pattern.compile("(?:[A-D]_)?(infer|train)(224|64)_b([1-9]\\d{0,4})");

    /** ResNet-50 on pictures of a size, in batches: {@code infer224_b16}. */
    private record Case(String name, int side, int batch, boolean train) {
        /** @throws UsageException if that is no case */
        static Case of(String name) {
            if (name.equals(COLD_START)) {
                return new Case(name, 224, 1, false);
            }
            Matcher m = NAME.matcher(name);
            if (!m.matches()) {
                throw new UsageException("no case '" + name + "'; 'gradus bench --help' lists them");
            }
            return new Case(
                    name,
                    Integer.parseInt(m.group(2)),
                    Integer.parseInt(m.group(3)),
                    m.group(1).equals("train"));
        }

        boolean isColdStart() {
            return name.equals(COLD_START);
        }

        /**
         * 10^9 operations of a step, of which convolutions and dense layers do 3.858 (pictures of 224 x 224) or 0.3082
         * multiply-adds a picture in the forward pass; a multiply-add is two, the backward pass costs twice the forward pass.
         */
        double gflop() {
            return (side == 224 ? 3.858 : 0.3082) * (train ? 6 : 2) * batch;
        }

        /** With random weights. */
        Model model() {
            Model model = (side == 224 ? ResNets.byName("resnet50-224").classes(CLASSES) : ResNets.byName("resnet50"))
                    .build();
            model.initialize(1, DType.F32);
            return model;
        }

        @Override
        public String toString() {
            return name;
        }

        /** As users have one: from a file, which this writes and removes if the user gave none. */
        Model loaded(Path given) {
            if (given != null) {
                return Importer.load(given).model();
            }
            Path file = write();
            try {
                return Importer.load(file).model();
            } finally {
                delete(file);
            }
        }

        /** A file with a model of random weights. */
        Path write() {
            try {
                Path file = Files.createTempFile("gradus-bench-", ".safetensors");
                Checkpoint.of(model()).save(file);
                return file;
            } catch (IOException e) {
                throw new FileException("cannot make a file for a model: " + e.getMessage(), e);
            }
        }
    }

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
            description = {
                "time single kernels instead: the product of 1024 x 1024 matrices and every convolution of ResNet-50",
                "(those whose name the expression matches), --seconds / 24 each, on one thread and on all unless",
                "--threads says"
            })
    Pattern kernels;

    private final List<Map<String, Object>> profiles = new ArrayList<>();
    private double peak;

    @Override
    public Integer call() {
        if (repeat < 1 || !(seconds > 0)) {
            throw new UsageException("--repeat must be 1 or more and --seconds positive");
        }
        PrintWriter out = spec.commandLine().getOut();
        if (side != null && (side < 1 || side > 32_768 || !cases.isEmpty())) {
            throw new UsageException("--matmul must be from 1 to 32768, without a case");
        }
        List<Case> wanted =
                (cases.isEmpty() ? DEFAULT : cases).stream().map(Case::of).toList();
        boolean steps = profile || json || baseline != null;
        if (wanted.stream().anyMatch(Case::isColdStart) && (wanted.size() > 1 || repeat > 1 || steps)) {
            throw new UsageException("cold_start counts from the start of the process: give it alone, without --repeat,"
                    + " --profile, --json or --compare");
        }
        if (kernels != null) {
            if (!cases.isEmpty() || steps) {
                throw new UsageException("--kernels times no CASE and goes without --profile, --json and --compare");
            }
            kernels(out);
            return Exit.OK;
        }
        if (side == null && wanted.stream().anyMatch(Case::isColdStart) && model == null) {
            return coldStartOfAnother();
        }
        List<Map<String, Object>> before = baseline == null ? List.of() : Comparison.read(baseline);
        try (var backend = engine.open()) {
            if (side != null) {
                matMul(side, backend, out);
                return Exit.OK;
            }
            if (wanted.getFirst().isColdStart()) {
                coldStart(backend, out);
                return Exit.OK;
            }
            peak = backend.peakGflops();
            for (int i = 0; i < repeat; i++) {
                for (Case c : wanted) {
                    if (steps) {
                        profile(c, backend, out);
                    } else {
                        time(c, backend, out);
                    }
                    out.flush();
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

    private <B> void time(Case c, Backend<B> backend, PrintWriter out) {
        Runnable step = resident ? steps(c, backend) : c.train ? training(c, backend) : inference(c, backend);
        time(c.name, c.batch, c.gflop(), step, backend, out);
    }

    private <B> void matMul(int n, Backend<B> backend, PrintWriter out) {
        B a = backend.allocate((long) n * n);
        B b = backend.allocate((long) n * n);
        B y = backend.allocate((long) n * n);
        backend.fill(n * n, 0.5, a);
        backend.fill(n * n, 0.25, b);
        peak = backend.peakGflops();
        Runnable product = backend.recorded(() -> backend.matMul(n, n, n, false, false, a, b, y));
        Runnable step = () -> {
            product.run();
            backend.synchronize();
        };
        time("matmul" + n, 1, 2e-9 * n * n * n, step, backend, out);
    }

    private void time(String name, int batch, double gflop, Runnable step, Backend<?> backend, PrintWriter out) {
        long begin = System.nanoTime();
        for (int i = 0; i < 3 || System.nanoTime() - begin < seconds / 2 * 1e9; i++) {
            step.run();
        }
        var millis = new double[1 << 16];
        int reps = 0;
        begin = System.nanoTime();
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
    }

    /** The steps of a network whose inputs were fed once; nothing is read but that they are done. */
    private <B> Runnable steps(Case c, Backend<B> backend) {
        Plan<B> plan;
        if (c.train) {
            var training = trainer(c, backend);
            training.trainOnBatch(batch(c)); // feeds everything
            plan = training.plan(c.batch);
        } else {
            Model loaded = c.loaded(model);
            var predictor = Predictor.of(loaded, backend);
            predictor.predict(pictures(new Case(c.name, c.side, 1, false))); // brings the weights
            plan = predictor.planOf(c.batch);
            plan.feed(loaded.inputNames().getFirst(), pictures(c));
        }
        return () -> {
            plan.run();
            backend.synchronize();
        };
    }

    private <B> Runnable inference(Case c, Backend<B> backend) {
        var predictor = Predictor.of(c.loaded(model), backend);
        Tensor x = pictures(c);
        return () -> predictor.predict(x);
    }

    private static <B> Training<B> trainer(Case c, Backend<B> backend) {
        return Training.compile(c.model(), Adam.of(), SparseCategoricalCrossentropy.of(), List.of(), backend);
    }

    private static <B> Runnable training(Case c, Backend<B> backend) {
        var training = trainer(c, backend);
        var batch = batch(c);
        return () -> training.trainOnBatch(batch);
    }

    private static Batch batch(Case c) {
        var y = new float[c.batch];
        for (int i = 0; i < y.length; i++) {
            y[i] = i % 6;
        }
        return new Batch(pictures(c), Tensor.of(Shape.of(c.batch), y), null);
    }

    /** Uniform numbers; what is in the pictures makes no difference to the time. */
    private static Tensor pictures(Case c) {
        var random = new SplittableRandom(1);
        var x = new float[c.batch * c.side * c.side * 3];
        for (int i = 0; i < x.length; i++) {
            x[i] = random.nextFloat();
        }
        return Tensor.of(Shape.of(c.batch, c.side, c.side, 3), x);
    }

    private <B> void profile(Case c, Backend<B> backend, PrintWriter out) {
        Plan<B> plan;
        if (c.train) {
            var training = trainer(c, backend);
            training.trainOnBatch(batch(c)); // feeds everything
            plan = training.plan(c.batch);
        } else {
            var predictor = Predictor.of(c.loaded(model), backend);
            predictor.predict(pictures(c));
            plan = predictor.planOf(c.batch);
        }
        var result = Profile.of(plan, Math.max(5, (int) (seconds * 500 / (c.gflop() + 10))));
        var data = result.data();
        data.put("case", c.name);
        data.put("threads", (long) threads());
        profiles.add(data);
        if (json) {
            out.println(Json.write(data));
        } else if (profile) {
            out.println(c + ", " + threads() + " threads");
            out.print(result.table());
        }
    }

    private <B> void coldStart(Backend<B> backend, PrintWriter out) {
        Case c = Case.of(COLD_START);
        Predictor.of(c.loaded(model), backend).predict(pictures(c));
        double s = age();
        out.println(String.format(
                Locale.ROOT,
                "peer=gradus case=cold_start threads=%d batch=1 seconds=%.2f vmhwm_mib=%d",
                threads(),
                s,
                peakMemory()));
    }

    /** Writes a model file and starts this command again with it, as it was started itself. */
    private int coldStartOfAnother() {
        Path file = Case.of(COLD_START).write();
        try {
            ProcessHandle.Info self = ProcessHandle.current().info();
            var command = new ArrayList<String>();
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            if (self.arguments().isPresent()) {
                command.addAll(List.of(self.arguments().get()));
            } else { // this system does not tell
                String modules = System.getProperty("jdk.module.path");
                command.addAll(
                        modules != null
                                ? List.of("-p", modules, "-m", "gradus.app/gradus.app.Main")
                                : List.of(
                                        "--add-modules",
                                        "jdk.incubator.vector",
                                        "-cp",
                                        System.getProperty("java.class.path"),
                                        Main.class.getName()));
                command.addAll(List.of("bench", "cold_start", "--threads", Integer.toString(engine.threads)));
            }
            command.addAll(List.of("--model", file.toString()));
            return new ProcessBuilder(command).inheritIO().start().waitFor();
        } catch (IOException e) {
            throw new FileException("cannot start another process: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Exit.INTERRUPTED;
        } finally {
            delete(file);
        }
    }

    private static void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            file.toFile().deleteOnExit(); // a mapped file, on Windows
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
        Case c = Case.of("A_infer224_b1");
        var table = KernelTable.of(c.model(), pictures(c), backend);
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
