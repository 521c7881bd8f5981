package gradus.backend.simd;

import static gradus.backend.simd.Lanes.L;
import static gradus.backend.simd.Lanes.SPECIES;
import static gradus.backend.simd.MicroKernel.PANEL;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The left operand A of every product, seen as a matrix that is never stored. Row {@code (n, p, q)} of a grid of window
 * positions holds the values under one window: for each tap {@code (i, j)} the channels of input pixel
 * {@code (p stepH + tapH[i], q stepW + tapW[j])}, zeros where that is outside. An ordinary matrix is the case of one tap on
 * images of one pixel.
 *
 * <p>In NHWC neighbouring taps of a row lie side by side, so a row of A is a few runs of consecutive input values, which
 * are copied just before use. This replaces im2col and padded inputs.
 */
final class Patches extends Rows.Operand {
    private static final int SHORT = 96;

    /** The number of each lane. */
    private static final FloatVector LANE = FloatVector.zero(SPECIES).addIndex(1);

    private float[] x;
    private int start;
    private int h;
    private int w;

    /** Elements from one input pixel to the next, and how many of them are read. */
    private int pixel;

    private int channels;
    private int gridH;
    private int gridW;
    private int stepH;
    private int stepW;

    /** Offsets of the taps; both grow as needed and are filled by the caller of {@link #window}. */
    int[] tapH = new int[8];

    int[] tapW = new int[8];
    private int tapsH;
    private int tapsW;

    /** How many neighbouring taps of a row of the kernel form one run. */
    private int span;

    /** One tap, no step, no padding: row r of A is pixel r of the input. */
    private boolean plain;

    private boolean alone;

    /** Whether nobody else reads pixels that are to be made, which then need not be left in memory. */
    void alone(boolean yes) {
        alone = yes;
    }

    boolean isAlone() {
        return alone;
    }

    /** For a reader that makes every pixel when it needs it, as often as it does; or null, if others need them or they are there. */
    Rows takeRows() {
        if (!alone) {
            makeRows();
        }
        Rows rows = rows();
        madeBy(null, null);
        return rows;
    }

    /** Whether rows of A are pixels that are to be made, for nobody else: they can be made where they are wanted. */
    boolean makesOwn() {
        return rows() != null && alone && plain;
    }

    /** A is the row-major matrix at x. */
    void matrix(Memory x, int columns) {
        image(x, 1, 1, columns, columns);
        window(1, 1, 1, 1, 1, 1);
        tapH[0] = 0;
        tapW[0] = 0;
        ready();
    }

    void image(Memory x, int h, int w, int pixel, int channels) {
        this.x = x.array();
        this.start = x.offset();
        this.h = h;
        this.w = w;
        this.pixel = pixel;
        this.channels = channels;
    }

    void window(int gridH, int gridW, int stepH, int stepW, int tapsH, int tapsW) {
        this.gridH = gridH;
        this.gridW = gridW;
        this.stepH = stepH;
        this.stepW = stepW;
        this.tapsH = tapsH;
        this.tapsW = tapsW;
        tapH = tapH.length < tapsH ? new int[tapsH] : tapH;
        tapW = tapW.length < tapsW ? new int[tapsW] : tapW;
    }

    /** To be called when the taps have been set. */
    void ready() {
        boolean contiguous = channels == pixel;
        for (int j = 1; j < tapsW; j++) {
            contiguous &= tapW[j] == tapW[j - 1] + 1;
        }
        span = contiguous ? tapsW : 1;
        plain = tapsH * tapsW == 1
                && tapH[0] == 0
                && tapW[0] == 0
                && stepH == 1
                && stepW == 1
                && gridH == h
                && gridW == w;
    }

    /** Whether each row of A lies in the input in one piece: one tap, always inside the image. */
    boolean direct() {
        return tapsH * tapsW == 1
                && tapH[0] >= 0
                && tapW[0] >= 0
                && (gridH - 1) * stepH + tapH[0] < h
                && (gridW - 1) * stepW + tapW[0] < w;
    }

    /** Where a row of A begins in the input, if it is {@link #direct}. */
    private int at(int row) {
        if (plain) {
            return start + row * pixel;
        }
        int ih = row / gridW % gridH * stepH + tapH[0];
        int iw = row % gridW * stepW + tapW[0];
        return start + ((row / gridW / gridH * h + ih) * w + iw) * pixel;
    }

