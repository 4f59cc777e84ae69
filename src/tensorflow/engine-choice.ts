import { createRequire } from 'node:module';
import { UserError } from '../base/errors.js';
import { asksForGpu, type Gpu, type GpuFacts, gpuFacts, type GpuProblem, gpusHiddenBy } from './gpus.js';
import { chooseDevice } from './install/device-choice.js';
import { damagedBuild, type LibraryLocation, libraryMissing, locateLibrary } from './install/locate.js';
import { pinnedRelease } from './install/pinned-release.js';
import {
  checkMachine,
  currentPlatform,
  type Machine,
  requirePlatform,
  setupWith,
  thisMachine,
} from './install/platform.js';
import { requireAddressSpace } from './out-of-memory.js';
import type { RuntimeOptions } from './runtime-options.js';

/** Engine that computes: the native library, or tfjs's WebAssembly backend, operation by operation. */
export type EngineKind = 'native' | 'wasm';

export interface EngineChoice {
  readonly kind: EngineKind;
  /** Reason why the native library does not serve, as a sentence. */
  readonly reason?: string;
}

/**
 * Chooses the engine: the native library, and the fallback only where `PIPELINE_BACKEND=wasm` asks for it or this
 * platform has no library. The numbers of the two differ, so that neither stands in for the other unasked.
 *
 * @throws UserError `backend-unknown`; those of `checkMachine` where only the native library would do
 */
export function chooseEngine(
  device: RuntimeOptions['device'] = 'auto',
  env: NodeJS.ProcessEnv = process.env,
  machine?: Machine,
): EngineChoice {
  const asked = env.PIPELINE_BACKEND ?? '';
  if (asked === 'wasm') return { kind: 'wasm', reason: 'PIPELINE_BACKEND=wasm asks for it.' };
  if (asked !== '' && asked !== 'native')
    throw new UserError({
      code: 'backend-unknown',
      usage: true,
      message: `PIPELINE_BACKEND is "${asked}": expected native or wasm.`,
      remedy: 'Correct it, or unset it: the native library then computes.',
    });
  // A library of the user's own is taken as it is.
  if (env.PIPELINE_TENSORFLOW) return { kind: 'native' };
  try {
    checkMachine(machine ?? thisMachine(requirePlatform()));
    return { kind: 'native' };
  } catch (error) {
    if (!(error instanceof UserError) || asked === 'native' || asksForGpu(device, env)) throw error;
    return { kind: 'wasm', reason: [error.message, error.remedy].filter(Boolean).join(' ') };
  }
}

/**
 * Name and version of what computes here, such as `tensorflow 2.21.0`: outputs of one follow from it. Whether the library
 * is set up makes no difference.
 *
 * @throws UserError as `chooseEngine`
 */
export function engineName(device?: RuntimeOptions['device'], env: NodeJS.ProcessEnv = process.env): string {
  if (chooseEngine(device, env).kind === 'native') return `tensorflow ${pinnedRelease.version}`;
  const { dependencies } = createRequire(import.meta.url)('../../package.json') as {
    dependencies: Readonly<Record<string, string>>;
  };
  return `wasm ${dependencies['@tensorflow/tfjs-backend-wasm']!}`;
}

/** Warnings that this process has given: they are told once. */
const told = new Set<string>();

/** Takes those of `warnings` that this process has not reported yet. */
export function tellOnce(warnings: readonly string[]): readonly string[] {
  const untold = warnings.filter((warning) => !told.has(warning));
  for (const warning of untold) told.add(warning);
  return untold;
}

