import { UserError } from '../errors.js';
import { EagerSession, EagerStore, type EagerVariable } from './eager-session.js';
import type { HostTensor } from './data-types.js';
import { startWasm } from './fallback/wasm.js';
import { locateLibrary } from './library/locate.js';
import { type Machine, checkMachine, requirePlatform, thisMachine } from './library/platform.js';
import { nativeBackend } from './native-backend.js';
import type { RuntimeOptions } from './runtime-options.js';
import { Session, type SessionVariable } from './session.js';
import { VariableStore } from './variable-store.js';
import type { WorkerServer } from './worker-server.js';
import { libraryMissing } from './library/library-missing.js';

/** What computes: the native library, or tfjs's WebAssembly backend, operation by operation. */
export type EngineKind = 'native' | 'wasm';

export interface EngineChoice {
  readonly kind: EngineKind;
  /** Why the native library, or a GPU that was asked for, does not serve, as a sentence. */
  readonly reason?: string;
}

/** Where programs run and their weights live. */
export type ProgramSession = Session | EagerSession;
export type ProgramVariable = SessionVariable | EagerVariable;

/** Moves the values of many variables between a session and JavaScript. */
export interface ProgramStore {
  /** Every variable with its value, in order. */
  read(): AsyncGenerator<readonly [ProgramVariable, HostTensor]>;
  /** Sets every variable to what `valueOf` gives for it. */
  write(valueOf: (variable: ProgramVariable) => HostTensor | Promise<HostTensor>): Promise<void>;
}

let running: EngineKind | undefined;
let starting: Promise<EngineChoice> | undefined;

/** What computes in this process. */
export function engineKind(): EngineKind {
  return running ?? 'native';
}

/**
 * What would compute here: what `PIPELINE_BACKEND` says (`native` or `wasm`), otherwise the native library where it is
 * set up and can run, and the fallback where not.
 *
 * @throws UserError `backend-unknown`; `tensorflow-missing` and those of `checkMachine` where only the native library would do;
 *   those of `locateLibrary`.
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
      remedy: 'Correct it, or unset it: then the native library is taken where it is set up.',
    });
  const obstacle = obstacleTo(env, machine);
  if (obstacle === undefined) return { kind: 'native' };
  if (asked === 'native' || device === 'gpu') throw obstacle;
  return { kind: 'wasm', reason: [obstacle.message, obstacle.remedy].filter(Boolean).join(' ') };
}

/**
 * Makes ready what computes in this process. Only the first call decides, and only it tells the reason for a fallback,
 * so that it is told once.
 *
 * @throws UserError as `chooseEngine` and `cApi` do
 */
export async function startEngine(options: RuntimeOptions = {}): Promise<EngineChoice> {
  if (starting !== undefined) return { kind: (await starting).kind };
  return (starting = start(options));
}

async function start(options: RuntimeOptions): Promise<EngineChoice> {
  const choice = chooseEngine(options.device);
  running = choice.kind;
  if (choice.kind === 'wasm') {
    await startWasm();
    return choice;
  }
  const { devices } = nativeBackend(options);
  const wantsGpu = options.device === 'gpu' || process.env.PIPELINE_DEVICE === 'gpu';
  if (!wantsGpu || devices.includes('GPU')) return choice;
  return { ...choice, reason: 'A GPU is asked for, but TensorFlow sees none: the CPU computes.' };
}

/** Loads the native library where nothing was started yet: for programs that do not wait. */
export function ensureEngine(): void {
  if (running === undefined) nativeBackend();
}

/**
 * A session on what computes in this process; close it after use.
 *
 * @throws UserError `workers-need-native` where several workers are to compute together on the fallback
 */
export function openSession(options: RuntimeOptions = {}, server?: WorkerServer): ProgramSession {
  if (engineKind() === 'native') return new Session(options, server);
  if (server === undefined) return new EagerSession();
  throw new UserError({
    code: 'workers-need-native',
    message:
      'Several workers compute together through the native library only, and WebAssembly computes here.',
    remedy: 'Use `runtime: { workers: 1 }`, or set the native library up.',
  });
}

/** A store of variables of the session. In a native one, make it before the first run. */
export function openStore(session: ProgramSession, variables: readonly ProgramVariable[]): ProgramStore {
  if (session instanceof EagerSession) return new EagerStore(variables as readonly EagerVariable[]);
  return new VariableStore(session, variables as readonly SessionVariable[]);
}

/** Why the native library cannot run here. A library of the user's own is taken as it is. */
function obstacleTo(env: NodeJS.ProcessEnv, machine?: Machine): UserError | undefined {
  if (env.PIPELINE_TENSORFLOW) {
    locateLibrary({ env });
    return undefined;
  }
  try {
    checkMachine(machine ?? thisMachine(requirePlatform()));
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  return locateLibrary({ env }) === undefined ? libraryMissing() : undefined;
}
