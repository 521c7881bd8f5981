// One matrix product under everything that is one: dense products, convolutions and both of their gradients. Y = A B, with A
// (M, K) and B (K, N) never formed: two loaders know where an element is in the operand's own memory (or that it is a zero
// of the padding), and an epilogue knows where a result goes.
//
// Idea. A block computes a tile of BM x BN results in registers. For each 16 steps along K a stage of shared memory receives
// 16 BM elements of A and 16 BN of B by asynchronous copies of 16 bytes (cp.async, which skips the registers and writes
// zeros where the loader says so), while earlier stages are multiplied: 2 stages in float32, 3 with tensor cores. One barrier
// for each 16 steps.
//
// Shared memory. An operand whose K is contiguous in memory ("rows") is kept as [row][16], the other ("columns") as [k][row],
// both without padding: instead chunks of 16 bytes are permuted (rows: chunk ^ row / 2 % 4, columns: chunk ^ 2 (k / 4)), so
// that neither the copies nor the reads below meet in a bank. src/test/cuda/banks.cpp counts that.
//
// float32. 8 x TN results a thread, in warps of 4 x 8 threads; 16 steps are 4 times 4: a thread reads 4 steps of its 8 rows
// of A, 8 times 16 bytes, and 4 steps of B likewise, for 32 TN multiply-adds.
//
// tf32, bf16. A warp computes (BM / WM) x 32 results by mma.sync. A sum over k may be taken in any order if A and B agree on
// it, so lane t takes the steps 4t .. 4t + 3, one read of 16 bytes of a row, where the instructions' own order would have
// asked for two or four reads. Values are rounded to tf32 or bf16 after they were read; sums are float32.
//
// Results leave by way of the same shared memory, 64 rows at a time, in lines of 16 bytes a thread.
//
// Budget (nvcc 13.0; compile.sh checks it against kernels.budget): at most 128 registers with 256 threads, so two blocks a
// multiprocessor; shared memory 64 (BM + BN) bytes a stage, at most 48 KiB. Disassembled for sm_90, tile 128 x 128:
//
//   float32  4 steps in 281 to 284 instructions: 256 FFMA (90 %), 16 LDS of 16 bytes, 9 to 12 addresses and the loop; no local
//            memory. 128 x 64: 151 for 128 FFMA (85 %), 12 LDS
//   tf32     16 steps, copies and barrier included, in 318 (product) to 349 (convolution): 32 HMMA, 24 LDS, 96 for rounding
//   bf16     161 to 203: 16 HMMA, 24 LDS, 24 for rounding
//
// So float32 is bound by its multiply-adds, tf32 and bf16 by the instructions around them: by 8 warps on 4 schedulers, 16 steps
// take at least 2 x 161 cycles. Hopper.cu has neither rounding nor fragments.
#pragma once
#include "types.cuh"
#include <type_traits>

#ifndef PRECISION
#define PRECISION 0 // 0 float32, 1 tf32, 2 bf16, 3 bf16 in memory for warpgroup products (Hopper.cu)
#endif

constexpr int K_STEP = PRECISION == 3 ? 32 : 16; // words of 4 bytes: with precision 3, pairs of bfloat16
constexpr int STAGES = PRECISION == 0 ? 2 : PRECISION == 3 ? 4 : 3;

enum Layout { ROWS, COLUMNS };

/// Where element (row, k) of a panel is in its stage, in floats.
template <Layout layout, int SIZE>
__host__ __device__ __forceinline__ constexpr int place(int row, int k) {
    return PRECISION == 3 ? row * K_STEP + (((k >> 2) ^ (row & 7)) << 2) + (k & 3)
        : layout == ROWS  ? row * K_STEP + (((k >> 2) ^ (row >> 1 & 3)) << 2) + (k & 3)
                          : k * SIZE + (row ^ ((k >> 2) << 3));
}

/// The chunk that a thread copies in round i: 4 elements from (row, k) on, along k (ROWS) or along the rows (COLUMNS). k
/// (ROWS) or row (COLUMNS) does not depend on i.
template <Layout layout, int SIZE, int THREADS>
struct Chunks {
    static constexpr int COUNT = SIZE * K_STEP / 4 / THREADS;
    static_assert(COUNT * THREADS * 4 == SIZE * K_STEP && THREADS % (SIZE / 4) == 0, "uneven");
    __device__ static __forceinline__ int row(int i) {
        int id = threadIdx.x + THREADS * i;
        return layout == ROWS ? id / (K_STEP / 4) : static_cast<int>(threadIdx.x) % (SIZE / 4) * 4;
    }
    __device__ static __forceinline__ int k(int i) {
        int id = threadIdx.x + THREADS * i;
        return layout == ROWS ? static_cast<int>(threadIdx.x) % (K_STEP / 4) * 4 : id / (SIZE / 4);
    }
};

