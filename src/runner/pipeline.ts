import type { RuntimeConfig, SweepConfig } from '../generated/index.js';

/** Place at which a value was written. */
export interface Origin {
  /** Absolute path of the file, or `--set`. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A stage that another stage names. */
interface StageReference {
  /** Place in the configuration, with dots: `phases.0.model`. */
  readonly path: string;
  readonly stage: string;
}

/** `seed` and `runtime` of a stage, as far as they are written. */
export interface OwnSettings {
  readonly seed?: number;
  readonly runtime?: Partial<RuntimeConfig>;
}

/** The seed of a stage: its own, or the pipeline's. */
export const seedOf = ({ seed }: Pick<Pipeline, 'seed'>, { own }: { readonly own?: OwnSettings }): number =>
  own?.seed ?? seed;

/** Runtime of a stage: its own keys over those of the pipeline. */
export const runtimeOf = (
  { runtime }: Pick<Pipeline, 'runtime'>,
  { own }: { readonly own?: OwnSettings },
): RuntimeConfig => (own?.runtime === undefined ? runtime : { ...runtime, ...own.runtime });

/** A stage of a pipeline, defaults applied. */
export interface PipelineStage<Kind extends string = string, Config = object> {
  readonly id: string;
  /** Kind of stage, as `uses` names it. */
  readonly kind: Kind;
  /** Configuration without `uses`, `seed` and `runtime`. */
  readonly config: Config;
  /** Settings that the stage has otherwise than the pipeline; absent where there are none. */
  readonly own?: OwnSettings;
  readonly references: readonly StageReference[];
  /** Dotted paths of the keys that change no output: `affectsOutput` in the schema. */
  readonly withoutEffect: readonly string[];
  readonly origin: Origin;
}

/** A pipeline file that can run, as far as the file alone tells. */
export interface Pipeline {
  /** Absolute path of the file. */
  readonly file: string;
  /** Absolute path of its folder, where relative paths in it start. */
  readonly directory: string;
  readonly name: string;
  readonly seed: number;
  readonly runtime: RuntimeConfig;
  /** Values that `pipeline sweep` varies. */
  readonly sweep?: SweepConfig;
  /** Stages by id, in the order of the file. */
  readonly stages: ReadonlyMap<string, PipelineStage>;
}

/** The stages such that each comes after those it names; where that leaves a choice, in the order of the file. */
export function topologicalOrder(pipeline: Pick<Pipeline, 'stages'>): PipelineStage[] {
  const waiting = [...pipeline.stages.values()];
  const placed = new Set<string>();
  const order: PipelineStage[] = [];
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ references }) => references.every(({ stage }) => placed.has(stage)));
    if (next < 0) throw new Error('A pipeline with a cycle or a missing stage has no order.');
    const [stage] = waiting.splice(next, 1);
    placed.add(stage!.id);
    order.push(stage!);
  }
  return order;
}
