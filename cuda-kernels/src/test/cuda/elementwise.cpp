// Elementwise kernels on the host against double precision, at sizes around the edges of vectors and grids, aligned or not.
#include "check.h"
#include "Elementwise.cu"

/// A pointer into b that is, or is not, a multiple of 16 bytes, with n floats behind it.
struct Operand {
    Buffer buffer;
    int shift;
    Operand(size_t n, bool aligned, float low = -2, float high = 2) : buffer(randomBuffer(n + (aligned ? 0 : 4), low, high)), shift(0) {
        while ((reinterpret_cast<size_t>(&buffer[shift]) % 16 == 0) != aligned) {
            shift++;
        }
    }
    operator float*() { return &buffer[shift]; }
};

static const int SIZES[] = {1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 1023, 1024, 1025, 4099};

static Buffer copyOf(const float* p, size_t n) {
    Buffer b(n);
    memcpy(static_cast<float*>(b), p, n * sizeof(float));
    return b;
}

template <class Kernel>
static void each(const char* name, Kernel kernel) {
    for (int n : SIZES) {
        for (bool aligned : {true, false}) {
            for (unsigned grid : {1u, 3u}) {
                for (uint64_t seed : seeds) {
                    kernel(name, n, aligned, dim3(grid), seed);
                }
            }
        }
    }
}

static void functions() {
    struct Case {
        int f;
        float p, q;
        std::function<double(double)> value, slope; // slope from the input
        bool fromResult;
        float low, high;
    };
    auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    const Case cases[] = {
        {NONE, 0, 0, [](double x) { return x; }, [](double) { return 1; }, true, -4, 4},
        {RELU, 0, 0, [](double x) { return x <= 0 ? 0 : x; }, [](double x) { return x <= 0 ? 0 : 1; }, true, -4, 4},
        {RELU6, 0, 0, [](double x) { return std::min(std::max(x, 0.0), 6.0); }, [](double x) { return x <= 0 || x >= 6 ? 0 : 1; }, true, -9, 9},
        {LEAKY_RELU, 0.3f, 0, [](double x) { return x <= 0 ? 0.3f * x : x; }, [](double x) { return x <= 0 ? 0.3f : 1; }, true, -4, 4},
        {ELU, 1.5f, 0, [](double x) { return x <= 0 ? 1.5 * std::expm1(x) : x; }, [](double x) { return x <= 0 ? 1.5 * std::exp(x) : 1; }, false, -6, 4},
        {GELU, 0, 0, [](double x) { return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5))); },
            [](double x) { return 0.5 * (1 + std::erf(x * std::sqrt(0.5))) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * M_PI); }, false, -6, 6},
        {SILU, 0, 0, [=](double x) { return x * sigmoid(x); }, [=](double x) { return sigmoid(x) * (1 + x * (1 - sigmoid(x))); }, false, -9, 9},
        {SIGMOID, 0, 0, sigmoid, [=](double x) { return sigmoid(x) * (1 - sigmoid(x)); }, true, -9, 9},
        {TANH, 0, 0, [](double x) { return std::tanh(x); }, [](double x) { return 1 - std::tanh(x) * std::tanh(x); }, true, -3, 3},
        {EXP, 0, 0, [](double x) { return std::exp(x); }, [](double x) { return std::exp(x); }, true, -9, 9},
        {LOG, 0, 0, [](double x) { return std::log(x); }, [](double x) { return 1 / x; }, false, 0.01f, 9},
        {SQRT, 0, 0, [](double x) { return std::sqrt(x); }, [](double x) { return 0.5 / std::sqrt(x); }, true, 0.01f, 9},
        {SQUARE, 0, 0, [](double x) { return x * x; }, [](double x) { return 2 * x; }, false, -9, 9},
        {AFFINE, 2.5f, -1.25f, [](double x) { return 2.5 * x - 1.25; }, [](double) { return 2.5; }, true, -9, 9},
        {CLIP, -1, 2, [](double x) { return x < -1 ? -1 : x > 2 ? 2 : x; }, [](double x) { return x < -1 || x > 2 ? 0 : 1; }, false, -4, 4},
    };
    for (const Case& c : cases) {
        std::string name = "function " + std::to_string(c.f);
        each(name.c_str(), [&](const char* what, int n, bool aligned, dim3 grid, uint64_t seed) {
            Operand x(n, aligned, c.low, c.high), y(n, aligned), dy(n, aligned);
            std::vector<double> expected(n), slope(n);
            for (int i = 0; i < n; i++) {
                expected[i] = c.value(x[i]);
                slope[i] = dy[i] * c.slope(x[i]);
            }
            LAUNCH(seed, grid, dim3(256), 0, map(c.f, c.p, c.q, n, x, y));
            check(what, copyOf(y, n), expected, 1e-6, 1e-6);
            Operand z(n, aligned);
            for (int i = 0; i < n; i++) {
                z[i] = c.fromResult ? y[i] : x[i];
            }
            LAUNCH(seed, grid, dim3(256), 0, map_gradient(c.f, c.p, c.q, n, dy, z, dy)); // in place
            check(name + "'", copyOf(dy, n), slope, 4e-6, 4e-6);
        });
    }
    Buffer special(3), y(3);
    special[0] = NAN;
    special[1] = INFINITY;
    special[2] = -INFINITY;
    LAUNCH(0, dim3(1), dim3(256), 0, map(RELU, 0, 0, 3, special, y));
    check("NaN through Relu", y, {NAN, INFINITY, 0}, 0, 0);
}

