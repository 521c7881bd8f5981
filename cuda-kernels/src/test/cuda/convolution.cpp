// Convolution, its gradients and dense products on the host, in the precision of -DPRECISION, against plain loops in double
// precision over operands that were rounded as the kernels round them. Integers small enough to be exact in every precision
// must come out exactly, which no error of an index survives; other numbers within the rounding of a float32 sum.
#include "check.h"
#include "Convolution.cu"
#include "MatMul.cu"

static double rounded(float x) {
#if PRECISION == 1
    uint32_t u = toTf32(x);
#elif PRECISION == 2
    uint32_t u = toBf16(x) << 16;
#else
    uint32_t u;
    memcpy(&u, &x, 4);
#endif
    return emulation::fromBits(u);
}

struct TileCase {
    const char* name;
    int bm, bn, threads;
    bool any;
};

static const TileCase TILES[] = {{"128x128", 128, 128, 256, false}, {"128x64", 128, 64, 256, false}, {"64x64", 64, 64, 128, false},
    {"64x64_any", 64, 64, 128, true}};

#define PICK(prefix, t) (t == 0 ? prefix##128x128 : t == 1 ? prefix##128x64 : t == 2 ? prefix##64x64 : prefix##64x64_any)

static size_t sharedBytes(const TileCase& t) { return (PRECISION == 0 ? 2 : 3) * 64 * (t.bm + t.bn); }

/// Sums of products and of their magnitudes, from which the bound of the rounding follows.
struct Sums {
    std::vector<double> value, magnitude;
    std::vector<int> terms;
    explicit Sums(size_t n) : value(n), magnitude(n), terms(n) {}
    void add(size_t i, double a, double b) {
        value[i] += a * b;
        magnitude[i] += std::fabs(a * b);
        terms[i]++;
    }
    double bound(size_t i, bool exact) const { return exact ? 0 : (terms[i] + 8) * 0x1p-24 * (magnitude[i] + 1); }
};

static std::string text(const char* what, const Window& g, const char* tile, int splits, bool exact) {
    char s[300];
    snprintf(s, sizeof s, "%s_%s n=%d h=%d w=%d c=%d oh=%d ow=%d f=%d k=%dx%d s=%d,%d d=%d,%d pad=%d,%d groups=%d splits=%d%s", what, tile,
        g.n, g.h, g.w, g.c, g.oh, g.ow, g.f, g.kh, g.kw, g.strideH, g.strideW, g.dilationH, g.dilationW, g.top, g.left, g.groups,
        splits, exact ? " integers" : "");
    return s;
}

template <class Visit>
static void forEachProduct(const Window& g, Visit visit) {
    int cg = g.c / g.groups;
    int fg = g.f / g.groups;
    for (int n = 0; n < g.n; n++)
        for (int p = 0; p < g.oh; p++)
            for (int q = 0; q < g.ow; q++)
                for (int i = 0; i < g.kh; i++)
                    for (int j = 0; j < g.kw; j++) {
                        int h = p * g.strideH + i * g.dilationH - g.top;
                        int w = q * g.strideW + j * g.dilationW - g.left;
                        if (h < 0 || h >= g.h || w < 0 || w >= g.w) {
                            continue;
                        }
                        for (int c = 0; c < cg; c++)
                            for (int o = 0; o < g.f; o++) {
                                int x = ((n * g.h + h) * g.w + w) * g.c + o / fg * cg + c;
                                visit(x, ((i * g.kw + j) * cg + c) * g.f + o, ((n * g.oh + p) * g.ow + q) * g.f + o);
                            }
                    }
}

static Buffer operand(size_t n, bool exact) { return exact ? integerBuffer(n, -3, 3) : randomBuffer(n); }

/// splits and chunk as the host chooses them when it wants about `wanted` splits.
static void split(int k, int wanted, int& splits, int& chunk) {
    chunk = std::max(32, ceilDivide(ceilDivide(k, wanted), 32) * 32);
    splits = std::max(1, ceilDivide(k, chunk));
}

/// Runs a product under all seeds into y, by way of a workspace if it is split.
template <class Product>
static Buffer run(const std::string& what, size_t n, int splits, int channels, int f, float p, float q, const float* bias,
    const float* residual, Product product) {
    Buffer first(0);
    bool have = false;
    for (uint64_t seed : seeds) {
        Buffer y(n);
        if (splits == 1) {
            product(seed, static_cast<float*>(y));
        } else {
            Buffer workspace(n * splits);
            product(seed, static_cast<float*>(workspace));
            LAUNCH(seed, dim3(ceilDivide(n, 256)), dim3(256), 0,
                sum_splits(splits, static_cast<int>(n), channels, f, p, q, workspace, bias, residual, y));
        }
        if (!have) {
            new (&first) Buffer(std::move(y));
            have = true;
        } else {
            same(what, first, y);
        }
    }
    return first;
}

