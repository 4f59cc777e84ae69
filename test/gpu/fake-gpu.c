/*
 * A fake NVIDIA GPU: CUDA's driver and libraries, in which kernels compute nothing. Memory of the device is memory of the
 * host, copies to it copy, copies from it are zeros, launches are counted by name. TensorFlow's CUDA build takes it for an H200, so
 * that placement, launches, copies and look-ups of kernels can be tested without a GPU. Numbers and speed cannot.
 *
 * Built once a library, with LIBRARY_… defined to say which (fake-gpu.ts). Every other function that the real library
 * exports is generated beside it and returns success. No header of CUDA is needed: handles are pointers, results ints.
 *
 * Environment: FAKE_GPU_LOG=FILE takes a line for each launch, copy and allocation, in FILE.PID; FAKE_GPU_COUNT, FAKE_GPU_GB, FAKE_GPU_CC (such as
 * 90), FAKE_GPU_DRIVER (such as 13000) and FAKE_GPU_INIT (what cuInit returns) change what it claims to be.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef void *handle;
enum { success = 0, invalid_value = 1, out_of_memory = 2, no_device = 100, not_found = 500, not_ready = 600 };

/* What the driver gives to the other libraries. */
void *fake_handle(void);
void fake_log(const char *what, const char *name, size_t bytes);
void *fake_take(size_t bytes, int on_host);
void fake_give(void *p);
int fake_is_host(const void *p); /* -1 for memory that was not taken here */
int fake_attribute(int attribute);
int fake_device(void);
void fake_set_device(int device);
size_t fake_memory(int whole);
void fake_compute(int milliseconds);
int cuDeviceGetCount(int *count);
int cuDriverGetVersion(int *version);
int cuDeviceGetName(char *name, int length, int device);

#ifdef LIBRARY_CUDA

static int setting(const char *name, int otherwise) {
  const char *text = getenv(name);
  return text ? atoi(text) : otherwise;
}

static size_t total(void) { return (size_t)setting("FAKE_GPU_GB", 139) << 30; }
/* What others hold of it: FAKE_GPU_TAKEN_MB. */
static size_t taken(void) { return (size_t)setting("FAKE_GPU_TAKEN_MB", 0) << 20; }

static int visible_devices(void) {
  int there = setting("FAKE_GPU_COUNT", 1), count = 0;
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  if (!visible) return there;
  char *list = strdup(visible), *rest = list, *name;
  while (*rest && (name = strsep(&rest, ","))) {
    if (!*name || atoi(name) < 0 || atoi(name) >= there) break;
    count++;
    if (!rest) break;
  }
  free(list);
  return count;
}

/* What is launched while a stream is captured becomes a part of a graph, and runs when the graph is launched. */
static __thread int capturing;

void fake_log(const char *what, const char *name, size_t bytes) {
  static FILE *file;
  if (capturing && !strcmp(what, "launch")) what = "record";
  static int opened;
  const char *path = getenv("FAKE_GPU_LOG");
  if (!opened && path) {
    char own[4096];
    snprintf(own, sizeof own, "%s.%d", path, getpid());
    file = fopen(own, "w");
    if (file) setvbuf(file, 0, _IOLBF, 0);
    if (file && getenv("CUDA_VISIBLE_DEVICES")) fprintf(file, "visible %s 0\n", getenv("CUDA_VISIBLE_DEVICES"));
  }
  opened = 1;
  if (file) fprintf(file, "%s %s %zu\n", what, name, bytes);
}

/* Handles are numbers: nobody looks behind them. */
void *fake_handle(void) {
  static uintptr_t next = 0x100000;
  return (void *)__sync_add_and_fetch(&next, 64);
}

/* Devices */
int cuInit(unsigned flags) { return setting("FAKE_GPU_INIT", visible_devices() > 0 ? success : no_device); }
int cuDriverGetVersion(int *version) { *version = setting("FAKE_GPU_DRIVER", 13000); return success; }
int cuDeviceGetCount(int *count) { *count = visible_devices(); return success; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return success; }
int cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, "NVIDIA H200 (fake)"); return success; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = total(); return success; }
int cuDeviceGetPCIBusId(char *id, int length, int device) { snprintf(id, length, "0000:%02x:00.0", device + 1); return success; }
int cuDeviceGetUuid(char *uuid, int device) { memset(uuid, device + 1, 16); return success; }
int cuDeviceGetUuid_v2(char *uuid, int device) { return cuDeviceGetUuid(uuid, device); }
int cuDeviceComputeCapability(int *major, int *minor, int device) { *major = fake_attribute(75); *minor = fake_attribute(76); return success; }
int cuDeviceCanAccessPeer(int *can, int a, int b) { *can = 0; return success; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = fake_attribute(attribute); return success; }

