// What happens to every element by itself. All of it is bound by memory: the aim is whole lines of 128 bytes a warp and enough
// of them under way, nothing else.
//
// Idea. A grid walks over n elements with the stride of its threads, so any grid gives the same results. Where pointers allow
// it, a thread takes four neighbours (16 bytes), else one. Views with strides turn an index into one by dividing from the
// last axis up; neighbouring axes were merged by the host, so most views have rank 1 or 2, and these have loops of their own.
//
// Block 256; no shared memory; at most 40 registers. n < 2^31.
#include "types.cuh"

/// Calls each(i) for every i < n, or four(i) for i = 0, 4, .. and each(i) for the rest, if vector.
template <class Four, class Each>
__device__ __forceinline__ void forAll(int n, bool vector, Four four, Each each) {
    unsigned end = static_cast<unsigned>(n);
    unsigned quads = vector ? end / 4 : 0;
    for (unsigned i = globalThread(); i < quads; i += globalThreads()) {
        four(static_cast<size_t>(i) * 4);
    }
    for (unsigned i = quads * 4 + globalThread(); i < end; i += globalThreads()) {
        each(static_cast<size_t>(i));
    }
}

__device__ __forceinline__ float4 read4(const float* p) { return *reinterpret_cast<const float4*>(p); }
__device__ __forceinline__ void write4(float* p, float4 v) { *reinterpret_cast<float4*>(p) = v; }

/// y[i] = value.
extern "C" __global__ void __launch_bounds__(256) fill(int n, float value, float* y) {
    forAll(n, aligned16(y), [=](size_t i) { write4(y + i, make_float4(value, value, value, value)); },
        [=](size_t i) { y[i] = value; });
}

/// y[yOffset + sum i_k yStrides_k] = x[xOffset + sum i_k xStrides_k].
extern "C" __global__ void __launch_bounds__(256) strided_copy(const __grid_constant__ CopyView v, const float* x, float* y) {
    x += v.xOffset;
    y += v.yOffset;
    int last = v.rank - 1;
    bool runs = v.xStrides[last] == 1 && v.yStrides[last] == 1 && v.dims[last] % 4 == 0 && aligned16(x) && aligned16(y);
    for (int k = 0; k < last; k++) {
        runs = runs && v.xStrides[k] % 4 == 0 && v.yStrides[k] % 4 == 0;
    }
    unsigned step = runs ? 4 : 1; // then four neighbours stay neighbours in both views
    unsigned n = static_cast<unsigned>(v.n) / step;
    for (unsigned i = globalThread(); i < n; i += globalThreads()) {
        unsigned rest = i * step;
        long long xi = 0;
        long long yi = 0;
        for (int k = last; k >= 0; k--) {
            unsigned d = static_cast<unsigned>(v.dims[k]);
            unsigned quotient = k == 0 ? 0 : rest / d;
            long long index = rest - quotient * d;
            xi += index * v.xStrides[k];
            yi += index * v.yStrides[k];
            rest = quotient;
        }
        if (runs) {
            write4(y + yi, read4(x + xi));
        } else {
            y[yi] = x[xi];
        }
    }
}

/// y[i] = f(x[i]).
extern "C" __global__ void __launch_bounds__(256) map(int f, float p, float q, int n, const float* x, float* y) {
    forAll(n, aligned16(x) && aligned16(y),
        [=](size_t i) {
            float4 v = read4(x + i);
            write4(y + i, make_float4(apply(f, p, q, v.x), apply(f, p, q, v.y), apply(f, p, q, v.z), apply(f, p, q, v.w)));
        },
        [=](size_t i) { y[i] = apply(f, p, q, x[i]); });
}

/// dx[i] = dy[i] f'(z[i]). A ReLU passes or drops dy, so that an infinite dy does not meet a 0.
__device__ __forceinline__ float chain(int f, float p, float q, float dy, float z) {
    float d = derivative(f, p, q, z);
    return f == RELU ? (z <= 0 ? 0 : dy) : dy * d;
}

