package gradus.data;

import java.util.List;
import java.util.stream.IntStream;

/** Labelled pictures of one size, by index. Implementations are immutable and may be read by many threads at once. */
public interface Dataset {
    String name();

    /** Number of samples. */
    int size();

    int height();

    int width();

    /** 1 for grey, 3 for RGB. */
    int channels();

    /** Names of the classes, in the order of their indices. */
    List<String> labels();

    /** Class index of sample {@code i}, in {@code [0, labels().size())}. */
    int label(int i);

    /**
     * Writes sample {@code i} as {@code height * width * channels} unsigned bytes, row by row, channels innermost.
     *
     * @throws DataException if the picture cannot be read
     */
    void image(int i, byte[] out);

    /** Where sample {@code i} comes from, for messages: a file, or a position in one. */
    default String source(int i) {
        return name() + "[" + i + "]";
    }

    /** Bytes of one picture: {@code height * width * channels}. */
    default int imageSize() {
        return height() * width() * channels();
    }

    /** How many samples each class has. */
    default int[] counts() {
        var counts = new int[labels().size()];
        for (int i = 0; i < size(); i++) {
            counts[label(i)]++;
        }
        return counts;
    }

    /**
     * The samples at these indices, in this order; a view.
     *
     * @throws DataException for an index outside of this set
     */
    default Dataset subset(int... indices) {
        for (int i : indices) {
            if (i < 0 || i >= size()) {
                throw new DataException(name() + ": sample " + i + " does not exist, there are " + size());
            }
        }
        return new Views.Subset(this, indices.clone());
    }

    /** Samples {@code [from, to)}; a view. */
    default Dataset slice(int from, int to) {
        return subset(IntStream.range(from, to).toArray());
    }

    /**
     * This set followed by another; a view.
     *
     * @throws DataException if the two differ in picture size or labels
     */
    default Dataset concat(Dataset other) {
        if (height() != other.height() || width() != other.width() || channels() != other.channels()) {
            throw new DataException("%s has pictures of %dx%dx%d, %s of %dx%dx%d: open both with the same size"
                    .formatted(
                            name(),
                            height(),
                            width(),
                            channels(),
                            other.name(),
                            other.height(),
                            other.width(),
                            other.channels()));
        }
        if (!labels().equals(other.labels())) {
            throw new DataException(
                    name() + " and " + other.name() + " have different labels: " + labels() + " and " + other.labels());
        }
        return new Views.Concat(this, other);
    }

    /** This set with grey repeated in three channels; itself if it is RGB already. A view. */
    default Dataset rgb() {
        return channels() == 3 ? this : new Views.Rgb(this);
    }

    /** This set scaled to another size, without regard to proportions, as {@link Picture#resize} does; a view. */
    default Dataset resized(int newHeight, int newWidth) {
        return newHeight == height() && newWidth == width() ? this : new Views.Resized(this, newHeight, newWidth);
    }

    /** This set as a network sees it: pictures in files cut or stretched from what the files hold, others stretched. A view. */
    default Dataset framed(Pictures pictures) {
        return resized(pictures.height(), pictures.width());
    }
}