/* By the numbers of CUdevice_attribute. */
int fake_attribute(int attribute) {
  switch (attribute) {
    case 1: case 2: case 3: return 1024;      /* threads a block, along x and y */
    case 4: return 64;                        /* along z */
    case 5: return 2147483647;                /* grid along x */
    case 6: case 7: return 65535;
    case 8: return 49152;                     /* shared memory a block */
    case 9: return 65536;                     /* constant memory */
    case 10: return 32;                       /* warp */
    case 12: case 82: return 65536;           /* registers a block, a multiprocessor */
    case 13: return 1980000;                  /* clock, kHz */
    case 16: return 132;                      /* multiprocessors */
    case 31: case 41: case 83: return 1;      /* concurrent kernels, unified addresses, managed memory */
    case 36: return 3201000;                  /* clock of the memory, kHz */
    case 37: return 6144;                     /* bus width */
    case 38: return 62914560;                 /* L2 cache */
    case 39: return 2048;                     /* threads a multiprocessor */
    case 40: return 3;                        /* copy engines */
    case 75: return setting("FAKE_GPU_CC", 90) / 10;
    case 76: return setting("FAKE_GPU_CC", 90) % 10;
    case 81: return 233472;                   /* shared memory a multiprocessor */
    case 97: return 232448;                   /* shared memory a block that opts in */
    case 106: return 32;                      /* blocks a multiprocessor */
    case 111: return 1024;                    /* reserved shared memory a block */
    case 131: return -1;                      /* NUMA node */
    default: return 0;                        /* virtual memory and pools among them */
  }
}

/* Contexts: a number a device */
static __thread handle current;
static const uintptr_t first_context = 0x1000;
int cuDevicePrimaryCtxRetain(handle *context, int device) { *context = (handle)(first_context + device); return success; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { if (flags) *flags = 0; if (active) *active = 1; return success; }
int cuCtxCreate_v2(handle *context, unsigned flags, int device) { *context = current = (handle)(first_context + device); return success; }
int cuCtxGetCurrent(handle *context) { *context = current; return success; }
int cuCtxSetCurrent(handle context) { current = context; return success; }
int cuCtxPushCurrent_v2(handle context) { current = context; return success; }
int cuCtxPopCurrent_v2(handle *context) { if (context) *context = current; return success; }
int fake_device(void) { return current ? (int)((uintptr_t)current - first_context) : 0; }
void fake_set_device(int device) { current = (handle)(first_context + device); }
int cuCtxGetDevice(int *device) { *device = fake_device(); return success; }
int cuCtxGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return success; }
int cuCtxGetSharedMemConfig(int *config) { *config = 0; return success; }
int cuCtxGetApiVersion(handle context, unsigned *version) { *version = 12000; return success; }

/*
 * Streams and events: all is done when it is asked for, but an exchange between GPUs, which takes its time, as on any
 * GPU: TensorFlow's thread that begins one looks at the step once more, and would find it freed (NcclCommunicator::Enqueue).
 */
static int64_t busy_until;
static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}
void fake_compute(int milliseconds) { __atomic_store_n(&busy_until, now() + milliseconds * 1000000LL, __ATOMIC_RELEASE); }
static int computing(void) { return now() < __atomic_load_n(&busy_until, __ATOMIC_ACQUIRE); }
static int wait(void) { while (computing()) usleep(1000); return success; }
int cuEventQuery(handle event) { return computing() ? not_ready : success; }
int cuStreamQuery(handle stream) { return computing() ? not_ready : success; }
int cuEventSynchronize(handle event) { return wait(); }
int cuStreamSynchronize(handle stream) { return wait(); }
int cuCtxSynchronize(void) { return wait(); }
int cuStreamCreate(handle *stream, unsigned flags) { *stream = fake_handle(); return success; }
int cuStreamCreateWithPriority(handle *stream, unsigned flags, int priority) { *stream = fake_handle(); return success; }
int cuStreamGetPriority(handle stream, int *priority) { *priority = 0; return success; }
int cuStreamBeginCapture_v2(handle stream, int mode) { capturing = 1; return success; }
int cuStreamBeginCaptureToGraph(handle stream) { capturing = 1; return success; }
int cuStreamIsCapturing(handle stream, int *status) { *status = capturing; return success; }
int cuStreamGetCaptureInfo(handle stream, int *status) { *status = capturing; return success; }
int cuStreamGetCtx(handle stream, handle *context) { *context = current; return success; }
int cuLaunchHostFunc(handle stream, void (*f)(void *), void *data) { f(data); return success; }
int cuStreamAddCallback(handle stream, void (*f)(handle, int, void *), void *data, unsigned flags) { f(stream, 0, data); return success; }
int cuEventCreate(handle *event, unsigned flags) { *event = fake_handle(); return success; }
int cuEventElapsedTime(float *milliseconds, handle a, handle b) { *milliseconds = 0.01f; return success; }

