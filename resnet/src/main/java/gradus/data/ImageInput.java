package gradus.data;

import gradus.io.FileException;
import java.awt.image.BufferedImage;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBufferByte;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Reads picture files: JPEG, PNG, GIF (its first frame), BMP, and what readers added to ImageIO decode. The size is taken
 * from the header and checked before memory for the pixels is asked for. TIFF is refused: its reader believes whatever sizes a
 * file states.
 */
public final class ImageInput {
    /** Pixels a side may have. */
    public static final int MAX_SIDE = 16_384;

    /** Pixels a picture may have. */
    public static final int MAX_PIXELS = 100_000_000;

    /** Bytes a file may have. */
    public static final int MAX_BYTES = 400_000_000;

    /**
     * Pixels that {@link #MAX_PIXELS} may be decoded over again: a progressive JPEG goes through all of them in every scan,
     * and a few bytes are enough for a scan.
     */
    private static final long MAX_WORK = 20L * MAX_PIXELS;

    /** Bytes of memory that any picture may take. */
    private static final long SMALL = 16 << 20;

    /** What larger ones may take, as a multiple of their file: a JPEG of one colour, turned, takes 576 times its size. */
    private static final long MOST_UNPACKED = 1000;

    private ImageInput() {}

    /** Height and width in pixels. */
    public record Size(int height, int width) {}

    /**
     * Reads a picture as RGB. Grey is repeated in all three channels, 16 bits are cut to 8, transparency is dropped, colour
     * profiles are ignored, CMYK is converted by {@code ink * black}, and a JPEG is turned as its EXIF data asks for.
     *
     * <p>Until the header has been checked, no more than 4 times the file's size and some constant are allocated; then 3
     * bytes a pixel, or a multiple of that for a format or an orientation that makes a copy necessary. If this is more than
     * 16 MiB it must not be more than 1000 times the file's size, which no photograph comes near.
     *
     * @throws DataException naming the file if it is missing, damaged, of unknown format, too large, or says to have more
     *     pixels than a file of its size can sensibly hold
     */
    public static Picture read(Path file) {
        return decode(bytes(file), file.toString());
    }

    /** As {@link #read(Path)}, from memory; {@code name} is used in messages. */
    public static Picture read(byte[] file, String name) {
        return decode(file.clone(), name);
    }

    /** @param file its bytes, which {@link JpegHeader} changes */
    private static Picture decode(byte[] file, String name) {
        var jpeg = JpegHeader.of(file);
        return open(jpeg.marked(file), name, jpeg, reader -> {
            var picture = jpeg.components() == 4 ? cmyk(reader.readRaster(0, null), jpeg) : rgb(reader.read(0), true);
            return picture.oriented(jpeg.orientation());
        });
    }

    /** A picture of the JDK's as RGB, by the rules of {@link #read(Path)}. */
    public static Picture of(BufferedImage image) {
        checkSize("a BufferedImage", image.getHeight(), image.getWidth());
        return rgb(image, false);
    }

    /**
     * The size that {@link #read(Path)} gives the picture, by the file's header alone.
     *
     * @throws DataException as {@link #read(Path)}
     */
    public static Size size(Path file) {
        byte[] bytes = bytes(file);
        var jpeg = JpegHeader.of(bytes);
        boolean turned = jpeg.orientation() >= 5;
        return open(
                bytes,
                file.toString(),
                jpeg,
                reader -> turned
                        ? new Size(reader.getWidth(0), reader.getHeight(0))
                        : new Size(reader.getHeight(0), reader.getWidth(0)));
    }

    static byte[] bytes(Path file) {
        try {
            long size = Files.size(file);
            if (size > MAX_BYTES) {
                throw new DataException(file + ": " + size + " bytes, at most " + MAX_BYTES + " are read");
            }
            byte[] bytes;
            try (var in = Files.newInputStream(file)) {
                bytes = in.readNBytes(MAX_BYTES + 1); // a device has no size, but may have no end
            }
            if (bytes.length > MAX_BYTES) {
                throw new DataException(file + ": more than the " + MAX_BYTES + " bytes that are read");
            }
            return bytes;
        } catch (NoSuchFileException e) {
            throw new DataException(file + ": no such file", e);
        } catch (IOException e) {
            throw new DataException(file + ": cannot be read (" + FileException.reason(e) + ")", e);
        } catch (OutOfMemoryError e) {
            throw new DataException(file + ": no memory for its bytes; give the JVM more with -Xmx", e);
        }
    }

