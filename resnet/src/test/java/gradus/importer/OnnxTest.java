package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.importer.Protobuf.Writer;
import gradus.io.FileException;
import gradus.io.FormatException;
import gradus.layers.Activation;
import gradus.layers.Add;
import gradus.layers.AveragePooling2D;
import gradus.layers.BatchNormalization;
import gradus.layers.ChannelPadding;
import gradus.layers.Clip;
import gradus.layers.Conv2D;
import gradus.layers.Dense;
import gradus.layers.Flatten;
import gradus.layers.GlobalAveragePooling2D;
import gradus.layers.Input;
import gradus.layers.LayerOutput;
import gradus.layers.MaxPooling2D;
import gradus.layers.Model;
import gradus.layers.ZeroPadding2D;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files as other programs write them; what ONNX Runtime makes of ours is tested in the module "tests". */
class OnnxTest {
    /** Assembles an ONNX file by hand. */
    private static final class File {
        final Writer graph = new Writer().string(2, "net");
        private final long opset;

        File(long opset) {
            this.opset = opset;
        }

        File input(String name, Object... dims) {
            return info(11, name, dims);
        }

        File output(String name) {
            return info(12, name, "n");
        }

        private File info(int field, String name, Object... dims) {
            var shape = new Writer();
            for (Object d : dims) {
                shape.message(
                        1, d instanceof String s ? new Writer().string(2, s) : new Writer().integer(1, (Integer) d));
            }
            var type = new Writer().message(1, new Writer().integer(1, 1).message(2, shape));
            graph.message(field, new Writer().string(1, name).message(2, type));
            return this;
        }

        File node(String op, String inputs, String output, Writer... attributes) {
            var node = new Writer();
            for (String input : inputs == null ? new String[0] : inputs.split(" ")) {
                node.string(1, input.equals("-") ? "" : input);
            }
            node.string(2, output).string(3, "/net/" + output + "/" + op).string(4, op);
            for (Writer a : attributes) {
                node.message(5, a);
            }
            graph.message(1, node);
            return this;
        }

        File floats(String name, float[] values, long... dims) {
            var bytes = new ByteArrayOutputStream();
            try {
                OnnxWriter.write(values, bytes);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
            graph.message(
                    5,
                    new Writer().integers(1, dims).integer(2, 1).string(8, name).bytes(9, bytes.toByteArray()));
            return this;
        }

        /** As lists of numbers, unpacked, instead of raw bytes. */
        File listed(String name, float[] values, long... dims) {
            var t = new Writer().integers(1, dims).integer(2, 1).string(8, name);
            for (float v : values) {
                t.float32(4, v);
            }
            graph.message(5, t);
            return this;
        }

        File integers(String name, long... values) {
            graph.message(
                    5,
                    new Writer()
                            .integers(1, values.length)
                            .integer(2, 7)
                            .integers(7, values)
                            .string(8, name));
            return this;
        }

        byte[] bytes() {
            return new Writer()
                    .integer(1, 8)
                    .message(8, new Writer().string(1, "").integer(2, opset))
                    .message(7, graph)
                    .toByteArray();
        }

        Imported read() {
            return Importer.load("net.onnx", bytes(), ImportOptions.none());
        }
    }

    private static Writer ints(String name, long... values) {
        return new Writer().string(1, name).integers(8, values);
    }

    private static Writer integer(String name, long value) {
        return new Writer().string(1, name).integer(3, value);
    }

    private static Writer number(String name, float value) {
        return new Writer().string(1, name).float32(2, value);
    }

    private static Writer text(String name, String value) {
        return new Writer().string(1, name).string(4, value);
    }

    /** A convolution kernel as ONNX has it. */
    private static float[] oihw(Tensor w) {
        Shape s = w.shape();
        return Weights.Layout.back(w, s.dim(3), s.dim(2), s.dim(0) * s.dim(1));
    }

    private static float[] transposed(Tensor w) {
        return Weights.Layout.back(w, w.shape().dim(1), w.shape().dim(0), 1);
    }

    /** As {@code torch.onnx} writes torchvision's networks: pads on all sides, folded or not, Gemm with transB. */
    private static Model network() {
        LayerOutput x = Input.of(Shape.of(17, 15, 3), "x");
        LayerOutput y = x.then(ZeroPadding2D.of(3))
                .then(Conv2D.of(4, 7).strides(2).bias(false).named("stem"))
                .then(BatchNormalization.of().epsilon(1e-5).named("norm"))
                .then(Activation.relu())
                .then(ZeroPadding2D.of(1))
                .then(MaxPooling2D.of(3).strides(2));
        LayerOutput z = y.then(Conv2D.of(4, 3).same().activation("relu").named("one"));
        y = Add.of().apply(y, z).then(Activation.relu()).then(GlobalAveragePooling2D.of());
        return Nets.trained(
                Model.of("net", x, y.then(Dense.of(3).activation("softmax").named("fc"))));
    }

