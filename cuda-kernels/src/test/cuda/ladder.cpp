// The first steps of the ladder on the host, at sizes that are no multiple of a tile.
#include "check.h"
#include "Ladder.cu"

int main() {
    const int sizes[][3] = {{1, 1, 1}, {32, 32, 32}, {33, 65, 17}, {70, 40, 100}, {128, 64, 48}};
    for (auto& s : sizes) {
        int m = s[0], n = s[1], k = s[2];
        Buffer a = integerBuffer(static_cast<size_t>(m) * k, -3, 3), b = integerBuffer(static_cast<size_t>(k) * n, -3, 3);
        std::vector<double> expected(static_cast<size_t>(m) * n);
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                for (int l = 0; l < k; l++) {
                    expected[static_cast<size_t>(i) * n + j] += static_cast<double>(a[static_cast<size_t>(i) * k + l]) * b[static_cast<size_t>(l) * n + j];
                }
        for (uint64_t seed : seeds) {
            Buffer y(expected.size());
            LAUNCH(seed, dim3(ceilDivide(n, 32), ceilDivide(m, 8)), dim3(32, 8), 0, ladder_naive(m, n, k, a, b, y));
            check("ladder_naive", y, expected, 0, 0);
            LAUNCH(seed, dim3(ceilDivide(n, 32), ceilDivide(m, 32)), dim3(32, 32), 0, ladder_tiled(m, n, k, a, b, y));
            check("ladder_tiled", y, expected, 0, 0);
            LAUNCH(seed, dim3(ceilDivide(n, 64), ceilDivide(m, 64)), dim3(256), 0, ladder_registers(m, n, k, a, b, y));
            check("ladder_registers", y, expected, 0, 0);
        }
    }
    return report("ladder");
}
