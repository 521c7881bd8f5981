package gradus.app;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.importer.Exporter;
import gradus.importer.Format;
import gradus.importer.ImportOptions;
import gradus.importer.Imported;
import gradus.importer.Importer;
import gradus.io.FileException;
import gradus.io.Json;
import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.ChannelPadding;
import gradus.layers.Concatenate;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Flatten;
import gradus.layers.Input;
import gradus.layers.Layer;
import gradus.layers.LayerOutput;
import gradus.layers.LeakyReLU;
import gradus.layers.Model;
import gradus.resnet.ResNets;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import io.jhdf.HdfFile;
import io.jhdf.api.Dataset;
import io.jhdf.api.Group;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that Keras loads: read by our own reader, by jHDF, and byte by byte where no library looks. */
class KerasWriterTest {
    @TempDir
    Path directory;

    private static LayerOutput in(String name, int... dims) {
        return Input.of(Shape.of(dims), name);
    }

    private static Tensor random(Shape shape, long seed) {
        var random = new SplittableRandom(seed);
        var x = new float[shape.size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextDouble(0.1, 1);
        }
        return Tensor.of(shape, x);
    }

    private static Model filled(Model model) {
        model.weights().forEach((name, w) -> model.setWeight(name, random(w.shape(), name.hashCode())));
        return model;
    }

    /** Two layers of each name, inside and outside, one of them frozen; models in models, called several times. */
    private static Model nested() {
        LayerOutput x = in("x", 4, 4, 2);
        Model inner = Model.of(
                "inner",
                x,
                x.then(Conv2D.of(2, 3).same().named("conv"))
                        .then(BatchNormalization.of().named("norm"))
                        .then(LeakyReLU.of(0.1).named("leaky"))
                        .then(Conv2D.of(2, 1).named("second")));
        inner.trainable("conv", false);
        x = in("y", 4, 4, 2);
        Model middle =
                Model.of("middle", x, x.then(Conv2D.of(2, 1).named("conv")).then(inner));
        x = in("z", 4, 4, 2);
        LayerOutput y = x.then(Conv2D.of(2, 1).named("conv"));
        y = Concatenate.of(-1).named("both").apply(y.then(middle).then(middle), y.then(middle));
        y = y.then(ChannelPadding.of(1, 0).named("pad"))
                .then(BatchNormalization.of().scale(false).named("norm"));
        return filled(Model.of(
                "outer", x, y.then(Flatten.of().named("flat")).then(Dense.of(3).named("fc"))));
    }

    /** One layer for two inputs, two outputs, branches whose order is not that of their making. */
    private static Model branches() {
        LayerOutput a = in("a", 5, 4, 2);
        LayerOutput b = in("b", 5, 4, 2);
        Layer shared = Conv2D.of(2, 3).same().groups(2).activation("gelu").named("shared");
        LayerOutput late = b.then(Conv2D.of(2, 1).named("late"));
        LayerOutput left =
                a.then(shared).then(BatchNormalization.of().named("n1")).then(shared);
        LayerOutput sum = Add.of().named("sum").apply(left, b.then(shared), late);
        LayerOutput end = sum.then(Conv2D.of(2, 1).named("end"));
        return filled(Model.of(
                "two", List.of(a, b), List.of(end, sum.then(Activation.relu().named("r")))));
    }

    private static Model model(String name) {
        return switch (name) {
            case "nested" -> nested();
            case "branches" -> branches();
            default -> filled(ResNets.byName(name).input(64, 64, 3).classes(5).build());
        };
    }

    private static List<Tensor> predict(Model model) {
        var x = new ArrayList<Tensor>();
        for (Shape s : model.inputShapes()) {
            x.add(random(Shape.of(2, s.dim(0), s.dim(1), s.dim(2)), x.size()));
        }
        return model.predict(x);
    }

