package gradus.io;

import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Named tensors in one file, in the safetensors format: 8 bytes with the length of the header (little-endian), the
 * header in JSON, then the tensors' elements, little-endian and row-major:
 *
 * <pre>    {"__metadata__": {"format": "pt"},
 *     "fc/bias": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}, ...}</pre>
 *
 * <p>Loading is data only: no name in a file is ever a class or a path. The file is checked as a whole when it is
 * opened, before anything but the header is read: every tensor's bytes must fit its shape, and all of them together
 * must cover the file without hole or overlap. Tensors are read one by one, when asked for; several threads may ask at
 * the same time.
 *
 * <p>Element types are read as follows: F32, F16, BF16 and U8 become float32 tensors, F64, I64 and I32 float64 ones.
 * Files may hold others; they are listed, but cannot be read.
 */
public final class Safetensors implements AutoCloseable {
    /**
     * Longest header that is read or written: 100,000 tensors. The format's first implementation takes six times as
     * much; a header is the one part of a file that is held in memory before anything in it is known to be true.
     */
    public static final int MAX_HEADER_BYTES = 16 << 20;

    private static final String METADATA = "__metadata__";

    /** Bytes per element of the types that a file may hold. */
    private static final Map<String, Integer> ELEMENT_BYTES = Map.ofEntries(
            Map.entry("F64", 8),
            Map.entry("I64", 8),
            Map.entry("U64", 8),
            Map.entry("F32", 4),
            Map.entry("I32", 4),
            Map.entry("U32", 4),
            Map.entry("F16", 2),
            Map.entry("BF16", 2),
            Map.entry("I16", 2),
            Map.entry("U16", 2),
            Map.entry("I8", 1),
            Map.entry("U8", 1),
            Map.entry("BOOL", 1),
            Map.entry("F8_E4M3", 1),
            Map.entry("F8_E5M2", 1));

    /** Larger tensors are read in parts, so that little of a mapped file is in memory at a time. */
    private static final int MAX_READ_BYTES = 1 << 22;

    /** Smaller tensors are read at once even from a file that stays mapped. */
    private static final int SMALL_BYTES = 1 << 14;

    /** What the header says of a tensor: its bytes are {@code [begin, end)} behind the header. */
    public record Entry(String dtype, Shape shape, long begin, long end) {}

    /** A whole file in memory. */
    public record Contents(Map<String, String> metadata, Map<String, Tensor> tensors) {}

    private final String source;
    private final Bytes bytes;
    private final long dataStart;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    // ---- reading ----

    /**
     * Opens and checks a file; tensors are read later, one by one. Close it when done.
     *
     * @throws FileException if the file cannot be read
     * @throws FormatException if it is not a safetensors file
     */
    public static Safetensors open(Path file) {
        var bytes = new FileBytes(MappedFile.open(file), false);
        try {
            return new Safetensors(file.toString(), bytes);
        } catch (Throwable failure) {
            bytes.close();
            throw failure;
        }
    }

    /**
     * As {@link #open(Path)}, but float32 tensors keep the file mapped and are read when their values are needed, as
     * {@link Tensor#of(Shape, Tensor.Source)} says; closing does nothing, the mapping ends with the last of them. Whoever
     * changes the file must replace it, as {@link AtomicFile} does: then they go on with the old one. If it is cut short or
     * written over, reading them throws a {@link FileException} or gives the new bytes.
     *
     * <p>On Windows, where a mapped file cannot be replaced, tensors are read at once.
     */
    public static Safetensors map(Path file) {
        boolean replaceable = File.separatorChar == '/';
        return replaceable ? new Safetensors(file.toString(), new FileBytes(MappedFile.keep(file), true)) : open(file);
    }

    /**
     * The same for a file that is already in memory, such as a resource.
     *
     * @param source what error messages call it
     * @throws FormatException if the bytes are not a safetensors file
     */
    public static Safetensors open(String source, byte[] file) {
        return new Safetensors(source, new ArrayBytes(file));
    }

    /**
     * A whole file at once.
     *
     * @throws FileException if the file cannot be read
     * @throws FormatException if it is not a safetensors file, or holds a tensor of a type that cannot be read
     */
    public static Contents read(Path file) {
        try (var opened = open(file)) {
            var tensors = new LinkedHashMap<String, Tensor>();
            for (String name : opened.names()) {
                tensors.put(name, opened.tensor(name));
            }
            return new Contents(opened.metadata(), Collections.unmodifiableMap(tensors));
        }
    }

