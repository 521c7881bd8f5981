package gradus.layers;

/** Height and width: of a kernel, of steps, of a pooling window. Printed as Keras does: (3, 3). */
public record Size(int height, int width) {
    static Size of(int both) {
        return new Size(both, both);
    }

    boolean atLeast(int least) {
        return height >= least && width >= least;
    }

    @Override
    public String toString() {
        return "(" + height + ", " + width + ")";
    }
}
