// The kernels for sm_90a on the host: descriptors, swizzle, fences and the order of copies and products, against plain loops in
// double precision over operands rounded to bfloat16.
#include "check.h"
#include "Hopper.cu"

static float half(const Buffer& words, size_t i) {
    uint32_t u;
    memcpy(&u, &const_cast<Buffer&>(words)[i / 2], 4);
    return emulation::fromBits(i % 2 == 0 ? u << 16 : u & 0xffff0000);
}

static Buffer converted(Buffer& x, uint64_t seed) {
    Buffer y(x.size() / 2);
    LAUNCH(seed, dim3(2), dim3(256), 0, to_bf16(static_cast<int>(x.size()), x, reinterpret_cast<uint32_t*>(static_cast<float*>(y))));
    Buffer halves(x.size());
    std::vector<double> expected(x.size());
    for (size_t i = 0; i < x.size(); i++) {
        halves[i] = half(y, i);
        expected[i] = emulation::fromBits(toBf16(x[i]) << 16);
    }
    check("to_bf16", halves, expected, 0, 0);
    return y;
}

/// The transpose of x (rows, columns).
static Buffer transposed(Buffer& x, int rows, int columns, uint64_t seed) {
    Buffer y(x.size() / 2);
    LAUNCH(seed, dim3(ceilDivide(columns, 32), ceilDivide(rows, 64)), dim3(32, 8), 0,
        to_bf16_transposed(rows, columns, x, reinterpret_cast<uint32_t*>(static_cast<float*>(y))));
    Buffer halves(x.size());
    std::vector<double> expected(x.size());
    for (int c = 0; c < columns; c++)
        for (int r = 0; r < rows; r++) {
            size_t i = static_cast<size_t>(c) * rows + r;
            halves[i] = half(y, i);
            expected[i] = emulation::fromBits(toBf16(x[static_cast<size_t>(r) * columns + c]) << 16);
        }
    check("to_bf16_transposed", halves, expected, 0, 0);
    return y;
}

static size_t sharedBytes(int bn) { return 4 * 128 * (128 + bn); }

static void matMul(int m, int n, int k, int bn, int splits, bool exact) {
    Buffer a = exact ? integerBuffer(static_cast<size_t>(m) * k, -3, 3) : randomBuffer(static_cast<size_t>(m) * k);
    Buffer b = exact ? integerBuffer(static_cast<size_t>(k) * n, -3, 3) : randomBuffer(static_cast<size_t>(k) * n);
    Buffer ha = converted(a, 1), hb = transposed(b, k, n, 2);
    int chunk = std::max(64, ceilDivide(ceilDivide(k, splits), 64) * 64);
    splits = ceilDivide(k, chunk);
    std::vector<double> y(static_cast<size_t>(m) * n), magnitude(y.size());
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++) {
                double p = static_cast<double>(half(ha, static_cast<size_t>(i) * k + l)) * half(hb, static_cast<size_t>(j) * k + l);
                y[static_cast<size_t>(i) * n + j] += p;
                magnitude[static_cast<size_t>(i) * n + j] += std::fabs(p);
            }
    char what[100];
    snprintf(what, sizeof what, "hopper_matmul 128x%d m=%d n=%d k=%d splits=%d exact=%d", bn, m, n, k, splits, exact);
    auto kernel = bn == 64 ? hopper_matmul_128x64 : bn == 128 ? hopper_matmul_128x128 : hopper_matmul_128x256;
    Buffer first(y.size());
    for (uint64_t seed : seeds) {
        Buffer workspace(y.size() * splits), result(y.size());
        LAUNCH(seed, dim3(ceilDivide(m, 128) * ceilDivide(n, bn), 1, splits), dim3(256), sharedBytes(bn),
            kernel(m, n, k, splits, chunk, ha, hb, workspace));
        LAUNCH(seed, dim3(2), dim3(256), 0, sum_splits(splits, static_cast<int>(y.size()), n, NONE, 0, 0, workspace, nullptr, nullptr, result));
        check(what, result, y, [&](size_t i) { return exact ? 0 : (k + 8) * 0x1p-24 * (magnitude[i] + 1); });
        if (seed == 0) {
            memcpy(static_cast<float*>(first), static_cast<float*>(result), y.size() * sizeof(float));
        }
        same(what, first, result);
    }
}