// ---- loaders: issue(stage) copies the chunks of this thread for a stage, next() moves on to the next ----

/// Element (row, k) is p[row * stride + k]. Places are 32-bit offsets: half the registers of pointers.
template <int SIZE, int THREADS, bool VECTOR>
struct DenseRows {
    static constexpr Layout LAYOUT = ROWS;
    using Own = Chunks<ROWS, SIZE, THREADS>;
    const float* p;
    unsigned from[Own::COUNT];
    int left; // steps of K from this thread's own on
    bool inside[Own::COUNT];

    __device__ __forceinline__ DenseRows(const float* p, int stride, int row0, int rows, int kBegin, int kEnd)
        : p(p), left(kEnd - kBegin - Own::k(0)) {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            int row = row0 + Own::row(i);
            inside[i] = row < rows;
            from[i] = (inside[i] ? row * stride : 0) + kBegin + Own::k(0);
        }
    }

    __device__ __forceinline__ void issue(float* stage) {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            float* to = stage + place<ROWS, SIZE>(Own::row(i), Own::k(i));
            if (VECTOR) {
                bool valid = inside[i] && left > 0;
                copyAsync16(to, p + (valid ? from[i] : 0), valid);
            } else {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    bool valid = inside[i] && left > e;
                    copyAsync4(to + e, p + (valid ? from[i] + e : 0), valid);
                }
            }
        }
    }

    __device__ __forceinline__ void next() {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            from[i] += K_STEP;
        }
        left -= K_STEP;
    }
};

/// Element (row, k) is p[k * stride + row].
template <int SIZE, int THREADS, bool VECTOR>
struct DenseColumns {
    static constexpr Layout LAYOUT = COLUMNS;
    using Own = Chunks<COLUMNS, SIZE, THREADS>;
    static constexpr int STEP = THREADS / (SIZE / 4); // of k from round to round
    const float* p;
    unsigned first; // place in round 0
    int stride, left;
    int width; // rows from this thread's own on

    __device__ __forceinline__ DenseColumns(const float* p, int stride, int row0, int rows, int kBegin, int kEnd)
        : p(p), stride(stride), left(kEnd - kBegin - Own::k(0)), width(rows - row0 - Own::row(0)) {
        first = (kBegin + Own::k(0)) * stride + row0 + Own::row(0);
        if (VECTOR && width <= 0) {
            left = 0;
        }
    }

    __device__ __forceinline__ void issue(float* stage) {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            float* to = stage + place<COLUMNS, SIZE>(Own::row(i), Own::k(i));
            bool valid = left > STEP * i;
            unsigned from = first + STEP * i * stride;
            if (VECTOR) {
                copyAsync16(to, p + (valid ? from : 0), valid);
            } else {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    bool exists = valid && width > e;
                    copyAsync4(to + e, p + (exists ? from + e : 0), exists);
                }
            }
        }
    }

    __device__ __forceinline__ void next() {
        first += K_STEP * stride;
        left -= K_STEP;
    }
};

/// All chunks of a thread whose k is (a, b, channel): whole, or a float at a time, which may lie in different taps.
template <int SIZE, int THREADS, bool VECTOR, class Loader, class Position>
__device__ __forceinline__ void issueTaps(const Loader& loader, float* stage, const Position& position) {
    using Own = Chunks<ROWS, SIZE, THREADS>;
    Position p = position;
#pragma unroll 1
    for (int e = 0; e < (VECTOR ? 1 : 4); e++) {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            loader.copy(stage + place<ROWS, SIZE>(Own::row(i), Own::k(i)) + e, i, p);
        }
        if (!VECTOR) {
            p.advance(1);
        }
    }
}

/// How pixels of one image grid meet pixels of another: pixel (n, u, v) of a grid (rows, columns) meets, at tap (a, b) of
/// (tapsH, tapsW), pixel (u stepH + offsetH + a tapStepH, v stepW + offsetW + b tapStepW) of an image (h, w) of which each
/// pixel has `stride` floats; `channels` of them, from p on, take part. k = (a, b, channel).
struct Taps {
    const float* p;
    int rows, columns;
    int h, w, stride, channels;
    int stepH, stepW, offsetH, offsetW;
    int tapsH, tapsW, tapStepH, tapStepW;
};