static void convolution(const Window& g, int t, int wanted, bool exact) {
    const TileCase& tile = TILES[t];
    int cg = g.c / g.groups;
    int fg = g.f / g.groups;
    size_t nx = static_cast<size_t>(g.n) * g.h * g.w * g.c;
    size_t nw = static_cast<size_t>(g.kh) * g.kw * cg * g.f;
    size_t ny = static_cast<size_t>(g.n) * g.oh * g.ow * g.f;
    Buffer x = operand(nx, exact), w = operand(nw, exact), dy = operand(ny, exact), bias = operand(g.f, exact), residual = operand(ny, exact);
    Sums y(ny), dx(nx), dw(nw);
    forEachProduct(g, [&](int xi, int wi, int yi) {
        y.add(yi, rounded(x[xi]), rounded(w[wi]));
        dx.add(xi, rounded(dy[yi]), rounded(w[wi]));
        dw.add(wi, rounded(x[xi]), rounded(dy[yi]));
    });

    int splits, chunk;
    split(g.kh * g.kw * cg, wanted, splits, chunk);
    dim3 grid(ceilDivide(g.n * g.oh * g.ow, tile.bm) * ceilDivide(fg, tile.bn), 1, g.groups * splits);
    for (int form = 0; form < 4; form++) { // plain; bias and Relu; bias, residual and Clip; residual in place
        int f = form == 1 ? RELU : form == 2 ? CLIP : NONE;
        float low = -0.5f, high = 0.75f;
        bool hasBias = form == 1 || form == 2;
        bool hasResidual = form >= 2;
        std::vector<double> expected(ny);
        for (size_t i = 0; i < ny; i++) {
            double v = y.value[i] + (hasBias ? bias[i % g.f] : 0) + (hasResidual ? residual[i] : 0);
            expected[i] = f == RELU ? std::max(v, 0.0) : f == CLIP ? std::min(std::max(v, -0.5), 0.75) : v;
        }
        std::string what = text("conv2d", g, tile.name, splits, exact) + " form " + std::to_string(form);
        float* b = hasBias ? static_cast<float*>(bias) : nullptr;
        auto kernel = PICK(conv2d_, t);
        Buffer actual = run(what, ny, splits, g.f, f, low, high, b, hasResidual ? static_cast<float*>(residual) : nullptr,
            [&](uint64_t seed, float* to) {
                float* r = hasResidual ? static_cast<float*>(residual) : nullptr;
                if (splits > 1) {
                    LAUNCH(seed, grid, dim3(tile.threads), sharedBytes(tile),
                        kernel(g, splits, chunk, NONE, 0, 0, x, w, nullptr, nullptr, to));
                    return;
                }
                if (form == 3) {
                    memcpy(to, r, ny * sizeof(float));
                    r = to;
                }
                LAUNCH(seed, grid, dim3(tile.threads), sharedBytes(tile), kernel(g, 1, chunk, f, low, high, x, w, b, r, to));
            });
        check(what, actual, expected, [&](size_t i) { return y.bound(i, exact); });
    }

    split(g.kh * g.kw * fg, wanted, splits, chunk);
    {
        std::string what = text("conv2d_input_gradient", g, tile.name, splits, exact);
        dim3 grid(ceilDivide(g.n * ceilDivide(g.h, g.strideH) * ceilDivide(g.w, g.strideW), tile.bm) * ceilDivide(cg, tile.bn),
            g.strideH * g.strideW, g.groups * splits);
        auto kernel = PICK(conv2d_input_gradient_, t);
        Buffer actual = run(what, nx, splits, g.c, NONE, 0, 0, nullptr, nullptr, [&](uint64_t seed, float* to) {
            LAUNCH(seed, grid, dim3(tile.threads), sharedBytes(tile), kernel(g, splits, chunk, dy, w, to));
        });
        check(what, actual, dx.value, [&](size_t i) { return dx.bound(i, exact); });
    }

    split(g.n * g.oh * g.ow, wanted, splits, chunk);
    {
        std::string what = text("conv2d_kernel_gradient", g, tile.name, splits, exact);
        dim3 grid(ceilDivide(g.kh * g.kw * cg, tile.bm) * ceilDivide(fg, tile.bn), 1, g.groups * splits);
        auto kernel = PICK(conv2d_kernel_gradient_, t);
        Buffer actual = run(what, nw, splits, g.f, NONE, 0, 0, nullptr, nullptr, [&](uint64_t seed, float* to) {
            LAUNCH(seed, grid, dim3(tile.threads), sharedBytes(tile), kernel(g, splits, chunk, x, dy, to));
        });
        check(what, actual, dw.value, [&](size_t i) { return dw.bound(i, exact); });
    }
}

