import { type Tensor, tf } from '../tensorflow/index.js';

/** A time in [0, 1], or one for each sample: `[batch]`. */
export type Time = number | Tensor;

/**
 * A function of states `[batch, …]` and their times `[batch]` that returns tensors like the states: a network with
 * its other inputs bound, or a field made of one.
 */
export type VectorField = (x: Tensor, t: Tensor) => Tensor;

/** A function of time, for a number or for a tensor of any shape. */
export interface TimeFunction {
  (t: number): number;
  (t: Tensor): Tensor;
  (t: Time): Time;
}

/** Arithmetic that a formula is written in, so that it holds for numbers and for tensors. */
export interface Arithmetic<T> {
  readonly add: (a: T | number, b: T | number) => T;
  readonly sub: (a: T | number, b: T | number) => T;
  readonly mul: (a: T | number, b: T | number) => T;
  readonly div: (a: T | number, b: T | number) => T;
  readonly min: (a: T | number, b: T | number) => T;
  readonly max: (a: T | number, b: T | number) => T;
  readonly sin: (a: T) => T;
  readonly cos: (a: T) => T;
  readonly exp: (a: T) => T;
  /** exp(a) - 1 */
  readonly expm1: (a: T) => T;
  readonly sqrt: (a: T) => T;
  /** Another function of time. */
  readonly at: (f: TimeFunction, t: T) => T;
}

const numbers: Arithmetic<number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  sin: Math.sin,
  cos: Math.cos,
  exp: Math.exp,
  expm1: Math.expm1,
  sqrt: Math.sqrt,
  at: (f, t) => f(t),
};

const tensors: Arithmetic<Tensor> = {
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(a, b),
  div: (a, b) => tf.div(a, b),
  min: (a, b) => tf.minimum(a, b),
  max: (a, b) => tf.maximum(a, b),
  sin: (a) => tf.sin(a),
  cos: (a) => tf.cos(a),
  exp: (a) => tf.exp(a),
  expm1: (a) => tf.expm1(a),
  sqrt: (a) => tf.sqrt(a),
  at: (f, t) => f(t),
};

/** A function of time from one formula. */
export function timeFunction(formula: <T>(t: T, math: Arithmetic<T>) => T | number): TimeFunction {
  function evaluate(t: number): number;
  function evaluate(t: Tensor): Tensor;
  function evaluate(t: Time): Time;
  function evaluate(t: Time): Time {
    if (typeof t === 'number') return formula(t, numbers);
    return tf.tidy(() => {
      const value = formula(t, tensors);
      return typeof value === 'number' ? tf.fill(t.shape, value) : value;
    });
  }
  return evaluate;
}

/** The value of `f` at `t`, shaped so that it multiplies the samples of `x`: `[batch, 1, …]` where `t` is `[batch]`. */
export function over(x: Tensor, t: Time, f: TimeFunction): Time {
  const value = f(t);
  if (typeof value === 'number' || value.rank === 0) return value;
  return value.reshape([value.size, ...x.shape.slice(1).map(() => 1)]);
}