/// Where a derivative's terms are small beside 1, they must be right to the last bits all the same: k 2^-24 of the result, and below 0
/// of the two terms that cancel.
static void tails() {
    const int n = 200001;
    Buffer z(n), dy(n, 1), dx(n);
    std::vector<double> silu(n), siluTerms(n);
    for (int i = 0; i < n; i++) {
        z[i] = -90 + 180.0f * i / (n - 1);
        double x = z[i];
        double e = std::exp(-std::fabs(x));
        double s = x < 0 ? e / (1 + e) : 1 / (1 + e);
        double t = x < 0 ? 1 / (1 + e) : e / (1 + e); // 1 - s
        silu[i] = s * (1 + x * t);
        siluTerms[i] = std::fabs(silu[i]) + (x < 0 ? 2 * s * t * -x : 0);
    }
    LAUNCH(1, dim3(3), dim3(256), 0, map_gradient(SILU, 0, 0, n, dy, z, dx));
    check("tails of Silu'", dx, silu, [&](size_t i) { return 6 * 0x1p-24 * siluTerms[i] + 1.2e-38; });
}

static void optimizers() {
    each("combine", [&](const char* what, int n, bool aligned, dim3 grid, uint64_t seed) {
        Operand a(n, aligned), b(n, aligned), y(n, aligned), s(1, true);
        std::vector<double> expected(n);
        for (int i = 0; i < n; i++) {
            expected[i] = 0.9 * a[i] - 0.5 * s[0] * b[i];
        }
        LAUNCH(seed, grid, dim3(256), 0, combine(n, 0.9f, -0.5f, a, s, b, a));
        check(what, copyOf(a, n), expected, 1e-6, 1e-6);
    });
    each("lerp", [&](const char* what, int n, bool aligned, dim3 grid, uint64_t seed) {
        Operand a(n, aligned), b(n, aligned), y(n, aligned);
        std::vector<double> expected(n), square(n);
        for (int i = 0; i < n; i++) {
            expected[i] = a[i] + (static_cast<double>(b[i]) - a[i]) * 0.1;
            square[i] = a[i] + (static_cast<double>(b[i]) * b[i] - a[i]) * 0.1;
        }
        LAUNCH(seed, grid, dim3(256), 0, lerp(n, 0.1f, a, b, y));
        check(what, copyOf(y, n), expected, 1e-6, 1e-6);
        LAUNCH(seed, grid, dim3(256), 0, lerp_square(n, 0.1f, a, b, y));
        check("lerp_square", copyOf(y, n), square, 1e-6, 1e-6);
    });
    each("adam", [&](const char* what, int n, bool aligned, dim3 grid, uint64_t seed) {
        Operand w(n, aligned), m(n, aligned), v(n, aligned, 0, 1), g(n, aligned), rate(1, true, 0.001f, 0.01f), y(n, aligned);
        std::vector<double> step(n), ew(n), em(n), ev(n);
        for (int i = 0; i < n; i++) {
            step[i] = w[i] - m[i] * static_cast<double>(rate[0]) / (std::sqrt(static_cast<double>(v[i])) + 1e-3f);
            em[i] = m[i] + (static_cast<double>(g[i]) - m[i]) * 0.1;
            ev[i] = v[i] + (static_cast<double>(g[i]) * g[i] - v[i]) * 0.01;
            ew[i] = w[i] - em[i] * rate[0] / (std::sqrt(ev[i]) + 1e-3f);
        }
        LAUNCH(seed, grid, dim3(256), 0, adam_step(n, 1e-3f, w, m, v, rate, y));
        check("adam_step", copyOf(y, n), step, 2e-6, 2e-6);
        LAUNCH(seed, grid, dim3(256), 0, adam(n, 0.1f, 0.01f, 1e-3f, w, m, v, g, rate));
        check(what, copyOf(w, n), ew, 2e-6, 2e-6);
        check("adam m", copyOf(m, n), em, 2e-6, 2e-6);
        check("adam v", copyOf(v, n), ev, 2e-6, 2e-6);
    });
}

