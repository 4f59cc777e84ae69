/**
 * mediator-sit as a library: models, sampling, training, pipelines, and the engine under them. What only the engine's own
 * users need is in `mediator-sit/engine`.
 */
export { UserError } from './base/errors.js';

export { type ModelName, SiT, type SiTOptions, type SiTPlace, type SiTSizes } from './library/sit.js';
export { type LabelledImage, type TrainOptions, prepareImage, toImages, train } from './library/train.js';
export {
  type DrawOptions,
  type OdeOptions,
  type SdeOptions,
  sampleOde,
  sampleSde,
} from './library/sample.js';
export type { DrawnBatch } from './stages/sample/sampler.js';
export { Autoencoder } from './weights/saved-autoencoder.js';
export { Decoder } from './stages/sample/decoder.js';
export type { RgbImage } from './data/images/rgb-image.js';
export { decodeImage } from './data/images/decode.js';
export { imageGrid, writePng } from './data/images/png.js';

export { type SiTConfig, gridOf } from './models/sit/config.js';
export { sitParameters } from './models/sit/config.js';
export { type ThroughBlocks, sit } from './models/sit/sit.js';
export type { Parameter } from './nn/parameter.js';
export { initialValues } from './nn/parameters.js';

export {
  type DiffusionLossOptions,
  type DiffusionLosses,
  type LatentInputs,
  type Normalization,
  type RandomInputs,
  diffusionLoss,
} from './training/diffusion-loss.js';
export type { AdamWConfig } from './training/adamw.js';
export type { StateGroup } from './training/checkpoint-manifest.js';
export type { Loss, LossProgram } from './training/gradients.js';
export type { StepResult, Trainer } from './training/trainer.js';
export { type LibraryTrainerOptions as TrainerOptions, openTrainer } from './library/options.js';

export * from './transport/index.js';
export * from './sampling/index.js';
export * from './metrics/index.js';

export type { Diagnostic } from './runner/diagnostics.js';
export type { LoadedPipeline } from './runner/load.js';
export { type LoadOptions, loadPipeline } from './stages/load.js';
export type { Pipeline } from './runner/pipeline.js';
export { formatDiagnostics } from './runner/format-diagnostics.js';
export { type Plan, type PlannedStage, makePlan } from './runner/plan/plan.js';
export { type RunOptions, runPipeline } from './runner/run/run-pipeline.js';
export type { StageContext, StageEvent, StageKind, StageRegistry } from './runner/stage.js';
export type { TimedRunEvent } from './runner/run/events.js';
export { formatReason } from './runner/plan/reasons.js';
export { listRuns } from './runner/runs/find-runs.js';
export { readRun } from './runner/runs/run.js';
export { stageRegistry } from './stages/registry.js';

export { type CompileOptions, type Compiled, compile } from './tensorflow/compile.js';
export type { HostRecord, HostTensors, Tensors } from './tensorflow/trace.js';
export { type HostTensor, float32, floats, int32, scalar } from './tensorflow/data-types.js';
export { type ProgramSession, openSession, openStore, startEngine } from './tensorflow/engine.js';
export type { RuntimeOptions } from './tensorflow/runtime-options.js';
export type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from './tensorflow/index.js';
export { randomNormal, randomUniform, streamKey } from './tensorflow/random.js';
export { tf } from './tensorflow/tfjs.js';
