// Pooling and its gradients on the host against the loops of the reference backend in double precision.
#include "check.h"
#include "Pooling.cu"

static int place(int p, int stride, int i, int dilation, int before, int extent) {
    int h = p * stride + i * dilation - before;
    return h >= 0 && h < extent ? h : -1;
}

template <class Visit>
static void forEachTap(const Window& g, int p, int q, Visit visit) {
    for (int i = 0; i < g.kh; i++)
        for (int j = 0; j < g.kw; j++) {
            int h = place(p, g.strideH, i, g.dilationH, g.top, g.h);
            int w = place(q, g.strideW, j, g.dilationW, g.left, g.w);
            if (h >= 0 && w >= 0) {
                visit(h, w);
            }
        }
}

static void pooling(const Window& g, int values, bool nan) {
    size_t nx = static_cast<size_t>(g.n) * g.h * g.w * g.c;
    size_t ny = static_cast<size_t>(g.n) * g.oh * g.ow * g.c;
    Buffer x = integerBuffer(nx, -values, values), dy = randomBuffer(ny);
    for (size_t i = 0; nan && i < nx; i += 7) {
        x[i] = NAN;
    }
    std::vector<double> y(ny), dx(nx), mean(ny), dmean(nx);
    for (int n = 0; n < g.n; n++)
        for (int p = 0; p < g.oh; p++)
            for (int q = 0; q < g.ow; q++)
                for (int c = 0; c < g.c; c++) {
                    size_t yi = ((static_cast<size_t>(n) * g.oh + p) * g.ow + q) * g.c + c;
                    auto at = [&](int h, int w) { return ((static_cast<long>(n) * g.h + h) * g.w + w) * g.c + c; };
                    size_t best = SIZE_MAX;
                    double sum = 0;
                    int taps = 0;
                    forEachTap(g, p, q, [&](int h, int w) {
                        size_t xi = static_cast<size_t>(at(h, w));
                        if (best == SIZE_MAX || (!std::isnan(x[best]) && (std::isnan(x[xi]) || x[xi] > x[best]))) {
                            best = xi;
                        }
                        sum += x[xi];
                        taps++;
                    });
                    y[yi] = best == SIZE_MAX ? -INFINITY : x[best];
                    mean[yi] = sum / taps;
                    if (best != SIZE_MAX) {
                        dx[best] += dy[yi];
                    }
                    forEachTap(g, p, q, [&](int h, int w) { dmean[static_cast<size_t>(at(h, w))] += static_cast<double>(dy[yi]) / taps; });
                }
    char what[200];
    snprintf(what, sizeof what, "n=%d h=%d w=%d c=%d oh=%d ow=%d k=%dx%d s=%d,%d d=%d,%d pad=%d,%d nan=%d", g.n, g.h, g.w, g.c, g.oh, g.ow,
        g.kh, g.kw, g.strideH, g.strideW, g.dilationH, g.dilationW, g.top, g.left, nan);
    for (uint64_t seed : seeds) {
        Buffer by(ny), bx(nx);
        dim3 grid(static_cast<unsigned>(seed + 1));
        LAUNCH(seed, grid, dim3(256), 0, max_pool(g, x, by));
        check(std::string("max_pool ") + what, by, y, 0, 0);
        LAUNCH(seed, grid, dim3(256), 0, max_pool_gradient(g, dy, x, bx));
        check(std::string("max_pool_gradient ") + what, bx, dx, 1e-6, 1e-6);
        LAUNCH(seed, grid, dim3(256), 0, average_pool(g, x, by));
        check(std::string("average_pool ") + what, by, mean, 1e-6, 1e-6);
        LAUNCH(seed, grid, dim3(256), 0, average_pool_gradient(g, dy, bx));
        check(std::string("average_pool_gradient ") + what, bx, dmean, 1e-6, 1e-6);
    }
}

int main() {
    for (int round = 0; round < 120; round++) {
        Window g = {};
        g.n = integer(1, 2);
        g.h = integer(1, 12);
        g.w = integer(1, 12);
        g.c = g.f = integer(1, 6);
        g.kh = integer(1, 4);
        g.kw = integer(1, 4);
        g.strideH = integer(1, 3);
        g.strideW = integer(1, 3);
        g.dilationH = integer(1, 2);
        g.dilationW = integer(1, 2);
        g.top = integer(0, 2);
        g.left = integer(0, 2);
        g.groups = 1;
        g.oh = integer(1, 5); // more windows than the image holds lie in the padding: allowed
        g.ow = integer(1, 5);
        pooling(g, round % 2 == 0 ? 2 : 1000, round % 5 == 0);
    }
    pooling({2, 12, 12, 8, 6, 6, 8, 3, 3, 2, 2, 1, 1, 1, 1, 1}, 3, false);
    pooling({1, 7, 7, 64, 1, 1, 64, 7, 7, 1, 1, 1, 1, 0, 0, 1}, 3, false);
    return report("pooling");
}
