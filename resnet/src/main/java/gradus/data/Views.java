package gradus.data;

import java.util.List;

/** Data sets made of other data sets. */
final class Views {
    private Views() {}

    record Subset(Dataset of, int[] indices) implements Dataset {
        @Override
        public String name() {
            return of.name();
        }

        @Override
        public int size() {
            return indices.length;
        }

        @Override
        public int height() {
            return of.height();
        }

        @Override
        public int width() {
            return of.width();
        }

        @Override
        public int channels() {
            return of.channels();
        }

        @Override
        public List<String> labels() {
            return of.labels();
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
    }

    record Concat(Dataset first, Dataset second) implements Dataset {
        @Override
        public String name() {
            return first.name().equals(second.name()) ? first.name() : first.name() + " + " + second.name();
        }

        @Override
        public int size() {
            return first.size() + second.size();
        }

        @Override
        public int height() {
            return first.height();
        }

        @Override
        public int width() {
            return first.width();
        }

        @Override
        public int channels() {
            return first.channels();
        }

        @Override
        public List<String> labels() {
            return first.labels();
        }

        @Override
        public int label(int i) {
            return i < first.size() ? first.label(i) : second.label(i - first.size());
        }

        @Override
        public void image(int i, byte[] out) {
            if (i < first.size()) {
                first.image(i, out);
            } else {
                second.image(i - first.size(), out);
            }
        }

        @Override
        public String source(int i) {
            return i < first.size() ? first.source(i) : second.source(i - first.size());
        }
    }
}
