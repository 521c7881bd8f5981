// Runs CUDA kernels on the host, to find faults in them where there is no GPU: the same source, compiled by g++ with
// -DGRADUS_EMULATION, this header in the place of the wrappers of src/main/cuda/device.cuh.
//
// Each thread of a block is a fiber with a stack of its own. A fiber runs until it waits (for the block, for its warp) or
// ends; which of those that can run goes next is drawn at random, and so is the order of blocks, so that a missing barrier
// shows as a wrong number under some seed. Shared memory is filled with NaN before each block. Asynchronous copies happen
// either at once or as late as the hardware may (when their thread waits for them), drawn at random. Buffers end at a page
// that cannot be touched. What the tensor cores do is written down from the layouts of the PTX ISA manual.
//
// Not modelled: time, caches, memory of limited size, reordering of plain loads and stores between two barriers.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __restrict__
#define __forceinline__ inline
#define __grid_constant__
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("shared_memory")))

struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
template <class T> inline T min(T a, T b) { return a < b ? a : b; }
template <class T> inline T max(T a, T b) { return a > b ? a : b; }

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace emulation {

constexpr size_t STACK = 128 * 1024;
constexpr size_t SHARED_BYTES = 232448;
inline float* dynamicShared = static_cast<float*>(aligned_alloc(1024, SHARED_BYTES + 1024));
inline size_t dynamicBytes;

struct PendingCopy { char* to; const char* from; int bytes; bool valid; };

struct Barrier { std::vector<int> waiting; };

/// What the lanes of a warp show each other.
struct Warp {
    Barrier barrier;
    uint32_t slots[32][16];
};

/// A product of a warpgroup that has been started: operands are read, and sums written, by the time it is waited for.
struct PendingProduct { uint64_t a, b; float (*d)[4]; int n; };

struct Fiber {
    ucontext_t context;
    char* stack;
    uint3 index;
    bool done;
    std::vector<std::vector<PendingCopy>> groups; // the last one is still open
    std::vector<std::vector<PendingProduct>> products; // likewise
    std::vector<int> unpublished; // chunks of 16 bytes that this thread copied and warpgroup products may not read yet
};

inline std::vector<Fiber> fibers;
inline std::vector<Warp> warps;
inline std::vector<int> runnable;
inline Barrier block;
inline int current, alive;
inline ucontext_t scheduler;
inline std::function<void()> body;
inline uint64_t randomState;
inline bool shuffled;

[[noreturn]] inline void fail(const char* what) {
    fprintf(stderr, "emulation: %s (block %u %u %u, thread %u %u)\n", what, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x,
        threadIdx.y);
    abort();
}

inline uint32_t random() {
    randomState ^= randomState << 13;
    randomState ^= randomState >> 7;
    randomState ^= randomState << 17;
    return static_cast<uint32_t>(randomState >> 32);
}

// Saves the registers that a called function must keep and changes stacks; what swapcontext does less its system calls.
#if defined(__x86_64__)
extern "C" void gradusSwitch(void** save, void* load);
asm(R"(
.text
.weak gradusSwitch
.type gradusSwitch, @function
gradusSwitch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
inline std::vector<void*> stackPointers;
inline void* schedulerPointer;
inline void toScheduler() { gradusSwitch(&stackPointers[current], schedulerPointer); }
inline void toFiber(int i) { gradusSwitch(&schedulerPointer, stackPointers[i]); }
#else
inline void toScheduler() { swapcontext(&fibers[current].context, &scheduler); }
inline void toFiber(int i) { swapcontext(&scheduler, &fibers[i].context); }
#endif

inline void enter() {
    body();
    fibers[current].done = true;
    for (;;) {
        toScheduler();
    }
}

inline void prepare(int i) {
    Fiber& f = fibers[i];
    f.done = false;
    f.groups.assign(1, {});
    f.products.assign(1, {});
    f.unpublished.clear();
#if defined(__x86_64__)
    void** top = reinterpret_cast<void**>(f.stack + STACK);
    *--top = nullptr; // where a call would have left its return address
    *--top = reinterpret_cast<void*>(enter);
    for (int k = 0; k < 6; k++) {
        *--top = nullptr;
    }
    stackPointers[i] = top;
#else
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack;
    f.context.uc_stack.ss_size = STACK;
    f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
#endif
}

/// The current thread waits until n threads do.
inline void arrive(Barrier& barrier, size_t n) {
    barrier.waiting.push_back(current);
    if (barrier.waiting.size() == n) {
        runnable.insert(runnable.end(), barrier.waiting.begin(), barrier.waiting.end());
        barrier.waiting.clear();
    }
    int self = current;
    toScheduler();
    current = self;
}

inline int lane() { return current % 32; }
inline Warp& warp() { return warps[current / 32]; }
inline void arriveWarp() { arrive(warp().barrier, 32); }

inline int publisher[SHARED_BYTES / 16 + 1]; // of each chunk: 0 published, else 1 + the thread that must do it

inline void perform(const PendingCopy& c) {
    int chunk = static_cast<int>((c.to - reinterpret_cast<char*>(dynamicShared)) / 16);
    publisher[chunk] = 1 + current;
    fibers[current].unpublished.push_back(chunk);
    if (c.valid) {
        memcpy(c.to, c.from, c.bytes);
    } else {
        memset(c.to, 0, c.bytes);
    }
}

inline void copyAsync(void* to, const void* from, int bytes, bool valid) {
    if (reinterpret_cast<size_t>(to) % bytes != 0 || (valid && reinterpret_cast<size_t>(from) % bytes != 0)) {
        fail("copyAsync: misaligned");
    }
    char* t = static_cast<char*>(to);
    if (t < reinterpret_cast<char*>(dynamicShared) || t + bytes > reinterpret_cast<char*>(dynamicShared) + dynamicBytes) {
        fail("copyAsync: outside the block's shared memory");
    }
    PendingCopy c{t, static_cast<const char*>(from), bytes, valid};
    if (shuffled && random() % 2 == 0) {
        fibers[current].groups.back().push_back(c);
    } else if (shuffled) {
        perform(c);
    } else {
        fibers[current].groups.back().push_back(c);
    }
}

inline char* sharedStart();
inline char* sharedStop();

/// Runs a grid. Seed 0: blocks and threads in order; otherwise drawn from the seed.
inline void launch(dim3 grid, dim3 threads, size_t sharedBytes, uint64_t seed, std::function<void()> kernel) {
    size_t n = static_cast<size_t>(threads.x) * threads.y * threads.z;
    if (n > 1024 || n % 32 != 0 || grid.y > 65535 || grid.z > 65535 || sharedBytes > SHARED_BYTES || grid.x < 1 || grid.x > 0x7fffffffu
        || grid.y < 1 || grid.z < 1) {
        fprintf(stderr, "emulation: impossible launch: grid %u %u %u, %zu threads, %zu bytes\n", grid.x, grid.y, grid.z, n, sharedBytes);
        abort();
    }
    shuffled = seed != 0;
    randomState = seed * 0x9E3779B97F4A7C15ull + 1;
    body = std::move(kernel);
    dynamicBytes = sharedBytes;
    gridDim = grid;
    blockDim = threads;
    while (fibers.size() < n) {
        fibers.emplace_back();
        fibers.back().stack = static_cast<char*>(
            mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    }
#if defined(__x86_64__)
    stackPointers.resize(fibers.size());
#endif
    warps.resize(n / 32);
    size_t blocks = static_cast<size_t>(grid.x) * grid.y * grid.z;
    std::vector<size_t> order(blocks);
    for (size_t i = 0; i < blocks; i++) {
        order[i] = i;
    }
    for (size_t i = blocks; shuffled && i > 1; i--) {
        std::swap(order[i - 1], order[random() % i]);
    }
    for (size_t b : order) {
        blockIdx = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
            static_cast<unsigned>(b / grid.x / grid.y)};
        memset(dynamicShared, 0xff, sharedBytes + 1024); // NaN, and a margin that must stay so
        if (sharedStart() != nullptr) {
            memset(sharedStart(), 0xff, sharedStop() - sharedStart());
        }
        memset(publisher, 0, sizeof publisher);
        block.waiting.clear();
        runnable.clear();
        for (size_t i = 0; i < n; i++) {
            prepare(static_cast<int>(i));
            fibers[i].index = {static_cast<unsigned>(i % threads.x), static_cast<unsigned>(i / threads.x % threads.y),
                static_cast<unsigned>(i / threads.x / threads.y)};
            runnable.push_back(static_cast<int>(i));
        }
        if (!shuffled) {
            std::reverse(runnable.begin(), runnable.end());
        }
        alive = static_cast<int>(n);
        while (alive > 0) {
            if (runnable.empty()) {
                fail("deadlock: threads wait at barriers that others never reach");
            }
            size_t at = shuffled ? random() % runnable.size() : runnable.size() - 1;
            current = runnable[at];
            runnable[at] = runnable.back();
            runnable.pop_back();
            threadIdx = fibers[current].index;
            int self = current;
            toFiber(self);
            if (fibers[self].done) {
                alive--;
                for (auto& group : fibers[self].groups) {
                    if (!group.empty()) {
                        fail("a thread ended with copies under way");
                    }
                }
                for (auto& group : fibers[self].products) {
                    if (!group.empty()) {
                        fail("a thread ended with products under way");
                    }
                }
            }
        }
        for (size_t i = sharedBytes; i < sharedBytes + 1024; i++) {
            if (reinterpret_cast<unsigned char*>(dynamicShared)[i] != 0xff) {
                fail("wrote past the end of shared memory");
            }
        }
    }
}

/// Device memory of n floats that ends at a page which cannot be touched (but for what alignment to 16 bytes leaves).
class Buffer {
public:
    explicit Buffer(size_t n, float value = NAN) : n(n) {
        size_t bytes = (n * sizeof(float) + 15) / 16 * 16;
        size_t body = (bytes + 4095) / 4096 * 4096;
        mapped = body + 8192;
        base = static_cast<char*>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(base, 4096, PROT_NONE);
        mprotect(base + 4096 + body, 4096, PROT_NONE);
        data = reinterpret_cast<float*>(base + 4096 + body - bytes);
        for (size_t i = 0; i < bytes / 4; i++) {
            data[i] = i < n ? value : canary();
        }
    }
    Buffer(const Buffer&) = delete;
    Buffer(Buffer&& o) : n(o.n), data(o.data), base(o.base), mapped(o.mapped) { o.base = nullptr; }
    ~Buffer() {
        if (base != nullptr) {
            for (size_t i = n; i % 4 != 0; i++) {
                if (memcmp(&data[i], &CANARY, 4) != 0) {
                    fprintf(stderr, "emulation: wrote past the end of a buffer of %zu floats\n", n);
                    abort();
                }
            }
            munmap(base, mapped);
        }
    }
    float& operator[](size_t i) { return data[i]; }
    float operator[](size_t i) const { return data[i]; }
    operator float*() { return data; }
    size_t size() const { return n; }

private:
    static constexpr uint32_t CANARY = 0x7fc12345;
    static float canary() {
        float f;
        memcpy(&f, &CANARY, 4);
        return f;
    }
    size_t n;
    float* data;
    char* base;
    size_t mapped;
};

} // namespace emulation

// The bounds of all static shared variables, which the linker knows by the name of their section.
extern "C" char __start_shared_memory[] __attribute__((weak));
extern "C" char __stop_shared_memory[] __attribute__((weak));
inline char* emulation::sharedStart() { return __start_shared_memory; }
inline char* emulation::sharedStop() { return __stop_shared_memory; }

// ---- what device.cuh declares ----

#define DYNAMIC_SHARED(name) float* name = emulation::dynamicShared

inline void __syncthreads() { emulation::arrive(emulation::block, emulation::alive); }
inline void __syncwarp() { emulation::arriveWarp(); }

inline float shuffleXor(float v, int mask) {
    emulation::Warp& w = emulation::warp();
    int lane = emulation::lane();
    memcpy(&w.slots[lane][0], &v, 4);
    emulation::arriveWarp();
    float result;
    memcpy(&result, &w.slots[lane ^ mask][0], 4);
    emulation::arriveWarp();
    return result;
}

inline void copyAsync16(float* to, const float* from, bool valid) { emulation::copyAsync(to, from, 16, valid); }
inline void copyAsync4(float* to, const float* from, bool valid) { emulation::copyAsync(to, from, 4, valid); }
inline void commitCopies() { emulation::fibers[emulation::current].groups.emplace_back(); }

template <int N>
inline void waitCopies() {
    auto& groups = emulation::fibers[emulation::current].groups;
    while (groups.size() > N + 1) { // the open one does not count
        for (auto& c : groups.front()) {
            emulation::perform(c);
        }
        groups.erase(groups.begin());
    }
}

/// To 10 bits of mantissa, to nearest, ties away from zero.
inline uint32_t toTf32(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    return (u & 0x7f800000) == 0x7f800000 ? u : (u + 0x1000) & 0xffffe000;
}

inline uint32_t toBf16(float x) {
    uint32_t u;
    memcpy(&u, &x, 4);
    if (x != x) {
        return 0x7fff;
    }
    return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

inline uint32_t toBf16x2(float low, float high) { return toBf16(low) | toBf16(high) << 16; }

namespace emulation {

inline float fromBits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/// The lanes show their fragments; then each computes its four results: row g or g + 8, columns 2t and 2t + 1.
template <class A, class B>
inline void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], int k, A elementA, B elementB) {
    Warp& w = warp();
    int l = lane();
    memcpy(w.slots[l], a, 16);
    memcpy(w.slots[l] + 4, b, 8);
    arriveWarp();
    for (int i = 0; i < 4; i++) {
        int row = l / 4 + i / 2 * 8;
        int column = l % 4 * 2 + i % 2;
        float sum = d[i];
        for (int j = 0; j < k; j++) {
            sum += elementA(w, row, j) * elementB(w, j, column);
        }
        d[i] = sum;
    }
    arriveWarp();
}

} // namespace emulation