    private static File weights(File file, Model m, boolean list) {
        float[] kernel = oihw(m.weight("one/kernel"));
        file.floats("stem.w", oihw(m.weight("stem/kernel")), 4, 3, 7, 7);
        return (list ? file.listed("one.w", kernel, 4, 4, 3, 3) : file.floats("one.w", kernel, 4, 4, 3, 3))
                .floats("one.b", m.weight("one/bias").floats(), 4)
                .floats("g", m.weight("norm/gamma").floats(), 4)
                .floats("b", m.weight("norm/beta").floats(), 4)
                .floats("m", m.weight("norm/moving_mean").floats(), 4)
                .floats("v", m.weight("norm/moving_variance").floats(), 4)
                .floats("fc.b", m.weight("fc/bias").floats(), 3);
    }

    @Test
    void asPyTorchWritesIt() {
        Model expected = network();
        Imported read = weights(new File(17), expected, false)
                .floats("fc.w", transposed(expected.weight("fc/kernel")), 3, 4)
                .input("input", "batch", 3, 17, 15)
                .node(
                        "Conv",
                        "input stem.w",
                        "c",
                        ints("kernel_shape", 7, 7),
                        ints("strides", 2, 2),
                        ints("pads", 3, 3, 3, 3),
                        ints("dilations", 1, 1),
                        integer("group", 1))
                .node("Identity", "g", "g2")
                .node("BatchNormalization", "c g2 b m v", "n", number("epsilon", 1e-5f), integer("training_mode", 0))
                .node("Relu", "n", "r")
                .node(
                        "MaxPool",
                        "r",
                        "p",
                        ints("kernel_shape", 3, 3),
                        ints("strides", 2, 2),
                        ints("pads", 1, 1, 1, 1),
                        integer("ceil_mode", 0))
                .node("Conv", "p one.w one.b", "d", ints("kernel_shape", 3, 3), ints("pads", 1, 1, 1, 1))
                .node("Relu", "d", "e")
                .node("Add", "p e", "s")
                .node("Relu", "s", "t")
                .node("GlobalAveragePool", "t", "u")
                .node("Flatten", "u", "f", integer("axis", 1))
                .node("Gemm", "f fc.w fc.b", "l", number("alpha", 1), number("beta", 1), integer("transB", 1))
                .node("Softmax", "l", "probabilities", integer("axis", 1))
                .output("probabilities")
                .read();
        assertEquals(0, Nets.difference(expected, read.model()), 1e-6);
        assertEquals(9, read.report().matched().size());
        assertTrue(read.report().unmatched().isEmpty(), read.report().toString());
        assertTrue(
                read.model().layerNames().contains("net.c.Conv"),
                read.model().layerNames().toString());
    }

    /** As tf2onnx writes a Keras model: channels last outside, and the bias and the mean as operators of their own. */
    @Test
    void asTf2OnnxWritesIt() {
        Model expected = network();
        Imported read = weights(new File(11), expected, true)
                .floats("fc.w", expected.weight("fc/kernel").floats(), 4, 3)
                .integers("pads", 0, 0, 3, 3, 0, 0, 3, 3)
                .integers("shape", -1, 4)
                .floats("zero", new float[] {0})
                .floats("one.b4", expected.weight("one/bias").floats(), 1, 4, 1, 1)
                .input("x:0", "unk", 17, 15, 3)
                .node("Transpose", "x:0", "x1", ints("perm", 0, 3, 1, 2))
                .node("Pad", "x1 pads zero", "x2", text("mode", "constant"))
                .node("Conv", "x2 stem.w", "c", ints("strides", 2, 2), text("auto_pad", "VALID"))
                .node("BatchNormalization", "c g b m v", "n")
                .node("Clip", "n zero -", "r")
                .node("MaxPool", "r", "p", ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1))
                .node("Conv", "p one.w", "d0", text("auto_pad", "SAME_UPPER"))
                .node("Add", "d0 one.b4", "d")
                .node("Relu", "d", "e")
                .node("Sum", "p e", "s")
                .node("Relu", "s", "t")
                .node("Transpose", "t", "t2", ints("perm", 0, 2, 3, 1))
                .node("ReduceMean", "t2", "u", ints("axes", 1, 2), integer("keepdims", 1))
                .node("Squeeze", "u", "f0", ints("axes", 1, 2))
                .node("Reshape", "f0 shape", "f")
                .node("MatMul", "f fc.w", "l0")
                .node("Add", "l0 fc.b", "l")
                .node("Softmax", "l", "y")
                .output("y")
                .read();
        assertEquals(0, Nets.difference(expected, read.model()), 1e-6);
        assertEquals(Shape.of(17, 15, 3), read.model().inputShapes().getFirst());
    }

