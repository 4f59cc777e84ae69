import { UserError } from '../../base/errors.js';
import type { SampleConfig } from '../../generated/index.js';
import { code } from '../../runner/diagnostics.js';
import { averageName, decaysOf, plannedProfiles, powerAverages, widthIn } from '../../training/averages.js';
import { servingAverage } from '../../weights/model-weights.js';
import { autoencoderFacts } from '../autoencoder/checks.js';
import {
  assumedScaleHolds,
  latentShape,
  sampledClassesExist,
  trainedOn,
  trainedShape,
} from '../shared/latent-checks.js';
import { checkGuidance, checkGuidedChannels } from '../shared/guidance-checks.js';
import type { CheckContext, StageOf } from '../shared/check.js';
import { type SampleCheck, samplePlan } from './plan.js';

/** Only averages that every training keeps can be sampled from. */
const sampledAverageIsKept: SampleCheck = ({ id, config, plan }, context) => {
  if (config.weights === 'ema' || config.weights === 'raw') return;
  for (const { model } of plan.phases) {
    const train = context.config('train', model);
    if (!train && !context.config('pretrained', model)) continue;
    const kept = train
      ? [...decaysOf(train.ema).map(averageName), ...(train.evaluate?.best === undefined ? [] : ['best'])]
      : [];
    if (kept.some((name) => name === config.weights)) continue;
    const power = train && powerAverages(train.ema);
    const relativeWidth = widthIn(config.weights);
    if (power !== undefined && relativeWidth !== undefined) {
      if (train?.steps === undefined) continue;
      try {
        servingAverage(model, plannedProfiles(power, train.steps), relativeWidth);
        continue;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        const { code, message, remedy } = error;
        context.report(id, {
          ...{ at: 'weights', code, message, because: `stages.${model}.ema` },
          ...(remedy !== undefined && { remedy }),
        });
        return;
      }
    }
    context.report(id, {
      at: 'weights',
      code: 'average-not-kept',
      message: `${code(model)} keeps no average ${code(config.weights)}.`,
      remedy: `Use one of ${['raw', 'ema', ...kept].map((name) => code(name)).join(', ')}${train ? (config.weights === 'best' ? `, or set ${code('evaluate.best')} there` : `, or ${relativeWidth === undefined ? `add the decay to ${code('ema')} there` : `set ${code('ema: { kind: power, … }')} there`}`) : ''}.`,
      because: train && config.weights !== 'best' ? `stages.${model}.ema` : `stages.${model}`,
    });
    return;
  }
};

/** Another autoencoder may decode than encoded, if its latents have the same shape. */
const latentsCanBeDecoded: SampleCheck = ({ id, config, plan }, context) => {
  const { model } = plan.phases[0]!;
  const train = context.config('train', model);
  const encoder = train && trainedOn(context, train)?.autoencoder;
  const encoding = encoder === undefined ? undefined : autoencoderFacts(context, encoder);
  const decoding = autoencoderFacts(context, config.autoencoder);
  if (!encoding || !decoding) return;
  for (const key of ['latentChannels', 'downsample'] as const) {
    if (encoding[key] === decoding[key]) continue;
    context.report(id, {
      at: 'autoencoder',
      code: 'autoencoder-mismatch',
      message: `${code(config.autoencoder)} has ${code(`${key}: ${decoding[key]}`)}, and ${code(encoder)}, which made the latents that ${code(model)} is trained on, has ${code(`${key}: ${encoding[key]}`)}.`,
      remedy: `Decode with ${code(encoder)}.`,
    });
  }
};

/** An SDE's noise is lost: only the ODE leads back. */
const goesBackAlongOde: SampleCheck = ({ id, config }, context) => {
  if (config.sampler.kind === 'ode') return;
  for (const key of ['reverse', 'likelihood'] as const) {
    if (config[key] === undefined || config[key] === false) continue;
    context.report(id, {
      at: key,
      code: 'impossible-sampler',
      message: `${code(key)} follows a path back to its noise, which ${code('kind: sde')} cannot.`,
      remedy: `Use ${code('sampler: { kind: ode }')}.`,
    });
  }
};

/** Latents that are carried to noise are such as the model draws, and bring their classes. */
const reversedLatentsFit: SampleCheck = ({ id, config, plan }, context) => {
  const { reverse } = config;
  if (reverse === undefined) return;
  if (context.isWritten(id, 'classes'))
    context.report(id, {
      at: 'classes',
      code: 'no-effect',
      message: `With ${code('reverse')} classes are those of the latents.`,
      remedy: `Remove ${code('classes')}.`,
    });
  const { model } = plan.phases[0]!;
  const train = context.config('train', model);
  const drawn = train && trainedShape(context, train);
  const given = latentShape(context, reverse);
  if (!drawn || !given) return;
  for (const key of ['size', 'channels'] as const) {
    if (drawn[key] === given[key]) continue;
    context.report(id, {
      at: 'reverse',
      code: 'latents-mismatch',
      message: `The latents of ${code(reverse)} have ${key} ${given[key]}; ${code(model)} draws ones of ${key} ${drawn[key]}.`,
      remedy: `Use ${train.latents === undefined ? 'latents' : `${code(train.latents)}, or other latents`} of that shape.`,
    });
  }
};

