import { describe, expect, it } from 'vitest';
import { float32, floats, type HostTensor, runEagerly, type Tensor, tf } from '../../src/tensorflow/index.js';
import {
  dataFromScore,
  diffusionCoefficient,
  interpolants,
  interpolate,
  noiseFromScore,
  noiseFromVelocity,
  over,
  type Prediction,
  scoreField,
  sdeDrift,
  type TimeFunction,
  toScore,
  toVelocity,
  distanceLoss,
  outputLoss,
  trainingLoss,
  velocityField,
  velocityTarget,
} from '../../src/transport/index.js';

const predictions: readonly Prediction[] = ['velocity', 'score', 'noise', 'data'];
const data = float32([3, 2], Float32Array.of(0.5, -1.5, 2, 0.25, -0.75, 1));
const noise = float32([3, 2], Float32Array.of(-0.4, 1.2, 0.3, -2, 0.9, 0.1));
const t = float32([3], Float32Array.of(0.2, 0.5, 0.9));
const points = { data, noise, t };
// The conversions lose some digits to cancellation where σ or α is small.
const near = { absolute: 2e-5, relative: 2e-5 };

describe.each(Object.values(interpolants))('$name', (interpolant) => {
  it('turns velocity, score and noise of one point into each other', () => {
    const results = runEagerly(({ data, noise, t }) => {
      const point = { data: data!, noise: noise!, t: t! };
      const x = interpolate(interpolant, point);
      const velocity = velocityTarget(interpolant, point);
      const sigma = interpolant.sigma(t!).reshape([3, 1]);
      const score = noise!.neg().div(sigma);
      const value = { velocity, score, noise: noise!, data: data! };
      return {
        velocity,
        score,
        data: dataFromScore(interpolant, score, x, t!),
        noise1: noiseFromVelocity(interpolant, velocity, x, t!),
        noise2: noiseFromScore(interpolant, score, x, t!),
        ...Object.fromEntries(
          predictions.flatMap((p) => [
            [`velocity.${p}`, toVelocity[p](interpolant, value[p], x, t!)],
            [`score.${p}`, toScore[p](interpolant, value[p], x, t!)],
          ]),
        ),
      };
    }, points) as Record<string, HostTensor>;
    expect(results.data!).toBeAllclose(data, near);
    expect(results.noise1!).toBeAllclose(noise, near);
    expect(results.noise2!).toBeAllclose(noise, near);
    for (const p of predictions) {
      expect(results[`velocity.${p}`]!).toBeAllclose(results.velocity!, near);
      expect(results[`score.${p}`]!).toBeAllclose(results.score!, near);
    }
  });

  it('has the velocity and score of Gaussian data, for which both are known', () => {
    // Data N(0, s²): x_t is N(0, α²s² + σ²), so the score is -x/var and the velocity x·var'/(2·var).
    const s = 0.7;
    const variance = (time: number) => interpolant.alpha(time) ** 2 * s * s + interpolant.sigma(time) ** 2;
    const rate = (time: number) =>
      2 * interpolant.alpha(time) * interpolant.dAlpha(time) * s * s +
      2 * interpolant.sigma(time) * interpolant.dSigma(time);
    const expectedScore = Array.from(data.data, (x, i) => -x / variance(t.data[i >> 1]!));
    const expectedVelocity = Array.from(
      data.data,
      (x, i) => (x * rate(t.data[i >> 1]!)) / (2 * variance(t.data[i >> 1]!)),
    );
    const diffusion = diffusionCoefficient(interpolant, 'constant', 0.5);
    const results = runEagerly(
      ({ x, score, t }) => {
        const transport = { interpolant, prediction: 'score' as const };
        const model = () => score!.clone();
        return {
          velocity: velocityField(transport, model)(x!, t!),
          score: scoreField(transport, model)(x!, t!),
          drift: sdeDrift(transport, model, diffusion)(x!, t!),
        };
      },
      { x: data, score: float32([3, 2], Float32Array.from(expectedScore)), t },
    );
    expect(results.velocity).toBeAllclose({ shape: [3, 2], data: expectedVelocity }, near);
    expect(results.score).toBeAllclose({ shape: [3, 2], data: expectedScore }, near);
    const expectedDrift = expectedVelocity.map((v, i) => v + 0.5 * expectedScore[i]!);
    expect(results.drift).toBeAllclose({ shape: [3, 2], data: expectedDrift }, near);
  });

  it('has no loss for a network that is right, and the velocity weight makes errors those of the velocity', () => {
    const error = 0.1;
    const results = runEagerly(({ data, noise, t }) => {
      const point = { data: data!, noise: noise!, t: t! };
      const loss = (prediction: Prediction, lossWeight: 'none' | 'velocity', offset: number) =>
        trainingLoss(
          { interpolant, prediction, lossWeight },
          (x, time) => {
            const right = {
              velocity: velocityTarget(interpolant, point),
              noise: noise!,
              score: toScore.noise(interpolant, noise!, x, time),
              data: data!,
            };
            return right[prediction].add(offset);
          },
          point,
        );
      return {
        velocity: loss('velocity', 'none', 0),
        noise: loss('noise', 'velocity', 0),
        score: loss('score', 'velocity', 0),
        wrong: loss('noise', 'velocity', error),
        data: loss('data', 'velocity', 0),
        wrongData: loss('data', 'velocity', error),
      };
    }, points);
    for (const name of ['velocity', 'noise', 'score', 'data'] as const)
      expect(results[name]).toBeAllclose([0, 0, 0], { absolute: 1e-9 });
    // An error ε of the noise is one of Wε/α of the velocity.
    const ratio = (time: number) => interpolant.wronskian(time) / interpolant.alpha(time);
    expect(results.wrong).toBeAllclose(Array.from(t.data, (time) => (error * ratio(time)) ** 2));
    // An error ε of the data is one of Wε/σ of the velocity.
    const ofData = (time: number) => interpolant.wronskian(time) / interpolant.sigma(time);
    expect(results.wrongData).toBeAllclose(Array.from(t.data, (time) => (error * ofData(time)) ** 2));
  });

  it('follows predicted data no faster than from a share of noise of 0.05, nor weighs its error more', () => {
    const [late, error] = [0.9999, 0.1];
    const { velocity, loss } = runEagerly(({ data, noise }) => {
      const point = { data: data!, noise: noise!, t: tf.fill([3], late) };
      const x = interpolate(interpolant, point);
      const model = () => data!.add(error);
      const transport = { interpolant, prediction: 'data', lossWeight: 'velocity' } as const;
      return {
        velocity: toVelocity
          .data(interpolant, model(), x, point.t)
          .sub(toVelocity.data(interpolant, data!, x, point.t)),
        loss: trainingLoss(transport, model, point),
      };
    }, points);
    const difference = (error * interpolant.wronskian(late)) / 0.05;
    expect(interpolant.sigma(late)).toBeLessThan(0.05);
    // In float32 1 − t has four digits left.
    const near = { relative: 2e-3 };
    expect(floats(velocity)).toBeAllclose(new Array<number>(6).fill(difference), near);
    expect(floats(loss)).toBeAllclose(new Array<number>(3).fill(difference ** 2), near);
  });

  it('has the same losses against a teacher that is right as against the data, whatever is predicted', () => {
    const results = runEagerly(({ data, noise, t }) => {
      const point = { data: data!, noise: noise!, t: t! };
      const of = (prediction: Prediction, lossWeight: 'none' | 'velocity') => {
        const right = (x: Tensor, time: Tensor) =>
          ({
            velocity: velocityTarget(interpolant, point),
            noise: noise!,
            score: toScore.noise(interpolant, noise!, x, time),
            data: data!,
          })[prediction];
        const wrong = (x: Tensor, time: Tensor) => right(x, time).add(data!.mul(0.3));
        const transport = { interpolant, prediction, lossWeight };
        const x = interpolate(transport.interpolant, point);
        const [output, target] = [wrong(x, point.t), right(x, point.t)];
        const toData = outputLoss(transport, output, x, point);
        const teacher = distanceLoss(transport, output, target, point.t);
        const toItself = distanceLoss(transport, output, output, point.t);
        return { toData, teacher, toItself, alone: trainingLoss(transport, wrong, point) };
      };
      const named = ([name, value]: [string, ReturnType<typeof of>]) =>
        Object.entries(value).map(([loss, tensor]) => [`${name} ${loss}`, tensor] as const);
      const all = {
        velocity: of('velocity', 'none'),
        noise: of('noise', 'velocity'),
        score: of('score', 'velocity'),
        data: of('data', 'velocity'),
      };
      return Object.fromEntries(Object.entries(all).flatMap(named));
    }, points);
    for (const prediction of ['velocity', 'noise', 'score', 'data']) {
      const alone = floats(results[`${prediction} alone`]!);
      expect(Math.min(...alone)).toBeGreaterThan(1e-4);
      expect(results[`${prediction} toData`]).toBeAllclose(alone);
      // A score's or noise's error is a difference of numbers near 1.
      expect(results[`${prediction} teacher`]).toBeAllclose(alone, { relative: 1e-4 });
      expect(results[`${prediction} toItself`]).toBeAllclose([0, 0, 0], { absolute: 1e-12 });
    }
  });

  it.each(['velocity', 'noise', 'score', 'data'] as const)(
    'weighs an error of the data, made through the %s, by the signal-to-noise ratio up to gamma',
    (prediction) => {
      const [error, gamma] = [0.1, 0.7];
      const { alpha, dAlpha, sigma, dSigma } = interpolant;
      const { loss } = runEagerly(({ data, noise, t }) => {
        // The network takes the data to be larger by `error`; x and the path then tell everything else.
        const wrong = tf.add(data!, error);
        const off = (f: TimeFunction) => over(data!, t!, f) as Tensor;
        const model = (x: Tensor) => {
          const x0 = x.sub(wrong.mul(off(alpha))).div(off(sigma));
          if (prediction === 'data') return wrong;
          if (prediction === 'noise') return x0;
          if (prediction === 'score') return x0.neg().div(off(sigma));
          return wrong.mul(off(dAlpha)).add(x0.mul(off(dSigma)));
        };
        const transport = { interpolant, prediction, lossWeight: { kind: 'minSnr', gamma } } as const;
        return { loss: trainingLoss(transport, model, { data: data!, noise: noise!, t: t! }) };
      }, points);
      const expected = Array.from(t.data, (time) => {
        const snr = (alpha(time) / sigma(time)) ** 2;
        return error ** 2 * Math.min(snr, gamma);
      });
      // The network's output comes from differences of numbers near 1, a hundred times the error's part in them.
      expect(loss).toBeAllclose(expected, { relative: 1e-3, absolute: 1e-7 });
    },
  );
});
