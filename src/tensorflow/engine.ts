import { UserError } from '../errors.js';
import { EagerSession, EagerStore, type EagerVariable } from './eager-session.js';
import type { HostTensor } from './data-types.js';
import { startWasm } from './fallback/wasm.js';
import { cApi } from './c-api.js';
import { type EngineKind, checkEngine, chooseEngine, gpuWarnings } from './engine-choice.js';
import { nativeBackend } from './native-backend.js';
import { type RuntimeOptions, computesBfloat16 } from './runtime-options.js';
import { Session, type SessionVariable } from './session.js';
import { VariableStore } from './variable-store.js';
import type { WorkerServer } from './worker-server.js';

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
let starting: Promise<EngineKind> | undefined;

/** What computes in this process. */
export function engineKind(): EngineKind {
  return running ?? 'native';
}

/** What has been made ready to compute. */
export interface Engine {
  readonly kind: EngineKind;
  /** Such as `NVIDIA H200`, `processor` or `WebAssembly`. */
  readonly computesOn: string;
  /** What computes otherwise than one may expect, as sentences. */
  readonly warnings: readonly string[];
}

/**
 * Makes ready what computes in this process. Only the first call decides.
 *
 * @throws UserError as `checkEngine` and `cApi` do
 */
export async function startEngine(options: RuntimeOptions = {}): Promise<Engine> {
  starting ??= start(options);
  return (await starting) === 'wasm'
    ? { kind: 'wasm', computesOn: 'WebAssembly', warnings: checkEngine(options) }
    : describeNative(options);
}

async function start(options: RuntimeOptions): Promise<EngineKind> {
  checkEngine(options);
  running = chooseEngine(options.device).kind;
  if (running === 'wasm') await startWasm();
  return running;
}

/** What the native library makes of the options. It is loaded where it was not. */
function describeNative(options: RuntimeOptions): Engine {
  const backend = nativeBackend(options);
  const { facts, reasons } = backend.gpus;
  const registered = backend.devices.includes('GPU');
  const place = backend.placeOf(options);
  const lacksBfloat16 = options.precision === 'bfloat16' && !computesBfloat16(place);
  const lacking = registered ? 'a GPU before compute capability 8.0' : 'a processor without AVX-512';
  return {
    kind: 'native',
    computesOn: place.devices.includes('GPU') ? (facts.gpus[0]?.name ?? 'GPU') : 'processor',
    warnings: [
      ...gpuWarnings(options.device, cApi().location, facts, { registered, reasons }),
      ...(lacksBfloat16 ? [`Computes in float32: ${lacking} has no fast bfloat16.`] : []),
    ],
  };
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
