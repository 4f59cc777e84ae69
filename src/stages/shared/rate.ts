import { normal, type Parameter } from '../../nn/parameter.js';
import type { UntoldTime } from '../../runner/stage.js';
import { initialValues } from '../../nn/parameters.js';
import {
  float32,
  type HostTensor,
  int32,
  newVariables,
  openStore,
  type ProgramSession,
  type ProgramVariable,
  type RuntimeOptions,
  sizeOf,
  startEngine,
  type TensorSpec,
} from '../../tensorflow/index.js';

/** Says that a time depends on the network. */
export const untoldDownload = (what: string): UntoldTime => ({
  untold: `how fast ${what} can be downloaded was not measured`,
});

/** Time that calls are repeated for, and how many there are at most. */
const measuredSeconds = 0.7;
const mostCalls = 8;
/** Calls before those that count: they prepare what later ones use. */
const warmUps = 2;

/** Floating-point operations of a call that is measured: about a second of a slow processor. */
export const measuredOperations = 4e10;

/** Work that is measured: `call` is repeated, a few times, and is of so many units. */
export interface MeasuredWork {
  readonly call: () => Promise<unknown>;
  readonly units: number;
}

/** Rate of work of one sort of units. */
export interface MeasuredRate {
  readonly setupSeconds: number;
  readonly unitSeconds: number;
}

/** Opens a session, prepares work in it and measures that: its median time, and what came before. */
export async function measureIn(
  runtime: RuntimeOptions,
  open: (runtime: RuntimeOptions) => ProgramSession,
  prepare: (session: ProgramSession) => Promise<MeasuredWork>,
): Promise<MeasuredRate> {
  await startEngine(runtime);
  const start = performance.now();
  const session = open(runtime);
  try {
    return await measureWork(start, await prepare(session));
  } finally {
    await session.close();
  }
}

/** Measures work that was prepared since `start`. */
export async function measureWork(start: number, { call, units }: MeasuredWork): Promise<MeasuredRate> {
  for (let i = 0; i < warmUps; i++) await call();
  const ready = performance.now();
  const times: number[] = [];
  while (
    times.length < mostCalls &&
    (times.length < 2 || performance.now() - ready < 1000 * measuredSeconds)
  ) {
    const begin = performance.now();
    await call();
    times.push((performance.now() - begin) / 1000);
  }
  const each = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
  return {
    setupSeconds: Math.max(0, (ready - start) / 1000 - warmUps * each),
    unitSeconds: each / units,
  };
}

/** Values of a network's weights by name, none of them zero. */
export function madeUpValues(parameters: readonly Parameter[]): (name: string) => HostTensor {
  const initial = parameters.map((each) =>
    each.initial.kind === 'zeros' ? { ...each, initial: normal(0.02) } : each,
  );
  return initialValues(initial, 0);
}

/** Weights of a network in a session, none of them zero. */
export async function madeUpWeights(
  session: ProgramSession,
  parameters: readonly Parameter[],
): Promise<Record<string, ProgramVariable>> {
  const variables = newVariables(
    session,
    parameters.map((parameter) => ({ ...parameter, constant: true })),
  );
  const valueOf = madeUpValues(parameters);
  await openStore(session, variables).write(({ name }) => valueOf(name));
  return Object.fromEntries(variables.map((variable) => [variable.name, variable]));
}

/** Numbers for an input: of about unit size, or 0 where they are whole. */
export function madeUp({ dtype, shape }: TensorSpec): HostTensor {
  const length = sizeOf(shape);
  return dtype === 'int32'
    ? int32(shape, new Int32Array(length))
    : float32(
        shape,
        Float32Array.from({ length }, (_, i) => Math.sin(i * i + 1)),
      );
}
