package gradus.backend.reference;

/** Sums and maxima along an axis: x is (outer, reduced, inner), y is (outer, inner). */
final class Reduction {
    private Reduction() {}

    /** y[o, i] = sum over r of x[o, r, i]; 0 where there is nothing to add. */
    static void sum(int outer, int reduced, int inner, Doubles x, Doubles y) {
        y.fill(outer * inner, 0);
        for (int o = 0; o < outer; o++) {
            for (int r = 0; r < reduced; r++) {
                for (int i = 0; i < inner; i++) {
                    y.add(o * inner + i, x.get((o * reduced + r) * inner + i));
                }
            }
        }
    }

    /** y[o, i] = max over r of x[o, r, i]; NaN if one of them is, -infinity where there are none. */
    static void max(int outer, int reduced, int inner, Doubles x, Doubles y) {
        y.fill(outer * inner, Double.NEGATIVE_INFINITY);
        for (int o = 0; o < outer; o++) {
            for (int r = 0; r < reduced; r++) {
                for (int i = 0; i < inner; i++) {
                    int at = o * inner + i;
                    y.set(at, Math.max(y.get(at), x.get((o * reduced + r) * inner + i)));
                }
            }
        }
    }

    /** dx[o, r, i] = dy[o, i] / k if x[o, r, i] is one of the k elements that equal y[o, i], else 0. */
    static void maxGradient(int outer, int reduced, int inner, Doubles dy, Doubles x, Doubles y, Doubles dx) {
        for (int o = 0; o < outer; o++) {
            for (int i = 0; i < inner; i++) {
                int at = o * inner + i;
                int k = 0;
                for (int r = 0; r < reduced; r++) {
                    k += x.get((o * reduced + r) * inner + i) == y.get(at) ? 1 : 0;
                }
                for (int r = 0; r < reduced; r++) {
                    int xi = (o * reduced + r) * inner + i;
                    dx.set(xi, x.get(xi) == y.get(at) ? dy.get(at) / k : 0);
                }
            }
        }
    }
}
