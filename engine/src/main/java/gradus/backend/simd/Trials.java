package gradus.backend.simd;

/**
 * Finds out, shape by shape, which of two ways to compute the same bits is faster on this machine: after a few calls that may
 * still be compiled, calls take turns, and the way that had the fastest one is taken from then on. Allocates nothing.
 */
final class Trials {
    /** Calls that do not count, and those of both ways together that do. */
    static final int FIRST = 4;

    static final int CALLS = 10;

    /** Shapes that are told apart; another one that finds the place of its number taken is never tried. */
    private static final int SHAPES = 256;

    private final long[] shapes = new long[SHAPES];
    private final int[] calls = new int[SHAPES];
    private final long[][] best = new long[SHAPES][2];

    /** The place of a product's shape, or -1 if it is to be computed in the first way. */
    int place(long m, long n, long k) {
        if (m >= 1 << 20 || n >= 1 << 20 || k >= 1 << 23) {
            return -1;
        }
        long shape = (m << 20 | n) << 23 | k; // not 0: there is no such product
        int place = (int) (shape * 0x9E3779B97F4A7C15L >>> 56);
        if (shapes[place] == 0) {
            shapes[place] = shape;
            best[place][0] = best[place][1] = Long.MAX_VALUE;
        }
        return shapes[place] == shape ? place : -1;
    }

    /** Whether the next call is to be computed in the second way. */
    boolean second(int place) {
        if (place < 0) {
            return false;
        }
        return calls[place] < FIRST + CALLS ? calls[place] % 2 == 1 : best[place][1] < best[place][0];
    }

    /** What the call took. */
    void took(int place, long nanos) {
        if (place >= 0 && calls[place] < FIRST + CALLS) {
            int way = calls[place] % 2;
            if (calls[place]++ >= FIRST) {
                best[place][way] = Math.min(best[place][way], nanos);
            }
        }
    }
}
