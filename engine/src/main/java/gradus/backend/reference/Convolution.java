package gradus.backend.reference;

import gradus.backend.Window;

/**
 * Convolution of images, as defined in {@link Window}: x is (n, h, w, c), the kernel w (kh, kw, c / groups, f), y (n,
 * oh, ow, f).
 *
 * <p>With S = sum of y dy, convolution is one trilinear form: over all places (n, p, q), taps (i, j), input channels c
 * and output channels o of the same group,
 *
 * <pre>    S = sum x[n, p s + i d - top, q s + j d - left, c] w[i, j, c, o] dy[n, p, q, o]</pre>
 *
 * <p>y, dx and dw are its derivatives with respect to dy, x and w: the same loops over the same triples, each time with
 * two factors read and the third accumulated.
 */
final class Convolution {
    private Convolution() {}

    /** Input element x meets elements w .. w + n - 1 of the kernel in elements y .. y + n - 1 of the result. */
    private interface Meeting {
        void at(int x, int w, int y, int n);
    }

    /**
     * Visits all products of S: for each result pixel in the order of taps (i, j) and channels c; the run is over o.
     */
    private static void forEachMeeting(Window g, Meeting meeting) {
        int cg = g.c() / g.groups();
        int fg = g.f() / g.groups();
        for (int n = 0; n < g.n(); n++) {
            for (int p = 0; p < g.oh(); p++) {
                for (int q = 0; q < g.ow(); q++) {
                    for (int i = 0; i < g.kh(); i++) {
                        int h = p * g.strideH() + i * g.dilationH() - g.top();
                        if (h < 0 || h >= g.h()) {
                            continue; // padding: x is 0 there
                        }
                        for (int j = 0; j < g.kw(); j++) {
                            int w = q * g.strideW() + j * g.dilationW() - g.left();
                            if (w < 0 || w >= g.w()) {
                                continue;
                            }
                            for (int c = 0; c < g.c(); c++) {
                                int firstOutput = c / cg * fg;
                                meeting.at(
                                        ((n * g.h() + h) * g.w() + w) * g.c() + c,
                                        ((i * g.kw() + j) * cg + c % cg) * g.f() + firstOutput,
                                        ((n * g.oh() + p) * g.ow() + q) * g.f() + firstOutput,
                                        fg);
                            }
                        }
                    }
                }
            }
        }
    }

    /** x[n, h stepH, w stepW, c] += some[n, h, w, c]. */
    static void addStrided(Window g, Doubles some, int stepH, int stepW, Doubles x) {
        int from = 0;
        for (int n = 0; n < g.n(); n++) {
            for (int h = 0; h < g.h(); h += stepH) {
                for (int w = 0; w < g.w(); w += stepW) {
                    for (int c = 0; c < g.c(); c++) {
                        int to = ((n * g.h() + h) * g.w() + w) * g.c() + c;
                        x.set(to, x.get(to) + some.get(from++));
                    }
                }
            }
        }
    }

    /** y[n, p, q, o] = sum over i, j, c of x[n, p s + i d - top, q s + j d - left, c] w[i, j, c, o]. */
    static void conv2d(Window g, Doubles x, Doubles w, Doubles y) {
        y.fill(g.n() * g.oh() * g.ow() * g.f(), 0);
        forEachMeeting(g, (xi, wi, yi, n) -> y.addScaled(yi, n, x.get(xi), w, wi));
    }

    /** The same with a float32 accumulator: the sum over (i, j, c) is rounded after every term. */
    static void conv2dFloat(Window g, Doubles x, Doubles w, Doubles y) {
        y.fill(g.n() * g.oh() * g.ow() * g.f(), 0);
        forEachMeeting(g, (xi, wi, yi, n) -> y.addScaledFloat(yi, n, x.get(xi), w, wi));
    }

    /** dx[n, h, w, c] = sum of w[i, j, c, o] dy[n, p, q, o] over all (p, q, i, j, o) that read (h, w). */
    static void conv2dInputGradient(Window g, Doubles dy, Doubles w, Doubles dx) {
        dx.fill(g.n() * g.h() * g.w() * g.c(), 0);
        forEachMeeting(g, (xi, wi, yi, n) -> dx.add(xi, dy.dot(yi, n, w, wi)));
    }

    /** dw[i, j, c, o] = sum over n, p, q of x[n, p s + i d - top, q s + j d - left, c] dy[n, p, q, o]. */
    static void conv2dKernelGradient(Window g, Doubles x, Doubles dy, Doubles dw) {
        dw.fill(g.kh() * g.kw() * (g.c() / g.groups()) * g.f(), 0);
        forEachMeeting(g, (xi, wi, yi, n) -> dw.addScaled(wi, n, x.get(xi), dy, yi));
    }
}
