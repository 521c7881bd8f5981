package gradus.app;

import gradus.tensor.GradusException;
import gradus.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes HDF5 in the format of 1998, which every library reads: superblock of version 0, groups as symbol tables, float32
 * arrays in one piece. A file is written from its beginning to its end:
 *
 * <pre>
 * superblock | numbers of all arrays | headers, attributes and tables, each behind what it refers to | the root's header
 * </pre>
 *
 * so that only the third part is ever in memory, and every address is known when it is written. All begins at multiples of
 * 8 bytes; numbers are little-endian.
 *
 * @see <a href="https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t11.html">HDF5 file format specification 1.1</a>
 */
final class Hdf5Writer {
    /** What a group contains. */
    sealed interface Node {}

    /** float32. */
    record Array(Tensor values) implements Node {}

    /**
     * A group that grows.
     *
     * @param children by name, in the order of the names' bytes, in which files list them
     * @param attributes a String, or a list of them
     */
    record Group(TreeMap<byte[], Node> children, Map<String, Object> attributes) implements Node {
        Group() {
            this(new TreeMap<>(Arrays::compareUnsigned), new LinkedHashMap<>());
        }

        /** The group at a path of names between slashes; it is made where there is none. */
        Group group(String path) {
            Group at = this;
            for (String name : path.split("/")) {
                at = (Group) at.children.computeIfAbsent(utf8(name), n -> new Group());
            }
            return at;
        }

        void put(String name, Tensor values) {
            if (children.put(utf8(name), new Array(values)) != null) {
                throw new IllegalArgumentException("two arrays are called " + name);
            }
        }
    }

    private static final int SUPERBLOCK = 96;

    /** Most entries of a leaf and of a node of a group's tree: twice what the specification calls K. */
    private static final int LEAF = 8;

    private static final int NODE = 32;

    /** A message in a header must be shorter than 64 KiB; Keras's own limit for arrays of strings. */
    private static final int MESSAGE = 64_512;

    private static final long NOWHERE = -1;

    // types of messages
    private static final int SPACE = 1;
    private static final int TYPE = 3;
    private static final int FILL = 5;
    private static final int LAYOUT = 8;
    private static final int ATTRIBUTE = 12;
    private static final int TABLE = 17;

    /** IEEE 754 of 4 bytes: bits in use, then where exponent and fraction begin and end, and the bias. */
    private static final byte[] FLOAT32 = little(20)
            .put(bytes(0x11, 0x20, 31, 0))
            .putInt(4)
            .putShort((short) 0)
            .putShort((short) 32)
            .put(bytes(23, 8, 0, 23))
            .putInt(127)
            .array();

    /** Text of any length, a sequence of bytes in a global heap. */
    private static final byte[] TEXT = little(28)
            .put(bytes(0x19, 1, 0, 0))
            .putInt(16)
            .put(bytes(0x10, 0, 0, 0))
            .putInt(1)
            .putShort((short) 0)
            .putShort((short) 8)
            .array();

    /** In the order in which they are written and their headers made. */
    private final List<Tensor> arrays = new ArrayList<>();

    private long next = SUPERBLOCK;

    /** What is behind the arrays, and where that begins. */
    private final ByteArrayOutputStream rest = new ByteArrayOutputStream();

    private final long begin;

    private Hdf5Writer(Group root) {
        collect(root);
        begin = SUPERBLOCK + arrays.stream().mapToLong(Hdf5Writer::size).sum();
    }