static void fills() {
    each("fill", [&](const char* what, int n, bool aligned, dim3 grid, uint64_t seed) {
        Operand y(n, aligned);
        LAUNCH(seed, grid, dim3(256), 0, fill(n, 1.5f, y));
        check(what, copyOf(y, n), std::vector<double>(n, 1.5), 0, 0);
    });
}

/// Random views, with axes that are merged, transposed, repeated, reversed or shifted.
static void views() {
    for (int round = 0; round < 300; round++) {
        CopyView v = {};
        v.rank = integer(1, 5);
        v.n = 1;
        bool vector = round % 3 == 0;
        int order[5] = {0, 1, 2, 3, 4};
        std::shuffle(order, order + v.rank, generator);
        for (int k = 0; k < v.rank; k++) {
            v.dims[k] = k == v.rank - 1 && vector ? integer(1, 3) * 4 : integer(1, 6);
            v.n *= v.dims[k];
        }
        int extent = 1;
        for (int k = v.rank - 1; k >= 0; k--) { // y: distinct places, with gaps
            v.yStrides[k] = extent;
            extent *= v.dims[k] + (k == v.rank - 1 && vector ? 4 * integer(0, 1) : integer(0, 1));
        }
        v.yOffset = vector ? 4 * integer(0, 2) : integer(0, 5);
        Buffer y(extent + v.yOffset, 7);
        int reach = 1;
        for (int k = v.rank - 1; k >= 0; k--) { // x: any order
            int a = vector ? k : order[k];
            v.xStrides[a] = integer(0, 5) == 0 && !(vector && a == v.rank - 1) ? 0 : reach;
            reach *= v.dims[a] + (vector ? 4 * integer(0, 1) : integer(0, 2));
        }
        v.xOffset = vector ? 4 * integer(0, 2) : integer(0, 5);
        if (!vector && integer(0, 3) == 0) {
            v.xOffset += (v.dims[0] - 1) * v.xStrides[0];
            v.xStrides[0] = -v.xStrides[0];
        }
        Buffer x = randomBuffer(reach + v.xOffset + 8);
        std::vector<double> expected(y.size(), 7);
        for (int i = 0; i < v.n; i++) {
            int rest = i;
            int xi = v.xOffset;
            int yi = v.yOffset;
            for (int k = v.rank - 1; k >= 0; k--) {
                xi += rest % v.dims[k] * v.xStrides[k];
                yi += rest % v.dims[k] * v.yStrides[k];
                rest /= v.dims[k];
            }
            expected[yi] = x[xi];
        }
        LAUNCH(round % 3, dim3(integer(1, 3)), dim3(256), 0, strided_copy(v, x, y));
        check("strided_copy " + std::to_string(round), y, expected, 0, 0);
    }
}

static void broadcasts() {
    for (int round = 0; round < 300; round++) {
        BroadcastView v = {};
        v.rank = integer(1, 4);
        v.n = 1;
        for (int k = 0; k < v.rank; k++) {
            v.dims[k] = integer(0, 1) ? integer(1, 3) * 4 : integer(1, 7);
            v.n *= v.dims[k];
        }
        int ea = 1;
        int eb = 1;
        for (int k = v.rank - 1; k >= 0; k--) {
            if (integer(0, 2) != 0) {
                v.aStrides[k] = ea;
                ea *= v.dims[k];
            }
            if (integer(0, 2) != 0) {
                v.bStrides[k] = eb;
                eb *= v.dims[k];
            }
        }
        int op = round % 4;
        Operand a(ea, round % 5 != 0), b(eb, round % 7 != 0, 1, 2), y(v.n, round % 11 != 0);
        std::vector<double> expected(v.n);
        for (int i = 0; i < v.n; i++) {
            int rest = i;
            int ai = 0;
            int bi = 0;
            for (int k = v.rank - 1; k >= 0; k--) {
                ai += rest % v.dims[k] * v.aStrides[k];
                bi += rest % v.dims[k] * v.bStrides[k];
                rest /= v.dims[k];
            }
            double p = a[ai], q = b[bi];
            expected[i] = op == 0 ? p + q : op == 1 ? p - q : op == 2 ? p * q : p / q;
        }
        LAUNCH(round % 3, dim3(integer(1, 3)), dim3(256), 0, arithmetic(op, v, a, b, y));
        check("arithmetic " + std::to_string(round), copyOf(y, v.n), expected, 1.2e-7, 1e-9);
    }
}