    @ParameterizedTest
    @ValueSource(strings = {"nested", "branches", "resnet20", "resnet50", "resnet18", "resnet50v2"})
    void modelsComeBackAsTheyWere(String name) {
        Model model = model(name);
        boolean labelled = name.startsWith("resnet");
        List<String> labels = labelled ? List.of("a", "b", "\"", "d", "\u00e9") : List.of();
        Pictures pictures = labelled ? Pictures.standard(model, Preprocess.CAFFE) : null;
        for (String format : List.of("h5", "keras3")) {
            Path file = directory.resolve("model." + format);
            KerasWriter.write(model, Exporter.metadata(labels, pictures), format, file);
            Imported read = Importer.load(file);
            assertEquals(model.weights(), read.model().weights(), format);
            assertEquals(predict(model), predict(read.model()), format);
            assertEquals(List.of(), read.report().unmatched());
            assertEquals(labels, read.labels());
            assertEquals(pictures, read.pictures().orElse(null));
            for (String layer : model.layerNames()) {
                if (!(model.layer(layer) instanceof ChannelPadding)) { // no weights to train
                    assertEquals(model.isTrainable(layer), read.model().isTrainable(layer), layer);
                }
            }
        }
    }

    /** Also where a shortcut is a convolution for Keras and none here: {@code resnet20}. */
    @ParameterizedTest
    @ValueSource(strings = {"resnet20", "resnet18"})
    void weightsAlone(String name) {
        Model model = filled(ResNets.byName(name).build());
        Path file = directory.resolve("model.weights.h5");
        KerasWriter.write(model, Map.of(), "weights", file);
        Imported read = Importer.load(file, ImportOptions.none().model(name));
        assertEquals(model.weights(), read.model().weights());
        assertEquals(List.of(), read.report().unmatched());
        try (var hdf = new HdfFile(file)) {
            Dataset first = hdf.getDatasetByPath("layers/batch_normalization/vars/3");
            String layer = model.layerNames(true).stream()
                    .filter(l -> model.layer(l) instanceof BatchNormalization)
                    .findFirst()
                    .orElseThrow();
            assertArrayEquals(model.weight(layer + "/moving_variance").floats(), (float[]) first.getDataFlat());
        }
    }

    /** {@code .keras} files list layers by depth: the convolution beside a block's among the block's. */
    @ParameterizedTest
    @ValueSource(strings = {"resnet20", "resnet18", "resnet50v1.5"})
    void torchvisionsNamesComeBack(String name) {
        Model model = filled(ResNets.byName(name).input(64, 64, 3).classes(5).build());
        Path keras = directory.resolve("model.keras");
        Path torch = directory.resolve("model.safetensors");
        KerasWriter.write(model, Map.of(), "keras3", keras);
        Exporter.write(Importer.load(keras).model(), List.of(), null, Format.TORCHVISION, torch);
        Model read = Importer.load(torch, ImportOptions.none().input(64, 64)).model();
        assertEquals(
                List.copyOf(model.weights().values()),
                List.copyOf(read.weights().values()));
    }

    private static List<String> names(Group group, String attribute) {
        return List.of((String[]) group.getAttribute(attribute).getData());
    }

    /** Keras goes through both lists in order; of a model as layer, what learns comes first. */
    @Test
    void orderOfNamedWeights() {
        Path file = directory.resolve("model.h5");
        KerasWriter.write(nested(), Map.of(), "h5", file);
        try (var hdf = new HdfFile(file)) {
            var weights = (Group) hdf.getChild("model_weights");
            assertEquals("2.10.0", weights.getAttribute("keras_version").getData());
            assertEquals("tensorflow", weights.getAttribute("backend").getData());
            assertEquals(List.of("conv", "middle", "pad", "norm", "fc"), names(weights, "layer_names"));
            assertEquals(
                    List.of("norm/beta:0", "norm/moving_mean:0", "norm/moving_variance:0"),
                    names((Group) weights.getChild("norm"), "weight_names"));
            var middle = (Group) weights.getChild("middle");
            List<String> names = names(middle, "weight_names");
            assertEquals(
                    List.of(
                            "middle/conv/kernel:0",
                            "middle/conv/bias:0",
                            "middle/inner/norm/gamma:0",
                            "middle/inner/norm/beta:0",
                            "middle/inner/second/kernel:0",
                            "middle/inner/second/bias:0",
                            "middle/inner/conv/kernel:0",
                            "middle/inner/conv/bias:0",
                            "middle/inner/norm/moving_mean:0",
                            "middle/inner/norm/moving_variance:0"),
                    names);
            for (String name : names) {
                assertEquals(float.class, ((Dataset) middle.getByPath(name)).getJavaType());
            }
        }
    }

