package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.io.FileException;
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
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.ZeroPadding2D;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KerasTest {
    @TempDir
    Path directory;

    /** Written by us and read again: the bits of the first. */
    @ParameterizedTest
    @ValueSource(strings = {"resnet50", "resnet20", "resnet18", "resnet50v2"})
    void layersModelsComeBackAsTheyWere(String name) {
        Model model =
                Nets.trained(ResNets.byName(name).input(64, 64, 3).classes(5).build());
        Path folder = directory.resolve("keras");
        List<String> labels = List.of("a", "b", "c", "d", "\u00e9");
        Pictures pictures = Pictures.standard(model, Preprocess.CAFFE);
        Exporter.write(model, labels, pictures, Format.KERAS_LAYERS, folder);
        Imported again = Importer.load(folder);
        assertEquals(0, Nets.difference(model, again.model()));
        assertEquals(labels, again.labels());
        assertEquals(pictures, again.pictures().orElseThrow());
        assertEquals(Format.KERAS_LAYERS, again.format());
        assertTrue(again.report().unmatched().isEmpty());
        assertThrows(FileException.class, () -> Exporter.write(model, labels, pictures, Format.KERAS_LAYERS, folder));
    }

    @Test
    void foldersAreMadeLikeOthers() throws IOException {
        Path plain = Files.createDirectory(directory.resolve("plain"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("plain"));
        Path made = directory.resolve("made");
        for (Path folder : List.of(made, link)) {
            Exporter.write(small(), List.of(), null, Format.KERAS_LAYERS, folder);
            assertEquals(0, Nets.difference(small(), Importer.load(folder).model()));
        }
        assertTrue(Files.isSymbolicLink(link));
        Path other = Files.createDirectory(directory.resolve("other"));
        assertEquals(Files.getPosixFilePermissions(other), Files.getPosixFilePermissions(made));
        assertEquals(Files.getPosixFilePermissions(other), Files.getPosixFilePermissions(plain));
        notWritten(Files.createFile(directory.resolve("file")), "is not a folder");
        notWritten(directory.resolve("none/sub"), "there is no directory");
        try (var list = Files.list(directory)) {
            assertEquals(5, list.count());
        }
    }

    private static void notWritten(Path folder, String why) {
        String m = assertThrows(
                        FileException.class,
                        () -> Exporter.write(small(), List.of(), null, Format.KERAS_LAYERS, folder))
                .getMessage();
        assertTrue(m.startsWith("cannot write " + folder) && m.contains(why), m);
    }

    /** Keras 2 and TensorFlow.js do not know the name silu, Keras 3 knows both. */
    @Test
    void siluIsCalledSwishInTheDialectOfKeras2() {
        LayerOutput x = Input.of(4);
        Model model = Nets.trained(
                Model.of("m", x, x.then(Dense.of(3).activation("silu")).then(Activation.of("silu"))));
        String old = Json.write(KerasTopology.keras2(model).config());
        assertTrue(old.contains("\"activation\":\"swish\"") && !old.contains("silu"), old);
        assertTrue(Json.write(KerasTopology.keras3(model).config()).contains("\"activation\":\"silu\""));
    }

    /** Keras has no layer for the shortcuts of option A; other programs see a convolution. */
    @Test
    void channelPaddingComesBack() {
        Model model = Nets.trained(ResNets.byName("resnet20").build());
        Path folder = directory.resolve("keras");
        Exporter.write(model, List.of(), null, Format.KERAS_LAYERS, folder);
        Imported again = Importer.load(folder);
        assertEquals(model.weights().keySet(), again.model().weights().keySet());
        assertEquals(2, again.report().ignored().size());
        assertEquals(0, Nets.difference(model, again.model()));
        Path torch = directory.resolve("torch.safetensors");
        Exporter.write(again.model(), List.of(), null, Format.TORCHVISION, torch);
        assertTrue(Nets.difference(model, Importer.load(torch).model()) < 1e-6);
    }

    // ---- a small network in the forms that Keras has given its files ----

    private static final String CONV =
            "\"filters\": 4, \"kernel_size\": [3, 3], \"strides\": [2, 2], \"padding\": \"same\", \"use_bias\": false";

    /** conv, bn, relu, and a sum with a second convolution, as a program builds it. */
    private static Model small() {
        LayerOutput x = Input.of(Shape.of(9, 8, 3), "in");
        LayerOutput y = x.then(Conv2D.of(4, 3).strides(2).same().bias(false).named("stem"))
                .then(BatchNormalization.of().epsilon(2e-5).scale(false).named("norm"))
                .then(Activation.relu().named("act"));
        LayerOutput z = y.then(Conv2D.of(4, 1).activation("relu").named("side"));
        return Nets.trained(Model.of("small", x, Add.of().named("sum").apply(y, z)));
    }

    private static final String KERAS_2 = """
            {"class_name": "Model", "config": {"name": "small", "layers": [
              {"class_name": "InputLayer", "name": "in", "inbound_nodes": [],
               "config": {"batch_input_shape": [null, SIZE, 3], "dtype": "float32", "name": "in"}},
              {"class_name": "Conv2D", "name": "stem", "config": {"name": "stem", CONV, "activation": "linear",
               "data_format": "channels_last", "dilation_rate": [1, 1], "trainable": false},
               "inbound_nodes": [[["in", 0, 0, {}]]]},
              {"class_name": "BatchNormalizationV1", "name": "norm", "config": {"name": "norm", "axis": [3], "momentum": 0.99,
               "epsilon": 2e-5, "center": true, "scale": false}, "inbound_nodes": [[["stem", 0, 0, {}]]]},
              {"class_name": "ReLU", "name": "act", "config": {"name": "act", "max_value": null, "negative_slope": 0.0},
               "inbound_nodes": [[["norm", 0, 0, {}]]]},
              {"class_name": "Add", "name": "sum", "config": {"name": "sum"},
               "inbound_nodes": [[["act", 0, 0, {}], ["side", 0, 0, {}]]]},
              {"class_name": "Conv2D", "name": "side", "config": {"name": "side", "filters": 4, "kernel_size": 1,
               "activation": "relu"}, "inbound_nodes": [[["act", 0, 0, {}]]]}],
             "input_layers": [["in", 0, 0]], "output_layers": [["sum", 0, 0]]}}
            """;

    private static final String TENSOR =
            "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 5, 4, 4], \"dtype\": \"float32\","
                    + " \"keras_history\": [\"NAME\", 0, 0]}}";

    private static final String KERAS_3 = """
            {"module": "keras.src.models.functional", "class_name": "Functional", "config": {"name": "small", "trainable": true,
             "layers": [
              {"module": "keras.layers", "class_name": "InputLayer", "name": "in", "registered_name": null, "inbound_nodes": [],
               "config": {"batch_shape": [null, SIZE, 3], "dtype": "float32", "sparse": false, "name": "in"}},
              {"module": "keras.layers", "class_name": "Conv2D", "name": "stem", "config": {"name": "stem", CONV,
               "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}, "activation": "linear",
               "groups": 1}, "inbound_nodes": [{"args": [IN], "kwargs": {}}]},
              {"class_name": "BatchNormalization", "name": "norm", "config": {"name": "norm", "axis": -1, "momentum": 0.99,
               "epsilon": 2e-5, "scale": false}, "inbound_nodes": [{"args": [STEM], "kwargs": {"mask": null}}]},
              {"class_name": "Activation", "name": "act", "config": {"name": "act", "activation": {"module": "builtins",
               "class_name": "function", "config": "relu", "registered_name": "function"}},
               "inbound_nodes": [{"args": [NORM], "kwargs": {}}]},
              {"class_name": "Conv2D", "name": "side", "config": {"name": "side", "filters": 4, "kernel_size": [1, 1],
               "activation": "relu"}, "inbound_nodes": [{"args": [ACT], "kwargs": {}}]},
              {"class_name": "Add", "name": "sum", "config": {"name": "sum"},
               "inbound_nodes": [{"args": [[ACT, SIDE]], "kwargs": {}}]}],
             "input_layers": ["in", 0, 0], "output_layers": ["sum", 0, 0]}}
            """;

    private static String keras3() {
        String s = KERAS_3;
        for (String name : List.of("in", "stem", "norm", "act", "side")) {
            s = s.replaceAll("\\b" + name.toUpperCase(Locale.ROOT) + "\\b", TENSOR.replace("NAME", name));
        }
        return s;
    }

    @Test
    void bothGenerationsOfKerasAreRead() throws IOException {
        Model expected = small();
        for (String topology : List.of(KERAS_2, keras3())) {
            for (String prefix : List.of("", "small/", "a/b/")) {
                write(topology.replace("SIZE", "9, 8"), expected.weights(), prefix, 40);
                Imported read = Importer.load(directory);
                assertEquals(0, Nets.difference(expected, read.model()));
                assertEquals(6, read.report().matched().size());
                assertTrue(read.pictures().isEmpty(), "nobody said how pictures become inputs");
            }
        }
        assertFalse(Importer.load(directory).model().layerNames().isEmpty());
    }

    @Test
    void picturesOfAnySizeGetOneFromTheOptions() throws IOException {
        write(KERAS_2.replace("SIZE", "null, null"), small().weights(), "", 1 << 20);
        var e = assertThrows(FormatException.class, () -> Importer.load(directory));
        assertTrue(e.getMessage().contains("--input"), e.getMessage());
        Imported read =
                Importer.load(directory, ImportOptions.none().input(9, 8).preprocess(Preprocess.TF));
        assertEquals(0, Nets.difference(small(), read.model()));
        assertEquals(Preprocess.TF, read.pictures().orElseThrow().mode());
        assertFalse(Importer.load(directory, ImportOptions.none().input(9, 8))
                .model()
                .isTrainable("stem"));
    }

    /** A network inside of a Sequential, as a classifier on a network without its head is built. */
    @Test
    void modelsWithinModels() throws IOException {
        String inner = KERAS_2.strip().replace("SIZE", "null, null");
        String outer = "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"outer\", \"layers\": ["
                + "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": [null, 9, 8, 3], \"name\": \"pictures\"}},"
                + inner
                + ",{\"class_name\": \"GlobalAveragePooling2D\", \"config\": {\"name\": \"pool\"}},"
                + "{\"class_name\": \"Dense\", \"config\": {\"name\": \"fc\", \"units\": 3, \"activation\": \"softmax\"}}]}}";
        Model body = small();
        LayerOutput x = Input.of(Shape.of(9, 8, 3), "pictures");
        Model expected = Model.of(
                "outer",
                x,
                x.then(body.named("small"))
                        .then(GlobalAveragePooling2D.of())
                        .then(Dense.of(3).activation("softmax").named("fc")));
        write(outer, expected.weights(), "", 100); // small/stem/kernel
        assertEquals(0, Nets.difference(expected, Importer.load(directory).model()));
        var plain = new LinkedHashMap<String, Tensor>();
        expected.weights().forEach((name, w) -> plain.put(name.replace("small/", ""), w));
        write(outer, plain, "", 100);
        assertEquals(0, Nets.difference(expected, Importer.load(directory).model()));
    }

    /** A tensor that is missing is not replaced by that of the same layer in another model. */
    @Test
    void modelsWithLayersOfTheSameNames() throws IOException {
        LayerOutput x = Input.of(Shape.of(9, 8, 3), "pictures");
        LayerOutput sum = Add.of().apply(x.then(encoder("enc1")), x.then(encoder("enc2")));
        Model expected = Nets.trained(Model.of("two", x, sum));
        Exporter.write(expected, List.of(), null, Format.KERAS_LAYERS, directory.resolve("two"));
        assertEquals(
                0,
                Nets.difference(
                        expected, Importer.load(directory.resolve("two")).model()));
        Path json = directory.resolve("two/model.json");
        String good = Files.readString(json);
        for (String other : List.of("enc2/cowv/kernel", "other/zzz", "x/enc1/conv/kernel")) {
            Files.writeString(json, good.replace("\"enc2/conv/kernel\"", '"' + other + '"'));
            String m = assertThrows(FormatException.class, () -> Importer.load(directory.resolve("two")))
                    .getMessage();
            assertTrue(m.contains("missing: enc2/conv/kernel"), m);
        }
        Files.writeString(
                json,
                good.replace("\"enc1/conv/bias\"", "\"enc1/b\"").replace("\"enc2/conv/bias\"", "\"x/enc2/conv/bias\""));
        String m = assertThrows(FormatException.class, () -> Importer.load(directory.resolve("two")))
                .getMessage();
        assertTrue(m.contains("missing: enc1/conv/bias"), m);
    }

    private static Model encoder(String name) {
        LayerOutput x = Input.of(Shape.of(9, 8, 3), "in");
        return Model.of(name, x, x.then(Conv2D.of(4, 3).named("conv")).then(GlobalAveragePooling2D.of()));
    }

    /** Names of layers may have '/' in Keras, and models do not share them. */
    @Test
    void namesWithSlashes() throws IOException {
        String layer = "{\"class_name\": \"TYPE\", \"name\": \"NAME\", \"config\": {\"name\": \"NAME\", CONFIG},"
                + " \"inbound_nodes\": [INPUT]}";
        String input = layer.replace("TYPE", "InputLayer").replace("INPUT", "");
        String in = input.replace("NAME", "in").replace("CONFIG", "\"batch_input_shape\": [null, 4, 4, 3]");
        String topology = "{\"class_name\": \"Model\", \"config\": {\"name\": \"m\", \"layers\": [" + in;
        for (String[] names : new String[][] {{"A", "p/q"}, {"B", "p_q"}, {"C/D", "p/q"}}) {
            String dense = layer.replace("TYPE", "Dense")
                    .replace("NAME", names[1])
                    .replace("CONFIG", "\"units\": 3, \"use_bias\": false")
                    .replace("INPUT", "[[\"in\", 0, 0, {}]]");
            topology += ", "
                    + layer.replace("TYPE", "Model")
                            .replace("NAME", names[0])
                            .replace(
                                    "CONFIG",
                                    "\"layers\": [" + in + ", " + dense
                                            + "], \"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [[\""
                                            + names[1]
                                            + "\", 0, 0]]")
                            .replace("INPUT", "[[\"in\", 0, 0, {}]]");
        }
        topology +=
                "], \"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [[\"A\", 1, 0], [\"B\", 1, 0], [\"C/D\", 1, 0]]}}";
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("A/p/q/kernel", Tensor.full(DType.F32, Shape.of(3, 3), 1));
        weights.put("B/p_q/kernel", Tensor.full(DType.F32, Shape.of(3, 3), 2));
        weights.put("C/D/p/q/kernel", Tensor.full(DType.F32, Shape.of(3, 3), 3));
        write(topology, weights, "", 1 << 20);
        Model read = Importer.load(directory).model();
        assertEquals(1, read.weight("A/p_q/kernel").get(0));
        assertEquals(2, read.weight("B/p_q/kernel").get(0));
        assertEquals(3, read.weight("C_D/p_q/kernel").get(0));
    }

    @Test
    void quantizedShards() throws IOException {
        Model model = small();
        write(KERAS_2.replace("SIZE", "9, 8"), model.weights(), "", 1 << 20);
        Path json = directory.resolve("model.json");
        @SuppressWarnings("unchecked")
        var root = (Map<String, Object>) Json.parse(Files.readAllBytes(json));
        var manifest = (Map<?, ?>) ((List<?>) root.get("weightsManifest")).getFirst();
        var out = new ByteArrayOutputStream();
        String[] types = {"uint8", "uint16", "float16", "float32"};
        int i = 0;
        for (Object entry : (List<?>) manifest.get("weights")) {
            @SuppressWarnings("unchecked")
            var weight = (Map<String, Object>) entry;
            float[] w = model.weight((String) weight.get("name")).floats();
            String type = types[i++ % 4];
            float min = -2;
            float scale = type.equals("uint8") ? 4f / 255 : 4f / 65535;
            var b = ByteBuffer.allocate(4 * w.length).order(ByteOrder.LITTLE_ENDIAN);
            for (float v : w) {
                switch (type) {
                    case "uint8" -> b.put((byte) Math.round((v - min) / scale));
                    case "uint16" -> b.putShort((short) Math.round((v - min) / scale));
                    case "float16" -> b.putShort(Float.floatToFloat16(v));
                    default -> b.putFloat(v);
                }
            }
            out.write(b.array(), 0, b.position());
            if (type.startsWith("uint")) {
                weight.put("quantization", Map.of("dtype", type, "min", (double) min, "scale", (double) scale));
            } else if (type.equals("float16")) {
                weight.put("quantization", Map.of("dtype", "float16", "original_dtype", "float32"));
            }
        }
        for (Object path : (List<?>) manifest.get("paths")) {
            Files.write(directory.resolve((String) path), out.toByteArray());
        }
        Files.writeString(json, Json.write(root));
        Model read = Importer.load(directory).model();
        model.weights()
                .forEach((name, w) ->
                        assertArrayEquals(w.floats(), read.weight(name).floats(), 4f / 255));
        assertTrue(Nets.difference(model, read) > 0);
    }

    // ---- weights that Keras 3 numbers by class of layer ----

    /** Shapes alone: which tensor goes where is in the report. */
    private record Tensors(Map<String, Shape> shapes) implements TensorSource {
        @Override
        public Set<String> names() {
            return shapes.keySet();
        }

        @Override
        public Shape shape(String name) {
            return shapes.get(name);
        }

        @Override
        public String dtype(String name) {
            return "float32";
        }

        @Override
        public Tensor read(String name) {
            return Tensor.of(shape(name), (y, at) -> {});
        }
    }

    /**
     * The layers with weights as Keras lists them: where there is a shortcut's convolution, it and its batch norm are as
     * far from the sum as those of the main path's end, which they come before or behind as the sum's operands do.
     */
    private static List<String> listed(String network) {
        boolean course = network.equals("resnet50");
        boolean v2 = network.endsWith("v2");
        var layers = new ArrayList<>(List.of(course ? "conv_1" : "conv1_conv"));
        if (!v2) {
            layers.add(course ? "bn_1" : "conv1_bn");
        }
        int[] blocks = {3, 4, 6, 3};
        for (int stage = 2; stage <= 5; stage++) {
            for (int block = 1; block <= blocks[stage - 2]; block++) {
                String at = course ? "_" + stage + (char) ('a' + block - 1) : "conv" + stage + "_block" + block + "_";
                if (v2) {
                    layers.add(at + "preact_bn");
                }
                List<String> ends = course ? List.of("2c", "1") : List.of("0", "3");
                if (block > 1) {
                    ends = course ? List.of("2c") : List.of("3");
                }
                for (String leaf : course ? List.of("2a", "2b") : List.of("1", "2")) {
                    layers.add(course ? "conv" + at + leaf : at + leaf + "_conv");
                    layers.add(course ? "bn" + at + leaf : at + leaf + "_bn");
                }
                ends.forEach(leaf -> layers.add(course ? "conv" + at + leaf : at + leaf + "_conv"));
                if (!v2) {
                    ends.forEach(leaf -> layers.add(course ? "bn" + at + leaf : at + leaf + "_bn"));
                }
            }
        }
        if (v2) {
            layers.add("post_bn");
        }
        layers.add(course ? "fc6" : "predictions");
        return layers;
    }

    /** Tensors by name, in this order of layers, and the weights they belong to. */
    private static Map<String, String> numbered(Model model, List<String> layers, String folder, int step) {
        var weights = new LinkedHashMap<String, String>();
        var counts = new HashMap<String, Integer>();
        for (String layer : layers) {
            String type = switch (model.layer(layer)) {
                case Conv2D c -> "conv2d";
                case BatchNormalization b -> "batch_normalization";
                default -> "dense";
            };
            int number = counts.merge(type, step, Integer::sum) - step;
            int i = 0;
            for (var w : model.weightList()) {
                if (w.name().startsWith(layer + "/")) {
                    weights.put(folder + type + (number == 0 ? "" : "_" + number) + "/vars/" + i++, w.name());
                }
            }
        }
        return weights;
    }

    private static Imported read(Model model, Map<String, String> weights, String network) {
        var shapes = new HashMap<String, Shape>();
        model.weightList().forEach(w -> shapes.put(w.name(), w.shape()));
        var file = new LinkedHashMap<String, Shape>();
        weights.forEach((tensor, weight) -> file.put(tensor, shapes.get(weight)));
        file.put("optimizer/vars/0", Shape.SCALAR);
        file.put("_loss_tracker/vars/0", Shape.SCALAR);
        return Keras.read(
                "weights.h5",
                Format.KERAS_HDF5,
                null,
                new Tensors(file),
                Map.of(),
                ImportOptions.none().model(network));
    }

    @ParameterizedTest
    @ValueSource(strings = {"resnet50-224", "resnet50v2", "resnet50"})
    void weightsNumberedByClassFindTheirLayers(String network) {
        Model model = ResNets.byName(network).build();
        List<String> layers = listed(network);
        Map<String, String> weights = numbered(model, layers, "layers/", 1);
        Report report = read(model, weights, network).report();
        var found = new HashMap<String, String>();
        report.matched().forEach(m -> found.put(m.tensor(), m.weight()));
        assertEquals(weights, found);
        assertEquals(Set.of("optimizer/vars/0", "_loss_tracker/vars/0"), Set.copyOf(report.ignored()));
        // Keras 2.12 and 2.13, which count twice, here on Windows
        weights = numbered(model, layers, "_layer_checkpoint_dependencies\\", 2);
        found.clear();
        read(model, weights, network).report().matched().forEach(m -> found.put(m.tensor(), m.weight()));
        assertEquals(weights, found);
    }

    @ParameterizedTest
    @ValueSource(strings = {"resnet50-224", "resnet50v2"})
    void anotherOrderIsAnError(String network) {
        Model model = ResNets.byName(network).build();
        var made = new ArrayList<>(model.layerNames());
        made.retainAll(listed(network));
        String m = assertThrows(FormatException.class, () -> read(model, numbered(model, made, "layers/", 1), network))
                .getMessage();
        assertTrue(
                m.contains("weights.h5: its tensors have the shapes of " + network + ", but in another order: tensor"
                        + " 'layers/conv2d_3/vars/0' has shape (3, 3, 64, 64), weight 'conv2_block1_0_conv/kernel'"
                        + " needs (1, 1, 64, 256)"),
                m);
        assertTrue(m.contains(".keras"), m);
    }

    @Test
    void anotherNetworkIsAnError() {
        Model model = ResNets.byName("resnet50-224").build();
        Map<String, String> weights = numbered(model, listed("resnet50-224"), "layers/", 1);
        String m = assertThrows(FormatException.class, () -> read(model, weights, "resnet101-224"))
                .getMessage();
        assertTrue(m.contains("60 of another shape, 306 missing") && !m.contains("another order"), m);
        weights.remove("layers/conv2d_7/vars/1");
        m = assertThrows(FormatException.class, () -> read(model, weights, "resnet50-224"))
                .getMessage();
        assertTrue(m.contains("missing: conv2_block2_3_conv/bias"), m);
    }

    /** Layers that nobody named are called as groups are, but by another count. */
    @Test
    void numbersGoBeforeNames() {
        var config = (Map<?, ?>) Json.parse("""
                {"class_name": "Functional", "config": {"name": "m", "layers": [
                  {"class_name": "InputLayer", "name": "in", "inbound_nodes": [], "config": {"batch_shape": [null, 4, 4, 3]}},
                  {"class_name": "Conv2D", "name": "conv2d_1", "config": {"filters": 3, "kernel_size": 1},
                   "inbound_nodes": [[["in", 0, 0, {}]]]},
                  {"class_name": "Conv2D", "name": "conv2d", "config": {"filters": 3, "kernel_size": 1},
                   "inbound_nodes": [[["in", 0, 0, {}]]]},
                  {"class_name": "DepthwiseConv2D", "name": "deep", "config": {"kernel_size": 3, "depth_multiplier": 2,
                   "padding": "same", "use_bias": false}, "inbound_nodes": [[["conv2d", 0, 0, {}]]]},
                  {"class_name": "Concatenate", "name": "both", "config": {},
                   "inbound_nodes": [[["conv2d_1", 0, 0, {}], ["deep", 0, 0, {}]]]}],
                 "input_layers": [["in", 0, 0]], "output_layers": [["both", 0, 0]]}}
                """);
        Shape kernel = Shape.of(1, 1, 3, 3);
        var file = Map.of(
                "layers/conv2d/vars/0",
                kernel,
                "layers/conv2d/vars/1",
                Shape.of(3),
                "layers/conv2d_1/vars/0",
                kernel,
                "layers/conv2d_1/vars/1",
                Shape.of(3),
                "layers/depthwise_conv2d/vars/0",
                Shape.of(3, 3, 3, 2));
        var found = new HashMap<String, String>();
        Keras.read("m.keras", Format.KERAS_HDF5, config, new Tensors(file), Map.of(), ImportOptions.none())
                .report()
                .matched()
                .forEach(m -> found.put(m.tensor(), m.weight()));
        assertEquals("conv2d_1/kernel", found.get("layers/conv2d/vars/0"));
        assertEquals("conv2d/kernel", found.get("layers/conv2d_1/vars/0"));
        assertEquals("deep/kernel", found.get("layers/depthwise_conv2d/vars/0"));
    }

    // ---- what is wrong is named ----

    private FormatException refused(String topology, Map<String, Tensor> weights) throws IOException {
        write(topology.replace("SIZE", "9, 8"), weights, "", 1 << 20);
        return assertThrows(FormatException.class, () -> Importer.load(directory));
    }

    @Test
    void errorsNameFileTensorAndLayer() throws IOException {
        var weights = new LinkedHashMap<>(small().weights());
        var missing = new LinkedHashMap<>(weights);
        missing.remove("norm/beta");
        String m = refused(KERAS_2, missing).getMessage();
        assertTrue(m.contains("model.json") && m.contains("missing: norm/beta"), m);
        weights.put("side/kernel", Tensor.of(Shape.of(1, 1, 4, 5), new float[20]));
        m = refused(KERAS_2, weights).getMessage();
        assertTrue(
                m.contains("tensor 'side/kernel' has shape (1, 1, 4, 5), weight 'side/kernel' needs (1, 1, 4, 4)"), m);
        m = refused(KERAS_2.replace("\"Add\"", "\"Lambda\""), small().weights()).getMessage();
        assertTrue(m.contains("layer 'sum' (Lambda)"), m);
        m = refused(KERAS_2.replace("channels_last", "channels_first"), small().weights())
                .getMessage();
        assertTrue(m.contains("layer 'stem' (Conv2D)") && m.contains("channels_last"), m);
        m = refused(KERAS_2.replace("[\"side\", 0, 0, {}]", "[\"nobody\", 0, 0, {}]"), small().weights())
                .getMessage();
        assertTrue(m.contains("'nobody'"), m);
        m = refused(KERAS_2.replace("\"filters\": 4", "\"filters\": 2147483647"), small().weights())
                .getMessage();
        assertTrue(m.contains("stem") || m.contains("side"), m);
    }

    @Test
    void shardsMustBeBesideTheFileAndComplete() throws IOException {
        write(KERAS_2.replace("SIZE", "9, 8"), small().weights(), "", 64);
        Path json = directory.resolve("model.json");
        String good = Files.readString(json);
        for (String bad : List.of("../shard0.bin", "/etc/passwd", "a/../../b", "C:x", "a\\u0000b", "")) {
            Files.writeString(json, good.replace("shard0.bin", bad));
            var e = assertThrows(FormatException.class, () -> Importer.load(directory), bad);
            assertTrue(e.getMessage().contains("is not the name of a file beside it"), e.getMessage());
        }
        Files.writeString(json, good);
        Path shard = directory.resolve("shard1.bin");
        byte[] bytes = Files.readAllBytes(shard);
        Files.write(shard, Arrays.copyOf(bytes, bytes.length - 1));
        assertThrows(FormatException.class, () -> Importer.load(directory));
        Files.write(shard, Arrays.copyOf(bytes, bytes.length + 1));
        assertThrows(FormatException.class, () -> Importer.load(directory));
        Files.delete(shard);
        assertThrows(FileException.class, () -> Importer.load(directory));
    }

    // ---- files ----

    /** A layers model in shards of so many bytes, which tensors and even numbers straddle. */
    private void write(String topology, Map<String, Tensor> weights, String prefix, int shardBytes) throws IOException {
        write(directory, topology, weights, prefix, shardBytes);
    }

    static void write(Path directory, String topology, Map<String, Tensor> weights, String prefix, int shardBytes)
            throws IOException {
        var bytes = new ByteArrayOutputStream();
        var manifest = new StringBuilder();
        for (var e : weights.entrySet()) {
            OnnxWriter.write(e.getValue().floats(), bytes);
            String shape = Arrays.toString(e.getValue().shape().toArray());
            manifest.append(manifest.isEmpty() ? "" : ",\n")
                    .append("{\"name\": \"" + prefix + e.getKey() + "\", \"shape\": " + shape
                            + ", \"dtype\": \"float32\"}");
        }
        byte[] all = bytes.toByteArray();
        var paths = new StringBuilder();
        for (int i = 0, from = 0; from < all.length; i++, from += shardBytes) {
            Files.write(
                    directory.resolve("shard" + i + ".bin"),
                    Arrays.copyOfRange(all, from, Math.min(all.length, from + shardBytes)));
            paths.append(i == 0 ? "" : ", ").append("\"shard" + i + ".bin\"");
        }
        Files.writeString(
                directory.resolve("model.json"),
                "{\"format\": \"layers-model\", \"modelTopology\": {\"keras_version\": \"2.2.4-tf\", \"model_config\": "
                        + topology.replace("CONV", CONV) + "}, \"weightsManifest\": [{\"paths\": [" + paths
                        + "], \"weights\": [" + manifest + "]}]}");
    }

    /** The folder that the robustness test damages. */
    static Path example(Path directory) throws IOException {
        write(directory, KERAS_2.replace("SIZE", "9, 8"), small().weights(), "", 1 << 20);
        return directory;
    }

    static Model block() {
        LayerOutput x = Input.of(Shape.of(12, 12, 3), "in");
        LayerOutput y = x.then(ZeroPadding2D.of(1)).then(Conv2D.of(4, 3)).then(BatchNormalization.of());
        y = y.then(Activation.relu()).then(MaxPooling2D.of(3).strides(2).same());
        LayerOutput z = y.then(Conv2D.of(4, 3).same());
        y = Add.of().apply(y, z).then(GlobalAveragePooling2D.of());
        return Nets.trained(Model.of("block", x, y.then(Dense.of(3).activation("softmax"))));
    }
}
