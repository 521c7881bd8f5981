package gradus.benchmarks.peers;

import gradus.benchmarks.Documents;
import gradus.benchmarks.Results;
import gradus.io.Json;
import gradus.tensor.GradusException;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * {@code ./gradus jmh --peers}: runs every engine on every case, each in a process of its own, the engines in turn for each
 * case and the whole twice: clocks drift and neighbours come and go, so only what was measured side by side is compared.
 */
public final class Peers {
    private static final String USAGE = """
            usage: ./gradus jmh --peers [options], after ./mvnw -P peers -DskipTests package
              --engines A,B     of gradus, onnxruntime, pytorch, tensorflow, dl4j (default: all that are built)
              --cases A,B       of A_infer224_b1, A_infer224_b16, B_infer64_b32, C_train64_b32, D_train224_b8, cold_start
              --threads 1,2     (default: all processors)
              --passes N        how often everything is run (default 2)
              --seconds S       time for each case, after half as long to warm up (default 6)
              --pass N          that pass alone: a long comparison in pieces, as --pass 1 --cases C_train64_b32
              --results FILE    keep the results there (default docs/results/peers.jsonl, from which docs/performance.md is
                                written; ./gradus jmh --render writes it again)
            """;

    /** Status of a process that a signal ended. */
    private static final int ABORTED = 134;

    private static final String COLD = "cold_start";

    /** In the order of the tables. */
    private enum Engine {
        gradus("Gradus", "benchmarks/target/lib", "gradus.benchmarks.peers.Gradus"),
        onnxruntime("ONNX Runtime", "benchmarks/peers/onnxruntime/target/lib", "gradus.peers.OnnxRuntime"),
        pytorch("PyTorch", "benchmarks/peers/pytorch/target/lib", "gradus.peers.PyTorch"),
        tensorflow("TensorFlow", "benchmarks/peers/tensorflow/target/lib", "gradus.peers.TensorFlowPeer"),
        dl4j("DL4J", "benchmarks/peers/dl4j/target/lib", "gradus.peers.Dl4j");

        final String title;
        final String jars;
        final String main;

        Engine(String title, String jars, String main) {
            this.title = title;
            this.jars = jars;
            this.main = main;
        }
    }

    private final Path root;
    private final Path log;
    private Path results;
    private List<Engine> engines;
    private List<String> cases =
            new ArrayList<>(Stream.of(Case.values()).map(Case::name).toList());
    private List<Integer> threads = List.of(Runtime.getRuntime().availableProcessors());
    private int firstPass = 1;
    private int passes = 2;
    private double seconds = 6;

    /** PyTorch's. On one virtual machine its oneDNN ended the process with SIGFPE in NHWC, why is not known. */
    private String layout = "nhwc";

    private Peers(Path root) {
        this.root = root;
        log = root.resolve("benchmarks/target/peers.log");
        results = PeerTables.file(root);
        engines = Stream.of(Engine.values())
                .filter(e -> Files.isDirectory(root.resolve(e.jars)))
                .toList();
        cases.add(COLD);
    }

    /** Returns the exit status. */
    public static int run(String[] args, Path root) {
        try {
            var peers = new Peers(root);
            for (int i = 0; i < args.length; i += 2) {
                if (args[i].equals("--help")) {
                    System.out.print(USAGE);
                    return 0;
                }
                peers.option(args[i], i + 1 < args.length ? args[i + 1] : null);
            }
            peers.measure();
            Documents.write(root);
            return 0;
        } catch (IOException | GradusException e) {
            System.err.println("gradus: jmh --peers: " + e.getMessage());
            return 1;
        } catch (InterruptedException e) {
            return 130;
        } catch (IllegalArgumentException e) {
            System.err.println("gradus: jmh --peers: " + e.getMessage() + "; './gradus jmh --peers --help' explains");
            return 2;
        }
    }

    private void option(String name, String value) {
        if (value == null) {
            throw new IllegalArgumentException(name + " needs a value, or is no option");
        }
        List<String> list = List.of(value.split(","));
        switch (name) {
            case "--engines" -> engines = list.stream().map(Engine::valueOf).toList();
            case "--cases" -> {
                list.stream().filter(c -> !c.equals(COLD)).forEach(Case::valueOf);
                cases = list;
            }
            case "--threads" -> threads = list.stream().map(Integer::valueOf).toList();
            case "--passes" -> passes = Integer.parseInt(value);
            case "--pass" -> {
                firstPass = Integer.parseInt(value);
                passes = firstPass;
            }
            case "--seconds" -> seconds = Double.parseDouble(value);
            case "--results" -> results = Path.of(value);
            default -> throw new IllegalArgumentException("no option " + name);
        }
    }

    private void measure() throws IOException, InterruptedException {
        Files.createDirectories(results.toAbsolutePath().getParent());
        for (int pass = firstPass; pass <= passes; pass++) {
            for (int count : threads) {
                for (String c : cases) {
                    for (Engine engine : engines) {
                        boolean trains = !c.equals(COLD) && Case.valueOf(c).train();
                        if (!trains || engine != Engine.onnxruntime) {
                            measure(engine, c, count, pass);
                        }
                    }
                }
            }
        }
    }

