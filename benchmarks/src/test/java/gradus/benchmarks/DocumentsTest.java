package gradus.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.tensor.GradusException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DocumentsTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

    /** No figure was typed by hand: what stands in README and docs is what docs/results gives. */
    @Test
    void committedDocumentsAreThoseOfTheResults() throws IOException {
        Map<String, String> rendered = Documents.of(ROOT);
        assertTrue(rendered.keySet().containsAll(List.of("README.md", "docs/performance.md", "docs/ladder.md")));
        for (var document : rendered.entrySet()) {
            assertEquals(
                    document.getValue(),
                    Files.readString(ROOT.resolve(document.getKey())),
                    document.getKey() + " differs from docs/results: run ./gradus jmh --render, or measure");
        }
    }

    /** Results of every kind, put twice: the later ones count, and tables name case, ratio and origin. */
    @Test
    void tablesShowTheLatestResults(@TempDir Path root) throws IOException {
        for (String name : List.of("README.md", "docs/performance.md", "docs/ladder.md")) {
            Files.createDirectories(root.resolve(name).getParent());
            Files.copy(ROOT.resolve(name), root.resolve(name));
        }
        Path peers = Files.createDirectories(Results.folder(root)).resolve("peers.jsonl");
        for (double ms : new double[] {50, 10}) { // the second replaces the first
            Results.put(peers, line("Gradus", 1, ms, 1), "engine", "case", "threads", "pass");
        }
        Results.put(peers, line("PyTorch", 1, 20, 2), "engine", "case", "threads", "pass");
        Results.put(peers, line("Gradus", 2, 10, 1), "engine", "case", "threads", "pass");
        Results.put(peers, line("PyTorch", 2, 25, 2.5), "engine", "case", "threads", "pass");
        Results.put(peers, line("TensorFlow", 1, 30, 3), "engine", "case", "threads", "pass");
        Results.put(peers, line("TensorFlow", 2, 30, 3.2), "engine", "case", "threads", "pass");
        assertEquals(6, Results.read(peers).size());

        String text = Documents.of(root).get("docs/performance.md");
        String pytorch = "| C_train64_b32 | PyTorch | 20.0 (19.0 to 21.0), 25.0 (24.0 to 26.0) | 1422.2 | ";
        assertTrue(
                text.contains(pytorch + "2.00 (1.90 to 2.10), 2.50 (2.40 to 2.60), not quiet enough | 1.90, 2.40 |"),
                text);
        assertTrue(text.contains(" | 3.00 (2.90 to 3.10), 3.20 (3.10 to 3.30) | 2.90, 3.10 |"), text);
        String readme = Documents.of(root).get("README.md");
        assertTrue(readme.contains("| 10.0 ms a step; as a multiple of that: PyTorch 2.25, TensorFlow 3.10 |"), readme);
        assertTrue(text.contains(Results.origin(Results.read(peers).get(0))), text);
        assertEquals(List.of("README.md", "docs/performance.md"), Documents.write(root)); // README has lost its figures
        assertEquals(List.of(), Documents.write(root));
        Files.writeString(root.resolve("README.md"), "no markers");
        assertThrows(GradusException.class, () -> Documents.write(root));
        Files.writeString(peers, "[]\n");
        assertThrows(GradusException.class, () -> Documents.of(root));
    }

    private static Map<String, Object> line(String engine, long pass, double ms, double ratio) {
        var line = new TreeMap<String, Object>(Map.of("engine", engine, "case", "C_train64_b32", "threads", 2L));
        line.putAll(Map.of("pass", pass, "ms", ms, "ms_q1", ms - 1, "ms_q3", ms + 1, "jar_bytes", 1e6, "version", "1"));
        if (!engine.equals("Gradus")) {
            line.putAll(Map.of("ratio", ratio, "ratio_q1", ratio - 0.1, "ratio_q3", ratio + 0.1));
            line.put("ratio_least", ratio - 0.1);
        }
        line.put("peak_mib", 1L);
        return line;
    }
}
