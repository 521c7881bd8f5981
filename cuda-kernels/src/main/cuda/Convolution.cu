// Convolution and its gradients as implicit matrix products: the matrix of patches is never stored, its elements are found
// while tiles of it are copied to shared memory. How a tile is multiplied, and its budget: product.cuh.
//
//                    rows of Y        columns of Y   K (summed)                  A              B
//   conv2d           (n, p, q)        o              (i, j, c)                   x, PixelRows   w, DenseColumns
//   input gradient   (n, u, v) of     c              (a, b, o): the taps that    dy, PixelRows  w, KernelRows
//                    one class                       reach the class
//   kernel gradient  (i, j, c)        o              (n, p, q)                   x, PixelColumns dy, DenseColumns
//
// Input gradient. With stride s, pixel h receives from tap i only if h + top - i d is a multiple of s, so the pixels fall
// into s x s classes by h mod s and w mod s, each with its own taps i0, i0 + s / gcd(s, d), ..., and within a class it is
// a convolution with stride 1: no product with a zero is formed. blockIdx.y is the class; one without taps writes zeros.
//
// Groups: blockIdx.z % groups. Where K is split (blockIdx.z / groups), each part writes its own sums and sum_splits adds
// them in order: the same bits every time, no atomics.
//
// Tiles 128x128, 128x64 (256 threads) and 64x64 (128 threads); `_any` copies single floats and takes any channels.
#include "product.cuh"

template <int BM, int BN, int THREADS, bool VECTOR>
__device__ __forceinline__ void forward(const Window& g, int chunk, int f, float p, float q, const float* x, const float* w,
    const float* bias, const float* residual, float* y) {
    int cg = g.c / g.groups;
    int fg = g.f / g.groups;
    int group = blockIdx.z % g.groups;
    int split = blockIdx.z / g.groups;
    int rows = g.n * g.oh * g.ow;
    TileOrigin tile(ceilDiv(rows, BM), ceilDiv(fg, BN), BM, BN);
    int kBegin = split * chunk;
    int kEnd = endOf(kBegin, chunk, g.kh * g.kw * cg);
    Taps taps = {x + group * cg, g.oh, g.ow, g.h, g.w, g.c, cg, g.strideH, g.strideW, -g.top, -g.left, g.kh, g.kw,
        g.dilationH, g.dilationW};
    PixelRows<BM, THREADS, VECTOR> a(taps, tile.row, rows, kBegin, kEnd);
    DenseColumns<BN, THREADS, VECTOR> b(w + group * fg, g.f, tile.column, fg, kBegin, kEnd);
    Accumulators<BM, BN, THREADS, ROWS, COLUMNS> sums;
    accumulate<BM, BN>(sums, a, b, ceilDiv(kEnd - kBegin, K_STEP));
    float low = f == RELU || f == RELU6 ? 0 : f == CLIP ? p : -INFINITE;
    float high = f == RELU6 ? 6 : f == CLIP ? q : INFINITE;
    Target target = {tile.row, rows, tile.column, fg, bias == nullptr ? nullptr : bias + group * fg,
        residual == nullptr ? nullptr : residual + group * fg, y + static_cast<size_t>(split) * rows * g.f + group * fg, low,
        high, VECTOR};
    store<BM, BN, THREADS>(sums, target, DenseOffset{g.f});
}

/// The taps of one axis that reach the pixels with residue r: first + a step for a < count, reading place u + offset - a tapStep.
struct AxisClass {
    int pixels, first, step, count, offset, tapStep;

    __device__ __forceinline__ AxisClass(int residue, int extent, int stride, int dilation, int taps, int before) {
        pixels = residue < extent ? (extent - residue + stride - 1) / stride : 0;
        int a = stride;
        int b = dilation;
        while (b != 0) {
            int r = a % b;
            a = b;
            b = r;
        }
        step = stride / a;
        tapStep = dilation / a;
        first = 0;
        while (first < min(step, taps) && (residue + before - first * dilation) % stride != 0) {
            first++;
        }
        count = first < min(step, taps) ? (taps - first + step - 1) / step : 0;
        offset = (residue + before - first * dilation) / stride;
    }
};

struct ClassOffset {
    int rows, columns, h, w, c, h0, w0, strideH, strideW;
    __device__ __forceinline__ int operator()(int row) const {
        int v = row % columns;
        int u = row / columns % rows;
        int n = row / columns / rows;
        return ((n * h + h0 + u * strideH) * w + w0 + v * strideW) * c;
    }
};

