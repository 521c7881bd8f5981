package gradus.app;

import gradus.importer.Contents;
import gradus.importer.Format;
import gradus.importer.FormatReader;
import gradus.importer.ImportOptions;
import gradus.importer.Imported;
import gradus.importer.Keras;
import gradus.importer.TensorSource;
import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.io.MappedFile;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import gradus.train.Checkpoint;
import io.jhdf.HdfFile;
import io.jhdf.api.Attribute;
import io.jhdf.api.Dataset;
import io.jhdf.api.Group;
import io.jhdf.api.Node;
import io.jhdf.api.dataset.ChunkedDataset;
import io.jhdf.filter.PipelineFilterWithData;
import io.jhdf.object.datatype.DataType;
import io.jhdf.object.datatype.OrderedDataType;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * Keras's HDF5 files ({@code .h5}, {@code .weights.h5}) and {@code .keras} archives, read by jHDF. That library answers a
 * damaged file with whatever exception the damage leads to; here they all become a {@link FormatException}. Links to other
 * places and other files are not followed. All arrays together take no more than four times the file and 8 MiB: chunks,
 * of which jHDF unpacks whatever is in them, are unpacked here.
 */
public final class Hdf5Reader implements FormatReader {
    private static final byte[] HDF5 = {(byte) 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    private static final byte[] ZIP = {'P', 'K', 3, 4};

    /** Before names of metadata that other programs would not know. */
    static final String OWN = "gradus_";

    private static final int MAX_NODES = 50_000;
    private static final int MAX_DEPTH = 32;
    private static final int MAX_CONFIG_BYTES = 16 << 20;

    /** What may be allocated for arrays beyond four times the file. */
    private static final long SLACK = 8 << 20;

    /** What a chunk costs beside its bytes: entries of jHDF's index. */
    private static final int CHUNK_BYTES = 512;

    /** What a number costs that is not float32: as what it is, and as a float. */
    private static final int OTHER_BYTES = Double.BYTES + Float.BYTES;

    private static final int DEFLATE = 1;
    private static final int SHUFFLE = 2;
    private static final int FLETCHER32 = 3;
    private static final int LZF = 32000;

    /** In the order in which a chunk was packed; a checksum may follow. */
    private static final Set<List<Integer>> FILTERS = Set.of(
            List.of(),
            List.of(SHUFFLE),
            List.of(DEFLATE),
            List.of(SHUFFLE, DEFLATE),
            List.of(LZF),
            List.of(SHUFFLE, LZF));

    /** For {@link java.util.ServiceLoader}. */
    public Hdf5Reader() {}

    @Override
    public boolean recognizes(Path file, byte[] start) {
        return begins(start, HDF5) || begins(start, ZIP);
    }

    private static boolean begins(byte[] start, byte[] with) {
        return start.length >= with.length && Arrays.equals(start, 0, with.length, with, 0, with.length);
    }

    @Override
    public Imported read(Path file, ImportOptions options) {
        return open(
                file,
                (config, tensors, metadata) ->
                        Keras.read(file.toString(), Format.KERAS_HDF5, config, tensors, metadata, options));
    }

    @Override
    public Contents inspect(Path file) {
        return open(file, (config, tensors, metadata) -> {
            var all = new LinkedHashMap<>(metadata);
            if (config != null) {
                all.put("model_config", Json.write(config));
            }
            return Contents.of(Format.KERAS_HDF5, all, tensors);
        });
    }

    private interface Use<T> {
        /** @param config of the model, or null if the file has weights alone */
        T of(Map<?, ?> config, TensorSource tensors, Map<String, String> metadata);
    }

    private static <T> T open(Path file, Use<T> use) {
        try {
            byte[] start;
            try (InputStream in = Files.newInputStream(file)) {
                start = in.readNBytes(8);
            }
            return begins(start, ZIP) ? archive(file, use) : hdf5(file, use);
        } catch (GradusException e) {
            throw e;
        } catch (IOException e) {
            throw FileException.reading(file, e);
        } catch (RuntimeException | StackOverflowError | InternalError e) { // of an intact file memory may be too small
            throw new FormatException(
                    file + ": damaged, or of a kind that is not known: "
                            + e.getClass().getSimpleName() + ", " + e.getMessage(),
                    -1,
                    e);
        }
    }

    // ---- one HDF5 file ----

    /** In memory, mapped: there jHDF cuts what it reads out of the file instead of allocating what a damaged length says. */
    private static <T> T hdf5(Path file, Use<T> use) {
        try (var mapped = MappedFile.open(file)) {
            if (mapped.size() > Integer.MAX_VALUE) {
                throw new FormatException(file + ": HDF5 files of more than 2 GiB are not read", -1);
            }
            return mapped.read(0, (int) mapped.size(), bytes -> hdf5(file.toString(), bytes, use));
        }
    }

    private static <T> T hdf5(String source, ByteBuffer bytes, Use<T> use) {
        try (var hdf = HdfFile.fromByteBuffer(bytes)) {
            var metadata = new LinkedHashMap<String, String>();
            for (String key :
                    List.of("keras_version", "backend", OWN + Checkpoint.LABELS, OWN + Checkpoint.PREPROCESSING)) {
                String value = text(hdf, key);
                if (value != null) {
                    metadata.put(plain(key), value);
                }
            }
            String config = text(hdf, "model_config");
            Group root = hdf.getChildren().get("model_weights") instanceof Group weights ? weights : hdf;
            return use.of(
                    config == null ? null : config(source, config),
                    new Tensors(source, 4L * bytes.capacity() + SLACK, root),
                    metadata);
        }
    }

    private static String plain(String key) {
        return key.startsWith(OWN) ? key.substring(OWN.length()) : key;
    }

    private static String text(Node node, String attribute) {
        Attribute a = node.getAttributes().get(attribute);
        if (a == null || a.getSize() != 1 || a.getSizeInBytes() > MAX_CONFIG_BYTES) {
            return null;
        }
        Object data = a.getData();
        return data instanceof String[] one && one.length == 1 ? one[0] : data instanceof String s ? s : null;
    }

    private static Map<?, ?> config(String source, String json) {
        try {
            if (Json.parsePython(json) instanceof Map<?, ?> map) {
                return map;
            }
        } catch (FormatException e) {
            throw new FormatException(source + ": the model's configuration is not JSON: " + e.getMessage(), -1, e);
        }
        throw new FormatException(source + ": the model's configuration is no object", -1);
    }

    /** All numeric arrays below a group, by path; not those of the optimizer. */
    private static final class Tensors implements TensorSource {
        private final String source;
        private final Map<String, Dataset> datasets = new LinkedHashMap<>();
        private byte[] inflated = {};
        private byte[] plain = {};
        private long left;
        private int nodes;

        /** @param left bytes that arrays may take */
        Tensors(String source, long left, Group root) {
            this.source = source;
            this.left = left;
            collect(root, "", 0);
        }

        private void collect(Group group, String path, int depth) {
            for (var child : group.getChildren().entrySet()) {
                if (++nodes > MAX_NODES || depth > MAX_DEPTH) {
                    throw new FormatException(source + ": more groups, or deeper ones, than a model has", -1);
                }
                Node node = child.getValue();
                String name = path + child.getKey();
                if (node.isLink() || depth == 0 && child.getKey().startsWith("optimizer")) {
                    continue;
                }
                if (node instanceof Group inner) {
                    collect(inner, name + "/", depth + 1);
                } else if (node instanceof Dataset data && data.getJavaType().isPrimitive()) {
                    datasets.put(name, data);
                }
            }
        }

        @Override
        public Set<String> names() {
            return datasets.keySet();
        }

        @Override
        public Shape shape(String name) {
            try {
                return Shape.of(datasets.get(name).getDimensions());
            } catch (ShapeException e) {
                throw new FormatException(source + ": tensor '" + name + "': " + e.getMessage(), -1, e);
            }
        }

        @Override
        public String dtype(String name) {
            Dataset d = datasets.get(name);
            String type = d.getJavaType().getSimpleName();
            return type.equals("double") ? "float64" : type.equals("float") ? "float32" : type.toLowerCase(Locale.ROOT);
        }

        @Override
        public Tensor read(String name) {
            Shape shape = shape(name);
            Dataset data = datasets.get(name);
            if (shape.size() == 0) {
                return Tensor.of(shape, new float[0]);
            }
            if (data instanceof ChunkedDataset chunks) {
                return Tensor.of(shape, unpacked(name, shape.toArray(), chunks));
            }
            spend(name, data, shape.size(), data.getJavaType() == float.class ? Float.BYTES : OTHER_BYTES);
            float[] values = floats(data.isScalar() ? data.getData() : data.getDataFlat());
            if (values.length != shape.size()) {
                throw error(name, shape + " has another number of values");
            }
            return Tensor.of(shape, values);
        }

        private FormatException error(String name, String what) {
            return new FormatException(source + ": tensor '" + name + "' " + what, -1);
        }

        /** Before something is allocated: {@code n} times so many bytes. */
        private void spend(String name, Dataset data, long n, int bytes) {
            if (n > left / bytes) {
                throw error(name, Arrays.toString(data.getDimensions()) + " is far larger than the file can hold");
            }
            left -= n * bytes;
        }

        private static float[] floats(Object values) {
            return switch (values) {
                case float[] f -> f;
                case Number n -> new float[] {n.floatValue()};
                default -> {
                    var y = new float[Array.getLength(values)];
                    for (int i = 0; i < y.length; i++) {
                        y[i] = values instanceof double[] d
                                ? (float) d[i]
                                : ((Number) Array.get(values, i)).floatValue();
                    }
                    yield y;
                }
            };
        }

        // ---- chunks ----

        private float[] unpacked(String name, int[] dims, ChunkedDataset data) {
            int[] chunk = data.getChunkDimensions();
            if (chunk.length != dims.length) {
                throw error(name, "has " + dims.length + " axes, its chunks have " + chunk.length);
            }
            DataType type = data.getDataType();
            List<PipelineFilterWithData> filters = data.getFilters();
            List<Integer> all =
                    filters.stream().map(PipelineFilterWithData::getId).toList();
            boolean summed = !all.isEmpty() && all.getLast() == FLETCHER32;
            List<Integer> ids = summed ? all.subList(0, all.size() - 1) : all;
            boolean shuffle = ids.contains(SHUFFLE);
            if (!FILTERS.contains(ids) || shuffle && filters.getFirst().getFilterData()[0] != type.getSize()) {
                throw error(
                        name,
                        "is packed by " + filters + "; what is read is shuffle, deflate (gzip) or lzf, fletcher32");
            }
            long size = 1; // of a chunk, in elements
            long chunks = 1;
            for (int axis = 0; axis < dims.length; axis++) {
                size = Math.multiplyExact(size, chunk[axis]);
                chunks = Math.multiplyExact(chunks, Math.ceilDiv(dims[axis], chunk[axis]));
            }
            boolean floats = type.getJavaType() == float.class; // of two bytes or four
            boolean float32 = floats && type.getSize() == Float.BYTES;
            spend(name, data, chunks, CHUNK_BYTES);
            spend( // edges included
                    name,
                    data,
                    Math.multiplyExact(chunks, size),
                    float32 ? Float.BYTES : floats ? 2 * Float.BYTES : OTHER_BYTES);
            int bytes = Math.toIntExact(Math.multiplyExact(size, type.getSize()));
            if (bytes > plain.length) {
                spend(name, data, bytes, 2);
                inflated = new byte[bytes];
                plain = new byte[bytes];
            }
            var y = new float[Shape.of(dims).size()];
            var at = new int[dims.length];
            var inflater = new Inflater();
            try {
                for (long i = 0; i < chunks; i++) {
                    long rest = i;
                    for (int axis = dims.length - 1; axis >= 0; axis--) {
                        int along = Math.ceilDiv(dims[axis], chunk[axis]);
                        at[axis] = (int) (rest % along) * chunk[axis];
                        rest /= along;
                    }
                    ByteBuffer raw = data.getRawChunkBuffer(at);
                    byte[] target = shuffle ? inflated : plain;
                    if (summed) {
                        checkSum(name, raw);
                    }
                    if (ids.contains(DEFLATE)) {
                        inflate(name, inflater, raw, target, bytes);
                    } else if (ids.contains(LZF) && raw.remaining() != bytes) { // what LZF cannot shrink stays as it is
                        lzf(name, raw, target, bytes);
                    } else if (raw.remaining() == bytes) {
                        raw.get(target, 0, bytes);
                    } else {
                        throw error(name, "has a chunk of " + raw.remaining() + " bytes instead of " + bytes);
                    }
                    if (shuffle) {
                        unshuffle(inflated, plain, bytes, type.getSize());
                    }
                    ByteBuffer content = ByteBuffer.wrap(plain, 0, bytes).slice();
                    FloatBuffer numbers = float32 && type instanceof OrderedDataType ordered
                            ? content.order(ordered.getByteOrder()).asFloatBuffer()
                            : FloatBuffer.wrap(floats(type.fillData(content, new int[] {(int) size}, null)));
                    copy(numbers, chunk, at, y, dims);
                }
            } finally {
                inflater.end();
            }
            return y;
        }

        /** Exactly so many bytes: what goes on behind them is not even unpacked. */
        private void inflate(String name, Inflater inflater, ByteBuffer from, byte[] to, int bytes) {
            inflater.reset();
            inflater.setInput(from);
            try {
                for (int n = 0; n < bytes; ) {
                    int more = inflater.inflate(to, n, bytes - n);
                    if (more == 0) {
                        throw error(name, "has a chunk that holds less than " + bytes + " bytes");
                    }
                    n += more;
                }
                if (inflater.inflate(new byte[1]) > 0) {
                    throw error(name, "has a chunk that holds more than " + bytes + " bytes");
                }
            } catch (DataFormatException e) {
                throw new FormatException(
                        source + ": tensor '" + name + "' has a damaged chunk: " + e.getMessage(), -1, e);
            }
            if (!inflater.finished()) {
                throw error(name, "has a chunk that is cut off");
            }
        }

        /** Runs of new bytes, and copies of what came up to 8 KiB before; no further than so many bytes. */
        private void lzf(String name, ByteBuffer from, byte[] to, int bytes) {
            int n = 0;
            while (from.hasRemaining()) {
                int control = from.get() & 0xff;
                boolean copy = control >= 32;
                boolean lengthy = control >= 224;
                int run = copy ? (lengthy ? 2 : 1) : control + 1;
                if (from.remaining() < run) {
                    throw error(name, "has a chunk that is cut off");
                }
                int length = !copy ? run : 2 + (control >> 5) + (lengthy ? from.get() & 0xff : 0);
                if (length > bytes - n) {
                    throw error(name, "has a chunk that holds more than " + bytes + " bytes");
                }
                if (!copy) {
                    from.get(to, n, length);
                    n += length;
                    continue;
                }
                int at = n - 1 - ((control & 31) << 8 | from.get() & 0xff);
                if (at < 0) {
                    throw error(name, "has a damaged chunk: it copies what comes before it");
                }
                for (int end = n + length; n < end; ) { // may read what it has just written
                    to[n++] = to[at++];
                }
            }
            if (n < bytes) {
                throw error(name, "has a chunk that holds less than " + bytes + " bytes");
            }
        }

        /** Takes Fletcher's sum of 16-bit numbers off the end of a chunk and compares. */
        private void checkSum(String name, ByteBuffer chunk) {
            int n = chunk.remaining() - Integer.BYTES;
            if (n < 0) {
                throw error(name, "has a chunk without its checksum");
            }
            int from = chunk.position();
            int low = 0;
            int high = 0;
            for (int i = 0; i < n; i += 2) {
                low += (chunk.get(from + i) & 0xff) << 8 | (i + 1 < n ? chunk.get(from + i + 1) & 0xff : 0);
                low = (low & 0xffff) + (low >>> 16);
                high += low;
                high = (high & 0xffff) + (high >>> 16);
            }
            int stored = 0;
            for (int i = 3; i >= 0; i--) {
                stored = stored << 8 | chunk.get(from + n + i) & 0xff;
            }
            if (stored != (high << 16 | low)) {
                throw error(name, "has a damaged chunk: its checksum is another");
            }
            chunk.limit(from + n);
        }

        /** From the first bytes of all elements, then the second ones, and so on. */
        private static void unshuffle(byte[] from, byte[] to, int bytes, int size) {
            int elements = bytes / size;
            for (int k = 0; k < size; k++) {
                for (int i = 0; i < elements; i++) {
                    to[i * size + k] = from[k * elements + i];
                }
            }
        }

        /** Puts the rows of a chunk where they belong; it may reach over the array's end. */
        private static void copy(FloatBuffer from, int[] chunk, int[] at, float[] y, int[] dims) {
            int last = dims.length - 1;
            int rows = from.capacity() / chunk[last];
            for (int r = 0; r < rows; r++) {
                boolean inside = true;
                int to = 0;
                for (int axis = 0, below = rows, rest = r; axis < last; axis++) {
                    below /= chunk[axis];
                    int i = at[axis] + rest / below;
                    rest %= below;
                    inside &= i < dims[axis];
                    to = to * dims[axis] + i;
                }
                if (inside) {
                    int row = Math.min(chunk[last], dims[last] - at[last]);
                    from.get(r * chunk[last], y, to * dims[last] + at[last], row);
                }
            }
        }
    }

    // ---- .keras: a zip archive of config.json, metadata.json, model.weights.h5 ----

    private static <T> T archive(Path file, Use<T> use) throws IOException {
        try (var zip = new ZipFile(file.toFile())) {
            byte[] config = unpacked(file, zip, "config.json", MAX_CONFIG_BYTES);
            byte[] weights = unpacked(file, zip, "model.weights.h5", 2 * Files.size(file) + SLACK);
            var metadata = new LinkedHashMap<String, String>();
            if (zip.getEntry("metadata.json") != null) {
                byte[] json = unpacked(file, zip, "metadata.json", 1 << 20);
                config(file.toString(), new String(json, StandardCharsets.UTF_8))
                        .forEach((key, value) -> {
                            if (value instanceof String s) {
                                metadata.put(plain((String) key), s);
                            }
                        });
            }
            try (var hdf = HdfFile.fromBytes(weights)) {
                return use.of(
                        config(file.toString(), new String(config, StandardCharsets.UTF_8)),
                        new Tensors(file.toString(), 4 * Files.size(file) + SLACK * 3 / 2 - weights.length, hdf),
                        metadata);
            }
        } catch (ZipException e) {
            throw new FormatException(file + ": damaged archive: " + e.getMessage(), -1, e);
        }
    }

    /** The size an archive states is checked first, and not trusted after that; Java leaves the checksum unchecked. */
    private static byte[] unpacked(Path file, ZipFile zip, String name, long most) throws IOException {
        ZipEntry entry = zip.getEntry(name);
        if (entry == null) {
            throw new FormatException(file + ": has no " + name + "; is this a .keras archive?", -1);
        }
        long limit = Math.min(most, Integer.MAX_VALUE - 16);
        if (entry.getSize() > limit || entry.getSize() < 0) {
            throw new FormatException(file + ": " + name + " would have " + entry.getSize() + " bytes unpacked", -1);
        }
        var bytes = new byte[(int) entry.getSize()];
        try (InputStream in = zip.getInputStream(entry)) {
            if (in.readNBytes(bytes, 0, bytes.length) != bytes.length || in.read() >= 0) {
                throw new FormatException(file + ": " + name + " has another size than the archive says", -1);
            }
        }
        var sum = new CRC32();
        sum.update(bytes);
        if (sum.getValue() != entry.getCrc()) {
            throw new FormatException(
                    file + ": " + name + " is damaged: its checksum is another than the archive says", -1);
        }
        return bytes;
    }
}
