package gradus.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import gradus.io.Json;
import gradus.train.Checkpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Commands in processes of their own, ended by signals. */
class InterruptTest {
    private static final long PATIENCE_SECONDS = 120;

    @TempDir
    Path folder;

    @BeforeAll
    static void thereAreSignals() {
        assumeTrue(ProcessHandle.current().supportsNormalTermination());
    }

    /** In the second of many epochs: what is saved is newer than the end of the first, and goes on as if nothing had been. */
    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143"})
    void anInterruptedTrainingIsSavedAndGoesOn(String signal, int status) throws Exception {
        String[] train = {
            "train",
            "--model",
            "resnet20",
            "--size",
            "16",
            "--batch",
            "4",
            "--examples",
            "240",
            "--epochs",
            "2",
            "--threads",
            "1",
            "-q"
        };
        Path out = folder.resolve("run");
        Path file = out.resolve("model.safetensors");
        Process process = start(signal, folder, with(train, "--out", out.toString()));
        await(process, () -> Files.exists(out.resolve("curves.png"))); // the last that an epoch leaves
        send(signal, process);
        assertEquals(status, ended(process), said());
        var message = Pattern.compile("interrupted in epoch 2 after step (\\d+); .* gradus train --resume --out "
                        + Pattern.quote(out.toString()))
                .matcher(said());
        assertTrue(message.find(), said());
        var position = (Map<?, ?>) Json.parse(Checkpoint.load(file).metadata().get("position"));
        assertEquals(Long.parseLong(message.group(1)), position.get("step"));

        assertEquals(0, gradus("train", "--resume", "--threads", "1", "-q", "--out", out.toString()));
        Path whole = folder.resolve("whole");
        assertEquals(0, gradus(with(train, "--out", whole.toString())));
        assertEquals(-1, Files.mismatch(file, whole.resolve("model.safetensors")));
    }

    @Test
    void beforeTheFirstStepThereIsNothingToGoOnFrom() throws Exception {
        Path runs = folder.resolve("runs");
        Path out = runs.resolve("generated");
        Process process = start("TERM", folder, "train", "--out", out.toString());
        await(process, () -> Files.exists(out));
        send("TERM", process);
        assertEquals(143, ended(process), said());
        assertTrue(said().contains("interrupted before the first step; nothing was written"), said());
        assertFalse(Files.exists(runs));
    }

    @Test
    void benchLeavesNoModels() throws Exception {
        Path temporary = Files.createDirectory(folder.resolve("temporary"));
        Process process = start("TERM", temporary, "bench", "B_infer64_b32");
        await(process, () -> !found(temporary, "gradus-bench-").isEmpty());
        send("TERM", process);
        assertEquals(143, ended(process), said());
        assertEquals(List.of(), found(temporary, "gradus-bench-"));
    }

    private static List<Path> found(Path folder, String prefix) {
        try (var files = Files.list(folder)) {
            return files.filter(f -> f.getFileName().toString().startsWith(prefix))
                    .toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String[] with(String[] args, String... more) {
        var all = new ArrayList<>(Arrays.asList(args));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    private static int gradus(String... args) {
        var err = new StringWriter();
        int status = Main.run(new PrintWriter(new StringWriter()), new PrintWriter(err), args);
        assertEquals("", err.toString());
        return status;
    }

    /** A shell that starts commands in the background lets them ignore SIGINT, also those that they start. */
    private Process start(String signal, Path temporary, String... args) throws Exception {
        var command = new ArrayList<String>();
        if (signal.equals("INT")) {
            command.addAll(List.of("env", "--default-signal=INT"));
            assumeTrue(
                    new ProcessBuilder("env", command.getLast(), "true").start().waitFor() == 0);
        }
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Djava.io.tmpdir=" + temporary);
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
        command.addAll(List.of(args));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("said").toFile())
                .start();
    }

    private String said() throws IOException {
        return Files.readString(folder.resolve("said"));
    }

    private void await(Process process, BooleanSupplier condition) throws Exception {
        long begin = System.nanoTime();
        while (!condition.getAsBoolean()) {
            assertTrue(process.isAlive() && System.nanoTime() - begin < PATIENCE_SECONDS * 1e9, said());
            Thread.sleep(5);
        }
    }

    private static void send(String signal, Process process) throws Exception {
        assertEquals(
                0,
                new ProcessBuilder("kill", "-s", signal, Long.toString(process.pid()))
                        .start()
                        .waitFor());
    }

    private int ended(Process process) throws Exception {
        try {
            assertTrue(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), said());
            return process.exitValue();
        } finally {
            process.destroyForcibly();
        }
    }
}
