package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.FormatException;
import gradus.io.Json;
import gradus.layers.Model;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Keras can say in a configuration, and names of its tensors, one thing at a time. */
class KerasLayersTest {
    @TempDir
    Path directory;

    /** Layers one behind the other, each {@code name Type {config}}, on pictures of 2 x 3 with two channels. */
    private static String chain(String... layers) {
        var text = new StringBuilder("{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": [");
        text.append("{\"class_name\": \"InputLayer\", \"name\": \"in\", \"inbound_nodes\": [],")
                .append(" \"config\": {\"batch_input_shape\": [null, 2, 3, 2]}}");
        String before = "in";
        for (String layer : layers) {
            String[] part = layer.split(" ", 3);
            text.append(",\n{\"name\": \"" + part[0] + "\", \"class_name\": \"" + part[1] + "\", \"config\": " + part[2]
                    + ", \"inbound_nodes\": [[[\"" + before + "\", 0, 0, {}]]]}");
            before = part[0];
        }
        return text + "], \"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [[\"" + before + "\", 0, 0]]}}";
    }

    private static Tensor tensor(Shape shape, double first) {
        var y = new float[shape.size()];
        for (int i = 0; i < y.length; i++) {
            y[i] = (float) (first + 0.25 * i);
        }
        return Tensor.of(shape, y);
    }

    private Imported load(String topology, Map<String, Tensor> weights) throws IOException {
        KerasTest.write(directory, topology, weights, "", 1 << 20);
        return Importer.load(directory);
    }

    private static final String CONV = " Conv2D {\"filters\": 2, \"kernel_size\": 1, \"use_bias\": false}";
    private static final Shape KERNEL = Shape.of(1, 1, 2, 2);

    // ---- names of tensors ----

    @Test
    void namesOfLayersMayHaveSlashes() throws IOException {
        String topology = chain(
                "conv1/conv" + CONV,
                "conv1/bn BatchNormalization {\"scale\": false}",
                "conv2/conv" + CONV,
                "conv2/bn BatchNormalization {\"scale\": false}");
        var weights = new LinkedHashMap<String, Tensor>();
        int i = 0;
        for (String block : List.of("conv1", "conv2")) {
            weights.put(block + "/conv/kernel", tensor(KERNEL, ++i));
            for (String w : List.of("beta", "moving_mean", "moving_variance")) {
                weights.put(block + "/bn/" + w, tensor(Shape.of(2), ++i));
            }
        }
        Imported read = load(topology, weights);
        assertEquals(8, read.report().matched().size());
        weights.forEach((name, w) -> assertEquals(w, read.model().weight(name.replaceFirst("(conv.)/", "$1_")), name));
    }

    /** As Keras 3 writes them in {@code .h5}: the group of the outermost layer, then the last two names. */
    @Test
    void layersOfOneNameInAModelAndOutside() throws IOException {
        String conv = chain("c" + CONV);
        String topology = chain(
                        "inner Functional "
                                + conv.substring(conv.indexOf("{\"name\": \"m\""), conv.length() - 1)
                                        .replaceFirst("\"m\"", "\"inner\""),
                        "c" + CONV)
                .replace("[\"inner\", 0,", "[\"inner\", 1,");
        Imported read = load(topology, Map.of("c/c/kernel", tensor(KERNEL, 1), "inner/c/kernel", tensor(KERNEL, 2)));
        assertEquals(tensor(KERNEL, 1), read.model().weight("c/kernel"));
        assertEquals(tensor(KERNEL, 2), read.model().weight("inner/c/kernel"));
    }

    /** Keras 3 counts them from 0 where others read them, and from 1 where they are outputs of the whole. */
    @Test
    void callsOfAModelInKeras3() throws IOException {
        String inner = chain("c" + CONV);
        String call = "{\"args\": [{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 2, 3, 2],"
                + " \"dtype\": \"float32\", \"keras_history\": [\"%s\", %d, 0]}}], \"kwargs\": {\"mask\": null}}";
        String whole = "{\"class_name\": \"Functional\", \"config\": {\"name\": \"w\", \"layers\": ["
                + "{\"class_name\": \"InputLayer\", \"name\": \"in\", \"inbound_nodes\": [], \"config\":"
                + " {\"batch_shape\": [null, 2, 3, 2]}}, {\"name\": \"m\", \"inbound_nodes\": ["
                + call.formatted("in", 0) + ", " + call.formatted("m", 0) + "], " + inner.substring(1)
                + "], \"input_layers\": [\"in\", 0, 0], \"output_layers\": [\"m\", %d, 0]}}";
        var weights = Map.of("m/c/kernel", Tensor.of(KERNEL, 0f, 2f, 3f, 0f)); // twice: 6 x
        Tensor x = tensor(Shape.of(1, 2, 3, 2), 1);
        Tensor once = load(whole.formatted(1), weights).model().predict(x);
        Tensor twice = load(whole.formatted(2), weights).model().predict(x);
        for (int i = 0; i < x.size(); i++) {
            assertEquals(6 * x.get(i), twice.get(i), 1e-6);
            assertEquals(i % 2 == 0 ? 3 * x.get(i + 1) : 2 * x.get(i - 1), once.get(i), 1e-6);
        }
    }

    @Test
    void theExactNameGoesBeforeOthers() throws IOException {
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("old/c/kernel", tensor(KERNEL, 5));
        weights.put("c/kernel", tensor(KERNEL, 1));
        Report report = load(chain("c" + CONV), weights).report();
        assertEquals("c/kernel", report.matched().getFirst().tensor());
        assertEquals(List.of("old/c/kernel"), report.unmatched());
    }

    @Test
    void stateOfOptimizersIsNotNeeded() throws IOException {
        var state = List.of(
                "Adam/m/c/kernel", "Adam/v/c/kernel", "training/SGD/c/kernel/momentum:0", "Adam/iter", "RMSprop_1/lr");
        for (String prefix : List.of("", "model/")) {
            var weights = new LinkedHashMap<String, Tensor>();
            state.forEach(name -> weights.put(name, tensor(KERNEL, 7)));
            weights.put(prefix + "c/kernel", tensor(KERNEL, 1));
            Imported read = load(chain("c" + CONV), weights);
            assertEquals(tensor(KERNEL, 1), read.model().weight("c/kernel"));
            assertEquals(state, read.report().ignored());
            assertEquals(List.of(), read.report().unmatched());
        }
        // a layer may be called so
        Imported read = load(chain("adam" + CONV), Map.of("adam/kernel", tensor(KERNEL, 2)));
        assertEquals(tensor(KERNEL, 2), read.model().weight("adam/kernel"));
    }

    // ---- models ----

    /** As Keras up to 2.3 and TensorFlow.js write it. */
    @Test
    void aSequentialMayBeginWithAModel() throws IOException {
        String inner = chain("c" + CONV);
        String named = inner.replace("\"Functional\", ", "\"Functional\", \"name\": \"body\", ");
        String sequential = "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [%s,"
                + " {\"class_name\": \"Flatten\", \"config\": {\"name\": \"flat\"}}]}}";
        for (String body : List.of(inner, named, sequential.formatted(inner))) {
            Imported read = load(sequential.formatted(body), Map.of("c/kernel", tensor(KERNEL, 1)));
            assertEquals(List.of(Shape.of(2, 3, 2)), read.model().inputShapes());
            assertEquals(List.of(Shape.of(12)), read.model().outputShapes());
        }
        String list = "{\"class_name\": \"Sequential\", \"config\": [" + inner + "]}"; // of old
        assertEquals(
                List.of(Shape.of(2, 3, 2)),
                load(list, Map.of("c/kernel", tensor(KERNEL, 1))).model().inputShapes());
    }

    @Test
    void theSameThingInOtherForms() throws IOException {
        String topology = chain(
                "p ZeroPadding2D {\"padding\": [[1, 0], [2, 1]]}",
                "c Conv2D {\"filters\": 2, \"kernel_size\": 1, \"use_bias\": false, \"activation\": \"relu\"}",
                "b BatchNormalization {\"axis\": [3], \"scale\": false, \"center\": false}");
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("c/kernel", tensor(KERNEL, -0.5));
        weights.put("b/moving_mean", tensor(Shape.of(2), 1));
        weights.put("b/moving_variance", tensor(Shape.of(2), 2));
        Model expected = load(topology, weights).model();
        String tuple = "{\"class_name\": \"__tuple__\", \"items\": ";
        String relu = "{\"class_name\": \"ReLU\", \"config\": ";
        var forms = List.of(
                topology.replace("[3]", tuple + "[3]}"),
                topology.replace("[[1, 0], [2, 1]]", tuple + "[" + tuple + "[1, 0]}, " + tuple + "[2, 1]}]}"),
                topology.replace("\"relu\"", relu + "{\"max_value\": Infinity}}"),
                topology.replace("\"relu\"", "{\"class_name\": \"ReLU\"}"),
                topology.replace("[3],", "[3], \"unused\": [NaN, -Infinity],"),
                topology.replace("Functional", "ResNet50"),
                Json.write(topology));
        for (String form : forms) {
            assertEquals(0, Nets.difference(expected, load(form, weights).model()), form);
        }
        Model linear = load(topology.replace("\"relu\"", "\"linear\""), weights).model();
        String object = topology.replace("\"relu\"", "{\"class_name\": \"Linear\", \"config\": {}}");
        assertEquals(0, Nets.difference(linear, load(object, weights).model()));
        for (String bad : List.of(
                topology.replace("\"relu\"", relu + "{\"threshold\": 1}}"),
                topology.replace("[3]", "NaN]"),
                topology.replace("Functional", "ResNet50").replace("input_layers", "inputs"))) {
            assertThrows(FormatException.class, () -> load(bad, weights), bad);
        }
    }

    @Test
    void labelsThatAreNoneAreNoted() throws IOException {
        load(chain("c" + CONV), Map.of("c/kernel", tensor(KERNEL, 1)));
        Path json = directory.resolve("model.json");
        String good = Files.readString(json);
        for (String labels : List.of("3", "\"a, b\"", "{\"0\": \"a\"}", "[1, 2]", "\"[\"")) {
            Files.writeString(json, "{\"userDefinedMetadata\": {\"labels\": " + labels + "}, " + good.substring(1));
            Imported read = Importer.load(directory);
            assertEquals(List.of(), read.labels());
            assertTrue(read.report().toString().contains("userDefinedMetadata.labels"), labels);
        }
    }

    // ---- layers ----

    /** What a layer makes of each number, here and after a way through other files. */
    private void check(DoubleUnaryOperator f, String layer) throws IOException {
        Model model = load(chain(layer), Map.of()).model();
        Tensor x = tensor(Shape.of(1, 2, 3, 2), -1.5);
        Tensor y = model.predict(x);
        for (int i = 0; i < x.size(); i++) {
            assertEquals(f.applyAsDouble(x.get(i)), y.get(i), 1e-6, layer);
        }
        assertEquals(0, model.trainableCount());
        Path file = directory.resolve("again.safetensors");
        Exporter.write(model, List.of(), null, Format.GRADUS, file);
        assertEquals(y, Importer.load(file).model().predict(x));
        Path folder = Files.createTempDirectory(directory, "keras");
        Exporter.write(model, List.of(), null, Format.KERAS_LAYERS, folder);
        assertEquals(y, Importer.load(folder).model().predict(x));
    }

    @Test
    void layersWithoutTensors() throws IOException {
        check(x -> 2 * x - 1, "r Rescaling {\"scale\": 2.0, \"offset\": -1}");
        check(x -> x / 255, "r Rescaling {\"scale\": 0.00392156862745098, \"offset\": 0.0}");
        check(x -> (x - 0.5) / 2, "n Normalization {\"axis\": [3], \"mean\": [[0.5, 0.5]], \"variance\": 4}");
        check(x -> Math.clamp(x, 0, 1.25), "a ReLU {\"max_value\": 1.25, \"negative_slope\": 0, \"threshold\": 0}");
        check(x -> Math.clamp(x, 0, 6), "a ReLU {\"max_value\": 6}");
        assertTrue(load(chain("a ReLU {}"), Map.of()).model().isTrainable("a"));
        for (String type :
                List.of("RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomTranslation")) {
            check(x -> x, "a " + type + " {\"factor\": 0.1, \"mode\": \"horizontal\"}");
        }
        for (String type : List.of("Identity", "ActivityRegularization", "SpatialDropout2D", "GaussianDropout")) {
            check(x -> x, "a " + type + " {\"rate\": 0.5}");
        }
        for (String type : List.of("Resizing", "CenterCrop", "RandomCrop")) {
            check(x -> x, "a " + type + " {\"height\": 2, \"width\": 3}");
            String other = chain("a " + type + " {\"height\": 2, \"width\": 2}");
            var e = assertThrows(FormatException.class, () -> load(other, Map.of()));
            assertTrue(e.getMessage().contains("'a' (" + type + "): would make pictures of 2 x 2"), e.getMessage());
        }
        check(x -> x, "a Cropping2D {\"cropping\": [[0, 0], [0, 0]]}");
        check(x -> x, "a Permute {\"dims\": [1, 2, 3]}");
        for (String bad : List.of(
                "a Cropping2D {\"cropping\": 1}",
                "a Permute {\"dims\": [2, 1, 3]}",
                "a Rescaling {\"scale\": [1, 2, 3]}",
                "a Rescaling {\"scale\": [\"1\", 2]}",
                "a Rescaling {\"scale\": []}",
                "a Normalization {\"axis\": 1, \"mean\": 0, \"variance\": 1}",
                "a ReLU {\"max_value\": 0}",
                "a ReLU {\"max_value\": 1, \"negative_slope\": 0.1}")) {
            var e = assertThrows(FormatException.class, () -> load(chain(bad), Map.of()), bad);
            assertTrue(e.getMessage().contains("layer 'a'"), e.getMessage());
        }
    }

    @Test
    void oneNumberForEachChannel() throws IOException {
        Model model = load(chain("r Rescaling {\"scale\": [2, 3], \"offset\": [[[1, 0]]]}"), Map.of())
                .model();
        Tensor x = tensor(Shape.of(1, 2, 3, 2), 0);
        Tensor y = model.predict(x);
        for (int i = 0; i < x.size(); i += 2) {
            assertEquals(2 * x.get(i) + 1, y.get(i));
            assertEquals(3 * x.get(i + 1), y.get(i + 1));
        }
    }

    @Test
    void normalizationWithTensors() throws IOException {
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("n/mean", Tensor.of(Shape.of(2), 1f, 2f));
        weights.put("n/variance", Tensor.of(Shape.of(2), 4f, 16f));
        weights.put("n/count", Tensor.of(Shape.SCALAR, 7f));
        Imported read = load(chain("n Normalization {\"axis\": [-1], \"mean\": null}"), weights);
        assertEquals(List.of("n/count"), read.report().ignored());
        assertEquals(0, read.model().trainableCount());
        Tensor y = read.model().predict(tensor(Shape.of(1, 2, 3, 2), 0));
        for (int i = 0; i < y.size(); i++) {
            assertEquals((0.25 * i - 1 - i % 2) / (2 + i % 2 * 2), y.get(i), 1e-6);
        }
        weights.remove("n/mean");
        var e = assertThrows(FormatException.class, () -> load(chain("n Normalization {}"), weights));
        assertTrue(e.getMessage().contains("missing: n/moving_mean"), e.getMessage());
    }

    /** A convolution of each channel, and one of all channels at each pixel. */
    @Test
    void separableConvolutions() throws IOException {
        String topology = chain("s SeparableConv2D {\"filters\": 3, \"kernel_size\": [2, 2], \"depth_multiplier\": 2,"
                + " \"activation\": \"relu\"}");
        Tensor deep = Nets.random(Shape.of(2, 2, 2, 2), -1, 1, new SplittableRandom(1));
        Tensor point = Nets.random(Shape.of(1, 1, 4, 3), -1, 1, new SplittableRandom(2));
        Tensor bias = tensor(Shape.of(3), -0.25);
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("s/depthwise_kernel", deep);
        weights.put("s/pointwise_kernel", point);
        weights.put("s/bias", bias);
        Imported read = load(topology, weights);
        Tensor x = tensor(Shape.of(1, 2, 3, 2), -1);
        Tensor y = read.model().predict(x);
        for (int column = 0; column < 2; column++) {
            for (int o = 0; o < 3; o++) {
                double sum = bias.get(o);
                for (int c = 0; c < 4; c++) { // of input channel c / 2
                    for (int t = 0; t < 4; t++) {
                        double pixel = x.get((t / 2 * 3 + column + t % 2) * 2 + c / 2);
                        sum += pixel * deep.get(t * 4 + c) * point.get(c * 3 + o);
                    }
                }
                assertEquals(Math.max(0, sum), y.get(column * 3 + o), 1e-5);
            }
        }
        var numbered = new LinkedHashMap<String, Tensor>();
        weights.forEach((name, w) -> numbered.put("layers/separable_conv2d/vars/" + numbered.size(), w));
        assertEquals(y, load(topology, numbered).model().predict(x));
    }

    @Test
    void channelsFirst() throws IOException {
        String[] layers = {
            "p ZeroPadding2D {\"padding\": 1}",
            "c Conv2D {\"filters\": 2, \"kernel_size\": [1, 2], \"use_bias\": false}",
            "b BatchNormalization {\"axis\": [3], \"scale\": false, \"center\": false}",
            "m MaxPooling2D {\"pool_size\": [2, 1]}",
            "f Flatten {\"name\": \"f\"}",
            "d Dense {\"units\": 2, \"use_bias\": false}"
        };
        var weights = new LinkedHashMap<String, Tensor>();
        weights.put("c/kernel", Nets.random(Shape.of(1, 2, 2, 2), -1, 1, new SplittableRandom(1)));
        weights.put("b/moving_mean", tensor(Shape.of(2), 1));
        weights.put("b/moving_variance", tensor(Shape.of(2), 2));
        weights.put("d/kernel", Nets.random(Shape.of(16, 2), -1, 1, new SplittableRandom(2)));
        Model expected = load(chain(layers), weights).model();
        for (int i : new int[] {0, 1, 3, 4}) {
            layers[i] = layers[i].replace("{", "{\"data_format\": \"channels_first\", ");
        }
        layers[2] = layers[2].replace("[3]", "[1]");
        String first = chain(layers).replace("[null, 2, 3, 2]", "[null, 2, 2, 3]");
        Model read = load(first, weights).model();
        assertEquals(List.of(Shape.of(2, 3, 2)), read.inputShapes());
        assertEquals(0, Nets.difference(expected, read));
        KerasTest.write(directory, first.replace("[null, 2, 2, 3]", "[null, 2, null, null]"), weights, "", 1 << 20);
        read = Importer.load(directory, ImportOptions.none().input(2, 3)).model();
        assertEquals(0, Nets.difference(expected, read));
        var e = assertThrows(FormatException.class, () -> load(first.replace("[1], \"scale", "[3], \"scale"), weights));
        assertTrue(e.getMessage().contains("layer 'b'") && e.getMessage().contains("'axis' must be 1"), e.getMessage());
        String mixed = first.replaceFirst("channels_first", "channels_last");
        e = assertThrows(FormatException.class, () -> load(mixed, weights));
        assertTrue(e.getMessage().contains("layer 'c'") && e.getMessage().contains("not all"), e.getMessage());
    }
}