    /** What Keras 3 demands: a module for each layer, calls as objects, one tensor that is no list. */
    @Test
    void archivesAreInTheDialectOfKeras3() throws IOException {
        Path file = directory.resolve("model.keras");
        KerasWriter.write(nested(), Map.of(), "keras3", file);
        try (var zip = new ZipFile(file.toFile())) {
            assertEquals(
                    List.of("metadata.json", "config.json", "model.weights.h5"),
                    zip.stream().map(e -> e.getName()).toList());
            byte[] json = zip.getInputStream(zip.getEntry("config.json")).readAllBytes();
            var model = (Map<?, ?>) Json.parse(json);
            assertEquals("keras.src.models.functional", model.get("module"));
            var config = (Map<?, ?>) model.get("config");
            assertEquals(List.of("fc", 0L, 0L), config.get("output_layers"));
            for (Object layer : (List<?>) config.get("layers")) {
                var map = (Map<?, ?>) layer;
                boolean inner = map.get("name").equals("middle");
                assertEquals(inner ? "keras.src.models.functional" : "keras.layers", map.get("module"));
                if (inner) {
                    var calls = (List<?>) map.get("inbound_nodes");
                    assertEquals(3, calls.size());
                    assertTrue(Json.write(calls).contains("\"keras_history\":[\"middle\",0,0]"), Json.write(calls));
                    assertTrue(Json.write(calls).contains("\"shape\":[null,4,4,2]"), Json.write(calls));
                }
            }
        }
    }

    @Test
    void equalModelsMakeEqualFiles() throws IOException {
        for (String format : List.of("h5", "keras3", "weights")) {
            Path a = directory.resolve("a");
            Path b = directory.resolve("b");
            KerasWriter.write(nested(), Map.of("labels", "[]"), format, a);
            KerasWriter.write(nested(), Map.of("labels", "[]"), format, b);
            assertEquals(-1, Files.mismatch(a, b), format);
        }
    }

    // ---- what cannot be written ----

    @Test
    void whatKerasDoesNotHaveIsRefusedAndLeavesTheOldFile() throws IOException {
        LayerOutput x = in("x", 3);
        Model model =
                Model.of("m", x, x.then(Dense.of(2).activation("gelu_tanh").named("fc")));
        for (String format : List.of("h5", "keras3", "weights")) {
            Path file = directory.resolve("old");
            Files.writeString(file, "old");
            String m = assertThrows(GradusException.class, () -> KerasWriter.write(model, Map.of(), format, file))
                    .getMessage();
            assertTrue(m.contains("'fc'") && m.contains("gelu_tanh"), m);
            assertEquals("old", Files.readString(file));
            Path nowhere = directory.resolve("no/such/folder/x");
            assertThrows(FileException.class, () -> KerasWriter.write(branches(), Map.of(), format, nowhere));
            try (var list = Files.list(directory)) {
                assertEquals(List.of(file), list.toList()); // nothing temporary either
            }
        }
    }

    // ---- HDF5 itself ----

    private byte[] bytes(Hdf5Writer.Group root) throws IOException {
        var out = new ByteArrayOutputStream();
        Hdf5Writer.write(root, out);
        return out.toByteArray();
    }

    @Test
    void longAttributes() throws IOException {
        String text = "{\"\u00e9\": \"" + "x".repeat(300_000) + "\"}";
        List<String> list = IntStream.range(0, 3000)
                .mapToObj(i -> "a name of some length, number " + i)
                .toList();
        var root = new Hdf5Writer.Group();
        root.attributes().put("text", text);
        root.attributes().put("empty", "");
        root.group("group").attributes().put("list", list);
        root.group("group").attributes().put("short", list.subList(0, 2));
        try (var hdf = HdfFile.fromBytes(bytes(root))) {
            assertEquals("", hdf.getAttribute("empty").getData());
            byte[] raw = text.getBytes(StandardCharsets.UTF_8);
            assertEquals(raw.length, ((String) hdf.getAttribute("text").getData()).length()); // ASCII, for old readers
            var group = (Group) hdf.getChild("group");
            var parts = new ArrayList<String>();
            for (int i = 0; group.getAttributes().containsKey("list" + i); i++) {
                parts.addAll(names(group, "list" + i));
            }
            assertEquals(list, parts);
            assertEquals(list.subList(0, 2), names(group, "short"));
        }
        root.attributes().put("list", List.of("x".repeat(70_000)));
        assertThrows(GradusException.class, () -> bytes(root));
    }

