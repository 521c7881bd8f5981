package gradus.peers;

import gradus.benchmarks.peers.Case;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.SplittableRandom;

/** ResNet-50 with random weights as an ONNX model (IR version 8, operators of version 13), built in memory. */
final class OnnxModel {
    private static final int FLOAT = 1;

    private final Protobuf graph = new Protobuf();
    private final SplittableRandom random = new SplittableRandom(1);
    private int names;

    private OnnxModel() {}

    static byte[] of(Case c) {
        var model = new OnnxModel();
        model.build(c);
        return new Protobuf()
                .integer(1, 8) // ir_version
                .message(7, model.graph)
                .message(8, new Protobuf().text(1, "").integer(2, 13)) // opset_import
                .toBytes();
    }

    private void build(Case c) {
        String y = relu(convolution("x", 3, 64, 7, 2));
        y = node("MaxPool", attributes(3, 2, c.poolPadding()), y);
        for (Case.Block b : Case.blocks()) {
            String z = relu(convolution(y, b.in(), b.middle(), 1, b.stride()));
            z = relu(convolution(z, b.middle(), b.middle(), 3, 1));
            z = convolution(z, b.middle(), b.out(), 1, 1);
            String shortcut = b.projection() ? convolution(y, b.in(), b.out(), 1, b.stride()) : y;
            y = relu(node("Add", new Protobuf[0], z, shortcut));
        }
        y = node("AveragePool", attributes(c.lastSide(), c.lastSide(), 0), y);
        y = node("Flatten", new Protobuf[0], y);
        String w = tensor(0.02, 2048, c.classes());
        y = node("Gemm", new Protobuf[0], y, w, tensor(0, c.classes()));
        y = node("Softmax", new Protobuf[0], y);
        graph.text(2, "resnet50");
        graph.message(11, value("x", c.batch(), 3, c.side(), c.side()));
        graph.message(12, value(y, c.batch(), c.classes()));
    }

    /** Convolution, padded by half its kernel, and batch norm. */
    private String convolution(String x, int in, int out, int kernel, int stride) {
        String w = tensor(Math.sqrt(2.0 / (in * kernel * kernel)), out, in, kernel, kernel);
        String y = node("Conv", attributes(kernel, stride, kernel / 2), x, w);
        var epsilon = new Protobuf().text(1, "epsilon").number(2, 1e-5f).integer(20, 1);
        return node(
                "BatchNormalization",
                new Protobuf[] {epsilon},
                y,
                constant(1, out),
                constant(0, out),
                constant(0, out),
                constant(1, out));
    }

    private String relu(String x) {
        return node("Relu", new Protobuf[0], x);
    }

    private static Protobuf[] attributes(int kernel, int stride, int padding) {
        return new Protobuf[] {
            integers("kernel_shape", kernel, kernel),
            integers("strides", stride, stride),
            integers("pads", padding, padding, padding, padding)
        };
    }

    private static Protobuf integers(String name, int... values) {
        var attribute = new Protobuf().text(1, name);
        for (int v : values) {
            attribute.integer(8, v);
        }
        return attribute.integer(20, 7); // type INTS
    }

    /** Adds a node and returns the name of its result. */
    private String node(String type, Protobuf[] attributes, String... inputs) {
        var node = new Protobuf();
        for (String input : inputs) {
            node.text(1, input);
        }
        String y = "v" + names++;
        node.text(2, y).text(3, y).text(4, type);
        for (Protobuf a : attributes) {
            node.message(5, a);
        }
        graph.message(1, node);
        return y;
    }

    private String constant(float value, int n) {
        var data = new float[n];
        Arrays.fill(data, value);
        return tensor(data, n);
    }

    /** Uniform numbers of that standard deviation. */
    private String tensor(double deviation, int... dims) {
        int n = 1;
        for (int d : dims) {
            n *= d;
        }
        var data = new float[n];
        for (int i = 0; i < n; i++) {
            data[i] = (float) ((2 * random.nextDouble() - 1) * Math.sqrt(3) * deviation);
        }
        return tensor(data, dims);
    }

    private String tensor(float[] data, int... dims) {
        var tensor = new Protobuf();
        for (int d : dims) {
            tensor.integer(1, d);
        }
        var bytes = ByteBuffer.allocate(4 * data.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(data);
        String name = "w" + names++;
        graph.message(5, tensor.integer(2, FLOAT).text(8, name).bytes(9, bytes.array()));
        return name;
    }

    private static Protobuf value(String name, int... dims) {
        var shape = new Protobuf();
        for (int d : dims) {
            shape.message(1, new Protobuf().integer(1, d));
        }
        var tensor = new Protobuf().integer(1, FLOAT).message(2, shape);
        return new Protobuf().text(1, name).message(2, new Protobuf().message(1, tensor));
    }
}
