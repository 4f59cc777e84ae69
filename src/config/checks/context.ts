import { dirname } from 'node:path';
import type { Problem } from '../diagnostics/diagnostic.js';
import type { RuntimeConfig, StageConfigs } from '../generated/index.js';
import type { PipelineStage, StageKindName, StageOf } from '../pipeline.js';
import { member, spanAt, type Tree } from '../source/tree.js';

/** A finding of a check, at a dotted path of the stage's configuration. */
export interface Finding {
  readonly at: string;
  readonly code: string;
  readonly message: string;
  readonly remedy?: string | undefined;
  /** Another value that the finding is about, by its path from the root. */
  readonly because?: string;
}

/** What checks across keys and stages may look at: only stages that are valid by themselves. */
export class CheckContext {
  readonly problems: Problem[] = [];

  constructor(
    private readonly root: Tree,
    private readonly stages: ReadonlyMap<string, PipelineStage>,
    /** Nothing where it is not valid. */
    readonly runtime: RuntimeConfig | undefined,
  ) {}

  /** The configuration of a stage, if it is there, valid, and of that kind. */
  config<Kind extends StageKindName>(kind: Kind, id: string): StageConfigs[Kind] | undefined {
    const stage = this.stages.get(id);
    return stage?.kind === kind ? (stage.config as StageConfigs[Kind]) : undefined;
  }

  /** Whether a stage's configuration holds a value at a dotted path itself, rather than by default. */
  isWritten(stage: string, path: string): boolean {
    let tree: Tree | undefined = this.root;
    for (const key of ['stages', stage, ...path.split('.')]) tree = tree && member(tree, key)?.value;
    return tree !== undefined;
  }

  /** Folder of the pipeline file, where relative paths start. */
  get directory(): string {
    return dirname(this.root.span.source.file);
  }

  report(stage: string, { at, because, ...problem }: Finding): void {
    const span = (path: string) => spanAt(this.root, path.split('.'), 'value');
    this.problems.push({
      ...problem,
      span: span(`stages.${stage}.${at}`),
      ...(because === undefined ? {} : { related: [{ message: `${because} is here`, span: span(because) }] }),
    });
  }
}

/** A rule between keys that a schema cannot express. */
export type StageCheck<Kind extends StageKindName> = (stage: StageOf<Kind>, context: CheckContext) => void;
