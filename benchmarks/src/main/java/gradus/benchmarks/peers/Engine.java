package gradus.benchmarks.peers;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What is compared, in the order of the tables: how each engine is called, and how its program is started. */
enum Engine {
    gradus("Gradus", "benchmarks/target/lib", "gradus.benchmarks.peers.Gradus"),
    onnxruntime("ONNX Runtime", "benchmarks/peers/onnxruntime/target/lib", "gradus.peers.OnnxRuntime"),
    pytorch("PyTorch", "benchmarks/peers/pytorch/target/lib", "gradus.peers.PyTorch"),
    tensorflow("TensorFlow", "benchmarks/peers/tensorflow/target/lib", "gradus.peers.TensorFlowPeer"),
    dl4j("DL4J", "benchmarks/peers/dl4j/target/lib", "gradus.peers.Dl4j");

    /** As the script starts it, {@link #ALIGNED} except for a cold start. */
    private static final List<String> OURS = List.of(
            "--add-modules",
            "jdk.incubator.vector",
            "-XX:MaxRAMPercentage=75",
            "-XX:+UseSerialGC",
            "-Xmn16m",
            "-XX:PretenureSizeThreshold=1m",
            "-XX:MinHeapFreeRatio=10",
            "-XX:MaxHeapFreeRatio=20",
            "-Djdk.reflect.useNativeAccessorOnly=true",
            "-XX:+IgnoreUnrecognizedVMOptions",
            "-XX:TrimNativeHeapInterval=500",
            "-XX:+UseTransparentHugePages");

    private static final String ALIGNED = "-XX:ObjectAlignmentInBytes=64";

    /**
     * Their data lies outside the heap. What DL4J no longer needs is freed when the collector finds it, so it is told how much
     * it may have: all engines wait side by side.
     */
    private static final List<String> THEIRS = List.of(
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-Xmx4g",
            "-Dorg.bytedeco.javacpp.maxbytes=8g",
            "-Dorg.bytedeco.javacpp.maxphysicalbytes=12g");

    private final String title;
    private final String jars;
    private final String main;

    Engine(String title, String jars, String main) {
        this.title = title;
        this.jars = jars;
        this.main = main;
    }

    /** As the tables call it. */
    String title() {
        return title;
    }

    boolean isBuilt(Path root) {
        return Files.isDirectory(root.resolve(jars));
    }

    boolean computes(Case c) {
        return !c.train() || this != onnxruntime;
    }

    /** What starts its program on a case; what that says of errors goes to the log. */
    ProcessBuilder process(Case c, boolean cold, int threads, String layout, Path root, Path log) {
        var command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(this == gradus ? OURS : THEIRS);
        if (this == gradus && !cold) {
            command.add(ALIGNED);
        }
        command.add("-D" + Peer.FOLDER + "=" + root.resolve("benchmarks/target"));
        command.add("-D" + Peer.LAYOUT + "=" + layout);
        command.addAll(List.of("-XX:ErrorFile=" + log, "-cp", root.resolve(jars) + File.separator + "*", main));
        command.addAll(List.of(c.name(), Integer.toString(threads)));
        var builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
        // OpenBLAS takes no notice of the threads an engine is set to; idle, its workers spin on the cores the others
        // need.
        // PyTorch needs it for the last, small product only; DL4J computes its convolutions with it.
        builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
        builder.environment().put("OPENBLAS_NUM_THREADS", this == dl4j ? Integer.toString(threads) : "1");
        return builder;
    }

    /** Bytes of the jars a program needs for this engine: what the comparison itself needs is left out. */
    long jarBytes(Path root) throws IOException {
        try (var files = Files.list(root.resolve(jars))) {
            return files.filter(f -> {
                        String name = f.getFileName().toString();
                        boolean harness = name.matches("(gradus|jmh|jopt|commons-math3).*");
                        return this == gradus
                                ? List.of("gradus-engine.jar", "gradus-layers.jar", "gradus-resnet.jar")
                                        .contains(name)
                                : !harness || this == dl4j && name.startsWith("commons-math3");
                    })
                    .mapToLong(f -> f.toFile().length())
                    .sum();
        }
    }
}
