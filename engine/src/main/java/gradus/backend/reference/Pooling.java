package gradus.backend.reference;

import gradus.backend.Window;

/**
 * The largest or the mean value of each window, channel by channel: x is (n, h, w, c), y (n, oh, ow, c). Taps outside
 * the image take no part. A window entirely outside has the maximum -infinity and the mean NaN, and gets no gradient.
 */
final class Pooling {
    private Pooling() {}

    /** y[n, p, q, c] = max over taps (i, j) of x[n, p s + i d - top, q s + j d - left, c]; NaN if one of them is. */
    static void maxPool(Window g, Doubles x, Doubles y) {
        int yi = 0;
        for (int n = 0; n < g.n(); n++) {
            for (int p = 0; p < g.oh(); p++) {
                for (int q = 0; q < g.ow(); q++) {
                    for (int c = 0; c < g.c(); c++) {
                        int largest = largest(g, n, p, q, c, x);
                        y.set(yi++, largest < 0 ? Double.NEGATIVE_INFINITY : x.get(largest));
                    }
                }
            }
        }
    }

    /** dx[n, h, w, c] = sum of dy over all windows in which this is the first maximum. */
    static void maxPoolGradient(Window g, Doubles dy, Doubles x, Doubles dx) {
        dx.fill(g.n() * g.h() * g.w() * g.c(), 0);
        int yi = 0;
        for (int n = 0; n < g.n(); n++) {
            for (int p = 0; p < g.oh(); p++) {
                for (int q = 0; q < g.ow(); q++) {
                    for (int c = 0; c < g.c(); c++) {
                        int largest = largest(g, n, p, q, c, x);
                        if (largest >= 0) {
                            dx.add(largest, dy.get(yi));
                        }
                        yi++;
                    }
                }
            }
        }
    }

    /**
     * Index in x of the window's first maximum in row-major order, of its first NaN if there is one; -1 without taps.
     */
    private static int largest(Window g, int n, int p, int q, int c, Doubles x) {
        int best = -1;
        for (int i = 0; i < g.kh(); i++) {
            int h = row(g, p, i);
            for (int j = 0; h >= 0 && j < g.kw(); j++) {
                int w = column(g, q, j);
                if (w < 0) {
                    continue;
                }
                int xi = ((n * g.h() + h) * g.w() + w) * g.c() + c;
                if (Double.isNaN(x.get(xi))) {
                    return xi;
                }
                if (best < 0 || x.get(xi) > x.get(best)) {
                    best = xi;
                }
            }
        }
        return best;
    }

    /** y[n, p, q, c] = mean of x[n, p s + i d - top, q s + j d - left, c] over the taps (i, j) inside the image. */
    static void averagePool(Window g, Doubles x, Doubles y) {
        y.fill(g.n() * g.oh() * g.ow() * g.c(), 0);
        for (int n = 0; n < g.n(); n++) {
            for (int p = 0; p < g.oh(); p++) {
                for (int q = 0; q < g.ow(); q++) {
                    int yi = ((n * g.oh() + p) * g.ow() + q) * g.c();
                    int taps = 0;
                    for (int i = 0; i < g.kh(); i++) {
                        int h = row(g, p, i);
                        for (int j = 0; h >= 0 && j < g.kw(); j++) {
                            int w = column(g, q, j);
                            if (w >= 0) {
                                y.addScaled(yi, g.c(), 1, x, ((n * g.h() + h) * g.w() + w) * g.c());
                                taps++;
                            }
                        }
                    }
                    for (int c = 0; c < g.c(); c++) {
                        y.set(yi + c, y.get(yi + c) / taps);
                    }
                }
            }
        }
    }

    /** dx[n, h, w, c] = sum of dy[n, p, q, c] / (taps of (p, q) inside the image) over all windows that read (h, w). */
    static void averagePoolGradient(Window g, Doubles dy, Doubles dx) {
        dx.fill(g.n() * g.h() * g.w() * g.c(), 0);
        for (int n = 0; n < g.n(); n++) {
            for (int p = 0; p < g.oh(); p++) {
                for (int q = 0; q < g.ow(); q++) {
                    int yi = ((n * g.oh() + p) * g.ow() + q) * g.c();
                    int taps = taps(g, p, q);
                    for (int i = 0; i < g.kh(); i++) {
                        int h = row(g, p, i);
                        for (int j = 0; h >= 0 && j < g.kw(); j++) {
                            int w = column(g, q, j);
                            if (w >= 0) {
                                dx.addScaled(((n * g.h() + h) * g.w() + w) * g.c(), g.c(), 1.0 / taps, dy, yi);
                            }
                        }
                    }
                }
            }
        }
    }

    /** Number of taps of window (p, q) that are inside the image. */
    private static int taps(Window g, int p, int q) {
        int rows = 0;
        for (int i = 0; i < g.kh(); i++) {
            rows += row(g, p, i) >= 0 ? 1 : 0;
        }
        int columns = 0;
        for (int j = 0; j < g.kw(); j++) {
            columns += column(g, q, j) >= 0 ? 1 : 0;
        }
        return rows * columns;
    }

    /** The image row that tap i of window row p reads, or -1 if it is outside. */
    private static int row(Window g, int p, int i) {
        int h = p * g.strideH() + i * g.dilationH() - g.top();
        return h < g.h() ? Math.max(h, -1) : -1;
    }

    /** The image column that tap j of window column q reads, or -1 if it is outside. */
    private static int column(Window g, int q, int j) {
        int w = q * g.strideW() + j * g.dilationW() - g.left();
        return w < g.w() ? Math.max(w, -1) : -1;
    }
}
