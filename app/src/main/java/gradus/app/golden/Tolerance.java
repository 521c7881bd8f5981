package gradus.app.golden;

/** How far element {@code i} of a result may be from the truth. */
@FunctionalInterface
interface Tolerance {
    /** An absolute number, at least 0. */
    double at(int i);

    /** The same absolute number for all elements. */
    static Tolerance absolute(double bound) {
        return i -> bound;
    }
}
