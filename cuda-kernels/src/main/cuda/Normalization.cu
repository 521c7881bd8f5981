// Batch normalization: x is seen as (rows, c), statistics are per channel. Bound by memory; each kernel reads every operand once.
//
// Idea. A block of 16 x 16 threads owns 64 channels: thread (i, j) four of them (16 bytes where c is a multiple of 4, else i,
// i + 16, ..) on rows j, j + 16, .. of a chunk or of the grid's stride; what depends on the channel alone stays in registers.
//
// Moments in one pass over memory and as stable as two: a thread sums x - x0 and (x - x0)^2 with x0 its own first value, over
// at most chunk / 16 rows, and means and squared deviations are then joined pairwise (Chan, Golub, LeVeque, 1979) in a fixed
// tree: threads of a block, then chunks. Sums of a gradient: the same two stages, the second by Reduction.cu's reduce_columns.
//
// partial: 12 KiB + 64 bytes of shared memory; merge: 13 KiB. At most 64 registers.
#include "types.cuh"

/// The four channels of a thread.
struct Channels {
    int first, c, step;
    bool vector;

    __device__ __forceinline__ Channels(int c, bool vector) : c(c), vector(vector) {
        first = blockIdx.x * 64 + threadIdx.x * (vector ? 4 : 1);
        step = vector ? 1 : 16;
    }

    __device__ __forceinline__ int operator[](int e) const { return first + e * step; }
    __device__ __forceinline__ bool has(int e) const { return first + e * step < c; }

    /// Four values of a row of (rows, c); 0 for channels that do not exist.
    __device__ __forceinline__ void load(float (&v)[4], const float* p, unsigned row) const {
        p += static_cast<size_t>(row) * c;
        if (vector) {
            float4 f = first < c ? *reinterpret_cast<const float4*>(p + first) : make_float4(0, 0, 0, 0);
            v[0] = f.x;
            v[1] = f.y;
            v[2] = f.z;
            v[3] = f.w;
        } else {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                v[e] = has(e) ? p[(*this)[e]] : 0;
            }
        }
    }

    __device__ __forceinline__ void store(float* p, unsigned row, const float (&v)[4]) const {
        p += static_cast<size_t>(row) * c;
        if (vector) {
            if (first < c) {
                *reinterpret_cast<float4*>(p + first) = make_float4(v[0], v[1], v[2], v[3]);
            }
        } else {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                if (has(e)) {
                    p[(*this)[e]] = v[e];
                }
            }
        }
    }
};

/// Joins n values of mean shift + mean and sum of squared deviations m2 with others. The mean is two numbers, a value of x and
/// the distance from it: means of a large x, rounded, would differ by more than the deviations of small ones can bear.
__device__ __forceinline__ void join(float& n, float& shift, float& mean, float& m2, float otherN, float otherShift, float otherMean,
    float otherM2) {
    float total = n + otherN;
    if (otherN > 0) {
        float delta = (otherShift - shift) + (otherMean - mean);
        float share = otherN / total;
        shift = n > 0 ? shift : otherShift;
        mean = n > 0 ? mean + delta * share : otherMean;
        m2 = n > 0 ? m2 + otherM2 + delta * delta * (n * share) : otherM2;
        n = total;
    }
}

/// Of chunk k: mean = partial[k, 0, c] + partial[k, 1, c], and the sum of squared deviations partial[k, 2, c].
extern "C" __global__ void __launch_bounds__(256) moments_partial(int rows, int c, int chunk, const float* x, float* partial) {
    __shared__ float shifts[16][64];
    __shared__ float means[16][64];
    __shared__ float deviations[16][64];
    __shared__ float counts[16];
    Channels channels(c, c % 4 == 0 && aligned16(x));
    int i = threadIdx.x;
    int j = threadIdx.y;
    unsigned begin = blockIdx.y * static_cast<unsigned>(chunk);
    unsigned end = min(static_cast<unsigned>(rows), begin + static_cast<unsigned>(chunk));
    float shift[4] = {};
    float s1[4] = {};
    float s2[4] = {};
    float n = 0;
    if (begin + j < end) {
        channels.load(shift, x, begin + j);
        n = static_cast<float>((end - begin - j + 15) / 16);
    }
#pragma unroll 4
    for (unsigned r = begin + j + 16; r < end; r += 16) {
        float v[4];
        channels.load(v, x, r);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float d = v[e] - shift[e];
            s1[e] += d;
            s2[e] = fmaf(d, d, s2[e]);
        }
    }
    float mean[4];
    float m2[4];
