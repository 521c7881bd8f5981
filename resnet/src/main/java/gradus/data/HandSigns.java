package gradus.data;

import java.util.List;
import java.util.stream.IntStream;

/**
 * Pictures of hands that show 0 to 5 fingers, 64 x 64 RGB, made up on the spot: a training set that needs no download and
 * has no licence. Each is a posed hand in three dimensions under its own light before its own background; persons, poses,
 * views, light and camera vary more widely than in any one series of photographs, so that what is learned carries over to
 * real ones. Most of the pictures are plain: raised fingers straight, folded ones closed, the thumb clearly in or out; a
 * few are not, as real ones.
 *
 * <p>0 is a ring of all fingers and the thumb, a fist, or rarely an empty wall; 1 the index finger; 2 index and middle
 * finger; 3 thumb, index and middle finger, or the three middle fingers; 4 all but the thumb; 5 all. Where a sign is drawn
 * in several ways, the ways differ in frequency.
 *
 * <p>Picture {@code i} of seed {@code s} depends on {@code (s, i)} alone: not on how many are made, on which threads, nor
 * on the machine, since only exactly specified arithmetic is used.
 */
public final class HandSigns {
    /** Height and width of a picture. */
    public static final int SIZE = 64;

    public static final List<String> LABELS = List.of("0", "1", "2", "3", "4", "5");

    private HandSigns() {}

    /**
     * Makes {@code count} pictures on all cores. Every six consecutive pictures show the six signs in a random order.
     *
     * @throws DataException for a negative count
     */
    public static Dataset generate(int count, long seed) {
        if (count < 0) {
            throw new DataException("cannot generate " + count + " pictures, the number must not be negative");
        }
        var pixels = new byte[count][];
        var labels = new int[count];
        int chunk = 16;
        IntStream.range(0, (count + chunk - 1) / chunk).parallel().forEach(c -> {
            var painter = new HandPainter();
            for (int i = c * chunk; i < Math.min(count, (c + 1) * chunk); i++) {
                labels[i] = label(i, seed);
                pixels[i] = painter.paint(labels[i], new Rng(seed, i));
            }
        });
        return new Images("generated hand signs (seed " + seed + ")", SIZE, SIZE, 3, LABELS, pixels, labels);
    }

    /** What picture {@code i} shows. */
    static int label(int i, long seed) {
        return new Rng(seed, i / 6, -1).permutation(6)[i % 6];
    }
}
