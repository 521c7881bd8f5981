package gradus.resnet;

/** Numbers of filters of the three convolutions on a block's main path: F1, F2, F3. */
public record Filters(int first, int middle, int last) {
    public static Filters of(int first, int middle, int last) {
        return new Filters(first, middle, last);
    }
}
