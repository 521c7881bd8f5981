package gradus.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.Json;
import gradus.layers.Layer;
import gradus.layers.Model;
import gradus.layers.ModelWeight;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Structure of the networks against published parameter counts and recorded summaries. */
class ResNetsTest {
    /** Total as Keras counts it, trainable as torchvision counts it. Counts of Keras 3, torchvision 0.14, He et al. */
    @ParameterizedTest
    @CsvSource({
        "resnet50,       23600006, 23546886",
        "resnet50-nb001, 23610822, 23557734",
        "resnet50-224,   25636712, 25583592",
        "resnet101-224,  44707176, 44601832",
        "resnet152-224,  60419944, 60268520",
        "resnet18,       11699112, 11689512",
        "resnet34,       21814696, 21797672",
        "resnet50v1.5,   25610152, 25557032",
        "resnet101v1.5,  44654504, 44549160",
        "resnet152v1.5,  60344232, 60192808",
        "resnet50v2,     25613800, 25568360",
        "resnet101v2,    44675560, 44577896",
        "resnet152v2,    60380648, 60236904",
        "resnet20,       271098,   269722",
        "resnet32,       466426,   464154",
        "resnet44,       661754,   658586",
        "resnet56,       857082,   853018",
        "resnet110,      1736058,  1727962"
    })
    void parameterCounts(String name, long total, long trainable) {
        Model model = ResNets.byName(name).build();
        assertEquals(total, model.parameterCount());
        assertEquals(trainable, model.trainableCount());
        Model copy = Model.fromConfig((Map<?, ?>) Json.parse(Json.write(model.config())));
        assertEquals(model.weightList(), copy.weightList());
        assertEquals(model.summary(), copy.summary());
    }

    @Test
    void everyNameBuilds() {
        assertEquals(18, ResNets.names().size());
        String message = assertThrows(GradusException.class, () -> ResNets.byName("resnet51"))
                .getMessage();
        assertTrue(message.contains("resnet50v1.5"), message);
        assertThrows(GradusException.class, () -> ResNets.cifar(21));
    }

    @ParameterizedTest
    @CsvSource({"resnet50, summary_course.tsv", "resnet50-nb001, summary_nb001.tsv"})
    void layersEqualTheRecordedSummary(String name, String file) throws IOException {
        List<String> expected;
        try (var in = ResNetsTest.class.getResourceAsStream("/golden/" + file)) {
            expected = new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
        }
        Model model = ResNets.byName(name).build();
        Map<String, Integer> parameters = model.weightList().stream()
                .collect(Collectors.groupingBy(
                        w -> w.name().split("/")[0],
                        Collectors.summingInt(w -> w.shape().size())));
        assertEquals(177, model.layerNames().size());
        assertEquals(177 + 2, expected.size()); // header and totals
        for (int i = 0; i < 177; i++) {
            String layer = model.layerNames().get(i);
            Layer l = model.layer(layer);
            String shape = IntStream.of(model.outputShape(layer).toArray())
                    .mapToObj(Integer::toString)
                    .collect(Collectors.joining("x"));
            String row = String.join("\t", layer, l.type(), shape, "" + parameters.getOrDefault(layer, 0));
            assertEquals(expected.get(i + 1), row);
        }
        // and so do the rows of the printed table
        List<String> rows = model.summary()
                .lines()
                .filter(line -> line.matches(" \\S+ \\(\\w+\\) .*"))
                .map(line -> line.trim().split(" +")[0])
                .skip(1)
                .toList();
        assertEquals(model.layerNames(), rows);
    }

    @Test
    void secondNotebookAsItsTextSays() {
        ResNet text = ResNets.secondNotebookText();
        Model model = text.build();
        assertEquals(Shape.of(2, 2, 2048), model.outputShape("relu_5c"));
        assertEquals(Shape.of(1, 1, 2048, 256), kernel(model, "conv_5b2a"));
        assertEquals(Shape.of(3, 3, 256, 256), kernel(model, "conv_5b2b"));
        assertEquals(Shape.of(1, 1, 1024, 512), kernel(model, "conv_5a2a"));
        Model code = ResNets.secondNotebook().build();
        assertEquals(Shape.of(4, 4, 2048), code.outputShape("relu_5c"));
        assertEquals(Shape.of(3, 3, 126, 126), kernel(code, "conv_3b2b"));
    }