template <int BM, int BN, int THREADS, bool VECTOR>
__device__ __forceinline__ void inputGradient(const Window& g, int chunk, const float* dy, const float* w, float* dx) {
    int cg = g.c / g.groups;
    int fg = g.f / g.groups;
    int group = blockIdx.z % g.groups;
    int split = blockIdx.z / g.groups;
    int h0 = blockIdx.y / g.strideW;
    int w0 = blockIdx.y % g.strideW;
    AxisClass down(h0, g.h, g.strideH, g.dilationH, g.kh, g.top);
    AxisClass across(w0, g.w, g.strideW, g.dilationW, g.kw, g.left);
    int rows = g.n * down.pixels * across.pixels;
    int tilesM = ceilDiv(rows, BM);
    int tilesN = ceilDiv(cg, BN);
    if (blockIdx.x >= static_cast<unsigned>(tilesM * tilesN)) {
        return; // a class smaller than the largest
    }
    TileOrigin tile(tilesM, tilesN, BM, BN);
    int kBegin = split * chunk;
    int kEnd = endOf(kBegin, chunk, down.count * across.count * fg);
    Taps taps = {dy + group * fg, down.pixels, across.pixels, g.oh, g.ow, g.f, fg, 1, 1, down.offset, across.offset, down.count,
        across.count, -down.tapStep, -across.tapStep};
    KernelTaps kernel = {w + group * fg, g.kw, g.f, down.first, across.first, down.step, across.step};
    PixelRows<BM, THREADS, VECTOR> a(taps, tile.row, rows, kBegin, kEnd);
    KernelRows<BN, THREADS, VECTOR> b(kernel, tile.column, cg, a.position);
    Accumulators<BM, BN, THREADS, ROWS, ROWS> sums;
    accumulate<BM, BN>(sums, a, b, ceilDiv(kEnd - kBegin, K_STEP));
    ClassOffset offset = {down.pixels, across.pixels, g.h, g.w, g.c, h0, w0, g.strideH, g.strideW};
    Target target = {tile.row, rows, tile.column, cg, nullptr, nullptr,
        dx + static_cast<size_t>(split) * g.n * g.h * g.w * g.c + group * cg, -INFINITE, INFINITE, VECTOR};
    store<BM, BN, THREADS>(sums, target, offset);
}

template <int BM, int BN, int THREADS, bool VECTOR>
__device__ __forceinline__ void kernelGradient(const Window& g, int chunk, const float* x, const float* dy, float* dw) {
    int cg = g.c / g.groups;
    int fg = g.f / g.groups;
    int group = blockIdx.z % g.groups;
    int split = blockIdx.z / g.groups;
    int rows = g.kh * g.kw * cg;
    TileOrigin tile(ceilDiv(rows, BM), ceilDiv(fg, BN), BM, BN);
    int kBegin = split * chunk;
    int kEnd = endOf(kBegin, chunk, g.n * g.oh * g.ow);
    Taps taps = {x + group * cg, g.oh, g.ow, g.h, g.w, g.c, cg, g.strideH, g.strideW, -g.top, -g.left, g.kh, g.kw,
        g.dilationH, g.dilationW};
    PixelColumns<BM, THREADS, VECTOR> a(taps, tile.row, rows, kBegin, kEnd);
    DenseColumns<BN, THREADS, VECTOR> b(dy + group * fg, g.f, tile.column, fg, kBegin, kEnd);
    Accumulators<BM, BN, THREADS, COLUMNS, COLUMNS> sums;
    accumulate<BM, BN>(sums, a, b, ceilDiv(kEnd - kBegin, K_STEP));
    Target target = {tile.row, rows, tile.column, fg, nullptr, nullptr,
        dw + static_cast<size_t>(split) * rows * g.f + group * fg, -INFINITE, INFINITE, VECTOR};
    store<BM, BN, THREADS>(sums, target, DenseOffset{g.f});
}

#define CONVOLUTIONS(TILE, BM, BN, THREADS, VECTOR) \
    extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) conv2d_##TILE(const Window g, int splits, int chunk, \
        int f, float p, float q, const float* x, const float* w, const float* bias, const float* residual, float* y) { \
        forward<BM, BN, THREADS, VECTOR>(g, chunk, f, p, q, x, w, bias, residual, y); \
    } \
    extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) conv2d_input_gradient_##TILE( \
        const Window g, int splits, int chunk, const float* dy, const float* w, float* dx) { \
        inputGradient<BM, BN, THREADS, VECTOR>(g, chunk, dy, w, dx); \
    } \
    extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) conv2d_kernel_gradient_##TILE( \
        const Window g, int splits, int chunk, const float* x, const float* dy, float* dw) { \
        kernelGradient<BM, BN, THREADS, VECTOR>(g, chunk, x, dy, dw); \
    }

CONVOLUTIONS(128x128, 128, 128, 256, true)
CONVOLUTIONS(128x64, 128, 64, 256, true)
CONVOLUTIONS(64x64, 64, 64, 128, true)
CONVOLUTIONS(64x64_any, 64, 64, 128, false)
