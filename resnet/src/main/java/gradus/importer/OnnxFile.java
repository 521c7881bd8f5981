package gradus.importer;

import gradus.io.FormatException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The parts of an ONNX model that a network of one graph needs, as {@code onnx.proto} numbers them.
 *
 * @param opset version of the operators
 * @param inputs of the graph, initializers left out
 * @param outputs names of the graph's outputs
 * @see <a href="https://github.com/onnx/onnx/blob/main/onnx/onnx.proto">onnx.proto</a>
 */
record OnnxFile(
        String name,
        long opset,
        List<Input> inputs,
        List<String> outputs,
        List<Node> nodes,
        Map<String, OnnxArray> initializers,
        Map<String, String> metadata) {
    /** An extent is 0 where the file gives it a name or leaves it open; {@code shape} is null if there is none. */
    record Input(String name, int[] shape) {}

    record Node(
            String op,
            String domain,
            String name,
            List<String> inputs,
            List<String> outputs,
            Map<String, Attribute> attributes) {
        /** What error messages call it. */
        String where() {
            return "node '" + (name.isEmpty() ? String.join(", ", outputs) : name) + "' (" + op + ")";
        }

        long integer(String attribute, long otherwise) {
            Attribute a = attributes.get(attribute);
            return a == null ? otherwise : a.i;
        }

        float number(String attribute, float otherwise) {
            Attribute a = attributes.get(attribute);
            return a == null ? otherwise : a.f;
        }

        String text(String attribute, String otherwise) {
            Attribute a = attributes.get(attribute);
            return a == null ? otherwise : a.s;
        }

        /** A copy, empty if there is no such attribute. */
        long[] ints(String attribute) {
            Attribute a = attributes.get(attribute);
            return a == null ? new long[0] : a.ints.clone();
        }
    }

    /** One of these, as the operator wants it; the others are 0, empty or null. */
    record Attribute(long i, float f, String s, long[] ints, float[] floats, OnnxArray tensor) {}

    // ---- reading ----

    /**
     * @param external files that must stay open until the tensors have been read
     * @throws FormatException naming source and place, if the bytes are not an ONNX model
     */
    static OnnxFile read(String source, ByteBuffer file, ExternalData external) {
        var m = new Protobuf(source, file);
        Protobuf graph = null;
        long opset = 0;
        var metadata = new LinkedHashMap<String, String>();
        while (m.next()) {
            switch (m.field()) {
                case 2 -> metadata.put("producer", m.string());
                case 7 -> graph = m.message();
                case 8 -> opset = Math.max(opset, opset(m.message()));
                case 14 -> entry(m.message(), metadata);
                default -> m.skip();
            }
        }
        if (graph == null || opset < 1) {
            throw new FormatException(
                    source + ": has no graph or does not say which operators it uses; is this an ONNX model?", -1);
        }
        return graph(graph, opset, metadata, external);
    }

    private static void entry(Protobuf m, Map<String, String> map) {
        String key = "";
        String value = "";
        while (m.next()) {
            switch (m.field()) {
                case 1 -> key = m.string();
                case 2 -> value = m.string();
                default -> m.skip();
            }
        }
        map.put(key, value);
    }

    /** The version of ONNX's own operators, 0 for those of others. */
    private static long opset(Protobuf m) {
        String domain = "";
        long version = 0;
        while (m.next()) {
            switch (m.field()) {
                case 1 -> domain = m.string();
                case 2 -> version = m.integer();
                default -> m.skip();
            }
        }
        return domain.isEmpty() || domain.equals("ai.onnx") ? version : 0;
    }

    private static OnnxFile graph(Protobuf m, long opset, Map<String, String> metadata, ExternalData external) {
        String name = "model";
        var inputs = new ArrayList<Input>();
        var outputs = new ArrayList<String>();
        var nodes = new ArrayList<Node>();
        var initializers = new LinkedHashMap<String, OnnxArray>();
        while (m.next()) {
            switch (m.field()) {
                case 1 -> nodes.add(node(m.message(), external));
                case 2 -> name = m.string();
                case 5 -> {
                    OnnxArray array = array(m.message(), external);
                    if (initializers.put(array.name, array) != null) {
                        throw m.error("tensor '" + array.name + "' occurs twice");
                    }
                }
                case 11 -> inputs.add(input(m.message()));
                case 12 -> outputs.add(input(m.message()).name);
                default -> m.skip();
            }
        }
        inputs.removeIf(i -> initializers.containsKey(i.name)); // older files list both
        return new OnnxFile(name, opset, inputs, outputs, nodes, initializers, metadata);
    }

    private static Node node(Protobuf m, ExternalData external) {
        var inputs = new ArrayList<String>();
        var outputs = new ArrayList<String>();
        var attributes = new LinkedHashMap<String, Attribute>();
        String name = "";
        String op = "";
        String domain = "";
        while (m.next()) {
            switch (m.field()) {
                case 1 -> inputs.add(m.string());
                case 2 -> outputs.add(m.string());
                case 3 -> name = m.string();
                case 4 -> op = m.string();
                case 5 -> attribute(m.message(), attributes, external);
                case 7 -> domain = m.string();
                default -> m.skip();
            }
        }
        return new Node(op, domain, name, inputs, outputs, attributes);
    }

    private static void attribute(Protobuf m, Map<String, Attribute> attributes, ExternalData external) {
        String name = "";
        long i = 0;
        float f = 0;
        String s = "";
        long[] ints = {};
        var floats = new ArrayList<Float>();
        OnnxArray tensor = null;
        while (m.next()) {
            switch (m.field()) {
                case 1 -> name = m.string();
                case 2 -> f = m.float32();
                case 3 -> i = m.integer();
                case 4 -> s = m.string();
                case 5 -> tensor = array(m.message(), external);
                case 7 ->
                    m.numbers(Protobuf.FIXED32, bits -> {
                        m.take(40);
                        floats.add(Float.intBitsToFloat((int) bits));
                    });
                case 8 -> ints = m.integers(ints);
                default -> m.skip();
            }
        }
        attributes.put(name, new Attribute(i, f, s, ints, array(floats), tensor));
    }

    private static float[] array(List<Float> list) {
        var array = new float[list.size()];
        for (int k = 0; k < array.length; k++) {
            array[k] = list.get(k);
        }
        return array;
    }

    private static OnnxArray array(Protobuf m, ExternalData external) {
        Protobuf message = m.again();
        String name = "";
        long[] dims = {};
        int type = 0;
        boolean outside = false;
        var where = new HashMap<String, String>();
        while (m.next()) {
            switch (m.field()) {
                case 1 -> dims = m.integers(dims);
                case 2 -> type = (int) m.integer();
                case 8 -> name = m.string();
                case 13 -> entry(m.message(), where);
                case 14 -> outside = m.integer() != 0;
                default -> m.skip();
            }
        }
        int[] extents = extents(m, name, dims);
        return outside
                ? OnnxArray.of(name, extents, type, external.part(name, where))
                : OnnxArray.of(name, extents, type, message);
    }

    private static int[] extents(Protobuf m, String name, long[] dims) {
        if (dims.length > 8) {
            throw m.error("tensor '" + name + "' has " + dims.length + " axes");
        }
        var extents = new int[dims.length];
        long size = 1;
        for (int k = 0; k < dims.length; k++) {
            if (dims[k] < 0 || dims[k] > Integer.MAX_VALUE || (size *= dims[k]) > Integer.MAX_VALUE) {
                throw m.error("tensor '" + name + "' has an extent of " + dims[k] + " or too many elements");
            }
            extents[k] = (int) dims[k];
        }
        return extents;
    }

    private static Input input(Protobuf m) {
        String name = "";
        int[] shape = null;
        while (m.next()) {
            switch (m.field()) {
                case 1 -> name = m.string();
                case 2 -> shape = type(m.message());
                default -> m.skip();
            }
        }
        return new Input(name, shape);
    }

    private static int[] type(Protobuf m) {
        int[] shape = null;
        while (m.next()) {
            if (m.field() != 1) {
                m.skip();
                continue;
            }
            Protobuf tensor = m.message();
            while (tensor.next()) {
                if (tensor.field() == 2) {
                    shape = dims(tensor.message());
                } else {
                    tensor.skip();
                }
            }
        }
        return shape;
    }

    private static int[] dims(Protobuf m) {
        long[] dims = {};
        while (m.next()) {
            if (m.field() != 1) {
                m.skip();
                continue;
            }
            Protobuf dim = m.message();
            long extent = 0;
            while (dim.next()) {
                if (dim.field() == 1) {
                    extent = dim.integer();
                } else {
                    dim.skip();
                }
            }
            dims = Arrays.copyOf(dims, dims.length + 1);
            dims[dims.length - 1] = Math.max(extent, 0);
            if (dims.length > 8) {
                throw m.error("an input has more than 8 axes");
            }
        }
        return extents(m, "input", dims);
    }
}
