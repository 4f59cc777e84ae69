import type { Tensor } from '@tensorflow/tfjs';
import type { FusedFunction } from './graph-function.js';
import { nativeBackend } from './native-backend.js';
import { tf } from './tfjs.js';
import { Tracer } from './tracer.js';

/**
 * x, but in a graph not before `first` has been computed: what is computed from it is not taken for the same as what
 * is computed from x elsewhere, and does not live before it is needed. No gradient of its own.
 */
export function after(x: Tensor, first: Tensor): Tensor {
  return Tracer.current?.after(x, first) ?? x;
}

/**
 * x, rounded as products of matrices would round it: in traces in bfloat16; x itself elsewhere. For what products take
 * and the gradient keeps, so that it is kept in half the memory. The gradient tape does not know of it: use it within
 * `tf.customGrad`.
 */
export function asFactor(x: Tensor): Tensor {
  return Tracer.current?.asFactor(x) ?? x;
}

/** x in float32: in a fused function that takes what products give as it is, its own conversion. */
export function asFloat(x: Tensor): Tensor {
  return Tracer.current?.asFloat(x) ?? x;
}

/**
 * Softmax over the last axis, for products, in traces where oneDNN takes and gives it in bfloat16; undefined elsewhere.
 * No gradient of its own.
 *
 * @param scores makes the argument
 */
export function softmaxAsFactor(scores: () => Tensor): Tensor | undefined {
  return oneDnnTracer()?.ofFactors('Softmax', [scores()]);
}

/**
 * GELU in its tanh form of x·W + b as one operation, in traces in bfloat16 that take no gradient; undefined elsewhere.
 * `x` is [rows, inputs], `weight` [inputs, outputs], `bias` [outputs].
 */
export function geluOfProduct(x: Tensor, weight: Tensor, bias: Tensor): Tensor | undefined {
  if (takesGradient()) return undefined;
  return oneDnnTracer()?.productOf([x, weight, bias], ['GeluApproximate']);
}

/**
 * x·W + b of a weight that never changes, in traces in bfloat16 that take no gradient; undefined elsewhere: oneDNN keeps
 * such weights in the order in which it multiplies. `x` is [rows, inputs], `weight` [inputs, outputs].
 */
export function productOfConstant(x: Tensor, weight: Tensor, bias: Tensor): Tensor | undefined {
  const tracer = oneDnnTracer();
  return takesGradient() || tracer?.isConstant(weight) !== true
    ? undefined
    : tracer.productOf([x, weight, bias], []);
}

/**
 * x less its mean over the last axis, divided by its deviation there, as one operation, in traces in bfloat16 that take
 * no gradient; undefined elsewhere.
 */
export function normalizedRows(x: Tensor, epsilon: number): Tensor | undefined {
  const tracer = oneDnnTracer();
  if (takesGradient() || tracer === undefined) return undefined;
  const channels = x.shape.at(-1)!;
  return tracer.ofFloats('_MklLayerNorm', [x, tf.ones([channels]), tf.zeros([channels])], {
    epsilon: { float: epsilon },
  });
}

/** The tracer that records at the moment, where it may write operations of oneDNN. */
function oneDnnTracer(): Tracer | undefined {
  return Tracer.current?.usesOneDnn === true ? Tracer.current : undefined;
}

/** True when what is computed is part of what a gradient is taken of. */
function takesGradient(): boolean {
  return tf.engine().state.gradientDepth > 0;
}

/** True in traces that take a gradient and in which functions of x that are marked as fused become one operation. */
export function fusesInTraining(x: Tensor): boolean {
  return takesGradient() && Tracer.current?.fuses([x]) === true;
}

/** True in a trace that XLA compiles as a whole. */
export function compiledWhole(): boolean {
  return Tracer.current?.compiled === true;
}

/** `value` where a bool scalar is true, else `otherwise`: without a tensor of bools, as `tf.where` would make. No gradient. */
export function choose(condition: Tensor, value: Tensor, otherwise: Tensor): Tensor {
  return nativeBackend().operation('SelectV2', [condition, value, otherwise])[0]!;
}

/**
 * A function of tensors, and of numbers and flags that are part of its signature, whose operations are fused into
 * one where a graph is traced for the CPU: XLA compiles it, once for all uses with the same shapes, so that its
 * intermediate values never travel through memory. Eagerly, on GPUs, and where tensors
 * are so small that compiling would not pay, `f` runs as it stands.
 *
 * For arithmetic, reductions and permutations; matrix products and convolutions are faster on their own.
 * `f` is pure and uses no tensors but its arguments and constants that it makes. The gradient tape does not reach
 * into it: use it within `tf.customGrad`.
 *
 * @param name for profiles and errors: letters, digits and `_`
 * @param takesHalf whether it takes, where products compute in bfloat16, what they give as it is
 */
export function fused<A extends readonly (Tensor | number | boolean)[], R extends readonly Tensor[]>(
  name: string,
  f: (...args: A) => R,
  { takesHalf = false }: Partial<Pick<FusedFunction, 'takesHalf'>> = {},
): (...args: A) => R {
  const definition = { name, f, takesHalf } as unknown as FusedFunction;
  return (...args) => {
    const tracer = Tracer.current;
    return tracer?.fuses(args) === true ? (tracer.callFused(definition, args) as unknown as R) : f(...args);
  };
}