    /** Attributes where later versions have inputs. */
    @Test
    void oldOperatorSets() {
        LayerOutput x = Input.of(4, 5, 2);
        Model expected = Model.of(
                "old",
                x,
                x.then(ZeroPadding2D.of(1, 0, 2, 0))
                        .then(Activation.of("relu6"))
                        .then(GlobalAveragePooling2D.of()));
        Model read = new File(7)
                .input("x", 1, 2, 4, 5)
                .node("Pad", "x", "p", ints("pads", 0, 0, 1, 2, 0, 0, 0, 0), number("value", 0))
                .node("Clip", "p", "c", number("min", 0), number("max", 6))
                .node("GlobalAveragePool", "c", "g")
                .node("Dropout", "g", "d")
                .node("Reshape", "d shape", "y")
                .integers("shape", 0, -1)
                .output("y")
                .read()
                .model();
        assertEquals(0, Nets.difference(expected, read));
    }

    /** A shortcut without parameters (option A) as {@code x[:, :, ::2, ::2]} and padded channels. */
    @Test
    void shortcutsOfTheCifarNetworks() {
        LayerOutput x = Input.of(5, 6, 2);
        Model expected =
                Model.of("cifar", x, x.then(MaxPooling2D.of(1).strides(2)).then(ChannelPadding.of(1, 2)));
        Model read = new File(17)
                .input("x", 1, 2, 5, 6)
                .integers("zero", 0)
                .integers("end", Long.MAX_VALUE)
                .integers("rows", 2)
                .integers("columns", 3)
                .integers("step", 2)
                .integers("pads", 0, 1, 0, 0, 0, 2, 0, 0)
                .node("Slice", "x zero end rows step", "r")
                .node("Slice", "r zero end columns step", "c")
                .node("Pad", "c pads", "y")
                .output("y")
                .read()
                .model();
        assertEquals(0, Nets.difference(expected, read));
        refused(
                new File(17)
                        .input("x", 1, 2, 5, 6)
                        .integers("a", 1)
                        .integers("b", 2)
                        .node("Slice", "x a b b a", "y")
                        .output("y"),
                "Slice",
                "n-th row");
    }

    private static void refused(File file, String... words) {
        String m = assertThrows(FormatException.class, file::read).getMessage();
        for (String word : words) {
            assertTrue(m.contains(word), m);
        }
    }

    /** A network with much of what PyTorch and tf2onnx leave in graphs, for {@link DamagedFilesTest}. */
    static byte[] foreign() {
        LayerOutput x = Input.of(6, 5, 2);
        Model model = Nets.trained(Model.of("foreign", x, conv(x)));
        return new File(17)
                .floats("w", oihw(model.weight("conv/kernel")), 3, 2, 3, 3)
                .listed("b", model.weight("conv/bias").floats(), 3)
                .floats("mean", new float[] {0.3f, 0.4f}, 1, 2, 1, 1)
                .floats("fc", new float[72], 6, 12)
                .floats("part", new float[2], 2)
                .integers("last", -1)
                .integers("zero", 0)
                .integers("two", 2)
                .integers("pads", 0, 0, 1, 1, 0, 0, 1, 1)
                .input("x", "n", 2, 6, 5)
                .output("y")
                .node("Cast", "x", "x0", integer("to", 1))
                .node("Sub", "x0 mean", "x1")
                .node("Pad", "x1 pads", "x2")
                .node("Conv", "x2 w b", "c", ints("strides", 2, 2))
                .node("Constant", null, "top", number("value_float", 0.1f))
                .node("Constant", null, "first", integer("value_int", 0))
                .node("Clip", "c - top", "c1")
                .node("MaxPool", "c1", "p", ints("kernel_shape", 2, 2), ints("pads", 1, 0, 0, 1))
                .node(
                        "AveragePool",
                        "p",
                        "a",
                        ints("kernel_shape", 2, 2),
                        ints("strides", 2, 2),
                        integer("ceil_mode", 1))
                .node("Shape", "a", "s")
                .node("Gather", "s first", "n")
                .node("Unsqueeze", "n zero", "n1")
                .node("Concat", "n1 last", "shape", integer("axis", 0))
                .node("Reshape", "a shape", "f")
                .node("Transpose", "fc", "k", ints("perm", 1, 0))
                .node("Concat", "part part part", "bias", integer("axis", 0))
                .node("MatMul", "f k", "m")
                .node("Add", "m bias", "l")
                .node("Unsqueeze", "l two", "l1")
                .node("Squeeze", "l1 two", "y")
                .bytes();
    }

