package gradus.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.awt.Color;
import java.awt.GradientPaint;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import org.junit.jupiter.api.Test;

/** Files that mean harm or came to harm: an answer or a DataException, soon, and with little memory. */
class DamagedPicturesTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** The constant of the promise: no more than 4 times the file's size and this. */
    private static final long CONSTANT = 16 << 20;

    private record Cost(boolean read, long bytes, double seconds) {}

    private static Cost read(byte[] file) {
        long thread = Thread.currentThread().threadId();
        long bytes = THREADS.getThreadAllocatedBytes(thread);
        long start = System.nanoTime();
        boolean read = true;
        try {
            ImageInput.read(file, "bad.file");
        } catch (DataException e) {
            read = false;
            assertTrue(e.getMessage().contains("bad.file"), e.getMessage());
        }
        double seconds = (System.nanoTime() - start) * 1e-9;
        return new Cost(read, THREADS.getThreadAllocatedBytes(thread) - bytes, seconds);
    }

    private static BufferedImage drawing(int type) {
        var image = new BufferedImage(61, 47, type);
        var g = image.createGraphics();
        g.setPaint(new GradientPaint(0, 0, Color.ORANGE, 61, 47, Color.BLUE));
        g.fillRect(0, 0, 61, 47);
        g.setColor(Color.WHITE);
        g.drawOval(5, 5, 40, 30);
        g.dispose();
        return image;
    }

    private static byte[] encoded(BufferedImage image, String format, boolean progressive) throws IOException {
        var out = new ByteArrayOutputStream();
        var writer = ImageIO.getImageWritersByFormatName(format).next();
        try (var stream = ImageIO.createImageOutputStream(out)) {
            writer.setOutput(stream);
            ImageWriteParam param = writer.getDefaultWriteParam();
            if (progressive) {
                param.setProgressiveMode(ImageWriteParam.MODE_DEFAULT);
            }
            writer.write(null, new IIOImage(image, null, null), param);
        } finally {
            writer.dispose();
        }
        return out.toByteArray();
    }

    private static List<byte[]> good() throws IOException {
        var files = new ArrayList<byte[]>();
        for (int type : new int[] {BufferedImage.TYPE_3BYTE_BGR, BufferedImage.TYPE_BYTE_GRAY}) {
            files.add(encoded(drawing(type), "jpeg", false));
            files.add(encoded(drawing(type), "jpeg", true));
            files.add(encoded(drawing(type), "png", false));
        }
        for (int type : new int[] {
            BufferedImage.TYPE_BYTE_INDEXED,
            BufferedImage.TYPE_BYTE_BINARY,
            BufferedImage.TYPE_USHORT_GRAY,
            BufferedImage.TYPE_INT_ARGB
        }) {
            files.add(encoded(drawing(type), "png", false));
        }
        return files;
    }

    /** One to five bytes changed, mostly in the header; now and then the end cut off, or a part repeated elsewhere. */
    private static byte[] mutated(byte[] good, Random random) {
        byte[] bad = good.clone();
        for (int n = 1 + random.nextInt(5); n > 0; n--) {
            int i = random.nextInt(random.nextBoolean() ? bad.length : Math.min(bad.length, 200));
            bad[i] = (byte) (random.nextBoolean() ? random.nextInt(256) : bad[i] ^ 1 << random.nextInt(8));
        }
        return switch (random.nextInt(6)) {
            case 0 -> Arrays.copyOf(bad, random.nextInt(bad.length));
            case 1 -> {
                int length = random.nextInt(bad.length / 2);
                System.arraycopy(
                        good, random.nextInt(bad.length - length), bad, random.nextInt(bad.length - length), length);
                yield bad;
            }
            default -> bad;
        };
    }

    @Test
    void fiveThousandMutationsOfEachFormatAreReadOrRefused() throws IOException {
        var random = new Random(11);
        List<byte[]> good = good();
        good.forEach(file -> assertTrue(read(file).read));
        List<byte[]> jpeg = good.stream().filter(f -> f[0] == (byte) 0xff).toList();
        List<byte[]> png = good.stream().filter(f -> f[0] == (byte) 0x89).toList();
        assertEquals(good.size(), jpeg.size() + png.size());
        int read = 0;
        for (int i = 0; i < 10_000; i++) {
            List<byte[]> format = i % 2 == 0 ? jpeg : png;
            byte[] bad = mutated(format.get(i / 2 % format.size()), random);
            Cost cost = read(bad);
            read += cost.read ? 1 : 0;
            assertTrue(cost.seconds < 5, "mutation " + i + " took " + cost.seconds + " s");
            assertTrue(cost.bytes <= 4L * bad.length + CONSTANT, "mutation " + i + " took " + cost.bytes + " bytes");
        }
        assertTrue(read > 1000 && read < 9000, read + " of 10,000 were read: they are too much or too little damaged");
    }

    private static byte[] png(int width, int height, int bits, int type, byte[]... chunks) throws IOException {
        var out = new ByteArrayOutputStream();
        out.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 26, '\n'});
        out.write(chunk(
                "IHDR",
                ByteBuffer.allocate(13)
                        .putInt(width)
                        .putInt(height)
                        .put((byte) bits)
                        .put((byte) type)
                        .array()));
        for (byte[] c : chunks) {
            out.write(c);
        }
        out.write(chunk("IEND", new byte[0]));
        return out.toByteArray();
    }

    private static byte[] chunk(String name, byte[] data) {
        byte[] type = name.getBytes(StandardCharsets.US_ASCII);
        var crc = new CRC32();
        crc.update(type);
        crc.update(data);
        return ByteBuffer.allocate(12 + data.length)
                .putInt(data.length)
                .put(type)
                .put(data)
                .putInt((int) crc.getValue())
                .array();
    }

    private static byte[] deflatedZeros(int bytes) {
        var deflater = new Deflater(9);
        deflater.setInput(new byte[bytes]);
        deflater.finish();
        var out = new byte[bytes / 500 + 1000];
        int n = deflater.deflate(out);
        deflater.end();
        return Arrays.copyOf(out, n);
    }

    @Test
    void sizeBombsAreRefusedFromTheirHeader() throws IOException {
        byte[] little = chunk("IDAT", deflatedZeros(100));
        var bombs = List.of(
                png(20_000, 20_000, 8, 2, little), // too large
                png(Integer.MAX_VALUE, 1, 8, 2, little),
                png(9_000, 9_000, 8, 6, little), // not too large, but more than there can be in the file
                png(16_000, 6_000, 16, 6, little),
                png(10_000, 10_000, 1, 0, little));
        for (byte[] bomb : bombs) {
            Cost cost = read(bomb);
            assertTrue(!cost.read && cost.seconds < 1, cost.toString());
            assertTrue(cost.bytes <= 4L * bomb.length + CONSTANT, cost.toString());
        }
        byte[] jpeg = encoded(drawing(BufferedImage.TYPE_3BYTE_BGR), "jpeg", false);
        int frame = indexOf(jpeg, 0xc0);
        ByteBuffer.wrap(jpeg).putShort(frame + 5, (short) 9000).putShort(frame + 7, (short) 9000);
        assertTrue(read(jpeg).bytes <= 4L * jpeg.length + CONSTANT);
        assertThrows(DataException.class, () -> ImageInput.read(jpeg, "bomb.jpg"));
    }

    /** Nothing about these files is damaged; they are just out of proportion. */
    @Test
    void validFilesMadeToFillTheMemoryAreRefused() throws IOException {
        byte[] zeros = chunk("IDAT", deflatedZeros(4000 * (12_000 * 3 + 1)));
        byte[] bomb = png(12_000, 4000, 8, 2, zeros);
        Cost cost = read(bomb);
        assertTrue(!cost.read && cost.seconds < 1, cost.toString());
        assertTrue(cost.bytes <= 4L * bomb.length + CONSTANT, cost.toString());
        var message = assertThrows(DataException.class, () -> ImageInput.read(bomb, "bomb.png"))
                .getMessage();
        assertTrue(message.contains(bomb.length + " bytes") && message.contains("resize"), message);
        // A blank picture of 2.5 million pixels does no harm.
        byte[] blank = png(2500, 1000, 8, 2, chunk("IDAT", deflatedZeros(1000 * (2500 * 3 + 1))));
        cost = read(blank);
        assertTrue(cost.read && cost.bytes <= 4L * blank.length + CONSTANT, cost.toString());
        // Nor is a photograph of one colour, however large.
        byte[] dark = encoded(new BufferedImage(8000, 6000, BufferedImage.TYPE_3BYTE_BGR), "jpeg", false);
        assertTrue(8000 * 6000 * 3 / dark.length > 100, dark.length + " bytes");
        cost = read(dark);
        assertTrue(cost.read && cost.bytes <= 8000L * 6000 * 6 + CONSTANT, cost.toString());
    }

    @Test
    void tiffIsRefusedByItsContent() throws IOException {
        byte[] tiff = encoded(drawing(BufferedImage.TYPE_INT_RGB), "tiff", false);
        var message = assertThrows(DataException.class, () -> ImageInput.read(tiff, "scan.jpg"))
                .getMessage();
        assertTrue(message.contains("scan.jpg") && message.contains("TIFF"), message);
    }

    /** Texts and colour profiles may be compressed as well. They are of no interest. */
    @Test
    void compressedTextsAreNotUnpacked() throws IOException {
        byte[] zeros = deflatedZeros(50_000_000);
        var text = ByteBuffer.allocate(zeros.length + 3)
                .put((byte) 'a')
                .put((byte) 0)
                .put((byte) 0)
                .put(zeros);
        byte[] palette = chunk("PLTE", new byte[] {1, 2, 3});
        for (String name : List.of("zTXt", "iCCP")) {
            for (int type : new int[] {2, 3}) {
                byte[] file = png(
                        10,
                        10,
                        8,
                        type,
                        chunk(name, text.array()),
                        type == 3 ? palette : new byte[0],
                        chunk("IDAT", deflatedZeros(10 * (type == 2 ? 31 : 11))));
                Cost cost = read(file);
                assertTrue(cost.read, name + " " + type);
                assertTrue(cost.bytes <= 4L * file.length + CONSTANT, name + " " + type + " " + cost);
            }
        }
    }

    /** A progressive JPEG says in a few bytes that all its pixels are to be gone through once more. */
    @Test
    void thousandsOfScansAreRefused() throws IOException {
        byte[] jpeg = encoded(drawing(BufferedImage.TYPE_3BYTE_BGR), "jpeg", true);
        ByteBuffer.wrap(jpeg).putShort(indexOf(jpeg, 0xc2) + 5, (short) 4000).putShort(indexOf(jpeg, 0xc2) + 7, (short)
                4000);
        int scan = indexOf(jpeg, 0xda);
        byte[] one = Arrays.copyOfRange(jpeg, scan, jpeg.length - 2);
        var out = new ByteArrayOutputStream();
        out.write(jpeg, 0, scan);
        for (int i = 0; i < 200; i++) {
            out.write(one);
        }
        Cost cost = read(out.toByteArray());
        assertTrue(!cost.read && cost.seconds < 1, cost.toString());
    }

    private static int indexOf(byte[] jpeg, int marker) {
        for (int i = 0; i + 1 < jpeg.length; i++) {
            if (jpeg[i] == (byte) 0xff && jpeg[i + 1] == (byte) marker) {
                return i;
            }
        }
        throw new AssertionError("no marker " + Integer.toHexString(marker));
    }
}
