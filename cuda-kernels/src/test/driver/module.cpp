// One module of kernels as a library of the emulated driver: SOURCE is the .cu file, NAMES a list of its kernels as X(name).
#include "emulation.h"
#include SOURCE
#include <utility>

namespace host {

template <class... P, size_t... I>
void apply(void (*kernel)(P...), void** p, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<P>*>(p[I])...);
}

template <class... P>
void call(void (*kernel)(P...), void** p) {
    host::apply(kernel, p, std::index_sequence_for<P...>());
}

} // namespace host

struct Entry { const char* name; void (*call)(void**); };

extern "C" __attribute__((visibility("default"))) const Entry entries[] = {
#define X(name) {#name, [](void** p) { host::call(name, p); }},
#include NAMES
#undef X
    {nullptr, nullptr}};

extern "C" __attribute__((visibility("default"))) int launch(
    const Entry* entry, const unsigned* grid, const unsigned* block, unsigned shared, void** parameters) {
    static const uint64_t seed = getenv("EMULATED_ORDER") == nullptr ? 0 : strtoull(getenv("EMULATED_ORDER"), nullptr, 10);
    emulation::launch(dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]), shared, seed, [=] { entry->call(parameters); });
    return 0;
}
