import { UserError } from '../../base/errors.js';
import { counted, inWords } from '../../base/format.js';
import type { TrainConfig } from '../../generated/index.js';
import { code } from '../../runner/diagnostics.js';
import { integratorNames, methodsWhere, type StepFacts } from '../../transport/integrators.js';
import { hasMargin, unsupportedCombination } from '../../transport/interval.js';
import type { TransportChoice } from '../../transport/names.js';
import type { CheckContext } from '../shared/check.js';
import { imageClasses, trainedOn, trainedShape } from '../shared/latent-checks.js';
import type { SampleCheck, SamplePlan } from './plan.js';

const methodIsOfKind: SampleCheck = ({ id, config: { sampler } }, context) => {
  const methods = integratorNames(sampler.kind);
  if (methods.includes(sampler.method)) return;
  const other = sampler.kind === 'sde' ? 'ode' : 'sde';
  context.report(id, {
    at: 'sampler.method',
    code: 'impossible-sampler',
    message: `${code(`kind: ${sampler.kind}`)} has no method ${code(sampler.method)}; it has ${inWords(methods.map(code))}.`,
    remedy: `Use one of these, or ${code(`kind: ${other}`)}.`,
  });
};

/** Keys that do something only beside others. */
const conditions: readonly {
  readonly keys: readonly string[];
  readonly needs: string;
  readonly met: (plan: SamplePlan) => boolean;
}[] = [
  {
    keys: ['sampler.diffusion', 'sampler.diffusionNorm', 'sampler.lastStep', 'sampler.lastStepSize'],
    needs: 'kind: sde',
    met: ({ config }) => config.sampler.kind === 'sde',
  },
  {
    keys: ['sampler.lastStepSize'],
    needs: ['mean', 'euler', 'tweedie'].map((name) => `lastStep: ${name}`).join('` or `'),
    met: ({ config: { sampler } }) =>
      sampler.kind !== 'sde' || sampler.lastStep !== 'none' || sampler.lastStepSize === 0,
  },
  {
    keys: ['sampler.order'],
    needs: `method: ${methodsWhere('ode', ({ looksBack }) => looksBack).join('` or `')}`,
    met: ({ step }) => step?.looksBack === true,
  },
  {
    keys: ['sampler.absoluteTolerance', 'sampler.relativeTolerance'],
    needs: `method: ${methodsWhere('ode', ({ isAdaptive }) => isAdaptive).join('` or `')}`,
    met: ({ step }) => step?.isAdaptive === true,
  },
  {
    keys: ['sampler.timeShift'],
    needs: `method: ${methodsWhere('ode', ({ isAdaptive }) => !isAdaptive).join('` or `')}`,
    met: ({ step }) => step?.isAdaptive !== true,
  },
  { keys: ['firstSteps', 'distance'], needs: 'phases', met: ({ config }) => config.phases !== undefined },
  { keys: ['guidance.weights'], needs: 'model', met: ({ guidance }) => guidance.model !== undefined },
];

/** Rejects keys that have no effect. */
const keysMatter: SampleCheck = ({ id, plan }, context) => {
  for (const { keys, needs, met } of conditions) {
    if (met(plan)) continue;
    for (const at of keys.filter((key) => context.isWritten(id, key)))
      context.report(id, {
        at,
        code: 'no-effect',
        message: `${code(at.split('.').at(-1))} has an effect only with ${code(needs)}.`,
        remedy: `Remove it, or use ${code(needs)}.`,
      });
  }
};

/** True when a step evaluates the model once, at its start, and uses nothing of earlier steps. */
const isAskedOnce = ({ leavesStart, looksBack }: StepFacts): boolean => !leavesStart && !looksBack;

/** Features are predicted where the model is asked once a step, and guides itself. */
const featuresCanBePredicted: SampleCheck = ({ id, config, plan }, context) => {
  const { sampler, guidance } = config;
  if (sampler.featureCache === undefined) return;
  const refuse = (message: string, remedy: string) => {
    context.report(id, { at: 'sampler.featureCache', code: 'impossible-sampler', message, remedy });
  };
  const { step: facts } = plan;
  if (facts !== undefined && !isAskedOnce(facts))
    refuse(
      `${code('featureCache')} predicts from step to step; ${code(`method: ${sampler.method}`)} asks the model at other times too, or looks back on what it said.`,
      `Use ${inWords(methodsWhere('sde', isAskedOnce).map(code), 'or')} or, with ${code('kind: ode')}, ${inWords(methodsWhere('ode', isAskedOnce).map(code), 'or')}.`,
    );
  if (guidance?.model !== undefined && guidance.scale !== 1)
    refuse(
      `${code('featureCache')} predicts the features of one model; ${code(guidance.model)} guides as a second.`,
      'Guide by the class.',
    );
};

