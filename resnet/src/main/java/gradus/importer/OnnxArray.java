package gradus.importer;

import gradus.io.MappedFile;
import gradus.tensor.GradusException;
import gradus.tensor.Shape;
import gradus.tensor.Tensor;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * Numbers with a shape: a tensor, which stays in its file until it is asked for, or what constants of a graph are folded
 * to.
 */
final class OnnxArray {
    static final int FLOAT = 1;
    static final int INT64 = 7;
    private static final int INT32 = 6;
    private static final int FLOAT16 = 10;
    private static final int DOUBLE = 11;
    private static final int BFLOAT16 = 16;

    /** Stands for the number of samples, which is not known, among integers. */
    static final long BATCH = Long.MIN_VALUE;

    /** The most integers that are read as such: shapes, paddings, axes. */
    private static final int FEW = 64;

    private sealed interface Data {}

    private record Message(Protobuf tensor) implements Data {}

    private record External(MappedFile file, long offset) implements Data {}

    private record Floats(float[] values) implements Data {}

    private record Integers(long[] values) implements Data {}

    /** Of the tensor that holds the values, whatever the graph calls them. */
    final String name;

    final int[] dims;
    private final int type;
    private final Data data;

    private OnnxArray(String name, int[] dims, int type, Data data) {
        this.name = name;
        this.dims = dims;
        this.type = type;
        this.data = data;
    }

    /** @param dims whose product is an int */
    static OnnxArray of(String name, int[] dims, int type, Protobuf tensor) {
        return new OnnxArray(name, dims, type, new Message(tensor));
    }

    /** @throws gradus.io.FormatException if the tensor does not end where the file does, at the latest */
    static OnnxArray of(String name, int[] dims, int type, ExternalData.Part part) {
        var array = new OnnxArray(name, dims, type, new External(part.file(), part.offset()));
        part.take(name, (long) array.size() * array.width());
        return array;
    }

    static OnnxArray of(String name, int[] dims, float... values) {
        return new OnnxArray(name, dims, FLOAT, new Floats(values));
    }

    static OnnxArray of(String name, int[] dims, long... values) {
        return new OnnxArray(name, dims, INT64, new Integers(values));
    }

    OnnxArray named(String other) {
        return new OnnxArray(other, dims, type, data);
    }

    /** The same values in another shape of the same size. */
    OnnxArray reshaped(int... other) {
        return new OnnxArray(name, other, type, data);
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

    static boolean isInteger(long type) {
        return type == INT64 || type == INT32;
    }

    static boolean isFloat(long type) {
        return type == FLOAT || type == FLOAT16 || type == DOUBLE || type == BFLOAT16;
    }

    boolean isInteger() {
        return isInteger(type);
    }

    int size() {
        int size = 1;
        for (int d : dims) {
            size *= d;
        }
        return size;
    }

    /** Bytes of a value, where values lie side by side. */
    private int width() {
        return switch (type) {
            case FLOAT, INT32 -> 4;
            case FLOAT16, BFLOAT16 -> 2;
            case DOUBLE, INT64 -> 8;
            default ->
                throw new GradusException(
                        "tensor '" + name + "' has type " + type + ", which cannot be read; convert it to float32");
        };
    }

    /** The values as float32, not to be written to. @throws GradusException if the file holds others or not as many */
    float[] floats() {
        if (data instanceof Floats(var values)) {
            return values;
        }
        var to = new Fill(new float[checked()], null);
        fill(to);
        return to.floats;
    }

    /** A handful of integers: a shape, paddings, axes. */
    long[] longs() {
        if (dims.length > 1 || size() > FEW || !isInteger()) {
            throw new GradusException("tensor '" + name + "' should be a short list of integers");
        }
        if (data instanceof Integers(var values)) {
            return values.clone();
        }
        var to = new Fill(null, new long[checked()]);
        fill(to);
        return to.longs;
    }

    /** Number of values, compared with the file before there is memory for them. */
    private int checked() {
        int n = size();
        if (data instanceof Message(Protobuf tensor)) {
            var count = new Fill(null, null);
            ByteBuffer raw = scan(tensor.again(), count);
            if (raw == null ? count.n != n : raw.remaining() != (long) n * width()) {
                throw tensor.error("tensor '" + name + "' has " + n + " elements, but not that many values");
            }
            if (raw == null && type != FLOAT && type != DOUBLE) {
                tensor.take(2L * n); // a number may have as little as a byte in the file
            }
        }
        return n;
    }

    private void fill(Fill to) {
        switch (data) {
            case Message(var tensor) -> {
                ByteBuffer raw = scan(tensor.again(), to);
                if (raw != null) {
                    to.accept(raw);
                }
            }
            case External(var file, var offset) ->
                file.read(offset, Math.multiplyExact(size(), width()), raw -> {
                    to.accept(raw);
                    return to;
                });
            case Integers(var values) -> {
                for (long v : values) {
                    if (v == BATCH) {
                        throw new GradusException("computes with the number of samples; the batch must stay as it is");
                    }
                    to.accept(v);
                }
            }
            case Floats _ -> throw new IllegalStateException("are there already");
        }
    }

    /** Hands on values that are stored one by one; returns those that lie side by side, or null. */
    private ByteBuffer scan(Protobuf m, Fill to) {
        int field = switch (type) {
            case FLOAT -> 4;
            case INT64 -> 7;
            case DOUBLE -> 10;
            default -> 5;
        };
        int wire = type == FLOAT ? Protobuf.FIXED32 : type == DOUBLE ? Protobuf.FIXED64 : Protobuf.VARINT;
        ByteBuffer raw = null;
        while (m.next()) {
            if (m.field() == 9) {
                raw = m.bytes();
            } else if (m.field() == field) {
                m.numbers(wire, to);
            } else {
                m.skip();
            }
        }
        return raw;
    }

    /** Takes the bits of values, as many as there are. */
    private final class Fill implements LongConsumer {
        private final float[] floats;
        private final long[] longs;
        private int n;

        Fill(float[] floats, long[] longs) {
            this.floats = floats;
            this.longs = longs;
        }

        @Override
        public void accept(long bits) {
            if (floats != null && n < floats.length) {
                floats[n] = switch (type) {
                    case FLOAT -> Float.intBitsToFloat((int) bits);
                    case FLOAT16 -> Float.float16ToFloat((short) bits);
                    case BFLOAT16 -> Float.intBitsToFloat((int) bits << 16);
                    case DOUBLE -> (float) Double.longBitsToDouble(bits);
                    default -> bits;
                };
            } else if (longs != null && n < longs.length) {
                longs[n] = bits;
            }
            n++;
        }

        void accept(ByteBuffer raw) {
            if (type == FLOAT && floats != null) {
                raw.asFloatBuffer().get(floats);
                return;
            }
            int values = size();
            int width = width();
            for (int i = 0; i < values; i++) {
                accept(width == 2 ? raw.getShort() : width == 4 ? raw.getInt() : raw.getLong());
            }
        }
    }

    /** Arrays by name. */
    static TensorSource source(Map<String, OnnxArray> arrays) {
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

    @Override
    public String toString() {
        return "'" + name + "' " + Arrays.toString(dims);
    }
}
