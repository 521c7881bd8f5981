// What the kernels of all families share: the structs that the host passes by value, and the functions of one number.
#pragma once
#include "device.cuh"

/// A window that slides over images; the members of the record gradus.backend.Window in its order.
struct Window {
    int n, h, w, c, oh, ow, f, kh, kw, strideH, strideW, dilationH, dilationW, top, left, groups;
};

constexpr int MAX_RANK = 8;

/// gradus.backend.StridedCopy: y[yOffset + sum i_k yStrides_k] = x[xOffset + sum i_k xStrides_k].
struct CopyView {
    int rank, n, xOffset, yOffset, dims[MAX_RANK], xStrides[MAX_RANK], yStrides[MAX_RANK];
};

/// gradus.backend.Broadcast: y dense with extents dims, operands with strides that may be 0.
struct BroadcastView {
    int rank, n, dims[MAX_RANK], aStrides[MAX_RANK], bStrides[MAX_RANK];
};

/// Codes of gradus.backend.ScalarFunction in the order of its records; NONE is the identity.
enum Function {
    NONE = -1, RELU, RELU6, LEAKY_RELU, ELU, GELU, SILU, SIGMOID, TANH, EXP, LOG, SQRT, SQUARE, AFFINE, CLIP
};

/// The normal distribution function: erfc(u) / 2 at u = -x / sqrt 2, without the cancellation of 1 + erf. Where erfc falls steeply
/// the rounding of u would show, so it is put right to first order.
__device__ __forceinline__ float normalDistribution(float x) {
    float u = -0.70710677f * x;
    float error = fmaf(-0.70710677f, x, -u) - 1.2101617e-8f * x;
    float correction = 1.1283792f * expf(-u * u) * error;
    return 0.5f * (erfcf(u) - (correction == correction ? correction : 0)); // at infinity there is nothing to correct
}

/// Its derivative, e^(-x^2 / 2) / sqrt(2 pi), with the rounding of x^2 put right.
__device__ __forceinline__ float normalDensity(float x) {
    float square = x * x;
    float error = square < 256 ? fmaf(x, x, -square) : 0;
    float e = expf(-0.5f * square);
    return 0.39894228f * fmaf(e, -0.5f * error, e);
}

/// f(x), with the parameters p and q of its record.
__device__ __forceinline__ float apply(int f, float p, float q, float x) {
    switch (f) {
        case RELU: return x <= 0 ? 0 : x;
        case RELU6: return x <= 0 ? 0 : x >= 6 ? 6 : x;
        case LEAKY_RELU: return x <= 0 ? p * x : x;
        case ELU: return x <= 0 ? p * expm1f(x) : x;
        case GELU: return x * normalDistribution(x);
        case SILU: return x / (1 + expf(-x));
        case SIGMOID: return 1 / (1 + expf(-x));
        case TANH: return tanhf(x);
        case EXP: return expf(x);
        case LOG: return logf(x);
        case SQRT: return sqrtf(x);
        case SQUARE: return x * x;
        case AFFINE: return p * x + q;
        case CLIP: return x < p ? p : x > q ? q : x;
        default: return x;
    }
}

/// f'(z), z being the result where ScalarFunction.fromResult() says so, else the input.
__device__ __forceinline__ float derivative(int f, float p, float q, float z) {
    switch (f) {
        case RELU: return z <= 0 ? 0 : 1;
        case RELU6: return z <= 0 || z >= 6 ? 0 : 1;
        case LEAKY_RELU: return z <= 0 ? p : 1;
        case ELU: return z <= 0 ? p * expf(z) : 1;
        case GELU: return normalDistribution(z) + z * normalDensity(z);
        case SILU: { // 1 / (1 + e^-z) and its complement, each without cancellation: they are r and e r
            float e = expf(-fabsf(z));
            float r = 1 / (1 + e);
            return z < 0 ? e * r * (1 + z * r) : r * (1 + z * (e * r));
        }
        case SIGMOID: return z * (1 - z);
        case TANH: return 1 - z * z;
        case EXP: return z;
        case LOG: return 1 / z;
        case SQRT: return 0.5f / z;
        case SQUARE: return 2 * z;
        case AFFINE: return p;
        case CLIP: return z < p || z > q ? 0 : 1;
        default: return 1;
    }
}

__host__ __device__ constexpr int ceilDiv(int a, int b) { return a / b + (a % b != 0); }

/// The end of a part of k that starts at begin, where begin + chunk could pass 2^31.
__device__ __forceinline__ int endOf(int begin, int chunk, int k) { return begin < k ? begin + min(chunk, k - begin) : begin; }

/// The larger of both, NaN if one of them is (fmaxf would drop it).
__device__ __forceinline__ float maxOrNan(float a, float b) { return a > b || a != a ? a : b; }

/// Index and number of all threads of a one-dimensional grid, for loops over n < 2^31 that end before 2^32.
__device__ __forceinline__ unsigned globalThread() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ unsigned globalThreads() { return gridDim.x * blockDim.x; }

/// Whether a pointer can be read four floats at a time; null can.
__device__ __forceinline__ bool aligned16(const void* p) { return (reinterpret_cast<size_t>(p) & 15) == 0; }
