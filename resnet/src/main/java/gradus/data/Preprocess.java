package gradus.data;

/** How bytes become the numbers a network is fed. {@link #CAFFE} and {@link #TORCH} need RGB. */
public enum Preprocess {
    /** {@code x}, 0..255. */
    RAW,
    /** {@code x / 255}. */
    UNIT,
    /** {@code x / 127.5 - 1}. */
    TF,
    /** Blue, green, red minus (103.939, 116.779, 123.68): ImageNet networks that came from Caffe, among them Keras's. */
    CAFFE,
    /** {@code (x / 255 - mean) / deviation} with the means .485, .456, .406 and deviations .229, .224, .225 of ImageNet. */
    TORCH,
    /**
     * {@code (x - mean of the picture's channel) / deviation of the whole picture}, the deviation taken after the means and
     * at least 4 grey levels, so that an empty wall is not blown up. A network then need not learn to see through tint,
     * brightness and contrast. Like TensorFlow's per_image_standardization but with a mean for each channel.
     */
    STANDARDIZE;

    private static final double LEAST_DEVIATION = 4;

    /** The value of each of 256 byte values, per channel of the output; built once, since 256 divisions beat millions. */
    private final float[][] table = new float[3][256];

    Preprocess() {
        for (int c = 0; c < 3; c++) {
            for (int v = 0; v < 256; v++) {
                table[c][v] = value(c, v);
            }
        }
    }

    private float value(int channel, int v) {
        return switch (this) {
            case RAW -> v;
            case UNIT -> v / 255f;
            case TF -> v / 127.5f - 1;
            case CAFFE -> v - Constants.BGR_MEAN[channel];
            case TORCH -> (float) ((v / 255.0 - Constants.MEAN[channel]) / Constants.DEVIATION[channel]);
            case STANDARDIZE -> 0; // depends on the picture
        };
    }

    /**
     * Converts one picture, channels innermost on both sides.
     *
     * @param channels 3 (RGB), or 1 with the modes that treat all channels alike
     * @param out receives {@code length} numbers from {@code at} on
     * @throws DataException for a number of channels this mode cannot take
     */
    public void convert(byte[] pixels, int length, int channels, float[] out, int at) {
        if (channels != 3 && (this == CAFFE || this == TORCH)) {
            throw new DataException(this + " preprocessing needs pictures of 3 channels, these have " + channels);
        }
        if (this == STANDARDIZE) {
            standardize(pixels, length, channels, out, at);
            return;
        }
        if (channels != 3) {
            for (int i = 0; i < length; i++) {
                out[at + i] = table[0][pixels[i] & 255];
            }
            return;
        }
        int first = this == CAFFE ? 2 : 0;
        for (int i = 0; i < length; i += 3) {
            out[at + i] = table[0][pixels[i + first] & 255];
            out[at + i + 1] = table[1][pixels[i + 1] & 255];
            out[at + i + 2] = table[2][pixels[i + 2 - first] & 255];
        }
    }

    /** Sums of whole numbers are exact: the result does not depend on the order of pixels. */
    private static void standardize(byte[] pixels, int length, int channels, float[] out, int at) {
        int count = length / channels;
        var mean = new double[channels];
        double squares = 0;
        for (int c = 0; c < channels; c++) {
            long sum = 0;
            long square = 0;
            for (int i = c; i < length; i += channels) {
                int v = pixels[i] & 255;
                sum += v;
                square += v * v;
            }
            mean[c] = (double) sum / count;
            squares += square - sum * mean[c];
        }
        double deviation = Math.max(LEAST_DEVIATION, Math.sqrt(Math.max(0, squares / length)));
        for (int i = 0; i < length; i++) {
            out[at + i] = (float) (((pixels[i] & 255) - mean[i % channels]) / deviation);
        }
    }

    /** Apart, because an enum's constructor cannot read the enum's own static fields. */
    private static final class Constants {
        static final float[] BGR_MEAN = {103.939f, 116.779f, 123.68f};
        static final double[] MEAN = {0.485, 0.456, 0.406};
        static final double[] DEVIATION = {0.229, 0.224, 0.225};
    }
}
