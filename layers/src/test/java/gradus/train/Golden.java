package gradus.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.Json;
import gradus.io.Safetensors;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Recorded cases: inputs, and what float64 engines made of them, with the error that each result may have. */
final class Golden {
    private final String file;
    private final Safetensors tensors;
    private final Map<?, ?> attributes;

    Golden(String file) {
        this.file = file;
        tensors = Safetensors.open(file, bytes(file));
        attributes = (Map<?, ?>) Json.parse(tensors.metadata().get("attrs"));
    }

    /** All files of a group. */
    static List<String> files(String group) {
        return manifest().stream()
                .map(row -> row[0])
                .filter(f -> f.startsWith(group + "/"))
                .distinct()
                .toList();
    }

    private static List<String[]> manifest() {
        return new String(bytes("manifest.tsv"), StandardCharsets.UTF_8)
                .lines()
                .skip(1)
                .map(line -> line.split("\t", -1))
                .toList();
    }

    private static byte[] bytes(String file) {
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + file)) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Tensor tensor(String name) {
        return tensors.tensor(name);
    }

    boolean has(String name) {
        return tensors.names().contains(name);
    }

    Object attribute(String name) {
        return attributes.get(name);
    }

    double number(String name) {
        return ((Number) attributes.get(name)).doubleValue();
    }

    /** Compares with {@code name.f64} within the manifest's tolerance for float64 or float32. */
    void check(String name, Tensor actual, boolean float64) {
        Tensor expected = tensors.tensor(name + ".f64");
        assertEquals(expected.shape(), actual.shape(), file + " " + name);
        double tolerance = tolerance(name, float64);
        for (int i = 0; i < actual.size(); i++) {
            double difference = Math.abs(actual.get(i) - expected.get(i));
            assertTrue(
                    difference <= tolerance,
                    file + " " + name + "[" + i + "] is " + actual.get(i) + ", not " + expected.get(i) + " (tolerance "
                            + tolerance + ")");
        }
    }

    private double tolerance(String name, boolean float64) {
        String[] row = manifest().stream()
                .filter(r -> r[0].equals(file) && r[1].equals(name))
                .findFirst()
                .orElseThrow();
        return Double.parseDouble(row[float64 ? 4 : 5]);
    }
}
