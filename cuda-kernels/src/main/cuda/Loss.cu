// From logits to probabilities and back: a warp for each row of (rows, classes), its lanes neighbouring classes. The largest
// logit is subtracted first, so that no power overflows; maximum and sum by a butterfly, in the same order always.
//
// Block 256 (8 rows); no shared memory; at most 40 registers. A row is read three times, twice from a cache.
#include "types.cuh"

/// The largest value of the row and the sum of e^(x - largest), in all lanes. Math.max's NaN stays NaN.
__device__ __forceinline__ void normalizer(int classes, const float* row, float& largest, float& sum) {
    int lane = threadIdx.x % 32;
    largest = -__builtin_inff();
    for (int k = lane; k < classes; k += 32) {
        largest = maxOrNan(largest, row[k]);
    }
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        largest = maxOrNan(largest, shuffleXor(largest, mask));
    }
    sum = 0;
    for (int k = lane; k < classes; k += 32) {
        sum += expf(row[k] - largest);
    }
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        sum += shuffleXor(sum, mask);
    }
}

/// y = e^(x - max) / sum e^(x - max).
extern "C" __global__ void __launch_bounds__(256) softmax(int rows, int classes, const float* x, float* y) {
    int row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= rows) {
        return;
    }
    const float* p = x + static_cast<size_t>(row) * classes;
    float largest, sum;
    normalizer(classes, p, largest, sum);
    for (int k = threadIdx.x % 32; k < classes; k += 32) {
        y[static_cast<size_t>(row) * classes + k] = expf(p[k] - largest) / sum;
    }
}

/// y = x - max - ln sum e^(x - max).
extern "C" __global__ void __launch_bounds__(256) log_softmax(int rows, int classes, const float* x, float* y) {
    int row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= rows) {
        return;
    }
    const float* p = x + static_cast<size_t>(row) * classes;
    float largest, sum;
    normalizer(classes, p, largest, sum);
    float logarithm = logf(sum);
    for (int k = threadIdx.x % 32; k < classes; k += 32) {
        y[static_cast<size_t>(row) * classes + k] = p[k] - largest - logarithm;
    }
}

/// y[r, k] = labels[r] = k ? 1 : 0; a row of NaN where the label is no integer in [0, classes).
extern "C" __global__ void __launch_bounds__(256) one_hot(int rows, int classes, const float* labels, float* y) {
    int row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= rows) {
        return;
    }
    float label = labels[row];
    bool exists = label >= 0 && label < classes && label == truncf(label);
    for (int k = threadIdx.x % 32; k < classes; k += 32) {
        y[static_cast<size_t>(row) * classes + k] = !exists ? __builtin_nanf("") : label == k ? 1 : 0;
    }
}
