package gradus.data;

import java.awt.image.BufferedImage;
import java.util.Arrays;

/**
 * A decoded picture: {@code height * width * channels} unsigned bytes, row by row, channels innermost. Operations that
 * change something make a new one.
 *
 * @param pixels not copied; do not write to it afterwards
 */
public record Picture(int height, int width, int channels, byte[] pixels) {
    private static final int PRECISION = 22;

    /** For each EXIF orientation: does the upright picture's first column (row) come from the stored right (lower) side? */
    private static final boolean[] FROM_RIGHT = {false, false, true, true, false, false, false, true, true};

    private static final boolean[] FROM_BELOW = {false, false, false, true, true, false, true, true, false};

    public Picture {
        if (height < 1 || width < 1 || channels < 1 || pixels.length != (long) height * width * channels) {
            throw new DataException(
                    "a picture of %dx%dx%d cannot have %d bytes".formatted(height, width, channels, pixels.length));
        }
    }

    /** The value of one channel at one point, 0..255. */
    public int get(int y, int x, int channel) {
        return pixels[(y * width + x) * channels + channel] & 255;
    }

    /** For Swing and {@code ImageIO.write}. @throws DataException unless there are 3 channels, taken as RGB, or 1 */
    public BufferedImage toImage() {
        if (channels != 3 && channels != 1) {
            throw new DataException("only pictures of 3 channels or 1 can be shown, not of " + channels);
        }
        var image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int last = channels - 1;
                image.setRGB(x, y, get(y, x, 0) << 16 | get(y, x, last / 2) << 8 | get(y, x, last));
            }
        }
        return image;
    }

    /**
     * Scales to a size, each direction on its own: bilinear, and antialiased where it shrinks. Each output pixel is the
     * mean of the input under a triangle {@code max(1, reduction)} pixels wide to either side, weights
     * {@code 1 - |distance| / width} normalised to 1; first along rows, then along columns, rounded to bytes after each. The
     * arithmetic is that of Pillow's {@code resize(..., BILINEAR)}.
     */
    public Picture resize(int newHeight, int newWidth) {
        ImageInput.checkSize("a picture resized", newHeight, newWidth);
        if (newHeight == height && newWidth == width) {
            return this;
        }
        var rows = newWidth == width ? pixels : along(pixels, height, width, newWidth, width * channels, channels);
        var both = newHeight == height ? rows : across(rows, height, newHeight, newWidth * channels);
        return new Picture(newHeight, newWidth, channels, both);
    }

    /** Scales so that the shorter side becomes {@code side} pixels, the longer one in proportion, rounded. */
    public Picture resizeShorter(int side) {
        int longer = (int) Math.rint((double) side * Math.max(height, width) / Math.min(height, width));
        return height < width ? resize(side, longer) : resize(longer, side);
    }

    /**
     * Cuts out the middle.
     *
     * @throws DataException if the picture is smaller
     */
    public Picture centreCrop(int newHeight, int newWidth) {
        if (newHeight > height || newWidth > width || newHeight < 1 || newWidth < 1) {
            throw new DataException("cannot cut %dx%d out of a picture of %dx%d; resize it first"
                    .formatted(newHeight, newWidth, height, width));
        }
        if (newHeight == height && newWidth == width) {
            return this;
        }
        int top = (height - newHeight) / 2;
        int left = (width - newWidth) / 2;
        var out = new byte[newHeight * newWidth * channels];
        for (int y = 0; y < newHeight; y++) {
            System.arraycopy(
                    pixels, ((top + y) * width + left) * channels, out, y * newWidth * channels, newWidth * channels);
        }
        return new Picture(newHeight, newWidth, channels, out);
    }

    /** Turned and mirrored as EXIF's orientation 1..8 asks for, so that it stands upright. */
    Picture oriented(int orientation) {
        if (orientation <= 1 || orientation > 8) {
            return this;
        }
        boolean swap = orientation >= 5;
        int h = swap ? width : height;
        int w = swap ? height : width;
        var out = new byte[pixels.length];
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                int across = swap ? y : x; // the source's column and row, before mirroring
                int down = swap ? x : y;
                int sx = FROM_RIGHT[orientation] ? width - 1 - across : across;
                int sy = FROM_BELOW[orientation] ? height - 1 - down : down;
                System.arraycopy(pixels, (sy * width + sx) * channels, out, (y * w + x) * channels, channels);
            }
        }
        return new Picture(h, w, channels, out);
    }

    /** First input and fixed-point weights of each of {@code to} outputs: {@code [first, w0, w1, ...]}. */
    private static int[][] triangle(int from, int to) {
        double scale = (double) from / to;
        double support = Math.max(1, scale);
        var all = new int[to][];
        for (int o = 0; o < to; o++) {
            double centre = (o + 0.5) * scale;
            int first = Math.max(0, (int) (centre - support + 0.5));
            int end = Math.min(from, (int) (centre + support + 0.5));
            var weight = new double[end - first];
            double sum = 0;
            for (int i = first; i < end; i++) {
                double w = Math.max(0, 1 - Math.abs((i - centre + 0.5) / support));
                weight[i - first] = w;
                sum += w;
            }
            var fixed = new int[weight.length + 1];
            fixed[0] = first;
            for (int i = 0; i < weight.length; i++) {
                fixed[i + 1] = (int) Math.floor(0.5 + weight[i] / sum * (1 << PRECISION));
            }
            all[o] = fixed;
        }
        return all;
    }

    private static byte[] along(byte[] in, int rows, int from, int to, int stride, int channels) {
        int[][] weights = triangle(from, to);
        var out = new byte[rows * to * channels];
        int o = 0;
        for (int y = 0; y < rows; y++) {
            for (int[] w : weights) {
                for (int c = 0; c < channels; c++) {
                    int sum = 1 << PRECISION - 1;
                    int at = y * stride + w[0] * channels + c;
                    for (int i = 1; i < w.length; i++, at += channels) {
                        sum += (in[at] & 255) * w[i];
                    }
                    out[o++] = (byte) Math.clamp(sum >> PRECISION, 0, 255);
                }
            }
        }
        return out;
    }

    private static byte[] across(byte[] in, int from, int to, int stride) {
        int[][] weights = triangle(from, to);
        var out = new byte[to * stride];
        var sum = new int[stride];
        for (int y = 0; y < to; y++) {
            Arrays.fill(sum, 1 << PRECISION - 1);
            int[] w = weights[y];
            for (int i = 1; i < w.length; i++) {
                int at = (w[0] + i - 1) * stride;
                for (int x = 0; x < stride; x++) {
                    sum[x] += (in[at + x] & 255) * w[i];
                }
            }
            for (int x = 0; x < stride; x++) {
                out[y * stride + x] = (byte) Math.clamp(sum[x] >> PRECISION, 0, 255);
            }
        }
        return out;
    }
}