    /** What all of a graph's tests read: a picture of 6 x 5, two channels first, its convolution. */
    private static File convolved(Model expected) {
        return new File(17)
                .floats("w", oihw(expected.weight("conv/kernel")), 3, 2, 3, 3)
                .floats("b", expected.weight("conv/bias").floats(), 3)
                .input("x", "n", 2, 6, 5)
                .node("Conv", "x w b", "c", ints("pads", 1, 1, 1, 1));
    }

    private static LayerOutput conv(LayerOutput x) {
        return x.then(Conv2D.of(3, 3).same().named("conv"));
    }

    private static void reads(Model expected, File file) {
        reads(expected, file, 1e-6);
    }

    private static void reads(Model expected, File file, double tolerance) {
        Imported read = file.read();
        assertEquals(expected.inputShapes(), read.model().inputShapes());
        assertEquals(0, Nets.difference(expected, read.model()), tolerance);
        assertEquals(List.of(), read.report().unmatched());
    }

    /** What is done to channels-last pictures before they are brought into ONNX's order tells of that. */
    @Test
    void channelsLastAreRecognized() {
        LayerOutput x = Input.of(6, 5, 2);
        Model expected = Nets.trained(Model.of("last", x, conv(x.then(ZeroPadding2D.of(1, 0, 2, 0)))));
        Writer perm = ints("perm", 0, 3, 1, 2);
        reads(
                expected,
                new File(17)
                        .floats("w", oihw(expected.weight("conv/kernel")), 3, 2, 3, 3)
                        .floats("b", expected.weight("conv/bias").floats(), 3)
                        .floats("one", new float[] {1})
                        .integers("pads", 0, 1, 2, 0, 0, 0, 0, 0)
                        .input("x", "n", 6, 5, 2)
                        .node("Cast", "x", "x0", integer("to", 1))
                        .node("Mul", "x0 one", "x1")
                        .node("Pad", "x1 pads", "x2")
                        .node("Transpose", "x2", "x3", perm)
                        .node("Conv", "x3 w b", "y", ints("pads", 1, 1, 1, 1))
                        .output("y"));
        LayerOutput grey = Input.of(6, 5, 1);
        Model one = Nets.trained(Model.of("grey", grey, conv(grey)));
        reads(
                one,
                new File(17)
                        .floats("w", oihw(one.weight("conv/kernel")), 3, 1, 3, 3)
                        .floats("b", one.weight("conv/bias").floats(), 3)
                        .integers("shape", -1, 1, 6, 5)
                        .input("x", "n", 6, 5, 1)
                        .node("Reshape", "x shape", "x1")
                        .node("Conv", "x1 w b", "y", ints("pads", 1, 1, 1, 1))
                        .output("y"));
        LayerOutput colours = Input.of(6, 5, 3);
        Model flat = Nets.trained(Model.of(
                "flat",
                colours,
                colours.then(Flatten.of()).then(Dense.of(2).bias(false).named("fc"))));
        reads(
                flat,
                new File(17)
                        .floats("w", flat.weight("fc/kernel").floats(), 90, 2)
                        .input("x", "n", 6, 5, 3)
                        .node("Flatten", "x", "f")
                        .node("MatMul", "f w", "y")
                        .output("y"));
    }

    /** (h w c, out) as (c h w, out). */
    private static float[] channelsFirst(Tensor kernel, int pixels, int c) {
        int out = kernel.shape().dim(1);
        var y = new float[kernel.size()];
        for (int p = 0; p < pixels; p++) {
            for (int i = 0; i < c; i++) {
                for (int o = 0; o < out; o++) {
                    y[(i * pixels + p) * out + o] = kernel.floats()[(p * c + i) * out + o];
                }
            }
        }
        return y;
    }

    /** PyTorch's {@code flatten(1)} in front of a Linear: values come channel by channel. */
    @Test
    void mapsFlattenedBeforeDenseLayers() {
        LayerOutput x = Input.of(6, 5, 2);
        LayerOutput y = conv(x).then(Flatten.of()).then(Activation.relu());
        Model expected = Nets.trained(Model.of("flat", x, y.then(Dense.of(4).named("fc"))));
        Tensor kernel = expected.weight("fc/kernel");
        float[] rows = channelsFirst(kernel, 30, 3);
        float[] bias = expected.weight("fc/bias").floats();
        float[] columns = Weights.Layout.back(Tensor.of(kernel.shape(), rows), 4, 90, 1);
        reads(
                expected,
                convolved(expected)
                        .floats("fc", columns, 4, 90)
                        .floats("fb", bias, 4)
                        .node("Flatten", "c", "f")
                        .node("Relu", "f", "r")
                        .node("Gemm", "r fc fb", "y", integer("transB", 1))
                        .output("y"));
        reads(
                expected,
                convolved(expected)
                        .floats("fc", rows, 90, 4)
                        .floats("fb", bias, 1, 4)
                        .integers("shape", 0, -1)
                        .node("Relu", "c", "r")
                        .node("Reshape", "r shape", "f")
                        .node("MatMul", "f fc", "m")
                        .node("Add", "m fb", "y")
                        .output("y"));
        refused(convolved(expected).node("Flatten", "c", "y").output("y"), "Flatten", "channels first");
    }