/// A place k = (a, b, channel) of the summed axis, and how many of its steps are left.
struct TapPosition {
    int channels, tapsW, a, b, channel, left;

    __device__ __forceinline__ TapPosition(int channels, int tapsW, int k, int kEnd) : channels(channels), tapsW(tapsW), left(kEnd - k) {
        int tap = k / channels;
        channel = k - tap * channels;
        a = tapsW == 0 ? 0 : tap / tapsW; // no taps: kEnd is 0
        b = tap - a * tapsW;
    }

    __device__ __forceinline__ void advance(int steps) {
        left -= steps;
        channel += steps;
        while (channel >= channels) {
            channel -= channels;
            if (++b == tapsW) {
                b = 0;
                a++;
            }
        }
    }
};

/// Rows are pixels, k = (a, b, channel): what a convolution reads of its image.
template <int SIZE, int THREADS, bool VECTOR>
struct PixelRows {
    static constexpr Layout LAYOUT = ROWS;
    using Own = Chunks<ROWS, SIZE, THREADS>;
    Taps g;
    int base[Own::COUNT], h[Own::COUNT], w[Own::COUNT];
    TapPosition position;

    __device__ __forceinline__ PixelRows(const Taps& g, int row0, int rows, int kBegin, int kEnd)
        : g(g), position(g.channels, g.tapsW, kBegin + Own::k(0), kEnd) {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            int row = row0 + Own::row(i);
            int v = row % g.columns;
            int u = row / g.columns % g.rows;
            int n = row / g.columns / g.rows;
            h[i] = row < rows ? u * g.stepH + g.offsetH : -(1 << 30); // outside with every tap
            w[i] = v * g.stepW + g.offsetW;
            base[i] = row < rows ? ((n * g.h + h[i]) * g.w + w[i]) * g.stride : 0;
        }
    }

    __device__ __forceinline__ void copy(float* to, int i, const TapPosition& p) const {
        int dh = p.a * g.tapStepH;
        int dw = p.b * g.tapStepW;
        bool valid = p.left > 0 && static_cast<unsigned>(h[i] + dh) < static_cast<unsigned>(g.h)
            && static_cast<unsigned>(w[i] + dw) < static_cast<unsigned>(g.w);
        const float* from = valid ? g.p + (base[i] + (dh * g.w + dw) * g.stride + p.channel) : g.p;
        if (VECTOR) {
            copyAsync16(to, from, valid);
        } else {
            copyAsync4(to, from, valid);
        }
    }

    __device__ __forceinline__ void issue(float* stage) const { issueTaps<SIZE, THREADS, VECTOR>(*this, stage, position); }
    __device__ __forceinline__ void next() { position.advance(K_STEP); }
};

/// Rows are (a, b, channel), k is the pixel: the transpose of PixelRows, for the gradient of a kernel.
template <int SIZE, int THREADS, bool VECTOR>
struct PixelColumns {
    static constexpr Layout LAYOUT = COLUMNS;
    static constexpr int LANES = VECTOR ? 1 : 4;
    using Own = Chunks<COLUMNS, SIZE, THREADS>;
    Taps g;
    int dh[LANES], dw[LANES], channel[LANES];
    bool inside[LANES];
    int left; // steps of K from this thread's own on
    int n[Own::COUNT], u[Own::COUNT], v[Own::COUNT];

