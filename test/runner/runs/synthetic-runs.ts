import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFile, StageRecord } from '../../../src/runner/run/run-record.js';

/** Start of the first synthetic run; each further one starts a minute later. */
export const firstStart = Date.UTC(2026, 0, 1);

/** Writes the file of one run, as a run leaves it. Gives the run's folder. */
export async function writeRun(
  runsRoot: string,
  pipeline: string,
  startedAt: Date,
  record: Partial<RunFile> = {},
): Promise<string> {
  const directory = join(runsRoot, pipeline, startedAt.toISOString().replaceAll(':', '-'));
  await mkdir(directory, { recursive: true });
  const file: RunFile = {
    format: 1,
    pipeline,
    file: `/elsewhere/${pipeline}.yaml`,
    status: 'finished',
    host: 'somewhere',
    pid: 1,
    node: 'v20.19.0',
    startedAt: startedAt.toISOString(),
    finishedAt: new Date(startedAt.getTime() + 90_000).toISOString(),
    options: { set: [], force: [] },
    stages: {
      images: stageRecord(),
      train: stageRecord({ kind: 'train', summary: { steps: 10, score: 0.5 }, amounts: ['steps'] }),
    },
    ...record,
  };
  await writeFile(join(directory, 'run.json'), `${JSON.stringify(file, undefined, 2)}\n`);
  return directory;
}

export const stageRecord = (record: Partial<StageRecord> = {}): StageRecord => ({
  kind: 'images',
  after: [],
  status: 'finished',
  reasons: ['never run'],
  ...record,
});

/** As many finished runs as asked for, of two pipelines in turn. */
export async function writeManyRuns(runsRoot: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += 50)
    await Promise.all(
      Array.from({ length: Math.min(50, count - i) }, (_, k) =>
        writeRun(runsRoot, (i + k) % 2 === 0 ? 'even' : 'odd', new Date(firstStart + (i + k) * 60_000)),
      ),
    );
}
