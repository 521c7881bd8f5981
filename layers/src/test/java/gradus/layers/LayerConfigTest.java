package gradus.layers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.io.FormatException;
import gradus.io.Json;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The text of every layer and initializer in a model file: files written once are read for ever. */
class LayerConfigTest {
    private static final Shape IMAGE = Shape.of(6, 4, 2);

    private static final Size THREE_TWO = new Size(3, 2);
    private static final Size TWO_ONE = new Size(2, 1);

    private static final String POOLING =
            "\"pool\":{\"height\":3,\"width\":2},\"strides\":{\"height\":2,\"width\":1},\"padding\":\"same\"";
    private static final String CONSTANT = "{\"type\":\"Constant\",\"value\":0.25}";
    private static final String IDENTITY = "{\"type\":\"Identity\",\"gain\":0.5}";

    /** Layers with another value in each component, and what a file says of them between name and calls. */
    private static final Map<Layer, String> LAYERS = Map.ofEntries(
            Map.entry(
                    new Conv2D(
                            4,
                            new Geometry(THREE_TWO, TWO_ONE, Padding.SAME, Size.of(1)),
                            2,
                            true,
                            ActivationFunction.GELU_TANH,
                            new Initializers.RandomNormal(0.5, 2, 7L),
                            new Initializers.Constant(0.25),
                            0.125,
                            "layer"),
                    "\"filters\":4,\"geometry\":{\"kernel\":{\"height\":3,\"width\":2},\"strides\":{\"height\":2,\"width\":1},"
                            + "\"padding\":\"same\",\"dilation\":{\"height\":1,\"width\":1}},\"groups\":2,\"bias\":true,"
                            + "\"activation\":\"gelu_tanh\",\"kernelInitializer\":{\"type\":\"RandomNormal\",\"mean\":0.5,"
                            + "\"deviation\":2.0,\"seed\":7},\"biasInitializer\":" + CONSTANT + ",\"l2\":0.125"),
            Map.entry(
                    new BatchNormalization(
                            -1,
                            0.75,
                            0.125,
                            true,
                            false,
                            true,
                            new BatchNormalization.Initials(
                                    new Initializers.Constant(0.25),
                                    new Initializers.RandomUniform(-1, 2, null),
                                    new Initializers.TruncatedNormal(1, 3, 8L),
                                    new Initializers.Identity(0.5)),
                            "layer"),
                    "\"axis\":-1,\"momentum\":0.75,\"epsilon\":0.125,\"center\":true,\"scale\":false,\"unbiased\":true,"
                            + "\"initials\":{\"beta\":" + CONSTANT
                            + ",\"gamma\":{\"type\":\"RandomUniform\",\"low\":-1.0,"
                            + "\"high\":2.0},\"movingMean\":{\"type\":\"TruncatedNormal\",\"mean\":1.0,\"deviation\":3.0,"
                            + "\"seed\":8},\"movingVariance\":" + IDENTITY + "}"),
            Map.entry(new Activation(ActivationFunction.LOG_SOFTMAX, "layer"), "\"function\":\"log_softmax\""),
            Map.entry(new LeakyReLU(0.125, "layer"), "\"negativeSlope\":0.125"),
            Map.entry(new Add("layer"), ""),
            Map.entry(new Subtract("layer"), ""),
            Map.entry(new Multiply("layer"), ""),
            Map.entry(new Average("layer"), ""),
            Map.entry(new Concatenate(-2, "layer"), "\"axis\":-2"),
            Map.entry(new ZeroPadding2D(1, 2, 3, 4, "layer"), "\"top\":1,\"bottom\":2,\"left\":3,\"right\":4"),
            Map.entry(new ChannelPadding(1, 2, "layer"), "\"before\":1,\"behind\":2"),
            Map.entry(new Clip(-1.5, 2, "layer"), "\"low\":-1.5,\"high\":2.0"),
            Map.entry(new MaxPooling2D(THREE_TWO, TWO_ONE, Padding.SAME, null, "layer"), POOLING),
            Map.entry(new AveragePooling2D(THREE_TWO, TWO_ONE, Padding.SAME, null, "layer"), POOLING),
            Map.entry(
                    new AveragePooling2D(THREE_TWO, TWO_ONE, Padding.VALID, new Border(1, 2, 0, 1), "layer"),
                    POOLING.replace("same", "valid") + ",\"border\":{\"top\":1,\"bottom\":2,\"left\":0,\"right\":1}"),
            Map.entry(new GlobalMaxPooling2D(true, "layer"), "\"keepdims\":true"),
            Map.entry(new GlobalAveragePooling2D(true, "layer"), "\"keepdims\":true"),
            Map.entry(new Flatten("layer"), ""),
            Map.entry(new Reshape(Shape.of(8, 6), "layer"), "\"target\":[8,6]"),
            Map.entry(
                    new Dense(
                            3,
                            true,
                            ActivationFunction.TANH,
                            new Initializers.VarianceScaling(
                                    2, Initializers.Fan.OUT, Initializers.Form.TRUNCATED_NORMAL, 9L),
                            new Initializers.Orthogonal(1.5, 10L),
                            0.125,
                            "layer"),
                    "\"units\":3,\"bias\":true,\"activation\":\"tanh\",\"kernelInitializer\":{\"type\":\"VarianceScaling\","
                            + "\"scale\":2.0,\"fan\":\"out\",\"form\":\"truncated_normal\",\"seed\":9},"
                            + "\"biasInitializer\":{\"type\":\"Orthogonal\",\"gain\":1.5,\"seed\":10},\"l2\":0.125"),
            Map.entry(new Dropout(0.25, 3L, "layer"), "\"rate\":0.25,\"seed\":3"));