extern "C" __global__ void __launch_bounds__(256) map_gradient(int f, float p, float q, int n, const float* dy, const float* z,
    float* dx) {
    forAll(n, aligned16(dy) && aligned16(z) && aligned16(dx),
        [=](size_t i) {
            float4 d = read4(dy + i);
            float4 v = read4(z + i);
            write4(dx + i, make_float4(chain(f, p, q, d.x, v.x), chain(f, p, q, d.y, v.y), chain(f, p, q, d.z, v.z),
                chain(f, p, q, d.w, v.w)));
        },
        [=](size_t i) { dx[i] = chain(f, p, q, dy[i], z[i]); });
}

__device__ __forceinline__ float operate(int op, float a, float b) {
    return op == 0 ? a + b : op == 1 ? a - b : op == 2 ? a * b : a / b;
}

/// y[i] = a[view of i] (op) b[view of i].
extern "C" __global__ void __launch_bounds__(256) arithmetic(int op, const __grid_constant__ BroadcastView v, const float* a, const float* b, float* y) {
    int last = v.rank - 1;
    int sa = v.aStrides[last];
    int sb = v.bStrides[last];
    bool runs = v.dims[last] % 4 == 0 && aligned16(y) && sa <= 1 && sb <= 1 && (sa == 0 || aligned16(a)) && (sb == 0 || aligned16(b));
    for (int k = 0; k < last; k++) { // an operand that is read four at a time must stay aligned
        runs = runs && (sa == 0 || v.aStrides[k] % 4 == 0) && (sb == 0 || v.bStrides[k] % 4 == 0);
    }
    unsigned step = runs ? 4 : 1;
    unsigned n = static_cast<unsigned>(v.n) / step;
    for (unsigned i = globalThread(); i < n; i += globalThreads()) {
        unsigned rest = i * step;
        long long ai = 0;
        long long bi = 0;
        for (int k = last; k >= 0; k--) {
            unsigned d = static_cast<unsigned>(v.dims[k]);
            unsigned quotient = k == 0 ? 0 : rest / d;
            long long index = rest - quotient * d;
            ai += index * v.aStrides[k];
            bi += index * v.bStrides[k];
            rest = quotient;
        }
        if (runs) {
            float4 va = sa == 1 ? read4(a + ai) : make_float4(a[ai], a[ai], a[ai], a[ai]);
            float4 vb = sb == 1 ? read4(b + bi) : make_float4(b[bi], b[bi], b[bi], b[bi]);
            write4(y + static_cast<size_t>(i) * 4,
                make_float4(operate(op, va.x, vb.x), operate(op, va.y, vb.y), operate(op, va.z, vb.z), operate(op, va.w, vb.w)));
        } else {
            y[i] = operate(op, a[ai], b[bi]);
        }
    }
}

/// y[i] = alpha a[i] + beta s b[i].
extern "C" __global__ void __launch_bounds__(256) combine(int n, float alpha, float beta, const float* a, const float* s,
    const float* b, float* y) {
    float factor = beta * *s;
    forAll(n, aligned16(a) && aligned16(b) && aligned16(y),
        [=](size_t i) {
            float4 u = read4(a + i);
            float4 v = read4(b + i);
            write4(y + i, make_float4(alpha * u.x + factor * v.x, alpha * u.y + factor * v.y, alpha * u.z + factor * v.z,
                alpha * u.w + factor * v.w));
        },
        [=](size_t i) { y[i] = alpha * a[i] + factor * b[i]; });
}

__device__ __forceinline__ float towards(float a, float b, float t) { return a + (b - a) * t; }

/// y[i] = a[i] + (b[i] - a[i]) t.
extern "C" __global__ void __launch_bounds__(256) lerp(int n, float t, const float* a, const float* b, float* y) {
    forAll(n, aligned16(a) && aligned16(b) && aligned16(y),
        [=](size_t i) {
            float4 u = read4(a + i);
            float4 v = read4(b + i);
            write4(y + i, make_float4(towards(u.x, v.x, t), towards(u.y, v.y, t), towards(u.z, v.z, t), towards(u.w, v.w, t)));
        },
        [=](size_t i) { y[i] = towards(a[i], b[i], t); });
}

