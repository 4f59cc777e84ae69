import { code } from '../../runner/diagnostics.js';
import { hasOneClass, trainedOn, trainedShape } from '../shared/latent-checks.js';
import type { SampleCheck } from './plan.js';

/** Guidance is written in one way or the other. */
export const guidanceIsWrittenOnce: SampleCheck = ({ id, config }, context) => {
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
export const guidanceMatters: SampleCheck = ({ id, config, plan }, context) => {
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

/** Guidance compares with the null class, which is trained by label dropout only. */
export const guidanceWasTrained: SampleCheck = ({ id, config, plan }, context) => {
  const { guidance } = plan;
  if (guidance.scale === 1) return;
  const at = config.guidance ? 'guidance.scale' : 'guidanceScale';
  for (const { model } of plan.phases) {
    const train = context.config('train', model);
    if (train && guidance.model === undefined && hasOneClass(context, train)) {
      context.report(id, {
        at,
        code: 'untrained-guidance',
        message: `Guidance compares a class with no class, and ${code(model)} is trained on images without classes, or of one alone.`,
        remedy: `Use ${code(config.guidance ? 'scale: 1' : 'guidanceScale: 1')}, or guide by a weaker model (${code('guidance: { scale: 2, model: … }')}).`,
        because: `stages.${trainedOn(context, train)!.images}`,
      });
      continue;
    }
    const labelDropout = train?.model.labelDropout ?? context.config('pretrained', model)?.labelDropout;
    if (labelDropout !== 0 || guidance.model !== undefined) continue;
    context.report(id, {
      at,
      code: 'untrained-guidance',
      message: `Guidance needs a model that also knows images without a class; ${code(model)} is trained with ${code('labelDropout: 0')}.`,
      remedy: `Use ${code(config.guidance ? 'scale: 1' : 'guidanceScale: 1')}, or train with ${code('labelDropout: 0.1')}.`,
      because: `stages.${model}.${train ? 'model.' : ''}labelDropout`,
    });
  }
  const train = context.config('train', plan.phases[0]!.model);
  const channels = train && trainedShape(context, train)?.channels;
  if (guidance.channels === 3 && channels !== undefined && channels < 3) {
    context.report(id, {
      at,
      code: 'too-few-channels',
      message: `The first 3 latent channels cannot be guided: there are ${channels}.`,
      remedy: `Use ${code(config.guidance ? 'channels: all' : 'guidanceChannels: all')}.`,
    });
  }
};
