package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import gradus.importer.Protobuf.Writer;
import gradus.io.FormatException;
import gradus.io.Safetensors;
import gradus.layers.Model;
import gradus.resnet.ResNets;
import gradus.tensor.GradusException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Whatever is in a file: a network or the documented exception, soon, and without more memory than four times the file and
 * 16 MiB.
 */
class DamagedFilesTest {
    private static final int MUTANTS = 20_000;
    private static final long SLACK = 16 << 20;
    private static final long SECOND = 1_000_000_000;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir
    Path directory;

    /** Runs a load; returns whether it was refused. */
    static boolean refuses(Callable<?> load, long fileBytes) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        long start = System.nanoTime();
        boolean refused = false;
        try {
            load.call();
        } catch (GradusException e) {
            refused = true;
            assertTrue(e.getMessage() != null && e.getMessage().length() < 4_000, "a message of a few lines");
        } catch (Exception e) {
            throw new AssertionError("not the documented exception", e);
        }
        long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
        assertTrue(allocated <= 4 * fileBytes + SLACK, () -> allocated + " bytes allocated for a file of " + fileBytes);
        long nanos = System.nanoTime() - start;
        assertTrue(nanos < 5 * SECOND, () -> nanos / 1e9 + " s");
        return refused;
    }

    enum Kind {
        GRADUS,
        TORCHVISION,
        ONNX
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void singleFiles(Kind kind) throws IOException {
        Path file = directory.resolve("good");
        Model model = kind == Kind.TORCHVISION ? Nets.trained(ResNets.cifar(8).build()) : KerasTest.block();
        Exporter.write(model, List.of(), null, Format.valueOf(kind.name()), file);
        byte[] good = Files.readAllBytes(file);
        var random = new SplittableRandom(kind.ordinal());
        int header = (int) Math.min(
                good.length,
                8 + ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getLong(0));
        int part = kind == Kind.ONNX ? good.length : header;
        int n = kind == Kind.ONNX ? MUTANTS : MUTANTS / 2; // two kinds of safetensors
        int refused = 0;
        for (int i = 0; i < n; i++) {
            byte[] bad = mutant(good, part, random);
            refused += refuses(() -> Importer.load("damaged", bad, ImportOptions.none()), bad.length) ? 1 : 0;
        }
        System.out.printf("%s: %d of %d refused%n", kind, refused, n);
        assertTrue(refused > n / 10 && refused < n, "damage that matters, and some that does not");
    }

    @Test
    void onnxOfOthers() {
        byte[] good = OnnxTest.foreign();
        var random = new SplittableRandom(7);
        int refused = 0;
        for (int i = 0; i < MUTANTS; i++) {
            byte[] bad = mutant(good, good.length, random);
            refused += refuses(() -> Importer.load("damaged", bad, ImportOptions.none()), bad.length) ? 1 : 0;
        }
        System.out.printf("ONNX of others: %d of %d refused%n", refused, MUTANTS);
        assertTrue(refused > MUTANTS / 10 && refused < MUTANTS, "damage that matters, and some that does not");
    }

    /** Tensors whose values are elsewhere: where, and from which byte on, is what the damage changes. */
    @Test
    void onnxWithExternalData() throws IOException {
        byte[] good = OnnxTest.outside("w.bin", "8", "12", "20");
        Path data = Files.write(directory.resolve("w.bin"), new byte[236]);
        Path file = directory.resolve("net.onnx");
        var random = new SplittableRandom(8);
        int n = MUTANTS / 4;
        int refused = 0;
        for (int i = 0; i < n; i++) {
            byte[] bad = mutant(good, good.length, random);
            Files.write(file, bad);
            refused += refuses(() -> Importer.load(file), bad.length + Files.size(data)) ? 1 : 0;
        }
        System.out.printf("ONNX with external data: %d of %d refused%n", refused, n);
        assertTrue(refused > n / 10 && refused < n, "damage that matters, and some that does not");
    }

    @Test
    void layersModels() throws IOException {
        Path folder = KerasTest.example(Files.createDirectory(directory.resolve("keras")));
        Path json = folder.resolve("model.json");
        byte[] good = Files.readAllBytes(json);
        long shards = Files.size(folder.resolve("shard0.bin"));
        var random = new SplittableRandom(5);
        int refused = 0;
        for (int i = 0; i < MUTANTS; i++) {
            byte[] bad = i % 2 == 0 ? mutant(good, good.length, random) : word(good, random);
            Files.write(json, bad);
            refused += refuses(() -> Importer.load(folder), bad.length + shards) ? 1 : 0;
        }
        System.out.printf("model.json: %d of %d refused%n", refused, MUTANTS);
        assertTrue(refused > MUTANTS / 10 && refused < MUTANTS, "damage that matters, and some that does not");
    }

    /** Well-formed files of ours that describe other networks, or none. */
    @Test
    void architectures() throws IOException {
        Path file = directory.resolve("good");
        Exporter.write(KerasTest.block(), List.of("a", "b", "c"), null, Format.GRADUS, file);
        var contents = Safetensors.read(file);
        Path damaged = directory.resolve("damaged");
        var random = new SplittableRandom(9);
        int n = 3_000;
        int refused = 0;
        for (int i = 0; i < n; i++) {
            var metadata = new HashMap<>(contents.metadata());
            String key = i % 10 == 0 ? "labels" : "architecture";
            byte[] spaced = metadata.get(key).replace(":", ": ").getBytes(StandardCharsets.UTF_8);
            metadata.put(key, new String(word(spaced, random), StandardCharsets.UTF_8));
            Safetensors.write(damaged, metadata, contents.tensors());
            refused += refuses(() -> Importer.load(damaged), Files.size(damaged)) ? 1 : 0;
        }
        System.out.printf("architectures: %d of %d refused%n", refused, n);
        assertTrue(refused > n / 10 && refused < n);
    }

    private static byte[] mutant(byte[] good, int part, SplittableRandom random) {
        byte[] bad = good.clone();
        for (int k = 1 + random.nextInt(4); k > 0; k--) {
            int at = random.nextInt(part);
            bad[at] = switch (random.nextInt(3)) {
                case 0 -> (byte) random.nextInt(256);
                case 1 -> (byte) (bad[at] ^ 1 << random.nextInt(8));
                default -> bad[random.nextInt(part)];
            };
        }
        return switch (random.nextInt(8)) {
            case 0 -> Arrays.copyOf(bad, random.nextInt(bad.length));
            case 1 -> Arrays.copyOf(bad, bad.length + random.nextInt(16));
            default -> bad;
        };
    }

    private static final String[] WORDS = {
        "0",
        "-1",
        "2147483647",
        "1e300",
        "null",
        "[]",
        "{}",
        "\"\"",
        "true",
        "[3, 3]",
        "9223372036854775807",
        "65536",
        "0.5",
        "\"relu\"",
        "[[1,2],[3,4]]",
        "[2147483647, 2147483647]"
    };

    /** Replaces a value by another that is well formed, so that damage gets past the parser. */
    private static byte[] word(byte[] good, SplittableRandom random) {
        String s = new String(good, StandardCharsets.UTF_8);
        for (int k = 1 + random.nextInt(2); k > 0; k--) {
            int at = s.indexOf(": ", random.nextInt(s.length()));
            if (at < 0) {
                continue;
            }
            int end = at + 2;
            while (end < s.length() && ",}\n]".indexOf(s.charAt(end)) < 0) {
                end++;
            }
            s = s.substring(0, at + 2) + WORDS[random.nextInt(WORDS.length)] + s.substring(end);
        }
        return s.getBytes(StandardCharsets.UTF_8);
    }

    // ---- files that ask for more than they are ----

    private void bomb(byte[] file) {
        assertTrue(refuses(() -> Importer.load("bomb", file, ImportOptions.none()), file.length));
    }

    private static byte[] safetensors(String header, int data) {
        byte[] h = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + h.length + data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(h.length)
                .put(h)
                .array();
    }

    @Test
    void safetensorsBombs() {
        String t = "{\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":SHAPE,\"data_offsets\":[0,END]}}";
        for (String shape : List.of(
                "[2147483647]",
                "[65536,65536]",
                "[9223372036854775807]",
                "[2147483647,2147483647,2147483647]",
                "[1073741824,4]")) {
            for (String end : List.of("0", "16", "17179869184", "9223372036854775807")) {
                bomb(safetensors(t.replace("SHAPE", shape).replace("END", end), 16));
            }
        }
        bomb(safetensors("{\"a\":" + "[".repeat(3_000_000), 0));
        for (String unit : List.of("[]", "{}", "0", "\"\"", "{\"\":0}", "[0]")) {
            bomb(safetensors("{\"a\":[" + (unit + ",").repeat(3_000_000 / unit.length()) + "0]}", 0));
        }
        var keys = new StringBuilder("{");
        for (int i = 0; i < 300_000; i++) {
            keys.append('"').append(Integer.toString(i, 36)).append("\":{},");
        }
        bomb(safetensors(keys + "\"z\":0}", 0));
        var shapes = new StringBuilder("{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4],\"shape\":[1");
        bomb(safetensors(shapes.append(",1".repeat(2_000_000)).append("]}}x").toString(), 4));
        var tensors = new StringBuilder("{");
        for (int i = 0; i < 200_000; i++) {
            tensors.append('"').append(i).append("\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]},");
        }
        bomb(safetensors(tensors + "\"z\":0}", 0));
        byte[] length = ByteBuffer.allocate(1 << 20)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(Long.MAX_VALUE)
                .put((byte) '{')
                .array();
        bomb(length);
    }

    @Test
    void onnxBombs() {
        var opset = new Writer().string(1, "").integer(2, 17);
        var begin = new Writer().integer(1, 8).message(8, opset);
        for (long[] dims : List.of(
                new long[] {1 << 30, 4},
                new long[] {Integer.MAX_VALUE},
                new long[] {-1},
                new long[] {Long.MAX_VALUE, 2},
                new long[100])) {
            var tensor =
                    new Writer().integers(1, dims).integer(2, 1).string(8, "w").bytes(9, new byte[4]);
            var input = new Writer()
                    .string(1, "x")
                    .message(
                            2,
                            new Writer()
                                    .message(
                                            1,
                                            new Writer()
                                                    .message(
                                                            2,
                                                            new Writer()
                                                                    .message(1, new Writer().integer(1, 1))
                                                                    .message(1, new Writer().integer(1, 1 << 30)))));
            var node = new Writer().string(1, "x").string(1, "w").string(2, "y").string(4, "Gemm");
            var graph = new Writer()
                    .message(1, node)
                    .message(5, tensor)
                    .message(11, input)
                    .message(12, new Writer().string(1, "y"));
            bomb(new Writer().append(begin).message(7, graph).toByteArray());
        }
        for (int field : new int[] {1, 5, 11, 12}) { // a million empty nodes, tensors, inputs, outputs
            var empty = new byte[2_000_000];
            for (int i = 0; i < empty.length; i += 2) {
                empty[i] = (byte) (field << 3 | 2);
            }
            bomb(new Writer().append(begin).bytes(7, empty).toByteArray());
        }
        var packed = new Writer().bytes(8, new byte[4_000_000]); // four million integers of one byte
        var attribute = new Writer().string(1, "pads").append(packed);
        bomb(new Writer()
                .append(begin)
                .message(7, new Writer().message(1, new Writer().message(5, attribute)))
                .toByteArray());
        byte[] one = new byte[400_000]; // the same one by one
        for (int i = 0; i < one.length; i += 2) {
            one[i] = 8 << 3;
        }
        bomb(new Writer()
                .append(begin)
                .message(7, new Writer().message(1, new Writer().bytes(5, one)))
                .toByteArray());
    }

    private static Writer node(String op, String output, String... inputs) {
        var node = new Writer().string(2, output).string(4, op);
        for (String input : inputs) {
            node.string(1, input);
        }
        return node;
    }

    private static Writer input(int... dims) {
        var shape = new Writer();
        for (int d : dims) {
            shape.message(1, new Writer().integer(1, d));
        }
        var type = new Writer().message(1, new Writer().integer(1, 1).message(2, shape));
        return new Writer().string(1, "x").message(2, type);
    }

    /** A hundred layers with one kernel, which is there once. */
    @Test
    void onnxWithOneTensorForManyLayers() throws IOException {
        var kernel = new Writer()
                .integers(1, 1 << 10, 1 << 10)
                .integer(2, 1)
                .string(8, "w")
                .bytes(9, new byte[4 << 20]);
        var graph = new Writer().message(11, input(1, 1 << 10)).message(5, kernel);
        String last = "x";
        for (int i = 0; i < 100; i++) {
            graph.message(1, node("MatMul", "y" + i, last, "w"));
            last = "y" + i;
        }
        graph.message(12, new Writer().string(1, last));
        byte[] file = new Writer()
                .integer(1, 8)
                .message(8, new Writer().string(1, "").integer(2, 17))
                .message(7, graph)
                .toByteArray();
        Path path = Files.write(directory.resolve("shared.onnx"), file);
        assertFalse(refuses(() -> Importer.load(path), file.length));
    }

    /** Graphs that ask for the same numbers again and again, or for their own results. */
    @Test
    void onnxBombsOfConstants() {
        var opset = new Writer().string(1, "").integer(2, 17);
        var begin = new Writer().integer(1, 8).message(8, opset);
        var large = new Writer()
                .integers(1, 1 << 10, 1 << 10)
                .integer(2, 1)
                .string(8, "w")
                .bytes(9, new byte[4 << 20]);
        var turned = new Writer().message(5, large);
        var doubled = new Writer().message(5, large);
        String last = "w";
        for (int i = 0; i < 100; i++) {
            turned.message(1, node("Transpose", "t" + i, last));
            doubled.message(1, node("Concat", "t" + i, last, last));
            last = "t" + i;
        }
        bomb(new Writer().append(begin).message(7, turned).toByteArray());
        bomb(new Writer().append(begin).message(7, doubled).toByteArray());
        var number = new Writer().integer(2, 1).string(8, "w").bytes(9, new byte[4]);
        var scaled = new Writer()
                .message(11, input(1, 1 << 29, 1, 2))
                .message(5, number)
                .message(1, node("Mul", "y", "x", "w"))
                .message(12, new Writer().string(1, "y"));
        bomb(new Writer().append(begin).message(7, scaled).toByteArray());
        var circle = new Writer()
                .message(11, input(1, 2, 6, 5))
                .message(5, number)
                .message(1, node("Relu", "y", "x"))
                .message(1, node("Add", "y", "y", "w"))
                .message(12, new Writer().string(1, "z"));
        bomb(new Writer().append(begin).message(7, circle).toByteArray());
    }

    @Test
    void layersModelBombs() throws IOException {
        Path folder = Files.createDirectory(directory.resolve("keras"));
        String start = "{\"modelTopology\": {\"class_name\": \"Sequential\", \"config\": {\"layers\": [";
        String end = "]}}, \"weightsManifest\": []}";
        String input =
                "{\"class_name\": \"InputLayer\", \"config\": {\"name\": \"i\", \"batch_input_shape\": [null, 8, 8, 3]}},";
        var nested = new StringBuilder();
        for (int i = 0; i < 10; i++) {
            nested.append("{\"class_name\": \"Sequential\", \"config\": {\"name\": \"n\", \"layers\": [")
                    .append(input);
        }
        String many = "{\"class_name\": \"ReLU\", \"config\": {\"name\": \"r\"}},";
        for (String layers : List.of(
                many.repeat(20_000),
                "{},".repeat(500_000) + "{}",
                nested + "]}}".repeat(10),
                input
                        + "{\"class_name\": \"Conv2D\", \"config\": {\"name\": \"c\", \"filters\": 2147483647, \"kernel_size\": 3}}",
                input + "{\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", \"units\": 2147483647}}",
                input + "{\"class_name\": \"Reshape\", \"config\": {\"name\": \"r\", \"target_shape\": ["
                        + "1,".repeat(1_000_000) + "1]}}",
                input
                        + "{\"class_name\": \"ZeroPadding2D\", \"config\": {\"name\": \"z\", \"padding\": 2147483647}}")) {
            String json = start + layers + end;
            Files.writeString(folder.resolve("model.json"), json);
            assertTrue(refuses(() -> Importer.load(folder), json.length()), layers.substring(0, 60));
        }
        Files.write(folder.resolve("model.json"), new byte[LayersModel.MAX_JSON_BYTES + 1]);
        assertThrows(FormatException.class, () -> Importer.load(folder.resolve("model.json")));
        assertTrue(refuses(() -> Importer.load(folder, ImportOptions.none()), 0));
        Map<String, String> none = Map.of();
        Safetensors.write(directory.resolve("empty"), none, Map.of());
        assertTrue(refuses(() -> Importer.load(directory.resolve("empty")), 0));
    }
}