    __device__ __forceinline__ PixelColumns(const Taps& g, int row0, int rows, int kBegin, int kEnd)
        : g(g), left(kEnd - kBegin - Own::k(0)) {
#pragma unroll
        for (int e = 0; e < LANES; e++) {
            int row = row0 + Own::row(0) + e;
            int tap = row / g.channels;
            channel[e] = row - tap * g.channels;
            dh[e] = tap / g.tapsW * g.tapStepH + g.offsetH;
            dw[e] = tap % g.tapsW * g.tapStepW + g.offsetW;
            inside[e] = row < rows;
        }
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            int pixel = kBegin + Own::k(i);
            v[i] = pixel % g.columns;
            u[i] = pixel / g.columns % g.rows;
            n[i] = pixel / g.columns / g.rows;
        }
    }

    __device__ __forceinline__ void issue(float* stage) {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            float* to = stage + place<COLUMNS, SIZE>(Own::row(i), Own::k(i));
            bool pixel = left > Own::k(i) - Own::k(0);
#pragma unroll
            for (int e = 0; e < LANES; e++) {
                int h = u[i] * g.stepH + dh[e];
                int w = v[i] * g.stepW + dw[e];
                bool valid = pixel && inside[e] && static_cast<unsigned>(h) < static_cast<unsigned>(g.h)
                    && static_cast<unsigned>(w) < static_cast<unsigned>(g.w);
                const float* from = valid ? g.p + (((n[i] * g.h + h) * g.w + w) * g.stride + channel[e]) : g.p;
                if (VECTOR) {
                    copyAsync16(to, from, valid);
                } else {
                    copyAsync4(to + e, from, valid);
                }
            }
        }
    }

    __device__ __forceinline__ void next() {
#pragma unroll
        for (int i = 0; i < Own::COUNT; i++) {
            v[i] += K_STEP;
            while (v[i] >= g.columns) {
                v[i] -= g.columns;
                if (++u[i] == g.rows) {
                    u[i] = 0;
                    n[i]++;
                }
            }
        }
        left -= K_STEP;
    }
};

/// A subset of a convolution's kernel, transposed: row is the input channel, k = (a, b, output channel), with tap (a, b) the
/// kernel's (firstH + a strideH, firstW + b strideW) of (kh, kw); the memory is (kh, kw, rows, f) and p its group's first.
struct KernelTaps {
    const float* p;
    int kw, f; // f of all groups
    int firstH, firstW, strideH, strideW;
};

template <int SIZE, int THREADS, bool VECTOR>
struct KernelRows {
    static constexpr Layout LAYOUT = ROWS;
    using Own = Chunks<ROWS, SIZE, THREADS>;
    KernelTaps g;
    int row0, rows;
    const TapPosition& position; // of the pixels that these taps meet, which is this thread's as well: chunks of rows share their k

    __device__ __forceinline__ KernelRows(const KernelTaps& g, int row0, int rows, const TapPosition& position)
        : g(g), row0(row0), rows(rows), position(position) {}

    __device__ __forceinline__ void copy(float* to, int i, const TapPosition& p) const {
        int row = row0 + Own::row(i);
        int tap = (g.firstH + p.a * g.strideH) * g.kw + g.firstW + p.b * g.strideW;
        bool valid = p.left > 0 && row < rows;
        const float* from = valid ? g.p + ((tap * rows + row) * g.f + p.channel) : g.p;
        if (VECTOR) {
            copyAsync16(to, from, valid);
        } else {
            copyAsync4(to, from, valid);
        }
    }

    __device__ __forceinline__ void issue(float* stage) const { issueTaps<SIZE, THREADS, VECTOR>(*this, stage, position); }
    __device__ __forceinline__ void next() {}
};

// ---- the accumulators of a thread and what they are multiplied from ----

__device__ __forceinline__ float component(const float4& v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }
__device__ __forceinline__ float4 read4(const float* p) { return *reinterpret_cast<const float4*>(p); }

/// Where a result of a row and column is while it waits in shared memory: four rows in different banks.
template <int BN>
__device__ __forceinline__ int stagedPlace(int row, int column) {
    return row * BN + (column ^ ((row & 3) << 3));
}

#if PRECISION == 0
template <int BM, int BN, int THREADS, Layout LA, Layout LB>
struct Accumulators {
    static constexpr int TM = 8, TN = BN / 16;
    static constexpr int LANES_M = THREADS / 16; // threads along m; 16 along n
    static_assert(LANES_M * TM == BM, "tile");
    float sums[TM][TN];

    __device__ __forceinline__ static int threadM() { return threadIdx.x / 64 * 4 + threadIdx.x % 32 / 8; }
    __device__ __forceinline__ static int threadN() { return threadIdx.x / 32 % 2 * 8 + threadIdx.x % 8; }
    __device__ __forceinline__ static int row(int i) {
        return LA == ROWS ? threadM() + LANES_M * i : threadM() * 4 + i % 4 + i / 4 * (LANES_M * 4);
    }
    __device__ __forceinline__ static int column(int j) {
        return LB == ROWS ? threadN() + 16 * j : threadN() * 4 + j % 4 + j / 4 * 64;
    }

