package gradus.app.golden;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.io.Safetensors;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GoldenSuiteTest {
    private static final String HEAD = "file\ttensor\tshape\tmax_abs\ttol_f64\ttol_f32\tsecond_engine_f64\tnote\n";

    @TempDir
    Path folder;

    private final StringWriter text = new StringWriter();

    private GoldenSuite.Result run() {
        var precision = Precision.FLOAT64;
        try (var backend = Backends.open("reference", new Options(1, precision))) {
            return new GoldenSuite(folder, backend, precision, true, new PrintWriter(text, true), false).run(List.of());
        }
    }

    /** A case of y = x1 + x2, its truth being {@code y}. */
    private void add(String file, double... y) throws IOException {
        var tensors = new LinkedHashMap<String, Tensor>();
        tensors.put("a", Tensor.of(Shape.of(3), 1f, 2f, -3f));
        tensors.put("b", Tensor.of(Shape.SCALAR, 0.5f));
        tensors.put("dy", Tensor.of(Shape.of(3), 1f, 1f, 1f));
        tensors.put("y.f64", Tensor.of(Shape.of(y.length), y));
        tensors.put("da.f64", Tensor.of(Shape.of(3), 1.0, 1.0, 1.0));
        tensors.put("db.f64", Tensor.of(Shape.SCALAR, 3.0));
        write(file, "pad_add", "{\"op\": \"add\"}", tensors);
    }

    private void write(String file, String group, String attrs, Map<String, Tensor> tensors) throws IOException {
        Files.createDirectories(folder.resolve(file).getParent());
        Safetensors.write(folder.resolve(file), Map.of("group", group, "case", "c", "attrs", attrs), tensors);
    }

    private void manifest(String... files) throws IOException {
        var rows = new StringBuilder(HEAD);
        for (String file : files) {
            for (String tensor : new String[] {"y", "da", "db"}) {
                rows.append(file).append('\t').append(tensor).append("\t3\t3e0\t1e-12\t1e-6\tyes\t\n");
            }
        }
        Files.writeString(folder.resolve("manifest.tsv"), rows);
    }

    @Test
    void rightValuesPassAndTheLastLineCounts() throws IOException {
        add("any/name.safetensors", 1.5, 2.5, -2.5);
        manifest("any/name.safetensors");
        assertEquals(new GoldenSuite.Result(1, 0), run());
        assertTrue(text.toString().strip().endsWith("1 passed, 0 failed"), text.toString());
    }

    @Test
    void aWrongValueFailsWithFileTensorIndexAndNumbers() throws IOException {
        add("g/right.safetensors", 1.5, 2.5, -2.5);
        add("g/wrong.safetensors", 1.5, 2.5 + 1e-11, -2.5);
        manifest("g/right.safetensors", "g/wrong.safetensors");
        assertEquals(new GoldenSuite.Result(1, 1), run());
        assertTrue(
                text.toString().contains("FAILED g/wrong.safetensors y[1]: expected 2.50000000001, got 2.5"),
                text.toString());
    }

    @Test
    void nanAndOtherShapesFail() throws IOException {
        add("g/nan.safetensors", 1.5, Double.NaN, -2.5);
        add("g/shape.safetensors", 1.5, 2.5);
        manifest("g/nan.safetensors", "g/shape.safetensors");
        assertEquals(new GoldenSuite.Result(0, 2), run());
        assertTrue(text.toString().contains("y: shape (3,), expected (2,)"), text.toString());
    }

    @Test
    void exactMeansExactButForTheSignOfZero() throws IOException {
        var tensors = new LinkedHashMap<String, Tensor>();
        tensors.put("x", Tensor.of(Shape.of(2), -1f, 2f));
        tensors.put("dy", Tensor.of(Shape.of(2), 1f, 1f));
        tensors.put("y.f64", Tensor.of(Shape.of(2), -0.0, 2.0));
        tensors.put("dx.f64", Tensor.of(Shape.of(2), 0.0, 1 + 1e-16 + 1e-15));
        write("r/relu.safetensors", "activation", "{\"op\": \"relu\"}", tensors);
        Files.writeString(
                folder.resolve("manifest.tsv"),
                HEAD
                        + "r/relu.safetensors\ty\t2\t2\t1\t1\tyes\texact\n"
                        + "r/relu.safetensors\tdx\t2\t1\t1\t1\tyes\texact\n");
        assertEquals(new GoldenSuite.Result(0, 1), run());
        assertTrue(text.toString().contains("dx[1]"), text.toString());
        assertFalse(text.toString().contains(" y["), text.toString());
    }

    @Test
    void nothingPassesForWantOfATolerance() throws IOException {
        add("g/a.safetensors", 1.5, 2.5, -2.5);
        assertEquals(new GoldenSuite.Result(0, 1), run());
        assertTrue(text.toString().contains("there is no manifest.tsv"), text.toString());

        manifest("g/other.safetensors");
        assertEquals(new GoldenSuite.Result(0, 1), run());
        assertTrue(text.toString().contains("no rows for this file"), text.toString());

        Files.writeString(folder.resolve("manifest.tsv"), HEAD + "g/a.safetensors\ty\t3\t3\t1e-9\t1e-9\tyes\t\n");
        assertEquals(new GoldenSuite.Result(0, 1), run());
        assertTrue(text.toString().contains("no tolerance for tensor da"), text.toString());
    }

    @Test
    void unknownGroupsMissingTensorsAndDamagedFilesFail() throws IOException {
        write("q/q.safetensors", "quantum", "{}", Map.of("x", Tensor.scalar(1)));
        write("c/c.safetensors", "conv2d", "{\"stride\": [1]}", Map.of("y.f64", Tensor.scalar(1)));
        Files.writeString(folder.resolve("damaged.safetensors"), "not a tensor file");
        Files.writeString(folder.resolve("manifest.tsv"), HEAD + "c/c.safetensors\ty\t1\t1\t1\t1\tyes\t\n");
        assertEquals(new GoldenSuite.Result(0, 3), run());
        assertTrue(text.toString().contains("group 'quantum' is unknown"), text.toString());
        assertTrue(text.toString().contains("the file has no tensor x"), text.toString());
    }

    @Test
    void anEmptyFolderIsAnError() {
        assertThrows(GoldenException.class, this::run);
    }

    @Test
    void aDamagedManifestNamesTheLine() throws IOException {
        add("g/a.safetensors", 1.5, 2.5, -2.5);
        Files.writeString(folder.resolve("manifest.tsv"), HEAD + "g/a.safetensors\ty\t3\t3\tfew\t1\tyes\t\n");
        var e = assertThrows(GoldenException.class, this::run);
        assertTrue(e.getMessage().contains("line 2"), e.getMessage());
    }

    /** Numbers given with the recorded networks. */
    @Test
    void formulaGivesTheRecordedWeights() {
        double limit = Math.sqrt(3.0 / 147);
        Tensor kernel = Formula.parameter(1003, 0, "conv_1/kernel", Shape.of(7, 7, 3, 64), false);
        assertArrayEquals(
                new float[] {0.029683035f, -0.023720086f, 0.0098354705f, -0.09251438f},
                Arrays.copyOf(kernel.floats(), 4));
        Tensor million = Formula.uniform(1003, 0, Shape.of(1_000_000), -limit, limit);
        assertEquals(2385167518L, InitializerCases.crc32(million));
        Tensor pictures = Formula.uniform(1003, 10_000, Shape.of(4), 0, 1);
        assertArrayEquals(new float[] {0.6286399f, 0.779316f, 0.7257914f, 0.7132807f}, pictures.floats());
    }
}