    /** The kinds of layers a file can hold. */
    static Set<String> types() {
        return Arrays.stream(StoredLayer.class.getPermittedSubclasses())
                .map(Class::getSimpleName)
                .collect(Collectors.toSet());
    }

    private static Model model(Layer layer) {
        boolean merges =
                Set.of("Add", "Subtract", "Multiply", "Average", "Concatenate").contains(layer.type());
        List<LayerOutput> inputs =
                merges ? List.of(Input.of(IMAGE, "a"), Input.of(IMAGE, "b")) : List.of(Input.of(IMAGE, "a"));
        return Model.of("one", inputs, List.of(layer.apply(inputs)));
    }

    private static String file(Layer layer, String settings) {
        String json = Json.write(model(layer).config());
        String start = "{\"type\":\"" + layer.type() + "\",\"name\":\"layer\",";
        assertTrue(json.contains(start + settings + (settings.isEmpty() ? "" : ",") + "\"calls\""), json);
        return json;
    }

    private static Model read(String json) {
        return Model.fromConfig((Map<?, ?>) Json.parse(json));
    }

    @Test
    void everyLayerIsWrittenAndReadBack() {
        LAYERS.forEach((layer, settings) ->
                assertEquals(layer, read(file(layer, settings)).layer("layer")));
        assertEquals(types(), LAYERS.keySet().stream().map(Layer::type).collect(Collectors.toSet()));
    }

    @Test
    void everySettingIsNeeded() {
        LAYERS.forEach((layer, settings) -> {
            Map<?, ?> config = (Map<?, ?>) Json.parse("{" + settings + "}");
            for (Object key : config.keySet()) {
                if (!key.equals("seed") && !key.equals("border")) { // which most layers do not have
                    String json = file(layer, settings).replace("\"" + key + "\":", "\"other\":");
                    var e = assertThrows(FormatException.class, () -> read(json), layer.type() + " without " + key);
                    assertTrue(e.getMessage().contains("layer." + key), e.getMessage());
                }
            }
        });
    }

    private static void refused(String json, String from, String to, String... parts) {
        assertTrue(json.contains(from), json);
        String message = assertThrows(FormatException.class, () -> read(json.replace(from, to)))
                .getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), part + " in: " + message);
        }
    }

    @Test
    void mistakesAreNamed() {
        Layer conv = LAYERS.keySet().stream()
                .filter(l -> l instanceof Conv2D)
                .findFirst()
                .orElseThrow();
        String json = file(conv, LAYERS.get(conv));
        refused(json, "\"l2\":0.125", "\"l2\":0.125,\"l3\":1", "'layer'", "unknown setting 'l3'");
        refused(json, "\"width\":2}", "\"width\":2,\"depth\":1}", "'layer.geometry.kernel'", "unknown setting 'depth'");
        refused(json, "\"width\":2}", "\"width\":2.5}", "'layer.geometry.kernel.width'", "integer", "2.5");
        refused(json, "\"same\"", "\"SAME\"", "'layer.geometry.padding'", "valid, same");
        refused(json, "\"filters\":4", "\"filters\":3", "'layer'", "3 filters do not split");
        refused(json, "\"bias\":true", "\"bias\":1", "'layer.bias'");
        refused(json, "\"Constant\"", "\"java.lang.Runtime\"", "'layer.biasInitializer'", "unknown type");
        refused(json, "\"seed\":7", "\"seed\":\"7\"", "'layer.kernelInitializer.seed'");
        refused(json, CONSTANT, "null", "'layer.biasInitializer'");
        refused(json, "[6,4,2]", "[6,4,\"2\"]", "'a.shape'");
        Layer dense = LAYERS.keySet().stream()
                .filter(l -> l instanceof Dense)
                .findFirst()
                .orElseThrow();
        refused(
                file(dense, LAYERS.get(dense)),
                "\"scale\":2.0",
                "\"scale\":-2.0",
                "'layer.kernelInitializer'",
                "positive");
    }

    /** As other programs write them. */
    @Test
    void wholeNumbersMayBeWrittenWithAPoint() {
        Layer padding = new ChannelPadding(1, 2, "layer");
        String json = file(padding, LAYERS.get(padding));
        assertEquals(
                padding, read(json.replace("\"before\":1", "\"before\":1.0")).layer("layer"));
        Layer dropout = new Dropout(1, null, "layer");
        assertEquals(
                dropout,
                read(file(dropout, "\"rate\":1.0").replace("\"rate\":1.0", "\"rate\":1"))
                        .layer("layer"));
    }

    @Test
    void aProgramsOwnInitializerIsMarked() {
        Initializer own = (shape, dtype, seed) -> Initializers.zeros().initialize(shape, dtype, seed);
        Initializer stream =
                new LegacyPhilox(1, 2).with(Initializers.randomUniform().seed(5));
        Layer dense = Dense.of(2).kernelInitializer(own).biasInitializer(stream).named("layer");
        String json = Json.write(model(dense).config());
        assertTrue(json.contains("\"kernelInitializer\":{\"type\":\"Unknown\"}"), json);
        assertTrue(
                json.contains(
                        "\"biasInitializer\":{\"type\":\"RandomUniform\",\"low\":-0.05,\"high\":0.05,\"seed\":5}"),
                json);
        Model copy = read(json);
        assertEquals(json, Json.write(copy.config()));
        assertThrows(GradusException.class, () -> copy.initialize(1, DType.F32));
    }
}