    /**
     * Copies rows {@code [row, row + count)} of {@link #direct} A, k elements of each, to every {@link MicroKernel#PITCH}.
     *
     * @param near whether they are in a cache; memory delivers two rows at once faster
     */
    void copy(int row, int count, int channel, int k, boolean near, float[] y, int at) {
        int half = near || k % L != 0 ? 0 : count / 2;
        for (int r = 0; r < half; r++) {
            int to = at + r * MicroKernel.PITCH;
            copy(at(row + r) + channel, at(row + half + r) + channel, y, to, to + half * MicroKernel.PITCH, k);
        }
        for (int r = 2 * half; r < count; r++) {
            System.arraycopy(x, at(row + r) + channel, y, at + r * MicroKernel.PITCH, k);
        }
    }

    /** Two rows of whole vectors. */
    private void copy(int first, int second, float[] y, int at, int to, int n) {
        float[] x = this.x;
        for (int i = 0; i < n; i += L) {
            var u = FloatVector.fromArray(SPECIES, x, first + i);
            var v = FloatVector.fromArray(SPECIES, x, second + i);
            u.intoArray(y, at + i);
            v.intoArray(y, to + i);
        }
    }

    /** Window positions of an image. */
    int positions() {
        return gridH * gridW;
    }

    int gridW() {
        return gridW;
    }

    int channels() {
        return channels;
    }

    /** Elements of a run: the taps that lie side by side in the input. */
    int run() {
        return span * channels;
    }

    /** The part of a run that lies inside the image, as a range of elements of the row; none if it begins at its end. */
    int insideFrom(int row, int run) {
        int runs = tapsW / span;
        int ih = row / gridW % gridH * stepH + tapH[run / runs];
        int iw = row % gridW * stepW + tapW[run % runs * span];
        boolean outside = ih < 0 || ih >= h || iw >= w || iw <= -span;
        return run * run() + (outside ? run() : Math.max(0, -iw) * channels);
    }

    int insideTo(int row, int run) {
        int iw = row % gridW * stepW + tapW[run % (tapsW / span) * span];
        return run * run() + Math.clamp(w - iw, 0, span) * channels;
    }

    /** The window positions at which a tap reads inside the image are rows [firstRow, endRow) of the grid ... */
    int firstRow(int tap) {
        return first(tapH[tap / tapsW], stepH, gridH);
    }

    int endRow(int tap) {
        return end(tapH[tap / tapsW], stepH, gridH, h);
    }

    /** ... and columns [firstColumn, endColumn). */
    int firstColumn(int tap) {
        return first(tapW[tap % tapsW], stepW, gridW);
    }

    int endColumn(int tap) {
        return end(tapW[tap % tapsW], stepW, gridW, w);
    }

    private static int first(int offset, int step, int grid) {
        return Math.min(grid, MatMul.ceil(Math.max(0, -offset), step));
    }

    private static int end(int offset, int step, int grid, int size) {
        return Math.min(grid, MatMul.ceil(Math.max(0, size - offset), step));
    }

    /** Forgets the input, so that its memory can be collected. */
    void release() {
        x = null;
    }

    /**
     * Copies elements {@code [k0, k1)} of a row of A to {@code y[at]}, the channels taken from {@code channel} on. May
     * write up to a vector of garbage behind them.
     */
    void row(int row, int k0, int k1, int channel, float[] y, int at) {
        if (plain) {
            copy(start + row * pixel + channel + k0, y, at, k1 - k0);
            return;
        }
        if (k0 == k1) {
            return;
        }
        int q = row % gridW;
        int p = row / gridW % gridH;
        int image = row / gridW / gridH * h;
        int length = span * channels;
        int runs = tapsW / span;
        int run = k0 / length;
        int i = run / runs;
        int j = run - i * runs;
        for (int k = k0; k < k1; ) {
            int begin = (i * runs + j) * length;
            int end = Math.min(k1, begin + length);
            int ih = p * stepH + tapH[i];
            int iw = q * stepW + tapW[j * span];
            if (ih < 0 || ih >= h || iw >= w || iw <= -span) {
                zero(y, at + k - k0, end - k);
            } else {
                int from = start + ((image + ih) * w + iw) * pixel + channel - begin;
                int low = iw >= 0 ? k : Math.min(end, Math.max(k, begin - iw * channels));
                int high = iw + span <= w ? end : Math.max(low, Math.min(end, begin + (w - iw) * channels));
                zero(y, at + k - k0, low - k);
                copy(from + low, y, at + low - k0, high - low);
                zero(y, at + high - k0, end - high);
            }
            k = end;
            if (++j == runs) {
                j = 0;
                i++;
            }
        }
    }

