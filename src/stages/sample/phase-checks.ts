import { counted } from '../../base/format.js';
import type { TrainConfig } from '../../generated/index.js';
import { code } from '../../runner/diagnostics.js';
import type { CheckContext } from '../shared/check.js';
import { imageClasses, trainedOn, trainedShape } from '../shared/latent-checks.js';
import type { SampleCheck } from './plan.js';

/** Every phase but the last has a ratio at which it ends. */
export const ratiosSeparatePhases: SampleCheck = ({ id, config: { phases = [] } }, context) => {
  for (const [i, { model, switchRatio }] of phases.entries()) {
    const isLast = i === phases.length - 1;
    if (isLast && switchRatio !== undefined)
      context.report(id, {
        at: `phases.${i}.switchRatio`,
        code: 'ratio-of-last-phase',
        message: `${code(model)} is the last phase: there is none to switch to.`,
        remedy: `Remove ${code('switchRatio')}, or add a phase.`,
      });
    else if (!isLast && switchRatio === undefined)
      context.report(id, {
        at: `phases.${i}.model`,
        code: 'missing-ratio',
        message: `The phase of ${code(model)} needs a ${code('switchRatio')} at which the next begins.`,
        remedy: `For example ${code(`{ model: ${model}, switchRatio: 0.9 }`)}; ${code('pipeline calibrate')} finds good ones.`,
      });
  }
};

/** Properties that models must share to draw one sample. */
const shared: readonly (readonly [
  name: string,
  of: (train: TrainConfig, context: CheckContext) => number | string | undefined,
])[] = [
  ['latent size', (train, context) => trainedShape(context, train)?.size],
  ['count of latent channels', (train, context) => trainedShape(context, train)?.channels],
  ['count of classes', (train, context) => classesOf(train, context)?.length],
  ['prediction', ({ prediction }) => prediction],
  ['interpolant', ({ interpolant }) => interpolant],
];

/** The models of phases, and a weaker one that guides, can draw one sample together. */
export const phasesAgree: SampleCheck = ({ id, plan }, context) => {
  const { guidance } = plan;
  const models = [
    ...plan.phases.map(({ model }, i) => ({ model, at: `phases.${i}.model` })),
    ...(guidance.model === undefined ? [] : [{ model: guidance.model, at: 'guidance.model' }]),
  ];
  const first = models[0]!.model;
  const expected = context.config('train', first);
  if (!expected) return;
  for (const { model, at } of models.slice(1)) {
    const train = context.config('train', model);
    if (!train) continue;
    for (const [name, of] of shared) {
      const [a, b] = [of(expected, context), of(train, context)];
      if (a === undefined || b === undefined || a === b) continue;
      context.report(id, {
        at,
        code: 'model-mismatch',
        message: `${code(model)} and ${code(first)} differ in ${name}: ${b} and ${a}. Models that share a sample must agree in it.`,
      });
    }
    const [a, b] = [classesOf(expected, context), classesOf(train, context)];
    const label = a?.length === b?.length ? (a?.findIndex((name, i) => name !== b![i]) ?? -1) : -1;
    if (label >= 0)
      context.report(id, {
        at,
        code: 'model-mismatch',
        message: `Class ${label} of ${code(model)} is ${b![label]!}, of ${code(first)} ${a![label]!}. Models that share a sample need the same classes in the same order.`,
      });
  }
};

function classesOf(train: TrainConfig, context: CheckContext): readonly string[] | undefined {
  return imageClasses(context, trainedOn(context, train)?.images);
}

/** The first steps are averaged, and there are others to compare with them. */
export const stepsAreLeftToSwitch: SampleCheck = ({ id, config, plan }, context) => {
  const { phases, firstSteps, sampler } = config;
  const isAdaptive = plan.step?.isAdaptive === true;
  // The state before the first step counts for nothing, and a switch after the last one neither.
  const comparisons = sampler.steps - 3 - firstSteps + 1;
  if (phases === undefined || phases.length < 2 || isAdaptive || comparisons > 0) return;
  context.report(id, {
    at: 'firstSteps',
    code: 'no-steps-left',
    message: `After averaging ${counted(firstSteps, 'distance')}, none of the ${counted(sampler.steps, 'step')} is left to switch in.`,
    remedy: `Use at most ${code(`firstSteps: ${Math.max(1, sampler.steps - 3)}`)}, or more steps.`,
  });
};
