export type * from './generated/index.js';
export type { Diagnostic } from './diagnostics/diagnostic.js';
export type { LoadOptions } from './configuration.js';
export { loadPipeline, type LoadedPipeline, type ValueSource } from './load.js';
export { isLockFile } from './source/read-text.js';
export { loadSweep, type LoadedSweep, type LoadedTrial } from './sweep/load.js';
export { type AutoencoderFacts, knownAutoencoder, knownAutoencoderModel } from './known-autoencoders.js';
export { optionProblems } from './resolve.js';
export { mediatorsPerBlock } from './mediators.js';
export { type ResolvedGuidance, guidanceOf, phasesOf, samplerChoice, samplerMethods } from './sampling.js';
export { namedModels, type NamedModel } from './named-models.js';
export {
  topologicalOrder,
  type Origin,
  type Pipeline,
  type PipelineStage,
  type StageKindName,
  type StageOf,
  type StageReference,
} from './pipeline.js';
export { resolvedConfig } from './resolved/config.js';
export { originsOf, type ValueOrigin } from './resolved/origins.js';
export { annotatedYaml, formatOrigin } from './resolved/yaml.js';