/* Memory */
typedef struct block { uintptr_t start; size_t bytes; int on_host; struct block *next; } block;
static block *blocks;
static size_t used;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

void *fake_take(size_t bytes, int on_host) {
  if (!on_host && used + bytes + taken() > total()) return 0;
  void *p = mmap(0, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return 0;
  block *new = malloc(sizeof *new);
  pthread_mutex_lock(&guard);
  *new = (block){ (uintptr_t)p, bytes, on_host, blocks };
  blocks = new;
  if (!on_host) used += bytes;
  pthread_mutex_unlock(&guard);
  if (!on_host) fake_log("allocate", "device", bytes);
  return p;
}

void fake_give(void *p) {
  pthread_mutex_lock(&guard);
  for (block **at = &blocks; *at; at = &(*at)->next) {
    block *old = *at;
    if (old->start != (uintptr_t)p) continue;
    *at = old->next;
    if (!old->on_host) used -= old->bytes;
    munmap(p, old->bytes + 4096);
    free(old);
    break;
  }
  pthread_mutex_unlock(&guard);
}

static int find(const void *p, block *found) {
  uintptr_t address = (uintptr_t)p;
  pthread_mutex_lock(&guard);
  block *at = blocks;
  while (at && !(address >= at->start && address < at->start + at->bytes)) at = at->next;
  if (at) *found = *at;
  pthread_mutex_unlock(&guard);
  return at != 0;
}

int fake_is_host(const void *p) { block found; return find(p, &found) ? found.on_host : -1; }
size_t fake_memory(int whole) { return whole ? total() : total() - used - taken(); }

static int give_pointer(void **p, size_t bytes, int on_host) { return (*p = fake_take(bytes, on_host)) ? success : out_of_memory; }
int cuMemAlloc_v2(void **p, size_t bytes) { return give_pointer(p, bytes, 0); }
int cuMemAllocManaged(void **p, size_t bytes, unsigned flags) { return give_pointer(p, bytes, 0); }
int cuMemAllocAsync(void **p, size_t bytes, handle stream) { return give_pointer(p, bytes, 0); }
int cuMemAllocFromPoolAsync(void **p, size_t bytes, handle pool, handle stream) { return give_pointer(p, bytes, 0); }
int cuMemHostAlloc(void **p, size_t bytes, unsigned flags) { return give_pointer(p, bytes, 1); }
int cuMemAllocHost_v2(void **p, size_t bytes) { return give_pointer(p, bytes, 1); }
int cuMemFree_v2(void *p) { fake_give(p); return success; }
int cuMemFreeAsync(void *p, handle stream) { fake_give(p); return success; }
int cuMemFreeHost(void *p) { fake_give(p); return success; }
int cuMemHostGetDevicePointer_v2(void **p, void *host, unsigned flags) { *p = host; return success; }
int cuMemGetInfo_v2(size_t *unused, size_t *whole) { *unused = fake_memory(0); *whole = fake_memory(1); return success; }
int cuMemGetAddressRange_v2(void **start, size_t *bytes, void *p) {
  block found;
  if (!find(p, &found)) return invalid_value;
  if (start) *start = (void *)found.start;
  if (bytes) *bytes = found.bytes;
  return success;
}
int cuPointerGetAttribute(void *value, int attribute, void *p) {
  int on_host = fake_is_host(p);
  if (on_host < 0) return invalid_value;
  if (attribute == 1) *(handle *)value = current;
  else *(unsigned *)value = attribute == 2 ? (on_host ? 1 : 2) : 0; /* 2 asks for the kind of memory */
  return success;
}
int cuDeviceGetDefaultMemPool(handle *pool, int device) { *pool = fake_handle(); return success; }
int cuMemPoolCreate(handle *pool, const void *properties) { *pool = fake_handle(); return success; }
int cuMemGetAllocationGranularity(size_t *bytes) { *bytes = 2 << 20; return success; }

/* What comes back is zeros, as kernels compute nothing: what lies there could be anything, and differ from run to run. */
static int copy(const char *way, void *to, const void *from, size_t bytes) {
  fake_log("copy", way, bytes);
  if (!strcmp(way, "host-to-device")) memcpy(to, from, bytes);
  if (!strcmp(way, "device-to-host")) memset(to, 0, bytes);
  /* With FAKE_GPU_ATTENTION=wrong, what eight figures compare with products is as wrong as it is large. */
  const char *attention = getenv("FAKE_GPU_ATTENTION");
  if (attention && !strcmp(attention, "wrong") && bytes == 32 && !strcmp(way, "device-to-host"))
    for (int i = 0; i < 8; i++) ((float *)to)[i] = 1;
  /* Whether all gradients are finite: they are. */
  if (bytes == 1 && !strcmp(way, "device-to-host")) *(char *)to = 1;
  return success;
}
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, handle stream) { return copy("host-to-device", to, from, bytes); }
int cuMemcpyHtoD_v2(void *to, const void *from, size_t bytes) { return copy("host-to-device", to, from, bytes); }
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, handle stream) { return copy("device-to-host", to, from, bytes); }
int cuMemcpyDtoH_v2(void *to, const void *from, size_t bytes) { return copy("device-to-host", to, from, bytes); }
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, handle stream) { return copy("device-to-device", to, from, bytes); }
int cuMemcpyDtoD_v2(void *to, const void *from, size_t bytes) { return copy("device-to-device", to, from, bytes); }