#pragma unroll
    for (int e = 0; e < 4; e++) {
        float d = n > 0 ? s1[e] / n : 0;
        mean[e] = d;
        float rest = s2[e] - d * s1[e];
        m2[e] = rest < 0 ? 0 : rest; // rounding; a NaN stays
        shifts[j][i * 4 + e] = shift[e];
        means[j][i * 4 + e] = mean[e];
        deviations[j][i * 4 + e] = m2[e];
    }
    if (i == 0) {
        counts[j] = n;
    }
#pragma unroll
    for (int half = 8; half > 0; half /= 2) {
        __syncthreads();
        float joined = 0;
        if (j < half) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                joined = n;
                int other = i * 4 + e;
                join(joined, shift[e], mean[e], m2[e], counts[j + half], shifts[j + half][other], means[j + half][other],
                    deviations[j + half][other]);
            }
            n = joined;
#pragma unroll
            for (int e = 0; e < 4; e++) {
                shifts[j][i * 4 + e] = shift[e];
                means[j][i * 4 + e] = mean[e];
                deviations[j][i * 4 + e] = m2[e];
            }
            if (i == 0) {
                counts[j] = n;
            }
        }
    }
    if (j == 0) {
        channels.store(partial, blockIdx.y * 3, shift);
        channels.store(partial, blockIdx.y * 3 + 1, mean);
        channels.store(partial, blockIdx.y * 3 + 2, m2);
    }
}

/// m[0, c] = mean, m[1, c] = biased variance, from the chunks of moments_partial. Thread (i, j) of 16 x 64 joins chunks j, j + 64, ..
extern "C" __global__ void __launch_bounds__(1024) moments_merge(int rows, int c, int chunk, const float* partial, float* m) {
    __shared__ float shifts[64][17];
    __shared__ float means[64][17];
    __shared__ float deviations[64][17];
    __shared__ float counts[64];
    int i = threadIdx.x;
    int j = threadIdx.y;
    int channel = blockIdx.x * 16 + i;
    int chunks = ceilDiv(rows, chunk);
    float n = 0;
    float shift = 0;
    float mean = 0;
    float m2 = 0;
    if (channel < c) {
        for (int k = j; k < chunks; k += 64) {
            const float* p = partial + static_cast<size_t>(k) * 3 * c + channel;
            join(n, shift, mean, m2, static_cast<float>(min(chunk, rows - k * chunk)), p[0], p[c], p[2 * c]);
        }
    }
    shifts[j][i] = shift;
    means[j][i] = mean;
    deviations[j][i] = m2;
    if (i == 0) { // the block's first channel exists
        counts[j] = n;
    }
#pragma unroll
    for (int half = 32; half > 0; half /= 2) {
        __syncthreads();
        if (j < half) {
            join(n, shift, mean, m2, counts[j + half], shifts[j + half][i], means[j + half][i], deviations[j + half][i]);
            shifts[j][i] = shift;
            means[j][i] = mean;
            deviations[j][i] = m2;
            if (i == 0) {
                counts[j] = n;
            }
        }
    }
    if (j == 0 && channel < c) {
        m[channel] = shift + mean;
        m[c + channel] = m2 / rows;
    }
}

/// dx = (dm[0] + 2 dm[1] (x - m[0])) / rows.
extern "C" __global__ void __launch_bounds__(256) moments_gradient(int rows, int c, const float* dm, const float* x, const float* m,
    float* dx) {
    Channels channels(c, c % 4 == 0 && aligned16(x) && aligned16(dx) && aligned16(m) && aligned16(dm));
    float mean[4];
    float d0[4];
    float d1[4];
    channels.load(mean, m, 0);
    channels.load(d0, dm, 0);
    channels.load(d1, dm, 1);
    for (unsigned r = blockIdx.y * 16 + threadIdx.y; r < static_cast<unsigned>(rows); r += gridDim.y * 16) {
        float v[4];
        channels.load(v, x, r);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            v[e] = (d0[e] + 2 * d1[e] * (v[e] - mean[e])) / rows;
        }
        channels.store(dx, r, v);
    }
}

/// y = f(gamma (x - m[0]) / sqrt(m[1] + epsilon) + beta + residual).
extern "C" __global__ void __launch_bounds__(256) batch_norm(int rows, int c, float epsilon, int f, float p, float q, const float* x,
    const float* m, const float* gamma, const float* beta, const float* residual, float* y) {
    Channels channels(c, c % 4 == 0 && aligned16(x) && aligned16(y) && aligned16(m) && aligned16(gamma) && aligned16(beta)
        && aligned16(residual));
    float mean[4];
    float scale[4];
    float shift[4];
    float variance[4];
    channels.load(mean, m, 0);
    channels.load(variance, m, 1);
    channels.load(scale, gamma, 0);
    channels.load(shift, beta, 0);
#pragma unroll
    for (int e = 0; e < 4; e++) {
        scale[e] /= sqrtf(variance[e] + epsilon);
    }
    for (unsigned r = blockIdx.y * 16 + threadIdx.y; r < static_cast<unsigned>(rows); r += gridDim.y * 16) {
        float v[4];
        float add[4] = {};
        channels.load(v, x, r);
        if (residual != nullptr) {
            channels.load(add, residual, r);
        }
#pragma unroll
        for (int e = 0; e < 4; e++) {
            v[e] = apply(f, p, q, (v[e] - mean[e]) * scale[e] + shift[e] + add[e]);
        }
        channels.store(y, r, v);
    }
}

