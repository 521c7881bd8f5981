package gradus.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import gradus.importer.Exporter;
import gradus.importer.Format;
import gradus.importer.ImportOptions;
import gradus.importer.Imported;
import gradus.importer.Importer;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.Model;
import gradus.resnet.ResNets;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import io.jhdf.HdfFile;
import io.jhdf.api.DatasetCreationOptions;
import io.jhdf.api.WritableGroup;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Keras's HDF5 files: written here as Keras lays them out, read through the importer. */
class Hdf5Test {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** Kernels that another test's backend, of this class or not, has compiled in the background make objects, which would be counted. */
    @BeforeEach
    void warmedUp() throws InterruptedException {
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().equals("gradus-warm-up")) {
                thread.join();
            }
        }
    }

    @TempDir
    Path directory;

    private static Model model() {
        LayerOutput x = Input.of(Shape.of(8, 8, 3), "in");
        LayerOutput y = x.then(Conv2D.of(4, 3).same().named("first"))
                .then(BatchNormalization.of().named("norm"))
                .then(Activation.relu().named("act"));
        LayerOutput z = y.then(Conv2D.of(4, 1).bias(false).named("second"));
        y = Add.of().named("sum").apply(y, z).then(GlobalAveragePooling2D.of().named("pool"));
        return Model.of("net", x, y.then(Dense.of(3).activation("softmax").named("fc")));
    }

    private static Tensor predict(Model model) {
        var x = new float[2 * 8 * 8 * 3];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) Math.sin(i);
        }
        return model.predict(Tensor.of(Shape.of(2, 8, 8, 3), x));
    }

    /** The topology as our own writer of layers models says it. */
    private String config(Model model) throws IOException {
        Path folder = directory.resolve("layers");
        Exporter.write(model, List.of(), null, Format.KERAS_LAYERS, folder);
        var json = (Map<?, ?>) Json.parse(Files.readAllBytes(folder.resolve("model.json")));
        return Json.write(((Map<?, ?>) json.get("modelTopology")).get("model_config"));
    }

    /** An array of arrays, as jHDF wants its data. */
    private static Object nested(Tensor t, int axis, int[] at) {
        int n = t.shape().dim(axis);
        boolean last = axis == t.shape().rank() - 1;
        var extents = new int[t.shape().rank() - axis];
        System.arraycopy(t.shape().toArray(), axis, extents, 0, extents.length);
        Object array = Array.newInstance(float.class, extents);
        for (int i = 0; i < n; i++) {
            if (last) {
                Array.setFloat(array, i, (float) t.get(at[0]++));
            } else {
                Array.set(array, i, nested(t, axis + 1, at));
            }
        }
        return array;
    }

    private static void put(WritableGroup group, String name, Tensor t) {
        group.putDataset(name, nested(t, 0, new int[1]));
    }

    /** As Keras stores it when told to compress: chunks, shuffled and deflated. */
    private static void putCompressed(WritableGroup group, String name, Tensor t) {
        int[] chunk = t.shape().toArray();
        chunk[0] = (chunk[0] + 1) / 2;
        var options = DatasetCreationOptions.builder()
                .chunkDimensions(chunk)
                .shuffle()
                .deflate();
        group.putDataset(name, nested(t, 0, new int[1]), options.build());
    }

    /** {@code model_weights/conv1/conv1/kernel:0}, and the configuration as an attribute. */
    private void whole(Path file, Model model, String scope, boolean compressed) throws IOException {
        try (var hdf = HdfFile.write(file)) {
            hdf.putAttribute("keras_version", "2.10.0");
            hdf.putAttribute("backend", "tensorflow");
            hdf.putAttribute("model_config", config(model));
            WritableGroup weights = hdf.putGroup("model_weights");
            var groups = new HashMap<String, WritableGroup>();
            model.weights().forEach((name, t) -> {
                String layer = name.substring(0, name.indexOf('/'));
                WritableGroup inner =
                        groups.computeIfAbsent(layer, l -> weights.putGroup(l).putGroup(l + scope));
                String weight = name.substring(layer.length() + 1) + ":0";
                if (compressed) {
                    putCompressed(inner, weight, t);
                } else {
                    put(inner, weight, t);
                }
            });
            put(hdf.putGroup("optimizer_weights"), "m:0", Tensor.of(Shape.of(2), 1f, 2f));
        }
    }

    @Test
    void wholeModels() throws IOException {
        Model model = model();
        Path file = directory.resolve("model.h5");
        for (String scope : List.of("", "_3", "_compressed")) {
            Files.deleteIfExists(file);
            deleteLayers();
            whole(file, model, scope, scope.equals("_compressed"));
            Imported read = Importer.load(file);
            assertEquals(predict(model), predict(read.model()));
            assertEquals(9, read.report().matched().size());
            assertEquals(List.of(), read.report().unmatched());
            assertEquals("2.10.0", read.metadata().get("keras_version"));
            assertEquals(9, Importer.inspect(file).tensors().size());
        }
    }

    private void deleteLayers() throws IOException {
        Path folder = directory.resolve("layers");
        if (Files.exists(folder)) {
            try (var list = Files.list(folder)) {
                for (Path file : list.toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    /** Keras 3 numbers weights in a layer, and layers of a class. */
    private void numbered(Path file, Model model, Map<String, String> keys) {
        try (var hdf = HdfFile.write(file)) {
            WritableGroup layers = hdf.putGroup("layers");
            var groups = new HashMap<String, WritableGroup>();
            var counts = new HashMap<String, Integer>();
            model.weights().forEach((name, t) -> {
                String layer = name.substring(0, name.indexOf('/'));
                WritableGroup vars = groups.computeIfAbsent(
                        layer, l -> layers.putGroup(keys.getOrDefault(l, l)).putGroup("vars"));
                put(vars, Integer.toString(counts.merge(layer, 1, Integer::sum) - 1), t);
            });
        }
    }

    private void zip(Path archive, Map<String, byte[]> entries) throws IOException {
        zip(archive, entries, Deflater.DEFAULT_COMPRESSION);
    }

    private void zip(Path archive, Map<String, byte[]> entries, int level) throws IOException {
        try (var zip = new ZipOutputStream(Files.newOutputStream(archive))) {
            zip.setLevel(level);
            for (var e : entries.entrySet()) {
                zip.putNextEntry(new ZipEntry(e.getKey()));
                zip.write(e.getValue());
            }
        }
    }

    private static final Map<String, String> BY_CLASS =
            Map.of("first", "conv2d", "second", "conv2d_1", "norm", "batch_normalization", "fc", "dense");

    @Test
    void archives() throws IOException {
        Model model = model();
        byte[] config = config(model).getBytes(StandardCharsets.UTF_8);
        for (Map<String, String> keys : List.of(BY_CLASS, Map.<String, String>of())) {
            Path weights = directory.resolve("model.weights.h5");
            Files.deleteIfExists(weights);
            numbered(weights, model, keys);
            Path archive = directory.resolve("model.keras");
            zip(archive, Map.of("config.json", config, "model.weights.h5", Files.readAllBytes(weights)));
            assertEquals(predict(model), predict(Importer.load(archive).model()));
        }
        Path archive = directory.resolve("bad.keras");
        zip(archive, Map.of("config.json", config));
        String m = assertThrows(FormatException.class, () -> Importer.load(archive))
                .getMessage();
        assertTrue(m.contains("bad.keras") && m.contains("model.weights.h5"), m);
        zip(archive, Map.of("config.json", config, "model.weights.h5", new byte[100 << 20])); // a bomb of 100 kB
        m = assertThrows(FormatException.class, () -> Importer.load(archive)).getMessage();
        assertTrue(m.contains("unpacked"), m);
        // a bit of a weight in an archive that is not compressed
        zip(
                archive,
                Map.of(
                        "config.json",
                        config,
                        "model.weights.h5",
                        Files.readAllBytes(directory.resolve("model.weights.h5"))),
                Deflater.NO_COMPRESSION);
        assertEquals(predict(model), predict(Importer.load(archive).model()));
        byte[] bytes = Files.readAllBytes(archive);
        byte[] weight = ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat((float) model.weight("second/kernel").get(0))
                .putFloat((float) model.weight("second/kernel").get(1))
                .array();
        int at = 0;
        while (!Arrays.equals(bytes, at, at + 8, weight, 0, 8)) {
            at++;
        }
        bytes[at + 3] ^= 0x40;
        Files.write(archive, bytes);
        m = assertThrows(FormatException.class, () -> Importer.load(archive)).getMessage();
        assertTrue(m.contains("bad.keras: model.weights.h5 is damaged") && m.contains("checksum"), m);
    }

    /** Weights alone, under the names of the layers, for a named architecture. */
    @Test
    void weightsAlone() {
        Model model = ResNets.byName("resnet20").build();
        Path file = directory.resolve("resnet20.weights.h5");
        numbered(file, model, Map.of());
        String m =
                assertThrows(FormatException.class, () -> Importer.load(file)).getMessage();
        assertTrue(m.contains("--model"), m);
        Imported read = Importer.load(file, ImportOptions.none().model("resnet20"));
        read.model().weights().forEach((name, w) -> assertEquals(model.weight(name), w));
    }

    /** The same under the numbers of Keras 3. */
    @Test
    void weightsAloneNumberedByClass() throws IOException {
        Model model = ResNets.byName("resnet20").build();
        var keys = new LinkedHashMap<String, String>();
        var counts = new HashMap<String, Integer>();
        for (String layer : model.layerNames(true)) { // no convolutions side by side: KerasTest has those
            String type = model.layer(layer).type();
            String base = type.equals("Conv2D") ? "conv2d" : type.equals("Dense") ? "dense" : "batch_normalization";
            if (model.weights().keySet().stream().anyMatch(w -> w.startsWith(layer + "/"))) {
                int before = counts.merge(base, 1, Integer::sum) - 1;
                keys.put(layer, before == 0 ? base : base + "_" + before);
            }
        }
        Path file = directory.resolve("numbered.weights.h5");
        numbered(file, model, keys);
        Imported read = Importer.load(file, ImportOptions.none().model("resnet20"));
        read.model().weights().forEach((name, w) -> assertEquals(model.weight(name), w));
        var out = new StringWriter();
        String[] command = {
            "convert",
            file.toString(),
            directory.resolve("out.safetensors").toString(),
            "--model",
            "resnet20",
            "--report"
        };
        assertEquals(0, Main.run(new PrintWriter(out), new PrintWriter(out), command), out::toString);
        String last = keys.keySet().stream()
                .filter(layer -> keys.get(layer).equals("conv2d_18"))
                .findFirst()
                .orElseThrow();
        assertTrue(
                out.toString().contains("layers/conv2d_18/vars/0 -> " + last + "/kernel (3, 3, 64, 64)"),
                out::toString);
    }

    /** Shuffled and packed, in the format in which h5py stores arrays. */
    private byte[] old(Model model, int packing) throws IOException {
        var hdf = new Hdf5Bytes();
        model.weights().forEach((name, t) -> hdf.put(name, t, packing));
        deleteLayers();
        return hdf.file(config(model));
    }

    private byte[] example(String kind) throws IOException {
        Path file = directory.resolve("model.h5");
        if (kind.equals("old") || kind.equals("lzf")) {
            return old(model(), kind.equals("lzf") ? Hdf5Bytes.LZF : Hdf5Bytes.DEFLATE);
        }
        whole(file, model(), "", kind.equals("compressed"));
        return Files.readAllBytes(file);
    }

    @Test
    void chunksOfTheOldFormat() throws IOException {
        Model model = model();
        Path file = directory.resolve("old.h5");
        for (int packing : new int[] {Hdf5Bytes.DEFLATE, Hdf5Bytes.LZF}) {
            Files.write(file, old(model, packing));
            Imported read = Importer.load(file);
            read.model().weights().forEach((name, w) -> assertEquals(model.weight(name), w));
            assertEquals(9, read.report().matched().size());
        }
    }

    /** A chunk that h5py 3.16 has packed by LZF, with Fletcher's checksum behind it. */
    private static final String LZF =
            "010000e0130002803f00e010030100402039e00f03e01200e069530bcdcccc3dcdcc4c3e9a99993e200b003e"
                    + "209c083f9a99193f3333333fadce396b";

    @Test
    void chunksPackedByLzf() throws IOException {
        var expected = new float[64];
        for (int i = 0; i < 64; i++) {
            expected[i] = i < 57 ? i / 7 % 3 : (i - 56) / 10f;
        }
        int[] dims = {8, 8};
        byte[] summed = HexFormat.of().parseHex(LZF);
        byte[] plain = Arrays.copyOf(summed, summed.length - 4);
        Path file = directory.resolve("model.h5");
        for (boolean sum : new boolean[] {false, true}) {
            int[] filters = sum ? new int[] {Hdf5Bytes.LZF, 3} : new int[] {Hdf5Bytes.LZF};
            assertNull(refused(bomb(dims, dims, one(sum ? summed : plain), filters), "as h5py packs"));
            assertEquals(
                    Tensor.of(Shape.of(8, 8), expected),
                    Importer.load(file).model().weight("fc/kernel"));
        }
        summed[20] ^= 1;
        String m = refused(bomb(dims, dims, one(summed), Hdf5Bytes.LZF, 3), "another byte");
        assertTrue(m.contains("'fc/kernel'") && m.contains("checksum"), m);
        for (int length : new int[] {0, 1, 5, plain.length - 1}) {
            m = refused(bomb(dims, dims, one(Arrays.copyOf(plain, length)), Hdf5Bytes.LZF), "cut off");
            assertTrue(m.contains("cut off") || m.contains("holds less"), m);
        }
        byte[] more = Arrays.copyOf(plain, plain.length + 2); // one more zero
        m = refused(bomb(dims, dims, one(more), Hdf5Bytes.LZF), "a byte too many");
        assertTrue(m.contains("holds more than 256 bytes"), m);
        byte[] before = {0, 7, (byte) 0xff, (byte) 0xff, 1}; // a copy from before the beginning
        m = refused(bomb(dims, dims, one(before), Hdf5Bytes.LZF), "nothing to copy");
        assertTrue(m.contains("holds more") || m.contains("damaged chunk"), m);
        before[2] = 63;
        before[3] = 9;
        m = refused(bomb(dims, dims, one(before), Hdf5Bytes.LZF), "nothing to copy");
        assertTrue(m.contains("copies what comes before it"), m);
    }

    @Test
    void chunksOfDoubles() throws IOException {
        Path file = directory.resolve("doubles.h5");
        LayerOutput x = Input.of(Shape.of(3), "in");
        var kernel = new double[][] {{1, 2}, {3, 4}, {5, 1e-3}};
        try (var hdf = HdfFile.write(file)) {
            hdf.putAttribute(
                    "model_config",
                    config(Model.of("net", x, x.then(Dense.of(2).bias(false).named("fc")))));
            var options = DatasetCreationOptions.builder()
                    .chunkDimensions(2, 2)
                    .shuffle()
                    .deflate();
            hdf.putGroup("fc").putDataset("kernel", kernel, options.build());
        }
        Tensor read = Importer.load(file).model().weight("fc/kernel");
        assertEquals(Tensor.of(Shape.of(3, 2), 1f, 2f, 3f, 4f, 5f, 1e-3f), read);
    }

    @ParameterizedTest
    @ValueSource(strings = {"plain", "compressed", "old", "lzf"})
    void damagedFiles(String kind) throws IOException {
        byte[] good = example(kind);
        var random = new SplittableRandom(1);
        int refused = 0;
        for (int i = 0; i < 2_000; i++) {
            byte[] bad = good.clone();
            for (int k = 1 + random.nextInt(4); k > 0; k--) {
                bad[random.nextInt(bad.length)] = (byte) random.nextInt(256);
            }
            if (random.nextInt(8) == 0) {
                bad = Arrays.copyOf(bad, random.nextInt(bad.length));
            }
            refused += refused(bad, "mutant " + i) == null ? 0 : 1;
        }
        System.out.printf("HDF5, %s: %d of 2000 refused%n", kind, refused);
        assertTrue(refused > 200);
    }

    /** What is said about a file that is refused, or null if it is not; within the memory and time that are promised. */
    private String refused(byte[] bytes, String what) throws IOException {
        Path file = directory.resolve("model.h5");
        Files.write(file, bytes);
        String message = null;
        long before = THREADS.getTotalThreadAllocatedBytes(); // jHDF has helpers
        long start = System.nanoTime();
        try {
            Importer.load(file);
        } catch (GradusException e) {
            message = e.getMessage();
            assertTrue(message.contains("model.h5"), message);
        }
        long allocated = THREADS.getTotalThreadAllocatedBytes() - before;
        assertTrue(allocated <= 4L * bytes.length + (16 << 20), what + ": " + allocated + " bytes allocated");
        assertTrue(System.nanoTime() - start < 5_000_000_000L, what);
        return message;
    }

    // ---- chunks that promise little and hold much ----

    private static final int[] DIMS = {64, 64};

    /** One dense layer, whose kernel is stored as claimed. */
    private byte[] bomb(int[] dims, int[] chunk, List<Hdf5Bytes.Chunk> chunks, int... filters) throws IOException {
        LayerOutput x = Input.of(Shape.of(dims[0]), "in");
        Model model = Model.of("net", x, x.then(Dense.of(dims[1]).bias(false).named("fc")));
        deleteLayers();
        var hdf = new Hdf5Bytes();
        hdf.put("fc/kernel", dims, chunk, chunks, filters);
        return hdf.file(config(model));
    }

    private static List<Hdf5Bytes.Chunk> one(byte[] stored) {
        return List.of(new Hdf5Bytes.Chunk(new int[2], stored));
    }

    @Test
    void bombsInDeflatedChunks() throws IOException {
        byte[] fits = Hdf5Bytes.deflated(new byte[4 * 64 * 64]);
        assertNull(refused(bomb(DIMS, DIMS, one(fits), 1), "no bomb"));
        byte[] much = Hdf5Bytes.deflated(new byte[200 << 20]);
        assertTrue(much.length < 300_000);
        for (int[] filters : new int[][] {{1}, {2, 1}}) {
            String m = refused(bomb(DIMS, DIMS, one(much), filters), "200 MB in a chunk of 16 kB");
            assertTrue(m.contains("'fc/kernel'") && m.contains("holds more"), m);
        }
        String m = refused(bomb(DIMS, DIMS, one(Hdf5Bytes.deflated(new byte[100])), 1), "too little");
        assertTrue(m.contains("holds less"), m);
        m = refused(bomb(DIMS, DIMS, one(Arrays.copyOf(fits, fits.length - 8)), 1), "cut off");
        assertTrue(m.contains("holds less"), m);
        byte[] twice = Hdf5Bytes.deflated(much);
        assertTrue(twice.length < 3_000);
        for (int[] filters : new int[][] {{1, 1}, {1, 2, 1}, {1, 1, 1, 1}}) {
            m = refused(bomb(DIMS, DIMS, one(twice), filters), "bombs in bombs");
            assertTrue(m.contains("deflate (id=1)"), m);
        }
    }

    /** Each keeps its promise, and together they are too much. */
    @Test
    void chunksThatAreTooMuchTogether() throws IOException {
        byte[] large = Hdf5Bytes.deflated(new byte[64 << 20]);
        String m = refused(bomb(DIMS, new int[] {1 << 18, 64}, one(large), 1), "a chunk larger than the array");
        assertTrue(m.contains("far larger than the file can hold"), m);
        m = refused(bomb(new int[] {4096, 4096}, new int[] {4096, 4096}, one(large), 1), "64 MB of zeros");
        assertTrue(m.contains("far larger than the file can hold"), m);
        byte[] row = Hdf5Bytes.deflated(new byte[4 << 20]);
        var rows = IntStream.range(0, 4096)
                .mapToObj(i -> new Hdf5Bytes.Chunk(new int[] {i, 0}, row))
                .toList();
        m = refused(bomb(new int[] {4096, 1}, new int[] {1, 1 << 20}, rows.subList(0, 200), 1), "long rows");
        assertTrue(m.contains("far larger than the file can hold"), m);
        m = refused(bomb(new int[] {1024, 1024}, new int[] {1, 1}, one(row), 1), "a chunk for each number");
        assertTrue(m.contains("far larger than the file can hold"), m);
        m = refused(bomb(DIMS, new int[] {0, 64}, one(row), 1), "no chunk at all");
        assertTrue(m.contains("model.h5"), m);
    }

    /** Each array fits into what is allowed; a thousand of them do not. */
    @Test
    void arraysThatAreTooMuchTogether() throws IOException {
        LayerOutput x = Input.of(Shape.of(512), "in");
        LayerOutput y = x;
        var hdf = new Hdf5Bytes();
        byte[] zeros = Hdf5Bytes.deflated(new byte[4 * 512 * 512]);
        for (int i = 0; i < 100; i++) {
            y = y.then(Dense.of(512).bias(false).named("fc" + i));
            hdf.put("fc" + i + "/kernel", new int[] {512, 512}, new int[] {512, 512}, one(zeros), 1);
        }
        String m = refused(hdf.file(config(Model.of("net", x, y))), "100 MB of zeros");
        assertTrue(m.contains("far larger than the file can hold"), m);
    }
}
