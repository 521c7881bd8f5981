package gradus.backend.reference;

/** The product of two matrices. */
final class MatMul {
    private MatMul() {}

    /**
     * y[i, j] = sum over l of op(a)[i, l] op(b)[l, j], y being (m, n) and the sum having k terms in order. The loops
     * are nested so that the innermost one walks rows of b: along j where b is (k, n), along l where it is stored as
     * (n, k).
     */
    static void matMul(int m, int n, int k, boolean transposeA, boolean transposeB, Doubles a, Doubles b, Doubles y) {
        y.fill(m * n, 0);
        for (int i = 0; i < m; i++) {
            if (transposeB) {
                for (int j = 0; j < n; j++) {
                    for (int l = 0; l < k; l++) {
                        y.add(i * n + j, a.get(transposeA ? l * m + i : i * k + l) * b.get(j * k + l));
                    }
                }
            } else {
                for (int l = 0; l < k; l++) {
                    y.addScaled(i * n, n, a.get(transposeA ? l * m + i : i * k + l), b, l * n);
                }
            }
        }
    }
}
