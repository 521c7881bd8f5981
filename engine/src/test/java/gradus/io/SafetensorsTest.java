package gradus.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
    @TempDir
    private Path directory;

    private Path file() {
        return directory.resolve("x.safetensors");
    }

    private static LinkedHashMap<String, Tensor> example() {
        var tensors = new LinkedHashMap<String, Tensor>();
        tensors.put("b", Tensor.of(Shape.of(2, 3), new float[] {1, -2, Float.NaN, 4, Float.MIN_VALUE, -0f}));
        tensors.put("a/é😀", Tensor.of(Shape.SCALAR, new float[] {Float.NEGATIVE_INFINITY}));
        tensors.put("d", Tensor.of(Shape.of(3), new double[] {Math.PI, Double.MIN_VALUE, -0.0}));
        tensors.put("empty", Tensor.zeros(DType.F32, Shape.of(3, 0)));
        return tensors;
    }

    @Test
    void roundTrips() {
        Safetensors.write(file(), Map.of("format", "pt", "note", "\"\n"), example());
        var read = Safetensors.read(file());
        assertEquals(example(), read.tensors());
        assertEquals(Map.of("format", "pt", "note", "\"\n"), read.metadata());
        assertEquals(
                List.of("d", "a/é😀", "b", "empty"), List.copyOf(read.tensors().keySet()));
    }

    @Test
    void roundTripsManyChunksAndNothing() {
        double[] large = new Random(4).doubles(700_001).toArray();
        var wide = Tensor.of(Shape.of(large.length), large);
        var tensors = Map.of("f", Tensor.of(wide.shape(), wide.floats()), "g", wide);
        Safetensors.write(file(), Map.of(), tensors);
        assertEquals(tensors, Safetensors.read(file()).tensors());

        Safetensors.write(file(), Map.of(), Map.of());
        assertEquals(new Safetensors.Contents(Map.of(), Map.of()), Safetensors.read(file()));
    }

    @Test
    void equalContentGivesEqualAlignedBytes() throws IOException {
        Safetensors.write(file(), Map.of("k", "1", "j", "2"), example());
        byte[] first = Files.readAllBytes(file());
        var reversed = new LinkedHashMap<String, Tensor>();
        example().sequencedEntrySet().reversed().forEach(e -> reversed.put(e.getKey(), e.getValue()));
        Safetensors.write(file(), new LinkedHashMap<>(Map.of("j", "2", "k", "1")), reversed);
        assertArrayEquals(first, Files.readAllBytes(file()));
        assertEquals(0, ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong() % 8);
        String header = "{\"__metadata__\":{\"j\":\"2\",\"k\":\"1\"},"
                + "\"d\":{\"dtype\":\"F64\",\"shape\":[3],\"data_offsets\":[0,24]},";
        assertEquals(header, new String(first, 8, header.length(), StandardCharsets.UTF_8));
    }

    @Test
    void listsWithoutReading() {
        Safetensors.write(file(), Map.of(), example());
        try (var opened = Safetensors.open(file())) {
            assertEquals(new Safetensors.Entry("F32", Shape.of(2, 3), 28, 52), opened.entry("b"));
            assertEquals(example().get("b"), opened.tensor("b"));
            var e = assertThrows(FormatException.class, () -> opened.tensor("kernel"));
            assertEquals(file() + ": tensor 'kernel' does not exist; there are d, a/é😀, b, empty", e.getMessage());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "F16, 003c00c00100ff7b, '1.0, -2.0, 5.9604645E-8, 65504.0', F32",
        "BF16, 803f00c07f7f0080, '1.0, -2.0, 3.3895314E38, -0.0', F32",
        "U8, 0001ff80, '0.0, 1.0, 255.0, 128.0', F32",
        "I32, 01000000ffffffff00000080ffffff7f, '1.0, -1.0, -2.147483648E9, 2.147483647E9', F64",
        "I64, 0100000000000000ffffffffffffffff00000000000020000000000000000000, '1.0, -1.0, 9.007199254740992E15,"
                + " 0.0', F64"
    })
    void readsOtherElementTypes(String dtype, String hex, String values, DType result) {
        byte[] data = HexFormat.of().parseHex(hex);
        byte[] bytes = file(
                "{\"t\":{\"dtype\":\"" + dtype + "\",\"shape\":[2,2],\"data_offsets\":[0," + data.length + "]}}", data);
        Tensor t = Safetensors.open("memory", bytes).tensor("t");
        assertEquals(result + "(2, 2)[" + values + "]", t.toString());
    }

    @Test
    void listsTypesThatItCannotRead() {
        var opened = Safetensors.open(
                "m", file("{\"t\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}", new byte[2]));
        assertEquals(Shape.of(2), opened.entry("t").shape());
        var e = assertThrows(FormatException.class, () -> opened.tensor("t"));
        assertEquals("m: tensor 't' has type BOOL, which cannot be read; convert it to F32", e.getMessage());
    }

    @Test
    void refusesIntegersThatWouldBeRounded() {
        byte[] data = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong((1L << 53) + 1)
                .array();
        var opened =
                Safetensors.open("m", file("{\"t\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", data));
        assertThrows(FormatException.class, () -> opened.tensor("t"));
    }

    /** Each header stands in front of 8 bytes of data. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}", // bytes that belong to nobody
                "[]",
                " {}",
                "{",
                "{\"t\":1}",
                "{\"t\":{}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}",
                "{\"t\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":1,\"shape\":[2],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[4294967298],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[65536,65536],\"data_offsets\":[0,0]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2147483647,2147483647,2147483647],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[1000000000],\"data_offsets\":[0,4000000000]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.0]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", // too short
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", // hole in front
                "{\"s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        + "\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", // overlap
                "{\"s\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                        + "\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", // hole
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                        + "\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", // twice
                "{\"__metadata__\":{\"k\":1},\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                "{\"__metadata__\":\"k\",\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}x"
            })
    void refusesWrongHeaders(String header) {
        var e = assertThrows(FormatException.class, () -> Safetensors.open("memory", file(header, new byte[8])));
        assertTrue(e.getMessage().startsWith("memory: "), e.getMessage());
    }

    @Test
    void acceptsTensorsInAnyOrderAndPadding() {
        var opened = Safetensors.open(
                "m",
                file(
                        "{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
                                + "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},"
                                + "\"s\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}    ",
                        new byte[8]));
        assertEquals(List.of("t", "e", "s"), List.copyOf(opened.names()));
        assertEquals(0, opened.tensor("e").size());
    }

    @Test
    void refusesFilesWithoutAWholeHeader() {
        for (long length :
                new long[] {0, 1, 17, (16 << 20) + 1, Integer.MAX_VALUE, Long.MAX_VALUE, -1, Long.MIN_VALUE}) {
            byte[] bytes = ByteBuffer.allocate(24)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(length)
                    .array();
            assertThrows(FormatException.class, () -> Safetensors.open("m", bytes), "" + length);
        }
        for (int n = 0; n < 8; n++) {
            byte[] bytes = new byte[n];
            assertThrows(FormatException.class, () -> Safetensors.open("m", bytes));
        }
        assertThrows(
                FormatException.class,
                () -> Safetensors.open("m", file("{\"\u00ff\":1}".getBytes(StandardCharsets.ISO_8859_1), new byte[0])));
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        Safetensors.write(file(), Map.of("k", "v"), example());
        byte[] whole = Files.readAllBytes(file());
        for (int n = 0; n < whole.length; n++) {
            Files.write(file(), Arrays.copyOf(whole, n));
            assertThrows(FormatException.class, () -> Safetensors.read(file()), "first " + n + " bytes");
        }
    }

    /** Whatever the bytes, either tensors or the documented exception come out. */
    @Test
    void survivesMutations() throws IOException {
        Safetensors.write(file(), Map.of("k", "v"), example());
        byte[] good = Files.readAllBytes(file());
        var random = new Random(3);
        for (int i = 0; i < 5000; i++) {
            byte[] bad = Mutation.of(good, random);
            try {
                var opened = Safetensors.open("memory", bad);
                for (String name : opened.names()) {
                    opened.tensor(name);
                }
            } catch (FormatException e) {
                assertTrue(e.getMessage().startsWith("memory: "), e.getMessage());
            }
        }
    }

    @Test
    void saysWhatIsWrongWithAPath() {
        var e = assertThrows(FileException.class, () -> Safetensors.read(file()));
        assertEquals("cannot read " + file() + ": " + file() + " does not exist; check the path", e.getMessage());
        assertThrows(FileException.class, () -> Safetensors.read(directory));
    }

    /** The system takes away the pages behind a file's new end while they are mapped. */
    @Test
    void aFileCutShortWhileItIsMappedIsAnError() throws IOException {
        var t = Tensor.of(Shape.of(1 << 20), new float[1 << 20]);
        Safetensors.write(file(), Map.of(), Map.of("t", t));
        try (var opened = Safetensors.open(file())) {
            try (var channel = FileChannel.open(file(), StandardOpenOption.WRITE)) {
                channel.truncate(1 << 16);
            }
            String m =
                    assertThrows(FileException.class, () -> opened.tensor("t")).getMessage();
            assertTrue(m.contains("became shorter"), m);
        }
    }

    /** Tensors of a mapped file are read when they are needed, also after it was closed and replaced. */
    @Test
    void tensorsOfAMappedFileAreReadLater() throws IOException {
        int n = 3 << 20; // several parts
        var values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = i;
        }
        Safetensors.write(file(), Map.of(), Map.of("t", Tensor.of(Shape.of(n), values), "s", Tensor.scalar(2)));
        Tensor t;
        Tensor u;
        try (var opened = Safetensors.map(file())) {
            t = opened.tensor("t");
            u = opened.tensor("t");
            assertEquals(2, opened.tensor("s").item());
            assertThrows(FormatException.class, () -> opened.tensor("v"));
        }
        assertEquals(0, t.bytes());
        Safetensors.write(file(), Map.of(), Map.of("t", Tensor.of(Shape.of(1), 5f)));
        var y = new float[n + 2];
        t.copyTo(y, 1);
        assertEquals(0, t.bytes());
        assertArrayEquals(values, Arrays.copyOfRange(y, 1, n + 1));
        assertArrayEquals(values, u.floats());
    }

    @Test
    void aMappedFileThatIsCutShortIsAnErrorOnceItIsRead() throws IOException {
        Safetensors.write(file(), Map.of(), Map.of("t", Tensor.of(Shape.of(1 << 20), new float[1 << 20])));
        Tensor t = Safetensors.map(file()).tensor("t");
        try (var channel = FileChannel.open(file(), StandardOpenOption.WRITE)) {
            channel.truncate(1 << 16);
        }
        String m = assertThrows(FileException.class, () -> t.copyTo(new float[1 << 20], 0))
                .getMessage();
        assertTrue(m.contains("became shorter") && m.contains(file().toString()), m);
    }

    @Test
    void aClosedFileIsNotRead() {
        Safetensors.write(file(), Map.of(), example());
        var opened = Safetensors.open(file());
        opened.close();
        opened.close();
        assertThrows(FileException.class, () -> opened.tensor("b"));
    }

    @Test
    void refusesToWriteWhatCouldNotBeRead() throws IOException {
        var t = Tensor.of(Shape.of(1), new float[1]);
        assertThrows(FormatException.class, () -> Safetensors.write(file(), Map.of(), Map.of("__metadata__", t)));
        assertThrows(FormatException.class, () -> Safetensors.write(file(), Map.of(), Map.of("\ud800", t)));
        assertThrows(FormatException.class, () -> Safetensors.write(file(), Map.of("k", "\udc00"), Map.of("t", t)));
        try (var files = Files.list(directory)) {
            assertEquals(0, files.count());
        }
    }

    private static byte[] file(String header, byte[] data) {
        return file(header.getBytes(StandardCharsets.UTF_8), data);
    }

    private static byte[] file(byte[] header, byte[] data) {
        return ByteBuffer.allocate(8 + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(header.length)
                .put(header)
                .put(data)
                .array();
    }
}
