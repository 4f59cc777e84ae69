import type { StageConfigs } from '../../generated/index.js';
import type { CheckContext as AnyContext } from '../../runner/check.js';
import type { PipelineStage } from '../../runner/pipeline.js';

/** Names that `uses` may take. */
type StageKindName = keyof StageConfigs;

/** A stage of a given kind, defaults applied. */
export type StageOf<Kind extends StageKindName> = {
  readonly [K in Kind]: PipelineStage<K, StageConfigs[K]>;
}[Kind];

/** Context of a check, with the configurations of our kinds. */
export type CheckContext = AnyContext<StageConfigs>;

/** A rule between keys of a stage that a schema cannot express. */
export type StageCheck<Kind extends StageKindName> = (stage: StageOf<Kind>, context: CheckContext) => void;
