// Reductions on the host, in one stage and in two, against double precision.
#include "check.h"
#include "Reduction.cu"

static void reduce(int op, int outer, int reduced, int inner, int chunk, int values) {
    Buffer x = values == 0 ? randomBuffer(static_cast<size_t>(outer) * reduced * inner) : integerBuffer(static_cast<size_t>(outer) * reduced * inner, -values, values);
    if (op == 1 && x.size() > 5) {
        x[x.size() / 2] = NAN;
        x[1] = INFINITY;
    }
    std::vector<double> expected(static_cast<size_t>(outer) * inner, op == 0 ? 0 : -INFINITY), magnitude(expected.size());
    for (int o = 0; o < outer; o++)
        for (int r = 0; r < reduced; r++)
            for (int i = 0; i < inner; i++) {
                double v = x[(static_cast<size_t>(o) * reduced + r) * inner + i];
                double& e = expected[static_cast<size_t>(o) * inner + i];
                e = op == 0 ? e + v : std::isnan(e) || std::isnan(v) ? NAN : std::max(e, v);
                magnitude[static_cast<size_t>(o) * inner + i] += std::fabs(v);
            }
    int chunks = std::max(1, ceilDivide(reduced, chunk));
    char what[100];
    snprintf(what, sizeof what, "reduce op=%d (%d, %d, %d) chunk=%d", op, outer, reduced, inner, chunk);
    for (bool rows : {false, true}) {
        if (rows && inner != 1) {
            continue;
        }
        Buffer first(expected.size());
        for (uint64_t seed : seeds) {
            Buffer partial(expected.size() * chunks), y(expected.size());
            for (int stage = 0; stage < 2; stage++) {
                int length = stage == 0 ? reduced : chunks;
                int part = stage == 0 ? chunk : chunks;
                int parts = stage == 0 ? chunks : 1;
                float* from = stage == 0 ? x : partial;
                float* to = stage == 0 ? partial : y;
                if (rows) {
                    LAUNCH(seed, dim3(ceilDivide(outer * parts, 8)), dim3(256), 0, reduce_rows(op, outer, length, part, from, to));
                } else {
                    LAUNCH(seed, dim3(outer * parts * ceilDivide(inner, 32)), dim3(32, 16), 0,
                        reduce_columns(op, outer, length, inner, part, from, to));
                }
            }
            check(what, y, expected, [&](size_t i) { return values == 0 ? 40 * 0x1p-24 * magnitude[i] : 0; });
            if (seed == 0) {
                memcpy(static_cast<float*>(first), static_cast<float*>(y), y.size() * sizeof(float));
            }
            same(what, first, y);
        }
    }
}

static void gradient(int outer, int reduced, int inner) {
    Buffer x = integerBuffer(static_cast<size_t>(outer) * reduced * inner, 0, 3); // many that are equal
    Buffer dy = randomBuffer(static_cast<size_t>(outer) * inner), y(dy.size(), -INFINITY), dx(x.size());
    std::vector<double> expected(x.size());
    for (int o = 0; o < outer; o++)
        for (int i = 0; i < inner; i++) {
            int count = 0;
            float& largest = y[static_cast<size_t>(o) * inner + i];
            for (int r = 0; r < reduced; r++) {
                largest = std::max(largest, x[(static_cast<size_t>(o) * reduced + r) * inner + i]);
            }
            for (int r = 0; r < reduced; r++) {
                count += x[(static_cast<size_t>(o) * reduced + r) * inner + i] == largest;
            }
            for (int r = 0; r < reduced; r++) {
                size_t at = (static_cast<size_t>(o) * reduced + r) * inner + i;
                expected[at] = x[at] == largest ? static_cast<double>(dy[static_cast<size_t>(o) * inner + i]) / count : 0;
            }
        }
    for (uint64_t seed : seeds) {
        int results = outer * inner;
        LAUNCH(seed, dim3(inner < 32 ? ceilDivide(results, 8) : ceilDivide(results, 256)), dim3(256), 0,
            max_gradient(outer, reduced, inner, dy, x, y, dx));
        check("max_gradient", dx, expected, 1e-7, 0);
    }
}

int main() {
    for (int op = 0; op < 2; op++) {
        for (int outer : {1, 3, 9}) {
            for (int reduced : {1, 2, 15, 16, 17, 31, 33, 49, 128, 129, 300}) {
                for (int inner : {1, 2, 31, 32, 33, 70}) {
                    reduce(op, outer, reduced, inner, reduced, 0);
                    reduce(op, outer, reduced, inner, 16, 4);
                    reduce(op, outer, reduced, inner, 50, 0);
                }
            }
        }
        reduce(op, 2, 0, 3, 1, 0);
        reduce(op, 2, 0, 1, 1, 0);
        reduce(op, 1, 5000, 1, 1024, 0);
    }
    for (int outer : {1, 5}) {
        for (int reduced : {1, 7, 40, 100}) {
            for (int inner : {1, 3, 31, 32, 65}) {
                gradient(outer, reduced, inner);
            }
        }
    }
    return report("reduction");
}