    __device__ __forceinline__ Accumulators() {
#pragma unroll
        for (int i = 0; i < TM; i++) {
#pragma unroll
            for (int j = 0; j < TN; j++) {
                sums[i][j] = 0;
            }
        }
    }

    /// Where the thread's first row is at steps k .. k + 3: the others are at fixed distances, which instructions contain.
    template <Layout layout, int SIZE>
    __device__ __forceinline__ static const float* place4(const float* p, int first, int k) {
        int origin = place<layout, SIZE>(first, 0);
        return layout == ROWS ? p + (origin ^ k) : p + k * SIZE + (origin ^ (k << 1));
    }

    __device__ __forceinline__ static float4 readA(const float* a, int i, int e) {
        return read4(a + (LA == ROWS ? LANES_M * i * K_STEP : e * BM + i / 4 * (LANES_M * 4)));
    }

    __device__ __forceinline__ static float4 readB(const float* b, int j, int e) {
        return read4(b + (LB == ROWS ? 16 * j * K_STEP : e * BN + j / 4 * 64));
    }

    __device__ __forceinline__ void multiply(const float* stageA, const float* stageB) {
        int firstM = row(0);
        int firstN = column(0);
#pragma unroll 1
        for (int k = 0; k < K_STEP; k += 4) {
            const float* a = place4<LA, BM>(stageA, firstM, k);
            const float* b = place4<LB, BN>(stageB, firstN, k);
            if constexpr (LA == ROWS) {
                float4 va[TM];
#pragma unroll
                for (int i = 0; i < TM; i++) {
                    va[i] = readA(a, i, 0);
                }
                if constexpr (LB == ROWS) {
#pragma unroll
                    for (int j = 0; j < TN; j++) {
                        float4 vb = readB(b, j, 0);
#pragma unroll
                        for (int e = 0; e < 4; e++) {
#pragma unroll
                            for (int i = 0; i < TM; i++) {
                                sums[i][j] = fmaf(component(va[i], e), component(vb, e), sums[i][j]);
                            }
                        }
                    }
                } else {
#pragma unroll
                    for (int e = 0; e < 4; e++) {
#pragma unroll
                        for (int j = 0; j < TN; j += 4) {
                            float4 vb = readB(b, j, e);
#pragma unroll
                            for (int i = 0; i < TM; i++) {
                                addRow(i, j, component(va[i], e), vb);
                            }
                        }
                    }
                }
            } else {
                float4 vb[TN]; // ROWS: 4 steps of each column; COLUMNS: one step of 4 columns each
                if constexpr (LB == ROWS) {
#pragma unroll
                    for (int j = 0; j < TN; j++) {
                        vb[j] = readB(b, j, 0);
                    }
                }
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    if constexpr (LB == COLUMNS) {
#pragma unroll
                        for (int j = 0; j < TN; j += 4) {
                            vb[j / 4] = readB(b, j, e);
                        }
                    }
#pragma unroll
                    for (int i = 0; i < TM; i += 4) {
                        float4 va = readA(a, i, e);
#pragma unroll
                        for (int ii = 0; ii < 4; ii++) {
#pragma unroll
                            for (int j = 0; j < TN; j += 4) {
                                if constexpr (LB == COLUMNS) {
                                    addRow(i + ii, j, component(va, ii), vb[j / 4]);
                                } else {
                                    addRow(i + ii, j, component(va, ii),
                                        make_float4(component(vb[j], e), component(vb[j + 1], e), component(vb[j + 2], e),
                                            component(vb[j + 3], e)));
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    __device__ __forceinline__ void addRow(int i, int j, float a, const float4& b) {
        sums[i][j] = fmaf(a, b.x, sums[i][j]);
        sums[i][j + 1] = fmaf(a, b.y, sums[i][j + 1]);
        sums[i][j + 2] = fmaf(a, b.z, sums[i][j + 2]);
        sums[i][j + 3] = fmaf(a, b.w, sums[i][j + 3]);
    }

    /// Writes the results of the rows [first, first + ROWS) of the tile to shared memory.
    template <int COUNT>
    __device__ __forceinline__ void stage(float* shared, int first) const {
#pragma unroll
        for (int i = 0; i < TM; i++) {
            int r = row(i) - first;
            if (r >= 0 && r < COUNT) {
#pragma unroll
                for (int j = 0; j < TN; j += 4) {
                    if constexpr (LB == COLUMNS) {
                        *reinterpret_cast<float4*>(shared + stagedPlace<BN>(r, column(j)))
                            = make_float4(sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]);
                    } else {
#pragma unroll
                        for (int e = j; e < j + 4; e++) {
                            shared[stagedPlace<BN>(r, column(e))] = sums[i][e];
                        }
                    }
                }
            }
        }
    }
};
#elif PRECISION == 3
template <int BM, int BN, int THREADS, Layout LA, Layout LB>
struct Accumulators {
    static constexpr int NI = BN / 8;
    static_assert(THREADS == BM * 2 && LA == ROWS && LB == ROWS, "a warpgroup for 64 rows, k contiguous");
    float sums[NI][4];

    __device__ __forceinline__ static int row0() { return threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4; }

    __device__ __forceinline__ Accumulators() {
#pragma unroll
        for (int j = 0; j < NI; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                sums[j][e] = 0;
            }
        }
    }

    /// Starts the products of a stage: 4 times 16 steps, each 32 bytes further into the rows.
    __device__ __forceinline__ void multiply(const float* a, const float* b) {
        uint64_t da = describe(a + threadIdx.x / 128 * 64 * K_STEP);
        uint64_t db = describe(b);
        fenceProducts();
#pragma unroll
        for (int k = 0; k < 4; k++) {
            productBf16(sums, da + 2 * k, db + 2 * k);
        }
        commitProducts();
    }

    template <int COUNT>
    __device__ __forceinline__ void stage(float* shared, int first) const {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int r = row0() + 8 * i - first;
            if (r >= 0 && r < COUNT) {
#pragma unroll
                for (int j = 0; j < NI; j++) {
                    *reinterpret_cast<float2*>(shared + stagedPlace<BN>(r, 8 * j + static_cast<int>(threadIdx.x) % 4 * 2))
                        = make_float2(sums[j][2 * i], sums[j][2 * i + 1]);
                }
            }
        }
    }
};
#else
template <int BM, int BN, int THREADS, Layout LA, Layout LB>
struct Accumulators {
    static constexpr int WARPS_N = BN / 32;
    static constexpr int WARPS_M = THREADS / 32 / WARPS_N;
    static constexpr int MI = BM / WARPS_M / 16, NI = 4; // products of 16 x 8 a warp
    static_assert(MI * 16 * WARPS_M == BM, "tile");
    float sums[MI][NI][4];

    __device__ __forceinline__ static int row0() { return threadIdx.x / 32 / WARPS_N * (MI * 16) + threadIdx.x % 32 / 4; }
    __device__ __forceinline__ static int column0() { return threadIdx.x / 32 % WARPS_N * 32; }

    __device__ __forceinline__ Accumulators() {
#pragma unroll
        for (int i = 0; i < MI; i++) {
#pragma unroll
            for (int j = 0; j < NI; j++) {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    sums[i][j][e] = 0;
                }
            }
        }
    }

    /// Steps 4t .. 4t + 3 of the rows first + g + r, with first a multiple of 32 and r of 8, from few addresses: r changes an address
    /// by a constant (ROWS), or chooses one of the four that the permutation makes of r / 8 % 4 (COLUMNS).
    template <Layout layout, int SIZE>
    struct Fragments {
        static constexpr int COUNT = layout == ROWS ? 1 : 4;
        const float* at[COUNT];

        __device__ __forceinline__ Fragments(const float* stage, int first) {
#pragma unroll
            for (int i = 0; i < COUNT; i++) {
                at[i] = stage + place<layout, SIZE>(first + static_cast<int>(threadIdx.x) % 32 / 4 + 8 * i, threadIdx.x % 4 * 4);
            }
        }

        __device__ __forceinline__ float4 operator()(int r) const {
            if constexpr (layout == ROWS) {
                return read4(at[0] + r * K_STEP);
            } else {
                const float* p = at[r / 8 % 4] + r / 32 * 32;
                return make_float4(p[0], p[SIZE], p[2 * SIZE], p[3 * SIZE]);
            }
        }
    };

    __device__ __forceinline__ void multiply(const float* a, const float* b) {
        Fragments<LA, BM> rows(a, threadIdx.x / 32 / WARPS_N * (MI * 16));
        Fragments<LB, BN> columns(b, column0());
#if PRECISION == 1
        uint32_t vb[NI][4];
#pragma unroll
        for (int j = 0; j < NI; j++) {
            float4 v = columns(8 * j);
            vb[j][0] = toTf32(v.x);
            vb[j][1] = toTf32(v.y);
            vb[j][2] = toTf32(v.z);
            vb[j][3] = toTf32(v.w);
        }
#pragma unroll
        for (int i = 0; i < MI; i++) {
            float4 low = rows(16 * i);
            float4 high = rows(16 * i + 8);
            uint32_t first[4] = {toTf32(low.x), toTf32(high.x), toTf32(low.y), toTf32(high.y)};
            uint32_t second[4] = {toTf32(low.z), toTf32(high.z), toTf32(low.w), toTf32(high.w)};
#pragma unroll
            for (int j = 0; j < NI; j++) {
                mmaTf32(sums[i][j], first, {vb[j][0], vb[j][1]});
                mmaTf32(sums[i][j], second, {vb[j][2], vb[j][3]});
            }
        }
#else
        uint32_t vb[NI][2];
#pragma unroll
        for (int j = 0; j < NI; j++) {
            float4 v = columns(8 * j);
            vb[j][0] = toBf16x2(v.x, v.y);
            vb[j][1] = toBf16x2(v.z, v.w);
        }
#pragma unroll
        for (int i = 0; i < MI; i++) {
            float4 low = rows(16 * i);
            float4 high = rows(16 * i + 8);
            uint32_t va[4] = {toBf16x2(low.x, low.y), toBf16x2(high.x, high.y), toBf16x2(low.z, low.w), toBf16x2(high.z, high.w)};
#pragma unroll
            for (int j = 0; j < NI; j++) {
                mmaBf16(sums[i][j], va, vb[j]);
            }
        }
#endif
    }

    template <int COUNT>
    __device__ __forceinline__ void stage(float* shared, int first) const {
#pragma unroll
        for (int i = 0; i < MI * 2; i++) {
            int r = row0() + 8 * i - first;
            if (r >= 0 && r < COUNT) {
#pragma unroll
                for (int j = 0; j < NI; j++) {
                    int column = column0() + 8 * j + static_cast<int>(threadIdx.x) % 4 * 2;
                    *reinterpret_cast<float2*>(shared + stagedPlace<BN>(r, column))
                        = make_float2(sums[i / 2][j][i % 2 * 2], sums[i / 2][j][i % 2 * 2 + 1]);
                }
            }
        }
    }
};
#endif

/// The tile of this block: groups of 8 tiles along m are walked together along n, so that blocks that run at the same time
/// share rows of A and columns of B in the second-level cache.
struct TileOrigin {
    int row, column;
    __device__ __forceinline__ TileOrigin(int tilesM, int tilesN, int BM, int BN) {
        constexpr int GROUP = 8;
        int id = blockIdx.x;
        int group = id / (GROUP * tilesN);
        int inGroup = id - group * (GROUP * tilesN);
        int size = min(tilesM - group * GROUP, GROUP);
        row = (group * GROUP + inGroup % size) * BM;
        column = inGroup / size * BN;
    }
};

#if PRECISION != 3
/// The loop over K: steps is a count of 16s. The first STAGES - 1 rounds only copy.
template <int BM, int BN, class Acc, class LoaderA, class LoaderB>
__device__ __forceinline__ void accumulate(Acc& acc, LoaderA& a, LoaderB& b, int steps) {
    DYNAMIC_SHARED(shared);
    constexpr int STAGE = (BM + BN) * K_STEP;
    int writing = 0; // the stage after it, in the circle, is the oldest: the one to be multiplied
#pragma unroll 1
    for (int left = steps + STAGES - 1; left > 0; left--) {
        if (left <= steps) {
            waitCopies<STAGES - 2>();
            __syncthreads(); // this stage has arrived for all, and all are done with the one that is overwritten next
        }
        if (left >= STAGES) {
            a.issue(shared + writing);
            b.issue(shared + writing + BM * K_STEP);
            a.next();
            b.next();
        }
        commitCopies();
        writing = writing == (STAGES - 1) * STAGE ? 0 : writing + STAGE;
        if (left <= steps) {
            acc.multiply(shared + writing, shared + writing + BM * K_STEP);
        }
    }
    waitCopies<0>();
}
#else
/// The loop over K with products that run beside it: those of one stage are under way while the next are started, so the stage
/// that is overwritten is the one before the previous, whose products every thread has waited for before the barrier.
template <int BM, int BN, class Acc, class LoaderA, class LoaderB>
__device__ __forceinline__ void accumulate(Acc& acc, LoaderA& a, LoaderB& b, int steps) {
    DYNAMIC_SHARED(shared);
    constexpr int STAGE = (BM + BN) * K_STEP;
    constexpr int AHEAD = STAGES - 2;
    int writing = 0;
    int reading = 0;
#pragma unroll 1
    for (int left = steps + AHEAD; left > 0; left--) {
        if (left <= steps) {
            waitCopies<AHEAD - 1>();
            publishShared();
            __syncthreads();
        }
        if (left > AHEAD) {
            a.issue(shared + writing);
            b.issue(shared + writing + BM * K_STEP);
            a.next();
            b.next();
            writing = writing == (STAGES - 1) * STAGE ? 0 : writing + STAGE;
        }
        commitCopies();
        if (left <= steps) {
            acc.multiply(shared + reading, shared + reading + BM * K_STEP);
            waitProducts<1>();
            reading = reading == (STAGES - 1) * STAGE ? 0 : reading + STAGE;
        }
    }
    waitProducts<0>();
    waitCopies<0>();
}
#endif

/// Where a tile's results go, and what is done to them on the way: bias, residual, clamp.
struct Target {
    int row0, rows, column0, columns;
    const float* bias;     // of column 0 of the matrix, or null
    const float* residual; // as y, or null
    float* y;
    float low, high; // the clamp
    bool vector;     // whether every row starts at a multiple of 16 bytes

    __device__ __forceinline__ float finish(float v, int column, float r) const {
        if (bias != nullptr) {
            v += bias[column];
        }
        v += r;
        return v < low ? low : v > high ? high : v;
    }
};

/// Writes a tile by way of shared memory, 64 rows at a time, so that memory is written in whole lines whatever thread computed a
/// result. rowOffset(row) is where a row of the matrix starts in y, in floats.
template <int BM, int BN, int THREADS, class Acc, class Offset>
__device__ __forceinline__ void store(const Acc& acc, const Target& t, const Offset& rowOffset) {
    DYNAMIC_SHARED(shared);
    constexpr int COUNT = 64;
    static_assert(COUNT * BN <= STAGES * (BM + BN) * K_STEP && BM % COUNT == 0, "shared memory");
#pragma unroll 1
    for (int first = 0; first < BM; first += COUNT) {
        __syncthreads();
        acc.template stage<COUNT>(shared, first);
        __syncthreads();
#pragma unroll 2
        for (int id = threadIdx.x; id < COUNT * BN / 4; id += THREADS) {
            int r = id / (BN / 4);
            int c = id % (BN / 4) * 4;
            int row = t.row0 + first + r;
            int column = t.column0 + c;
            if (row >= t.rows || column >= t.columns) {
                continue;
            }
            float4 v = read4(shared + stagedPlace<BN>(r, c));
            int at = rowOffset(row) + column;
            if (t.vector) {
                float4 add = make_float4(0, 0, 0, 0);
                if (t.residual != nullptr) {
                    add = read4(t.residual + at);
                }
                *reinterpret_cast<float4*>(t.y + at) = make_float4(t.finish(v.x, column, add.x), t.finish(v.y, column + 1, add.y),
                    t.finish(v.z, column + 2, add.z), t.finish(v.w, column + 3, add.w));
            } else {
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    if (column + e < t.columns) {
                        float add = t.residual != nullptr ? t.residual[at + e] : 0;
                        t.y[at + e] = t.finish(component(v, e), column + e, add);
                    }
                }
            }
        }
    }
}

/// Offset of a row of a dense matrix.
struct DenseOffset {
    int stride;
    __device__ __forceinline__ int operator()(int row) const { return row * stride; }
};

constexpr float INFINITE = __builtin_inff();

/// y[i] = f(sum over s of partial[s, i] + bias[i % channels] + residual[i]), s in order: the end of a product whose K was split.
extern "C" __global__ void __launch_bounds__(256) sum_splits(int splits, int n, int channels, int f, float p, float q,
    const float* partial, const float* bias, const float* residual, float* y) {
    for (unsigned i = globalThread(); i < static_cast<unsigned>(n); i += globalThreads()) {
        float sum = 0;
        for (int s = 0; s < splits; s++) {
            sum += partial[static_cast<size_t>(s) * n + i];
        }
        if (bias != nullptr) {
            sum += bias[i % channels];
        }
        if (residual != nullptr) {
            sum += residual[i];
        }
        y[i] = apply(f, p, q, sum);
    }
}
