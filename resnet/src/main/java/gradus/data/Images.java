package gradus.data;

import java.util.List;

/** Pictures held in memory. */
public final class Images implements Dataset {
    private final String name;
    private final int height;
    private final int width;
    private final int channels;
    private final List<String> labels;
    private final byte[][] pixels;
    private final int[] label;

    /**
     * Takes over the arrays without a copy.
     *
     * @param pixels one array per picture: {@code height * width * channels} unsigned bytes, channels innermost
     * @param label class index of each picture
     * @throws DataException if a picture has another length or a label is out of range
     */
    public Images(String name, int height, int width, int channels, List<String> labels, byte[][] pixels, int[] label) {
        if (pixels.length != label.length) {
            throw new DataException(name + ": " + pixels.length + " pictures but " + label.length + " labels");
        }
        for (int i = 0; i < label.length; i++) {
            if (pixels[i].length != height * width * channels) {
                throw new DataException("%s[%d]: %d bytes, a %dx%dx%d picture has %d"
                        .formatted(name, i, pixels[i].length, height, width, channels, height * width * channels));
            }
            if (label[i] < 0 || label[i] >= labels.size()) {
                throw new DataException(
                        name + "[" + i + "]: label " + label[i] + " is not in 0.." + (labels.size() - 1));
            }
        }
        this.name = name;
        this.height = height;
        this.width = width;
        this.channels = channels;
        this.labels = List.copyOf(labels);
        this.pixels = pixels;
        this.label = label;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public int size() {
        return pixels.length;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public int channels() {
        return channels;
    }

    @Override
    public List<String> labels() {
        return labels;
    }

    @Override
    public int label(int i) {
        return label[i];
    }

    @Override
    public void image(int i, byte[] out) {
        System.arraycopy(pixels[i], 0, out, 0, pixels[i].length);
    }
}
