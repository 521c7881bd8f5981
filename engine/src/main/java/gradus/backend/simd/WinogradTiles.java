package gradus.backend.simd;

import static gradus.backend.simd.Lanes.BASE;

import gradus.backend.Window;
import java.util.Arrays;

/**
 * A convolution's output cut into Winograd's tiles of m x m pixels, and the transform of the input under a tile: what
 * {@link Winograd} and {@link WinogradGradient} have in common.
 *
 * <p>Where the output's height is no multiple of m, the last tiles do not hang over the border but overlap, each by the row
 * above its own m - 1. Only row 0 of B' reads the first input row and only row 0 of A' makes the first output row, so
 * such a tile needs no products of the positions (0, j). Columns alike. On 14 x 14 pixels with m = 4, tiles of 4 + 4 + 3 + 3,
 * these are 16 % of all products.
 */
abstract class WinogradTiles {
    static final float[] ZEROS = new float[1 << 12];

    /**
     * Numbers, a cache line, between the end of one position or tap and the next where a transform writes or reads all of them
     * side by side: whole pages apart, dozens of lines would have one set of the first cache to share.
     */
    static final int GAP = 16;

    int images;
    int inH;
    int inW;
    int outH;
    int outW;
    int channels;
    int filters;
    int top;
    int left;
    int m;

    /** m + 2, and the positions in a tile, its square. */
    int alpha;

    int positions;

    /** All tiles; where those of whole columns begin and end, and those of whole rows end: see {@link #locate}. */
    int tiles;

    private int wholeWFrom;
    private int wholeWTo;
    private int wholeHTo;

    /** Along each axis, tiles of m pixels and, behind them, of m - 1. */
    private int wholeH;

    private int wholeW;
    private int shortH;
    private int shortW;

    Memory x;

    /** What makes x's pixels, which then are not in its memory; or null. */
    Rows rows;

    /** What a worker needs to find and transform a tile. */
    static class Tile {
        final float[][] from = new float[6][];
        final int[] at = new int[6 + 64];
        float[] t = Lanes.array(0);

        /** Copy of the pixels under a tile. */
        float[] pixels = Lanes.array(0);

        /** Where the pixels under the input tile that was found begin. */
        float[] input;

        int inputAt;
        int h0;
        int w0;

        // the tile that was located
        int image;
        int p;
        int q;
        int p0;
        int q0;
    }

    void cut(Window g, int m) {
        images = g.n();
        inH = g.h();
        inW = g.w();
        outH = g.oh();
        outW = g.ow();
        channels = g.c();
        filters = g.f();
        top = g.top();
        left = g.left();
        this.m = m;
        alpha = m + 2;
        positions = alpha * alpha;
        cut();
    }

    /** From the convolution that makes y out of x to the one that makes dx out of dy. */
    void turn() {
        int swap = inH;
        inH = outH;
        outH = swap;
        swap = inW;
        inW = outW;
        outW = swap;
        swap = channels;
        channels = filters;
        filters = swap;
        top = 2 - top;
        left = 2 - left;
        cut();
    }

    private void cut() {
        int tilesH = MatMul.ceil(outH, m);
        int tilesW = MatMul.ceil(outW, m);
        tiles = images * tilesH * tilesW;
        shortH = Math.min(tilesH, tilesH * m - outH);
        shortW = Math.min(tilesW, tilesW * m - outW);
        wholeH = tilesH - shortH;
        wholeW = tilesW - shortW;
        wholeWFrom = images * wholeH * shortW;
        wholeHTo = images * wholeH * tilesW;
        wholeWTo = tiles - images * shortH * shortW;
    }

    /**
     * Finds the tile of that number: {@code s.image}, its first pixel (p, q), and p0 = 1 or q0 = 1 if its first row or column is
     * another tile's. Whole rows come before short ones, so that the tiles which need a position follow each other: of whole
     * rows, short columns before whole ones; of short rows, the other way round.
     */
    void locate(Tile s, int tile) {
        boolean wholeRow = tile < wholeHTo;
        boolean wholeColumn = tile >= wholeWFrom && tile < wholeWTo;
        int t = tile - (wholeRow ? wholeColumn ? wholeWFrom : 0 : wholeColumn ? wholeHTo : wholeWTo);
        int rows = wholeRow ? wholeH : shortH;
        int columns = wholeColumn ? wholeW : shortW;
        s.p0 = wholeRow ? 0 : 1;
        s.q0 = wholeColumn ? 0 : 1;
        s.image = t / columns / rows;
        s.p = wholeRow ? t / columns % rows * m : wholeH * m + t / columns % rows * (m - 1) - 1;
        s.q = wholeColumn ? t % columns * m : wholeW * m + t % columns * (m - 1) - 1;
    }

