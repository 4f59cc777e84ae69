import { deepStack, untraceable } from './untraceable.js';

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
