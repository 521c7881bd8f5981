// Every instruction that C++ has no word for, each behind one small function. No other file contains inline PTX, so that a
// host emulation (src/test/cuda/emulation.h) replaces exactly these and runs the rest of the source as it is.
#pragma once
#include <stdint.h>

#ifdef GRADUS_EMULATION
#include "emulation.h"
#else

/// The block's dynamic shared memory as floats, aligned to 1024 bytes where the hardware's swizzles want it.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) float name[]

__device__ __forceinline__ uint32_t sharedAddress(const void* p) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/// Lane i receives the value of lane i ^ mask. All 32 lanes take part.
__device__ __forceinline__ float shuffleXor(float v, int mask) { return __shfl_xor_sync(0xffffffffu, v, mask); }

/// Copies 16 bytes to shared memory, or writes 16 zeros if not valid, without waiting where the hardware can (sm_80). Both
/// addresses are multiples of 16.
__device__ __forceinline__ void copyAsync16(float* to, const float* from, bool valid) {
#if __CUDA_ARCH__ >= 800
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(bytes) : "memory");
#else
    float4 v = make_float4(0, 0, 0, 0);
    if (valid) {
        v = *reinterpret_cast<const float4*>(from);
    }
    *reinterpret_cast<float4*>(to) = v;
#endif
}

/// The same for 4 bytes.
__device__ __forceinline__ void copyAsync4(float* to, const float* from, bool valid) {
#if __CUDA_ARCH__ >= 800
    int bytes = valid ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(bytes) : "memory");
#else
    *to = valid ? *from : 0;
#endif
}

/// Ends a group of this thread's copies.
__device__ __forceinline__ void commitCopies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until all groups of this thread's copies but the latest n have arrived.
template <int N>
__device__ __forceinline__ void waitCopies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

/// x rounded to 10 bits of mantissa, to nearest, ties away from zero.
__device__ __forceinline__ uint32_t toTf32(float x) {
    uint32_t y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}

/// Both rounded to bfloat16, to nearest even: low in the lower half.
__device__ __forceinline__ uint32_t toBf16x2(float low, float high) {
    uint32_t y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}

/// d += a b on a tensor core: a 16 x 8, b 8 x 8, d 16 x 8. With group g = lane / 4 and t = lane % 4:
/// a = {(g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)}, b = {(t, g), (t + 4, g)}, d = {(g, 2t), (g, 2t + 1), (g + 8, ..)}.
__device__ __forceinline__ void mmaTf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// d += a b on a tensor core: a 16 x 16, b 16 x 8, two bfloat16 a register, the lower k in the lower half:
/// a = {(g, 2t..), (g + 8, 2t..), (g, 2t + 8..), (g + 8, 2t + 8..)}, b = {(2t.., g), (2t + 8.., g)}, d as above.
__device__ __forceinline__ void mmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif
