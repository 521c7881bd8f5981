// Batch normalization on the host against double precision: also where the mean is large against the deviation.
#include "check.h"
#include "Normalization.cu"
#include "Reduction.cu"

static void normalization(int rows, int c, int chunk, float offset, bool aligned) {
    size_t n = static_cast<size_t>(rows) * c;
    Buffer whole = randomBuffer(n + 4);
    size_t skip = 0;
    while ((reinterpret_cast<size_t>(&whole[skip]) % 16 == 0) != aligned) {
        skip++;
    }
    float* x = &whole[skip];
    for (size_t i = 0; i < n; i++) {
        x[i] += offset * static_cast<float>(1 + i % c);
    }
    Buffer gamma = randomBuffer(c, 0.5f, 2), beta = randomBuffer(c), residual = randomBuffer(n), dy = randomBuffer(n), z = randomBuffer(n);
    std::vector<double> moments(2 * c), scale(2 * c);
    for (int k = 0; k < c; k++) {
        double sum = 0;
        double squares = 0;
        for (int r = 0; r < rows; r++) {
            sum += x[static_cast<size_t>(r) * c + k];
        }
        double mean = sum / rows;
        for (int r = 0; r < rows; r++) {
            double d = x[static_cast<size_t>(r) * c + k] - mean;
            squares += d * d;
        }
        moments[k] = mean;
        moments[c + k] = squares / rows;
    }
    char what[100];
    snprintf(what, sizeof what, "rows=%d c=%d chunk=%d offset=%g aligned=%d", rows, c, chunk, offset, aligned);
    int chunks = ceilDivide(rows, chunk);
    dim3 block(16, 16), tall(16, 64);
    Buffer m(2 * c);
    for (uint64_t seed : seeds) {
        Buffer partial(static_cast<size_t>(chunks) * 3 * c), again(2 * c);
        LAUNCH(seed, dim3(ceilDivide(c, 64), chunks), block, 0, moments_partial(rows, c, chunk, x, partial));
        LAUNCH(seed, dim3(ceilDivide(c, 16)), tall, 0, moments_merge(rows, c, chunk, partial, again));
        // both to their own rounding, however far the mean is from 0
        check(std::string("moments ") + what, again, moments,
            [&](size_t i) { return i < static_cast<size_t>(c) ? 4e-7 * (std::fabs(moments[i]) + 1) : 5e-6 * moments[i] + 1e-12; });
        if (seed == 0) {
            memcpy(static_cast<float*>(m), static_cast<float*>(again), 2 * c * sizeof(float));
        }
        same(std::string("moments ") + what, m, again);
    }
    const float epsilon = 1e-3f;
    auto xhat = [&](size_t i) { return (static_cast<double>(x[i]) - m[i % c]) / std::sqrt(static_cast<double>(m[c + i % c]) + epsilon); };
    std::vector<double> y(n), s(2 * c), dx(n), dm(n), magnitude(2 * c);
    auto passed = [&](size_t i, bool relu) { return relu && z[i] <= 0 ? 0.0 : dy[i]; };
    for (uint64_t seed : seeds) {
        for (bool fused : {false, true}) {
            unsigned gridY = static_cast<unsigned>(seed + 1);
            float* r = fused ? static_cast<float*>(residual) : nullptr;
            float* zz = fused ? static_cast<float*>(z) : nullptr;
            std::fill(s.begin(), s.end(), 0);
            std::fill(magnitude.begin(), magnitude.end(), 0);
            for (size_t i = 0; i < n; i++) {
                double v = gamma[i % c] * xhat(i) + beta[i % c] + (fused ? residual[i] : 0);
                y[i] = fused && v <= 0 ? 0 : v;
                s[i % c] += passed(i, fused);
                s[c + i % c] += passed(i, fused) * xhat(i);
                magnitude[i % c] += std::fabs(dy[i]);
                magnitude[c + i % c] += std::fabs(dy[i] * xhat(i));
            }
            Buffer by(n), bs(2 * c), partial(static_cast<size_t>(chunks) * 2 * c), bx(n), bm(n);
            LAUNCH(seed, dim3(ceilDivide(c, 64), gridY), block, 0,
                batch_norm(rows, c, epsilon, fused ? RELU : NONE, 0, 0, x, m, gamma, beta, r, by));
            check(std::string("batch_norm ") + what, by, y, 2e-6, 4e-6);
            LAUNCH(seed, dim3(ceilDivide(c, 64), chunks), block, 0, batch_norm_sums(rows, c, epsilon, chunk, dy, zz, x, m, partial));
            LAUNCH(seed, dim3(ceilDivide(2 * c, 32)), dim3(32, 16), 0, reduce_columns(0, 1, chunks, 2 * c, chunks, partial, bs));
            check(std::string("batch_norm_sums ") + what, bs, s, [&](size_t i) { return 200 * 0x1p-24 * magnitude[i] + 1e-7; });
            for (size_t i = 0; i < n; i++) {
                double k = gamma[i % c] / std::sqrt(static_cast<double>(m[c + i % c]) + epsilon);
                dx[i] = k * (passed(i, fused) - static_cast<double>(bs[i % c]) / rows - xhat(i) * bs[c + i % c] / rows);
                dm[i] = (bs[i % c] + 2.0 * bs[c + i % c] * (static_cast<double>(x[i]) - m[i % c])) / rows;
            }
            LAUNCH(seed, dim3(ceilDivide(c, 64), gridY), block, 0, batch_norm_gradient(rows, c, epsilon, dy, zz, x, m, gamma, bs, bx));
            check(std::string("batch_norm_gradient ") + what, bx, dx, 4e-6, 4e-6 + 1e-5 * (rows < 3 ? 30 : 0));
            LAUNCH(seed, dim3(ceilDivide(c, 64), gridY), block, 0, moments_gradient(rows, c, bs, x, m, bm));
            check(std::string("moments_gradient ") + what, bm, dm, 2e-6, 2e-6);
        }
    }
}

int main() {
    for (int rows : {1, 2, 15, 16, 17, 49, 200, 1000}) {
        for (int c : {1, 3, 4, 16, 17, 64, 65, 68, 130}) {
            normalization(rows, c, 16, 0, true);
            normalization(rows, c, 64, 0, rows % 2 == 0);
            normalization(rows, c, 2048, 0, rows % 2 == 1);
        }
    }
    normalization(4000, 8, 256, 1000, true);
    normalization(3000, 5, 512, 100, true);
    normalization(1500, 4, 16, 0, true); // more chunks than the merging block has threads
    return report("normalization");
}
