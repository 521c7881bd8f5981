package gradus.app;

import gradus.tensor.Tensor;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.zip.Deflater;

/**
 * HDF5 as h5py writes it unless told otherwise: the format of 1998, whose B-trees and headers have no checksums, so that
 * damage is seen by nobody but the reader. jHDF writes the newest. One group, whose links may have '/' in their names.
 *
 * @see <a href="https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t11.html">HDF5 file format</a>
 */
final class Hdf5Bytes {
    private static final int SHUFFLE = 2;
    static final int DEFLATE = 1;
    static final int LZF = 32000;

    /** A chunk of an array: where it begins, and its bytes as they are stored. */
    record Chunk(int[] offset, byte[] stored) {}

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Map<String, Long> objects = new LinkedHashMap<>();

    Hdf5Bytes() {
        out.writeBytes(new byte[96]); // the superblock, known at the end
    }

    // ---- arrays ----

    /** A float32 array in chunks of half its extent along each axis, shuffled and packed; those at the end reach over it. */
    void put(String name, Tensor t, int packing) {
        int[] dims = t.shape().toArray();
        int[] chunk = Arrays.stream(dims).map(d -> (d + 1) / 2).toArray();
        var chunks = new ArrayList<Chunk>();
        for (int c = 0; c < 1 << dims.length; c++) {
            var offset = new int[dims.length];
            for (int axis = 0; axis < dims.length; axis++) {
                offset[axis] = (c >> axis & 1) * chunk[axis];
            }
            if (IntStream.range(0, dims.length).allMatch(axis -> offset[axis] < dims[axis])) {
                byte[] bytes = shuffled(part(t, dims, chunk, offset));
                chunks.add(new Chunk(offset, packing == LZF ? lzf(bytes) : deflated(bytes)));
            }
        }
        put(name, dims, chunk, chunks, SHUFFLE, packing);
    }

    private static byte[] part(Tensor t, int[] dims, int[] chunk, int[] offset) {
        int size = Arrays.stream(chunk).reduce(1, (a, b) -> a * b);
        var bytes = little(4 * size);
        for (int i = 0; i < size; i++) {
            int from = 0;
            boolean inside = true;
            for (int axis = 0, below = size, rest = i; axis < dims.length; axis++) {
                below /= chunk[axis];
                int at = offset[axis] + rest / below;
                rest %= below;
                inside &= at < dims[axis];
                from = from * dims[axis] + at;
            }
            bytes.putFloat(inside ? (float) t.get(from) : Float.NaN);
        }
        return bytes.array();
    }

    /** Whatever a file may claim. */
    void put(String name, int[] dims, int[] chunk, List<Chunk> chunks, int... filters) {
        var keys = little(24 + chunks.size() * (24 + 8 * dims.length) + 16 + 8 * dims.length);
        keys.put("TREE".getBytes(StandardCharsets.US_ASCII)).put((byte) 1).put((byte) 0);
        keys.putShort((short) chunks.size()).putLong(-1).putLong(-1);
        for (Chunk c : chunks) {
            keys.putInt(c.stored.length).putInt(0);
            Arrays.stream(c.offset).forEach(keys::putLong);
            keys.putLong(0).putLong(write(c.stored));
        }
        long tree = write(keys.array());
        var space = little(8 + 8 * dims.length).put((byte) 1).put((byte) dims.length);
        space.position(8);
        Arrays.stream(dims).forEach(space::putLong);
        var layout = little(15 + 4 * dims.length).put((byte) 3).put((byte) 2).put((byte) (dims.length + 1));
        layout.putLong(tree);
        Arrays.stream(chunk).forEach(layout::putInt);
        layout.putInt(4);
        var pipeline = little(8 + 16 * filters.length).put((byte) 1).put((byte) filters.length);
        pipeline.position(8);
        for (int filter : filters) { // one value: bytes of an element, or how hard it was tried
            pipeline.putShort((short) filter)
                    .putShort((short) 0)
                    .putShort((short) 0)
                    .putShort((short) 1);
            pipeline.putInt(4).putInt(0);
        }
        objects.put(
                name,
                write(header(message(1, space), message(3, float32()), message(8, layout), message(11, pipeline))));
    }

    private static ByteBuffer float32() {
        var type = little(20)
                .put((byte) 0x11)
                .put((byte) 0x20)
                .put((byte) 31)
                .put((byte) 0)
                .putInt(4);
        type.putShort((short) 0).putShort((short) 32); // bits in use, then exponent, mantissa, bias
        return type.put((byte) 23).put((byte) 8).put((byte) 0).put((byte) 23).putInt(127);
    }