/// y[i] = v[i] + (g[i]^2 - v[i]) t.
extern "C" __global__ void __launch_bounds__(256) lerp_square(int n, float t, const float* v, const float* g, float* y) {
    forAll(n, aligned16(v) && aligned16(g) && aligned16(y),
        [=](size_t i) {
            float4 u = read4(v + i);
            float4 w = read4(g + i);
            write4(y + i, make_float4(towards(u.x, w.x * w.x, t), towards(u.y, w.y * w.y, t), towards(u.z, w.z * w.z, t),
                towards(u.w, w.w * w.w, t)));
        },
        [=](size_t i) { y[i] = towards(v[i], g[i] * g[i], t); });
}

__device__ __forceinline__ float step(float w, float m, float v, float rate, float epsilon) {
    return w - m * rate / (sqrtf(v) + epsilon);
}

/// y[i] = w[i] - m[i] rate / (sqrt(v[i]) + epsilon).
extern "C" __global__ void __launch_bounds__(256) adam_step(int n, float epsilon, const float* w, const float* m, const float* v,
    const float* rate, float* y) {
    float r = *rate;
    forAll(n, aligned16(w) && aligned16(m) && aligned16(v) && aligned16(y),
        [=](size_t i) {
            float4 a = read4(w + i);
            float4 b = read4(m + i);
            float4 c = read4(v + i);
            write4(y + i, make_float4(step(a.x, b.x, c.x, r, epsilon), step(a.y, b.y, c.y, r, epsilon),
                step(a.z, b.z, c.z, r, epsilon), step(a.w, b.w, c.w, r, epsilon)));
        },
        [=](size_t i) { y[i] = step(w[i], m[i], v[i], r, epsilon); });
}

__device__ __forceinline__ void adamElement(float& w, float& m, float& v, float g, float t1, float t2, float rate, float epsilon) {
    m = towards(m, g, t1);
    v = towards(v, g * g, t2);
    w = step(w, m, v, rate, epsilon);
}

/// m towards g by t1, v towards g^2 by t2, then w - m rate / (sqrt(v) + epsilon): Adam in one pass, in place.
extern "C" __global__ void __launch_bounds__(256) adam(int n, float t1, float t2, float epsilon, float* w, float* m, float* v,
    const float* g, const float* rate) {
    float r = *rate;
    forAll(n, aligned16(w) && aligned16(m) && aligned16(v) && aligned16(g),
        [=](size_t i) {
            float4 a = read4(w + i);
            float4 b = read4(m + i);
            float4 c = read4(v + i);
            float4 d = read4(g + i);
            adamElement(a.x, b.x, c.x, d.x, t1, t2, r, epsilon);
            adamElement(a.y, b.y, c.y, d.y, t1, t2, r, epsilon);
            adamElement(a.z, b.z, c.z, d.z, t1, t2, r, epsilon);
            adamElement(a.w, b.w, c.w, d.w, t1, t2, r, epsilon);
            write4(w + i, a);
            write4(m + i, b);
            write4(v + i, c);
        },
        [=](size_t i) { adamElement(w[i], m[i], v[i], g[i], t1, t2, r, epsilon); });
}

/// gradus.backend.Noise.mix.
__device__ __forceinline__ uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/// y[i] = u(i) < p ? 0 : x[i] / keep, u(i) = gradus.backend.Noise.uniform(seed, step, i) = bits / 2^24, threshold = p 2^24 rounded up.
extern "C" __global__ void __launch_bounds__(256) dropout(int n, int threshold, float keep, long long seed, const float* step,
    const float* x, float* y) {
    constexpr uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;
    uint64_t key = mix(static_cast<uint64_t>(seed) + GOLDEN * static_cast<uint64_t>(static_cast<long long>(*step)));
    for (unsigned i = globalThread(); i < static_cast<unsigned>(n); i += globalThreads()) {
        int bits = static_cast<int>(mix(key + GOLDEN * (static_cast<uint64_t>(i) + 1)) >> 40);
        y[i] = bits < threshold ? 0 : x[i] / keep;
    }
}
