import type { Tensor } from '../../../src/tensorflow/index.js';
import {
  defaultSampleEpsilon,
  defaultTrainEpsilon,
  diffusionCoefficient,
  interpolants,
  interpolate,
  scoreField,
  timeInterval,
  trainingLoss,
  transportOf,
  velocityField,
  velocityTarget,
} from '../../../src/transport/index.js';
import { ours } from '../../../src/transport/reference-names.js';
import { analyticModel } from '../analytic-model.js';
import { type Check, expectNear, notUnderstood, type ProgramFixtureKind } from '../check.js';
import type { Execution } from '../execution.js';
import { type Fixture, programInput, readFixture, specNumber, statedTolerance, stored } from '../fixture.js';
import { channelsFirst } from '../layout.js';

/** Norm of the diffusion coefficients, where the spec does not tell it. */
const usualNorm = 1.3;

/** Program that computes from data, noise and times. */
type PointProgram = (point: { x0: Tensor; x1: Tensor; t: Tensor }) => Tensor;

/** Interpolants, losses, drifts, scores, diffusion coefficients and intervals of time. */
export const transportKind: ProgramFixtureKind = {
  name: 'transport',
  files: /^transport.*\.safetensors$/,
  programs: true,
  async checks(path, execution) {
    const fixture = await readFixture(path);
    const names = [...fixture.tensors.keys()].filter((name) => !['t', 'x0', 'x1'].includes(name));
    return [...names.map((name) => tensorCheck(fixture, name, execution)), ...epsilonChecks(fixture)];
  },
};

function tensorCheck(fixture: Fixture, name: string, execution: Execution): Check {
  const interval = intervalOf(fixture, name);
  const expected = stored(fixture, name);
  if (interval !== undefined) return expectNear(name, expected, { absolute: 1e-12 }, () => interval);
  const program = programOf(fixture, name);
  if (program === undefined) return notUnderstood(name);
  const tolerance = { ofLargest: statedTolerance(fixture, 1e-4) };
  return expectNear(name, expected, tolerance, async () => {
    const run = await execution.prepare((point: Parameters<PointProgram>[0]) => ({ value: program(point) }));
    const { value } = await run({
      x0: programInput(fixture, 'x0'),
      x1: programInput(fixture, 'x1'),
      t: programInput(fixture, 't'),
    });
    const shaped = channelsFirst(value);
    return name.includes('.diffusion.') ? { shape: expected.shape, data: value.data } : shaped;
  });
}

/** The program for `Linear.velocity.none.loss`, `Linear.velocity.drift`, `Linear.diffusion.SBDM`, `Linear.xt` and kin. */
function programOf(fixture: Fixture, name: string): PointProgram | undefined {
  const [first, ...rest] = name.split('.');
  const path = ours('interpolant', first);
  if (path === undefined) return undefined;
  const interpolant = interpolants[path];
  if (rest.join('.') === 'xt') return ({ x0, x1, t }) => interpolate(interpolant, { data: x1, noise: x0, t });
  if (rest.join('.') === 'ut')
    return ({ x0, x1, t }) => velocityTarget(interpolant, { data: x1, noise: x0, t });
  if (rest[0] === 'diffusion') {
    const form = ours('diffusion', rest[1]);
    const norm = specNumber(fixture, 'diffusion_norm', normInWords(fixture));
    return form && (({ t }) => diffusionCoefficient(interpolant, form, norm)(t));
  }
  const prediction = ours('prediction', rest[0]);
  if (prediction === undefined) return undefined;
  const transport = transportOf({ interpolant: path, prediction });
  if (rest[1] === 'drift') return ({ x1, t }) => velocityField(transport, analyticModel)(x1, t);
  if (rest[1] === 'score') return ({ x1, t }) => scoreField(transport, analyticModel)(x1, t);
  const lossWeight = ours('lossWeight', rest[1]);
  if (lossWeight === undefined || rest[2] !== 'loss') return undefined;
  return ({ x0, x1, t }) =>
    trainingLoss({ ...transport, lossWeight }, analyticModel, { data: x1, noise: x0, t });
}

/** The norm of `diffusion coefficient at norm 1.3`. */
function normInWords({ spec }: Fixture): number {
  const found = /norm (\d+(?:\.\d+)?)/.exec(typeof spec.what === 'string' ? spec.what : '');
  return found === null ? usualNorm : Number(found[1]);
}

/** The interval for `GVP.noise.interval.sde1.eval1.last0.04.SBDM`. */
function intervalOf(fixture: Fixture, name: string): readonly number[] | undefined {
  const match = /^(\w+)\.(\w+)\.interval\.sde([01])\.eval([01])\.last([\d.]+)\.([\w-]+)$/.exec(name);
  const interpolant = ours('interpolant', match?.[1]);
  const prediction = ours('prediction', match?.[2]);
  const diffusion = ours('diffusion', match?.[6]);
  if (match === null || !interpolant || !prediction || !diffusion) return undefined;
  const evaluating = match[4] === '1';
  const known = epsilons(fixture)[`${match[1]}.${match[2]}.none`];
  const epsilon =
    known?.[evaluating ? 1 : 0] ??
    (evaluating ? defaultSampleEpsilon : defaultTrainEpsilon)({ interpolant, prediction });
  const lastStepSize = Number(match[5]);
  return timeInterval(
    { interpolant, prediction },
    epsilon,
    match[3] === '1'
      ? { kind: 'sde', method: 'eulerMaruyama', diffusion, lastStep: 'mean', lastStepSize }
      : undefined,
  );
}

/** The spec's `default_eps`: for training and sampling, by interpolant, prediction and weight. */
function epsilons({ spec }: Fixture): Readonly<Record<string, readonly [number, number]>> {
  return (spec.default_eps ?? {}) as Record<string, readonly [number, number]>;
}

function epsilonChecks(fixture: Fixture): Check[] {
  return Object.entries(epsilons(fixture)).map(([key, expected]) => {
    const name = `default_eps ${key}`;
    const [path, output] = key.split('.');
    const interpolant = ours('interpolant', path);
    const prediction = ours('prediction', output);
    if (!interpolant || !prediction) return notUnderstood(name);
    return expectNear(name, expected, {}, () => [
      defaultTrainEpsilon({ interpolant, prediction }),
      defaultSampleEpsilon({ interpolant, prediction }),
    ]);
  });
}