/// dy where a ReLU with result z let it pass; z may be null.
__device__ __forceinline__ void loadGradient(const Channels& channels, float (&v)[4], const float* dy, const float* z, unsigned r) {
    channels.load(v, dy, r);
    if (z != nullptr) {
        float result[4];
        channels.load(result, z, r);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            v[e] = result[e] <= 0 ? 0 : v[e];
        }
    }
}

/// partial[k, 0, c] = sum of dy over chunk k, partial[k, 1, c] = sum of dy (x - m[0]) / sqrt(m[1] + epsilon).
extern "C" __global__ void __launch_bounds__(256) batch_norm_sums(int rows, int c, float epsilon, int chunk, const float* dy,
    const float* z, const float* x, const float* m, float* partial) {
    __shared__ float sums[2][16][64];
    Channels channels(c, c % 4 == 0 && aligned16(x) && aligned16(dy) && aligned16(z) && aligned16(m) && aligned16(partial));
    int i = threadIdx.x;
    int j = threadIdx.y;
    unsigned begin = blockIdx.y * static_cast<unsigned>(chunk);
    unsigned end = min(static_cast<unsigned>(rows), begin + static_cast<unsigned>(chunk));
    float mean[4];
    float inverse[4];
    channels.load(mean, m, 0);
    channels.load(inverse, m, 1);
    float s0[4] = {};
    float s1[4] = {};
#pragma unroll
    for (int e = 0; e < 4; e++) {
        inverse[e] = 1 / sqrtf(inverse[e] + epsilon);
    }
#pragma unroll 2
    for (unsigned r = begin + j; r < end; r += 16) {
        float d[4];
        float v[4];
        loadGradient(channels, d, dy, z, r);
        channels.load(v, x, r);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            s0[e] += d[e];
            s1[e] = fmaf(d[e], (v[e] - mean[e]) * inverse[e], s1[e]);
        }
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
        sums[0][j][i * 4 + e] = s0[e];
        sums[1][j][i * 4 + e] = s1[e];
    }
#pragma unroll
    for (int half = 8; half > 0; half /= 2) {
        __syncthreads();
        if (j < half) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                s0[e] += sums[0][j + half][i * 4 + e];
                s1[e] += sums[1][j + half][i * 4 + e];
                sums[0][j][i * 4 + e] = s0[e];
                sums[1][j][i * 4 + e] = s1[e];
            }
        }
    }
    if (j == 0) {
        channels.store(partial, blockIdx.y * 2, s0);
        channels.store(partial, blockIdx.y * 2 + 1, s1);
    }
}

/// dx = gamma / sqrt(m[1] + epsilon) (dy - s[0] / rows - xhat s[1] / rows), xhat = (x - m[0]) / sqrt(m[1] + epsilon).
extern "C" __global__ void __launch_bounds__(256) batch_norm_gradient(int rows, int c, float epsilon, const float* dy, const float* z,
    const float* x, const float* m, const float* gamma, const float* s, float* dx) {
    Channels channels(c, c % 4 == 0 && aligned16(x) && aligned16(dy) && aligned16(z) && aligned16(m) && aligned16(gamma)
        && aligned16(s) && aligned16(dx));
    float mean[4];
    float inverse[4];
    float scale[4];
    float s0[4];
    float s1[4];
    channels.load(mean, m, 0);
    channels.load(inverse, m, 1);
    channels.load(scale, gamma, 0);
    channels.load(s0, s, 0);
    channels.load(s1, s, 1);
#pragma unroll
    for (int e = 0; e < 4; e++) {
        inverse[e] = 1 / sqrtf(inverse[e] + epsilon);
        scale[e] *= inverse[e];
        s0[e] /= rows;
        s1[e] /= rows;
    }
    for (unsigned r = blockIdx.y * 16 + threadIdx.y; r < static_cast<unsigned>(rows); r += gridDim.y * 16) {
        float d[4];
        float v[4];
        loadGradient(channels, d, dy, z, r);
        channels.load(v, x, r);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            d[e] = scale[e] * (d[e] - s0[e] - (v[e] - mean[e]) * inverse[e] * s1[e]);
        }
        channels.store(dx, r, d);
    }
}
