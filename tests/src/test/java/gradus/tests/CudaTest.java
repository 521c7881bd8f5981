package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import gradus.app.Main;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The command line with {@code --backend cuda}, each command a process of its own: without a driver, and on the emulated
 * one of the module cuda-kernels, which runs the kernels on this processor and is there where g++ is.
 */
class CudaTest {
    private static final Path EMULATED = Path.of("..", "cuda-kernels", "target", "emulation", "libcuda.so.1");
    private static final int SECONDS = 240;

    @TempDir
    Path folder;

    private record Run(int status, String text) {}

    private Run run(Class<?> program, Path driver, String... arguments) throws IOException, InterruptedException {
        var command = new ArrayList<String>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-Dgradus.cuda.driver=" + driver.toAbsolutePath(),
                "-cp",
                System.getProperty("java.class.path"),
                program.getName()));
        command.addAll(List.of(arguments));
        Path out = Files.createTempFile(folder, "out", ".txt");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertTrue(process.waitFor(SECONDS, TimeUnit.SECONDS), () -> "not done: " + command);
        return new Run(process.exitValue(), Files.readString(out));
    }

    private Run emulated(Class<?> program, String... arguments) throws IOException, InterruptedException {
        assumeTrue(Files.exists(EMULATED), "no emulated driver: there is no g++");
        return run(program, EMULATED, arguments);
    }

    private static Path golden() throws URISyntaxException {
        return Path.of(CudaTest.class.getResource("/golden").toURI());
    }

    /** One line says what is missing and what to do; who did not ask for it is not bothered. */
    @Test
    void withoutADriver() throws IOException, InterruptedException, URISyntaxException {
        Path nothing = folder.resolve("libcuda.so.1");
        String[] command = {"golden", golden().toString(), "--group", "dense"};
        Run asked = run(Main.class, nothing, with(command, "--backend", "cuda"));
        assertEquals(2, asked.status, asked.text);
        List<String> lines =
                asked.text.lines().filter(l -> !l.startsWith("WARNING")).toList();
        assertEquals(1, lines.size(), asked.text);
        assertTrue(lines.getFirst().contains("there is no NVIDIA driver"), asked.text);
        assertTrue(lines.getFirst().contains("install the driver"), asked.text);
        Run other = run(Main.class, nothing, with(command, "--backend", "auto"));
        assertEquals(0, other.status, other.text);
        assertTrue(other.text.contains("backend simd"), other.text);
        assertFalse(other.text.contains("NVIDIA"), other.text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"float32", "tf32", "bf16"})
    void goldenCases(String precision) throws IOException, InterruptedException, URISyntaxException {
        String groups = "conv2d,dense,batch_norm,activation,pool,pad_add,loss,optimizer";
        if (precision.equals("float32")) {
            groups += ",block,notebook"; // coarser factors turn some of their ReLUs on or off
        }
        Run run = emulated(
                Main.class,
                "golden",
                golden().toString(),
                "--backend",
                "cuda",
                "--precision",
                precision,
                "--group",
                groups);
        assertTrue(run.text.contains("emulated device"), run.text);
        assertEquals(0, run.status, run.text);
    }

    /**
     * Four steps, the last two as graphs: in every run the same bits, and the losses of the CPU. These with SGD: Adam makes a
     * whole step of a gradient that is but rounding.
     */
    @Test
    void training() throws IOException, InterruptedException {
        Run once = emulated(TrainingSteps.class, "cuda", "FLOAT32", "ADAM");
        assertEquals(0, once.status, once.text);
        assertTrue(once.text.contains("bits "), once.text);
        assertEquals(once.text, emulated(TrainingSteps.class, "cuda", "FLOAT32", "ADAM").text);
        Run simd = emulated(TrainingSteps.class, "simd", "FLOAT32", "SGD");
        Run cuda = emulated(TrainingSteps.class, "cuda", "FLOAT32", "SGD");
        assertArrayEquals(losses(simd), losses(cuda), 1e-4, () -> simd.text + cuda.text);
        Run bf16 = emulated(TrainingSteps.class, "cuda", "BF16", "SGD");
        assertArrayEquals(losses(simd), losses(bf16), 0.1, () -> simd.text + bf16.text);
    }

    private static double[] losses(Run run) {
        double[] losses = run.text
                .lines()
                .filter(l -> l.startsWith("loss "))
                .mapToDouble(l -> Double.parseDouble(l.substring(5)))
                .toArray();
        assertEquals(4, losses.length, run.text);
        return losses;
    }

    private static String[] with(String[] command, String... more) {
        var all = new ArrayList<>(List.of(command));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }
}
