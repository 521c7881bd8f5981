package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import gradus.app.Main;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Reference cases of two independent engines, judged by {@code gradus golden} on every backend and precision: those in
 * the resources always, and the complete set where it lies beside the project, in {@code ../shared/golden}.
 */
class GoldenTest {
    private static final Path COMPLETE = Path.of("..", "..", "shared", "golden");

    @TestFactory
    Stream<DynamicTest> everyCaseOnEveryBackend() throws URISyntaxException {
        var folders = new ArrayList<Path>();
        folders.add(Path.of(GoldenTest.class.getResource("/golden").toURI()));
        if (Files.isDirectory(COMPLETE)) {
            folders.add(COMPLETE);
        }
        return folders.stream()
                .flatMap(folder -> Stream.of(
                        test(folder, "--backend", "reference", "--precision", "float64"),
                        test(folder, "--backend", "reference", "--precision", "float32"),
                        test(folder, "--backend", "simd"),
                        test(folder, "--backend", "simd", "--unfused", "--threads", "1")));
    }

    private static DynamicTest test(Path folder, String... options) {
        var arguments = new ArrayList<>(List.of("golden", folder.toString()));
        arguments.addAll(List.of(options));
        return DynamicTest.dynamicTest(folder + " " + String.join(" ", options), () -> {
            var text = new StringWriter();
            var writer = new PrintWriter(text);
            int status = Main.run(writer, writer, arguments.toArray(String[]::new));
            writer.flush();
            assertEquals(0, status, text::toString);
        });
    }
}
