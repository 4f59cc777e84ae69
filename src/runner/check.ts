import { dirname } from 'node:path';
import type { RuntimeConfig } from '../generated/index.js';
import type { Problem } from './diagnostics.js';
import type { PipelineStage } from './pipeline.js';
import type { Schema, SchemaError } from './schema/schema.js';
import { member, spanAt, type Tree } from './yaml/tree.js';

/** A finding of a check, at a dotted path of the stage's configuration. */
export interface Finding {
  readonly at: string;
  readonly code: string;
  readonly message: string;
  readonly remedy?: string | undefined;
  /** Another value that the finding is about, by its path from the root. */
  readonly because?: string;
}

/**
 * View of the configuration for checks across keys and stages: only stages that are valid by themselves. `Configs` has
 * the configuration of each kind of stage.
 */
export class CheckContext<Configs extends object = Record<string, unknown>> {
  readonly problems: Problem[] = [];
  /** Findings that nothing fails by. */
  readonly warnings: Problem[] = [];

  constructor(
    private readonly root: Tree,
    private readonly stages: ReadonlyMap<string, PipelineStage>,
    /** Runtime of the file; undefined where it is not valid. */
    readonly runtime: RuntimeConfig | undefined,
  ) {}

  /** The configuration of a stage, if it is there, valid, and of that kind. */
  config<Kind extends keyof Configs & string>(kind: Kind, id: string): Configs[Kind] | undefined {
    const stage = this.stages.get(id);
    return stage?.kind === kind ? (stage.config as Configs[Kind]) : undefined;
  }

  /** True when a stage's configuration holds a value at a dotted path itself, rather than by default. */
  isWritten(stage: string, path: string): boolean {
    let tree: Tree | undefined = this.root;
    for (const key of ['stages', stage, ...path.split('.')]) tree = tree && member(tree, key)?.value;
    return tree !== undefined;
  }

  /** Folder of the pipeline file, where relative paths start. */
  get directory(): string {
    return dirname(this.root.span.source.file);
  }

  /** True when the file's sweep may vary a stage's value at a dotted path: by itself, in a map, or by a choice of options. */
  isSwept(stage: string, path: string): boolean {
    const sweep = member(this.root, 'sweep')?.value;
    const keys = sweep === undefined ? [] : keysIn(sweep);
    // Stages of a `foreach` are swept by the name that they have in the file.
    return keys.some(
      (key) =>
        key === 'choose' || key.endsWith(`.${path}`) || `stages.${stage}.${path}`.startsWith(`${key}.`),
    );
  }

  report(stage: string, finding: Finding): void {
    this.problems.push(this.placed(stage, finding));
  }

  warn(stage: string, finding: Finding): void {
    this.warnings.push(this.placed(stage, finding));
  }

  private placed(stage: string, { at, because, ...problem }: Finding): Problem {
    const span = (path: string) => spanAt(this.root, path.split('.'), 'value');
    return {
      ...problem,
      span: span(`stages.${stage}.${at}`),
      ...(because === undefined ? {} : { related: [{ message: `${because} is here`, span: span(because) }] }),
    };
  }
}

/** A rule between keys that a schema cannot express; what it finds is in the context's problems. */
type StageCheck = (stage: PipelineStage, context: CheckContext) => void;

/** Keys of all maps in a value. */
function keysIn(tree: Tree): string[] {
  if (tree.kind === 'list') return tree.items.flatMap(keysIn);
  if (tree.kind !== 'map') return [];
  return [...tree.entries].flatMap(([key, { value }]) => [key, ...keysIn(value)]);
}

/** Rules that pipeline files must obey. */
export interface PipelineRules {
  /** Schema of pipeline files, with that of every kind of stage in it. */
  readonly schema: Schema;
  /** Gives everything that is wrong with a value by the schema. */
  readonly errors: (value: unknown) => readonly SchemaError[];
  /** Rules between keys, by the kind of stage. */
  readonly checks: Readonly<Partial<Record<string, readonly StageCheck[]>>>;
}