    /** jHDF reads whole groups and compares no keys, as libraries do that look for one name: so that is done here. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 8, 9, 255, 256, 257, 9_000})
    void groupsOfManyAreTreesToSearch(int n) throws IOException {
        var root = new Hdf5Writer.Group();
        var expected = new ArrayList<String>();
        for (int i = 0; i < n; i++) {
            String name = (i % 3 == 0 ? "\u00e9" : "n") + Integer.toString(i * 7919 % n, 36);
            expected.add(name);
            root.put(
                    name,
                    Tensor.of(
                            Shape.of(1 + i % 3),
                            IntStream.range(0, 1 + i % 3)
                                    .mapToDouble(k -> name.hashCode() + k)
                                    .toArray()));
        }
        byte[] file = bytes(root);
        try (var hdf = HdfFile.fromBytes(file)) {
            assertEquals(n, hdf.getChildren().size());
            for (String name : expected.subList(0, Math.min(n, 300))) {
                var data = (float[]) ((Dataset) hdf.getChild(name)).getDataFlat();
                assertEquals((float) name.hashCode(), data[0]);
            }
        }
        var b = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(file.length, b.getLong(40)); // the end of the file
        int header = (int) b.getLong(64);
        int tree = (int) b.getLong(header + 24);
        int heap = (int) b.getLong((int) b.getLong(header + 32) + 24);
        var found = new ArrayList<byte[]>();
        walk(b, tree, heap, b.get(tree + 5), new byte[0], found);
        assertEquals(n, found.size());
        List<byte[]> sorted = expected.stream()
                .map(s -> s.getBytes(StandardCharsets.UTF_8))
                .sorted(Arrays::compareUnsigned)
                .toList();
        for (int i = 0; i < n; i++) {
            assertArrayEquals(sorted.get(i), found.get(i));
        }
    }

    private static byte[] name(ByteBuffer b, int heap, long offset) {
        int end = heap + (int) offset;
        while (b.get(end) != 0) {
            end++;
        }
        return Arrays.copyOfRange(b.array(), heap + (int) offset, end);
    }

    /** All names below a node: greater than the key before it, and the last one equal to the key behind it. */
    private static byte[] walk(ByteBuffer b, int node, int heap, int level, byte[] low, List<byte[]> names) {
        assertEquals("TREE", new String(b.array(), node, 4, StandardCharsets.US_ASCII));
        assertEquals(level, b.get(node + 5));
        int n = b.getShort(node + 6);
        assertTrue(n <= 32);
        assertArrayEquals(low, name(b, heap, b.getLong(node + 24)));
        for (int i = 0; i < n; i++) {
            int child = (int) b.getLong(node + 32 + 16 * i);
            byte[] key = name(b, heap, b.getLong(node + 40 + 16 * i));
            if (level > 0) {
                assertArrayEquals(key, walk(b, child, heap, level - 1, low, names));
                long next = b.getLong(child + 16); // the node to the right
                assertTrue(i == n - 1 || next == b.getLong(node + 48 + 16 * i));
            } else {
                assertEquals("SNOD", new String(b.array(), child, 4, StandardCharsets.US_ASCII));
                int entries = b.getShort(child + 6);
                assertTrue(entries <= 8);
                for (int k = 0; k < entries; k++) {
                    names.add(name(b, heap, b.getLong(child + 8 + 40 * k)));
                    assertTrue(Arrays.compareUnsigned(low, names.getLast()) < 0);
                    low = names.getLast();
                }
            }
            assertArrayEquals(key, names.getLast());
            low = key;
        }
        return low;
    }
}
