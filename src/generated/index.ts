// Generated from schemas/ by `npm run generate`. Do not edit.

import type { ImagesConfig } from './images.js';
import type { PretrainedAutoencoderConfig } from './pretrained-autoencoder.js';
import type { AutoencoderConfig } from './autoencoder.js';
import type { EncodeConfig } from './encode.js';
import type { LatentsConfig } from './latents.js';
import type { DrawConfig } from './draw.js';
import type { TrainConfig } from './train.js';
import type { PretrainedConfig } from './pretrained.js';
import type { AttentionConfig } from './attention.js';
import type { SampleConfig } from './sample.js';
import type { EvaluateConfig } from './evaluate.js';
import type { ReportConfig } from './report.js';
import type { PlaygroundConfig } from './playground.js';

export type { ImagesConfig, LabelsFile } from './images.js';
export type { PretrainedAutoencoderConfig } from './pretrained-autoencoder.js';
export type { AutoencoderConfig, FlippedClasses, RecordsConfig, WandbConfig } from './autoencoder.js';
export type { EncodeConfig } from './encode.js';
export type { LatentsConfig } from './latents.js';
export type { DrawConfig, ResolutionShift } from './draw.js';
export type { TrainConfig, StartFile, ClassesFile, TeacherConfig, SelfAlignmentConfig, FeatureAlignmentConfig, ModelGuidanceConfig, TokenRoutingConfig, ModelConfig, BlockMediators, MuonConfig, PowerAverages, MinSnrWeight, LogitNormalTimesteps, UntilConfig, LogitNormalTimesteps1, ResolutionShift1, MinSnrWeight1, TrainingEvaluationConfig, ResolutionShift2, TrainingSamplesConfig, ResolutionShift3 } from './train.js';
export type { PretrainedConfig } from './pretrained.js';
export type { AttentionConfig } from './attention.js';
export type { SampleConfig, PhaseConfig, SamplerConfig, FeatureCacheConfig, GuidanceConfig, TrajectoryConfig } from './sample.js';
export type { EvaluateConfig } from './evaluate.js';
export type { ReportConfig } from './report.js';
export type { PlaygroundConfig } from './playground.js';
export type { RuntimeConfig } from './runtime.js';
export type { SweepConfig, RandomSweep, RandomValue, Halving } from './sweep.js';

/** The configuration of each kind of stage, with defaults applied. */
export interface StageConfigs {
  images: ImagesConfig;
  autoencoder: PretrainedAutoencoderConfig | AutoencoderConfig;
  encode: EncodeConfig;
  latents: LatentsConfig;
  draw: DrawConfig;
  train: TrainConfig;
  pretrained: PretrainedConfig;
  attention: AttentionConfig;
  sample: SampleConfig;
  evaluate: EvaluateConfig;
  report: ReportConfig;
  playground: PlaygroundConfig;
}
