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

    /** What a worker needs to find and transform a tile. */
    static class Tile {
        final float[][] from = new float[6][];
        final int[] at = new int[6 + 64];
        float[] t = Lanes.array(0);

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

    void fetchInputs(Tile s, int t0, int count) {
        fetch(s, t0, count, x, inH, inW * channels, top, m + 2 - top);
    }

    /**
     * Fetches rows of images of x: those from {@code above} the first tile's first to {@code below} the last tile's. Where tiles are
     * not in the order of their rows, images are small and gain little.
     */
    void fetch(Tile s, int t0, int count, Memory x, int height, int row, int above, int below) {
        if (shortH + shortW > 0) {
            return;
        }
        locate(s, t0);
        int from = s.image * height + Math.max(0, s.p - above);
        locate(s, t0 + count - 1);
        int to = s.image * height + Math.min(height, s.p + below);
        s.t[BASE] = x.fetch(from * row, (to - from) * row);
    }

    /**
     * Transformed, m = 4, channels [c0, c0 + c), position after position with so many numbers between; a tile that hangs over the
     * image's border from a copy with zeros.
     */
    void inputTile(Tile s, int tile, int c0, int c, float[] to, int at, int step) {
        locate(s, tile);
        int h0 = s.p - top;
        int w0 = s.q - left;
        int row = inW * channels;
        int from = x.offset() + (s.image * inH + h0) * row + w0 * channels + c0;
        int t = BASE + positions * c;
        if (h0 >= 0 && w0 >= 0 && h0 + alpha <= inH && w0 + alpha <= inW) {
            WinogradTransforms.inputTile(c, x.array(), from, row, channels, s.t, t, to, at, step);
            return;
        }
        int o = BASE;
        for (int i = h0; i < h0 + alpha; i++) {
            for (int j = w0; j < w0 + alpha; j++, o += c) {
                if (i >= 0 && i < inH && j >= 0 && j < inW) {
                    System.arraycopy(x.array(), from + (i - h0) * row + (j - w0) * channels, s.t, o, c);
                } else {
                    Arrays.fill(s.t, o, o + c, 0);
                }
            }
        }
        WinogradTransforms.inputTile(c, s.t, BASE, alpha * c, c, s.t, t, to, at, step);
    }

    /** The first pass over c channels from c0 on, to {@code s.t[at]}. */
    void inputColumns(Tile s, int tile, int c0, int c, int at) {
        locate(s, tile);
        int h0 = s.p - top;
        int w0 = s.q - left;
        int image = s.image * inH;
        for (int j = 0; j < alpha; j++) {
            for (int i = 0; i < alpha; i++) {
                boolean inside = h0 + i >= 0 && h0 + i < inH && w0 + j >= 0 && w0 + j < inW;
                s.from[i] = inside ? x.array() : ZEROS;
                s.at[i] = inside ? x.offset() + ((image + h0 + i) * inW + w0 + j) * channels + c0 : 0;
            }
            WinogradTransforms.input(m, c, s.from, s.at, s.t, at + j * c, alpha * c);
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
