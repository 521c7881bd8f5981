// The two limits that speeds are stated against: multiply-adds from registers, and a copy that no cache holds.
#include "types.cuh"

/// 16 chains of multiply-adds a thread, 8 links an iteration; the result is looked at, so that it is computed, but never written.
extern "C" __global__ void __launch_bounds__(256) peak_flops(int iterations, float* y) {
    float a[16];
#pragma unroll
    for (int i = 0; i < 16; i++) {
        a[i] = threadIdx.x + i;
    }
    float b = 0.5f + 0x1p-20f * blockIdx.x; // keeps every chain near 0.2 and away from 1
    float c = 0.1f;
    for (int k = 0; k < iterations; k++) {
#pragma unroll
        for (int j = 0; j < 8; j++) {
#pragma unroll
            for (int i = 0; i < 16; i++) {
                a[i] = fmaf(a[i], b, c);
            }
        }
    }
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        sum += a[i];
    }
    if (sum == 1) {
        *y = sum;
    }
}

/// y = x, 16 bytes at a time; n a multiple of 4.
extern "C" __global__ void __launch_bounds__(256) peak_bytes(int n, const float* x, float* y) {
    for (unsigned i = globalThread(); i < static_cast<unsigned>(n) / 4; i += globalThreads()) {
        reinterpret_cast<float4*>(y)[i] = reinterpret_cast<const float4*>(x)[i];
    }
}