inline void mmaTf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    emulation::mma(d, a, b, 8,
        [](emulation::Warp& w, int row, int k) { // a0 (g, t), a1 (g + 8, t), a2 (g, t + 4), a3 (g + 8, t + 4)
            return emulation::fromBits(w.slots[row % 8 * 4 + k % 4][k / 4 * 2 + row / 8] & 0xffffe000);
        },
        [](emulation::Warp& w, int k, int column) { // b0 (t, g), b1 (t + 4, g)
            return emulation::fromBits(w.slots[column * 4 + k % 4][4 + k / 4] & 0xffffe000);
        });
}

inline void mmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    emulation::mma(d, a, b, 16,
        [](emulation::Warp& w, int row, int k) { // a0 (g, 2t..), a1 (g + 8, 2t..), a2 (g, 2t + 8..), a3 (g + 8, 2t + 8..)
            uint32_t pair = w.slots[row % 8 * 4 + k % 8 / 2][k / 8 * 2 + row / 8];
            return emulation::fromBits(k % 2 == 0 ? pair << 16 : pair & 0xffff0000);
        },
        [](emulation::Warp& w, int k, int column) { // b0 (2t.., g), b1 (2t + 8.., g)
            uint32_t pair = w.slots[column * 4 + k % 8 / 2][4 + k / 8];
            return emulation::fromBits(k % 2 == 0 ? pair << 16 : pair & 0xffff0000);
        });
}