    private Safetensors(String source, Bytes bytes) {
        this.source = source;
        this.bytes = bytes;
        if (bytes.size() < 8) {
            throw error("has " + bytes.size() + " bytes and no header; is the download complete?", 0);
        }
        long length =
                ByteBuffer.wrap(bytes.copy(0, 8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (length < 2 || length > MAX_HEADER_BYTES) {
            throw error(
                    "the header would have " + Long.toUnsignedString(length) + " bytes (2 to " + MAX_HEADER_BYTES
                            + " allowed); is this a safetensors file?",
                    0);
        }
        if (length > bytes.size() - 8) {
            throw error(
                    "the header has " + length + " bytes, the file only " + bytes.size()
                            + "; is the download complete?",
                    0);
        }
        dataStart = 8 + length;
        byte[] header = bytes.copy(8, (int) length);
        if (header[0] != '{') {
            throw error("the header does not start with '{'; is this a safetensors file?", 8);
        }
        parseHeader(header);
        checkOffsets();
    }

    private void parseHeader(byte[] header) {
        Object parsed;
        try {
            parsed = Json.parse(header);
        } catch (FormatException e) {
            throw new FormatException(source + ": the header is wrong: " + e.getMessage(), 8, e);
        }
        // starts with '{', so it is an object
        for (var field : ((Map<?, ?>) parsed).entrySet()) {
            var name = (String) field.getKey();
            if (!(field.getValue() instanceof Map<?, ?> value)) {
                throw error("'" + name + "' is not described by an object", 8);
            }
            if (name.equals(METADATA)) {
                value.forEach((k, v) -> {
                    if (!(v instanceof String text)) {
                        throw error(METADATA + ": the value of '" + k + "' is not a string", 8);
                    }
                    metadata.put((String) k, text);
                });
            } else {
                entries.put(name, entry(name, value));
            }
        }
    }

    private Entry entry(String name, Map<?, ?> fields) {
        if (!(fields.keySet().equals(Set.of("dtype", "shape", "data_offsets"))
                && fields.get("dtype") instanceof String dtype
                && fields.get("shape") instanceof List<?> dims
                && fields.get("data_offsets") instanceof List<?> offsets)) {
            throw tensorError(name, "is not described by exactly a dtype, a shape and data_offsets");
        }
        if (!ELEMENT_BYTES.containsKey(dtype)) {
            throw tensorError(name, "has the unknown type '" + dtype + "'; convert it to F32");
        }
        if (!(offsets.size() == 2
                && offsets.get(0) instanceof Long begin
                && offsets.get(1) instanceof Long end
                && begin >= 0
                && begin <= end)) {
            throw tensorError(name, "has the data_offsets " + offsets + "; they must be its first byte and its end");
        }
        Shape shape = shape(name, dims);
        if (end - begin != (long) shape.size() * ELEMENT_BYTES.get(dtype)) {
            throw tensorError(name, dtype + shape + " cannot have " + (end - begin) + " bytes");
        }
        return new Entry(dtype, shape, begin, end);
    }

    private Shape shape(String name, List<?> dims) {
        var extents = new int[dims.size()];
        for (int i = 0; i < extents.length; i++) {
            if (!(dims.get(i) instanceof Long d && d >= 0 && d <= Integer.MAX_VALUE)) {
                throw tensorError(name, "has the extent " + dims.get(i) + "; extents go from 0 to 2^31 - 1");
            }
            extents[i] = d.intValue();
        }
        try {
            return Shape.of(extents);
        } catch (ShapeException e) {
            throw tensorError(name, "is too large: " + e.getMessage());
        }
    }

    /** Sorted by place, each tensor must begin where the one before ended, and the last must end with the file. */
    private void checkOffsets() {
        var byPlace = entries.entrySet().stream()
                .sorted(Comparator.comparingLong(
                                (Map.Entry<String, Entry> e) -> e.getValue().begin())
                        .thenComparing(e -> e.getValue().end()))
                .toList();
        long end = 0;
        for (var e : byPlace) {
            if (e.getValue().begin() != end) {
                throw tensorError(
                        e.getKey(),
                        "begins at byte " + e.getValue().begin() + " of the data, the bytes before" + " it end at "
                                + end);
            }
            end = e.getValue().end();
        }
        if (end != bytes.size() - dataStart) {
            throw error(
                    "the tensors have " + end + " bytes, the file " + (bytes.size() - dataStart)
                            + " after the header; is the download complete?",
                    dataStart);
        }
    }

    /** The file's metadata, in the order of the file; empty if it has none. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** The names of all tensors, in the order of the file's header. */
    public Set<String> names() {
        return Collections.unmodifiableSet(entries.keySet());
    }

    /**
     * What the header says of a tensor, without reading its elements.
     *
     * @throws FormatException if there is no tensor of that name
     */
    public Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw tensorError(name, "does not exist; there are " + some(entries.keySet()));
        }
        return entry;
    }