/// gradus.backend.Noise.uniform(seed, step, index) times 2^24, as the Java method gives it.
struct NoiseCase {
    long long seed, step;
    int index, bits;
};

static const NoiseCase NOISE[] = {
    {0ll, 0ll, 0, 14819496},
    {0ll, 0ll, 1, 7239838},
    {0ll, 0ll, 77, 12901680},
    {0ll, 0ll, 2147483646, 9380621},
    {0ll, 1ll, 0, 10946269},
    {0ll, 1ll, 1, 11764387},
    {0ll, 1ll, 77, 5305527},
    {0ll, 1ll, 2147483646, 6378152},
    {0ll, 1000000ll, 0, 6007408},
    {0ll, 1000000ll, 1, 1851452},
    {0ll, 1000000ll, 77, 9052170},
    {0ll, 1000000ll, 2147483646, 8769186},
    {42ll, 0ll, 0, 10001215},
    {42ll, 0ll, 1, 2690484},
    {42ll, 0ll, 77, 9321379},
    {42ll, 0ll, 2147483646, 5291643},
    {42ll, 1ll, 0, 5759482},
    {42ll, 1ll, 1, 16034769},
    {42ll, 1ll, 77, 2040176},
    {42ll, 1ll, 2147483646, 2700092},
    {42ll, 1000000ll, 0, 447879},
    {42ll, 1000000ll, 1, 12171092},
    {42ll, 1000000ll, 77, 7138690},
    {42ll, 1000000ll, 2147483646, 4902217},
    {-7ll, 0ll, 0, 10722193},
    {-7ll, 0ll, 1, 2292895},
    {-7ll, 0ll, 77, 313254},
    {-7ll, 0ll, 2147483646, 842465},
    {-7ll, 1ll, 0, 1395140},
    {-7ll, 1ll, 1, 6147289},
    {-7ll, 1ll, 77, 14963154},
    {-7ll, 1ll, 2147483646, 10376834},
    {-7ll, 1000000ll, 0, 13896703},
    {-7ll, 1000000ll, 1, 15372202},
    {-7ll, 1000000ll, 77, 9089211},
    {-7ll, 1000000ll, 2147483646, 4146597},
    {81985529216486895ll, 0ll, 0, 14650368},
    {81985529216486895ll, 0ll, 1, 10741347},
    {81985529216486895ll, 0ll, 77, 13760868},
    {81985529216486895ll, 0ll, 2147483646, 2652944},
    {81985529216486895ll, 1ll, 0, 138376},
    {81985529216486895ll, 1ll, 1, 4820286},
    {81985529216486895ll, 1ll, 77, 8903728},
    {81985529216486895ll, 1ll, 2147483646, 14229954},
    {81985529216486895ll, 1000000ll, 0, 4084772},
    {81985529216486895ll, 1000000ll, 1, 9250891},
    {81985529216486895ll, 1000000ll, 77, 8751427},
    {81985529216486895ll, 1000000ll, 2147483646, 8742120},
};

static void dropouts() {
    for (const NoiseCase& c : NOISE) {
        if (c.index > 100000) { // too long a buffer: the kernel's arithmetic alone
            uint64_t key = mix(static_cast<uint64_t>(c.seed) + 0x9E3779B97F4A7C15ull * static_cast<uint64_t>(c.step));
            int bits = static_cast<int>(mix(key + 0x9E3779B97F4A7C15ull * (static_cast<uint64_t>(c.index) + 1)) >> 40);
            check("noise", Buffer(1, static_cast<float>(bits)), {static_cast<double>(c.bits)}, 0, 0);
            continue;
        }
        int n = c.index + 1;
        Buffer x = randomBuffer(n, 1, 2), y(n), step(1, static_cast<float>(c.step));
        for (int threshold : {c.bits, c.bits + 1}) { // kept, and just dropped
            LAUNCH(1, dim3(1), dim3(256), 0, dropout(n, threshold, 0.75f, c.seed, step, x, y));
            Buffer last(1, y[c.index]);
            check("dropout", last, {threshold == c.bits ? x[c.index] / 0.75 : 0}, 1e-7, 0);
        }
    }
}

int main() {
    functions();
    tails();
    optimizers();
    fills();
    views();
    broadcasts();
    dropouts();
    return report("elementwise");
}
