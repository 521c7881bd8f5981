// Sums and maxima along the middle axis of (outer, reduced, inner), in a fixed order: each value depends on the shape and on
// `chunk` only. Bound by memory.
//
// Idea. Rows (inner = 1): a warp takes a chunk of a row, its lanes neighbouring elements in 4 accumulators each, and adds by
// a butterfly. Columns: a block of 32 columns x 16 takes a chunk, thread (i, j) the elements j, j + 16, ..., and the 16 are
// added in shared memory by halves. A long axis is reduced in two stages, chunks first.
//
// rows: block 256, no shared memory. columns: block (32, 16), 2112 bytes; 33 floats a line, so neither direction meets in a
// bank. At most 40 registers.
#include "types.cuh"

template <bool MAX>
__device__ __forceinline__ float join(float a, float b) {
    return MAX ? maxOrNan(a, b) : a + b;
}

template <bool MAX>
__device__ __forceinline__ void reduceRow(int reduced, int chunk, int chunks, int id, const float* x, float* y) {
    int row = id / chunks;
    int begin = id % chunks * chunk;
    int end = endOf(begin, chunk, reduced);
    const float* p = x + static_cast<size_t>(row) * reduced;
    float start = MAX ? -__builtin_inff() : 0;
    float a[4] = {start, start, start, start};
    int r = begin + threadIdx.x % 32;
    for (; r + 96 < end; r += 128) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            a[e] = join<MAX>(a[e], p[r + 32 * e]);
        }
    }
    for (int e = 0; r < end; r += 32, e++) { // fewer than 4 rounds are left
        a[0] = e == 0 ? join<MAX>(a[0], p[r]) : a[0];
        a[1] = e == 1 ? join<MAX>(a[1], p[r]) : a[1];
        a[2] = e == 2 ? join<MAX>(a[2], p[r]) : a[2];
    }
    float sum = join<MAX>(join<MAX>(a[0], a[1]), join<MAX>(a[2], a[3]));
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        sum = join<MAX>(sum, shuffleXor(sum, mask));
    }
    if (threadIdx.x % 32 == 0) {
        y[id] = sum;
    }
}

/// y[o, k] = op over chunk k of x[o, .]. A warp each.
extern "C" __global__ void __launch_bounds__(256) reduce_rows(int op, int outer, int reduced, int chunk, const float* x, float* y) {
    int chunks = max(ceilDiv(reduced, chunk), 1);
    int id = blockIdx.x * 8 + threadIdx.x / 32;
    if (id < outer * chunks) {
        if (op == 0) {
            reduceRow<false>(reduced, chunk, chunks, id, x, y);
        } else {
            reduceRow<true>(reduced, chunk, chunks, id, x, y);
        }
    }
}

template <bool MAX>
__device__ __forceinline__ void reduceColumns(int reduced, int inner, int chunk, const float* x, float* y, float (&lines)[16][33]) {
    int tiles = ceilDiv(inner, 32);
    int chunks = max(ceilDiv(reduced, chunk), 1);
    int tile = blockIdx.x % tiles;
    int at = blockIdx.x / tiles; // o chunks + k
    int begin = at % chunks * chunk;
    int end = endOf(begin, chunk, reduced);
    int i = tile * 32 + threadIdx.x;
    float start = MAX ? -__builtin_inff() : 0;
    float a = start;
    float b = start;
    if (i < inner) {
        const float* p = x + static_cast<size_t>(at / chunks) * reduced * inner + i;
        int r = begin + threadIdx.y;
        for (; r + 16 < end; r += 32) {
            a = join<MAX>(a, p[static_cast<size_t>(r) * inner]);
            b = join<MAX>(b, p[static_cast<size_t>(r + 16) * inner]);
        }
        if (r < end) {
            a = join<MAX>(a, p[static_cast<size_t>(r) * inner]);
        }
    }
    lines[threadIdx.y][threadIdx.x] = join<MAX>(a, b);
#pragma unroll
    for (int half = 8; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < static_cast<unsigned>(half)) {
            lines[threadIdx.y][threadIdx.x] = join<MAX>(lines[threadIdx.y][threadIdx.x], lines[threadIdx.y + half][threadIdx.x]);
        }
    }
    if (threadIdx.y == 0 && i < inner) {
        y[static_cast<size_t>(at) * inner + i] = lines[0][threadIdx.x];
    }
}

/// y[o, k, i] = op over chunk k of x[o, ., i]. A block for 32 columns of a chunk.
extern "C" __global__ void __launch_bounds__(512) reduce_columns(int op, int outer, int reduced, int inner, int chunk, const float* x,
    float* y) {
    __shared__ float lines[16][33];
    if (op == 0) {
        reduceColumns<false>(reduced, inner, chunk, x, y, lines);
    } else {
        reduceColumns<true>(reduced, inner, chunk, x, y, lines);
    }
}

/// dx[o, r, i] = x[o, r, i] = y[o, i] ? dy[o, i] / (number of such r) : 0. A warp for each (o, i) where inner is short, so that
/// its lanes share the axis; a thread where it is long, so that neighbours read neighbours.
extern "C" __global__ void __launch_bounds__(256) max_gradient(int outer, int reduced, int inner, const float* dy, const float* x,
    const float* y, float* dx) {
    bool warps = inner < 32;
    int id = warps ? blockIdx.x * 8 + threadIdx.x / 32 : blockIdx.x * 256 + threadIdx.x;
    if (id >= outer * inner) {
        return; // a whole warp, where lanes work together
    }
    size_t base = static_cast<size_t>(id / inner) * reduced * inner + id % inner;
    float largest = y[id];
    int first = warps ? threadIdx.x % 32 : 0;
    int stride = warps ? 32 : 1;
    float count = 0;
    for (int r = first; r < reduced; r += stride) {
        count += x[base + static_cast<size_t>(r) * inner] == largest ? 1 : 0;
    }
    if (warps) {
#pragma unroll
        for (int mask = 16; mask > 0; mask /= 2) {
            count += shuffleXor(count, mask);
        }
    }
    float share = dy[id] / count;
    for (int r = first; r < reduced; r += stride) {
        size_t at = base + static_cast<size_t>(r) * inner;
        dx[at] = x[at] == largest ? share : 0;
    }
}
