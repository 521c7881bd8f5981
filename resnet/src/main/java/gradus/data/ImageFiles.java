package gradus.data;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.UnaryOperator;

/** Picture files, read and resized when first asked for, and kept in memory if all of them together are small enough. */
final class ImageFiles implements Dataset {
    private static final long KEEP = 1L << 30;

    private final String name;
    private final int height;
    private final int width;
    private final List<String> labels;
    private final List<Path> files;
    private final int[] label;
    private final UnaryOperator<Picture> frame;
    private final AtomicReferenceArray<byte[]> kept;

    ImageFiles(String name, int height, int width, List<String> labels, List<Path> files, int[] label) {
        this(name, height, width, labels, files, label, picture -> picture.resize(height, width));
    }

    /** @param frame makes a picture of the given height and width */
    private ImageFiles(
            String name,
            int height,
            int width,
            List<String> labels,
            List<Path> files,
            int[] label,
            UnaryOperator<Picture> frame) {
        this.frame = frame;
        this.name = name;
        this.height = height;
        this.width = width;
        this.labels = labels;
        this.files = files;
        this.label = label;
        boolean keep = (long) files.size() * height * width * 3 <= KEEP;
        kept = keep ? new AtomicReferenceArray<>(files.size()) : null;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public int size() {
        return files.size();
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
        return 3;
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
        byte[] pixels = kept == null ? null : kept.get(i);
        if (pixels == null) {
            pixels = frame.apply(ImageInput.read(files.get(i))).pixels();
            if (kept != null) {
                kept.set(i, pixels);
            }
        }
        System.arraycopy(pixels, 0, out, 0, pixels.length);
    }

    @Override
    public String source(int i) {
        return files.get(i).toString();
    }

    @Override
    public Dataset framed(Pictures pictures) {
        return new ImageFiles(name, pictures.height(), pictures.width(), labels, files, label, pictures::framed);
    }
}
