// A libcuda.so.1 without a device: the driver calls that the backend makes, on the host's memory, and kernels compiled for the
// host (module.cpp) in the place of PTX. It is as strict as the real one where that finds mistakes, and as late: what is asked
// of a stream happens when somebody waits for it, or, drawn at random, some time before.
//
// Read from the environment: EMULATED_MEMORY (bytes, default 2 GiB), EMULATED_CAPABILITY (default 90), EMULATED_VERSION (default
// 13000), EMULATED_DEVICES (default 1). Modules are looked for beside this library.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

using CUresult = int;
enum {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_CONTEXT = 201,
    INVALID_PTX = 218, INVALID_HANDLE = 400, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, CAPTURE_UNSUPPORTED = 900
};

namespace {

long long number(const char* name, long long otherwise) {
    const char* text = getenv(name);
    return text == nullptr ? otherwise : atoll(text);
}

uint64_t randomState = 88172645463325252ull;
uint32_t draw() {
    randomState ^= randomState << 13;
    randomState ^= randomState >> 7;
    randomState ^= randomState << 17;
    return static_cast<uint32_t>(randomState >> 32);
}

// ---- faults on demand ----

std::string faultCall;
int faultAfter, faultCode;
std::vector<std::string> calls; // names, in order

/// What a call is to return before it does anything; 0 for nothing special.
CUresult enter(const char* name) {
    if (calls.size() < 100000) {
        calls.push_back(name);
    }
    if (faultCode != 0 && faultCall == name && faultAfter-- <= 0) {
        return faultCode;
    }
    return SUCCESS;
}

#define CALL(name) \
    if (CUresult fault = enter(#name)) { return fault; } \
    if (!initialized) { return NOT_INITIALIZED; }
#define CURRENT(name) \
    CALL(name) \
    if (currentContext == nullptr) { return INVALID_CONTEXT; }
/// A call that a stream's recording forbids.
#define UNRECORDED(name) \
    CURRENT(name) \
    if (capturing != nullptr) { return CAPTURE_UNSUPPORTED; }

struct Stream;
Stream* capturing; // at most one

// ---- memory ----

struct Region { size_t bytes; };
std::map<uintptr_t, Region> deviceMemory, hostMemory;
size_t used;
bool initialized;
int contextUsers;
int theContext;
thread_local void* currentContext;

bool within(const std::map<uintptr_t, Region>& regions, const void* p, size_t bytes) {
    auto a = reinterpret_cast<uintptr_t>(p);
    auto it = regions.upper_bound(a);
    if (it == regions.begin()) {
        return false;
    }
    --it;
    return a + bytes <= it->first + it->second.bytes;
}

constexpr size_t MARGIN = 256;
constexpr unsigned char CANARY = 0xA5;

// ---- streams ----

struct Event { long long asked = 0, happened = 0; struct Stream* stream = nullptr; };
struct Op { std::function<void()> run; Event* waitFor; long long generation; };
struct Graph { std::vector<std::function<void()>> nodes; };
struct Stream { std::deque<Op> queue; bool capturing = false; Graph* graph = nullptr; };
std::vector<Stream*> streams;

bool step(Stream* s) {
    if (s->queue.empty()) {
        return false;
    }
    Op& op = s->queue.front();
    if (op.waitFor != nullptr && op.waitFor->happened < op.generation) {
        return false;
    }
    auto run = std::move(op.run);
    s->queue.pop_front();
    if (run) {
        run();
    }
    return true;
}

void drain(Stream* s) {
    while (!s->queue.empty()) {
        Op& op = s->queue.front();
        if (op.waitFor != nullptr && op.waitFor->happened < op.generation) {
            Event* e = op.waitFor;
            long long generation = op.generation;
            while (e->happened < generation && step(e->stream)) {}
            if (e->happened < generation) {
                drain(e->stream);
            }
        }
        step(s);
    }
}

CUresult enqueue(Stream* s, std::function<void()> run, Event* waitFor = nullptr, long long generation = 0) {
    if (s->capturing) {
        s->graph->nodes.push_back(std::move(run));
        return SUCCESS;
    }
    s->queue.push_back({std::move(run), waitFor, generation});
    while (draw() % 3 == 0) {
        step(streams[draw() % streams.size()]);
    }
    return SUCCESS;
}

// ---- modules ----

struct Entry { const char* name; void (*call)(void**); };
using Launch = int (*)(const Entry*, const unsigned* grid, const unsigned* block, unsigned shared, void** parameters);
struct Function { std::string name; const Entry* entry; Launch launch; std::vector<int> sizes; int shared = 48 * 1024; };
struct Module { void* library; std::string ptx; const Entry* entries; Launch launch; std::map<std::string, std::unique_ptr<Function>> functions; };

/// Sizes of a kernel's parameters as the PTX declares them.
std::vector<int> parameterSizes(const std::string& ptx, const std::string& kernel) {
    std::vector<int> sizes;
    size_t at = 0;
    for (;;) {
        at = ptx.find(".entry " + kernel, at);
        if (at == std::string::npos) {
            return sizes;
        }
        size_t open = at + 7 + kernel.size();
        if (ptx[open] == '(' || ptx[open] == ' ' || ptx[open] == '\n') {
            at = open;
            break;
        }
        at = open;
    }
    size_t close = ptx.find(')', at);
    for (size_t p = ptx.find(".param", at); p < close; p = ptx.find(".param", p + 6)) {
        size_t comma = std::min(ptx.find(',', p), close);
        std::string one = ptx.substr(p, comma - p);
        size_t bracket = one.find('[');
        sizes.push_back(bracket != std::string::npos ? atoi(one.c_str() + bracket + 1) : one.find("64") < one.find(kernel) ? 8 : 4);
    }
    return sizes;
}

std::string here() {
    Dl_info info;
    dladdr(reinterpret_cast<void*>(&parameterSizes), &info);
    std::string path = info.dli_fname;
    return path.substr(0, path.rfind('/') + 1);
}

} // namespace

#define API extern "C" __attribute__((visibility("default"))) CUresult

// ---- for the tests ----

/// Lets a call fail with a code, after it has succeeded a number of times; code 0 ends that.
API emulation_fail(const char* call, int after, int code) {
    faultCall = call;
    faultAfter = after;
    faultCode = code;
    return 0;
}

/// How often a call was made since the last question.
API emulation_count(const char* call) {
    int n = 0;
    for (auto& c : calls) {
        n += c == call;
    }
    return n;
}

API emulation_forget() {
    calls.clear();
    return 0;
}

/// Blocks of device memory that nobody has freed.
API emulation_blocks() { return static_cast<int>(deviceMemory.size() + hostMemory.size()); }

// ---- device ----

API cuInit(unsigned) {
    if (CUresult fault = enter("cuInit")) {
        return fault;
    }
    initialized = true;
    return number("EMULATED_DEVICES", 1) > 0 ? SUCCESS : NO_DEVICE;
}

API cuDriverGetVersion(int* version) {
    CALL(cuDriverGetVersion)
    *version = static_cast<int>(number("EMULATED_VERSION", 13000));
    return SUCCESS;
}

API cuDeviceGetCount(int* count) {
    CALL(cuDeviceGetCount)
    *count = static_cast<int>(number("EMULATED_DEVICES", 1));
    return SUCCESS;
}

API cuDeviceGet(int* device, int ordinal) {
    CALL(cuDeviceGet)
    if (ordinal < 0 || ordinal >= number("EMULATED_DEVICES", 1)) {
        return INVALID_DEVICE;
    }
    *device = ordinal;
    return SUCCESS;
}

API cuDeviceGetName(char* name, int length, int) {
    CALL(cuDeviceGetName)
    snprintf(name, static_cast<size_t>(length), "emulated device");
    return SUCCESS;
}

API cuDeviceGetAttribute(int* value, int attribute, int) {
    CALL(cuDeviceGetAttribute)
    int capability = static_cast<int>(number("EMULATED_CAPABILITY", 90));
    switch (attribute) {
        case 16: *value = 1; return SUCCESS;
        case 75: *value = capability / 10; return SUCCESS;
        case 76: *value = capability % 10; return SUCCESS;
        default: return INVALID_VALUE;
    }
}

API cuDeviceTotalMem_v2(size_t* bytes, int) {
    CALL(cuDeviceTotalMem)
    *bytes = static_cast<size_t>(number("EMULATED_MEMORY", 2ll << 30));
    return SUCCESS;
}

API cuDevicePrimaryCtxRetain(void** context, int) {
    CALL(cuDevicePrimaryCtxRetain)
    contextUsers++;
    *context = &theContext;
    return SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(int) {
    CALL(cuDevicePrimaryCtxRelease)
    if (contextUsers == 0) {
        return INVALID_CONTEXT;
    }
    contextUsers--;
    return SUCCESS;
}

API cuCtxSetCurrent(void* context) {
    CALL(cuCtxSetCurrent)
    currentContext = context;
    return SUCCESS;
}

// ---- modules ----

API cuModuleLoadData(Module** module, const void* image) {
    UNRECORDED(cuModuleLoadData)
    std::string ptx(static_cast<const char*>(image));
    const std::string mark = "// gradus ";
    if (ptx.compare(0, mark.size(), mark) != 0 || ptx.find(".version") == std::string::npos) {
        return INVALID_PTX;
    }
    std::string name = ptx.substr(mark.size(), ptx.find('\n') - mark.size()); // MODULE.TARGET.ptx
    name = name.substr(0, name.rfind('.', name.rfind('.') - 1));
    void* library = dlopen((here() + name + ".so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        fprintf(stderr, "emulated driver: %s\n", dlerror());
        return INVALID_PTX;
    }
    auto m = new Module{library, ptx, reinterpret_cast<const Entry*>(dlsym(library, "entries")),
        reinterpret_cast<Launch>(dlsym(library, "launch")), {}};
    *module = m;
    return SUCCESS;
}

API cuModuleLoadDataEx(Module** module, const void* image, unsigned n, int* options, void** values) {
    for (unsigned i = 0; i < n; i++) {
        if (options[i] == 5) { // CU_JIT_ERROR_LOG_BUFFER
            strcpy(static_cast<char*>(values[i]), "emulated compiler: no module of that name");
        }
    }
    return cuModuleLoadData(module, image);
}

API cuModuleUnload(Module* module) {
    CURRENT(cuModuleUnload)
    dlclose(module->library);
    delete module;
    return SUCCESS;
}

API cuModuleGetFunction(Function** function, Module* module, const char* name) {
    CURRENT(cuModuleGetFunction)
    for (const Entry* e = module->entries; e->name != nullptr; e++) {
        if (strcmp(e->name, name) == 0) {
            auto& f = module->functions[name];
            f.reset(new Function{name, e, module->launch, parameterSizes(module->ptx, name)});
            *function = f.get();
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

API cuFuncSetAttribute(Function* function, int attribute, int value) {
    CURRENT(cuFuncSetAttribute)
    if (attribute != 8 || value > 232448) {
        return INVALID_VALUE;
    }
    function->shared = value;
    return SUCCESS;
}

// ---- memory ----

API cuMemAlloc_v2(void** p, size_t bytes) {
    UNRECORDED(cuMemAlloc)
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    if (used + bytes > static_cast<size_t>(number("EMULATED_MEMORY", 2ll << 30))) {
        return OUT_OF_MEMORY;
    }
    size_t whole = (bytes + 255) / 256 * 256;
    auto base = static_cast<char*>(aligned_alloc(256, whole + 2 * MARGIN));
    memset(base, CANARY, whole + 2 * MARGIN);
    memset(base + MARGIN, 0xff, bytes); // NaN: nothing may rely on zeros
    used += bytes;
    *p = base + MARGIN;
    deviceMemory[reinterpret_cast<uintptr_t>(*p)] = {bytes};
    return SUCCESS;
}

API cuMemFree_v2(void* p) {
    UNRECORDED(cuMemFree)
    for (Stream* s : streams) { // as the real one: everything is waited for
        drain(s);
    }
    auto it = deviceMemory.find(reinterpret_cast<uintptr_t>(p));
    if (it == deviceMemory.end()) {
        return INVALID_VALUE;
    }
    auto base = static_cast<unsigned char*>(p) - MARGIN;
    size_t bytes = it->second.bytes;
    size_t end = MARGIN + (bytes + 255) / 256 * 256 + MARGIN;
    for (size_t i = 0; i < end; i = i == MARGIN - 1 ? MARGIN + bytes : i + 1) {
        if (base[i] != CANARY) {
            fprintf(stderr, "emulated driver: a kernel wrote outside a block of %zu bytes\n", bytes);
            abort();
        }
    }
    used -= bytes;
    deviceMemory.erase(it);
    free(base);
    return SUCCESS;
}

API cuMemGetInfo_v2(size_t* free, size_t* total) {
    CURRENT(cuMemGetInfo)
    *total = static_cast<size_t>(number("EMULATED_MEMORY", 2ll << 30));
    *free = *total - used;
    return SUCCESS;
}

API cuMemHostAlloc(void** p, size_t bytes, unsigned) {
    UNRECORDED(cuMemHostAlloc)
    *p = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    hostMemory[reinterpret_cast<uintptr_t>(*p)] = {bytes};
    return SUCCESS;
}

API cuMemFreeHost(void* p) {
    UNRECORDED(cuMemFreeHost)
    for (Stream* s : streams) {
        drain(s);
    }
    if (hostMemory.erase(reinterpret_cast<uintptr_t>(p)) == 0) {
        return INVALID_VALUE;
    }
    free(p);
    return SUCCESS;
}

namespace {
CUresult copy(void* to, const void* from, size_t bytes, Stream* s) {
    return enqueue(s, [=] { memmove(to, from, bytes); });
}
}

API cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t bytes, Stream* s) {
    CURRENT(cuMemcpyHtoDAsync)
    return within(deviceMemory, to, bytes) && within(hostMemory, from, bytes) ? copy(to, from, bytes, s) : INVALID_VALUE;
}

API cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t bytes, Stream* s) {
    CURRENT(cuMemcpyDtoHAsync)
    return within(deviceMemory, from, bytes) && within(hostMemory, to, bytes) ? copy(to, from, bytes, s) : INVALID_VALUE;
}

API cuMemcpyDtoDAsync_v2(void* to, const void* from, size_t bytes, Stream* s) {
    CURRENT(cuMemcpyDtoDAsync)
    return within(deviceMemory, from, bytes) && within(deviceMemory, to, bytes) ? copy(to, from, bytes, s) : INVALID_VALUE;
}

API cuMemsetD32Async(void* p, unsigned word, size_t n, Stream* s) {
    CURRENT(cuMemsetD32Async)
    if (!within(deviceMemory, p, 4 * n)) {
        return INVALID_VALUE;
    }
    return enqueue(s, [=] {
        for (size_t i = 0; i < n; i++) {
            static_cast<unsigned*>(p)[i] = word;
        }
    });
}

// ---- streams and events ----

API cuStreamCreate(Stream** s, unsigned) {
    CURRENT(cuStreamCreate)
    *s = new Stream();
    streams.push_back(*s);
    return SUCCESS;
}

API cuStreamDestroy_v2(Stream* s) {
    CURRENT(cuStreamDestroy)
    drain(s);
    std::erase(streams, s);
    delete s;
    return SUCCESS;
}

API cuStreamSynchronize(Stream* s) {
    UNRECORDED(cuStreamSynchronize)
    drain(s);
    return SUCCESS;
}

API cuEventCreate(Event** e, unsigned) {
    CURRENT(cuEventCreate)
    *e = new Event();
    return SUCCESS;
}

API cuEventDestroy_v2(Event* e) {
    CURRENT(cuEventDestroy)
    if (e->stream != nullptr) {
        drain(e->stream);
    }
    return SUCCESS; // a stream may still name it
}

API cuEventRecord(Event* e, Stream* s) {
    CURRENT(cuEventRecord)
    long long generation = ++e->asked;
    e->stream = s;
    return enqueue(s, [=] { e->happened = generation; });
}

API cuStreamWaitEvent(Stream* s, Event* e, unsigned) {
    CURRENT(cuStreamWaitEvent)
    return enqueue(s, [] {}, e, e->asked);
}

API cuEventSynchronize(Event* e) {
    UNRECORDED(cuEventSynchronize)
    if (e->stream != nullptr && e->happened < e->asked) {
        drain(e->stream);
    }
    return SUCCESS;
}

// ---- launches and graphs ----

API cuLaunchKernel(Function* f, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,
    unsigned shared, Stream* s, void** parameters, void** extra) {
    CURRENT(cuLaunchKernel)
    unsigned threads = blockX * blockY * blockZ;
    if (gridX < 1 || gridX > 0x7fffffffu || gridY < 1 || gridY > 65535 || gridZ < 1 || gridZ > 65535 || threads < 1 || threads > 1024
        || static_cast<int>(shared) > f->shared || extra != nullptr) {
        return INVALID_VALUE;
    }
    // Parameters are copied now, as the driver does: the caller may reuse its memory.
    auto values = std::make_shared<std::vector<std::vector<uint64_t>>>();
    for (size_t i = 0; i < f->sizes.size(); i++) {
        std::vector<uint64_t> v(static_cast<size_t>(f->sizes[i] + 7) / 8);
        memcpy(v.data(), parameters[i], static_cast<size_t>(f->sizes[i]));
        values->push_back(v);
    }
    return enqueue(s, [=] {
        std::vector<void*> p;
        for (auto& v : *values) {
            p.push_back(v.data());
        }
        const unsigned grid[] = {gridX, gridY, gridZ};
        const unsigned block[] = {blockX, blockY, blockZ};
        f->launch(f->entry, grid, block, shared, p.data());
    });
}

API cuStreamBeginCapture_v2(Stream* s, int) {
    UNRECORDED(cuStreamBeginCapture)
    capturing = s;
    s->capturing = true;
    s->graph = new Graph();
    return SUCCESS;
}

API cuStreamEndCapture(Stream* s, Graph** graph) {
    CURRENT(cuStreamEndCapture)
    if (capturing != s) {
        return INVALID_VALUE;
    }
    capturing = nullptr;
    s->capturing = false;
    *graph = s->graph;
    return SUCCESS;
}

API cuGraphInstantiateWithFlags(Graph** executable, Graph* graph, unsigned long long) {
    CURRENT(cuGraphInstantiate)
    *executable = new Graph(*graph);
    return SUCCESS;
}

API cuGraphDestroy(Graph* graph) {
    CURRENT(cuGraphDestroy)
    delete graph;
    return SUCCESS;
}

API cuGraphLaunch(Graph* graph, Stream* s) {
    CURRENT(cuGraphLaunch)
    for (auto& node : graph->nodes) {
        enqueue(s, node);
    }
    return SUCCESS;
}

API cuGraphExecDestroy(Graph* graph) {
    CURRENT(cuGraphExecDestroy)
    delete graph;
    return SUCCESS;
}