    /** The first tile that needs a position, and behind the last one, of tiles [t0, t0 + count), counted from t0. */
    int firstAt(int position, int t0, int count) {
        return Math.clamp((position % alpha == 0 ? wholeWFrom : 0) - t0, 0, count);
    }

    int endAt(int position, int t0, int count) {
        int end = position < alpha ? wholeHTo : tiles;
        return Math.clamp((position % alpha == 0 ? Math.min(end, wholeWTo) : end) - t0, 0, count);
    }

    /** Fetches what will be read of x. */
    void fetchInputs(Tile s, int t0, int count) {
        if (inRows()) {
            int from = rowAt(s, t0, inH, -top) * inW;
            int n = rowAt(s, t0 + count - 1, inH, m + 2 - top) * inW - from;
            s.t[BASE] = rows != null ? rows.fetch(from, n) : x.fetch(from * channels, n * channels);
        }
    }

    /** Whether tiles are in the order of their rows; where they are not, images are small and fetching them gains little. */
    boolean inRows() {
        return shortH + shortW == 0;
    }

    /** The row, counted over all images, so far below a tile's first, or the next one inside its image. */
    int rowAt(Tile s, int tile, int height, int below) {
        locate(s, tile);
        return s.image * height + Math.clamp(s.p + below, 0, height);
    }

    /** Forgets the input, so that its memory can be collected. */
    void forget(Tile[] tiles) {
        x = null;
        rows = null;
        for (Tile s : tiles) {
            s.input = null;
        }
    }

    /** Makes room for the pixels under a tile. */
    void reservePixels(Tile s) {
        s.pixels = atLeast(s.pixels, positions * channels);
    }

    /**
     * Finds the pixels under a tile, for the methods below. They are copied where they have to be made, or where {@code whole} wants
     * zeros for those outside the image.
     */
    void find(Tile s, int tile, boolean whole) {
        locate(s, tile);
        s.h0 = s.p - top;
        s.w0 = s.q - left;
        boolean inside = s.h0 >= 0 && s.w0 >= 0 && s.h0 + alpha <= inH && s.w0 + alpha <= inW;
        int first = (s.image * inH + s.h0) * inW + s.w0;
        s.input = x.array();
        s.inputAt = x.offset() + first * channels;
        if (rows == null && (inside || !whole)) {
            return;
        }
        int j0 = Math.clamp(-s.w0, 0, alpha);
        int j1 = Math.clamp(inW - s.w0, j0, alpha);
        for (int i = 0; i < alpha; i++) {
            int to = BASE + i * alpha * channels;
            int from = to + j0 * channels;
            int end = to + j1 * channels;
            if (s.h0 + i < 0 || s.h0 + i >= inH) {
                Arrays.fill(s.pixels, to, to + alpha * channels, 0);
                continue;
            }
            Arrays.fill(s.pixels, to, from, 0);
            Arrays.fill(s.pixels, end, to + alpha * channels, 0);
            if (rows != null) {
                rows.make(first + i * inW + j0, j1 - j0, s.pixels, from, channels);
            } else {
                System.arraycopy(s.input, s.inputAt + (i * inW + j0) * channels, s.pixels, from, end - from);
            }
        }
        s.input = s.pixels;
        s.inputAt = BASE;
    }

    /** From one row of pixels found to the next. */
    private int down(Tile s) {
        return (s.input == s.pixels ? alpha : inW) * channels;
    }

    /** Transformed, m = 4, channels [c0, c0 + c) of what was found whole, position after position with so many numbers between. */
    void inputTile(Tile s, int c0, int c, float[] to, int at, int step) {
        WinogradTransforms.inputTile(c, s.input, s.inputAt + c0, down(s), channels, s.t, BASE, to, at, step);
    }

    /** The first pass over all channels of what was found, to {@code s.t[at]}. */
    void inputColumns(Tile s, int at) {
        int down = down(s);
        for (int j = 0; j < alpha; j++) {
            for (int i = 0; i < alpha; i++) {
                boolean inside = s.h0 + i >= 0 && s.h0 + i < inH && s.w0 + j >= 0 && s.w0 + j < inW;
                s.from[i] = inside ? s.input : ZEROS;
                s.at[i] = inside ? s.inputAt + i * down + j * channels : 0;
            }
            WinogradTransforms.input(m, channels, s.from, s.at, s.t, at + j * channels, alpha * channels);
        }
    }

    /** The second pass, from {@code s.t[from]}; position q goes to {@code to[at + q step]}; s.from is s.t. */
    void inputRow(Tile s, int i, int c, int from, float[] to, int at, int step) {
        for (int j = 0; j < alpha; j++) {
            s.at[j] = from + (i * alpha + j) * c;
        }
        WinogradTransforms.input(m, c, s.from, s.at, to, at + i * alpha * step, step);
    }

    static float[] atLeast(float[] a, int n) {
        return a.length >= n + BASE + 64 ? a : Lanes.array(n);
    }
}
