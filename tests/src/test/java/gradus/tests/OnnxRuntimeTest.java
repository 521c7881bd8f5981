package gradus.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import gradus.importer.Exporter;
import gradus.importer.Format;
import gradus.importer.Importer;
import gradus.layers.Activation;
import gradus.layers.ActivationFunction;
import gradus.layers.Add;
import gradus.layers.Average;
import gradus.layers.AveragePooling2D;
import gradus.layers.BatchNormalization;
import gradus.layers.ChannelPadding;
import gradus.layers.Clip;
import gradus.layers.Concatenate;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Dropout;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.GlobalMaxPooling2D;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.LeakyReLU;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.Multiply;
import gradus.layers.Reshape;
import gradus.layers.Subtract;
import gradus.layers.ZeroPadding2D;
import gradus.resnet.ResNet;
import gradus.resnet.ResNets;
import gradus.tensor.DType;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What we write in ONNX, computed by ONNX Runtime, and read again by us. */
class OnnxRuntimeTest {
    @TempDir
    Path directory;

    static List<String> architectures() {
        return ResNets.names();
    }

    /** Every network we build, with smaller pictures where it takes any. */
    @ParameterizedTest
    @MethodSource("architectures")
    void everyArchitecture(String name) throws OrtException {
        ResNet network = ResNets.byName(name);
        boolean large = network.input().dim(0) > 64;
        check((large ? network.input(64, 64, 3).classes(10) : network).build(), 1e-5);
    }

    @ParameterizedTest
    @EnumSource(ActivationFunction.class)
    void everyActivation(ActivationFunction f) throws OrtException {
        LayerOutput x = Input.of(6, 5, 3);
        LayerOutput y = x.then(Conv2D.of(4, 3).activation(f)).then(Activation.of(f));
        check(Model.of("f", x, y), 1e-5);
        check(Model.of("f", x, y.then(Flatten.of()).then(Dense.of(5).activation(f))), 1e-5);
    }

    /** Paddings that are not symmetric, vectors made of pictures, models in models, layers used twice, several ends. */
    @Test
    void everyLayer() throws OrtException {
        LayerOutput x = Input.of(13, 10, 6);
        LayerOutput y = x.then(ZeroPadding2D.of(1, 2, 0, 3))
                .then(Conv2D.of(8, 3, 2).strides(2, 1).same().groups(2).bias(false))
                .then(BatchNormalization.of().center(false))
                .then(LeakyReLU.of(0.1));
        LayerOutput inner = Input.of(8, 13, 8);
        Model block = Model.of(
                        "block",
                        inner,
                        inner.then(Conv2D.of(8, 3).same().dilation(2))
                                .then(BatchNormalization.of().scale(false)))
                .named("block");
        var shared = Conv2D.of(8, 1).named("shared");
        LayerOutput a = y.then(block).then(shared);
        LayerOutput b = y.then(shared).then(MaxPooling2D.of(3, 2).strides(1).same());
        LayerOutput c = y.then(AveragePooling2D.of(2).strides(1).same());
        LayerOutput d = y.then(MaxPooling2D.of(3).strides(2, 1).padding(2, 0, 1, 1));
        LayerOutput e = y.then(Clip.of(-0.1, 0.3))
                .then(AveragePooling2D.of(3).strides(2, 1).padding(0, 2, 1, 1));
        LayerOutput sum = Add.of().apply(a, b, c);
        LayerOutput mean = Average.of().apply(a, b, c);
        LayerOutput product = Multiply.of().apply(Subtract.of().apply(a, b), c);
        LayerOutput joined = Concatenate.of().apply(sum, mean, product);
        LayerOutput tall = Concatenate.of(1).apply(a, b);
        LayerOutput gate =
                joined.then(GlobalAveragePooling2D.of().keepdims(true)).then(Dense.of(24));
        LayerOutput gated = Multiply.of().apply(joined, gate);
        LayerOutput rows =
                gated.then(AveragePooling2D.of(2)).then(Reshape.of(12, 48)).then(Dense.of(3));
        LayerOutput ends = gated.then(GlobalMaxPooling2D.of())
                .then(BatchNormalization.of())
                .then(Dropout.of(0.5));
        LayerOutput flat = gated.then(AveragePooling2D.of(3, 4))
                .then(Flatten.of())
                .then(Dense.of(7).activation("softmax"));
        check(Model.of("all", List.of(x), List.of(flat, ends, tall, rows, d, e)), 2e-5);
    }

    /** The runtime lets a maximum pad by itself, without zeros, where it finds a padding before it, wherever that is. */
    @Test
    void paddingBeforeAMaximumIsZero() throws OrtException {
        LayerOutput x = Input.of(9, 10, 4);
        LayerOutput low = x.then(Clip.of(-1, -0.1));
        var pad = ZeroPadding2D.of(1);
        var max = MaxPooling2D.of(3).strides(2);
        LayerOutput inner = Input.of(9, 10, 4);
        Model padding = Model.of("padding", inner, inner.then(pad));
        LayerOutput padded = Input.of(11, 12, 4);
        Model pooling = Model.of("pooling", padded, padded.then(max));
        var shared = MaxPooling2D.of(3).strides(2).named("shared");
        check(
                Model.of(
                        "padded",
                        List.of(x),
                        List.of(
                                low.then(pad).then(max),
                                low.then(pad).then(Activation.of("linear")).then(max),
                                low.then(pad).then(Dropout.of(0.5)).then(max),
                                low.then(padding).then(max),
                                low.then(pad).then(pooling),
                                shared.apply(low),
                                shared.apply(low.then(pad)),
                                low.then(ChannelPadding.of(1, 0)).then(max),
                                low.then(pad).then(Conv2D.of(2, 3)))),
                1e-5);
    }