static void matMul(int m, int n, int k, int ll, int t, int wanted, bool exact) {
    const TileCase& tile = TILES[t];
    bool ta = ll & 2;
    bool tb = ll & 1;
    if (!tile.any && ((ta && m % 4 != 0) || (!tb && n % 4 != 0) || ((!ta || tb) && k % 4 != 0))) {
        return;
    }
    Buffer a = operand(static_cast<size_t>(m) * k, exact), b = operand(static_cast<size_t>(k) * n, exact);
    Sums y(static_cast<size_t>(m) * n);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++) {
                y.add(i * n + j, rounded(a[ta ? l * m + i : i * k + l]), rounded(b[tb ? j * k + l : l * n + j]));
            }
    int splits, chunk;
    split(k, wanted, splits, chunk);
    dim3 grid(ceilDivide(m, tile.bm) * ceilDivide(n, tile.bn), 1, splits);
    auto kernel = ll == 0 ? PICK(matmul_nn_, t) : ll == 1 ? PICK(matmul_nt_, t) : ll == 2 ? PICK(matmul_tn_, t) : PICK(matmul_tt_, t);
    char what[200];
    snprintf(what, sizeof what, "matmul %c%c %s m=%d n=%d k=%d splits=%d%s", ta ? 't' : 'n', tb ? 't' : 'n', tile.name, m, n, k, splits,
        exact ? " integers" : "");
    Buffer actual = run(what, y.value.size(), splits, n, NONE, 0, 0, nullptr, nullptr, [&](uint64_t seed, float* to) {
        LAUNCH(seed, grid, dim3(tile.threads), sharedBytes(tile), kernel(m, n, k, splits, chunk, a, b, to));
    });
    check(what, actual, y.value, [&](size_t i) { return y.bound(i, exact); });
}

/// A window whose output extent follows from the rest.
static Window window(int n, int h, int w, int c, int f, int kh, int kw, int sh, int sw, int dh, int dw, int top, int bottom, int left,
    int right, int groups) {
    int oh = (h + top + bottom - (kh - 1) * dh - 1) / sh + 1;
    int ow = (w + left + right - (kw - 1) * dw - 1) / sw + 1;
    return {n, h, w, c, oh, ow, f, kh, kw, sh, sw, dh, dw, top, left, groups};
}

int main(int argc, char** argv) {
    bool thorough = argc > 1 && std::string(argv[1]) == "thorough";
    const Window vectors[] = {
        window(2, 5, 7, 8, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),   // 3x3, same padding
        window(1, 9, 8, 20, 8, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1),   // 1x1
        window(3, 7, 7, 12, 20, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1),  // 1x1 with stride: three classes without taps
        window(2, 8, 9, 4, 16, 3, 3, 2, 2, 1, 1, 0, 1, 0, 1, 1),   // 3x3 with stride 2, odd padding
        window(1, 11, 10, 8, 8, 3, 2, 2, 3, 1, 1, 1, 1, 1, 0, 1),  // other strides by axis
        window(1, 12, 11, 4, 4, 3, 3, 1, 1, 2, 3, 2, 2, 3, 3, 1),  // dilation
        window(1, 13, 14, 4, 8, 3, 3, 2, 2, 2, 1, 2, 2, 1, 1, 1),  // stride and dilation with a common divisor
        window(2, 6, 5, 16, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2),  // groups
        window(1, 4, 3, 4, 4, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1),    // kernel larger than the image
        window(1, 6, 6, 36, 140, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1), // more columns than a tile
        window(1, 13, 13, 132, 4, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1),
    };
    const Window odd[] = {
        window(1, 11, 11, 3, 7, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 1), // the first layer of a ResNet
        window(2, 5, 4, 5, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
        window(1, 7, 6, 6, 9, 2, 3, 3, 2, 1, 2, 1, 0, 2, 1, 3),
        window(2, 4, 4, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 6), // depthwise
        window(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1),
        window(1, 5, 5, 2, 2, 2, 2, 4, 4, 3, 3, 0, 2, 0, 2, 1), // rows that nothing reads
    };
    int count = 0;
    for (const Window& g : vectors) {
        for (int t = 0; t < 4; t++) {
            if (thorough || (count + t) % 2 == 0 || t == 2) {
                convolution(g, t, 1, count % 2 == 0);
                convolution(g, t, 3, count % 2 != 0);
            }
        }
        count++;
    }
    for (const Window& g : odd) {
        convolution(g, 3, 1, true);
        convolution(g, 3, 3, false);
    }
    const int sizes[][3] = {{128, 128, 64}, {132, 68, 36}, {4, 4, 4}, {260, 140, 20}, {1, 1, 1}, {65, 130, 17}, {3, 1000, 33}, {129, 7, 5},
        {100, 64, 300}};
    for (auto& s : sizes) {
        for (int ll = 0; ll < 4; ll++) {
            for (int t = 0; t < 4; t++) {
                if (thorough || s[0] < 200 || t == ll) {
                    matMul(s[0], s[1], s[2], ll, t, 1, t % 2 == 0);
                    matMul(s[0], s[1], s[2], ll, t, 4, t % 2 != 0);
                }
            }
        }
    }
    return report(PRECISION == 0 ? "convolution float32" : PRECISION == 1 ? "convolution tf32" : "convolution bf16");
}
