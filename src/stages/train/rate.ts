import type { TrainConfig } from '../../generated/index.js';
import { type SiTConfig, sitParameters } from '../../models/sit/config.js';
import { sitCost, trainingOperations } from '../../models/sit/cost.js';
import { openSitSession } from '../../models/sit/sit.js';
import { madeValues } from '../../nn/parameters.js';
import { untoldBefore } from '../../runner/stage.js';
import type { PlanFolders, RuntimeConfig, StageRate, UntoldTime } from '../../runner/stage.js';
import { mapValues } from '../../tensorflow/index.js';
import { identityOf } from '../../training/diffusion-loss.js';
import { muonCost } from '../../training/muon-cost.js';
import { openTrainer } from '../../training/open-trainer.js';
import { madeUp, measuredOperations, measureIn } from '../shared/rate.js';
import { plannedTrainingLatents, type Resolve } from '../shared/planned.js';
import { modelConfig } from './config.js';
import { operationsOfSteps } from './beside-cost.js';
import { totalSteps } from './facts.js';
import { inputSpecs, lossOptions, lossProgram, untilSpec } from './loss.js';
import { measureEvaluations, measureImages, teacherWork } from './rate-beside.js';
import { trainerOptions } from './trainer-options.js';

/**
 * Measures steps of a training with weights and latents that are made up. Of a batch that takes long a part is measured,
 * and of a large model a few blocks.
 */
export async function measureTraining(
  config: TrainConfig,
  resolve: Resolve,
  runtime: RuntimeConfig,
  folders: PlanFolders,
): Promise<StageRate | UntoldTime> {
  const latents = plannedTrainingLatents(config, resolve);
  const { accumulate } = config;
  const { optimizer, ...ofAdamW } = config;
  if (latents === undefined) return untoldBefore((config.latents ?? config.autoencoder)!);
  const whole = modelConfig(config, { ...latents, classes: latents.classes ?? 1 });
  const model = fewerBlocks(whole);
  const surroundings = { resolve, runtime, folders };
  const teacher = await teacherWork(config, whole, surroundings);
  if (typeof teacher === 'object') return teacher;
  const total = latents.count === undefined ? (config.steps ?? 1) : totalSteps(config, latents.count);
  const encoded = await measureImages(config, surroundings);
  if ('untold' in encoded) return encoded;
  const evaluated = await measureEvaluations(config, whole, total, surroundings);
  if ('untold' in evaluated) return evaluated;
  const operations = (each: SiTConfig): number => trainingOperations(sitCost(each));
  const part = Math.floor(measuredOperations / operations(model) / accumulate);
  const batch = accumulate * Math.max(1, Math.min(config.globalBatch / accumulate, part));
  const { latentSize, channels } = model;
  const parameters = sitParameters(model);
  const specs = { ...inputSpecs(batch, [latentSize, latentSize, channels]), ...untilSpec(config) };
  const inputs = mapValues(specs, madeUp);
  const rate = await measureIn(runtime, openSitSession, async (session) => {
    const trainer = openTrainer(session, {
      parameters,
      inputs: specs,
      loss: lossProgram(lossOptions(config, model, identityOf(channels))),
      ...trainerOptions(ofAdamW),
    });
    await trainer.start(madeValues(parameters, 0));
    let updates = 0;
    return { call: () => trainer.step(inputs, 1e-5, updates++), units: batch };
  });
  const scale = operations(whole) / operations(model);
  // Parts of the loss beside the data's, and tokens that bypass blocks, are told by their operations.
  const beside = operationsOfSteps(config, whole, 0, total) / total / operations(whole) + teacher;
  // Muon's updates take as long for any batch: they are told by their operations too.
  const products = optimizer ? muonCost(sitParameters(whole)).multiplyAccumulates : 0;
  const ofMuon = (2 * products) / operations(whole);
  return {
    setupSeconds: rate.setupSeconds * scale + encoded.setupSeconds + evaluated.setupSeconds,
    unitSeconds:
      rate.unitSeconds * scale * (config.globalBatch * beside + drawnPerStep(config) + ofMuon) +
      encoded.stepSeconds +
      evaluated.stepSeconds,
  };
}

/** The model with as many of its blocks as a step of one sample may have. */
function fewerBlocks(model: SiTConfig): SiTConfig {
  const most = Math.floor((model.depth * measuredOperations) / trainingOperations(sitCost(model)));
  const depth = Math.min(model.depth, Math.max(1, most));
  return { ...model, depth, mediators: model.mediators.slice(0, depth) };
}

/** Forward passes of a training step in units of a sample's training, for the pictures that are drawn on the way. */
function drawnPerStep({ samples }: TrainConfig): number {
  if (samples === undefined) return 0;
  const { count, steps, everySteps, guidanceScale } = samples;
  return (count * steps * (guidanceScale === 1 ? 1 : 2)) / everySteps / 3;
}
