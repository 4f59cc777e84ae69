import { nativeInterface } from '../base/native-interface.js';
import { cApi } from './c-api.js';
import { nativeBackend } from './native-backend.js';

// TensorFlow's C API does not tell of memory. These are of C++: `GPUProcessState::singleton`, its `GetGPUAllocator`, and
// the allocator's `GetStats` and `ClearStats`, by the names that the pinned library exports.
const state = 'void* _ZN10tensorflow15GPUProcessState9singletonEPS0_(void*)';
const allocatorOf =
  'void* _ZN10tensorflow15GPUProcessState15GetGPUAllocatorERKNS_10GPUOptionsEN3tsl3gtl7IntTypeINS4_15TfDeviceId_tag_EiEEmRKSt6vectorIS8_SaIS8_EE(void*, void*, int, size_t, void*)';
const statsOf = 'void _ZN3tsl12BFCAllocator8GetStatsEv(void*, void*)';
const clear = 'bool _ZN3tsl12BFCAllocator10ClearStatsEv(void*)';

/** Room for the structures of C++ that stand for nothing here, and for the statistics. */
const structureBytes = 4096;
/** Places of `bytes_in_use` and `peak_bytes_in_use` in `AllocatorStats`. */
const places = { inUse: 8, peak: 16 } as const;

/** Bytes of a GPU that tensors and what is compiled use. */
export interface GpuMemory {
  readonly inUse: number;
  /** Most of them at once, since the start or `forgetPeakGpuMemory`. */
  readonly peak: number;
}

/** The memory in use of this process's GPU; undefined where none computes, or another allocator is asked for. */
export function gpuMemory(): GpuMemory | undefined {
  const allocator = gpuAllocator();
  if (allocator === undefined) return undefined;
  const stats = Buffer.alloc(structureBytes);
  framework().func(statsOf)(stats, allocator);
  const at = (place: number) => Number(stats.readBigInt64LE(place));
  return { inUse: at(places.inUse), peak: at(places.peak) };
}

/** Counts the peak from now on. */
export function forgetPeakGpuMemory(): void {
  const allocator = gpuAllocator();
  if (allocator !== undefined) framework().func(clear)(allocator);
}

function gpuAllocator(): unknown {
  if (!nativeBackend().devices.includes('GPU') || process.env.TF_GPU_ALLOCATOR !== undefined)
    return undefined;
  const [nothing, vector] = [Buffer.alloc(structureBytes), Buffer.alloc(structureBytes)];
  return framework().func(allocatorOf)(framework().func(state)(null), nothing, 0, 0, vector);
}

function framework() {
  return nativeInterface().load(cApi().location.framework);
}
