import { UserError } from '../base/errors.js';
import { TensorFlowError } from './c-api.js';

/**
 * An error that names what cannot be traced, the line of the program that asked for it, and the function that it
 * called there. `cause` is what went wrong underneath; `stack` says where, by default here.
 */
export function untraceable(
  what: string,
  { cause, remedy, stack = deepStack() }: { cause?: Error; remedy?: string; stack?: string } = {},
): UserError {
  const { place, callee } = callerOf(stack);
  const called = callee === undefined ? '' : `, called as \`${callee}\`,`;
  return new UserError({
    code: 'untraceable',
    message: `${what}${called} cannot be traced${place === undefined ? '' : ` (${place})`}${cause === undefined ? '.' : `: ${cause.message}`}`,
    remedy: remedy ?? (cause instanceof TensorFlowError ? checkOperands : describesOnly),
    cause,
  });
}

const checkOperands = 'Check the shapes and types of its operands.';
const describesOnly =
  'A traced function describes a computation; neither it nor the shapes of its results may depend on values. Use operations on tensors, or pass the value in as a plain argument.';

/** A traced function used a tensor that is disposed, at `stack` or here. */
export function usedDisposed(stack = deepStack()): UserError {
  return untraceable('A tensor that is disposed', {
    stack,
    remedy:
      'A traced function may be traced for another signature long after it was made: keep the tensors that it captures, or pass them in as inputs.',
  });
}

/** The stack here: tfjs's own frames are more than Node keeps otherwise. */
function deepStack(frames = Infinity): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = frames;
  try {
    return new Error('trace').stack ?? '';
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The innermost stack line outside of tfjs and of this folder, and the function of tfjs that it called. */
function callerOf(stack: string): { place?: string | undefined; callee?: string | undefined } {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const at = frames.findIndex((frame) => !isEngine(frame) && frame.includes(':'));
  if (at < 0) return {};
  const before = frames[at - 1];
  // tfjs names its operations `matMul__op`; methods of tensors have the name of their class before them.
  const callee =
    before !== undefined && before.includes('tfjs') && /at (?:[\w$]+\.)*(\w+?)(?:__op|_)? /.exec(before);
  return { place: frames[at]!.trim(), callee: callee ? callee[1] : undefined };
}

function isEngine(frame: string): boolean {
  return /node_modules|node:|tfjs-core|tfjs-node|[\\/](src|dist)[\\/]tensorflow[\\/]/.test(frame);
}

const remedy =
  'Such numbers would be drawn once, while tracing, and be the same in every run. Use `randomNormal` or `randomUniform` of this library, which draw anew at each run from keys that are fed (`streamKey`).';

/** tfjs's functions that draw in JavaScript, as their frames are named in a stack. */
const randomFunction =
  /\b(randomNormal|randomStandardNormal|randomUniform|randomUniformInt|randomGamma|truncatedNormal|rand)_ /;
/** A random function hands its values over within so many frames. */
const frames = 12;

/** Operations that draw numbers from a state of their own, so that runs and batches would not be independent. */
const statefulOperations = new Set([
  'Multinomial',
  'RandomStandardNormal',
  'RandomUniform',
  'TruncatedNormal',
]);

/** Refuses the values of a new tensor where a random function of tfjs made them. Call it as they are handed over. */
export function refuseRandomValues(): void {
  const stack = deepStack(frames);
  const name = randomFunction.exec(stack)?.[1];
  if (name !== undefined)
    throw untraceable(`A random number drawn in JavaScript (\`tf.${name}\`)`, { remedy });
}

export function refuseStatefulRandom(operation: string): void {
  if (statefulOperations.has(operation))
    throw untraceable(`The operation ${operation}, which keeps a state,`, { remedy });
}

/** Runs `body` with `Math.random` refused, from which tfjs and users draw. Synchronous. */
export function withoutMathRandom<T>(body: () => T): T {
  const { random } = Math;
  Math.random = () => {
    throw untraceable('A random number drawn in JavaScript (`Math.random`)', { remedy });
  };
  try {
    return body();
  } finally {
    Math.random = random;
  }
}
