package gradus.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.Backend;
import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.eager.Eager;
import gradus.graph.Fuse;
import gradus.graph.Gradient;
import gradus.graph.Graph;
import gradus.io.Json;
import gradus.io.Safetensors;
import gradus.layers.EagerLayers;
import gradus.layers.Initializer;
import gradus.layers.Initializers;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.LegacyPhilox;
import gradus.layers.Lowered;
import gradus.layers.Model;
import gradus.op.Value;
import gradus.plan.Plan;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Blocks against recorded numbers: outputs, all derivatives, moving statistics, and what the notebook printed. */
class BlocksTest {
    private static final Backend<?> FLOAT64 = Backends.open("reference", new Options(1, Precision.FLOAT64));
    private static final Backend<?> FLOAT32 = Backends.open("reference", new Options(1, Precision.FLOAT32));

    private static Safetensors golden(String file) throws IOException {
        String name = "/golden/" + file + ".safetensors";
        try (var in = BlocksTest.class.getResourceAsStream(name)) {
            return Safetensors.open(name, in.readAllBytes());
        }
    }

    private static void close(Tensor expected, Tensor actual, double tolerance, String what) {
        assertEquals(expected.shape(), actual.shape(), what);
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(expected.get(i), actual.get(i), tolerance, what + "[" + i + "]");
        }
    }

    // ---- recorded blocks ----

    @ParameterizedTest
    @CsvSource({
        "00_identity_f2_s1, true",
        "00_identity_f2_s1, false",
        "01_identity_f3_s1, true",
        "01_identity_f3_s1, false",
        "04_convolutional_f2_s2, true",
        "04_convolutional_f2_s2, false",
        "05_convolutional_f3_s2, true",
        "05_convolutional_f3_s2, false",
        "07_convolutional_f2_s4, true",
        "07_convolutional_f2_s4, false"
    })
    void outputsAndDerivatives(String file, boolean training) throws IOException {
        Safetensors golden = golden("block/" + file);
        for (boolean unbiased : new boolean[] {false, true}) {
            for (boolean fused : new boolean[] {false, true}) {
                check(golden, training, unbiased, fused);
            }
        }
    }

    private static void check(Safetensors golden, boolean training, boolean unbiased, boolean fused) {
        var attributes = (Map<?, ?>) Json.parse(golden.metadata().get("attrs"));
        Tensor x = golden.tensor("x");
        Model model = model(attributes, x.shape().slice(1, 4), unbiased);
        var weights = new LinkedHashMap<String, Tensor>();
        model.weightList().forEach(w -> weights.put(w.name(), golden.tensor(recorded(w.name()))));
        model.setWeights(weights);

        var graph = new Graph();
        Value in = graph.input("x", x.shape());
        Lowered lowered = model.lower(graph, training, List.of(in));
        Value y = lowered.outputs().get(0);
        Value loss = graph.sum(graph.multiply(y, graph.input("dy", y.shape())));
        graph.output("y", y);
        graph.output("loss", loss);
        lowered.updates().forEach((name, v) -> graph.output("moved " + name, v));
        Graph forward = fused ? Fuse.of(graph) : graph;

        var with = new ArrayList<Value>(List.of(in));
        var names = new ArrayList<String>(List.of("x"));
        model.weightList().stream().filter(w -> w.trainable()).forEach(w -> {
            names.add(w.name());
            with.add(graph.parameters().get(w.name()));
        });
        Gradient.Result result = Gradient.of(forward, loss, with);
        for (int i = 0; i < names.size(); i++) {
            result.graph().output("d " + names.get(i), result.derivatives().get(i));
        }
        Plan<?> plan = plan(result.graph(), FLOAT64, model.weights());
        plan.feed("x", x);
        plan.feed("dy", golden.tensor("dy"));
        plan.run();

        String mode = training ? "train." : "infer.";
        compare(golden, mode + "y", plan.output("y"));
        for (String name : names) {
            compare(golden, mode + "d_" + recorded(name), plan.output("d " + name));
        }
        assertEquals(training, !lowered.updates().isEmpty());
        lowered.updates().keySet().forEach(name -> {
            String suffix = name.endsWith("mean") ? "_after1" : unbiased ? "_after1_unbiased" : "_after1_biased";
            compare(golden, mode + recorded(name) + suffix, plan.output("moved " + name));
        });
    }

    private static void compare(Safetensors golden, String name, Tensor actual) {
        Tensor expected = golden.tensor(name + ".f64");
        double largest = 1;
        for (double v : expected.doubles()) {
            largest = Math.max(largest, Math.abs(v));
        }
        close(expected, actual, 1e-11 * largest, name);
    }

    private static Model model(Map<?, ?> attributes, Shape shape, boolean unbiased) {
        var blocks = Blocks.of()
                .epsilon(((Number) attributes.get("epsilon")).doubleValue())
                .momentum(((Number) attributes.get("momentum")).doubleValue())
                .unbiased(unbiased);
        int[] f = ((List<?>) attributes.get("filters"))
                .stream().mapToInt(n -> ((Number) n).intValue()).toArray();
        var filters = Filters.of(f[0], f[1], f[2]);
        int kernel = ((Number) attributes.get("f")).intValue();
        int stride = ((Number) attributes.get("stride")).intValue();
        LayerOutput x = Input.of(shape, null);
        LayerOutput y = attributes.get("kind").equals("identity")
                ? blocks.identity(x, kernel, filters, 2, "a")
                : blocks.convolutional(x, kernel, filters, 2, "a", stride);
        return Model.of("block", x, y);
    }

    /** conv_2a2b/kernel is recorded as conv_2b/kernel. */
    private static String recorded(String name) {
        return name.replaceFirst("_2a", "_");
    }

    private static <B> Plan<B> plan(Graph graph, Backend<B> backend, Map<String, Tensor> weights) {
        Plan<B> plan = Plan.of(graph, backend);
        plan.parameters().setAll(weights);
        return plan;
    }

    // ---- the notebook's prints, by calling blocks on arrays as the notebook does ----

    private static Blocks notebook(Initializer initializer) {
        return Blocks.of().epsilon(1e-6).momentum(0.9).initializer(initializer);
    }

    @Test
    void identityBlockInInferencePrintsWhatTheNotebookPrinted() throws IOException {
        Safetensors golden = golden("notebook/identity_block_inference");
        var blocks = notebook(Initializers.constant(1));
        LayerOutput x = LayerOutput.of(golden.tensor("x"), new Eager<>(FLOAT32), false);
        Tensor y = blocks.identity(x, 2, Filters.of(4, 4, 3), 1, "a").value();
        assertEquals(golden.tensor("y.tf_f32"), y); // TensorFlow's digits, to the last one
        resume(golden.tensor("printed_resume"), y);
    }

    @Test
    void identityBlockInTrainingPrintsWhatTheNotebookPrinted() throws IOException {
        Safetensors golden = golden("notebook/identity_block_training");
        var blocks = notebook(Initializers.constant(1));
        LayerOutput x = LayerOutput.of(golden.tensor("x"), new Eager<>(FLOAT32), true);
        Tensor y = blocks.identity(x, 3, Filters.of(3, 3, 3), 1, "a").value();
        resume(golden.tensor("printed_resume"), y);
    }

    /** around(y[:, (0,-1), :, :].mean(axis=3), 5). */
    private static void resume(Tensor printed, Tensor y) {
        int h = y.shape().dim(1);
        int w = y.shape().dim(2);
        int c = y.shape().dim(3);
        for (int n = 0; n < y.shape().dim(0); n++) {
            for (int r = 0; r < 2; r++) {
                for (int q = 0; q < w; q++) {
                    double mean = 0;
                    for (int k = 0; k < c; k++) {
                        mean += y.get(((n * h + r * (h - 1)) * w + q) * c + k) / c;
                    }
                    double expected = printed.get((n * 2 + r) * w + q);
                    assertEquals(expected, mean, 1.01e-5 + 3e-7 * Math.abs(expected));
                }
            }
        }
    }

    @Test
    void convolutionalBlockPrintsWhatTheNotebookPrinted() throws IOException {
        Safetensors golden = golden("notebook/convolutional_block_inference");
        var blocks = notebook(new LegacyPhilox(2, 0).glorotUniform());
        var eager = new EagerLayers(new Eager<>(FLOAT32), false);
        LayerOutput x = eager.input(golden.tensor("x"));
        var filters = Filters.of(2, 4, 6);
        blocks.convolutional(x, 2, filters, 1, "a", 4); // the notebook's test makes this one first
        Tensor y = blocks.convolutional(x, 2, filters, 1, "a", 2).value();
        close(golden.tensor("y.f64"), y, 2e-6, "y");
        Tensor printed = golden.tensor("printed_sample0");
        for (int i = 0; i < printed.size(); i++) {
            assertEquals(printed.get(i), y.get(i), 2e-6);
        }
    }

    @Test
    void repeatedNamesAreLegalOnArraysAndErrorsInModels() {
        var blocks = Blocks.of();
        LayerOutput array =
                LayerOutput.of(Tensor.of(Shape.of(1, 2, 2, 1), 1f, 2f, 3f, 4f), new Eager<>(FLOAT32), false);
        var filters = Filters.of(2, 2, 1);
        blocks.identity(blocks.identity(array, 2, filters, 2, "a"), 2, filters, 2, "a")
                .value();
        LayerOutput x = Input.of(2, 2, 1);
        LayerOutput y = blocks.identity(blocks.identity(x, 2, filters, 2, "a"), 2, filters, 2, "a");
        String message =
                assertThrows(GradusException.class, () -> Model.of("m", x, y)).getMessage();
        assertTrue(message.contains("conv_2a2a"), message);
        var wide = assertThrows(GradusException.class, () -> blocks.identity(x, 2, Filters.of(2, 2, 3), 2, "a"));
        assertTrue(wide.getMessage().contains("use the convolutional block"), wide.getMessage());
    }
}
