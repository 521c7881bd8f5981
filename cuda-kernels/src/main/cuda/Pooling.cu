// The largest or the mean value of each window and their gradients: x (n, h, w, c), y (n, oh, ow, c). Bound by memory:
// neighbouring threads are neighbouring channels, so every read is a whole line, and windows that overlap meet in the caches.
//
// Gradients gather: the thread of an input pixel visits the windows that read it, in row-major order, instead of windows
// adding to pixels, which would need atomics and give other bits from run to run. For a maximum it asks of each window
// whether this pixel is its first maximum, stopping at the first tap that is as large before it or larger after it.
//
// Block 256; no shared memory; at most 64 registers. Windows entirely in the padding: maximum -infinity, mean NaN, no gradient.
#include "types.cuh"

/// Row h that tap i of window row p reads.
__device__ __forceinline__ int rowOf(const Window& g, int p, int i) { return p * g.strideH + i * g.dilationH - g.top; }
__device__ __forceinline__ int columnOf(const Window& g, int q, int j) { return q * g.strideW + j * g.dilationW - g.left; }

struct Pixel {
    int n, row, column, channel;
    __device__ __forceinline__ Pixel(unsigned i, int rows, int columns, int channels) {
        channel = i % channels;
        i /= channels;
        column = i % columns;
        i /= columns;
        row = i % rows;
        n = i / rows;
    }
};

/// y = max over the taps inside the image; NaN if one of them is.
extern "C" __global__ void __launch_bounds__(256) max_pool(const Window g, const float* x, float* y) {
    unsigned results = static_cast<unsigned>(g.n) * g.oh * g.ow * g.c;
    for (unsigned r = globalThread(); r < results; r += globalThreads()) {
        Pixel t(r, g.oh, g.ow, g.c);
        float largest = -__builtin_inff();
        for (int i = 0; i < g.kh; i++) {
            int h = rowOf(g, t.row, i);
            if (h < 0 || h >= g.h) {
                continue;
            }
            for (int j = 0; j < g.kw; j++) {
                int w = columnOf(g, t.column, j);
                if (w >= 0 && w < g.w) {
                    largest = maxOrNan(largest, x[((t.n * g.h + h) * g.w + w) * g.c + t.channel]);
                }
            }
        }
        y[r] = largest;
    }
}

/// Whether (h0, w0), whose value is v, is the first maximum of window (p, q), or its first NaN if it has one. A value before it
/// in row-major order beats it if it is as large, one after it if it is larger; a NaN beats every number.
__device__ __forceinline__ bool wins(const Window& g, int n, int p, int q, int channel, int h0, int w0, float v, const float* x) {
    for (int i = 0; i < g.kh; i++) {
        int h = rowOf(g, p, i);
        if (h < 0 || h >= g.h) {
            continue;
        }
        for (int j = 0; j < g.kw; j++) {
            int w = columnOf(g, q, j);
            if (w < 0 || w >= g.w || (h == h0 && w == w0)) {
                continue;
            }
            float other = x[((n * g.h + h) * g.w + w) * g.c + channel];
            bool before = h < h0 || (h == h0 && w < w0);
            if (v != v) {
                if (before && other != other) {
                    return false;
                }
            } else if (other != other || other > v || (before && other == v)) {
                return false;
            }
        }
    }
    return true;
}

/// The windows along one axis that read place h: for tap i, window (h + before - i dilation) / stride where that is whole.
/// Walks taps downwards, so that windows come in order.
#define FOR_EACH_WINDOW(p, extent, h, taps, stride, dilation, before) \
    for (int tap_##p = (taps) - 1, p; tap_##p >= 0; tap_##p--) \
        if ((p = (h) + (before) - tap_##p * (dilation)) >= 0 && p % (stride) == 0 && (p /= (stride)) < (extent))

/// dx = sum of dy over the windows whose first maximum this is.
extern "C" __global__ void __launch_bounds__(256) max_pool_gradient(const Window g, const float* dy, const float* x, float* dx) {
    unsigned results = static_cast<unsigned>(g.n) * g.h * g.w * g.c;
    for (unsigned r = globalThread(); r < results; r += globalThreads()) {
        Pixel t(r, g.h, g.w, g.c);
        float v = x[r];
        float sum = 0;
        FOR_EACH_WINDOW(p, g.oh, t.row, g.kh, g.strideH, g.dilationH, g.top) {
            FOR_EACH_WINDOW(q, g.ow, t.column, g.kw, g.strideW, g.dilationW, g.left) {
                if (wins(g, t.n, p, q, t.channel, t.row, t.column, v, x)) {
                    sum += dy[((t.n * g.oh + p) * g.ow + q) * g.c + t.channel];
                }
            }
        }
        dx[r] = sum;
    }
}

/// Number of taps of window p along an axis that are inside the image.
__device__ __forceinline__ int tapsInside(int p, int taps, int stride, int dilation, int before, int extent) {
    int count = 0;
    for (int i = 0; i < taps; i++) {
        int h = p * stride + i * dilation - before;
        count += h >= 0 && h < extent ? 1 : 0;
    }
    return count;
}

/// y = mean over the taps inside the image.
extern "C" __global__ void __launch_bounds__(256) average_pool(const Window g, const float* x, float* y) {
    unsigned results = static_cast<unsigned>(g.n) * g.oh * g.ow * g.c;
    for (unsigned r = globalThread(); r < results; r += globalThreads()) {
        Pixel t(r, g.oh, g.ow, g.c);
        float sum = 0;
        int count = 0;
        for (int i = 0; i < g.kh; i++) {
            int h = rowOf(g, t.row, i);
            if (h < 0 || h >= g.h) {
                continue;
            }
            for (int j = 0; j < g.kw; j++) {
                int w = columnOf(g, t.column, j);
                if (w >= 0 && w < g.w) {
                    sum += x[((t.n * g.h + h) * g.w + w) * g.c + t.channel];
                    count++;
                }
            }
        }
        y[r] = sum / count;
    }
}

/// dx = sum over the windows that read this pixel of dy / (their taps inside the image).
extern "C" __global__ void __launch_bounds__(256) average_pool_gradient(const Window g, const float* dy, float* dx) {
    unsigned results = static_cast<unsigned>(g.n) * g.h * g.w * g.c;
    for (unsigned r = globalThread(); r < results; r += globalThreads()) {
        Pixel t(r, g.h, g.w, g.c);
        float sum = 0;
        FOR_EACH_WINDOW(p, g.oh, t.row, g.kh, g.strideH, g.dilationH, g.top) {
            int rows = tapsInside(p, g.kh, g.strideH, g.dilationH, g.top, g.h);
            FOR_EACH_WINDOW(q, g.ow, t.column, g.kw, g.strideW, g.dilationW, g.left) {
                int columns = tapsInside(q, g.kw, g.strideW, g.dilationW, g.left, g.w);
                sum += dy[((t.n * g.oh + p) * g.ow + q) * g.c + t.channel] / (rows * columns);
            }
        }
        dx[r] = sum;
    }
}