    static void checkSize(String name, int height, int width) {
        if (height < 1 || width < 1 || height > MAX_SIDE || width > MAX_SIDE || (long) height * width > MAX_PIXELS) {
            throw new DataException(
                    "%s: %d x %d pixels (height x width); at least 1 and at most %d a side and %d in all are read"
                            .formatted(name, height, width, MAX_SIDE, MAX_PIXELS));
        }
    }

    private interface Use<T> {
        T with(ImageReader reader) throws IOException;
    }

    /**
     * Refuses what no file of this size can hold. A deflated block is at most 1032 times as large as its code (PNG), a block
     * of 64 pixels takes at least a bit (JPEG), a code of 12 bits stands for at most 4096 pixels (GIF).
     */
    private static void checkContent(byte[] file, String name, String format, JpegHeader jpeg, long pixels) {
        long most = switch (format.toLowerCase(Locale.ROOT)) {
            case "png" -> 1032L * file.length * 8 / pngBits(file);
            case "jpeg" -> 512L * file.length;
            case "gif" -> 4096L * file.length;
            default -> Long.MAX_VALUE;
        };
        if (pixels > most) {
            throw new DataException("%s: damaged, %d bytes cannot hold the %d pixels that the header speaks of"
                    .formatted(name, file.length, pixels));
        }
        if (jpeg.scans() * pixels > MAX_WORK) {
            throw new DataException(name + ": a JPEG of " + pixels + " pixels in " + jpeg.scans()
                    + " scans would take too long; save it as a baseline JPEG");
        }
        long memory = pixels * bytesPerPixel(file, format, jpeg);
        if (memory > Math.max(SMALL, MOST_UNPACKED * file.length)) {
            throw new DataException(
                    "%s: %d bytes would become %d MiB of pixels, as in files that are made to fill the memory; resize it"
                            .formatted(name, file.length, memory >> 20));
        }
    }

    /** What is allocated: the decoded picture, by readers its rows once more, and the RGB it becomes if that is another array. */
    private static int bytesPerPixel(byte[] file, String format, JpegHeader jpeg) {
        return switch (format.toLowerCase(Locale.ROOT)) {
            case "png" -> 2 * Math.ceilDiv(pngBits(file), 8) + (pngBits(file) == 24 ? 0 : 3);
            case "jpeg" -> 2 * jpeg.components() + (jpeg.components() == 3 ? 0 : 3) + (jpeg.orientation() > 1 ? 3 : 0);
            default -> 9;
        };
    }

    /** Bits of a pixel by IHDR, which readers have found to be there: colour types 0 grey, 2 RGB, 3 palette, 4 grey+alpha, 6. */
    private static int pngBits(byte[] file) {
        int samples = switch (file[25]) {
            case 2 -> 3;
            case 4 -> 2;
            case 6 -> 4;
            default -> 1;
        };
        return samples * Math.max(1, file[24]);
    }