/** A density belongs to one model's own flow. */
const likelihoodIsDefined: SampleCheck = ({ id, config, plan }, context) => {
  if (!config.likelihood) return;
  const refuse = (reason: string, remedy: string) => {
    context.report(id, { at: 'likelihood', code: 'undefined-likelihood', message: reason, remedy });
  };
  if (plan.acting !== undefined)
    refuse(
      'Guided samples come from no distribution whose density the model knows.',
      'Measure the likelihood without guidance.',
    );
  if ((config.phases?.length ?? 0) > 1)
    refuse(
      'A path that goes from model to model, at a step of its own, has no density.',
      `Measure the likelihood under one ${code('model')}.`,
    );
};

/** Rejects trajectories of samples, or at steps, that the stage does not make. */
const trajectoryIsOnPath: SampleCheck = ({ id, config }, context) => {
  const { trajectory, count, sampler } = config;
  if (trajectory === undefined) return;
  for (const [i, sample] of trajectory.samples.entries())
    if (sample >= count)
      context.report(id, {
        at: `trajectory.samples.${i}`,
        code: 'out-of-range',
        message: `There is no sample ${sample}: with ${code(`count: ${count}`)} the last is ${count - 1}.`,
      });
  const total = sampler.steps - (sampler.kind === 'sde' && sampler.lastStep !== 'none' ? 0 : 1);
  const steps = typeof trajectory.steps === 'number' ? [] : trajectory.steps;
  for (const [i, step] of steps.entries())
    if (step > total)
      context.report(id, {
        at: `trajectory.steps.${i}`,
        code: 'out-of-range',
        message: `There is no step ${step}: the last is ${total}.`,
      });
};

/** Guidance is written in one way or the other. */
const guidanceIsWrittenOnce: SampleCheck = ({ id, config }, context) => {
  if (config.guidance === undefined) return;
  for (const at of ['guidanceScale', 'guidanceChannels'].filter((key) => context.isWritten(id, key)))
    context.report(id, {
      at,
      code: 'no-effect',
      message: `${code(at)} is shorthand for a key of ${code('guidance')}, which is also given.`,
      remedy: 'Keep one of the two.',
      because: `stages.${id}.guidance`,
    });
};

/** Guidance can act. */
const guidanceMatters: SampleCheck = ({ id, config, plan }, context) => {
  const { interval, model, weights } = plan.guidance;
  if (interval && interval[0] >= interval[1])
    context.report(id, {
      at: 'guidance.interval',
      code: 'empty-interval',
      message: `The interval ends at ${interval[1]}, not after its start at ${interval[0]}: nothing would be guided.`,
      remedy: 'Times go from 0 (noise) to 1 (data).',
    });
  if (model !== undefined && model === config.model && weights === config.weights)
    context.report(id, {
      at: 'guidance.model',
      code: 'self-guidance',
      message: `${code(model)} would be compared with itself, which changes nothing.`,
      remedy: `Name a weaker model, or remove ${code('model')} to guide by the class.`,
    });
};

const guidanceKeys = ({ guidance }: Pick<SampleConfig, 'guidance'>) =>
  guidance ? { at: 'guidance.scale', scaleKey: 'scale', channelsKey: 'channels' } : { at: 'guidanceScale' };

/** Channels are named where something is guided. A page's guidance can be changed on it: this is of `sample` alone. */
export function guidedChannelsMatter({ id, config }: StageOf<'sample'>, context: CheckContext): void {
  const { scale } = samplePlan(config).guidance;
  checkGuidedChannels(id, { ...guidanceKeys(config), scale }, context);
}

/** Guidance by the class is of models that can be guided. */
const guidanceWasTrained: SampleCheck = ({ id, config, plan }, context) => {
  const { scale, channels, model } = plan.guidance;
  const keys = guidanceKeys(config);
  const models = plan.phases.map((phase) => phase.model);
  checkGuidance(id, { ...keys, scale, channels, models, byWeaker: model !== undefined }, context);
};

/** Rules of `sample` about the model, the autoencoder and what is to be drawn. */
export const sampleChecks: readonly SampleCheck[] = [
  guidanceIsWrittenOnce,
  guidanceMatters,
  guidanceWasTrained,
  latentsCanBeDecoded,
  assumedScaleHolds,
  goesBackAlongOde,
  reversedLatentsFit,
  likelihoodIsDefined,
  trajectoryIsOnPath,
  sampledAverageIsKept,
  sampledClassesExist,
];
