// What the tests of all families share: numbers, comparison, and a count of what was compared. A test includes the kernels'
// source itself, so kernels are plain functions here and LAUNCH runs them as a grid.
#pragma once
#include "emulation.h"
#include <random>
#include <string>

using emulation::Buffer;

/// The seeds under which every launch is repeated: 0 is in order, the others draw an order. All must give the same bits.
inline std::vector<uint64_t> seeds = {0, 1, 2};

#define LAUNCH(seed, grid, block, shared, call) emulation::launch(grid, block, shared, seed, [&] { call; })

inline int ceilDivide(int a, int b) { return (a + b - 1) / b; }

inline std::mt19937 generator(1);
inline int failures = 0;
inline long compared = 0;

inline int integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); }
inline float uniform(float low = -1, float high = 1) { return std::uniform_real_distribution<float>(low, high)(generator); }

inline Buffer randomBuffer(size_t n, float low = -1, float high = 1) {
    Buffer b(n);
    for (size_t i = 0; i < n; i++) {
        b[i] = uniform(low, high);
    }
    return b;
}

inline Buffer integerBuffer(size_t n, int low, int high) {
    Buffer b(n);
    for (size_t i = 0; i < n; i++) {
        b[i] = static_cast<float>(integer(low, high));
    }
    return b;
}

/// Each value within its bound of the expected one; both NaN is equal, and so are equal infinities.
inline bool check(const std::string& what, const Buffer& actual, const std::vector<double>& expected, std::function<double(size_t)> bound) {
    if (actual.size() != expected.size()) {
        printf("FAILED %s: %zu results, %zu expected\n", what.c_str(), actual.size(), expected.size());
        failures++;
        return false;
    }
    for (size_t i = 0; i < actual.size(); i++) {
        double a = actual[i];
        double e = expected[i];
        bool same = (std::isnan(a) && std::isnan(e)) || a == e || std::fabs(a - e) <= bound(i);
        if (!same) {
            printf("FAILED %s: [%zu] = %.9g, expected %.9g, bound %.3g\n", what.c_str(), i, a, e, bound(i));
            failures++;
            return false;
        }
    }
    compared += static_cast<long>(actual.size());
    return true;
}

inline bool check(const std::string& what, const Buffer& actual, const std::vector<double>& expected, double relative, double absolute) {
    return check(what, actual, expected, [&](size_t i) { return relative * std::fabs(expected[i]) + absolute; });
}

/// The same bits under every seed.
inline void same(const std::string& what, const Buffer& a, const Buffer& b) {
    if (memcmp(&const_cast<Buffer&>(a)[0], &const_cast<Buffer&>(b)[0], a.size() * sizeof(float)) != 0) {
        printf("FAILED %s: other bits under another order of threads\n", what.c_str());
        failures++;
    }
}

inline int report(const char* name) {
    printf("%s: %ld values compared, %d failures\n", name, compared, failures);
    return failures == 0 ? 0 : 1;
}
