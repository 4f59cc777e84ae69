import type { TrainConfig } from '../../generated/index.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import type { SiTConfig } from '../../models/sit/config.js';
import { sitCost, trainingOperations } from '../../models/sit/cost.js';
import { type PlanFolders, type RuntimeConfig, untoldBefore, type UntoldTime } from '../../runner/stage.js';
import { measureDecoder } from '../autoencoder/rate.js';
import { measureDrawing } from '../draw/rate.js';
import { measureEncoding } from '../encode/rate.js';
import { measureLooking } from '../evaluate/rate.js';
import { plannedAutoencoderModel, plannedImages, type Resolve } from '../shared/planned.js';
import { evaluatedAtOnce } from './evaluations.js';
import { encodedAtOnce, statisticsCount } from './open-data.js';
import { plannedTeacher } from './teacher.js';

/** Facts by which what a training does beside its steps is measured. */
interface Surroundings {
  readonly resolve: Resolve;
  readonly runtime: RuntimeConfig;
  readonly folders: PlanFolders;
}

/** Time that a training takes beside the steps of its own model. */
interface BesideRate {
  /** Before the first step. */
  readonly setupSeconds: number;
  /** In a step, on average. */
  readonly stepSeconds: number;
}

const nothing: BesideRate = { setupSeconds: 0, stepSeconds: 0 };

/** Work of a teacher for a sample, in that of a training step of the model. */
export async function teacherWork(
  config: TrainConfig,
  model: SiTConfig,
  { resolve, folders }: Pick<Surroundings, 'resolve' | 'folders'>,
): Promise<number | UntoldTime> {
  const { teacher } = config;
  if (teacher === undefined) return 0;
  const planned = await plannedTeacher(config, resolve, folders.pipeline);
  if (planned === undefined) return untoldBefore(teacher.model);
  const operations = 2 * planned.passes * sitCost(planned.model).multiplyAccumulates;
  return operations / trainingOperations(sitCost(model));
}

/** Measures how long it takes to encode the images of each step, and those that are measured before the first. */
export async function measureImages(
  { images, autoencoder, globalBatch }: TrainConfig,
  { resolve, runtime, folders }: Surroundings,
): Promise<BesideRate | UntoldTime> {
  if (images === undefined) return nothing;
  const { size, count = statisticsCount } = plannedImages(images, resolve);
  const batch = Math.min(globalBatch, encodedAtOnce(size));
  const config = { images, autoencoder: autoencoder!, batch, flips: false };
  const rate = await measureEncoding(config, resolve, runtime, folders);
  if ('untold' in rate) return rate;
  return {
    setupSeconds: rate.setupSeconds + rate.unitSeconds * Math.min(count, statisticsCount),
    stepSeconds: rate.unitSeconds * globalBatch,
  };
}

/** Measures how long it takes to draw samples and look at them at some steps of so many. */
export async function measureEvaluations(
  { evaluate }: TrainConfig,
  model: SiTConfig,
  total: number,
  { resolve, runtime, folders }: Surroundings,
): Promise<BesideRate | UntoldTime> {
  if (evaluate === undefined) return nothing;
  const { count, steps, guidanceScale, guidanceChannels, everySteps, reference } = evaluate;
  const images = plannedImages(reference, resolve).count;
  if (images === undefined) return untoldBefore(reference);
  const autoencoder = await plannedAutoencoderModel(evaluate.autoencoder, resolve);
  if (autoencoder === undefined) return untoldBefore(evaluate.autoencoder);
  const atOnce = Math.min(evaluatedAtOnce, count);
  const guidance = { scale: guidanceScale, channels: guidanceChannels };
  const drawn = await measureDrawing(model, { atOnce, guidance }, runtime);
  const size = model.latentSize * downsampleOf(autoencoder);
  const decoded = await measureDecoder(autoencoder, { size, atOnce }, runtime);
  const looked = await measureLooking(evaluate, images, { resolve, runtime, folders });
  if ('untold' in looked) return looked;
  const setups = drawn.setupSeconds + decoded.setupSeconds + looked.setupSeconds;
  const sample = drawn.unitSeconds * (steps - 1) + decoded.unitSeconds + looked.unitSeconds;
  const evaluations = Math.ceil(total / everySteps);
  return {
    // Features of the images that samples are compared with are computed once.
    setupSeconds: looked.unitSeconds * images,
    stepSeconds: (evaluations * (setups + count * sample)) / total,
  };
}
