import { UserError } from '../errors.js';
import { cApi } from './c-api.js';
import { type EngineChoice, chooseEngine, gpuObstacles } from './engine-choice.js';
import { startEngine } from './engine.js';
import type { Gpu, GpuProblem } from './gpus.js';
import { nativeBackend } from './native-backend.js';
import { computesBfloat16 } from './runtime-options.js';

/** What computes on this machine, found by loading it. */
export interface EngineReport extends EngineChoice {
  /** Kinds of devices that TensorFlow sees; empty for the fallback. */
  readonly devices: readonly string[];
  /** GPUs by their driver's account. */
  readonly gpus: readonly Gpu[];
  /** Whether bfloat16 is fast on what computes. */
  readonly bfloat16: boolean;
  /** What is no problem, but is to be known. */
  readonly notes: readonly string[];
  readonly problems: readonly GpuProblem[];
}

const nothing = { devices: [], gpus: [], bfloat16: false, notes: [], problems: [] };

/** Loads what computes here and asks it; problems are part of the answer, never thrown. */
export async function engineReport(): Promise<EngineReport> {
  try {
    const choice = chooseEngine();
    if (choice.kind === 'wasm') {
      await startEngine();
      return { ...nothing, ...choice };
    }
    const backend = nativeBackend();
    const { devices, gpus } = backend;
    const registered = devices.includes('GPU');
    return {
      ...choice,
      devices,
      gpus: gpus.facts.gpus,
      bfloat16: computesBfloat16(backend.placeOf({})),
      notes: gpus.facts.notes,
      problems: gpuObstacles('auto', cApi().location, gpus.facts, { registered, reasons: gpus.reasons }),
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...nothing, kind: 'native', problems: [{ message: error.message, remedy: error.remedy }] };
  }
}
