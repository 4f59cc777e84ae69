import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import type { Pipeline } from '../../src/runner/pipeline.js';
import type { TimedRunEvent } from '../../src/runner/run/events.js';
import { type RunOptions, runPipeline } from '../../src/runner/run/run-pipeline.js';
import { runtimeConfig } from '../support/runtime-config.js';
import { toyRegistry } from './toy-kinds.js';

export interface ToyStage {
  readonly kind: 'images' | 'train' | 'report';
  readonly config: Record<string, unknown>;
  /** Dotted paths of the keys that name stages. */
  readonly references?: readonly string[];
  /** Dotted paths of the keys that change no output. */
  readonly withoutEffect?: readonly string[];
}

/** A pipeline without a file, as the configuration's loader would give it. */
export function toyPipeline(
  directory: string,
  stages: Record<string, ToyStage>,
  rest: { name?: string; seed?: number; precision?: 'float32' | 'bfloat16' } = {},
): Pipeline {
  const at = (config: unknown, path: string): string =>
    path.split('.').reduce((value, key) => (value as Record<string, unknown>)[key], config) as string;
  return {
    file: join(directory, 'toy.yaml'),
    directory,
    name: rest.name ?? 'toy',
    seed: rest.seed ?? 0,
    runtime: runtimeConfig({ precision: rest.precision ?? 'float32' }),
    stages: new Map(
      Object.entries(stages).map(([id, { kind, config, references = [], withoutEffect = [] }]) => [
        id,
        {
          id,
          kind,
          config,
          references: references.map((path) => ({ path, stage: at(config, path) })),
          withoutEffect,
          origin: { file: 'toy.yaml', line: 1, column: 1 },
        },
      ]),
    ),
  };
}

/** images → train → report, over two files in `data ä/`. */
export function toyStages(train: Record<string, unknown> = {}): Record<string, ToyStage> {
  return {
    images: { kind: 'images', config: { path: 'data ä' } },
    train: { kind: 'train', config: { latents: 'images', steps: 3, ...train }, references: ['latents'] },
    report: {
      kind: 'report',
      config: { stages: ['images', 'train'] },
      references: ['stages.0', 'stages.1'],
    },
  };
}

/** A new folder with `data ä/a.png` and `data ä/b.png`. Gives its path. */
export async function toyFolder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pipeline test '));
  await mkdir(join(directory, 'data ä'));
  await writeFile(join(directory, 'data ä', 'a.png'), 'first');
  await writeFile(join(directory, 'data ä', 'b.png'), 'second');
  return directory;
}

export async function run(
  directory: string,
  pipeline: Pipeline,
  options: Partial<RunOptions> = {},
): Promise<TimedRunEvent[]> {
  return lastValueFrom(
    runPipeline({
      pipeline,
      registry: toyRegistry(),
      runsRoot: join(directory, 'runs'),
      signal: new AbortController().signal,
      ...options,
    }).pipe(toArray()),
  );
}

/** What became of each stage, and how the run ended, in order. */
export function outcomes(events: readonly TimedRunEvent[]): string[] {
  return events.flatMap((event) => {
    switch (event.type) {
      case 'stage-cached':
      case 'stage-started':
      case 'stage-finished':
      case 'stage-failed':
      case 'output-damaged':
        return [`${event.stage} ${event.type.replace(/^(stage|output)-/, '')}`];
      case 'run-finished':
      case 'run-failed':
      case 'run-interrupted':
        return [event.type];
      default:
        return [];
    }
  });
}
