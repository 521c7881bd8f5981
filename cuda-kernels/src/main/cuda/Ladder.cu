// The steps from three loops to the products that are used: y (m, n) = a (m, k) b (k, n), row-major, float32. Each kernel adds
// one idea to the one before, so that each idea's worth can be measured; check-gpu.sh fills in the figures on a device.
//
//   1 naive       a thread a result; every multiply-add reads two floats from a cache
//   2 tiled       a block of 32 x 32 results copies 32 x 32 tiles of a and b to shared memory: each float is read from memory
//                 once for 32 results. Block (32, 32), 8 KiB; 2 reads of shared memory a multiply-add
//   3 registers   64 x 64 results by 256 threads, 4 x 4 each in registers: 8 reads of shared memory, 16 bytes at a time for b,
//                 are 16 multiply-adds. 8.25 KiB
//   4 pipelined   matmul_nn_128x128 of MatMul.float32: 8 x 8 results a thread, the next stage copied (cp.async) while this one is
//                 multiplied, no bank conflicts. 32 KiB
//   5 mma         matmul_nn_128x128 of MatMul.tf32 and MatMul.bf16: the same on tensor cores by mma.sync, 3 stages. 48 KiB
//   6 wgmma       hopper_matmul_128x256 of MatMul.hopper: bfloat16 in memory, warpgroup products, 4 stages. 192 KiB
#include "types.cuh"

/// Block (32, 8), grid (ceil(n / 32), ceil(m / 8)).
extern "C" __global__ void __launch_bounds__(256) ladder_naive(int m, int n, int k, const float* a, const float* b, float* y) {
    int column = blockIdx.x * 32 + threadIdx.x;
    int row = blockIdx.y * 8 + threadIdx.y;
    if (row >= m || column >= n) {
        return;
    }
    float sum = 0;
    for (int i = 0; i < k; i++) {
        sum = fmaf(a[static_cast<size_t>(row) * k + i], b[static_cast<size_t>(i) * n + column], sum);
    }
    y[static_cast<size_t>(row) * n + column] = sum;
}

/// Block (32, 32), grid (ceil(n / 32), ceil(m / 32)).
extern "C" __global__ void __launch_bounds__(1024) ladder_tiled(int m, int n, int k, const float* a, const float* b, float* y) {
    __shared__ float tileA[32][32];
    __shared__ float tileB[32][32];
    int i = threadIdx.x;
    int j = threadIdx.y;
    int column = blockIdx.x * 32 + i;
    int row = blockIdx.y * 32 + j;
    float sum = 0;
    for (int k0 = 0; k0 < k; k0 += 32) {
        tileA[j][i] = row < m && k0 + i < k ? a[static_cast<size_t>(row) * k + k0 + i] : 0;
        tileB[j][i] = column < n && k0 + j < k ? b[static_cast<size_t>(k0 + j) * n + column] : 0;
        __syncthreads();
#pragma unroll
        for (int l = 0; l < 32; l++) {
            sum = fmaf(tileA[j][l], tileB[l][i], sum);
        }
        __syncthreads();
    }
    if (row < m && column < n) {
        y[static_cast<size_t>(row) * n + column] = sum;
    }
}

/// Block 256, grid (ceil(n / 64), ceil(m / 64)). Thread (u, v) of 16 x 16: rows 4 u .., columns 4 v ...
extern "C" __global__ void __launch_bounds__(256) ladder_registers(int m, int n, int k, const float* a, const float* b, float* y) {
    __shared__ float tileA[16][65]; // transposed: [k][row]; 65 keeps the lanes that write a row apart
    __shared__ __align__(16) float tileB[16][64];
    int u = threadIdx.x / 16;
    int v = threadIdx.x % 16;
    int row0 = blockIdx.y * 64;
    int column0 = blockIdx.x * 64;
    float sums[4][4] = {};
    for (int k0 = 0; k0 < k; k0 += 16) {
        for (int id = threadIdx.x; id < 16 * 64; id += 256) {
            int row = row0 + id / 16;
            tileA[id % 16][id / 16] = row < m && k0 + id % 16 < k ? a[static_cast<size_t>(row) * k + k0 + id % 16] : 0;
            int column = column0 + id % 64;
            tileB[id / 64][id % 64] = column < n && k0 + id / 64 < k ? b[static_cast<size_t>(k0 + id / 64) * n + column] : 0;
        }
        __syncthreads();
#pragma unroll
        for (int l = 0; l < 16; l++) {
            float4 vb = *reinterpret_cast<const float4*>(&tileB[l][v * 4]);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float va = tileA[l][u * 4 + i];
                sums[i][0] = fmaf(va, vb.x, sums[i][0]);
                sums[i][1] = fmaf(va, vb.y, sums[i][1]);
                sums[i][2] = fmaf(va, vb.z, sums[i][2]);
                sums[i][3] = fmaf(va, vb.w, sums[i][3]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int row = row0 + u * 4 + i;
            int column = column0 + v * 4 + j;
            if (row < m && column < n) {
                y[static_cast<size_t>(row) * n + column] = sums[i][j];
            }
        }
    }
}