    private static Shape kernel(Model model, String layer) {
        return model.weightList().stream()
                .filter(w -> w.name().equals(layer + "/kernel"))
                .map(ModelWeight::shape)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void namingSchemes() {
        Model branch =
                ResNets.course().blocks(Blocks.of().naming(Naming.BRANCH)).build();
        assertEquals(
                List.of(
                        "input_1",
                        "conv1_pad",
                        "conv1",
                        "bn_conv1",
                        "activation",
                        "max_pooling2d",
                        "res2a_branch2a",
                        "bn2a_branch2a"),
                branch.layerNames().subList(0, 8));
        assertTrue(branch.layerNames().containsAll(List.of("res5c_branch2c", "bn4f_branch2b", "res3a_branch1", "fc6")));
        Model notebook =
                ResNets.course().blocks(Blocks.of().naming(Naming.NOTEBOOK)).build();
        assertEquals(
                List.of(
                        "input_1",
                        "zero_padding2d",
                        "conv1",
                        "bn1",
                        "activation",
                        "max_pooling2d",
                        "conv_2a2a",
                        "bn_2a2a"),
                notebook.layerNames().subList(0, 8));
        Model keras = ResNets.byName("resnet50-224").build();
        assertTrue(keras.layerNames()
                .containsAll(
                        List.of("conv1_conv", "pool1_pad", "conv2_block1_0_conv", "conv5_block3_out", "predictions")));
        Model v2 = ResNets.byName("resnet50v2").build();
        assertTrue(v2.layerNames()
                .containsAll(List.of("conv2_block1_preact_bn", "conv4_block6_2_pad", "post_bn", "conv5_block3_out")));
    }

    @Test
    void resolutions() {
        Model v1 = ResNets.byName("resnet50-224").build();
        assertEquals(Shape.of(56, 56, 64), v1.outputShape("pool1_pool"));
        assertEquals(Shape.of(7, 7, 2048), v1.outputShape("conv5_block3_out"));
        Model v15 = ResNets.byName("resnet50v1.5").build();
        assertEquals(Shape.of(56, 56, 128), v15.outputShape("conv3_block1_1_conv"));
        assertEquals(Shape.of(28, 28, 128), v15.outputShape("conv3_block1_2_conv"));
        Model v2 = ResNets.byName("resnet50v2").build();
        assertEquals(Shape.of(28, 28, 256), v2.outputShape("conv2_block3_out"));
        assertEquals(Shape.of(7, 7, 2048), v2.outputShape("conv5_block3_out"));
        Model small = ResNets.cifar(20).build();
        assertEquals(Shape.of(8, 8, 64), small.outputShape("conv4_block3_out"));
        String message = assertThrows(
                        GradusException.class,
                        () -> ResNets.course().input(16, 16, 3).build())
                .getMessage();
        assertTrue(message.contains("avg_pool"), message);
    }

    @Test
    void inputClassesAndLogitsCanBeChosen() {
        Model model = ResNets.cifar(20).input(28, 28, 1).classes(3).logits(true).build();
        assertEquals(List.of(Shape.of(28, 28, 1)), model.inputShapes());
        assertEquals(List.of(Shape.of(3)), model.outputShapes());
        Model projected = ResNets.cifar(20).kind(ResNet.Kind.BASIC).build();
        assertEquals(269722 + 16 * 32 + 64 + 32 * 64 + 128, projected.trainableCount());
        Tensor y = model.predict(Tensor.full(DType.F32, Shape.of(2, 28, 28, 1), 0.5));
        assertEquals(Shape.of(2, 3), y.shape());
    }
}