    /**
     * Elements {@code [k0, k1)} of {@code count} rows that follow each other along one row of the grid, or anywhere if
     * {@link #plain}; of one tap, which lies inside the image for all of them. They go to panels of {@link MicroKernel#panels}, the
     * first at {@code y[at]} and each {@code panel} behind the one before, where garbage may be written behind a tile's elements.
     */
    void panels(int row, int count, int k0, int k1, int channel, float[] y, int at, int panel) {
        int from = start + row * pixel + channel + k0;
        int step = pixel;
        if (!plain) {
            int tap = k0 / channels;
            int ih = row / gridW % gridH * stepH + tapH[tap / tapsW];
            int iw = row % gridW * stepW + tapW[tap % tapsW];
            from = start + ((row / gridW / gridH * h + ih) * w + iw) * pixel + channel + k0 - tap * channels;
            step = stepW * pixel;
        }
        panels(x, from, step, count, k1 - k0, y, at, panel);
    }

    /** Rows of n numbers, {@code step} apart, to panels. */
    static void panels(float[] x, int from, int step, int count, int n, float[] y, int at, int panel) {
        for (int left = n; left > 0; ) {
            int tile = MicroKernel.tilePanels(left);
            int tiles = 1;
            while (left > tiles * tile && MicroKernel.tilePanels(left - tiles * tile) == tile) {
                tiles++;
            }
            panels(x, from, step, count, tile, tiles, Math.min(tile, left), y, at, panel);
            from += tile * tiles;
            left -= tile * tiles;
            at += tiles * panel;
        }
    }

    /** Some panels of equally many rows, {@code whole} of them elements of A. */
    private static void panels(
            float[] x, int from, int step, int count, int tile, int tiles, int whole, float[] y, int to, int panel) {
        int behind = from + (tiles - 1) * tile + PANEL;
        int safe = behind > x.length ? 0 : Math.min(count, (x.length - behind) / step + 1);
        for (int r = 0; r < safe; r++, from += step, to += PANEL) {
            for (int t = 0, i = from, o = to; t < tiles; t++, i += tile, o += panel) {
                for (int j = 0; j < PANEL; j += L) {
                    FloatVector.fromArray(SPECIES, x, i + j).intoArray(y, o + j);
                }
            }
        }
        for (int r = safe; r < count; r++, from += step, to += PANEL) { // a vector would go beyond the end
            for (int t = 0; t < tiles; t++) {
                System.arraycopy(x, from + t * tile, y, to + t * panel, whole);
            }
        }
    }

    /** Where A lies and row r begins, with its distance from the next, if A {@link #isPlain}. */
    float[] array() {
        return x;
    }

    int rowAt(int row) {
        return start + row * pixel;
    }

    int pitch() {
        return pixel;
    }

    /** Whether row r of A is pixel r of the input. */
    boolean isPlain() {
        return plain;
    }

    /** Whether each row of A is one pixel, whole, of those that are to be made. */
    boolean isMade() {
        return direct() && channels == pixel && x == made().array() && start == made().offset();
    }

    /** Where, counted in pixels, a row of A lies of which that is so; the first at 0, and the one behind the last at the end. */
    int pixelAt(int row, int rows) {
        return row == 0 ? 0 : row == rows ? rows / positions() * h * w : (at(row) - start) / pixel;
    }

    /** Whether a row of A is many runs too short for each to find its own way, as under a first kernel on three channels. */
    boolean shortRuns() {
        return !plain && tapsH > 1 && span == tapsW && span * channels < SHORT;
    }