    @Test
    void paddingOfPooling() {
        LayerOutput x = Input.of(6, 5, 2);
        Writer[] settings = {ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 0, 1, 2)};
        Model max = Nets.trained(
                Model.of("max", x, conv(x).then(MaxPooling2D.of(3).strides(2).padding(1, 1, 0, 2))));
        reads(max, convolved(max).node("MaxPool", "c", "y", settings).output("y"));
        Model mean = Nets.trained(Model.of(
                "mean", x, conv(x).then(AveragePooling2D.of(3).strides(2).padding(1, 1, 0, 2))));
        reads(mean, convolved(mean).node("AveragePool", "c", "y", settings).output("y"));
        Model counted = Nets.trained(Model.of(
                "counted",
                x,
                conv(x).then(ZeroPadding2D.of(1, 1, 0, 2))
                        .then(AveragePooling2D.of(3).strides(2))));
        Writer[] all = Arrays.copyOf(settings, 4);
        all[3] = integer("count_include_pad", 1);
        reads(counted, convolved(counted).node("AveragePool", "c", "y", all).output("y"));
        // sizes rounded up: 6 rows make 3 windows of 2 by 2 and one more, whose second row is not there
        all[3] = integer("ceil_mode", 1);
        all[2] = ints("pads", 0, 0, 0, 0);
        Model up = Nets.trained(
                Model.of("up", x, conv(x).then(AveragePooling2D.of(3).strides(2).padding(0, 1, 0, 0))));
        reads(up, convolved(up).node("AveragePool", "c", "y", all).output("y"));
        all[2] = ints("pads", 3, 0, 0, 0);
        refused(convolved(up).node("MaxPool", "c", "y", all).output("y"), "MaxPool", "narrower than pool");
    }

    @Test
    void clipsOfAllKinds() {
        LayerOutput x = Input.of(6, 5, 2);
        Model both = Nets.trained(Model.of("both", x, conv(x).then(Clip.of(-0.1, 0.2))));
        File file = convolved(both).output("y");
        reads(both, file.node("Clip", "c", "y", number("min", -0.1f), number("max", 0.2f)));
        Model most = Nets.trained(Model.of("most", x, conv(x).then(Clip.of(-Float.MAX_VALUE, 0.1))));
        reads(
                most,
                convolved(most)
                        .node("Constant", null, "top", number("value_float", 0.1f))
                        .node("Clip", "c - top", "y")
                        .output("y"));
        Model least = Nets.trained(Model.of("least", x, conv(x).then(Clip.of(0.1, Float.MAX_VALUE))));
        reads(
                least,
                convolved(least)
                        .floats("low", new float[] {0.1f})
                        .node("Clip", "c low", "y")
                        .output("y"));
        refused(
                convolved(least)
                        .node("Clip", "c", "y", number("min", 1), number("max", 0))
                        .output("y"),
                "Clip",
                "above");
    }

    /** What PyTorch and tf2onnx leave of settings and weights when they are not asked to fold it. */
    @Test
    void constantsAreFolded() {
        LayerOutput x = Input.of(6, 5, 2);
        LayerOutput y = conv(x).then(GlobalAveragePooling2D.of());
        Model expected = Nets.trained(Model.of("fold", x, y.then(Dense.of(4).named("fc"))));
        Tensor kernel = expected.weight("fc/kernel");
        float[] bias = expected.weight("fc/bias").floats();
        File file = convolved(expected);
        // the kernel as (1, out, in), without that axis, transposed; the bias in two parts, one of them double_data
        var doubles = new Writer().integers(1, 2).integer(2, 11).string(8, "b1");
        var packed = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        doubles.bytes(10, packed.putDouble(bias[2]).putDouble(bias[3]).array());
        file.graph.message(5, doubles);
        Imported read = file.floats("k", transposed(kernel), 1, 4, 3)
                .floats("b0", Arrays.copyOf(bias, 2), 2)
                .integers("zero", 0)
                .integers("two", 2)
                .integers("three", 3)
                .integers("last", -1)
                .node("Constant", null, "first", integer("value_int", 0))
                .node("Constant", null, "axis", ints("value_ints", 0))
                .node("Squeeze", "k zero", "k1")
                .node("Transpose", "k1", "k2", ints("perm", 1, 0))
                .node("Cast", "k2", "k3", integer("to", 1))
                .node("Cast", "b1", "b2", integer("to", 1))
                .node("Concat", "b0 b2", "b3", integer("axis", 0))
                .node("GlobalAveragePool", "c", "g")
                .node("Shape", "g", "s")
                .node("Gather", "s first", "n")
                .node("Unsqueeze", "n axis", "n1")
                .node("Concat", "n1 last", "shape", integer("axis", 0))
                .node("Reshape", "g shape", "f")
                .node("Unsqueeze", "f two", "f1")
                .node("Unsqueeze", "f1 three", "f2")
                .node("Squeeze", "f2 three", "f3")
                .node("Squeeze", "f3 two", "f4")
                .node("MatMul", "f4 k3", "m")
                .node("Add", "m b3", "y")
                .output("y")
                .read();
        assertEquals(0, Nets.difference(expected, read.model()), 1e-6);
        assertEquals(List.of(), read.report().unmatched());
        refused(
                convolved(expected)
                        .integers("last", -1)
                        .node("Shape", "c", "s")
                        .node("Concat", "last s", "shape", integer("axis", 0))
                        .node("Reshape", "c shape", "y")
                        .output("y"),
                "Reshape");
        refused(
                convolved(expected)
                        .node("Shape", "c", "s")
                        .node("Mul", "c s", "y")
                        .output("y"),
                "Mul");
    }

    /** Normalisation in the graph, and batch norm as it is left when it is not fused. */
    @Test
    void sumsAndProductsWithConstants() {
        LayerOutput x = Input.of(6, 5, 2);
        LayerOutput y = conv(x.then(BatchNormalization.of().epsilon(0).named("in")))
                .then(BatchNormalization.of().epsilon(0).named("out"));
        Model expected = Nets.trained(Model.of("norm", x, y));
        float[] one = {1, 1, 1};
        expected.setWeight("in/moving_mean", Tensor.of(Shape.of(2), 0.3f, 0.4f));
        expected.setWeight("in/moving_variance", Tensor.of(Shape.of(2), 0.25f, 4));
        expected.setWeight("in/gamma", Tensor.of(Shape.of(2), -3, -3));
        expected.setWeight("in/beta", Tensor.of(Shape.of(2), 0.5f, 0.5f));
        expected.setWeight("out/moving_mean", Tensor.of(Shape.of(3), new float[3]));
        expected.setWeight("out/moving_variance", Tensor.of(Shape.of(3), one));
        File file = new File(17)
                .floats("w", oihw(expected.weight("conv/kernel")), 3, 2, 3, 3)
                .floats("b", expected.weight("conv/bias").floats(), 3)
                .floats("mean", new float[] {0.3f, 0.4f}, 1, 2, 1, 1)
                .floats("deviation", new float[] {0.5f, 2}, 2, 1, 1)
                .floats("three", new float[] {3})
                .floats("half", new float[] {0.5f}, 1)
                .floats("gamma", expected.weight("out/gamma").floats(), 1, 3, 1, 1)
                .floats("beta", expected.weight("out/beta").floats(), 3, 1, 1)
                .input("x", "n", 2, 6, 5)
                .node("Sub", "x mean", "x1")
                .node("Div", "x1 deviation", "x2")
                .node("Mul", "three x2", "x3")
                .node("Sub", "half x3", "x4")
                .node("Conv", "x4 w b", "c", ints("pads", 1, 1, 1, 1))
                .node("Mul", "c gamma", "c1")
                .node("Add", "beta c1", "y")
                .output("y");
        reads(expected, file, 1e-5);
        Model read = file.read().model();
        assertEquals(
                3,
                read.layerNames().size() - read.inputNames().size(),
                read.layerNames().toString());
        assertEquals(3 * 2 * 9 + 3, read.trainableCount());
        for (String op : List.of("Div", "Mul")) { // one number for each pixel, and a number by pictures
            File other = new File(17)
                    .floats("each", new float[30], 6, 5)
                    .input("x", 1, 2, 6, 5)
                    .output("y");
            refused(other.node(op, op.equals("Div") ? "each x" : "x each", "y"), op, "each");
        }
    }

    /** float16 as integers of its bits. */
    @Test
    void halfNumbersOneByOne() {
        LayerOutput x = Input.of(6, 5, 2);
        Model expected = Nets.trained(Model.of("half", x, conv(x)));
        File file = new File(17).input("x", "n", 2, 6, 5).output("y");
        for (String name : List.of("kernel", "bias")) {
            Tensor t = expected.weight("conv/" + name);
            var rounded = new float[t.size()];
            for (int i = 0; i < rounded.length; i++) {
                rounded[i] = Float.float16ToFloat(Float.floatToFloat16(t.floats()[i]));
            }
            expected.setWeight("conv/" + name, Tensor.of(t.shape(), rounded));
            Tensor half = expected.weight("conv/" + name);
            float[] values = name.equals("kernel") ? oihw(half) : half.floats();
            var tensor = new Writer();
            tensor.integers(1, name.equals("kernel") ? new long[] {3, 2, 3, 3} : new long[] {3})
                    .integer(2, 10)
                    .string(8, name);
            for (float v : values) {
                tensor.integer(5, Float.floatToFloat16(v) & 0xffff);
            }
            file.graph.message(5, tensor);
        }
        reads(expected, file.node("Conv", "x kernel bias", "y", ints("pads", 1, 1, 1, 1)));
    }

    /** Tensors in a file beside the model, as PyTorch writes large ones. */
    @Test
    void tensorsInAnotherFile(@TempDir Path directory) throws IOException {
        LayerOutput x = Input.of(6, 5, 2);
        Model expected = Nets.trained(Model.of("out", x, conv(x)));
        var bytes = new ByteArrayOutputStream();
        bytes.writeBytes(new byte[8]);
        OnnxWriter.write(expected.weight("conv/bias").floats(), bytes);
        OnnxWriter.write(oihw(expected.weight("conv/kernel")), bytes);
        Files.write(directory.resolve("w.bin"), bytes.toByteArray());
        Path file = directory.resolve("net.onnx");
        Files.write(file, outside("w.bin", "8", "12", "20"));
        assertEquals(0, Nets.difference(expected, Importer.load(file).model()), 1e-6);
        assertEquals(2, Importer.inspect(file).tensors().size());
        for (String[] bad : new String[][] {
            {"../w.bin", "8", "12", "20"},
            {"/w.bin", "8", "12", "20"},
            {"", "8", "12", "20"},
            {"c:w.bin", "8", "12", "20"},
            {"w.bin", "-8", "12", "20"},
            {"w.bin", "8", "16", "20"},
            {"w.bin", "8", "12", "21"},
            {"w.bin", "8", "12", "99999999999999999999"},
            {"w.bin", "8", "12", "999999999999999999"},
        }) {
            Files.write(file, outside(bad));
            String m = assertThrows(FormatException.class, () -> Importer.load(file))
                    .getMessage();
            assertTrue(m.contains("net.onnx") && (m.contains("'b'") || m.contains("'w'")), m);
        }
        Files.write(file, outside("none.bin", "8", "12", "20"));
        assertThrows(FileException.class, () -> Importer.load(file));
        Files.write(directory.resolve("w.bin"), Arrays.copyOf(bytes.toByteArray(), 220)); // both there, but overlapping
        Files.write(file, outside("w.bin", "0", "12", "4"));
        String m =
                assertThrows(FormatException.class, () -> Importer.load(file)).getMessage();
        assertTrue(m.contains("more bytes than w.bin"), m);
    }

    /** @param where location, offset and length of the bias, offset of the kernel */
    static byte[] outside(String... where) {
        File file = new File(17).input("x", "n", 2, 6, 5).output("y");
        file.graph.message(
                5,
                new Writer()
                        .integers(1, 3)
                        .integer(2, 1)
                        .string(8, "b")
                        .message(13, entry("location", where[0]))
                        .message(13, entry("offset", where[1]))
                        .message(13, entry("length", where[2]))
                        .integer(14, 1));
        file.graph.message(
                5,
                new Writer()
                        .integers(1, 3, 2, 3, 3)
                        .integer(2, 1)
                        .string(8, "w")
                        .message(13, entry("location", where[0]))
                        .message(13, entry("offset", where[3]))
                        .integer(14, 1));
        return file.node("Conv", "x w b", "y", ints("pads", 1, 1, 1, 1)).bytes();
    }

    private static Writer entry(String key, String value) {
        return new Writer().string(1, key).string(2, value);
    }

    @Test
    void whatCannotBeReadIsNamed() {
        refused(
                new File(17).input("x", 1, 2, 4, 5).node("Loop", "x", "y").output("y"),
                "net.onnx",
                "(Loop)",
                "cannot be read");
        refused(new File(17).input("x", 1, 2, 4, 5).node("Relu", "z", "y").output("y"), "'z'", "no node before it");
        refused(new File(17).input("x", 1, 2, 4, 5).node("Relu", "x", "y").output("z"), "output 'z'");
        refused(new File(17).input("x", 1, 2, "h", 5).node("Relu", "x", "y").output("y"), "--input");
        refused(new File(17).input("x", 1, 2, 4, 4).node("Flatten", "x", "y").output("y"), "Flatten", "channels first");
        refused(
                new File(17)
                        .floats("w", new float[5], 5, 1)
                        .input("x", 1, 4)
                        .node("Gemm", "x w", "y")
                        .output("y"),
                "'w' has shape (5, 1)",
                "needs (4, 1)");
        var outside = new Writer().integers(1, 4).integer(2, 1).string(8, "w").integer(14, 1);
        var file = new File(17).input("x", 1, 2, 4, 4).node("Relu", "x", "y").output("y");
        file.graph.message(5, outside);
        refused(file, "another file");
    }

    /** Each name is given once, or it would not be sure what is meant by it. */
    @Test
    void namesThatAreGivenTwice() {
        File twice = new File(17).input("x", "n", 5).output("y");
        refused(twice.node("Relu", "x", "a").node("Tanh", "x", "a").node("Sigmoid", "a", "y"), "'a'", "Tanh");
        File input = new File(17).input("x", "n", 5).output("y");
        refused(input.node("Relu", "x", "y").node("Tanh", "y", "x"), "'x'", "Tanh");
        File tensor = new File(17).input("x", "n", 5).output("y").floats("w", new float[5], 5);
        refused(tensor.node("Relu", "x", "w").node("Add", "x w", "y"), "'w'", "Relu");
        File inputs = new File(17).input("x", "n", 5).input("x", "n", 5).output("y");
        refused(inputs.node("Relu", "x", "y"), "input 'x' occurs twice");
    }

    /** Layers that are called again, models too, and names that look like those of the nodes between. */
    @Test
    void whatIsWrittenHasOneNameEach(@TempDir Path directory) {
        LayerOutput x = Input.of(8, 8, 3);
        LayerOutput inner = Input.of(8, 8, 3);
        Model encoder = Model.of(
                "enc",
                inner,
                inner.then(Conv2D.of(4, 3).named("conv"))
                        .then(BatchNormalization.of().scale(false).named("bn"))
                        .then(GlobalAveragePooling2D.of()));
        LayerOutput a = encoder.apply(x);
        LayerOutput b = encoder.apply(x.then(Activation.of("tanh")));
        Add add = Add.of().named("add");
        LayerOutput sum = add.apply(add.apply(a, b, a), b, a);
        LayerOutput y = sum.then(Dense.of(4).activation("relu").named("a"))
                .then(Activation.of("tanh").named("a:linear"))
                .then(Activation.of("elu").named("add:1"))
                .then(Clip.of(-2, 2).named("add:1:1"));
        Model model = Nets.trained(Model.of("named", List.of(x), List.of(y, sum, sum)));
        Path file = directory.resolve("named.onnx");
        Exporter.write(model, List.of(), null, Format.ONNX, file);
        Model read = Importer.load(file).model();
        assertTrue(Nets.difference(model, read) < 1e-6);
        assertTrue(
                read.layerNames().containsAll(List.of("a:linear", "add:1", "add:1:1")),
                read.layerNames().toString());
    }

    @Test
    void aForeignGraph() {
        Model read = Importer.load("net.onnx", foreign(), ImportOptions.none()).model();
        assertEquals(List.of(Shape.of(6)), read.outputShapes());
    }

    @Test
    void labelsAndPreprocessingTravel(@TempDir Path directory) {
        Model model = network();
        Path file = directory.resolve("m.onnx");
        var labels = List.of("a", "b", "c");
        Exporter.write(model, labels, Pictures.of(model, Preprocess.TF), Format.ONNX, file);
        Imported read = Importer.load(file);
        assertEquals(labels, read.labels());
        assertEquals(Pictures.of(model, Preprocess.TF), read.pictures().orElseThrow());
        assertEquals(0, Nets.difference(model, read.model()), 1e-6);
        assertEquals(
                10,
                Importer.inspect(file).tensors().stream()
                        .filter(t -> t.dtype().equals("float32"))
                        .count());
    }

    @Test
    void numbersOfTheWireFormat() {
        long[] values = {0, 1, 127, 128, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 35};
        var packed = new Writer();
        LongStream.of(values).forEach(v -> packed.integer(1, v));
        var m = new Protobuf("test", ByteBuffer.wrap(packed.toByteArray()).order(ByteOrder.LITTLE_ENDIAN));
        for (long v : values) {
            assertTrue(m.next());
            assertEquals(v, m.integer());
        }
        assertEquals(false, m.next());
        var eleven = new byte[] {8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1};
        var bad = new Protobuf("test", ByteBuffer.wrap(eleven));
        assertTrue(bad.next());
        assertThrows(FormatException.class, bad::integer);
    }
}