/** Device that computes, and what computes otherwise than one may expect. */
export interface EngineOutlook {
  /** Device name, such as `NVIDIA H200`, `processor` or `WebAssembly`. */
  readonly computesOn: string;
  /** Warnings about what computes otherwise than one may expect, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * Refuses what could not compute here as asked, and tells what will compute. Loads nothing of TensorFlow, so that a run
 * may ask before its first stage.
 *
 * @throws UserError `tensorflow-missing` where the native library is to compute and is not set up; `gpu-missing` where a
 *   GPU is asked for and cannot be used; those of `chooseEngine` and `locateLibrary`
 */
export function checkEngine(
  { device = 'auto', deterministic = false }: RuntimeOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): EngineOutlook {
  const { kind, reason } = chooseEngine(device, env);
  if (kind === 'wasm')
    return {
      computesOn: 'WebAssembly',
      warnings: [
        `WebAssembly computes in float32, many times slower than the native library. ${reason ?? ''}`.trim(),
      ],
    };
  const location = locateLibrary({ env, ...(device === 'gpu' && { device }) });
  if (location === undefined) throw libraryMissing({ env });
  requireAddressSpace();
  const facts = gpuFacts(location, device, env);
  const gpus = facts.problems.length === 0 ? facts.gpus : [];
  const warnings = gpuWarnings(device, location, facts, undefined, env);
  return {
    computesOn: computesOn(gpus),
    warnings: deterministic && gpus.length === 0 ? [...warnings, deterministicAnyway] : warnings,
  };
}

const deterministicAnyway =
  '`runtime.deterministic` changes nothing on the processor: its results are the same in every run.';

/** Device name of a process that uses these GPUs, the first of them; the processor where there are none. */
export function computesOn([first]: readonly Gpu[]): string {
  return first?.name ?? 'processor';
}

/** Outcome of TensorFlow's registration of GPUs: absent before the library is loaded. */
export interface Registration {
  readonly registered: boolean;
  /** Libraries that TensorFlow's log reports missing. */
  readonly reasons: readonly string[];
}

/**
 * Warnings about GPUs that one may expect to compute, and that do not.
 *
 * @throws UserError `gpu-missing` where one is asked for
 */
export function gpuWarnings(
  device: RuntimeOptions['device'],
  location: LibraryLocation,
  facts: GpuFacts,
  registration?: Registration,
  env: NodeJS.ProcessEnv = process.env,
): readonly string[] {
  const obstacles = gpuObstacles(device, location, facts, registration, env);
  if (obstacles.length === 0) return facts.notes;
  const asked = asksForGpu(device, env);
  const reason = obstacles.map(({ message }) => message).join(' ');
  const remedies = [...new Set(obstacles.flatMap(({ remedy }) => remedy ?? []))].join(' ');
  if (asked)
    throw new UserError({
      code: 'gpu-missing',
      message: `A GPU was requested (${device === 'gpu' ? 'runtime.device: gpu' : 'PIPELINE_DEVICE=gpu'}) but cannot be used: ${reason}`,
      remedy: remedies === '' ? '`npx pipeline doctor` shows what this machine has.' : remedies,
    });
  return [`The processor computes, not the GPU: ${reason} ${remedies}`.trim()];
}

/** Reasons why no GPU computes where one is asked for, or where there is a driver and nothing hides it. */
export function gpuObstacles(
  device: RuntimeOptions['device'],
  location: LibraryLocation,
  { driver, expected, problems }: GpuFacts,
  registration?: Registration,
  env: NodeJS.ProcessEnv = process.env,
): readonly GpuProblem[] {
  const hiddenBy = gpusHiddenBy(device, env);
  // Without a driver nobody expects a GPU.
  if ((hiddenBy !== undefined || driver === undefined) && !asksForGpu(device, env)) return [];
  if (hiddenBy !== undefined)
    return [{ message: `${hiddenBy} hides it.`, remedy: 'Ask for one or the other.' }];
  if (driver === undefined)
    return [
      {
        message: 'no NVIDIA driver was found.',
        remedy:
          'Install it, start a container with its GPUs (`docker run --gpus all`), or use `device: auto`.',
      },
    ];
  if (location.build === 'cpu')
    return choosesCpuBuild(env)
      ? []
      : [
          {
            message: `an NVIDIA driver was found (${driver.evidence}), but only the CPU build of TensorFlow is set up${describeDamage(env)}.`,
            remedy: `Run \`${setupWith('--gpu')}\`, or \`${setupWith('--cpu')}\` to stay with it.`,
          },
        ];
  if (!expected)
    return [{ message: 'this process began to compute without it.', remedy: 'Ask for it from the start.' }];
  if (problems.length === 0 && registration?.registered === false)
    return [
      {
        message: `TensorFlow registers none: ${registration.reasons.join('; ') || 'its log gives no reason'}.`,
        remedy: undefined,
      },
    ];
  return problems;
}

function describeDamage(env: NodeJS.ProcessEnv): string {
  const damaged = damagedBuild('cuda', { env });
  return damaged.length === 0 ? '' : `; of the CUDA build ${damaged.join(', ')} is missing or cut short`;
}

/** True when an earlier set-up asked for the processor, or nothing else is to be had. */
function choosesCpuBuild(env: NodeJS.ProcessEnv): boolean {
  const platform = currentPlatform();
  return (
    platform === undefined ||
    Boolean(env.PIPELINE_TENSORFLOW) ||
    chooseDevice(pinnedRelease, platform, undefined, env).build === 'cpu'
  );
}
