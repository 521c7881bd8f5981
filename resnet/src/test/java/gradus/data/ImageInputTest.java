package gradus.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.awt.image.WritableRaster;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.metadata.IIOMetadataNode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageInputTest {
    @TempDir
    Path dir;

    private static byte[] encode(BufferedImage image, String format) throws IOException {
        var out = new ByteArrayOutputStream();
        assertTrue(ImageIO.write(image, format, out));
        return out.toByteArray();
    }

    /** Red on the left, blue on the right, 6 wide and 8 high, the top left pixel green. */
    private static BufferedImage flag(int type) {
        var image = new BufferedImage(6, 8, type);
        for (int y = 0; y < 8; y++) {
            for (int x = 0; x < 6; x++) {
                image.setRGB(x, y, x == 0 && y == 0 ? 0xff00ff00 : x < 3 ? 0xffff0000 : 0xff0000ff);
            }
        }
        return image;
    }

    @ParameterizedTest
    @ValueSource(strings = {"png", "bmp", "gif"})
    void losslessFormatsGiveTheirPixels(String format) throws IOException {
        var picture = ImageInput.read(
                encode(
                        flag(format.equals("gif") ? BufferedImage.TYPE_BYTE_INDEXED : BufferedImage.TYPE_INT_RGB),
                        format),
                format);
        assertEquals(8, picture.height());
        assertEquals(6, picture.width());
        assertArrayEquals(new int[] {0, 255, 0}, rgb(picture, 0, 0));
        assertArrayEquals(new int[] {255, 0, 0}, rgb(picture, 7, 2));
        assertArrayEquals(new int[] {0, 0, 255}, rgb(picture, 1, 3));
    }

    @Test
    void greyValuesStayAsTheyAre() throws IOException {
        var grey = new BufferedImage(3, 1, BufferedImage.TYPE_BYTE_GRAY);
        grey.getRaster().setPixels(0, 0, 3, 1, new int[] {0, 100, 255});
        var picture = ImageInput.read(encode(grey, "png"), "grey");
        assertArrayEquals(new int[] {100, 100, 100}, rgb(picture, 0, 1));
        var deep = new BufferedImage(1, 1, BufferedImage.TYPE_USHORT_GRAY);
        deep.getRaster().setPixels(0, 0, 1, 1, new int[] {0x64ff});
        assertArrayEquals(new int[] {100, 100, 100}, rgb(ImageInput.read(encode(deep, "png"), "deep"), 0, 0));
    }

    @Test
    void transparencyIsDropped() throws IOException {
        var image = new BufferedImage(1, 1, BufferedImage.TYPE_INT_ARGB);
        image.setRGB(0, 0, 0x80102030);
        assertArrayEquals(new int[] {16, 32, 48}, rgb(ImageInput.read(encode(image, "png"), "alpha"), 0, 0));
    }

    @Test
    void coloursAreNotMultipliedByOpacity() {
        for (int type : new int[] {
            BufferedImage.TYPE_INT_ARGB,
            BufferedImage.TYPE_INT_ARGB_PRE,
            BufferedImage.TYPE_4BYTE_ABGR,
            BufferedImage.TYPE_4BYTE_ABGR_PRE
        }) {
            var image = new BufferedImage(1, 1, type);
            image.setRGB(0, 0, 0x80c86432);
            assertNear(new int[] {200, 100, 50}, rgb(ImageInput.of(image), 0, 0), 1);
        }
    }

    /** Three components are luma and chromas unless something says otherwise, whatever they are called. */
    @ParameterizedTest
    @CsvSource({"0,1,2", "1,2,3", "10,20,30"})
    void componentsOfAJpegHaveAnyNumbers(int first, int second, int third) throws IOException {
        var image = new BufferedImage(16, 16, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 256; i++) {
            image.setRGB(i % 16, i / 16, 0xd02020);
        }
        byte[] jpeg = wholeChromas(image);
        int app0 = 2 + ((jpeg[4] & 255) << 8 | jpeg[5] & 255);
        byte[] plain = Arrays.copyOfRange(jpeg, app0, jpeg.length); // without JFIF's marker
        plain[0] = jpeg[0];
        plain[1] = jpeg[1];
        byte[] ids = {(byte) first, (byte) second, (byte) third};
        for (int i = 0; i + 1 < plain.length; i++) {
            boolean frame = plain[i] == (byte) 0xff && plain[i + 1] == (byte) 0xc0;
            boolean scan = plain[i] == (byte) 0xff && plain[i + 1] == (byte) 0xda;
            for (int c = 0; c < 3 && (frame || scan); c++) {
                plain[i + (frame ? 10 + 3 * c : 5 + 2 * c)] = ids[c];
            }
        }
        for (byte[] file : List.of(plain, insert(plain, exif(1, true)))) {
            assertNear(new int[] {0xd0, 0x20, 0x20}, rgb(ImageInput.read(file, "jpeg"), 8, 8), 4);
        }
    }

    /** A JPEG whose three components have the same size, as ImageIO takes RGB to be. */
    private static byte[] wholeChromas(BufferedImage image) throws IOException {
        var out = new ByteArrayOutputStream();
        var writer = ImageIO.getImageWritersByFormatName("jpeg").next();
        try (var stream = ImageIO.createImageOutputStream(out)) {
            writer.setOutput(stream);
            var metadata = writer.getDefaultImageMetadata(new ImageTypeSpecifier(image), null);
            var tree = (IIOMetadataNode) metadata.getAsTree("javax_imageio_jpeg_image_1.0");
            var luma =
                    (IIOMetadataNode) tree.getElementsByTagName("componentSpec").item(0);
            luma.setAttribute("HsamplingFactor", "1");
            luma.setAttribute("VsamplingFactor", "1");
            metadata.setFromTree("javax_imageio_jpeg_image_1.0", tree);
            writer.write(null, new IIOImage(image, null, metadata), null);
        } finally {
            writer.dispose();
        }
        return out.toByteArray();
    }

    private static void assertNear(int[] expected, int[] actual, int tolerance) {
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], tolerance, Arrays.toString(actual));
        }
    }

    @Test
    void jpegWithFourInksIsConverted() throws IOException {
        // Stored as Adobe's programs do, 255 for no ink: cyan 255, magenta 128, yellow 255, black 200.
        WritableRaster raster = Raster.createInterleavedRaster(0, 16, 16, 4, null);
        for (int i = 0; i < 256; i++) {
            raster.setPixel(i % 16, i / 16, new int[] {255, 128, 255, 200});
        }
        var out = new ByteArrayOutputStream();
        var writer = ImageIO.getImageWritersByFormatName("jpeg").next();
        try (var stream = ImageIO.createImageOutputStream(out)) {
            writer.setOutput(stream);
            writer.write(null, new IIOImage(raster, null, null), null);
        } finally {
            writer.dispose();
        }
        byte[] adobe = {(byte) 0xff, (byte) 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0};
        var picture = ImageInput.read(insert(out.toByteArray(), adobe), "cmyk");
        int[] rgb = rgb(picture, 8, 8);
        assertEquals(200, rgb[0], 3);
        assertEquals(100, rgb[1], 3);
        assertEquals(200, rgb[2], 3);
    }

    private static byte[] insert(byte[] jpeg, byte[] segment) {
        var all = new byte[jpeg.length + segment.length];
        System.arraycopy(jpeg, 0, all, 0, 2);
        System.arraycopy(segment, 0, all, 2, segment.length);
        System.arraycopy(jpeg, 2, all, 2 + segment.length, jpeg.length - 2);
        return all;
    }

    private static byte[] exif(int orientation, boolean little) {
        var b = ByteBuffer.allocate(4 + 6 + 8 + 2 + 12 + 4);
        b.put((byte) 0xff).put((byte) 0xe1).putShort((short) (b.capacity() - 2)).put("Exif\0\0".getBytes());
        b.put(little ? new byte[] {'I', 'I'} : new byte[] {'M', 'M'});
        b.order(little ? java.nio.ByteOrder.LITTLE_ENDIAN : java.nio.ByteOrder.BIG_ENDIAN);
        b.putShort((short) 42).putInt(8).putShort((short) 1);
        b.putShort((short) 0x112)
                .putShort((short) 3)
                .putInt(1)
                .putShort((short) orientation)
                .putShort((short) 0)
                .putInt(0);
        return b.array();
    }

    /** The bright corner of the stored picture is at its top left; where must it be when the picture is upright? */
    @ParameterizedTest
    @CsvSource({
        "1,top,left",
        "2,top,right",
        "3,bottom,right",
        "4,bottom,left",
        "5,top,left",
        "6,top,right",
        "7,bottom,right",
        "8,bottom,left"
    })
    void exifOrientationIsApplied(int orientation, String vertical, String horizontal) throws IOException {
        var image = new BufferedImage(48, 32, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 16 * 16; i++) {
            image.setRGB(i % 16, i / 16, 0xffffff);
        }
        for (boolean little : new boolean[] {true, false}) {
            Path file = Files.write(dir.resolve("exif.jpg"), insert(encode(image, "jpeg"), exif(orientation, little)));
            var picture = ImageInput.read(file);
            boolean turned = orientation >= 5;
            assertEquals(new ImageInput.Size(picture.height(), picture.width()), ImageInput.size(file));
            assertEquals(turned ? 48 : 32, picture.height());
            assertEquals(turned ? 32 : 48, picture.width());
            for (int y = 0; y < 2; y++) {
                for (int x = 0; x < 2; x++) {
                    int value = picture.get(y == 0 ? 4 : picture.height() - 5, x == 0 ? 4 : picture.width() - 5, 1);
                    boolean bright = (y == 1) == vertical.equals("bottom") && (x == 1) == horizontal.equals("right");
                    assertEquals(bright ? 255 : 0, value, 12, "orientation " + orientation + " at " + y + "," + x);
                }
            }
        }
    }

    /** 5 and 1 leave the corner in place but 5 transposes: checked with a second, distinct corner. */
    @Test
    void orientationsDiffer() {
        var picture = new Picture(2, 3, 1, new byte[] {1, 2, 3, 4, 5, 6});
        byte[][] expected = {
            {},
            {1, 2, 3, 4, 5, 6},
            {3, 2, 1, 6, 5, 4},
            {6, 5, 4, 3, 2, 1},
            {4, 5, 6, 1, 2, 3},
            {1, 4, 2, 5, 3, 6},
            {4, 1, 5, 2, 6, 3},
            {6, 3, 5, 2, 4, 1},
            {3, 6, 2, 5, 1, 4}
        };
        for (int o = 1; o <= 8; o++) {
            assertArrayEquals(expected[o], picture.oriented(o).pixels(), "orientation " + o);
        }
    }

    @Test
    void damagedExifDataIsIgnored() throws IOException {
        var jpeg = encode(flag(BufferedImage.TYPE_INT_RGB), "jpeg");
        for (int cut = 0; cut < 22; cut++) {
            byte[] segment = exif(6, true);
            Arrays.fill(segment, segment.length - cut, segment.length, (byte) 0xff);
            assertEquals(48, ImageInput.read(insert(jpeg, segment), "exif").pixels().length / 3);
        }
    }

    @Test
    void hugePictureIsRefusedFromItsHeader() throws IOException {
        var png = encode(flag(BufferedImage.TYPE_INT_RGB), "png");
        var header = ByteBuffer.wrap(png);
        header.putInt(16, 20_000).putInt(20, 20_000);
        var crc = new CRC32();
        crc.update(png, 12, 17);
        header.putInt(29, (int) crc.getValue());
        long start = System.nanoTime();
        var e = assertThrows(DataException.class, () -> ImageInput.read(png, "bomb.png"));
        assertTrue(e.getMessage().contains("bomb.png") && e.getMessage().contains("20000"), e.getMessage());
        assertTrue(System.nanoTime() - start < 2_000_000_000L);
        header.putInt(16, 12_000).putInt(20, 12_000); // sides in range, product not
        crc.reset();
        crc.update(png, 12, 17);
        header.putInt(29, (int) crc.getValue());
        assertThrows(DataException.class, () -> ImageInput.read(png, "bomb.png"));
    }

    @Test
    void everyDamageIsADataException() throws IOException {
        var random = new Random(7);
        var noise = new BufferedImage(40, 30, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 1200; i++) {
            noise.setRGB(i % 40, i / 40, random.nextInt());
        }
        for (String format : new String[] {"png", "jpeg", "gif", "bmp"}) {
            byte[] good = encode(noise, format);
            for (int i = 0; i < 400; i++) {
                byte[] bad = i % 2 == 0 ? Arrays.copyOf(good, random.nextInt(good.length)) : good.clone();
                for (int k = 0; k < i % 5 && bad.length > 0; k++) {
                    bad[random.nextInt(Math.min(bad.length, 200))] = (byte) random.nextInt();
                }
                try {
                    ImageInput.read(bad, "damaged." + format);
                } catch (DataException e) {
                    assertTrue(e.getMessage().contains("damaged." + format), e.getMessage());
                }
            }
        }
    }

    @Test
    void missingAndForeignFilesAreNamed() throws IOException {
        var missing = dir.resolve("missing.jpg");
        assertTrue(assertThrows(DataException.class, () -> ImageInput.read(missing))
                .getMessage()
                .contains("no such file"));
        var text = Files.writeString(dir.resolve("text.jpg"), "no picture");
        var message =
                assertThrows(DataException.class, () -> ImageInput.read(text)).getMessage();
        assertTrue(message.contains("text.jpg") && message.contains("format"), message);
        assertThrows(DataException.class, () -> ImageInput.read(dir));
        assertThrows(DataException.class, () -> ImageInput.read(new byte[0], "empty"));
    }

    @Test
    void shrinkingAverages() {
        // 4 pixels to 2: a triangle of half-width 2 about 1.0 covers pixels 0..2 at distances .5, .5, 1.5, that is with
        // weights .75, .75, .25 of 1.75: (.75*0 + .75*100 + .25*200) / 1.75 = 71.43; by symmetry the other from 1..3.
        var row = new Picture(1, 4, 1, new byte[] {0, 100, (byte) 200, 40});
        assertArrayEquals(
                new byte[] {71, (byte) (int) Math.round((.25 * 100 + .75 * 200 + .75 * 40) / 1.75)},
                row.resize(1, 2).pixels());
        var column = new Picture(4, 1, 1, row.pixels());
        assertArrayEquals(row.resize(1, 2).pixels(), column.resize(2, 1).pixels());
    }

    @Test
    void growingInterpolates() {
        // Outputs lie at -.25, .25, .75, 1.25 of the input's pixels; beyond the edge there is nothing to mix in.
        var row = new Picture(1, 2, 1, new byte[] {0, 100});
        assertArrayEquals(new byte[] {0, 25, 75, 100}, row.resize(1, 4).pixels());
    }

    /** What a camera might see: a sky, a hill with a sharp edge, and grain finer than any network's input. */
    private static BufferedImage scene(int width, int height) {
        var image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
        var random = new Random(width * 31L + height);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                double u = (double) x / width;
                double v = (double) y / height;
                boolean hill = v > 0.6 - 0.2 * Math.sin(5 * u);
                double grain = 25 * Math.sin(x * 1.7) * Math.sin(y * 1.3 + u * 9) + 12 * random.nextGaussian();
                double red = hill ? 60 + 90 * u + grain : 90 + 100 * v;
                double green = hill ? 140 - 60 * v + grain : 140 + 80 * v;
                double blue = hill ? 40 + 30 * Math.cos(7 * v) + grain : 235 - 40 * u * v;
                int rgb = 0;
                for (double c : new double[] {red, green, blue}) {
                    rgb = rgb << 8 | (int) Math.clamp(c, 0, 255);
                }
                image.setRGB(x, y, rgb);
            }
        }
        return image;
    }

    /** [y][x][channel], turned upright from what EXIF calls 1, 3, 6 or 8. */
    private static double[][][] upright(BufferedImage stored, int orientation) {
        int w = stored.getWidth();
        int h = stored.getHeight();
        boolean turned = orientation >= 5;
        var out = new double[turned ? w : h][turned ? h : w][3];
        for (int y = 0; y < out.length; y++) {
            for (int x = 0; x < out[0].length; x++) {
                int rgb = switch (orientation) {
                    case 3 -> stored.getRGB(w - 1 - x, h - 1 - y);
                    case 6 -> stored.getRGB(y, h - 1 - x);
                    case 8 -> stored.getRGB(w - 1 - y, x);
                    default -> stored.getRGB(x, y);
                };
                out[y][x] = new double[] {rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255};
            }
        }
        return out;
    }

    /** Pillow's BILINEAR along the first axis, in double precision: a mean under a triangle, nothing rounded. */
    private static double[][][] resizeRows(double[][][] in, int to) {
        double scale = (double) in.length / to;
        double support = Math.max(scale, 1);
        var out = new double[to][in[0].length][3];
        for (int o = 0; o < to; o++) {
            double centre = (o + 0.5) * scale;
            double total = 0;
            for (int i = 0; i < in.length; i++) {
                total += Math.max(0, 1 - Math.abs(i + 0.5 - centre) / support);
            }
            for (int i = 0; i < in.length; i++) {
                double weight = Math.max(0, 1 - Math.abs(i + 0.5 - centre) / support) / total;
                for (int x = 0; weight > 0 && x < out[o].length; x++) {
                    for (int c = 0; c < 3; c++) {
                        out[o][x][c] += weight * in[i][x][c];
                    }
                }
            }
        }
        return out;
    }

    private static double[][][] transposed(double[][][] in) {
        var out = new double[in[0].length][in.length][];
        for (int y = 0; y < in.length; y++) {
            for (int x = 0; x < in[0].length; x++) {
                out[x][y] = in[y][x];
            }
        }
        return out;
    }

    /** Photographs from the file to the network's input: decoded, turned, resized, cut, as the formulas say. */
    @ParameterizedTest
    @CsvSource({"640,480,1", "481,640,6", "1600,1203,8", "2000,700,3", "257,256,1", "150,113,6", "224,224,1"})
    void jpegsBecomeWhatPillowsResizeMakesOfThem(int width, int height, int orientation) throws IOException {
        byte[] jpeg = encode(scene(width, height), "jpeg");
        var in = upright(ImageIO.read(new ByteArrayInputStream(jpeg)), orientation);
        byte[] file = orientation == 1 ? jpeg : insert(jpeg, exif(orientation, true));
        int shorter = Math.min(in.length, in[0].length);
        int longer = Math.max(in.length, in[0].length);
        for (int side : new int[] {0, 256}) {
            boolean stretch = side == 0;
            boolean fits = in.length == 224 && in[0].length == 224; // seen as it is
            int other = (int) Math.rint((double) side * longer / shorter);
            int h = stretch || fits ? 224 : in.length == shorter ? side : other;
            int w = stretch || fits ? 224 : in.length == shorter ? other : side;
            var wanted = transposed(resizeRows(transposed(resizeRows(in, h)), w));
            var found = new float[224 * 224 * 3];
            new Pictures(224, 224, 3, Preprocess.RAW, side).convert(ImageInput.read(file, "scene.jpg"), found, 0);
            double sum = 0;
            for (int y = 0, i = 0; y < 224; y++) {
                for (int x = 0; x < 224; x++) {
                    for (int c = 0; c < 3; c++, i++) {
                        double exact = wanted[y + (h - 224) / 2][x + (w - 224) / 2][c];
                        assertEquals(Math.rint(exact), found[i], 1, side + " at " + y + "," + x + "," + c);
                        sum += Math.abs(exact - found[i]);
                    }
                }
            }
            assertTrue(
                    sum / found.length < 0.4,
                    "rounded twice, each time by a quarter in the mean: " + sum / found.length);
        }
    }

    @Test
    void shorterSideAndCrop() {
        var picture = new Picture(20, 41, 3, new byte[20 * 41 * 3]);
        var small = picture.resizeShorter(10);
        assertEquals(10, small.height());
        assertEquals(20, small.width()); // 20.5, half to even
        var crop = small.centreCrop(9, 9);
        assertEquals(9, crop.height());
        assertEquals(9, crop.width());
        assertEquals(
                5,
                new Picture(1, 10, 1, new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
                                .centreCrop(1, 1)
                                .get(0, 0, 0)
                        + 1);
        assertThrows(DataException.class, () -> small.centreCrop(11, 9));
        assertThrows(DataException.class, () -> small.resize(0, 5));
        assertThrows(DataException.class, () -> small.resize(20_000, 5));
    }

    private static int[] rgb(Picture p, int y, int x) {
        return new int[] {p.get(y, x, 0), p.get(y, x, 1), p.get(y, x, 2)};
    }
}
