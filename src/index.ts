/**
 * mediator-sit as a library: models, sampling, training, pipelines, and the engine under them. What only the engine's own
 * users need is in `mediator-sit/engine`.
 */
export { UserError } from './errors.js';

export { SiT, type SiTOptions, type SiTPlace, type SiTSizes } from './library/sit.js';
export {
  type DrawOptions,
  type OdeOptions,
  type SdeOptions,
  sampleOde,
  sampleSde,
} from './library/sample.js';
export type { DrawnBatch } from './stages/sample/sampler.js';
export { Autoencoder } from './stages/autoencoder/saved-autoencoder.js';
export { Decoder } from './stages/sample/decoder.js';
export { type RgbImage, decodeImage, imageGrid, writePng } from './data/images/index.js';

export { type SiTConfig, gridOf } from './models/sit/config.js';
export { sitParameters } from './models/sit/parameters.js';
export { type ThroughBlocks, sit } from './models/sit/sit.js';
export { type Parameter, initialValues } from './nn/parameters.js';

export {
  type DiffusionLossOptions,
  type DiffusionLosses,
  type LatentInputs,
  type Normalization,
  type RandomInputs,
  diffusionLoss,
} from './training/diffusion-loss.js';
export type { AdamWConfig } from './training/adamw.js';
export type { StateGroup } from './training/state-groups.js';
export {
  type Loss,
  type LossProgram,
  type StepResult,
  type Trainer,
  type TrainerOptions,
} from './training/trainer.js';
export { openTrainer } from './library/options.js';

export * from './transport/index.js';
export * from './sampling/index.js';
export * from './metrics/index.js';

export {
  type Diagnostic,
  type LoadedPipeline,
  type LoadOptions,
  type Pipeline,
  loadPipeline,
} from './config/index.js';
export { formatDiagnostics } from './config/diagnostics/format.js';
export {
  type Plan,
  type PlannedStage,
  type RunOptions,
  type StageContext,
  type StageEvent,
  type StageKind,
  type StageRegistry,
  type TimedRunEvent,
  formatReason,
  listRuns,
  makePlan,
  readRun,
  runPipeline,
} from './pipeline/index.js';
export { stageRegistry } from './stages/registry.js';

export {
  type CompileOptions,
  type Compiled,
  type HostRecord,
  type HostTensor,
  type HostTensors,
  type ProgramSession,
  type RuntimeOptions,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  type Tensors,
  compile,
  float32,
  floats,
  int32,
  openSession,
  openStore,
  randomNormal,
  randomUniform,
  scalar,
  startEngine,
  streamKey,
  tf,
} from './tensorflow/index.js';
