import { UserError } from '../base/errors.js';
import { cApi } from './c-api.js';
import { type HostTensor, int32 } from './data-types.js';
import { EagerSession, EagerStore, type EagerVariable } from './eager-session.js';
import { checkEngine, chooseEngine, computesOn, gpuObstacles, gpuWarnings } from './engine-choice.js';
import type { EngineChoice, EngineKind, EngineOutlook } from './engine-choice.js';
import { startWasm } from './fallback/wasm.js';
import type { Gpu, GpuProblem } from './gpus.js';
import type { Output } from './graph.js';
import { runHere, type TensorValue } from './made-tensor.js';
import { MixedPrecision } from './mixed-precision.js';
import { nativeBackend } from './native-backend.js';
import { checkRuntimeOptions, computesBfloat16, type RuntimeOptions } from './runtime-options.js';
import { Session, type SessionVariable, type VariableUse } from './session.js';
import type { Static } from './signature.js';
import type { HostTensors, Program, Tensors } from './trace.js';
import { VariableStore } from './variable-store.js';
import type { WorkerServer } from './worker-server.js';

/** Session in which programs run and their weights live. */
export type ProgramSession = Session | EagerSession;
export type ProgramVariable = SessionVariable | EagerVariable;

/** New variables without values: `write` them before they are read. */
export function newVariables(
  session: ProgramSession,
  definitions: readonly ({ readonly name: string; readonly shape: readonly number[] } & VariableUse)[],
): ProgramVariable[] {
  return definitions.map(({ name, shape, ...use }) =>
    session instanceof Session ? session.variable(name, shape, use) : session.variable(name, shape),
  );
}

/** Moves the values of many variables between a session and JavaScript. */
export interface ProgramStore {
  /** Every variable with its value, in order. */
  read(): AsyncGenerator<readonly [ProgramVariable, HostTensor]>;
  /** Sets every variable to what `valueOf` gives for it. */
  write(valueOf: (variable: ProgramVariable) => TensorValue | Promise<TensorValue>): Promise<void>;
}

let running: EngineKind | undefined;
let starting: Promise<EngineKind> | undefined;

/** Engine of this process. */
export function engineKind(): EngineKind {
  return running ?? 'native';
}

/** Engine that is ready to compute. */
export interface Engine extends EngineOutlook {
  readonly kind: EngineKind;
}

/**
 * Makes ready what computes in this process. Only the first call decides.
 *
 * @throws UserError as `checkRuntimeOptions`, `checkEngine` and `cApi` do
 */
export async function startEngine(options: RuntimeOptions = {}): Promise<Engine> {
  checkRuntimeOptions(options);
  starting ??= start(options);
  return (await starting) === 'wasm' ? { kind: 'wasm', ...checkEngine(options) } : describeNative(options);
}

async function start(options: RuntimeOptions): Promise<EngineKind> {
  checkEngine(options);
  running = chooseEngine(options.device).kind;
  if (running === 'wasm') await startWasm();
  return running;
}

/** Describes the device that the native library chooses under these options. It is loaded where it was not. */
function describeNative(options: RuntimeOptions): Engine {
  const backend = nativeBackend(options);
  const { facts, reasons } = backend.gpus;
  const registered = backend.devices.includes('GPU');
  const place = backend.placeOf(options);
  const lacksBfloat16 = options.precision === 'bfloat16' && !computesBfloat16(place);
  const lacking = registered ? 'a GPU before compute capability 8.0' : 'a processor without AVX-512';
  return {
    kind: 'native',
    computesOn: computesOn(place.devices.includes('GPU') ? facts.gpus : []),
    warnings: [
      ...gpuWarnings(options.device, cApi().location, facts, { registered, reasons }),
      ...(lacksBfloat16 ? [`Computes in float32: ${lacking} has no fast bfloat16.`] : []),
    ],
  };
}

/** Loads the native library where nothing was started yet: for programs that do not wait. */
function ensureEngine(): void {
  if (running === undefined) nativeBackend();
}

/**
 * A session on what computes in this process; close it after use.
 *
 * @throws UserError `workers-need-native` where several workers are to compute together on the fallback
 */
export function openSession(options: RuntimeOptions = {}, server?: WorkerServer): ProgramSession {
  checkRuntimeOptions(options);
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

/** Engine of this machine, found by loading it. */
export interface EngineReport extends EngineChoice {
  /** Kinds of devices that TensorFlow sees; empty for the fallback. */
  readonly devices: readonly string[];
  /** GPUs by their driver's account. */
  readonly gpus: readonly Gpu[];
  /** True when bfloat16 is fast on the device. */
  readonly bfloat16: boolean;
  /** Notes that are no problem, but worth knowing. */
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

/** Width of the square matrices: large enough for a full rate, small enough to be measured in a blink. */
const widths = { cpu: 1024, gpu: 8192 } as const;
const rounds = 6;

/**
 * Floating-point operations a second of a bare product of large matrices here, with these options: what programs of
 * matrix products could reach at most. The best of a few.
 */
export async function matmulRate(options: RuntimeOptions): Promise<number> {
  const onGpu = nativeBackend(options).placeOf(options).devices.includes('GPU');
  const width = widths[onGpu ? 'gpu' : 'cpu'];
  const session = new Session(options);
  try {
    const { graph } = session;
    const extents = graph.constant(int32([2], Int32Array.of(width, width)));
    const [a, b] = ['a', 'b'].map((name) => session.variable(name, [width, width])) as [
      ReturnType<Session['variable']>,
      ReturnType<Session['variable']>,
    ];
    await session.run(
      [],
      [],
      [a, b].map((variable, i) => variable.assign(graph.node('Fill', [extents, graph.scalar(0.3 + i)]))),
    );
    const precision = new MixedPrecision(graph);
    const product: Output = graph.node('MatMul', precision.operands('MatMul', [a.read(), b.read()]));
    // One number out of all: nothing is copied to the host, and the product is not thrown away.
    const axes = graph.constant(int32([2], Int32Array.of(0, 1)));
    const corner = precision.full(graph.node('Max', [product, axes]));
    let fastest = Infinity;
    for (let round = 0; round < rounds; round++) {
      const started = performance.now();
      await session.run([], [corner]);
      if (round > 0) fastest = Math.min(fastest, performance.now() - started);
    }
    return (2 * width ** 3) / (fastest / 1000);
  } finally {
    await session.close();
  }
}

/** The eager counterpart of a compiled program: the same program on host tensors, operation by operation. */
export function runEagerly<I extends Tensors, O extends Tensors, S extends Static = undefined>(
  program: Program<I, O, S>,
  inputs: Readonly<Record<keyof I, HostTensor>>,
  weights: HostTensors = {},
  statics?: S,
): Record<keyof O, HostTensor> {
  ensureEngine();
  return runHere(program, inputs, weights, statics);
}
