import { relative } from 'node:path';
import { EMPTY, type Observable, concat, defer, finalize, from, mergeMap } from 'rxjs';
import type { TrainConfig } from '../../config/generated/index.js';
import { LatentDataset } from '../../data/latents/index.js';
import { type SiTConfig, gridOf } from '../../models/sit/config.js';
import { sitParameters } from '../../models/sit/parameters.js';
import { sit } from '../../models/sit/sit.js';
import { initialize } from '../../nn/parameters.js';
import type { StageContext, StageEvent } from '../../pipeline/stage.js';
import { type ProgramSession, type TensorSpec, openSession, sizeOf } from '../../tensorflow/index.js';
import type { Accumulation } from '../../training/accumulation.js';
import { groupPath, latestCheckpoint } from '../../training/checkpoint.js';
import { type LatentInputs, type RandomInputs, diffusionLoss } from '../../training/diffusion-loss.js';
import { type StateGroup, averageGroups } from '../../training/state-groups.js';
import { type LossProgram, openTrainer } from '../../training/trainer.js';
import {
  type TimestepSampling,
  defaultTrainEpsilon,
  resolutionShift,
  timeInterval,
  transportOf,
} from '../../transport/index.js';
import { onEngine } from '../on-engine.js';
import { type TrainingJob, checkpointFolder, trainingSteps } from '../training-stream.js';
import { batchShare, isFirstWorker, workerServer } from '../workers.js';
import { latentBatches } from './latent-batches.js';
import { modelConfig } from './model-config.js';
import { writeSavedModel } from './saved-model.js';

/** Trains a SiT with attention mediators on latents. */
export function run(config: TrainConfig, context: StageContext): Observable<StageEvent> {
  return onEngine(context, () =>
    from(LatentDataset.open(context.input(config.latents).directory)).pipe(
      mergeMap((latents) => train(config, latents, context).pipe(finalize(() => void latents.close()))),
    ),
  );
}

function train(config: TrainConfig, latents: LatentDataset, context: StageContext): Observable<StageEvent> {
  return defer(() => {
    const [latentSize, , channels] = latents.shape;
    const model = modelConfig(config, { latentSize, channels, classes: latents.classes.length });
    const session = openSession(context.runtime, workerServer(context));
    return concat(
      trainingSteps(trainingJob(config, model, latents, session, context), context),
      isFirstWorker(context) ? defer(() => finish(config, model, latents, context)) : EMPTY,
    ).pipe(finalize(() => void session.close()));
  });
}

function trainingJob(
  config: TrainConfig,
  model: SiTConfig,
  latents: LatentDataset,
  session: ProgramSession,
  { seed, workers }: StageContext,
): TrainingJob {
  const parameters = sitParameters(model);
  const share = batchShare(config.globalBatch, workers);
  return {
    trainer: openTrainer(session, {
      parameters,
      inputs: inputSpecs(share.size, latents.shape),
      loss: lossProgram(config, model, latents),
      optimizer: { betas: config.betas, epsilon: 1e-8, weightDecay: config.weightDecay },
      averageDecays: [config.ema].flat(),
      gradientClip: config.gradientClip,
      accumulation: accumulation(config),
    }),
    initialWeights: () => initialize(parameters, seed),
    load: latentBatches(latents, config, seed, share),
    schedule: {
      kind: config.schedule,
      learningRate: config.learningRate,
      warmupSteps: config.warmupSteps,
      totalSteps: totalSteps(config, latents.count),
    },
    logEverySteps: config.logEverySteps,
    checkpoint: config.checkpoint,
  };
}

/** A batch in parts, where it is computed in more than one. */
function accumulation({ accumulate }: TrainConfig): Accumulation | undefined {
  if (accumulate === 1) return undefined;
  return { parts: accumulate, perSample: ['mean', 'std', 'labels'], firstSample: 'firstSample' };
}

/** Steps of the whole training; an epoch's last, incomplete batch is not taken, as in the reference. */
function totalSteps({ steps, epochs, globalBatch }: TrainConfig, samples: number): number {
  return steps ?? epochs! * Math.max(1, Math.floor(samples / globalBatch));
}

function inputSpecs(batch: number, shape: readonly number[]): Readonly<Record<string, TensorSpec>> {
  const key: TensorSpec = { dtype: 'int32', shape: [2] };
  const latent: TensorSpec = { dtype: 'float32', shape: [batch, ...shape] };
  return {
    mean: latent,
    std: latent,
    labels: { dtype: 'int32', shape: [batch] },
    posteriorKey: key,
    noiseKey: key,
    timeKey: key,
    dropoutKey: key,
    firstSample: { dtype: 'int32', shape: [1] },
  };
}

function lossProgram(config: TrainConfig, model: SiTConfig, latents: LatentDataset): LossProgram {
  const choice = { interpolant: config.interpolant, prediction: config.prediction };
  const timestepSampling: TimestepSampling =
    config.timesteps === 'uniform' ? { kind: 'uniform' } : config.timesteps;
  const options = {
    transport: { ...transportOf(choice), lossWeight: config.lossWeight },
    interval: timeInterval(choice, config.trainEpsilon ?? defaultTrainEpsilon(choice)),
    timestepSampling,
    timestepShift: timestepShift(config, model),
    normalization: latents.index.normalization,
    labelDropout: model.labelDropout,
    nullClass: model.classes,
  };
  return (inputs, weights) => {
    const { mean, std, labels, ...keys } = inputs as unknown as LatentInputs & RandomInputs;
    const losses = diffusionLoss(
      (x, t, y) => sit(weights, model, x, t, y),
      { mean, std, labels },
      keys,
      options,
    );
    return { loss: losses.mean() };
  };
}

/** The factor of a configured shift, for the tokens of a model. */
function timestepShift({ timestepShift: shift }: TrainConfig, model: SiTConfig): number {
  return typeof shift === 'number' ? shift : resolutionShift(gridOf(model) ** 2, shift.baseTokens);
}

async function finish(
  config: TrainConfig,
  model: SiTConfig,
  latents: LatentDataset,
  context: StageContext,
): Promise<StageEvent> {
  const checkpoint = (await latestCheckpoint(checkpointFolder(context.directory)))!;
  const decays = [config.ema].flat();
  const path = (group: StateGroup) => relative(context.directory, groupPath(checkpoint.path, group));
  await writeSavedModel(context.directory, {
    format: 'sit-1',
    config: model,
    interpolant: config.interpolant,
    prediction: config.prediction,
    normalization: latents.index.normalization,
    classes: latents.classes,
    steps: checkpoint.step,
    weights: {
      raw: path('weights'),
      ema: path('average'),
      ...Object.fromEntries(averageGroups(decays).map((group, i) => [`ema-${decays[i]!}`, path(group)])),
    },
  });
  const parameters = sitParameters(model).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    type: 'summary',
    values: { steps: checkpoint.step, parameters, samples: checkpoint.step * config.globalBatch },
  };
}
