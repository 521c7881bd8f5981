package gradus.importer;

import gradus.io.FormatException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The parts of an ONNX model that a network of one graph needs, as {@code onnx.proto} numbers them. Tensors stay where they
 * are in the file until they are asked for.
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
        Map<String, Array> initializers,
        Map<String, String> metadata) {
    static final int FLOAT = 1;
    static final int INT64 = 7;
    private static final int INT32 = 6;
    private static final int FLOAT16 = 10;
    private static final int DOUBLE = 11;
    private static final int BFLOAT16 = 16;

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
    }

    /** One of these, as the operator wants it; the others are 0, empty or null. */
    record Attribute(long i, float f, String s, long[] ints, Array tensor) {}

    /** Numbers with a shape. */
    static final class Array {
        final String name;
        final int[] dims;
        private final int type;
        private final Protobuf message;
        private final long[] inline;

        private Array(String name, int[] dims, int type, Protobuf message, long[] inline) {
            this.name = name;
            this.dims = dims;
            this.type = type;
            this.message = message;
            this.inline = inline;
        }

        static Array of(long... values) {
            return new Array("", new int[] {values.length}, INT64, null, values);
        }

        String type() {
            return switch (type) {
                case FLOAT -> "float32";
                case INT64 -> "int64";
                case INT32 -> "int32";
                case FLOAT16 -> "float16";
                case DOUBLE -> "float64";
                case BFLOAT16 -> "bfloat16";
                default -> "type " + type;
            };
        }

        int size() {
            long size = 1;
            for (int d : dims) {
                size *= d; // checked when the tensor was read
            }
            return (int) size;
        }

        /** The values as float32. @throws FormatException if the file holds them in another type or not at all */
        float[] floats() {
            if (inline != null) {
                throw new FormatException(
                        "tensor '" + name + "' holds integers where numbers with fractions belong", -1);
            }
            var data = new Data();
            data.scan(message.again());
            int bytes = switch (type) {
                case FLOAT, INT32 -> 4;
                case FLOAT16, BFLOAT16 -> 2;
                case DOUBLE, INT64 -> 8;
                default ->
                    throw message.error(
                            "tensor '" + name + "' has type " + type + ", which cannot be read; convert it to float32");
            };
            int n = size();
            if (data.raw == null && (type != FLOAT || data.floats != n)
                    || data.raw != null && data.raw.remaining() != (long) n * bytes) {
                throw message.error("tensor '" + name + "' has " + n + " elements, but not that many values"
                        + " (float16 and double are read from raw data alone)");
            }
            var y = new float[n];
            if (data.raw == null) {
                new Data(y).scan(message.again());
                return y;
            }
            ByteBuffer raw = data.raw;
            switch (type) {
                case FLOAT -> raw.asFloatBuffer().get(y);
                case FLOAT16 -> {
                    for (int i = 0; i < n; i++) {
                        y[i] = Float.float16ToFloat(raw.getShort());
                    }
                }
                case BFLOAT16 -> {
                    for (int i = 0; i < n; i++) {
                        y[i] = Float.intBitsToFloat(raw.getShort() << 16);
                    }
                }
                case DOUBLE -> {
                    for (int i = 0; i < n; i++) {
                        y[i] = (float) raw.getDouble();
                    }
                }
                case INT32 -> {
                    for (int i = 0; i < n; i++) {
                        y[i] = raw.getInt();
                    }
                }
                default -> {
                    for (int i = 0; i < n; i++) {
                        y[i] = raw.getLong();
                    }
                }
            }
            return y;
        }

        /** A handful of integers: a shape, paddings, axes. */
        long[] longs() {
            if (inline != null) {
                return inline;
            }
            if (dims.length > 1 || size() > 64) {
                throw message.error("tensor '" + name + "' should be a short list of integers");
            }
            long[] values = {};
            ByteBuffer raw = null;
            Protobuf m = message.again();
            while (m.next()) {
                switch (m.field()) {
                    case 5, 7 -> values = m.integers(values);
                    case 9 -> raw = m.bytes();
                    default -> m.skip();
                }
            }
            int n = size();
            int bytes = type == INT64 ? 8 : 4;
            if (type != INT64 && type != INT32 || (raw == null ? values.length != n : raw.remaining() != n * bytes)) {
                throw message.error("tensor '" + name + "' should be a list of " + n + " integers");
            }
            if (raw != null) {
                values = new long[n];
                for (int i = 0; i < n; i++) {
                    values[i] = type == INT64 ? raw.getLong() : raw.getInt();
                }
            }
            return values;
        }

        /** Finds a tensor's values, or with an array to fill, reads those that are stored one by one. */
        private static final class Data {
            private final float[] y;
            private ByteBuffer raw;
            private long floats;

            Data() {
                this(null);
            }

            Data(float[] y) {
                this.y = y;
            }

            void scan(Protobuf m) {
                while (m.next()) {
                    if (m.field() == 9) {
                        raw = m.bytes();
                    } else if (m.field() == 4 && m.wire() == Protobuf.BYTES) {
                        ByteBuffer packed = m.bytes();
                        int n = packed.remaining() / 4;
                        if (y != null) {
                            packed.asFloatBuffer().get(y, (int) floats, n);
                        }
                        floats += n;
                    } else if (m.field() == 4) {
                        float value = m.float32();
                        if (y != null) {
                            y[(int) floats] = value;
                        }
                        floats++;
                    } else {
                        m.skip();
                    }
                }
            }
        }
    }

    /** Arrays by name. */
    static TensorSource tensors(Map<String, Array> arrays) {
        return new TensorSource() {
            @Override
            public Set<String> names() {
                return arrays.keySet();
            }

            @Override
            public Shape shape(String name) {
                return Shape.of(arrays.get(name).dims);
            }

            @Override
            public String dtype(String name) {
                return arrays.get(name).type();
            }

            @Override
            public Tensor read(String name) {
                return Tensor.of(shape(name), arrays.get(name).floats());
            }
        };
    }

    // ---- reading ----

    /** @throws FormatException naming source and place, if the bytes are not an ONNX model */
    static OnnxFile read(String source, ByteBuffer file) {
        var m = new Protobuf(source, file);
        Protobuf graph = null;
        long opset = 0;
        var metadata = new LinkedHashMap<String, String>();
        while (m.next()) {
            switch (m.field()) {
                case 2 -> metadata.put("producer", m.string());
                case 7 -> graph = m.message();
                case 8 -> opset = Math.max(opset, opset(m.message()));
                case 14 -> {
                    Protobuf entry = m.message();
                    String key = "";
                    String value = "";
                    while (entry.next()) {
                        switch (entry.field()) {
                            case 1 -> key = entry.string();
                            case 2 -> value = entry.string();
                            default -> entry.skip();
                        }
                    }
                    metadata.put(key, value);
                }
                default -> m.skip();
            }
        }
        if (graph == null || opset < 1) {
            throw new FormatException(
                    source + ": has no graph or does not say which operators it uses; is this an ONNX model?", -1);
        }
        return graph(graph, opset, metadata);
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

    private static OnnxFile graph(Protobuf m, long opset, Map<String, String> metadata) {
        String name = "model";
        var inputs = new ArrayList<Input>();
        var outputs = new ArrayList<String>();
        var nodes = new ArrayList<Node>();
        var initializers = new LinkedHashMap<String, Array>();
        while (m.next()) {
            switch (m.field()) {
                case 1 -> nodes.add(node(m.message()));
                case 2 -> name = m.string();
                case 5 -> {
                    Array array = array(m.message());
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

    private static Node node(Protobuf m) {
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
                case 5 -> attribute(m.message(), attributes);
                case 7 -> domain = m.string();
                default -> m.skip();
            }
        }
        return new Node(op, domain, name, inputs, outputs, attributes);
    }

    private static void attribute(Protobuf m, Map<String, Attribute> attributes) {
        String name = "";
        long i = 0;
        float f = 0;
        String s = "";
        long[] ints = {};
        Array tensor = null;
        while (m.next()) {
            switch (m.field()) {
                case 1 -> name = m.string();
                case 2 -> f = m.float32();
                case 3 -> i = m.integer();
                case 4 -> s = m.string();
                case 5 -> tensor = array(m.message());
                case 8 -> ints = m.integers(ints);
                default -> m.skip();
            }
        }
        attributes.put(name, new Attribute(i, f, s, ints, tensor));
    }

    private static Array array(Protobuf m) {
        Protobuf message = m.again();
        String name = "";
        long[] dims = {};
        int type = 0;
        while (m.next()) {
            switch (m.field()) {
                case 1 -> dims = m.integers(dims);
                case 2 -> type = (int) m.integer();
                case 8 -> name = m.string();
                case 13, 14 -> {
                    if (m.field() == 13 || m.integer() != 0) {
                        throw m.error(
                                "tensor '" + name + "' is in another file; save the model with all tensors inside");
                    }
                }
                default -> m.skip();
            }
        }
        return new Array(name, extents(m, name, dims), type, message, null);
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