/** The last step divides by the noise that remains before it: with a size of zero there is none. */
const lastStepCanBeTaken: SampleCheck = ({ id, config: { sampler } }, context) => {
  if (sampler.kind !== 'sde' || sampler.lastStep === 'none' || sampler.lastStepSize > 0) return;
  context.report(id, {
    at: 'sampler.lastStepSize',
    code: 'impossible-sampler',
    message: `A last step of size 0 starts where no noise is left, and ${code(`lastStep: ${sampler.lastStep}`)} would divide by zero.`,
    remedy: `Use ${code('lastStep: none')}, or a size such as 0.04.`,
  });
};

/** Problem of following a model's path by a sampler; undefined where there is none. */
function unfollowable(
  model: string,
  { interpolant, prediction }: TransportChoice,
  { settings }: Pick<SamplePlan, 'settings'>,
): { code: string; message: string; remedy: string } | undefined {
  if (settings === undefined) return undefined;
  const reason = unsupportedCombination({ ...settings, interpolant, prediction, sampler: settings.choice });
  return reason === undefined
    ? undefined
    : {
        code: 'impossible-sampler',
        message: `${code(model)} cannot be sampled this way: ${reason}.`,
        remedy: `Remove ${code('sampleEpsilon')}, whose default keeps away from it, or change the sampler.`,
      };
}

/** Holds a plan's sampler to a model that is there. @throws UserError `impossible-sampler` */
export function requireFollowable(
  stage: string,
  transport: TransportChoice,
  plan: Pick<SamplePlan, 'settings'>,
): void {
  const problem = unfollowable(stage, transport, plan);
  if (problem !== undefined) throw new UserError(problem);
}

/** Along the whole path nothing is divided by zero. */
const samplingDividesByNonZero: SampleCheck = ({ id, plan }, context) => {
  const choice = plan.settings?.choice;
  if (choice?.kind === 'sde' && choice.lastStep !== 'none' && choice.lastStepSize === 0) return;
  for (const { model } of plan.phases) {
    const train = context.config('train', model);
    const problem = train && unfollowable(model, train, plan);
    if (problem === undefined) continue;
    context.report(id, { at: 'sampler.sampleEpsilon', ...problem });
    return;
  }
};

/** A margin is kept where something is divided by zero, and nowhere else. */
const marginIsKept: SampleCheck = ({ id, config: { sampler }, plan }, context) => {
  const { settings, phases } = plan;
  if (settings === undefined || !sampler.sampleEpsilon) return;
  const trains = phases.map(({ model }) => context.config('train', model));
  if (!trains.every((train) => train !== undefined && !hasMargin(train, settings.choice))) return;
  context.report(id, {
    at: 'sampler.sampleEpsilon',
    code: 'no-effect',
    message: `Along this path nothing is divided by zero, and no margin is kept: ${code('sampleEpsilon')} has no effect.`,
    remedy: 'Remove it.',
  });
};

/** Every phase but the last has a ratio at which it ends. */
const ratiosSeparatePhases: SampleCheck = ({ id, config: { phases = [] } }, context) => {
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
        remedy: `For example ${code(`{ model: ${model}, switchRatio: 0.9 }`)}; ${code('npx pipeline calibrate')} finds good ones.`,
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
const phasesAgree: SampleCheck = ({ id, plan }, context) => {
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
const stepsAreLeftToSwitch: SampleCheck = ({ id, config, plan }, context) => {
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

/** Rules of `sample` about `sampler` and `phases`. */
export const samplerChecks: readonly SampleCheck[] = [
  methodIsOfKind,
  keysMatter,
  lastStepCanBeTaken,
  samplingDividesByNonZero,
  marginIsKept,
  featuresCanBePredicted,
  ratiosSeparatePhases,
  phasesAgree,
  stepsAreLeftToSwitch,
];
