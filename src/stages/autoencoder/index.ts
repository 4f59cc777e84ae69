import { type Observable, concat, defer, finalize, from, mergeMap } from 'rxjs';
import type {
  AutoencoderConfig as StageConfig,
  PretrainedAutoencoderConfig,
} from '../../config/generated/index.js';
import type { ImageDataset } from '../../data/images/index.js';
import type { AutoencoderConfig } from '../../models/autoencoder-kl/config.js';
import { autoencoderLoss } from '../../models/autoencoder-kl/loss.js';
import { autoencoderParameters } from '../../models/autoencoder-kl/parameters.js';
import { initialValues } from '../../nn/parameters.js';
import type { StageContext, StageEvent } from '../../pipeline/stage.js';
import {
  type ProgramSession,
  type Tensor1D,
  type Tensor4D,
  openSession,
  streamKey,
} from '../../tensorflow/index.js';
import { checkpointSchedule } from '../../training/checkpoint-schedule.js';
import { openTrainer } from '../../training/open-trainer.js';
import { openImages } from '../images/open-images.js';
import { onEngine } from '../on-engine.js';
import { type TrainingJob, trainingSteps } from '../training-stream.js';
import { imageBatches } from './image-batches.js';
import { finishAutoencoder } from './finish.js';
import { modelConfig } from './model-config.js';
import { takeAutoencoder } from './pretrained.js';

/** Trains an AutoencoderKL from scratch on images, or takes a trained one. */
export function run(
  config: StageConfig | PretrainedAutoencoderConfig,
  context: StageContext,
): Observable<StageEvent> {
  if ('weights' in config) return takeAutoencoder(config, context);
  return onEngine(context, () =>
    from(openImages(config.images, context)).pipe(mergeMap((images) => train(config, images, context))),
  );
}

function train(config: StageConfig, images: ImageDataset, context: StageContext): Observable<StageEvent> {
  return defer(() => {
    const model = modelConfig(config);
    const session = openSession(context.runtime);
    const job = trainingJob(config, model, images, session, context.seed);
    return concat(
      trainingSteps(job, context),
      defer(() => finishAutoencoder(config, model, images, context)),
    ).pipe(finalize(() => void session.close()));
  });
}

function trainingJob(
  config: StageConfig,
  model: AutoencoderConfig,
  images: ImageDataset,
  session: ProgramSession,
  seed: number,
): TrainingJob {
  const parameters = autoencoderParameters(model);
  const load = imageBatches(images, config, seed);
  return {
    trainer: openTrainer(session, {
      parameters,
      inputs: {
        images: { dtype: 'float32', shape: [config.batch, images.size, images.size, 3] },
        noiseKey: { dtype: 'int32', shape: [2] },
      },
      loss: ({ images, noiseKey }, weights) =>
        autoencoderLoss(
          weights,
          model,
          { images: images as Tensor4D, noiseKey: noiseKey as Tensor1D },
          config.klWeight,
        ),
      optimizer: { betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0 },
      averageDecays: [config.ema],
      gradientClip: config.gradientClip,
    }),
    start: (trainer) => trainer.start(initialValues(parameters, seed)),
    load: async (step) => ({
      images: await load(step),
      noiseKey: streamKey(seed, 'autoencoder noise', step),
    }),
    schedule: {
      kind: config.schedule,
      learningRate: config.learningRate,
      warmupSteps: config.warmupSteps,
      totalSteps: config.steps,
    },
    logEverySteps: config.logEverySteps,
    records: { config: config.records, samples: config.batch },
    checkpoint: checkpointSchedule({ ...config.checkpoint, keepLast: 1 }),
  };
}