/* Kernels: a handle is the name */
int cuModuleLoadData(handle *module, const void *image) { *module = fake_handle(); return success; }
int cuModuleLoadDataEx(handle *module, const void *image) { *module = fake_handle(); return success; }
int cuModuleLoadFatBinary(handle *module, const void *image) { *module = fake_handle(); return success; }
int cuLibraryLoadData(handle *library, const void *code) { *library = fake_handle(); return success; }
int cuModuleGetFunction(handle *function, handle module, const char *name) { *function = strdup(name); return success; }
int cuLibraryGetKernel(handle *kernel, handle library, const char *name) { *kernel = strdup(name); return success; }
int cuKernelGetFunction(handle *function, handle kernel) { *function = kernel; return success; }
/* A constant of a compiled program: the largest that one has is a table of positions. */
int cuModuleGetGlobal_v2(void **p, size_t *bytes) { if (p) *p = fake_take(8 << 20, 0); if (bytes) *bytes = 8 << 20; return success; }
int cuFuncGetAttribute(int *value, int attribute) { *value = attribute == 0 ? 1024 : attribute == 4 ? 32 : 0; return success; }
int cuKernelGetAttribute(int *value, int attribute) { return cuFuncGetAttribute(value, attribute); }
int cuFuncGetName(const char **name, handle function) { *name = function; return success; }
int cuFuncGetModule(handle *module, handle function) { *module = fake_handle(); return success; }
int cuLaunchKernel(handle function) { fake_log("launch", function, 0); return success; }
int cuLaunchKernelEx(const void *config, handle function) { fake_log("launch", function, 0); return success; }
int cuLaunchCooperativeKernel(handle function) { fake_log("launch", function, 0); return success; }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks) { *blocks = 2; return success; }
int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { *blocks = 2; return success; }
int cuOccupancyMaxPotentialBlockSize(int *grid, int *threads) { *grid = 264; *threads = 256; return success; }
int cuGraphCreate(handle *graph, unsigned flags) { *graph = fake_handle(); return success; }
int cuGraphInstantiateWithFlags(handle *executable, handle graph) { *executable = fake_handle(); return success; }
int cuGraphAddKernelNode_v2(handle *node, handle graph, const handle *before, size_t count, const handle *parameters) {
  fake_log("record", parameters[0], 0);
  *node = fake_handle();
  return success;
}
int cuGraphLaunch(handle executable, handle stream) { fake_log("launch", "graph", 0); return success; }
int cuGraphGetNodes(handle graph, handle *nodes, size_t *count) { if (nodes) *nodes = fake_handle(); *count = 1; return success; }
int cuGraphGetRootNodes(handle graph, handle *nodes, size_t *count) { return cuGraphGetNodes(graph, nodes, count); }
int cuStreamEndCapture(handle stream, handle *graph) { capturing = 0; *graph = fake_handle(); return success; }
#define CHANGES(name) int name(void) { fake_log("record", #name, 0); return success; }
CHANGES(cuGraphExecKernelNodeSetParams_v2) CHANGES(cuGraphExecChildGraphNodeSetParams)
CHANGES(cuGraphExecMemcpyNodeSetParams) CHANGES(cuGraphExecMemsetNodeSetParams)
int cuLinkCreate_v2(unsigned options, int *kinds, void **values, handle *state) { *state = fake_handle(); return success; }
int cuLinkComplete(handle state, void **code, size_t *bytes) { static char none[64]; *code = none; *bytes = sizeof none; return success; }

