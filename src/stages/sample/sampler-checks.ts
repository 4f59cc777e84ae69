import { code, oneOf } from '../../runner/diagnostics.js';
import { integratorNames, methodsWhere, type StepFacts } from '../../transport/integrators.js';
import { unsupportedCombination } from '../../transport/interval.js';
import type { SampleCheck, SamplePlan } from './plan.js';

export const methodIsOfKind: SampleCheck = ({ id, config: { sampler } }, context) => {
  const methods = integratorNames(sampler.kind);
  if (methods.includes(sampler.method)) return;
  const other = sampler.kind === 'sde' ? 'ode' : 'sde';
  context.report(id, {
    at: 'sampler.method',
    code: 'impossible-sampler',
    message: `${code(`kind: ${sampler.kind}`)} has no method ${code(sampler.method)}; it has ${oneOf(methods.map(code), 'and')}.`,
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
    keys: ['sampler.order'],
    needs: `method: ${methodsWhere('ode', ({ looksBack }) => looksBack).join('` or `')}`,
    met: ({ step }) => step?.looksBack === true,
  },
  {
    keys: ['sampler.absoluteTolerance', 'sampler.relativeTolerance'],
    needs: `method: ${methodsWhere('ode', ({ isAdaptive }) => isAdaptive).join('` or `')}`,
    met: ({ step }) => step?.isAdaptive === true,
  },
  { keys: ['firstSteps', 'distance'], needs: 'phases', met: ({ config }) => config.phases !== undefined },
  { keys: ['guidance.weights'], needs: 'model', met: ({ guidance }) => guidance.model !== undefined },
];

/** Rejects keys that have no effect. */
export const keysMatter: SampleCheck = ({ id, plan }, context) => {
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
export const featuresCanBePredicted: SampleCheck = ({ id, config, plan }, context) => {
  const { sampler, guidance } = config;
  if (sampler.featureCache === undefined) return;
  const refuse = (message: string, remedy: string) => {
    context.report(id, { at: 'sampler.featureCache', code: 'impossible-sampler', message, remedy });
  };
  const { step: facts } = plan;
  if (facts !== undefined && !isAskedOnce(facts))
    refuse(
      `${code('featureCache')} predicts from step to step; ${code(`method: ${sampler.method}`)} asks the model at other times too, or looks back on what it said.`,
      `Use ${oneOf(methodsWhere('sde', isAskedOnce).map(code))} or, with ${code('kind: ode')}, ${oneOf(methodsWhere('ode', isAskedOnce).map(code))}.`,
    );
  if (guidance?.model !== undefined && guidance.scale !== 1)
    refuse(
      `${code('featureCache')} predicts the features of one model; ${code(guidance.model)} guides as a second.`,
      'Guide by the class.',
    );
};

/** The last step divides by the noise that remains before it: with a size of zero there is none. */
export const lastStepCanBeTaken: SampleCheck = ({ id, config: { sampler } }, context) => {
  if (sampler.kind !== 'sde' || sampler.lastStep === 'none' || sampler.lastStepSize > 0) return;
  context.report(id, {
    at: 'sampler.lastStepSize',
    code: 'impossible-sampler',
    message: `A last step of size 0 starts where no noise is left, and ${code(`lastStep: ${sampler.lastStep}`)} would divide by zero.`,
    remedy: `Use ${code('lastStep: none')}, or a size such as 0.04.`,
  });
};

/** Along the whole path nothing is divided by zero. */
export const samplingDividesByNonZero: SampleCheck = ({ id, config, plan }, context) => {
  const { sampler } = config;
  const choice = plan.settings?.choice;
  if (choice === undefined) return;
  if (choice.kind === 'sde' && choice.lastStep !== 'none' && choice.lastStepSize === 0) return;
  for (const { model } of plan.phases) {
    const train = context.config('train', model);
    if (train === undefined) continue;
    const { interpolant, prediction } = train;
    const { sampleEpsilon } = sampler;
    const reason = unsupportedCombination({
      interpolant,
      prediction,
      sampler: choice,
      ...(sampleEpsilon !== undefined && { sampleEpsilon }),
    });
    if (reason === undefined) continue;
    context.report(id, {
      at: 'sampler.sampleEpsilon',
      code: 'impossible-sampler',
      message: `${code(model)} cannot be sampled this way: ${reason}.`,
      remedy: `Remove ${code('sampleEpsilon')}, whose default keeps away from it, or change the sampler.`,
    });
    return;
  }
};
