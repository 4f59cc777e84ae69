import type { TrainConfig } from '../../generated/index.js';
import { code } from '../../runner/diagnostics.js';
import type { CheckContext } from './check.js';
import { hasOneClass, trainedOn, trainedShape } from './latent-checks.js';

/** Guidance by the class, as some part of a pipeline asks for it. */
interface AskedGuidance {
  /** Key of its scale. */
  readonly at: string;
  /** Name of its scale and of its channels in remedies. */
  readonly scaleKey?: string;
  readonly channelsKey?: string;
  readonly scale: number;
  readonly channels: 3 | 'all';
  /** Stages of the models that are guided. */
  readonly models: readonly string[];
  /** True where a weaker model guides, which needs no null class; absent where none can. */
  readonly byWeaker?: boolean;
}

/** Key of a training by which its model draws guided samples itself. */
export function foldedGuidance({
  modelGuidance,
  teacher,
}: Partial<Pick<TrainConfig, 'modelGuidance' | 'teacher'>>): string | undefined {
  if (modelGuidance !== undefined) return 'modelGuidance';
  return (teacher?.guidanceScale ?? 1) === 1 ? undefined : 'teacher.guidanceScale';
}

/** Key of a stage's training by which its model draws guided samples itself; `teacher.model` where its teacher does. */
function guidedBy(
  model: string,
  context: CheckContext,
  asked: ReadonlySet<string> = new Set(),
): string | undefined {
  const train = asked.has(model) ? undefined : context.config('train', model);
  if (train === undefined) return undefined;
  const own = foldedGuidance(train);
  const teacher = train.teacher?.model;
  if (own !== undefined || teacher === undefined) return own;
  return guidedBy(teacher, context, new Set([...asked, model])) && 'teacher.model';
}

/**
 * Holds guidance to what the models can do, wherever samples are drawn: they know images without a class, do not draw
 * guided samples already, and have the channels.
 */
export function checkGuidance(id: string, asked: AskedGuidance, context: CheckContext): void {
  const { at, scale, channels, models, byWeaker } = asked;
  const { scaleKey = 'guidanceScale', channelsKey = 'guidanceChannels' } = asked;
  if (scale === 1) return;
  const none = code(`${scaleKey}: 1`);
  const orWeaker =
    byWeaker === false ? `, or guide by a weaker model (${code('guidance: { scale: 2, model: … }')})` : '';
  for (const model of byWeaker === true ? [] : models) {
    const train = context.config('train', model);
    const folded = guidedBy(model, context);
    const labelDropout = train?.model.labelDropout ?? context.config('pretrained', model)?.labelDropout;
    if (train && hasOneClass(context, train))
      context.report(id, {
        at,
        code: 'untrained-guidance',
        message: `Guidance compares a class with no class, and ${code(model)} is trained on images without classes, or of one alone.`,
        remedy: `Use ${none}${orWeaker}.`,
        because: `stages.${trainedOn(context, train)!.images ?? train.latents}`,
      });
    else if (folded !== undefined)
      context.report(id, {
        at,
        code: 'guided-twice',
        message: `${code(model)} draws guided samples itself, by ${code(folded)}; guidance of ${scale} would guide them again.`,
        remedy: `Use ${none}.`,
        because: `stages.${model}.${folded}`,
      });
    else if (labelDropout === 0)
      context.report(id, {
        at,
        code: 'untrained-guidance',
        message: `Guidance needs a model that also knows images without a class; ${code(model)} is trained with ${code('labelDropout: 0')}.`,
        remedy: `Use ${none}, or train with ${code('labelDropout: 0.1')}.`,
        because: `stages.${model}.${train ? 'model.' : ''}labelDropout`,
      });
  }
  const train = context.config('train', models[0]!);
  const known = train && trainedShape(context, train)?.channels;
  if (channels === 3 && known !== undefined && known < 3)
    context.report(id, {
      at,
      code: 'too-few-channels',
      message: `The first 3 latent channels cannot be guided: there are ${known}.`,
      remedy: `Use ${code(`${channelsKey}: all`)}.`,
    });
}

/** Warns of channels to guide where nothing is guided, unless a sweep varies that. */
export function checkGuidedChannels(
  id: string,
  {
    at,
    scale,
    scaleKey = 'guidanceScale',
    channelsKey = 'guidanceChannels',
  }: Pick<AskedGuidance, 'at' | 'scale' | 'scaleKey' | 'channelsKey'>,
  context: CheckContext,
): void {
  const channels = at.replace(scaleKey, channelsKey);
  if (scale !== 1 || !context.isWritten(id, channels) || context.isSwept(id, at)) return;
  context.warn(id, {
    at: channels,
    code: 'no-effect',
    message: `${code(channelsKey)} says which channels are guided, and ${code(`${scaleKey}: 1`)} guides none.`,
    remedy: `Remove it, or use another ${code(scaleKey)}.`,
  });
}
