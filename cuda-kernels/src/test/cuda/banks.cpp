// Counts the wavefronts of shared memory that the accesses of product.cuh need, from the same index functions: shared memory
// has 32 banks of 4 bytes; an access of 16 bytes a lane goes in quarters of a warp, one of 8 bytes in halves, one of 4 bytes
// whole; lanes of a part that read the same word share it. The least is one wavefront a part.
#include "check.h"
#define PRECISION 0
#include "product.cuh"
#include <map>
#include <set>

/// The most different words that one bank holds of those that a part of a warp touches, summed over the parts, less the parts.
static int conflicts(std::function<int(int)> place, int floats) {
    int lanes = 32 / floats;
    int extra = 0;
    for (int part = 0; part < floats; part++) {
        std::map<int, std::set<int>> banks;
        for (int lane = part * lanes; lane < (part + 1) * lanes; lane++) {
            for (int e = 0; e < floats; e++) {
                int word = place(lane) + e;
                banks[word % 32].insert(word);
            }
        }
        size_t most = 0;
        for (auto& b : banks) {
            most = std::max(most, b.second.size());
        }
        extra += static_cast<int>(most) - 1;
    }
    return extra;
}

static void none(const char* what, int extra) {
    compared++;
    if (extra != 0) {
        printf("FAILED %s: %d extra wavefronts\n", what, extra);
        failures++;
    }
}

template <Layout layout, int SIZE, int THREADS>
static void copies() {
    using Own = Chunks<layout, SIZE, THREADS>;
    std::set<int> places;
    for (int warp = 0; warp < THREADS / 32; warp++) {
        for (int i = 0; i < Own::COUNT; i++) {
            auto at = [&](int lane) {
                threadIdx.x = static_cast<unsigned>(warp * 32 + lane);
                return place<layout, SIZE>(Own::row(i), Own::k(i));
            };
            none("copy", conflicts(at, 4));
            for (int lane = 0; lane < 32; lane++) {
                places.insert(at(lane));
            }
        }
    }
    none("every chunk once", places.size() == SIZE * K_STEP / 4 && *places.rbegin() == SIZE * K_STEP - 4 ? 0 : 1);
}

template <int BM, int BN, int THREADS, Layout LA, Layout LB>
static void reads() {
    using Acc = Accumulators<BM, BN, THREADS, LA, LB>;
    std::set<std::pair<int, int>> results;
    for (int warp = 0; warp < THREADS / 32; warp++) {
        auto lane = [&](int l) { threadIdx.x = static_cast<unsigned>(warp * 32 + l); };
        for (int k = 0; k < K_STEP; k++) {
            if (LA == COLUMNS || k % 4 == 0) {
                for (int i = 0; i < Acc::TM; i += LA == ROWS ? 1 : 4) {
                    none("read of A", conflicts([&](int l) { lane(l); return place<LA, BM>(Acc::row(i), k); }, 4));
                }
            }
            if (LB == COLUMNS || k % 4 == 0) {
                for (int j = 0; j < Acc::TN; j += LB == ROWS ? 1 : 4) {
                    none("read of B", conflicts([&](int l) { lane(l); return place<LB, BN>(Acc::column(j), k); }, 4));
                }
            }
        }
        for (int l = 0; l < 32; l++) {
            lane(l);
            for (int i = 0; i < Acc::TM; i++)
                for (int j = 0; j < Acc::TN; j++) {
                    results.insert({Acc::row(i), Acc::column(j)});
                }
        }
        for (int i = 0; i < Acc::TM && LB == COLUMNS; i++) {
            none("staged result", conflicts([&](int l) { lane(l); return stagedPlace<BN>(Acc::row(i), Acc::column(0)); }, 4));
        }
    }
    none("every result once", results.size() == static_cast<size_t>(BM) * BN && results.rbegin()->first == BM - 1 ? 0 : 1);
}

/// What mma.sync reads: lane t of group g the steps 4t .. 4t + 3 of row g.
template <int SIZE>
static void fragments() {
    for (int row = 0; row < SIZE; row += 8) {
        none("fragment of rows", conflicts([&](int l) { return place<ROWS, SIZE>(row + l / 4, l % 4 * 4); }, 4));
        for (int e = 0; e < 4; e++) {
            none("fragment of columns", conflicts([&](int l) { return place<COLUMNS, SIZE>(row + l / 4, l % 4 * 4 + e); }, 1));
        }
        none("staged fragment", conflicts([&](int l) { return stagedPlace<SIZE>(row % 64 + l / 4, l % 4 * 2); }, 2));
    }
}

int main() {
    copies<ROWS, 128, 256>();
    copies<ROWS, 64, 256>();
    copies<ROWS, 64, 128>();
    copies<COLUMNS, 128, 256>();
    copies<COLUMNS, 64, 256>();
    copies<COLUMNS, 64, 128>();
    reads<128, 128, 256, ROWS, COLUMNS>();
    reads<128, 128, 256, ROWS, ROWS>();
    reads<128, 128, 256, COLUMNS, COLUMNS>();
    reads<128, 128, 256, COLUMNS, ROWS>();
    reads<128, 64, 256, ROWS, COLUMNS>();
    reads<128, 64, 256, ROWS, ROWS>();
    reads<64, 64, 128, ROWS, COLUMNS>();
    reads<64, 64, 128, COLUMNS, COLUMNS>();
    fragments<128>();
    fragments<64>();
    return report("bank conflicts");
}