    /** Models that are called twice, and names that look like those of the nodes between. */
    @Test
    void namesOfNodesAndValues() throws OrtException {
        LayerOutput x = Input.of(8, 8, 3);
        LayerOutput inner = Input.of(8, 8, 3);
        Model encoder =
                Model.of("enc", inner, inner.then(Conv2D.of(4, 3).named("conv")).then(GlobalAveragePooling2D.of()));
        LayerOutput a = encoder.apply(x);
        LayerOutput b = encoder.apply(x.then(Activation.of("tanh")));
        Add add = Add.of().named("add");
        LayerOutput sum = add.apply(add.apply(a, b, a), b, a);
        LayerOutput y = sum.then(Dense.of(4).activation("relu").named("a"))
                .then(Activation.of("tanh").named("a:linear"))
                .then(Activation.of("elu").named("add:1"));
        check(Model.of("named", List.of(x), List.of(y, sum, sum)), 1e-5);
    }

    /** Outputs of ours, of the runtime on our file, and of ours after reading the file, on the same numbers. */
    private void check(Model model, double tolerance) throws OrtException {
        var random = new SplittableRandom(1);
        model.initialize(1, DType.F32);
        model.weights().forEach((name, w) -> { // statistics and scales as after training
            boolean moved = name.endsWith("variance")
                    || name.endsWith("gamma")
                    || name.endsWith("mean")
                    || name.endsWith("beta");
            if (moved) {
                double from = name.endsWith("variance") || name.endsWith("gamma") ? 0.5 : -0.2;
                model.setWeight(name, random(w.shape(), from, from + 0.4, random));
            }
        });
        Path file = directory.resolve("model.onnx");
        Exporter.write(model, List.of(), null, Format.ONNX, file);
        int n = 2;
        Shape s = model.inputShapes().getFirst();
        Tensor x = random(s.prepend(n), -1, 1, random);
        List<Tensor> ours = model.predict(List.of(x));
        List<Tensor> again = Importer.load(file).model().predict(List.of(x));
        var environment = OrtEnvironment.getEnvironment();
        try (var session = environment.createSession(file.toString(), new OrtSession.SessionOptions());
                var input = OnnxTensor.createTensor(
                        environment,
                        FloatBuffer.wrap(channelsFirst(x).floats()),
                        new long[] {n, s.dim(2), s.dim(0), s.dim(1)});
                var result =
                        session.run(Map.of(session.getInputNames().iterator().next(), input))) {
            assertEquals(ours.size(), result.size());
            for (int i = 0; i < ours.size(); i++) {
                var y = (OnnxTensor) result.get(i);
                Tensor expected = ours.get(i);
                boolean picture = expected.shape().rank() == 4
                        && y.getInfo().getShape()[1] == expected.shape().dim(3)
                        && y.getInfo().getShape()[2] == expected.shape().dim(1);
                close(
                        picture ? channelsFirst(expected) : expected,
                        y.getFloatBuffer(),
                        tolerance,
                        "runtime, output " + i);
                close(expected, FloatBuffer.wrap(again.get(i).floats()), tolerance, "read again, output " + i);
                assertEquals(expected.shape(), again.get(i).shape());
            }
        }
    }

    private static void close(Tensor expected, FloatBuffer actual, double tolerance, String what) {
        assertEquals(expected.size(), actual.remaining(), what);
        double largest = 1;
        double worst = 0;
        for (int i = 0; i < expected.size(); i++) {
            largest = Math.max(largest, Math.abs(expected.get(i)));
            double difference = Math.abs(expected.get(i) - actual.get(i));
            worst = difference > worst || Double.isNaN(difference) ? difference : worst;
        }
        double most = worst / largest;
        assertTrue(most < tolerance, () -> what + ": worst difference " + most);
    }

    private static Tensor channelsFirst(Tensor x) {
        Shape s = x.shape();
        var y = new float[x.size()];
        int pixels = s.dim(1) * s.dim(2);
        int c = s.dim(3);
        for (int i = 0; i < y.length; i++) {
            int sample = i / (pixels * c);
            int rest = i % (pixels * c);
            y[sample * pixels * c + rest % c * pixels + rest / c] = x.floats()[i];
        }
        return Tensor.of(s, y);
    }

    private static Tensor random(Shape shape, double from, double to, SplittableRandom random) {
        var y = new float[shape.size()];
        for (int i = 0; i < y.length; i++) {
            y[i] = (float) random.nextDouble(from, to);
        }
        return Tensor.of(shape, y);
    }
}
