package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.data.Preprocess;
import gradus.io.FormatException;
import gradus.io.Json;
import gradus.io.Safetensors;
import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.BatchNormalization;
import gradus.layers.ChannelPadding;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.ZeroPadding2D;
import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TorchvisionTest {
    @TempDir
    Path directory;

    private Path file() {
        return directory.resolve("weights.safetensors");
    }

    /** From our network, whatever its layers are called, to the file and back, by the tensors alone. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "resnet18",
                "resnet34",
                "resnet50v1.5",
                "resnet101v1.5",
                "resnet20",
                "resnet44",
                "resnet56",
                "resnet110"
            })
    void architecturesAreReadOffTheTensors(String name) {
        ResNet network = ResNets.byName(name).classes(7);
        boolean cifar = network.input().dim(0) == 32;
        Model model = Nets.trained((cifar ? network : network.input(64, 64, 3)).build());
        Exporter.write(model, List.of(), null, Format.TORCHVISION, file());
        Imported read = Importer.load(
                file(), cifar ? ImportOptions.none() : ImportOptions.none().input(64, 64));
        assertEquals(Format.TORCHVISION, read.format());
        assertEquals(Preprocess.TORCH, read.pictures().orElseThrow().mode());
        assertTrue(Nets.difference(model, read.model()) < 1e-6);
        assertEquals(name.replace("v1.5", ""), read.model().name().replace("v1.5", ""));
        Model logits = read.model().upTo("fc");
        assertEquals(Shape.of(7), logits.outputShapes().getFirst());
    }

    /** Kernels (out, in, h, w), dense weights (out, in), and the names that PyTorch gives a batch norm's arrays. */
    @Test
    void layoutsAreThoseOfPyTorch() {
        Model model = Nets.trained(ResNets.byName("resnet20").build());
        Exporter.write(model, List.of(), null, Format.TORCHVISION, file());
        Map<String, Tensor> tensors = Safetensors.read(file()).tensors();
        Tensor torch = tensors.get("layer2.0.conv1.weight");
        Tensor keras = model.weight("conv3_block1_1_conv/kernel");
        assertEquals(Shape.of(32, 16, 3, 3), torch.shape());
        for (int o = 0; o < 32; o += 5) {
            for (int i = 0; i < 16; i += 3) {
                for (int k = 0; k < 9; k++) {
                    assertEquals(keras.get((k * 16 + i) * 32 + o), torch.get((o * 16 + i) * 9 + k));
                }
            }
        }
        Tensor dense = tensors.get("linear.weight");
        assertEquals(Shape.of(10, 64), dense.shape());
        assertEquals(model.weight("predictions/kernel").get(5 * 10 + 2), dense.get(2 * 64 + 5));
        assertEquals(model.weight("conv1_bn/moving_variance"), tensors.get("bn1.running_var"));
    }

    private Map<String, Tensor> cifar() {
        Exporter.write(Nets.trained(ResNets.byName("resnet20").build()), List.of(), null, Format.TORCHVISION, file());
        return new LinkedHashMap<>(Safetensors.read(file()).tensors());
    }

    private Imported written(Map<String, Tensor> tensors) {
        Safetensors.write(file(), Map.of(), tensors);
        return Importer.load(file());
    }

    @Test
    void prefixesAndStepCountsDoNotMatter() {
        Map<String, Tensor> tensors = cifar();
        var prefixed = new LinkedHashMap<String, Tensor>();
        tensors.forEach((name, t) -> prefixed.put("module." + name, t));
        prefixed.put("module.bn1.num_batches_tracked", Tensor.scalar(390));
        Imported read = written(prefixed);
        assertEquals(List.of("module.bn1.num_batches_tracked"), read.report().ignored());
        assertEquals(
                0,
                Nets.difference(Importer.load(file()).model(), written(tensors).model()));
    }

    @Test
    void withoutAClassifierThereAreFeatures() {
        Map<String, Tensor> tensors = cifar();
        tensors.remove("linear.weight");
        tensors.remove("linear.bias");
        assertEquals(List.of(Shape.of(64)), written(tensors).model().outputShapes());
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Map<String, Tensor> tensors = cifar();
        Tensor bn = tensors.remove("layer2.1.bn1.running_mean");
        String m = assertThrows(FormatException.class, () -> written(tensors)).getMessage();
        assertTrue(m.contains("weights.safetensors") && m.contains("missing: layer2.1.bn1/moving_mean"), m);
        tensors.put("layer2.1.bn1.running_mean", Tensor.of(Shape.of(3), 1f, 2f, 3f));
        m = assertThrows(FormatException.class, () -> written(tensors)).getMessage();
        assertTrue(m.contains("'layer2.1.bn1.running_mean' has shape (3,)") && m.contains("needs (32,)"), m);
        tensors.put("layer2.1.bn1.running_mean", bn);
        tensors.put("layer1.0.se.fc1.weight", bn);
        m = assertThrows(FormatException.class, () -> written(tensors)).getMessage();
        assertTrue(m.contains("without a place") && m.contains("layer1.0.se.fc1.weight"), m);
        Model other = ResNets.byName("resnet50").build();
        assertThrows(GradusException.class, () -> Exporter.write(other, List.of(), null, Format.TORCHVISION, file()));
    }

    /** One object for all ReLUs, as PyTorch's own networks have it, and each written where it is applied. */
    @Test
    void oneActivationForAll() {
        var relu = Activation.relu();
        LayerOutput x = Input.of(32, 32, 3);
        LayerOutput y = convolution(x, 16, 1).then(relu);
        for (int filters = 16; filters <= 64; filters *= 2) {
            int stride = filters == 16 ? 1 : 2;
            LayerOutput branch = convolution(convolution(y, filters, stride).then(relu), filters, 1);
            LayerOutput shortcut = stride == 1
                    ? y
                    : y.then(MaxPooling2D.of(1).strides(2)).then(ChannelPadding.of(filters / 4, filters / 4));
            y = Add.of().apply(branch, shortcut).then(relu);
        }
        Model model = Model.of("own", x, y.then(GlobalAveragePooling2D.of()).then(Dense.of(10)));
        Exporter.write(model, List.of(), null, Format.TORCHVISION, file());
        Model back = Importer.load(file(), ImportOptions.none()).model();
        Tensor picture = Tensor.full(DType.F32, Shape.of(1, 32, 32, 3), 0.3);
        Tensor logits = model.predict(picture);
        Tensor its = back.predict(picture);
        for (int i = 0; i < 10; i++) {
            for (int j = 0; j < 10; j++) { // the model that is read ends in a softmax
                assertEquals(Math.exp(logits.get(i) - logits.get(j)), its.get(i) / its.get(j), 1e-4);
            }
        }
    }

    private static LayerOutput convolution(LayerOutput x, int filters, int stride) {
        LayerOutput y = stride == 1
                ? x.then(Conv2D.of(filters, 3).same().bias(false))
                : x.then(ZeroPadding2D.of(1))
                        .then(Conv2D.of(filters, 3).strides(stride).bias(false));
        return y.then(BatchNormalization.of().epsilon(1e-5).momentum(0.9));
    }

    /** Such a file has weights alone: a model that computes something else with them would come back as another one. */
    @Test
    void otherFunctionsAndConnectionsAreRefused() {
        Model model = Nets.trained(ResNets.byName("resnet20").build());
        String json = Json.write(model.config());
        var changed = new ArrayList<Map<?, ?>>();
        changed.add((Map<?, ?>) Json.parse(json.replace("\"relu\"", "\"tanh\"")));
        int last = json.lastIndexOf("\"relu\"");
        changed.add((Map<?, ?>) Json.parse(json.substring(0, last) + "\"elu\"" + json.substring(last + 6)));
        var noShortcut = (Map<?, ?>) Json.parse(json);
        for (Object entry : (List<?>) noShortcut.get("layers")) {
            @SuppressWarnings("unchecked") // as parsed
            var layer = (Map<String, Object>) entry;
            if ("Add".equals(layer.get("type"))) {
                var call = (List<?>) ((List<?>) layer.get("calls")).getFirst();
                layer.put("calls", List.of(List.of(call.getFirst(), call.getFirst())));
                break;
            }
        }
        changed.add(noShortcut);
        for (Map<?, ?> config : changed) {
            Model other = Model.fromConfig(config);
            assertNotEquals(json, Json.write(other.config()));
            other.initialize(1, DType.F32);
            other.setWeights(model.weights());
            String m = assertThrows(
                            GradusException.class,
                            () -> Exporter.write(other, List.of(), null, Format.TORCHVISION, file()))
                    .getMessage();
            assertTrue(m.contains("connections are others"), m);
        }
        Exporter.write(Model.fromConfig((Map<?, ?>) Json.parse(json)), List.of(), null, Format.TORCHVISION, file());
    }

    /** Weights alone, under Keras's names, for a named architecture. */
    @Test
    void weightsOfANamedArchitecture() {
        Model model = Nets.trained(ResNets.byName("resnet20").build());
        Safetensors.write(file(), Map.of(), model.weights());
        String m =
                assertThrows(FormatException.class, () -> Importer.load(file())).getMessage();
        assertTrue(m.contains("--model"), m);
        assertEquals(
                0,
                Nets.difference(
                        model,
                        Importer.load(file(), ImportOptions.none().model("resnet20"))
                                .model()));
        assertThrows(
                FormatException.class,
                () -> Importer.load(file(), ImportOptions.none().model("resnet32")));
        assertThrows(
                GradusException.class,
                () -> Importer.load(file(), ImportOptions.none().model("nonsense")));
    }
}
