// Softmax, its logarithm and one-hot rows on the host against double precision.
#include "check.h"
#include "Loss.cu"

int main() {
    for (int rows : {1, 7, 8, 9, 20}) {
        for (int classes : {1, 2, 10, 31, 32, 33, 64, 100, 1000}) {
            for (float scale : {1.0f, 80.0f}) {
                size_t n = static_cast<size_t>(rows) * classes;
                Buffer x = randomBuffer(n, -scale, scale), y(n), labels(rows);
                std::vector<double> soft(n), logarithm(n), hot(n);
                for (int r = 0; r < rows; r++) {
                    double largest = -INFINITY;
                    double sum = 0;
                    for (int k = 0; k < classes; k++) {
                        largest = std::max(largest, static_cast<double>(x[static_cast<size_t>(r) * classes + k]));
                    }
                    for (int k = 0; k < classes; k++) {
                        sum += std::exp(x[static_cast<size_t>(r) * classes + k] - largest);
                    }
                    labels[r] = static_cast<float>(r == 3 ? classes : r == 5 ? -1 : r == 6 ? 0.5 : integer(0, classes - 1));
                    for (int k = 0; k < classes; k++) {
                        size_t i = static_cast<size_t>(r) * classes + k;
                        soft[i] = std::exp(x[i] - largest) / sum;
                        logarithm[i] = x[i] - largest - std::log(sum);
                        hot[i] = r == 3 || r == 5 || r == 6 ? NAN : labels[r] == static_cast<float>(k) ? 1 : 0;
                    }
                }
                for (uint64_t seed : seeds) {
                    dim3 grid(ceilDivide(rows, 8));
                    LAUNCH(seed, grid, dim3(256), 0, softmax(rows, classes, x, y));
                    check("softmax", y, soft, 3e-6 + scale * 1.2e-7, 1e-30);
                    LAUNCH(seed, grid, dim3(256), 0, log_softmax(rows, classes, x, y));
                    check("log_softmax", y, logarithm, 3e-7, 2e-6);
                    LAUNCH(seed, grid, dim3(256), 0, one_hot(rows, classes, labels, y));
                    check("one_hot", y, hot, 0, 0);
                }
            }
        }
    }
    Buffer x(4, 1), y(4);
    x[2] = NAN;
    LAUNCH(0, dim3(1), dim3(256), 0, softmax(1, 4, x, y));
    check("softmax of NaN", y, std::vector<double>(4, NAN), 0, 0);
    return report("loss");
}
