import { type Tensor, tf } from '../tensorflow/index.js';
import type { Interpolant } from './interpolants.js';
import type { Prediction } from './names.js';
import { over, type Time, type TimeFunction, timeFunction } from './time-function.js';

/**
 * Velocity, score, noise and data of a path are the same knowledge in four forms; each of these functions turns one
 * into another at `x` `[batch, …]` and `t` (`[batch]` or a number). All follow from x = αx₁ + σx₀, v = α'x₁ + σ'x₀
 * and score = -x₀/σ.
 *
 * What divides by zero: velocity from score or noise at α = 0 (t = 0, linear and gvp); score from velocity, noise or data
 * at σ = 0 (t = 1). Velocity from data divides by σ, or by `leastSigma` where that is larger.
 */
type Conversion = (interpolant: Interpolant, value: Tensor, x: Tensor, t: Time) => Tensor;

/** v = (α'x - W·noise) / α */
export const velocityFromNoise: Conversion = ({ alpha, dAlpha, wronskian }, noise, x, t) =>
  tf.tidy(() =>
    tf.div(tf.sub(tf.mul(x, over(x, t, dAlpha)), tf.mul(noise, over(x, t, wronskian))), over(x, t, alpha)),
  );

/** v = (α'x + σW·score) / α */
export const velocityFromScore: Conversion = (interpolant, score, x, t) =>
  tf.tidy(() => velocityFromNoise(interpolant, noiseFromScore(interpolant, score, x, t), x, t));

/** noise = (α'x - αv) / W */
export const noiseFromVelocity: Conversion = ({ alpha, dAlpha, wronskian }, velocity, x, t) =>
  tf.tidy(() =>
    tf.div(tf.sub(tf.mul(x, over(x, t, dAlpha)), tf.mul(velocity, over(x, t, alpha))), over(x, t, wronskian)),
  );

/** score = (αv - α'x) / (σW) */
export const scoreFromVelocity: Conversion = (interpolant, velocity, x, t) =>
  tf.tidy(() => scoreFromNoise(interpolant, noiseFromVelocity(interpolant, velocity, x, t), x, t));

/** score = -noise / σ */
export const scoreFromNoise: Conversion = ({ sigma }, noise, x, t) =>
  tf.tidy(() => tf.div(tf.neg(noise), over(x, t, sigma)));

/** noise = -σ·score */
export const noiseFromScore: Conversion = ({ sigma }, score, x, t) =>
  tf.tidy(() => tf.mul(tf.neg(score), over(x, t, sigma)));

/**
 * Share of noise below which a velocity does not follow predicted data any faster: near the data their errors would grow
 * without bound.
 */
const leastSigma = 0.05;

/** σ, or `leastSigma` where that is larger. */
const boundedSigma = ({ sigma }: Interpolant): TimeFunction =>
  timeFunction((t, { at, max }) => max(at(sigma, t), leastSigma));

/** W/σ, by which an error of the data is one of the velocity, with σ bounded. */
export const velocityOverData = (interpolant: Interpolant): TimeFunction =>
  timeFunction((t, { at, div }) => div(at(interpolant.wronskian, t), at(boundedSigma(interpolant), t)));

/**
 * v = (σ'x + W·data) / σ, with σ bounded.
 *
 * Source: Li and He, "Back to basics: let denoising generative models denoise", arXiv 2511.13720, and its code, which has
 * the same bound, in training as in sampling.
 */
const velocityFromData: Conversion = (interpolant, data, x, t) =>
  tf.tidy(() => {
    const { dSigma, wronskian } = interpolant;
    const sum = tf.add(tf.mul(x, over(x, t, dSigma)), tf.mul(data, over(x, t, wronskian)));
    return tf.div(sum, over(x, t, boundedSigma(interpolant)));
  });

const scoreFromData: Conversion = (interpolant, data, x, t) =>
  tf.tidy(() => scoreFromVelocity(interpolant, velocityFromData(interpolant, data, x, t), x, t));

const identity: Conversion = (_interpolant, value) => value.clone();

/** Converts a network's output to a velocity. */
export const toVelocity: Readonly<Record<Prediction, Conversion>> = {
  velocity: identity,
  score: velocityFromScore,
  noise: velocityFromNoise,
  data: velocityFromData,
};

/** Converts a network's output to a score. */
export const toScore: Readonly<Record<Prediction, Conversion>> = {
  velocity: scoreFromVelocity,
  score: identity,
  noise: scoreFromNoise,
  data: scoreFromData,
};

/** The expected data given x, by Tweedie's formula: (x + σ²·score) / α. */
export function dataFromScore(interpolant: Interpolant, score: Tensor, x: Tensor, t: Time): Tensor {
  const { alpha, sigma } = interpolant;
  return tf.tidy(() => {
    const s = over(x, t, sigma);
    return tf.div(tf.add(x, tf.mul(tf.mul(score, s), s)), over(x, t, alpha));
  });
}
