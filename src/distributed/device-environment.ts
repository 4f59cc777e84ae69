import { UserError } from '../base/errors.js';
import { type Pipeline, runtimeOf } from '../runner/pipeline.js';
import type { RuntimeConfig } from '../runner/stage.js';
import { chooseEngine } from '../tensorflow/engine-choice.js';
import { type Gpu, gpuFacts, gpusHiddenBy } from '../tensorflow/gpus.js';
import { findNvidiaDriver } from '../tensorflow/install/device-choice.js';
import { type LibraryLocation, locateLibrary } from '../tensorflow/install/locate.js';

type Device = RuntimeConfig['device'];

/** A process among those of one machine that compute together. */
export interface MachinePlace {
  /** Number of the process there, from 0. */
  readonly index: number;
  readonly size: number;
  /**
   * True when the starter of the processes may have given each of them a GPU of its own: then it sees that one alone.
   */
  readonly mayBeBound?: boolean;
}

/**
 * Refuses to share GPUs between workers of this machine: each computes on one of its own.
 *
 * @throws UserError `too-few-gpus`
 */
export function checkGpuPerWorker(
  pipeline: Pick<Pipeline, 'runtime' | 'stages'>,
  env: NodeJS.ProcessEnv = process.env,
): void {
  for (const stage of pipeline.stages.values()) {
    const { workers, device } = runtimeOf(pipeline, stage);
    if (workers > 1) gpuOf({ index: 0, size: workers }, countGpus(device, env), env);
  }
}

/** Environment of a worker: one of this machine's GPUs where there are any, none where it computes on the processor. */
export function deviceEnvironment(
  place: MachinePlace,
  device: Device,
  env: NodeJS.ProcessEnv = process.env,
): Readonly<Record<string, string>> {
  return gpuOf(place, countGpus(device, env), env);
}

/**
 * The GPU of a worker, as a variable of its environment.
 *
 * @param count GPUs that this process sees
 * @throws UserError `too-few-gpus`
 */
export function gpuOf(
  { index, size, mayBeBound = false }: MachinePlace,
  count: number,
  env: NodeJS.ProcessEnv,
): Readonly<Record<string, string>> {
  if (count === 0 || (mayBeBound && count === 1)) return {};
  if (size > count)
    throw new UserError({
      code: 'too-few-gpus',
      usage: true,
      message: `${size} workers were asked for, and there ${count === 1 ? 'is 1 GPU' : `are ${count} GPUs`} for them: each worker computes on its own.`,
      remedy: `Use \`runtime.workers: ${count}\`, make more GPUs visible, or compute on the processor (\`device: cpu\`).`,
    });
  const visible = (env.CUDA_VISIBLE_DEVICES ?? '').split(',').map((name) => name.trim());
  const own = env.CUDA_VISIBLE_DEVICES === undefined ? String(index) : visible[index]!;
  return { CUDA_VISIBLE_DEVICES: own };
}

/** The library that computes here; undefined where none is set up, or none computes. */
function libraryHere(device: Device, env: NodeJS.ProcessEnv): LibraryLocation | undefined {
  if (chooseEngine(device, env).kind === 'wasm') return undefined;
  return locateLibrary({ env, ...(device === 'gpu' && { device }) });
}

/** GPUs that a process sees here, as their driver counts them. */
function countGpus(device: Device, env: NodeJS.ProcessEnv): number {
  const location = libraryHere(device, env);
  return location === undefined ? 0 : gpuFacts(location, device, env).gpus.length;
}

/** The GPU with the least memory among those that compute here; undefined where the processor does. */
export function smallestGpu(device: Device, env: NodeJS.ProcessEnv = process.env): Gpu | undefined {
  if (findNvidiaDriver(env) === undefined || gpusHiddenBy(device, env) !== undefined) return undefined;
  const location = libraryHere(device, env);
  if (location?.build !== 'cuda') return undefined;
  const { gpus, problems } = gpuFacts(location, device, env);
  return problems.length > 0 ? undefined : [...gpus].sort((a, b) => a.bytes - b.bytes)[0];
}

/** The GPUs that processes started here can be given, by the names that CUDA_VISIBLE_DEVICES has for them. */
export function gpusHere(device: Device, env: NodeJS.ProcessEnv = process.env): readonly string[] {
  if (findNvidiaDriver(env) === undefined || gpusHiddenBy(device, env) !== undefined) return [];
  if (libraryHere(device, env)?.build !== 'cuda') return [];
  const named = env.CUDA_VISIBLE_DEVICES?.split(',').map((name) => name.trim());
  return named ?? Array.from({ length: countGpus(device, env) }, (_, number) => String(number));
}