static void convolution(const Window& g, int bn, int splits, bool exact) {
    int cg = g.c / g.groups;
    int fg = g.f / g.groups;
    size_t nx = static_cast<size_t>(g.n) * g.h * g.w * g.c;
    int k = g.kh * g.kw * cg;
    size_t ny = static_cast<size_t>(g.n) * g.oh * g.ow * g.f;
    Buffer x = exact ? integerBuffer(nx, -3, 3) : randomBuffer(nx);
    Buffer w = exact ? integerBuffer(static_cast<size_t>(k) * g.f, -3, 3) : randomBuffer(static_cast<size_t>(k) * g.f);
    Buffer bias = integerBuffer(g.f, -3, 3), residual = integerBuffer(ny, -3, 3);
    Buffer hx = converted(x, 1), hw = transposed(w, k, g.f, 2);
    std::vector<double> y(ny), magnitude(ny);
    for (int n = 0; n < g.n; n++)
        for (int p = 0; p < g.oh; p++)
            for (int q = 0; q < g.ow; q++)
                for (int o = 0; o < g.f; o++) {
                    size_t yi = ((static_cast<size_t>(n) * g.oh + p) * g.ow + q) * g.f + o;
                    for (int i = 0; i < g.kh; i++)
                        for (int j = 0; j < g.kw; j++) {
                            int h = p * g.strideH + i * g.dilationH - g.top;
                            int v = q * g.strideW + j * g.dilationW - g.left;
                            for (int c = 0; c < cg && h >= 0 && h < g.h && v >= 0 && v < g.w; c++) {
                                double product = static_cast<double>(half(hx, ((static_cast<size_t>(n) * g.h + h) * g.w + v) * g.c + o / fg * cg + c))
                                    * half(hw, static_cast<size_t>(o) * k + (i * g.kw + j) * cg + c);
                                y[yi] += product;
                                magnitude[yi] += std::fabs(product);
                            }
                        }
                    y[yi] = std::max(0.0, y[yi] + bias[o] + residual[yi]);
                }
    int chunk = std::max(64, ceilDivide(ceilDivide(k, splits), 64) * 64);
    splits = ceilDivide(k, chunk);
    char what[200];
    snprintf(what, sizeof what, "hopper_conv2d 128x%d h=%d w=%d c=%d f=%d k=%dx%d s=%d d=%d groups=%d splits=%d exact=%d", bn, g.h, g.w, g.c,
        g.f, g.kh, g.kw, g.strideH, g.dilationH, g.groups, splits, exact);
    auto kernel = bn == 64 ? hopper_conv2d_128x64 : bn == 128 ? hopper_conv2d_128x128 : hopper_conv2d_128x256;
    for (uint64_t seed : seeds) {
        Buffer workspace(ny * splits), result(ny);
        dim3 grid(ceilDivide(g.n * g.oh * g.ow, 128) * ceilDivide(fg, bn), 1, g.groups * splits);
        bool whole = splits == 1;
        LAUNCH(seed, grid, dim3(256), sharedBytes(bn), kernel(g, splits, chunk, whole ? RELU : NONE, 0, 0, hx, hw,
            whole ? static_cast<float*>(bias) : nullptr, whole ? static_cast<float*>(residual) : nullptr, workspace));
        if (!whole) {
            LAUNCH(seed, dim3(2), dim3(256), 0, sum_splits(splits, static_cast<int>(ny), g.f, RELU, 0, 0, workspace, bias, residual, result));
        }
        check(what, whole ? workspace : result, y, [&](size_t i) { return exact ? 0 : (k + 8) * 0x1p-24 * (magnitude[i] + 8); });
    }
}

int main() {
    for (int bn : {64, 128, 256}) {
        matMul(128, bn, 64, bn, 1, true);
        matMul(130, 70, 72, bn, 1, false);
        matMul(64, 260, 520, bn, 3, true);
        matMul(200, 36, 328, bn, 1, true);
        matMul(5, 3, 8, bn, 1, false);
        convolution({1, 9, 8, 16, 9, 8, 72, 3, 3, 1, 1, 1, 1, 1, 1, 1}, bn, 1, true);
        convolution({2, 7, 7, 32, 4, 4, 64, 1, 1, 2, 2, 1, 1, 0, 0, 1}, bn, 1, false);
        convolution({1, 8, 8, 48, 3, 3, 24, 3, 3, 2, 2, 2, 2, 1, 1, 2}, bn, 3, true);
        convolution({1, 5, 5, 8, 5, 5, 4, 5, 5, 1, 1, 1, 1, 2, 2, 1}, bn, 1, false);
    }
    return report("hopper");
}
