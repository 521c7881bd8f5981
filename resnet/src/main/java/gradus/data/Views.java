package gradus.data;

import java.util.List;

/** Data sets made of other data sets. */
final class Views {
    private Views() {}

    /** Answers as another set does, except where overridden. */
    private interface Of extends Dataset {
        Dataset of();

        @Override
        default String name() {
            return of().name();
        }

        @Override
        default int size() {
            return of().size();
        }

        @Override
        default int height() {
            return of().height();
        }

        @Override
        default int width() {
            return of().width();
        }

        @Override
        default int channels() {
            return of().channels();
        }

        @Override
        default List<String> labels() {
            return of().labels();
        }

        @Override
        default int label(int i) {
            return of().label(i);
        }

        @Override
        default String source(int i) {
            return of().source(i);
        }
    }

    record Subset(Dataset of, int[] indices) implements Of {
        @Override
        public int size() {
            return indices.length;
        }

        @Override
        public int label(int i) {
            return of.label(indices[i]);
        }

        @Override
        public void image(int i, byte[] out) {
            of.image(indices[i], out);
        }

        @Override
        public String source(int i) {
            return of.source(indices[i]);
        }

        @Override
        public Dataset framed(Pictures pictures) {
            return new Subset(of.framed(pictures), indices);
        }
    }

    record Concat(Dataset of, Dataset second) implements Of {
        @Override
        public String name() {
            return of.name().equals(second.name()) ? of.name() : of.name() + " + " + second.name();
        }

        @Override
        public int size() {
            return of.size() + second.size();
        }

        @Override
        public int label(int i) {
            return i < of.size() ? of.label(i) : second.label(i - of.size());
        }

        @Override
        public void image(int i, byte[] out) {
            if (i < of.size()) {
                of.image(i, out);
            } else {
                second.image(i - of.size(), out);
            }
        }

        @Override
        public Dataset framed(Pictures pictures) {
            return new Concat(of.framed(pictures), second.framed(pictures));
        }

        @Override
        public String source(int i) {
            return i < of.size() ? of.source(i) : second.source(i - of.size());
        }
    }

    record Rgb(Dataset of) implements Of {
        Rgb {
            if (of.channels() != 1) {
                throw new DataException(of.name() + ": " + of.channels() + " channels cannot be made RGB");
            }
        }

        @Override
        public int channels() {
            return 3;
        }

        @Override
        public void image(int i, byte[] out) {
            var grey = new byte[of.imageSize()];
            of.image(i, grey);
            for (int p = 0; p < grey.length; p++) {
                out[3 * p] = grey[p];
                out[3 * p + 1] = grey[p];
                out[3 * p + 2] = grey[p];
            }
        }
    }

    record Resized(Dataset of, int height, int width) implements Of {
        Resized {
            ImageInput.checkSize(of.name() + " resized", height, width);
        }

        @Override
        public void image(int i, byte[] out) {
            var original = new byte[of.imageSize()];
            of.image(i, original);
            var picture = new Picture(of.height(), of.width(), of.channels(), original).resize(height, width);
            System.arraycopy(picture.pixels(), 0, out, 0, picture.pixels().length);
        }
    }
}
