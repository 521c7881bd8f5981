package gradus.layers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.backend.BackendProvider.Options;
import gradus.backend.BackendProvider.Precision;
import gradus.backend.Backends;
import gradus.eager.Eager;
import gradus.tensor.DType;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.ShapeException;
import gradus.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Shapes, weights, numbers and errors of single layers, as Keras defines them. */
class LayersTest {
    private static final Eager<?> FLOAT64 = new Eager<>(Backends.open("reference", new Options(1, Precision.FLOAT64)));

    private static LayerOutput inference(Tensor x) {
        return LayerOutput.of(x, FLOAT64, false);
    }

    private static LayerOutput training(Tensor x) {
        return LayerOutput.of(x, FLOAT64, true);
    }

    private static Tensor count(int... dims) {
        Shape shape = Shape.of(dims);
        var v = new double[shape.size()];
        for (int i = 0; i < v.length; i++) {
            v[i] = i;
        }
        return Tensor.of(shape, v);
    }

    private static Arguments row(Layer layer, Shape in, Shape out, long parameters) {
        return Arguments.of(layer, in, out, parameters);
    }

    static Stream<Arguments> shapes() {
        Shape image = Shape.of(64, 64, 3);
        Shape odd = Shape.of(15, 14, 4);
        return Stream.of(
                row(Conv2D.of(8, 3), image, Shape.of(62, 62, 8), 3 * 3 * 3 * 8 + 8),
                row(Conv2D.of(8, 3).same(), image, Shape.of(64, 64, 8), 224),
                row(Conv2D.of(8, 3).same().strides(2), odd, Shape.of(8, 7, 8), 296),
                row(Conv2D.of(8, 2).same(), odd, Shape.of(15, 14, 8), 2 * 2 * 4 * 8 + 8),
                row(Conv2D.of(8, 3, 5).strides(2, 1), odd, Shape.of(7, 10, 8), 3 * 5 * 4 * 8 + 8),
                row(Conv2D.of(8, 3).dilation(2), odd, Shape.of(11, 10, 8), 296),
                row(Conv2D.of(8, 3).dilation(2).same(), odd, Shape.of(15, 14, 8), 296),
                row(Conv2D.of(8, 3).groups(4), odd, Shape.of(13, 12, 8), 3 * 3 * 8 + 8),
                row(Conv2D.of(8, 3).bias(false), odd, Shape.of(13, 12, 8), 288),
                row(BatchNormalization.of(), odd, odd, 16),
                row(BatchNormalization.of().axis(3), odd, odd, 16),
                row(BatchNormalization.of().axis(1), odd, odd, 60),
                row(BatchNormalization.of().center(false), odd, odd, 12),
                row(BatchNormalization.of().scale(false), odd, odd, 12),
                row(BatchNormalization.of().scale(false).center(false), odd, odd, 8),
                row(Activation.of("softmax"), odd, odd, 0),
                row(LeakyReLU.of(), odd, odd, 0),
                row(Dropout.of(0.5), odd, odd, 0),
                row(ZeroPadding2D.of(), odd, Shape.of(17, 16, 4), 0),
                row(ZeroPadding2D.of(3), odd, Shape.of(21, 20, 4), 0),
                row(ZeroPadding2D.of(1, 2), odd, Shape.of(17, 18, 4), 0),
                row(ZeroPadding2D.of(1, 2, 3, 4), odd, Shape.of(18, 21, 4), 0),
                row(ChannelPadding.of(1, 2), odd, Shape.of(15, 14, 7), 0),
                row(MaxPooling2D.of(), odd, Shape.of(7, 7, 4), 0),
                row(MaxPooling2D.of(3).strides(2), Shape.of(32, 32, 4), Shape.of(15, 15, 4), 0),
                row(MaxPooling2D.of(3).same(), odd, Shape.of(5, 5, 4), 0),
                row(MaxPooling2D.of(3).strides(2).padding(1, 1, 1, 1), odd, Shape.of(8, 7, 4), 0),
                row(AveragePooling2D.of(3).strides(2).padding(0, 2, 1, 0), odd, Shape.of(8, 7, 4), 0),
                row(AveragePooling2D.of(2, 3), odd, Shape.of(7, 4, 4), 0),
                row(AveragePooling2D.of().same(), odd, Shape.of(8, 7, 4), 0),
                row(GlobalMaxPooling2D.of(), odd, Shape.of(4), 0),
                row(GlobalAveragePooling2D.of().keepdims(true), odd, Shape.of(1, 1, 4), 0),
                row(Flatten.of(), odd, Shape.of(840), 0),
                row(Reshape.of(14, 60), odd, Shape.of(14, 60), 0),
                row(Dense.of(6), Shape.of(2048), Shape.of(6), 12294),
                row(Dense.of(6), odd, Shape.of(15, 14, 6), 30),
                row(Dense.of(6).bias(false), Shape.of(4), Shape.of(6), 24));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void shapeAndParameters(Layer layer, Shape in, Shape out, long parameters) {
        assertEquals(out, layer.output(List.of(in)));
        assertEquals(
                parameters,
                layer.weights(List.of(in)).stream()
                        .mapToLong(w -> w.shape().size())
                        .sum());
        LayerOutput symbol = Input.of(in, null).then(layer);
        assertEquals(out, symbol.shape());
        Tensor value =
                inference(Tensor.zeros(DType.F64, in.prepend(2))).then(layer).value();
        assertEquals(out.prepend(2), value.shape());
    }

    static Stream<Arguments> errors() {
        LayerOutput image = Input.of(8, 8, 3);
        LayerOutput vector = Input.of(8);
        return Stream.of(
                error(() -> Conv2D.of(0, 3), "filters"),
                error(() -> Conv2D.of(8, 0), "kernel"),
                error(() -> Conv2D.of(8, 3).strides(0), "strides"),
                error(() -> Conv2D.of(8, 3).strides(2).dilation(2), "dilation"),
                error(() -> Conv2D.of(8, 3).groups(3), "8 filters do not split into 3 groups"),
                error(() -> image.then(Conv2D.of(8, 3).groups(2).named("c")), "layer 'c': Conv2D of (8, 8, 3)"),
                error(() -> image.then(Conv2D.of(8, 9).named("big")), "SAME padding"),
                error(() -> vector.then(Conv2D.of(8, 3).named("c")), "layer 'c'"),
                error(() -> Conv2D.of(8, 3).padding("full"), "valid"),
                error(() -> Activation.of("rely"), "leaky_relu"),
                error(() -> BatchNormalization.of().axis(0), "batch"),
                error(() -> image.then(BatchNormalization.of().axis(4).named("b")), "(None, 8, 8, 3)"),
                error(() -> BatchNormalization.of().momentum(1.5), "momentum"),
                error(() -> Dropout.of(1.5), "rate"),
                error(() -> ZeroPadding2D.of(-1), "negative"),
                error(() -> MaxPooling2D.of(0), "at least"),
                error(() -> MaxPooling2D.of(2).padding(0, 2, 0, 0), "narrower than pool"),
                error(() -> AveragePooling2D.of(2).padding(-1, 0, 0, 0), "between 0"),
                error(() -> Clip.of(1, 0), "low must not be above"),
                error(() -> image.then(MaxPooling2D.of(9).named("p")), "layer 'p'"),
                error(() -> Add.of().named("sum").apply(image), "at least 2"),
                error(
                        () -> Add.of().named("sum").apply(image, Input.of(8, 7, 3)),
                        "layer 'sum': Add of (8, 8, 3), (8, 7, 3)"),
                error(() -> Subtract.of().apply(image, image, image), "exactly 2"),
                error(() -> Concatenate.of().apply(image, Input.of(8, 7, 3)), "Concatenate"),
                error(() -> Concatenate.of(0), "batch"),
                error(() -> image.then(Reshape.of(5)), "192"),
                error(() -> Dense.of(0), "units"),
                error(() -> Dense.of(3).l2(-1), "l2"),
                error(() -> image.value(), "predict"));
    }

    private static Arguments error(Executable action, String part) {
        return Arguments.of(action, part);
    }

    @ParameterizedTest
    @MethodSource("errors")
    void errorSaysWhatIsWrong(Executable action, String part) {
        String message = assertThrows(GradusException.class, action).getMessage();
        assertTrue(message.contains(part), message);
    }

    @Test
    void samePaddingOfAnEvenKernelIsLargerAtTheEnd() {
        var ones = Conv2D.of(1, 2).same().kernelInitializer(Initializers.ones());
        Tensor y = inference(count(1, 3, 3, 1)).then(ones).value();
        assertArrayEquals(new double[] {8, 12, 7, 20, 24, 13, 13, 15, 8}, y.doubles());
    }

    @Test
    void batchNormalizationCollectsBiasedOrUnbiasedVariance() {
        Tensor x = Tensor.of(Shape.of(4, 1), 1.0, 2, 3, 6);
        for (boolean unbiased : new boolean[] {false, true}) {
            var layer = BatchNormalization.of().momentum(0.9).epsilon(0).unbiased(unbiased);
            LayerOutput y = training(x).then(layer);
            assertEquals((6 - 3) / Math.sqrt(3.5), y.value().get(3), 1e-12);
            var weights = y.eager().weights(layer);
            assertEquals(0.3, weights.get("moving_mean").value().item(), 1e-12);
            double variance = unbiased ? 14.0 / 3 : 3.5;
            assertEquals(
                    0.9 + 0.1 * variance, weights.get("moving_variance").value().item(), 1e-12);
        }
    }

    @Test
    void oneValuePerChannelIsNotDividedByZero() {
        var layer = BatchNormalization.of().unbiased(true);
        LayerOutput y = training(Tensor.of(Shape.of(1, 2), 5.0, 7)).then(layer);
        assertArrayEquals(new double[] {0, 0}, y.value().doubles());
        assertArrayEquals(
                new double[] {0.99, 0.99},
                y.eager().weights(layer).get("moving_variance").value().doubles(),
                1e-12);
    }

    @Test
    void batchNormalizationOverAnotherAxis() {
        Tensor x = count(2, 3, 2, 2);
        Tensor y = training(x).then(BatchNormalization.of().axis(1).epsilon(0)).value();
        // channel 0 of axis 1 holds 0..3 and 12..15: mean 7.5, variance 37.25
        assertEquals((0 - 7.5) / Math.sqrt(37.25), y.get(0), 1e-12);
        assertEquals((15 - 7.5) / Math.sqrt(37.25), y.get(15), 1e-12);
        assertEquals(x.shape(), y.shape());
    }

    @Test
    void activations() {
        double x = -0.7;
        double[] expected = {
            x,
            0,
            0,
            -0.14,
            Math.expm1(x),
            x * 0.24196365222307303, // Phi(-0.7)
            0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
            x / (1 + Math.exp(-x)),
            1 / (1 + Math.exp(-x)),
            Math.tanh(x),
            Math.exp(x),
            1,
            0
        };
        var functions = ActivationFunction.values();
        assertEquals(expected.length, functions.length);
        for (int i = 0; i < functions.length; i++) {
            Tensor y = inference(Tensor.of(Shape.of(1, 1), x))
                    .then(Activation.of(functions[i]))
                    .value();
            assertEquals(expected[i], y.item(), 1e-7, functions[i].toString());
            assertEquals(functions[i], ActivationFunction.of(functions[i].toString()));
        }
        assertEquals(ActivationFunction.SILU, ActivationFunction.of("swish"));
        assertEquals(ActivationFunction.LINEAR, ActivationFunction.of(null));
    }

    @Test
    void mergesBroadcastPerSample() {
        var eager = new EagerLayers(FLOAT64, false);
        LayerOutput a = eager.input(count(2, 2, 3));
        LayerOutput b = eager.input(Tensor.of(Shape.of(2, 3), 10.0, 20, 30, 100, 200, 300));
        LayerOutput one = eager.input(Tensor.of(Shape.of(2, 1, 1), 2.0, 3));
        assertArrayEquals(
                new double[] {10, 21, 32, 13, 24, 35, 106, 207, 308, 109, 210, 311},
                Add.of().apply(a, b).value().doubles());
        assertArrayEquals(
                new double[] {0, 2, 4, 6, 8, 10, 18, 21, 24, 27, 30, 33},
                Multiply.of().apply(a, one).value().doubles());
        assertArrayEquals(
                new double[] {-2, -1, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8},
                Subtract.of().apply(a, one).value().doubles());
        assertEquals(
                22.0 / 3,
                Average.of().apply(a, b, eager.input(count(2, 2, 3))).value().get(1),
                1e-12);
        assertEquals(Shape.of(2, 2, 6), Concatenate.of().apply(a, a).value().shape());
        assertEquals(Shape.of(2, 4, 3), Concatenate.of(1).apply(a, a).value().shape());
    }

    @Test
    void averageDoesNotCountPadding() {
        Tensor y =
                inference(count(1, 3, 3, 1)).then(AveragePooling2D.of(2).same()).value();
        assertArrayEquals(new double[] {2, 3.5, 6.5, 8}, y.doubles());
        Tensor x = count(1, 3, 3, 1);
        Tensor mean =
                inference(x).then(AveragePooling2D.of(2).padding(1, 0, 1, 0)).value();
        assertArrayEquals(new double[] {0, 1.5, 4.5, 6}, mean.doubles());
        Tensor most = inference(x)
                .then(Clip.of(-9, 7))
                .then(MaxPooling2D.of(2).padding(0, 1, 0, 1))
                .value();
        assertArrayEquals(new double[] {4, 5, 7, 7}, most.doubles());
    }

    @Test
    void denseOnTheLastAxis() {
        var dense = Dense.of(2).kernelInitializer(Initializers.ones()).biasInitializer(Initializers.constant(1));
        Tensor y = inference(count(1, 2, 2)).then(dense).value();
        assertEquals(Tensor.of(Shape.of(1, 2, 2), 2.0, 2, 6, 6), y);
    }

    @Test
    void dropoutScalesWhatIsLeft() {
        Tensor x = Tensor.full(DType.F64, Shape.of(1, 10_000), 1);
        Tensor y = training(x).then(Dropout.of(0.25).seed(1)).value();
        long dropped = 0;
        for (double v : y.doubles()) {
            assertTrue(v == 0 || Math.abs(v - 4.0 / 3) < 1e-12);
            dropped += v == 0 ? 1 : 0;
        }
        assertEquals(2500, dropped, 200);
        assertEquals(x, inference(x).then(Dropout.of(0.25)).value());
        assertEquals(0, training(x).then(Dropout.of(1)).value().get(5));
    }

    @Test
    void layersCalledOnArraysCanBeDifferentiated() {
        var dense = Dense.of(1).kernelInitializer(Initializers.ones());
        LayerOutput x = inference(Tensor.of(Shape.of(1, 3), 1.0, 2, 3));
        LayerOutput y = x.then(dense);
        y.variable().sum().backward();
        assertArrayEquals(
                new double[] {1, 2, 3},
                y.eager().weights(dense).get("kernel").grad().doubles());
        assertArrayEquals(new double[] {1, 1, 1}, x.variable().grad().doubles());
    }

    @Test
    void oneLayerObjectHasOneSetOfWeights() {
        var dense = Dense.of(3);
        LayerOutput x = inference(Tensor.of(Shape.of(1, 3), 1.0, 2, 3));
        assertEquals(x.then(dense).value(), x.then(dense).value());
        assertEquals(1, x.eager().layers().size());
        assertThrows(GradusException.class, () -> x.eager().weights(dense.named("other")));
        assertThrows(ShapeException.class, () -> inference(Tensor.scalar(1)));
    }
}