    private static <T> T open(byte[] file, String name, JpegHeader jpeg, Use<T> use) {
        ImageReader reader = null;
        try (var stream = new MemoryCacheImageInputStream(new ByteArrayInputStream(file))) {
            var readers = ImageIO.getImageReaders(stream);
            if (!readers.hasNext()) {
                throw new DataException(name + ": not a picture in a known format (JPEG, PNG, GIF, BMP)");
            }
            reader = readers.next();
            if (reader.getFormatName().toLowerCase(Locale.ROOT).startsWith("tif")) {
                throw new DataException(name + ": TIFF is not read here; save it as JPEG or PNG");
            }
            reader.setInput(stream, true, true);
            checkSize(name, reader.getHeight(0), reader.getWidth(0));
            checkContent(file, name, reader.getFormatName(), jpeg, (long) reader.getHeight(0) * reader.getWidth(0));
            return use.with(reader);
        } catch (DataException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // ImageIO's decoders answer damaged files with whatever exception the damage leads to.
            throw new DataException(name + ": damaged or unsupported picture (" + e.getMessage() + ")", e);
        } catch (OutOfMemoryError e) { // at one large array: there is memory for the message
            throw new DataException(name + ": no memory for its pixels; give the JVM more with -Xmx", e);
        } finally {
            if (reader != null) {
                reader.dispose();
            }
        }
    }

    /** @param own whether the image's memory may be taken over */
    private static Picture rgb(BufferedImage image, boolean own) {
        int h = image.getHeight();
        int w = image.getWidth();
        if (own && image.getType() == BufferedImage.TYPE_3BYTE_BGR) { // what JPEGs become: no second copy of the pixels
            byte[] pixels = ((DataBufferByte) image.getRaster().getDataBuffer()).getData();
            if (pixels.length == h * w * 3) {
                for (int i = 0; i < pixels.length; i += 3) {
                    byte blue = pixels[i];
                    pixels[i] = pixels[i + 2];
                    pixels[i + 2] = blue;
                }
                return new Picture(h, w, 3, pixels);
            }
        }
        var out = new byte[h * w * 3];
        int o = 0;
        if (image.getColorModel() instanceof ComponentColorModel model && !model.isAlphaPremultiplied()) {
            // Samples as they are: getRGB would take grey values for linear light and brighten them.
            var raster = image.getRaster();
            int bands = raster.getNumBands();
            int shift = Math.max(0, model.getComponentSize(0) - 8);
            int[] row = null;
            for (int y = 0; y < h; y++) {
                row = raster.getPixels(raster.getMinX(), raster.getMinY() + y, w, 1, row);
                for (int x = 0; x < w * bands; x += bands) {
                    out[o++] = (byte) (row[x] >> shift);
                    out[o++] = (byte) (row[bands >= 3 ? x + 1 : x] >> shift);
                    out[o++] = (byte) (row[bands >= 3 ? x + 2 : x] >> shift);
                }
            }
        } else {
            int[] row = null;
            for (int y = 0; y < h; y++) {
                row = image.getRGB(0, y, w, 1, row, 0, w);
                for (int x = 0; x < w; x++) {
                    out[o++] = (byte) (row[x] >> 16);
                    out[o++] = (byte) (row[x] >> 8);
                    out[o++] = (byte) row[x];
                }
            }
        }
        return new Picture(h, w, 3, out);
    }

    /** Four inks, or luma, two chromas and black; programs of Adobe's store both inverted. */
    private static Picture cmyk(Raster raster, JpegHeader jpeg) {
        int h = raster.getHeight();
        int w = raster.getWidth();
        var out = new byte[h * w * 3];
        int[] row = null;
        int o = 0;
        for (int y = 0; y < h; y++) {
            row = raster.getPixels(0, y, w, 1, row);
            for (int x = 0; x < w * 4; x += 4) {
                double[] ink = {row[x], row[x + 1], row[x + 2]};
                if (jpeg.adobe() == 2) {
                    double luma = row[x];
                    double cb = row[x + 1] - 128;
                    double cr = row[x + 2] - 128;
                    ink[0] = 255 - (luma + 1.402 * cr);
                    ink[1] = 255 - (luma - 0.344136 * cb - 0.714136 * cr);
                    ink[2] = 255 - (luma + 1.772 * cb);
                }
                int k = row[x + 3];
                for (int c = 0; c < 3; c++) {
                    double light = Math.clamp(ink[c], 0, 255);
                    double v = jpeg.adobe() >= 0 ? light * k / 255 : (255 - light) * (255 - k) / 255;
                    out[o++] = (byte) Math.round(v);
                }
            }
        }
        return new Picture(h, w, 3, out);
    }
}
