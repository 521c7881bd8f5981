// Products and convolutions on the tensor cores of sm_90a: wgmma, 128 threads and operands in shared memory, at twice the rate
// of mma.sync. Operands are bfloat16 in memory (to_bf16 makes them), both with K contiguous; sums and results are float32.
//
// Idea. As product.cuh, with K in words of two bfloat16: a stage holds 64 steps, rows of 128 bytes, chunks of 16 bytes
// permuted by row % 8, which is the 128-byte swizzle that wgmma reads. Copies are cp.async (no tensor maps, so that JCuda's
// driver calls suffice), each thread's own; fence.proxy.async shows them to wgmma. Two warpgroups of 64 rows each.
//
// Pipeline: 4 stages, copies two stages ahead, products of one stage under way while the next is started; one barrier for 64
// steps. Tiles 128 x 256, 128 x 128, 128 x 64; shared memory 192, 128, 96 KiB; registers at most 255, 168, 128 (256 threads).
//
// Limits: K (k, or channels of a group) a multiple of 8; n a multiple of 4 is stored in lines. Measured figures: check-gpu.sh.
#define GRADUS_HOPPER
#define PRECISION 3
#include "product.cuh"

/// y = x as bfloat16, n a multiple of 2 (y has n / 2 words).
extern "C" __global__ void __launch_bounds__(256) to_bf16(int n, const float* x, uint32_t* y) {
    for (unsigned i = globalThread(); i < static_cast<unsigned>(n) / 2; i += globalThreads()) {
        float2 v = reinterpret_cast<const float2*>(x)[i];
        y[i] = toBf16x2(v.x, v.y);
    }
}

/// y (columns, rows) = the transpose of x (rows, columns) as bfloat16, rows a multiple of 2. Block (32, 8), a tile of 64 rows x 32
/// columns by way of shared memory; grid (ceil(columns / 32), ceil(rows / 64)).
extern "C" __global__ void __launch_bounds__(256) to_bf16_transposed(int rows, int columns, const float* x, uint32_t* y) {
    __shared__ float tile[64][33];
    int column = blockIdx.x * 32 + threadIdx.x;
    for (int r = threadIdx.y; r < 64; r += 8) {
        int row = blockIdx.y * 64 + r;
        tile[r][threadIdx.x] = row < rows && column < columns ? x[static_cast<size_t>(row) * columns + column] : 0;
    }
    __syncthreads();
    for (int c = threadIdx.y; c < 32; c += 8) {
        int row = blockIdx.y * 64 + threadIdx.x * 2;
        int to = blockIdx.x * 32 + c;
        if (row < rows && to < columns) {
            y[(static_cast<size_t>(to) * rows + row) / 2] = toBf16x2(tile[threadIdx.x * 2][c], tile[threadIdx.x * 2 + 1][c]);
        }
    }
}

/// y (m, n) = a b^T: a (m, k), b (n, k) in bfloat16, k a multiple of 8. chunk counts steps and is a multiple of 64.
template <int BN>
__device__ __forceinline__ void productOfRows(int m, int n, int k, int chunk, const float* pa, const float* pb, float* y) {
    constexpr int BM = 128;
    constexpr int THREADS = 256;
    TileOrigin tile(ceilDiv(m, BM), ceilDiv(n, BN), BM, BN);
    int kBegin = blockIdx.z * chunk / 2;
    int kEnd = endOf(kBegin, chunk / 2, k / 2);
    DenseRows<BM, THREADS, true> a(pa, k / 2, tile.row, m, kBegin, kEnd);
    DenseRows<BN, THREADS, true> b(pb, k / 2, tile.column, n, kBegin, kEnd);
    Accumulators<BM, BN, THREADS, ROWS, ROWS> sums;
    accumulate<BM, BN>(sums, a, b, ceilDiv(kEnd - kBegin, K_STEP));
    Target target = {tile.row, m, tile.column, n, nullptr, nullptr, y + static_cast<size_t>(blockIdx.z) * m * n, -INFINITE,
        INFINITE, n % 4 == 0};
    store<BM, BN, THREADS>(sums, target, DenseOffset{n});
}

/// conv2d with x (n, h, w, c) in bfloat16 and w as (f, kh, kw, c / groups) in bfloat16, which to_bf16_transposed makes of a kernel
/// seen as (kh kw c / groups, f); c / groups a multiple of 8, f / groups of 4. bias, residual and y are float32.
template <int BN>
__device__ __forceinline__ void forward(const Window& g, int chunk, int f, float p, float q, const float* x, const float* w,
    const float* bias, const float* residual, float* y) {
    constexpr int BM = 128;
    constexpr int THREADS = 256;
    int cg = g.c / g.groups / 2; // words
    int fg = g.f / g.groups;
    int group = blockIdx.z % g.groups;
    int split = blockIdx.z / g.groups;
    int rows = g.n * g.oh * g.ow;
    int k = g.kh * g.kw * cg;
    TileOrigin tile(ceilDiv(rows, BM), ceilDiv(fg, BN), BM, BN);
    int kBegin = split * chunk / 2;
    int kEnd = endOf(kBegin, chunk / 2, k);
    Taps taps = {x + group * cg, g.oh, g.ow, g.h, g.w, g.c / 2, cg, g.strideH, g.strideW, -g.top, -g.left, g.kh, g.kw,
        g.dilationH, g.dilationW};
    PixelRows<BM, THREADS, true> a(taps, tile.row, rows, kBegin, kEnd);
    DenseRows<BN, THREADS, true> b(w + static_cast<size_t>(group) * fg * k, k, tile.column, fg, kBegin, kEnd);
    Accumulators<BM, BN, THREADS, ROWS, ROWS> sums;
    accumulate<BM, BN>(sums, a, b, ceilDiv(kEnd - kBegin, K_STEP));
    float low = f == RELU || f == RELU6 ? 0 : f == CLIP ? p : -INFINITE;
    float high = f == RELU6 ? 6 : f == CLIP ? q : INFINITE;
    Target target = {tile.row, rows, tile.column, fg, bias == nullptr ? nullptr : bias + group * fg,
        residual == nullptr ? nullptr : residual + group * fg, y + static_cast<size_t>(split) * rows * g.f + group * fg, low,
        high, true};
    store<BM, BN, THREADS>(sums, target, DenseOffset{g.f});
}

#define HOPPER(BN) \
    extern "C" __global__ void __launch_bounds__(256) hopper_matmul_128x##BN(int m, int n, int k, int splits, int chunk, \
        const float* a, const float* b, float* y) { \
        productOfRows<BN>(m, n, k, chunk, a, b, y); \
    } \
    extern "C" __global__ void __launch_bounds__(256) hopper_conv2d_128x##BN(const Window g, int splits, int chunk, int f, \
        float p, float q, const float* x, const float* w, const float* bias, const float* residual, float* y) { \
        forward<BN>(g, chunk, f, p, q, x, w, bias, residual, y); \
    }

HOPPER(64)
HOPPER(128)
HOPPER(256)
