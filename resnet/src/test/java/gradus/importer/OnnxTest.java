package gradus.importer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import gradus.data.Pictures;
import gradus.data.Preprocess;
import gradus.importer.Protobuf.Writer;
import gradus.io.FormatException;
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
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
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
            for (String input : inputs.split(" ")) {
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
        // the smallest values of a picture may be below 0: zeros would win
        refused(
                new File(17)
                        .input("x", 1, 2, 4, 4)
                        .node(
                                "MaxPool",
                                "x",
                                "y",
                                ints("kernel_shape", 3, 3),
                                ints("strides", 2, 2),
                                ints("pads", 1, 1, 1, 1))
                        .output("y"),
                "MaxPool",
                "pads");
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
