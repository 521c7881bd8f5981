package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
}