    /** Writes a file with the contents of a group. */
    static void write(Group root, OutputStream out) throws IOException {
        var file = new Hdf5Writer(root);
        long header = file.group(root);
        out.write(little(SUPERBLOCK)
                .put(bytes(0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'))
                .put(bytes(0, 0, 0, 0, 0, 8, 8, 0)) // versions, then bytes of an address and of a length
                .putShort((short) (LEAF / 2))
                .putShort((short) (NODE / 2))
                .putInt(0)
                .putLong(0) // where the file begins
                .putLong(NOWHERE)
                .putLong(file.begin + file.rest.size())
                .putLong(NOWHERE)
                .putLong(0) // the root's entry: no name
                .putLong(header)
                .array());
        for (Tensor t : file.arrays) {
            numbers(t.floats(), out);
        }
        file.rest.writeTo(out);
    }

    private void collect(Group group) {
        for (Node node : group.children.values()) {
            switch (node) {
                case Group inner -> collect(inner);
                case Array array -> arrays.add(array.values);
            }
        }
    }

    private static long size(Tensor t) {
        return padded(4L * t.size());
    }

    private static void numbers(float[] values, OutputStream out) throws IOException {
        var buffer = little(1 << 18);
        for (int i = 0, n; i < values.length; i += n) {
            n = Math.min(buffer.capacity() / 4, values.length - i);
            buffer.asFloatBuffer().put(values, i, n);
            out.write(buffer.array(), 0, 4 * n);
        }
        out.write(new byte[values.length % 2 * 4]);
    }

    // ---- objects: each method returns an address ----

    private long array(Array array) {
        Tensor t = array.values;
        long address = t.size() == 0 ? NOWHERE : next;
        next += size(t);
        long[] dims = Arrays.stream(t.shape().toArray()).asLongStream().toArray();
        return header(List.of(
                message(SPACE, space(dims)),
                message(TYPE, FLOAT32),
                message(FILL, bytes(2, 2, 2, 0)), // none
                message(
                        LAYOUT,
                        little(18)
                                .put(bytes(3, 1))
                                .putLong(address)
                                .putLong(4L * t.size())
                                .array())));
    }

    private long group(Group group) {
        var names = new ByteArrayOutputStream();
        names.writeBytes(new byte[8]); // the empty name, before all others
        var entries = new ArrayList<Entry>();
        group.children.forEach((name, node) -> {
            long address = switch (node) {
                case Group inner -> group(inner);
                case Array array -> array(array);
            };
            entries.add(new Entry(names.size(), address));
            names.writeBytes(padded(Arrays.copyOf(name, name.length + 1)));
        });
        var messages = new ArrayList<byte[]>();
        long tree = tree(entries);
        long text = write(names.toByteArray());
        long heap = write(little(32)
                .put(bytes('H', 'E', 'A', 'P', 0, 0, 0, 0))
                .putLong(names.size())
                .putLong(1) // nothing is free
                .putLong(text)
                .array());
        messages.add(message(TABLE, little(16).putLong(tree).putLong(heap).array()));
        attributes(group.attributes, messages);
        return header(messages);
    }

    /** What a table or tree lists: the address of an object, and where its name is; of a node, its last name. */
    private record Entry(long name, long address) {}

    /** A tree of version 1: tables of names at its leaves, then nodes of nodes, until there is one. */
    private long tree(List<Entry> entries) {
        var level = new ArrayList<Entry>();
        for (int i = 0; i < entries.size(); i += LEAF) {
            List<Entry> part = entries.subList(i, Math.min(entries.size(), i + LEAF));
            var table =
                    little(8 + 40 * LEAF).put(bytes('S', 'N', 'O', 'D', 1, 0)).putShort((short) part.size());
            part.forEach(e -> table.putLong(e.name).putLong(e.address).put(new byte[24]));
            level.add(new Entry(part.getLast().name, write(table.array())));
        }
        for (int depth = 0; ; depth++) {
            var above = new ArrayList<Entry>();
            int size = 24 + 16 * NODE + 8;
            int nodes = Math.max(1, Math.ceilDiv(level.size(), NODE));
            long first = begin + rest.size();
            for (int i = 0; i < nodes; i++) {
                List<Entry> part = level.subList(i * NODE, Math.min(level.size(), (i + 1) * NODE));
                var node = little(size).put(bytes('T', 'R', 'E', 'E', 0, depth)).putShort((short) part.size());
                node.putLong(i == 0 ? NOWHERE : first + (i - 1) * size);
                node.putLong(i == nodes - 1 ? NOWHERE : first + (i + 1) * size);
                node.putLong(i == 0 ? 0 : level.get(i * NODE - 1).name);
                part.forEach(e -> node.putLong(e.address).putLong(e.name));
                above.add(new Entry(part.isEmpty() ? 0 : part.getLast().name, write(node.array())));
            }
            if (nodes == 1) {
                return above.getFirst().address;
            }
            level = above;
        }
    }

    private long header(List<byte[]> messages) {
        int size = messages.stream().mapToInt(m -> m.length).sum();
        var header = little(16 + size).put(bytes(1, 0)).putShort((short) messages.size());
        header.putInt(1).putInt(size).putInt(0);
        messages.forEach(header::put);
        return write(header.array());
    }

    private static byte[] message(int type, byte[] content) {
        byte[] body = padded(content);
        return little(8 + body.length)
                .putShort((short) type)
                .putShort((short) body.length)
                .putInt(0)
                .put(body)
                .array();
    }

    private static byte[] space(long... dims) {
        var space = little(8 + 8 * dims.length)
                .put(bytes(1, dims.length))
                .putShort((short) 0)
                .putInt(0);
        Arrays.stream(dims).forEach(space::putLong);
        return space.array();
    }

    // ---- attributes ----

    /**
     * Single texts, as h5py writes them, go to a heap, as they may be longer than a message; lists are arrays of texts of
     * one length, as Keras writes them: in parts {@code name0, name1, ...} where they are longer.
     */
    private void attributes(Map<String, Object> attributes, List<byte[]> messages) {
        attributes.forEach((name, value) -> {
            if (value instanceof String s) {
                messages.add(attribute(name, TEXT, space(), text(utf8(s))));
                return;
            }
            List<byte[]> texts =
                    ((List<?>) value).stream().map(s -> utf8((String) s)).toList();
            int length = texts.stream().mapToInt(t -> t.length).max().orElse(1);
            if (length > MESSAGE) {
                throw new GradusException("a name of " + length + " bytes is too long for HDF5");
            }
            int most = MESSAGE / length;
            for (int from = 0, part = 0; from < texts.size(); from += most, part++) {
                List<byte[]> some = texts.subList(from, Math.min(texts.size(), from + most));
                var array = little(some.size() * length);
                some.forEach(t -> array.put(Arrays.copyOf(t, length)));
                byte[] type = little(8).put(bytes(0x13, 1, 0, 0)).putInt(length).array(); // zeros behind the text
                messages.add(
                        attribute(texts.size() <= most ? name : name + part, type, space(some.size()), array.array()));
            }
        });
    }

    private static byte[] attribute(String name, byte[] type, byte[] space, byte[] data) {
        byte[] text = utf8(name + "\0");
        var all = new ByteArrayOutputStream();
        all.writeBytes(little(8)
                .put(bytes(1, 0))
                .putShort((short) text.length)
                .putShort((short) type.length)
                .putShort((short) space.length)
                .array());
        for (byte[] part : new byte[][] {text, type, space, data}) {
            all.writeBytes(padded(part));
        }
        return message(ATTRIBUTE, all.toByteArray());
    }

    /** A heap of one text and, as the last object must be, free space; its length, address and number refer to it. */
    private byte[] text(byte[] text) {
        int used = 32 + (int) padded(text.length);
        int size = Math.max(4096, used + 16);
        var heap = little(size).put(bytes('G', 'C', 'O', 'L', 1, 0, 0, 0)).putLong(size);
        heap.putShort((short) 1)
                .putShort((short) 1)
                .putInt(0)
                .putLong(text.length)
                .put(text);
        heap.position(used + 8);
        heap.putLong(size - used);
        return little(16)
                .putInt(text.length)
                .putLong(write(heap.array()))
                .putInt(1)
                .array();
    }

    // ---- bytes ----

    private long write(byte[] bytes) {
        long at = begin + rest.size();
        rest.writeBytes(padded(bytes));
        return at;
    }

    private static long padded(long length) {
        return (length + 7) / 8 * 8;
    }

    private static byte[] padded(byte[] bytes) {
        return Arrays.copyOf(bytes, (int) padded(bytes.length));
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] bytes(int... values) {
        var bytes = new byte[values.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    private static byte[] utf8(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }
}