    private static String some(Set<String> names) {
        String first = String.join(", ", names.stream().limit(5).toList());
        return names.size() > 5 ? first + " and " + (names.size() - 5) + " others" : names.isEmpty() ? "none" : first;
    }

    /**
     * Reads a tensor's elements, as float32 or float64 as the class comment says.
     *
     * @throws FormatException if there is no tensor of that name, its type cannot be read, or it holds an integer that
     *     float64 cannot
     * @throws FileException if reading fails
     */
    public Tensor tensor(String name) {
        Entry e = entry(name);
        return switch (e.dtype()) {
            case "F32" ->
                bytes.kept() && e.end() - e.begin() > SMALL_BYTES
                        ? Tensor.of(e.shape(), (y, at) -> decode(e, y, at, 4, FLOATS))
                        : floats(e, 4, FLOATS);
            case "F16" ->
                floats(e, 2, (b, y, i, n) -> {
                    for (int k = 0; k < n; k++) {
                        y[i + k] = Float.float16ToFloat(b.getShort());
                    }
                });
            case "BF16" ->
                floats(e, 2, (b, y, i, n) -> {
                    for (int k = 0; k < n; k++) {
                        y[i + k] = Float.intBitsToFloat(b.getShort() << 16); // the upper half of a float32
                    }
                });
            case "U8" ->
                floats(e, 1, (b, y, i, n) -> {
                    for (int k = 0; k < n; k++) {
                        y[i + k] = b.get() & 0xff;
                    }
                });
            case "F64" -> doubles(e, 8, (b, y, i, n) -> b.asDoubleBuffer().get(y, i, n));
            case "I32" ->
                doubles(e, 4, (b, y, i, n) -> {
                    for (int k = 0; k < n; k++) {
                        y[i + k] = b.getInt();
                    }
                });
            case "I64" ->
                doubles(e, 8, (b, y, i, n) -> {
                    for (int k = 0; k < n; k++) {
                        long v = b.getLong();
                        if (v > 1L << 53 || v < -1L << 53) {
                            throw tensorError(name, "holds " + v + ", beyond the integers that float64 has");
                        }
                        y[i + k] = v;
                    }
                });
            default -> throw tensorError(name, "has type " + e.dtype() + ", which cannot be read; convert it to F32");
        };
    }

    /** Decodes n elements from a buffer into y[i, i + n). */
    @FunctionalInterface
    private interface Decoder<A> {
        void decode(ByteBuffer from, A y, int i, int n);
    }

    private static final Decoder<float[]> FLOATS =
            (b, y, i, n) -> b.asFloatBuffer().get(y, i, n);

    private Tensor floats(Entry e, int elementBytes, Decoder<float[]> decoder) {
        var y = new float[e.shape().size()];
        decode(e, y, 0, elementBytes, decoder);
        return Tensor.of(e.shape(), y);
    }

    private Tensor doubles(Entry e, int elementBytes, Decoder<double[]> decoder) {
        var y = new double[e.shape().size()];
        decode(e, y, 0, elementBytes, decoder);
        return Tensor.of(e.shape(), y);
    }

    private <A> void decode(Entry e, A y, int at, int elementBytes, Decoder<A> decoder) {
        int chunk = MAX_READ_BYTES / elementBytes;
        int size = e.shape().size();
        for (long from = 0; from < size; from += chunk) {
            int i = (int) from;
            int n = Math.min(chunk, size - i);
            long position = dataStart + e.begin() + (long) i * elementBytes;
            bytes.read(position, n * elementBytes, b -> decoder.decode(b, y, at + i, n));
            bytes.done(position, n * elementBytes);
        }
    }

    private FormatException error(String what, long position) {
        return new FormatException(source + ": " + what, position);
    }

    private FormatException tensorError(String name, String what) {
        return error("tensor '" + name + "' " + what, 8);
    }

    @Override
    public void close() {
        bytes.close();
    }

    // ---- writing ----

    /** Elements are copied through buffers of this size. */
    private static final int CHUNK_BYTES = 1 << 20;

