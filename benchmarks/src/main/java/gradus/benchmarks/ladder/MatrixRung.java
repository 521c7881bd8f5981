package gradus.benchmarks.ladder;

/** C = A B, row-major: A is (m, k), B (k, n), C (m, n). */
@FunctionalInterface
interface MatrixRung {
    void multiply(int m, int n, int k, float[] a, float[] b, float[] c);
}
