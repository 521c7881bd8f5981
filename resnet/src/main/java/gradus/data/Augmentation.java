package gradus.data;

/**
 * Random changes to a training picture that leave its class as it is. What happens to a sample depends on the seed, the
 * epoch and the sample's index alone. Points outside of the picture repeat its edge; values between pixels are bilinear.
 *
 * @param flip mirror left and right in half of the cases
 * @param shift largest shift in each direction, as a fraction of the picture's side
 * @param rotate largest rotation in degrees, either way
 * @param zoom largest change of size: 0.1 for factors 1/1.1 to 1.1
 * @param crop largest shift in whole pixels, as cropping at random from a picture padded by so many (CIFAR: 4)
 * @param brightness largest change, as a fraction of white: 0.1 adds -25.5..25.5
 * @param contrast largest change of contrast about mid-grey: 0.1 for factors 0.9 to 1.1
 * @param cutout side of a square that is painted grey, as a fraction of the picture's side; 0 for none
 */
public record Augmentation(
        boolean flip,
        double shift,
        double rotate,
        double zoom,
        int crop,
        double brightness,
        double contrast,
        double cutout) {
    /** Changes nothing. */
    public static final Augmentation NONE = new Augmentation(false, 0, 0, 0, 0, 0, 0, 0);

    /** For {@link HandSigns} and photographs like them. */
    public static final Augmentation SIGNS = NONE.withFlip(true)
            .withShift(0.1)
            .withRotate(12)
            .withZoom(0.1)
            .withBrightness(0.1)
            .withContrast(0.15);

    /** Mirror and crop, as usual for CIFAR-10. */
    public static final Augmentation CIFAR = NONE.withFlip(true).withCrop(4);

    /** @throws DataException for a negative number, a contrast of 1 or more, or a cutout above 1 */
    public Augmentation {
        double least = Math.min(
                Math.min(Math.min(shift, rotate), Math.min(zoom, crop)),
                Math.min(Math.min(brightness, contrast), cutout));
        if (!(least >= 0) || contrast >= 1 || cutout > 1) {
            throw new DataException("augmentation: amounts must be 0 or more, contrast below 1, cutout at most 1");
        }
    }

    public Augmentation withFlip(boolean value) {
        return new Augmentation(value, shift, rotate, zoom, crop, brightness, contrast, cutout);
    }

    public Augmentation withShift(double fraction) {
        return new Augmentation(flip, fraction, rotate, zoom, crop, brightness, contrast, cutout);
    }

    public Augmentation withRotate(double degrees) {
        return new Augmentation(flip, shift, degrees, zoom, crop, brightness, contrast, cutout);
    }

    public Augmentation withZoom(double amount) {
        return new Augmentation(flip, shift, rotate, amount, crop, brightness, contrast, cutout);
    }

    public Augmentation withCrop(int pixels) {
        return new Augmentation(flip, shift, rotate, zoom, pixels, brightness, contrast, cutout);
    }

    public Augmentation withBrightness(double amount) {
        return new Augmentation(flip, shift, rotate, zoom, crop, amount, contrast, cutout);
    }

    public Augmentation withContrast(double amount) {
        return new Augmentation(flip, shift, rotate, zoom, crop, brightness, amount, cutout);
    }

    public Augmentation withCutout(double fraction) {
        return new Augmentation(flip, shift, rotate, zoom, crop, brightness, contrast, fraction);
    }

    /** @param in a picture of {@code height * width * channels} bytes; {@code out} receives the changed one */
    void apply(byte[] in, byte[] out, int height, int width, int channels, long seed, int epoch, int index) {
        var rng = new Rng(seed, epoch, index, 0x617567);
        boolean mirror = flip && rng.chance(0.5);
        // All numbers are drawn in any case, so that changing one amount leaves the others' sequences as they are.
        double dx = rng.uniform(-shift, shift) * width + rng.below(2 * crop + 1) - crop;
        double dy = rng.uniform(-shift, shift) * height + rng.below(2 * crop + 1) - crop;
        double angle = Math.toRadians(rng.uniform(-rotate, rotate));
        double size = StrictMath.exp(rng.uniform(-1, 1) * StrictMath.log1p(zoom));
        warp(in, out, height, width, channels, mirror, dx, dy, angle, size);
        float gain = (float) rng.uniform(1 - contrast, 1 + contrast);
        float offset = (float) (127.5 * (1 - gain) + 255 * rng.uniform(-brightness, brightness));
        int length = height * width * channels;
        if (brightness > 0 || contrast > 0) {
            for (int i = 0; i < length; i++) {
                out[i] = (byte) Math.max(0, Math.min(255, (int) ((out[i] & 255) * gain + offset + 0.5f)));
            }
        }
        int side = (int) Math.round(cutout * Math.min(height, width));
        int cx = rng.below(width);
        int cy = rng.below(height);
        for (int y = Math.max(0, cy - side / 2); y < Math.min(height, cy - side / 2 + side); y++) {
            for (int x = Math.max(0, cx - side / 2); x < Math.min(width, cx - side / 2 + side); x++) {
                for (int c = 0; c < channels; c++) {
                    out[(y * width + x) * channels + c] = (byte) 128;
                }
            }
        }
    }

    /** Output pixel (x, y) is what lies at the inverse transform of (x, y) about the picture's centre. */
    private static void warp(
            byte[] in,
            byte[] out,
            int height,
            int width,
            int channels,
            boolean mirror,
            double dx,
            double dy,
            double angle,
            double size) {
        boolean straight = angle == 0 && size == 1 && dx == Math.rint(dx) && dy == Math.rint(dy);
        if (straight && !mirror && dx == 0 && dy == 0) {
            System.arraycopy(in, 0, out, 0, height * width * channels);
            return;
        }
        // 16.16 fixed point: exact, fast, and the same on every machine.
        int cos = (int) Math.rint(65536 * StrictMath.cos(angle) / size);
        int sin = (int) Math.rint(65536 * StrictMath.sin(angle) / size);
        int ux = mirror ? -cos : cos;
        int uy = mirror ? -sin : sin;
        double mx = (width - 1) / 2.0;
        double my = (height - 1) / 2.0;
        long x0 = Math.round(65536 * (mx + dx) - (double) ux * mx + (double) sin * my);
        long y0 = Math.round(65536 * (my + dy) - (double) uy * mx - (double) cos * my);
        int o = 0;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                long sx = x0 + (long) ux * x - (long) sin * y;
                long sy = y0 + (long) uy * x + (long) cos * y;
                int ix = (int) (sx >> 16);
                int iy = (int) (sy >> 16);
                int left = Math.max(0, Math.min(ix, width - 1));
                int top = Math.max(0, Math.min(iy, height - 1));
                int right = Math.max(0, Math.min(ix + 1, width - 1));
                int bottom = Math.max(0, Math.min(iy + 1, height - 1));
                int fx = (int) (sx & 0xffff) >> 8;
                int fy = (int) (sy & 0xffff) >> 8;
                int a = (top * width + left) * channels;
                int b = (top * width + right) * channels;
                int c = (bottom * width + left) * channels;
                int d = (bottom * width + right) * channels;
                for (int k = 0; k < channels; k++) {
                    int upper = ((in[a + k] & 255) << 8) + ((in[b + k] & 255) - (in[a + k] & 255)) * fx;
                    int lower = ((in[c + k] & 255) << 8) + ((in[d + k] & 255) - (in[c + k] & 255)) * fx;
                    out[o++] = (byte) (((upper << 8) + (lower - upper) * fy + 32768) >> 16);
                }
            }
        }
    }
}