// ---- warpgroup products ----

namespace emulation {

/// Element (row, k) of an operand: rows of 128 bytes in groups of 8 whose distance is in the descriptor, from its address on; then
/// bits 4 to 6 of the address are changed by bits 7 to 9, which is the swizzle of 128 bytes.
inline float described(uint64_t descriptor, int row, int k) {
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0) {
        fail("descriptor: only the swizzle of 128 bytes without base offset is emulated");
    }
    uint32_t start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
    uint32_t groups = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
    uint32_t address = start + row / 8 * groups + row % 8 * 128 + k * 2;
    address ^= (address >> 7 & 7) << 4;
    if (address + 2 > dynamicBytes) {
        fail("warpgroup product: outside the block's shared memory");
    }
    if (publisher[address / 16] != 0) {
        fail("warpgroup product: reads what was copied but not published by a fence");
    }
    uint16_t half;
    memcpy(&half, reinterpret_cast<char*>(dynamicShared) + address, 2);
    return fromBits(static_cast<uint32_t>(half) << 16);
}

inline void perform(const PendingProduct& p) {
    int row = current % 128 / 32 * 16 + current % 32 / 4;
    for (int half = 0; half < 2; half++) {
        float a[16];
        for (int k = 0; k < 16; k++) {
            a[k] = described(p.a, row + 8 * half, k);
        }
        for (int j = 0; j < p.n / 8; j++) {
            for (int e = 0; e < 2; e++) {
                float sum = p.d[j][2 * half + e];
                for (int k = 0; k < 16; k++) {
                    sum += a[k] * described(p.b, 8 * j + current % 4 * 2 + e, k);
                }
                p.d[j][2 * half + e] = sum;
            }
        }
    }
}

} // namespace emulation

inline void publishShared() {
    auto& fiber = emulation::fibers[emulation::current];
    for (int chunk : fiber.unpublished) {
        if (emulation::publisher[chunk] == 1 + emulation::current) {
            emulation::publisher[chunk] = 0;
        }
    }
    fiber.unpublished.clear();
}

inline void fenceProducts() {}
inline void commitProducts() { emulation::fibers[emulation::current].products.emplace_back(); }

template <int N>
inline void waitProducts() {
    auto& groups = emulation::fibers[emulation::current].products;
    while (groups.size() > N + 1) {
        for (auto& p : groups.front()) {
            emulation::perform(p);
        }
        groups.erase(groups.begin());
    }
}

inline uint64_t describe(const float* p) {
    uint32_t address = static_cast<uint32_t>(reinterpret_cast<const char*>(p) - reinterpret_cast<char*>(emulation::dynamicShared));
    if (address % 1024 != 0) {
        emulation::fail("descriptor: not aligned to its swizzle");
    }
    return static_cast<uint64_t>((address & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

template <int J>
inline void productBf16(float (&d)[J][4], uint64_t a, uint64_t b) {
    emulation::fibers[emulation::current].products.back().push_back({a, b, d, J * 8});
}