    static byte[] deflated(byte[] bytes) {
        var deflater = new Deflater();
        deflater.setInput(bytes);
        deflater.finish();
        var out = new ByteArrayOutputStream();
        var part = new byte[1 << 16];
        while (!deflater.finished()) {
            out.write(part, 0, deflater.deflate(part));
        }
        deflater.end();
        return out.toByteArray();
    }

    /** Packed by LZF, or as they were if that is no longer. */
    static byte[] lzf(byte[] bytes) {
        var out = new ByteArrayOutputStream();
        int plain = 0;
        for (int i = 0; i <= bytes.length; ) {
            int length = 0;
            int back = 0;
            for (int at = Math.max(0, i - 8192); at < i && length < 264; at++) {
                int n = 0;
                while (n < 264 && i + n < bytes.length && bytes[at + n] == bytes[i + n]) {
                    n++;
                }
                if (n > length) {
                    length = n;
                    back = i - at - 1;
                }
            }
            if (length < 3 && i < bytes.length) {
                i++;
                continue;
            }
            for (; plain < i; plain += 32) {
                int n = Math.min(32, i - plain);
                out.write(n - 1);
                out.write(bytes, plain, n);
            }
            if (i == bytes.length) {
                break;
            }
            out.write(Math.min(7, length - 2) << 5 | back >> 8);
            if (length >= 9) {
                out.write(length - 9);
            }
            out.write(back);
            i += length;
            plain = i;
        }
        return out.size() < bytes.length ? out.toByteArray() : bytes;
    }

    private static byte[] shuffled(byte[] bytes) {
        var y = new byte[bytes.length];
        for (int i = 0; i < y.length; i++) {
            y[i % 4 * (y.length / 4) + i / 4] = bytes[i];
        }
        return y;
    }

    // ---- the file ----

    /** @param config the attribute {@code model_config} */
    byte[] file(String config) {
        var names = new ByteArrayOutputStream();
        names.writeBytes(new byte[8]);
        var symbols = little(8 + 40 * objects.size()).put("SNOD".getBytes(StandardCharsets.US_ASCII));
        symbols.put((byte) 1).put((byte) 0).putShort((short) objects.size());
        objects.forEach((name, address) -> {
            symbols.putLong(names.size()).putLong(address).putLong(0).putLong(0).putLong(0);
            names.writeBytes(padded((name + "\0").getBytes(StandardCharsets.US_ASCII)));
        });
        var tree = little(48)
                .put("TREE".getBytes(StandardCharsets.US_ASCII))
                .putShort((short) 0)
                .putShort((short) 1);
        tree.putLong(-1).putLong(-1).putLong(0).putLong(write(symbols.array())).putLong(names.size());
        var heap = little(32).put("HEAP".getBytes(StandardCharsets.US_ASCII)).putInt(0);
        heap.putLong(names.size()).putLong(1).putLong(write(names.toByteArray()));
        var table = little(16).putLong(write(tree.array())).putLong(write(heap.array()));
        byte[] text = config.getBytes(StandardCharsets.UTF_8);
        var attribute = little(8 + 16 + 8 + 8 + text.length).put((byte) 1).put((byte) 0);
        attribute.putShort((short) 13).putShort((short) 8).putShort((short) 8);
        attribute.put("model_config".getBytes(StandardCharsets.US_ASCII)).putInt(0);
        attribute
                .put((byte) 0x13)
                .put(new byte[3])
                .putInt(text.length)
                .putLong(1)
                .put(text);
        long root = write(header(message(17, table), message(12, attribute)));
        byte[] file = out.toByteArray();
        var start = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        start.put(new byte[] {(byte) 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'});
        start.putInt(0).put((byte) 0).put((byte) 8).put((byte) 8).put((byte) 0);
        start.putShort((short) 16).putShort((short) 16).putInt(0);
        start.putLong(0).putLong(-1).putLong(file.length).putLong(-1).putLong(0).putLong(root);
        return file;
    }

    private static byte[] header(byte[]... messages) {
        int size = Arrays.stream(messages).mapToInt(m -> m.length).sum();
        var header = little(16 + size).put((byte) 1).put((byte) 0).putShort((short) messages.length);
        header.putInt(1).putInt(size).putInt(0);
        Arrays.stream(messages).forEach(header::put);
        return header.array();
    }

    private static byte[] message(int type, ByteBuffer content) {
        byte[] body = padded(content.array());
        return little(8 + body.length)
                .putShort((short) type)
                .putShort((short) body.length)
                .putInt(0)
                .put(body)
                .array();
    }

    private long write(byte[] bytes) {
        long at = out.size();
        out.writeBytes(padded(bytes));
        return at;
    }

    private static byte[] padded(byte[] bytes) {
        return Arrays.copyOf(bytes, (bytes.length + 7) / 8 * 8);
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