    /**
     * Copies {@code count} whole rows of A from {@code row} on to {@code y[at + i * pitch]}, run by run for all rows at once.
     *
     * @param from room for as many addresses
     */
    void rows(int row, int count, int channel, float[] y, int at, int pitch, int[] from) {
        int length = span * channels;
        int image = 0;
        int p = 0;
        int q = -1;
        for (int i = 0; i < count; i++) {
            if (q >= 0 && q < gridW - 1) {
                q++; // the next position: divisions take as long as copying a run
            } else {
                image = (row + i) / gridW / gridH;
                p = (row + i) / gridW % gridH;
                q = (row + i) % gridW;
            }
            int ih = p * stepH + tapH[0];
            int iw = q * stepW + tapW[0];
            boolean inside = ih >= 0 && ih - tapH[0] + tapH[tapsH - 1] < h && iw >= 0 && iw + span <= w;
            if (inside) {
                from[i] = start + ((image * h + ih) * w + iw) * pixel + channel;
            } else {
                from[i] = -1;
                int first = start + ((image * h + ih) * w + iw) * pixel + channel;
                int last = first + (tapH[tapsH - 1] - tapH[0]) * w * pixel;
                if (length <= 3 * L && first >= 0 && last + 3 * L <= x.length) {
                    border(tapsH, first, p * stepH, iw, y, at + i * pitch);
                } else {
                    row(row + i, 0, tapsH * length, channel, y, at + i * pitch);
                }
            }
        }
        float[] x = this.x;
        for (int tap = 0; tap < tapsH; tap++) {
            int down = (tapH[tap] - tapH[0]) * w * pixel;
            int to = at + tap * length;
            for (int i = 0; i < count; i++, to += pitch) {
                int source = from[i] + down;
                if (from[i] >= 0 && length <= 3 * L && source + 3 * L <= x.length) {
                    FloatVector.fromArray(SPECIES, x, source).intoArray(y, to);
                    if (length > L) {
                        FloatVector.fromArray(SPECIES, x, source + L).intoArray(y, to + L);
                    }
                    if (length > 2 * L) {
                        FloatVector.fromArray(SPECIES, x, source + 2 * L).intoArray(y, to + 2 * L);
                    }
                } else if (from[i] >= 0) {
                    copy(source, y, to, length);
                }
            }
        }
    }

    /** A whole row, as many taps, whose window, read from {@code first} on, is partly outside: what is there gives way to zeros. */
    void border(int taps, int first, int top, int iw, float[] y, int at) {
        int length = span * channels;
        float low = Math.max(0, -iw) * channels;
        float high = Math.min(span, w - iw) * channels;
        var inside0 = LANE.compare(VectorOperators.GE, low).and(LANE.compare(VectorOperators.LT, high));
        var inside1 = LANE.compare(VectorOperators.GE, low - L).and(LANE.compare(VectorOperators.LT, high - L));
        var inside2 = LANE.compare(VectorOperators.GE, low - 2 * L).and(LANE.compare(VectorOperators.LT, high - 2 * L));
        var zero = FloatVector.zero(SPECIES);
        float[] x = this.x;
        for (int tap = 0; tap < taps; tap++, at += length) {
            int ih = top + tapH[tap];
            if (ih < 0 || ih >= h) {
                zero.intoArray(y, at);
                if (length > L) {
                    zero.intoArray(y, at + L);
                }
                if (length > 2 * L) {
                    zero.intoArray(y, at + 2 * L);
                }
            } else {
                int source = first + (tapH[tap] - tapH[0]) * w * pixel;
                zero.blend(FloatVector.fromArray(SPECIES, x, source), inside0).intoArray(y, at);
                if (length > L) {
                    zero.blend(FloatVector.fromArray(SPECIES, x, source + L), inside1)
                            .intoArray(y, at + L);
                }
                if (length > 2 * L) {
                    zero.blend(FloatVector.fromArray(SPECIES, x, source + 2 * L), inside2)
                            .intoArray(y, at + 2 * L);
                }
            }
        }
    }

    /** Whole vectors as long as the source has them: what is written too much is overwritten or never read. */
    private void copy(int from, float[] y, int at, int n) {
        float[] x = this.x;
        int i = 0;
        int whole = Math.min(n, x.length - from - L + 1);
        for (; i < whole; i += L) {
            FloatVector.fromArray(SPECIES, x, from + i).intoArray(y, at + i);
        }
        for (; i < n; i++) {
            y[at + i] = x[from + i];
        }
    }

    private static void zero(float[] y, int at, int n) {
        for (int i = 0; i < n; i++) {
            y[at + i] = 0;
        }
    }
}
