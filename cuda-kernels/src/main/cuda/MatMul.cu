// y = op(a) op(b): an operand that lies with its K contiguous is read as rows, else as columns, so no transpose is ever
// stored. How a tile is multiplied, and its budget: product.cuh. The steps that led there, each a kernel of its own that is
// measured beside it: Ladder.cu.
//
// Names: n and t say whether a and b are stored transposed; tiles as in Convolution.cu. Where K is split (blockIdx.z), each
// part writes its own sums into a workspace (splits, m, n) and sum_splits adds them in order.
#include "product.cuh"

template <int BM, int BN, int THREADS, bool VECTOR, bool TRANSPOSE_A, bool TRANSPOSE_B>
__device__ __forceinline__ void product(int m, int n, int k, int chunk, const float* pa, const float* pb, float* y) {
    using LoaderA = std::conditional_t<TRANSPOSE_A, DenseColumns<BM, THREADS, VECTOR>, DenseRows<BM, THREADS, VECTOR>>;
    using LoaderB = std::conditional_t<TRANSPOSE_B, DenseRows<BN, THREADS, VECTOR>, DenseColumns<BN, THREADS, VECTOR>>;
    TileOrigin tile(ceilDiv(m, BM), ceilDiv(n, BN), BM, BN);
    int kBegin = blockIdx.z * chunk;
    int kEnd = endOf(kBegin, chunk, k);
    LoaderA a(pa, TRANSPOSE_A ? m : k, tile.row, m, kBegin, kEnd);
    LoaderB b(pb, TRANSPOSE_B ? k : n, tile.column, n, kBegin, kEnd);
    Accumulators<BM, BN, THREADS, LoaderA::LAYOUT, LoaderB::LAYOUT> sums;
    accumulate<BM, BN>(sums, a, b, ceilDiv(kEnd - kBegin, K_STEP));
    Target target = {tile.row, m, tile.column, n, nullptr, nullptr, y + static_cast<size_t>(blockIdx.z) * m * n, -INFINITE,
        INFINITE, VECTOR && n % 4 == 0};
    store<BM, BN, THREADS>(sums, target, DenseOffset{n});
}

#define PRODUCT(LL, TILE, BM, BN, THREADS, VECTOR, TRANSPOSE_A, TRANSPOSE_B) \
    extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS) \
        matmul_##LL##_##TILE(int m, int n, int k, int splits, int chunk, const float* a, const float* b, float* y) { \
        product<BM, BN, THREADS, VECTOR, TRANSPOSE_A, TRANSPOSE_B>(m, n, k, chunk, a, b, y); \
    }

#define PRODUCTS(TILE, BM, BN, THREADS, VECTOR) \
    PRODUCT(nn, TILE, BM, BN, THREADS, VECTOR, false, false) \
    PRODUCT(nt, TILE, BM, BN, THREADS, VECTOR, false, true) \
    PRODUCT(tn, TILE, BM, BN, THREADS, VECTOR, true, false) \
    PRODUCT(tt, TILE, BM, BN, THREADS, VECTOR, true, true)

PRODUCTS(128x128, 128, 128, 256, true)
PRODUCTS(128x64, 128, 64, 256, true)
PRODUCTS(64x64, 64, 64, 128, true)
PRODUCTS(64x64_any, 64, 64, 128, false)