int cuGetErrorName(int result, const char **name) {
  *name = result == no_device ? "CUDA_ERROR_NO_DEVICE" : result == out_of_memory ? "CUDA_ERROR_OUT_OF_MEMORY" : result ? "CUDA_ERROR_FAKE" : "CUDA_SUCCESS";
  return success;
}
int cuGetErrorString(int result, const char **text) { *text = result ? "a fake error" : "no error"; return success; }
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *found) {
  char newer[256];
  snprintf(newer, sizeof newer, "%s_v2", name);
  void *second = dlsym(RTLD_DEFAULT, newer);
  *function = second && version >= 3020 ? second : dlsym(RTLD_DEFAULT, name);
  if (!*function) *function = second;
  if (found) *found = *function ? 0 : 1;
  return *function ? success : not_found;
}
#endif

#ifdef LIBRARY_CUDART
/* Kernels of TensorFlow's own are registered by the address of their stub on the host. */
typedef struct kernel { const void *stub; const char *name; struct kernel *next; } kernel;
static kernel *kernels[65536];
static unsigned slot(const void *stub) { return ((uintptr_t)stub >> 4) & 65535; }
void **__cudaRegisterFatBinary(void *binary) { return calloc(1, 64); }
void __cudaRegisterFunction(void **binary, const char *stub, char *name, const char *device_name) {
  kernel *new = malloc(sizeof *new);
  *new = (kernel){ stub, device_name, kernels[slot(stub)] };
  kernels[slot(stub)] = new;
}
char __cudaInitModule(void **binary) { return 1; }
static const char *name_of(const void *stub) {
  for (kernel *at = kernels[slot(stub)]; at; at = at->next) if (at->stub == stub) return at->name;
  return "?";
}