    private void measure(Engine engine, String c, int count, int pass) throws IOException, InterruptedException {
        boolean cold = c.equals(COLD);
        var line = new LinkedHashMap<String, Object>();
        line.put("engine", engine.title);
        line.put("case", c);
        line.put("threads", (long) count);
        line.put("pass", (long) pass);
        line.put("jar_bytes", jarBytes(engine));
        if (cold) { // once unmeasured: jars and models are then in the system's cache, for every engine
            builder(engine, Case.A_infer224_b1.name(), count, 0)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
        }
        long start = System.nanoTime();
        Process process = builder(engine, cold ? Case.A_infer224_b1.name() : c, count, cold ? 0 : seconds)
                .start();
        try (var out = new BufferedReader(new InputStreamReader(process.getInputStream()))) {
            String last = "";
            for (String text = out.readLine(); text != null; text = out.readLine()) {
                if (text.equals("first")) {
                    line.put("first_seconds", (System.nanoTime() - start) * 1e-9);
                } else if (text.startsWith("{")) {
                    last = text;
                }
            }
            int status = process.waitFor();
            if (status == ABORTED && engine == Engine.pytorch && layout.equals("nhwc")) {
                System.out.println("PyTorch ends with an abort in NHWC here; going on in NCHW");
                layout = "nchw";
                measure(engine, c, count, pass);
                return;
            }
            if (status == 0 && !last.isEmpty()) {
                ((Map<?, ?>) Json.parse(last)).forEach((k, v) -> line.put((String) k, v));
            } else if (engine == Engine.gradus) {
                throw new GradusException("Gradus failed on " + c + " with status " + status + "; see " + log);
            } else {
                line.put("failed", (long) status);
            }
        } finally {
            process.destroy();
        }
        Results.put(results, line, "engine", "case", "threads", "pass");
        System.out.printf(
                Locale.ROOT,
                "pass %d  %-15s %d threads  %-12s %s%n",
                pass,
                c,
                count,
                engine.title,
                outcome(line, cold));
    }

    private static String outcome(Map<String, Object> line, boolean cold) {
        if (line.containsKey("failed")) {
            return "failed with status " + line.get("failed");
        }
        String time = cold
                ? String.format(Locale.ROOT, "%.2f s to the first prediction", (double) line.get("first_seconds"))
                : String.format(Locale.ROOT, "%.2f ms", (double) line.get("ms"));
        return time + ", " + line.get("peak_mib") + " MiB";
    }

    private ProcessBuilder builder(Engine engine, String c, int count, double seconds) {
        var command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        if (engine == Engine.gradus) { // as the script starts it
            command.addAll(List.of("--add-modules", "jdk.incubator.vector", "-XX:+UseSerialGC", "-Xmn16m"));
            command.addAll(List.of("-XX:PretenureSizeThreshold=1m", "-XX:MinHeapFreeRatio=10"));
            command.addAll(List.of("-XX:MaxHeapFreeRatio=20", "-Djdk.reflect.useNativeAccessorOnly=true"));
            command.addAll(List.of("-XX:+IgnoreUnrecognizedVMOptions", "-XX:+UseTransparentHugePages"));
        } else {
            command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"));
        }
        String jars = root.resolve(engine.jars) + File.separator + "*";
        command.add("-D" + Peer.FOLDER + "=" + root.resolve("benchmarks/target"));
        command.add("-D" + Peer.LAYOUT + "=" + layout);
        command.addAll(List.of("-XX:MaxRAMPercentage=75", "-XX:ErrorFile=" + log, "-cp", jars, engine.main));
        command.addAll(List.of(c, Integer.toString(count), Double.toString(seconds)));
        var builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        // OpenBLAS takes no notice of the threads an engine is set to; idle, its workers spin on the cores the others
        // need.
        // PyTorch needs it for the last, small product only; DL4J computes its convolutions with it.
        builder.environment().put("OMP_NUM_THREADS", Integer.toString(count));
        builder.environment().put("OPENBLAS_NUM_THREADS", engine == Engine.dl4j ? Integer.toString(count) : "1");
        return builder;
    }

    /** Bytes of the jars a program needs for this engine: what the comparison itself needs is left out. */
    private long jarBytes(Engine engine) throws IOException {
        try (var files = Files.list(root.resolve(engine.jars))) {
            return files.filter(f -> {
                        String name = f.getFileName().toString();
                        boolean harness = name.matches("(gradus|jmh|jopt|commons-math3).*");
                        return engine == Engine.gradus
                                ? Arrays.asList("gradus-engine.jar", "gradus-layers.jar", "gradus-resnet.jar")
                                        .contains(name)
                                : !harness || engine == Engine.dl4j && name.startsWith("commons-math3");
                    })
                    .mapToLong(f -> f.toFile().length())
                    .sum();
        }
    }
}
