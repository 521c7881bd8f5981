package gradus.importer;

import gradus.io.FormatException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.LongConsumer;

/**
 * Reads one message in Protocol Buffers' wire format: fields of a number, a wire type and a value, in any order.
 *
 * <pre>
 * var message = new Protobuf(source, bytes);
 * while (message.next()) {
 *     switch (message.field()) {
 *         case 1 -> name = message.string();
 *         default -> message.skip();
 *     }
 * }
 * </pre>
 *
 * @see <a href="https://protobuf.dev/programming-guides/encoding/">Encoding of Protocol Buffers</a>
 */
final class Protobuf {
    static final int VARINT = 0;
    static final int FIXED64 = 1;
    static final int BYTES = 2;
    static final int FIXED32 = 5;

    /** What a file may become in memory beyond its own length, in bytes. */
    private static final int MEMORY = 8 << 20;

    /** What remains of the memory that all messages of a file may take together. */
    private static final class Budget {
        long memory;

        Budget(long memory) {
            this.memory = memory;
        }
    }

    private final String source;
    private final ByteBuffer b;
    private final int start;
    private final Budget budget;
    private int field;
    private int wire;

    /** @param source what error messages call the file */
    Protobuf(String source, ByteBuffer file) {
        this(source, file.slice().order(ByteOrder.LITTLE_ENDIAN), 0, new Budget(MEMORY + (long) file.remaining()));
    }

    private Protobuf(String source, ByteBuffer b, int start, Budget budget) {
        this.source = source;
        this.b = b;
        this.start = start;
        this.budget = budget;
    }

    FormatException error(String what) {
        return new FormatException(source + ": at byte " + (start + b.position()) + ": " + what, start + b.position());
    }

    /** Counts memory that something read is about to take. */
    void take(long bytes) {
        budget.memory -= bytes;
        if (budget.memory < 0) {
            throw error("more small parts than a model has");
        }
    }

    /** Goes to the next field, whose value must then be read or skipped; false at the end. */
    boolean next() {
        if (!b.hasRemaining()) {
            return false;
        }
        long tag = varint();
        field = (int) (tag >>> 3);
        wire = (int) (tag & 7);
        if (tag < 8 || tag > 0xffff_ffffL || wire == 3 || wire == 4 || wire > 5) {
            throw error("this is no field of a message; is the file complete and an ONNX model?");
        }
        return true;
    }

    int field() {
        return field;
    }

    int wire() {
        return wire;
    }

    private void expect(int type) {
        if (wire != type) {
            throw error("field " + field + " has wire type " + wire + ", not " + type);
        }
    }

    long integer() {
        expect(VARINT);
        return varint();
    }

    private long varint() {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (!b.hasRemaining()) {
                throw error("the data ends inside of a number");
            }
            byte next = b.get();
            value |= (long) (next & 0x7f) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw error("a number has more than 64 bits");
    }

    float float32() {
        expect(FIXED32);
        need(4);
        return b.getFloat();
    }

    private void need(int bytes) {
        if (b.remaining() < bytes) {
            throw error("the data ends inside of field " + field);
        }
    }

    /** The bytes of a field, not copied. */
    ByteBuffer bytes() {
        expect(BYTES);
        long length = varint();
        if (length < 0 || length > b.remaining()) {
            throw error("field " + field + " has " + Long.toUnsignedString(length) + " bytes, " + b.remaining()
                    + " are left; is the download complete?");
        }
        ByteBuffer slice = b.slice(b.position(), (int) length).order(ByteOrder.LITTLE_ENDIAN);
        b.position(b.position() + (int) length);
        return slice;
    }

    Protobuf message() {
        ByteBuffer slice = bytes();
        take(200);
        return new Protobuf(source, slice, start + b.position() - slice.capacity(), budget);
    }

    /** The same message from its beginning. */
    Protobuf again() {
        return new Protobuf(source, b.duplicate().order(ByteOrder.LITTLE_ENDIAN).rewind(), start, budget);
    }

    String string() {
        ByteBuffer slice = bytes();
        take(60 + 2L * slice.remaining());
        return StandardCharsets.UTF_8.decode(slice).toString();
    }

    /** Appends a repeated integer field's value, or many packed into one. */
    long[] integers(long[] before) {
        if (wire == VARINT) {
            take(8L * before.length + 40);
            long[] more = Arrays.copyOf(before, before.length + 1);
            more[before.length] = varint();
            return more;
        }
        var packed = new Protobuf(source, bytes(), start + b.position(), budget);
        int n = 0;
        for (int i = 0; i < packed.b.limit(); i++) {
            n += packed.b.get(i) >= 0 ? 1 : 0; // the last byte of each number
        }
        take(8L * (before.length + n) + 40);
        long[] more = Arrays.copyOf(before, before.length + n);
        for (int i = before.length; i < more.length; i++) {
            more[i] = packed.varint();
        }
        if (packed.b.hasRemaining()) {
            throw error("the data ends inside of a number");
        }
        return more;
    }

    /** Hands on the bits of a repeated number: one, or many packed into a field. @param type of one */
    void numbers(int type, LongConsumer to) {
        if (wire == type) {
            to.accept(number(type));
            return;
        }
        Protobuf packed = message();
        while (packed.b.hasRemaining()) {
            to.accept(packed.number(type));
        }
    }

    private long number(int type) {
        if (type == VARINT) {
            return varint();
        }
        need(type == FIXED32 ? 4 : 8);
        return type == FIXED32 ? b.getInt() : b.getLong();
    }

    void skip() {
        switch (wire) {
            case VARINT -> varint();
            case FIXED64 -> {
                need(8);
                b.position(b.position() + 8);
            }
            case FIXED32 -> {
                need(4);
                b.position(b.position() + 4);
            }
            default -> bytes();
        }
    }

    // ---- writing ----

    /** Builds a message. */
    static final class Writer {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Writer integer(int field, long value) {
            tag(field, VARINT);
            return varint(value);
        }

        Writer float32(int field, float value) {
            tag(field, FIXED32);
            int bits = Float.floatToRawIntBits(value);
            for (int i = 0; i < 4; i++) {
                out.write(bits >>> 8 * i);
            }
            return this;
        }

        Writer string(int field, String value) {
            return bytes(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Writer message(int field, Writer message) {
            return bytes(field, message.toByteArray());
        }

        Writer bytes(int field, byte[] value) {
            header(field, value.length);
            out.writeBytes(value);
            return this;
        }

        /** Begins a field of so many bytes, which the caller writes behind this. */
        Writer header(int field, long length) {
            tag(field, BYTES);
            return varint(length);
        }

        Writer integers(int field, long... values) {
            for (long value : values) {
                integer(field, value);
            }
            return this;
        }

        private void tag(int field, int wire) {
            varint((long) field << 3 | wire);
        }

        private Writer varint(long value) {
            long rest = value;
            while ((rest & ~0x7fL) != 0) {
                out.write((int) (rest & 0x7f | 0x80));
                rest >>>= 7;
            }
            out.write((int) rest);
            return this;
        }

        /** The fields of another message as fields of this one. */
        Writer append(Writer fields) {
            out.writeBytes(fields.toByteArray());
            return this;
        }

        byte[] toByteArray() {
            return out.toByteArray();
        }
    }
}