    /**
     * Writes a file, atomically as {@link AtomicFile} does. Equal metadata and tensors give equal bytes, whatever the
     * order of the maps: tensors are sorted by type, wide ones first so that each is aligned to its elements, then by
     * name.
     *
     * @throws FileException if the file cannot be written
     * @throws FormatException if a tensor is called {@code __metadata__}, a string cannot be written in UTF-8, or the
     * header would be longer than {@link #MAX_HEADER_BYTES}
     */
    public static void write(Path file, Map<String, String> metadata, Map<String, Tensor> tensors) {
        var sorted = tensors.entrySet().stream()
                .sorted(Comparator.comparing((Map.Entry<String, Tensor> e) ->
                                -e.getValue().dtype().bytes())
                        .thenComparing(Map.Entry::getKey))
                .toList();
        byte[] header = header(file, metadata, sorted);
        AtomicFile.write(file, out -> {
            out.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length)
                    .array());
            out.write(header);
            for (var e : sorted) {
                write(e.getValue(), out);
            }
        });
    }

    private static byte[] header(Path file, Map<String, String> metadata, List<Map.Entry<String, Tensor>> sorted) {
        var header = new LinkedHashMap<String, Object>();
        if (!metadata.isEmpty()) {
            header.put(METADATA, new TreeMap<>(metadata));
        }
        long begin = 0;
        for (var e : sorted) {
            Tensor t = e.getValue();
            long end = begin + (long) t.size() * t.dtype().bytes();
            var fields = new LinkedHashMap<String, Object>();
            fields.put("dtype", t.dtype().name());
            fields.put("shape", Arrays.stream(t.shape().toArray()).boxed().toList());
            fields.put("data_offsets", List.of(begin, end));
            if (e.getKey().equals(METADATA)) {
                throw new FormatException(file + ": a tensor cannot be called " + METADATA + "; rename it", -1);
            }
            header.put(e.getKey(), fields);
            begin = end;
        }
        byte[] json = Json.write(header).getBytes(StandardCharsets.UTF_8);
        byte[] padded = Arrays.copyOf(json, (json.length + 7) / 8 * 8);
        Arrays.fill(padded, json.length, padded.length, (byte) ' ');
        if (padded.length > MAX_HEADER_BYTES) {
            throw new FormatException(
                    file + ": names and metadata take " + padded.length + " bytes, more than the " + MAX_HEADER_BYTES
                            + " that readers accept; split the file",
                    -1);
        }
        return padded;
    }

    private static void write(Tensor t, OutputStream out) throws IOException {
        if (t.bytes() == 0 && t.size() > 0) { // not in memory: read for this, and not kept
            var values = new float[t.size()];
            t.copyTo(values, 0);
            write(Tensor.of(t.shape(), values), out);
            return;
        }
        int chunk = CHUNK_BYTES / t.dtype().bytes();
        var buffer = ByteBuffer.allocate(Math.min(chunk, t.size()) * t.dtype().bytes())
                .order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0, n; i < t.size(); i += n) {
            n = Math.min(chunk, t.size() - i);
            switch (t.dtype()) {
                case F32 -> buffer.asFloatBuffer().put(t.floats(), i, n);
                case F64 -> buffer.asDoubleBuffer().put(t.doubles(), i, n);
            }
            out.write(buffer.array(), 0, n * t.dtype().bytes());
        }
    }

    // ---- where bytes come from ----

    private sealed interface Bytes {
        long size();

        /** Lets {@code use} see bytes {@code [position, position + n)}, little-endian. */
        void read(long position, int n, Consumer<ByteBuffer> use);

        default byte[] copy(long position, int n) {
            var copy = new byte[n];
            read(position, n, b -> b.get(copy));
            return copy;
        }

        /** Whether bytes may be read long after whoever opened the file has closed it. */
        default boolean kept() {
            return false;
        }

        /** These bytes will not be read again soon. */
        default void done(long position, int n) {}

        default void close() {}
    }

    private record ArrayBytes(byte[] array) implements Bytes {
        @Override
        public long size() {
            return array.length;
        }

        @Override
        public void read(long position, int n, Consumer<ByteBuffer> use) {
            use.accept(ByteBuffer.wrap(array, (int) position, n).slice().order(ByteOrder.LITTLE_ENDIAN));
        }
    }

    private record FileBytes(MappedFile file, boolean kept) implements Bytes {
        @Override
        public long size() {
            return file.size();
        }

        @Override
        public void read(long position, int n, Consumer<ByteBuffer> use) {
            file.read(position, n, b -> {
                use.accept(b);
                return null;
            });
        }

        @Override
        public void done(long position, int n) {
            file.done(position, n);
        }

        @Override
        public void close() {
            file.close();
        }
    }
}
