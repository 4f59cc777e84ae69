import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import type { RuntimeConfig } from '../../src/generated/index.js';
import { withDefaults } from '../../src/runner/schema/defaults.js';
import { readSchema } from '../../src/runner/schema/schema.js';
import type { StageContext, StageEvent, StageKind } from '../../src/runner/stage.js';

/** As the schema has it, on one thread. */
export const runtime = withDefaults(readSchema('pipeline.schema.json').properties!.runtime!, {
  device: 'cpu',
  threads: 1,
}) as RuntimeConfig;

/** Runs a stage by itself in a new folder, for which it may be given parts of its context. */
export async function runStage<Config>(
  stage: StageKind<Config>,
  config: Config,
  context: Partial<StageContext> = {},
): Promise<{ directory: string; events: StageEvent[]; summary: Record<string, unknown> }> {
  const directory = await mkdtemp(join(tmpdir(), `${stage.name}-`));
  const events = await lastValueFrom(
    stage
      .run(config, {
        id: stage.name,
        pipelineName: 'test',
        pipelineDirectory: directory,
        seed: 0,
        runtime,
        directory,
        input: (id) => {
          throw new Error(`No input ${id}.`);
        },
        signal: new AbortController().signal,
        ...context,
      })
      .pipe(toArray()),
  );
  const summaries = events.flatMap((event) => (event.type === 'summary' ? [event.values] : []));
  return { directory, events, summary: Object.assign({}, ...summaries) as Record<string, unknown> };
}