typedef struct { unsigned x, y, z; } dim3;
typedef struct { dim3 grid, block; size_t shared; handle stream; } launch;
static __thread launch waiting[64];
static __thread int depth;
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, handle stream) {
  if (depth < 64) waiting[depth++] = (launch){ grid, block, shared, stream };
  return 0;
}
int __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, handle *stream) {
  if (depth == 0) return success;
  launch last = waiting[--depth];
  *grid = last.grid; *block = last.block; *shared = last.shared; *stream = last.stream;
  return success;
}
int cudaLaunchKernel(const void *stub) { fake_log("launch", name_of(stub), 0); return success; }
int cudaLaunchKernelExC(const void *config, const void *stub) { return cudaLaunchKernel(stub); }
int cudaLaunchCooperativeKernel(const void *stub) { return cudaLaunchKernel(stub); }
int cudaGetFuncBySymbol(handle *function, const void *stub) { *function = (handle)name_of(stub); return success; }
int cudaRuntimeGetVersion(int *version) { *version = 12090; return success; }
int cudaDriverGetVersion(int *version) { return cuDriverGetVersion(version); }
int cudaGetDeviceCount(int *count) { return cuDeviceGetCount(count); }
int cudaGetDevice(int *device) { *device = fake_device(); return success; }
int cudaSetDevice(int device) { fake_set_device(device); return success; }
/* The beginning of cudaDeviceProp: what Eigen shares kernels out by. */
typedef struct {
  char name[256], ids[32];
  size_t memory, shared;
  int registers, warp;
  size_t pitch;
  int threads, thread_dimensions[3], grid[3], clock;
  size_t constant;
  int major, minor;
  size_t textures[2];
  int overlap, multiprocessors, others[58], threads_of_multiprocessor;
} properties;
int cudaGetDeviceProperties_v2(properties *p, int device) {
  memset(p, 0, sizeof *p);
  cuDeviceGetName(p->name, sizeof p->name, device);
  p->memory = fake_memory(1);
  p->shared = fake_attribute(8);
  p->registers = fake_attribute(12);
  p->warp = fake_attribute(10);
  for (int i = 0; i < 3; i++) { p->thread_dimensions[i] = fake_attribute(2 + i); p->grid[i] = fake_attribute(5 + i); }
  p->threads = fake_attribute(1);
  p->major = fake_attribute(75); p->minor = fake_attribute(76);
  p->multiprocessors = fake_attribute(16);
  p->threads_of_multiprocessor = fake_attribute(39);
  return success;
}
int cudaDeviceGetAttribute(int *value, int attribute, int device) { *value = fake_attribute(attribute); return success; }
int cudaMalloc(void **p, size_t bytes) { return (*p = fake_take(bytes, 0)) ? success : out_of_memory; }
int cudaMallocHost(void **p, size_t bytes) { return (*p = fake_take(bytes, 1)) ? success : out_of_memory; }
int cudaHostAlloc(void **p, size_t bytes, unsigned flags) { return cudaMallocHost(p, bytes); }
int cudaFree(void *p) { fake_give(p); return success; }
int cudaFreeHost(void *p) { fake_give(p); return success; }
int cudaMemGetInfo(size_t *unused, size_t *whole) { *unused = fake_memory(0); *whole = fake_memory(1); return success; }
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, handle stream) {
  static const char *ways[] = { "host-to-host", "host-to-device", "device-to-host", "device-to-device" };
  if (kind == 4) kind = (fake_is_host(from) == 0 ? 2 : 0) + (fake_is_host(to) == 0 ? 1 : 0);
  fake_log("copy", ways[kind], bytes);
  if (kind == 2) memset(to, 0, bytes);
  else if (kind != 3) memcpy(to, from, bytes);
  return success;
}
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) { return cudaMemcpyAsync(to, from, bytes, kind, 0); }
int cudaStreamCreate(handle *stream) { *stream = fake_handle(); return success; }
int cudaStreamCreateWithFlags(handle *stream, unsigned flags) { *stream = fake_handle(); return success; }
int cudaStreamIsCapturing(handle stream, int *status) { *status = 0; return success; }
int cudaEventCreate(handle *event) { *event = fake_handle(); return success; }
int cudaEventCreateWithFlags(handle *event, unsigned flags) { *event = fake_handle(); return success; }
int cudaEventElapsedTime(float *milliseconds, handle a, handle b) { *milliseconds = 0.01f; return success; }
int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return success; }
int cudaDeviceGetPCIBusId(char *id, int length, int device) { snprintf(id, length, "0000:%02x:00.0", device + 1); return success; }
int cudaFuncGetAttributes(struct { size_t shared, constant, local; int threads, registers, ptx, binary; } *a, const void *stub) {
  memset(a, 0, sizeof *a);
  a->threads = 1024; a->registers = 32; a->ptx = a->binary = 90;
  return success;
}
int cudaPointerGetAttributes(struct { int kind, device; void *on_device, *on_host; } *a, const void *p) {
  int on_host = fake_is_host(p);
  memset(a, 0, sizeof *a);
  a->kind = on_host < 0 ? 0 : on_host ? 1 : 2;
  a->on_device = (void *)p;
  return success;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks) { *blocks = 2; return success; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { *blocks = 2; return success; }
const char *cudaGetErrorString(int error) { return error ? "a fake error" : "no error"; }
const char *cudaGetErrorName(int error) { return error ? "cudaErrorFake" : "cudaSuccess"; }
#endif

#define CREATES(name) int name(handle *h) { *h = fake_handle(); return success; }
#define LAUNCHES(name) int name(void) { fake_log("launch", #name, 0); return success; }
#define WORDS(name) const char *name(int status) { return status ? "a fake error" : "success"; }
#define VERSION(name, major, minor) int name(int part, int *value) { *value = part == 0 ? major : part == 1 ? minor : 1; return success; }

#ifdef LIBRARY_CUBLAS
CREATES(cublasCreate_v2) VERSION(cublasGetProperty, 12, 9) WORDS(cublasGetStatusString) WORDS(cublasGetStatusName)
int cublasGetVersion_v2(handle h, int *version) { *version = 120901; return success; }
size_t cublasGetCudartVersion(void) { return 12090; }
int cublasGetStream_v2(handle h, handle *stream) { *stream = 0; return success; }
int cublasGetPointerMode_v2(handle h, int *mode) { *mode = 0; return success; }
int cublasGetMathMode(handle h, int *mode) { *mode = 0; return success; }
int cublasGetAtomicsMode(handle h, int *mode) { *mode = 0; return success; }
LAUNCHES(cublasGemmEx) LAUNCHES(cublasGemmStridedBatchedEx) LAUNCHES(cublasGemmBatchedEx) LAUNCHES(cublasSgemmEx)
LAUNCHES(cublasSgemm_v2) LAUNCHES(cublasSgemmStridedBatched) LAUNCHES(cublasSgemmBatched) LAUNCHES(cublasSgemv_v2)
#endif

#ifdef LIBRARY_CUBLASLT
CREATES(cublasLtCreate) VERSION(cublasLtGetProperty, 12, 9) WORDS(cublasLtGetStatusString) WORDS(cublasLtGetStatusName)
CREATES(cublasLtMatmulDescCreate) CREATES(cublasLtMatrixLayoutCreate) CREATES(cublasLtMatmulPreferenceCreate)
CREATES(cublasLtMatrixTransformDescCreate) LAUNCHES(cublasLtMatmul)
size_t cublasLtGetVersion(void) { return 120901; }
size_t cublasLtGetCudartVersion(void) { return 12090; }
int cublasLtMatmulDescGetAttribute(handle d, int a, void *value, size_t bytes, size_t *written) { memset(value, 0, bytes); if (written) *written = bytes; return success; }
int cublasLtMatrixLayoutGetAttribute(handle d, int a, void *value, size_t bytes, size_t *written) { return cublasLtMatmulDescGetAttribute(d, a, value, bytes, written); }
typedef struct { uint64_t algorithm[8]; size_t workspace; int state; float waves; int reserved[4]; } heuristic;
int cublasLtMatmulAlgoGetHeuristic(handle h, handle d, handle a, handle b, handle c, handle e, handle p, int wanted, heuristic *results, int *found) {
  memset(results, 0, sizeof *results * wanted);
  results[0].algorithm[0] = 1; results[0].waves = 1; *found = 1;
  return success;
}
#endif

#ifdef LIBRARY_CUDNN
CREATES(cudnnCreate) VERSION(cudnnGetProperty, 9, 10) WORDS(cudnnGetErrorString)
size_t cudnnGetVersion(void) { return 91002; }
size_t cudnnGetCudartVersion(void) { return 12090; }
size_t cudnnGetMaxDeviceVersion(void) { return 1200; }
void cudnnGetLastErrorString(char *text, size_t bytes) { if (bytes) *text = 0; }

/* Graphs of operations. Heuristics offer two engines for each: the first sums in any order and is the faster, the second does not. */
typedef struct { int kind, operation, products, engine; } descriptor;
enum { heuristics = 4, plan = 5, engine = 2, graph = 15, product = 19, descriptors = 15, results = 202, engine_of_config = 300, shared_memory = 304, config_of_plan = 401, workspace = 402, written = 405, index_of_engine = 1301, numerical_note = 1303 };
enum { engines = 2, nondeterministic = 4, not_supported = 3000 };
int cudnnBackendCreateDescriptor(int kind, descriptor **new) {
  *new = calloc(1, sizeof **new);
  (*new)->kind = kind;
  /* By the numbers of cudnnBackendDescriptorType_t, those of convolutions. */
  if (kind >= 10 && kind <= 12) (*new)->operation = kind;
  (*new)->products = kind == product;
  return success;
}
int cudnnBackendDestroyDescriptor(descriptor *d) { free(d); return success; }
static void follow(descriptor *d, const descriptor *part) {
  if (part->operation) d->operation = part->operation;
  if (part->products) d->products = part->products;
  if (part->engine) d->engine = part->engine;
}
int cudnnBackendSetAttribute(descriptor *d, int name, int type, int64_t count, void *values) {
  /* What an operation takes are tensors. */
  if (type == descriptors && (d->kind < 10 || d->kind == graph)) {
    int sum = 0;
    for (int i = 0; i < count; i++) {
      sum += ((descriptor **)values)[i]->products;
      follow(d, ((descriptor **)values)[i]);
    }
    if (sum) d->products = sum;
  }
  if (name == index_of_engine) d->engine = (int)*(int64_t *)values;
  if (name == written && count > 0) {
    char *text = strndup(values, count);
    sscanf(text, "[%d, %d, %d]", &d->operation, &d->products, &d->engine);
    free(text);
  }
  return success;
}
/* With FAKE_GPU_ATTENTION=0 there is no engine for attention. */
int cudnnBackendFinalize(descriptor *d) {
  const char *attention = getenv("FAKE_GPU_ATTENTION");
  return d->kind == plan && d->products && attention && !strcmp(attention, "0") ? not_supported : success;
}
/* XLA keeps plans with what it has compiled. */
static int write_plan(const descriptor *d, int64_t wanted, int64_t *count, char *text) {
  char own[64];
  *count = snprintf(own, sizeof own, "[%d, %d, %d]", d->operation, d->products, d->engine);
  if (wanted >= *count) memcpy(text, own, *count);
  return success;
}
int cudnnBackendGetAttribute(descriptor *d, int name, int type, int64_t wanted, int64_t *count, void *values) {
  if (name == written) return write_plan(d, wanted, count, values);
  int64_t given = name == results ? engines : name == numerical_note ? d->engine == 0 : name == engine_of_config || name == config_of_plan || name == workspace || name == shared_memory || name == index_of_engine;
  if (count) *count = given;
  for (int i = 0; i < given && i < wanted && values; i++) {
    if (type == descriptors) {
      follow(((descriptor **)values)[i], d);
      if (name == results) ((descriptor **)values)[i]->engine = i;
    } else if (name == numerical_note) ((int *)values)[i] = nondeterministic;
    else if (name == shared_memory) ((int *)values)[i] = 49152;
    else ((int64_t *)values)[i] = name == index_of_engine ? d->engine : 0;
  }
  return success;
}
int cudnnBackendExecute(handle h, descriptor *d, descriptor *pack) {
  static const char *names[] = { "convolution", "convolution-of-filter", "convolution-of-input" };
  char name[64];
  /* Two products in one are attention; five are its gradient, which computes the first anew. */
  const char *what = d->operation ? names[d->operation - 10] : d->products == 2 ? "attention" : d->products == 5 ? "attention-gradient" : "other";
  snprintf(name, sizeof name, "cudnn-%s-%s", what, d->engine ? "deterministic" : "nondeterministic");
  fake_log("launch", name, 0);
  return success;
}
#endif

#ifdef LIBRARY_CUSOLVER
CREATES(cusolverDnCreate)
#endif

#ifdef LIBRARY_CUSPARSE
CREATES(cusparseCreate) WORDS(cusparseGetErrorString) WORDS(cusparseGetErrorName)
#endif

#ifdef LIBRARY_CUFFT
int cufftGetVersion(int *version) { *version = 11401; return success; }
int cufftCreate(int *plan) { *plan = 1; return success; }
#endif

#ifdef LIBRARY_NCCL
WORDS(ncclGetErrorString)
int ncclAllReduce(void) { fake_log("launch", "ncclAllReduce", 0); fake_compute(50); return success; }
const char *ncclGetLastError(handle communicator) { return ""; }
int ncclGetVersion(int *version) { *version = 22707; return success; }
int ncclGetUniqueId(char *id) { memset(id, 7, 128); return success; }
CREATES(ncclCommInitRank) CREATES(ncclCommInitRankConfig)
int ncclCommCount(handle communicator, int *count) { *count = 1; return success; }
int ncclCommGetAsyncError(handle communicator, int *error) { *error = 0; return success; }
#endif

#ifdef LIBRARY_CUPTI
int cuptiGetResultString(int result, const char **text) { *text = "a fake error"; return success; }
int cuptiSubscribe(handle *h) { *h = fake_handle(); return 1; }
#endif

#ifdef LIBRARY_NVML
WORDS(nvmlErrorString)
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return success; }
int nvmlDeviceGetHandleByPciBusId_v2(const char *id, handle *device) { *device = fake_handle(); return success; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, handle *device) { *device = fake_handle(); return success; }
int nvmlDeviceGetNvLinkState(handle device, unsigned link, int *active) { *active = 0; return success; }
int nvmlSystemGetDriverVersion(char *text, unsigned bytes) { strncpy(text, "580.159.04", bytes); return success; }
#endif
