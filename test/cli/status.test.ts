import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sealJson, unsealJson } from '../../src/base/sealed.js';
import { firstStart, stageRecord, writeManyRuns, writeRun } from '../runner/runs/synthetic-runs.js';
import { nodeProgram } from '../support/programs.js';

const main = 'src/cli/main.ts';
const toyMain = 'test/cli/toy-main.ts';
const countReads = new URL('count-reads.mjs', import.meta.url).href;

let cwd: string;
let runs: string;

beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), 'status ü ')));
  runs = join(cwd, 'runs');
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const start = (args: readonly string[], options: { program?: string; imports?: string; env?: object } = {}) =>
  execa(
    process.execPath,
    [
      ...(options.imports ? ['--import', options.imports] : []),
      ...nodeProgram(options.program ?? main),
      ...args,
    ],
    { cwd, reject: false, env: { PIPELINE_RUNS: runs, NO_COLOR: '1', TZ: 'UTC', ...options.env } },
  );

interface StatusRow {
  id: string;
  state: string;
  stage: string | null;
  progress: { done: number; total: number; rate?: number; figures?: Record<string, number> } | null;
  pid: number;
}
const list = async (...args: string[]): Promise<StatusRow[]> =>
  JSON.parse((await start(['status', '--json', ...args])).stdout) as StatusRow[];

describe('pipeline status', () => {
  it('says so where there are no runs', async () => {
    const { stdout, exitCode } = await start(['status']);
    expect([exitCode, stdout]).toEqual([0, 'No runs yet in runs.']);
  });

  it('lists runs with what became of them, the latest last, and filters them', async () => {
    await writeRun(runs, 'emoji', new Date('2025-03-01T10:00:00Z'));
    await writeRun(runs, 'emoji', new Date('2025-03-02T10:00:00Z'), {
      status: 'failed',
      finishedAt: '2025-03-02T10:00:05.000Z',
      stages: {
        train: stageRecord({ kind: 'train', status: 'failed', failure: { message: 'The loss is NaN.' } }),
      },
    });
    await writeRun(runs, 'photos', new Date('2025-03-03T10:00:00Z'), {
      status: 'interrupted',
      stages: {
        train: stageRecord({
          kind: 'train',
          status: 'interrupted',
          progress: { done: 30, total: 100, unit: 'steps', figures: { loss: 0.25 } },
        }),
      },
    });
    await writeRun(runs, 'photos', new Date('2025-03-04T10:00:00Z'), { status: 'running' });
    const { stdout } = await start(['status']);
    expect(stdout).toBe(`RUN                         STATE          STARTED           TIME  STAGE AND FIGURES
emoji/2025-03-01T10-00-00   ✓ finished     1 Mar 2025  1 min 30 s  score 0.5
emoji/2025-03-02T10-00-00   ✗ failed       2 Mar 2025       5.0 s  train: The loss is NaN.
photos/2025-03-03T10-00-00  ‖ interrupted  3 Mar 2025  1 min 30 s  train 30 % · loss 0.25
photos/2025-03-04T10-00-00  † died         4 Mar 2025       0.0 s  score 0.5`);
    const ids = async (...args: string[]) => (await list(...args)).map(({ id }) => id.slice(0, -14));
    expect(await ids('emoji')).toEqual(['emoji/2025-03-01', 'emoji/2025-03-02']);
    expect(await ids('--state', 'failed', '--state', 'died')).toEqual([
      'emoji/2025-03-02',
      'photos/2025-03-04',
    ]);
    expect(await ids('--since', '2025-03-03')).toEqual(['photos/2025-03-03', 'photos/2025-03-04']);
    expect(await ids('--since', '1d')).toEqual([]);
    expect(await ids('photos', '--last', '1')).toEqual(['photos/2025-03-04']);
    const unknown = await start(['status', 'emojo']);
    expect([unknown.exitCode, unknown.stderr]).toEqual([
      2,
      'error: There is no run emojo.\n  Did you mean emoji? npx pipeline status lists all runs.',
    ]);
  });

  it('shows what runs were started with', async () => {
    await writeRun(runs, 'emoji', new Date('2025-03-01T10:00:00Z'));
    const set = ['stages.train.model.mediators=4', 'stages.train.seed=1', 'stages.sample.seed=2'];
    await writeRun(runs, 'emoji', new Date('2025-03-02T10:00:00Z'), { options: { set, force: [] } });
    expect((await start(['status'])).stdout)
      .toBe(`RUN                        STATE       STARTED           TIME  SETTINGS                                  STAGE AND FIGURES
emoji/2025-03-01T10-00-00  ✓ finished  1 Mar 2025  1 min 30 s                                            score 0.5
emoji/2025-03-02T10-00-00  ✓ finished  2 Mar 2025  1 min 30 s  mediators 4, train.seed 1, sample.seed 2  score 0.5`);
  });

  it('shows how well the stages of a run did before what they took', async () => {
    const took = { expectedMemoryMegabytes: 600, peakMemoryMegabytes: 900 };
    await writeRun(runs, 'emoji', new Date('2025-03-01T10:00:00Z'), {
      stages: {
        train: stageRecord({
          kind: 'train',
          figures: { loss: 0.25 },
          headline: { name: 'loss', better: 'less' },
          summary: { steps: 10, ...took, idlePercent: 2 },
          amounts: ['steps'],
        }),
        sample: stageRecord({ kind: 'sample', summary: { samples: 9, ...took }, amounts: ['samples'] }),
        evaluate: stageRecord({
          kind: 'evaluate',
          summary: { recall: 0.5, fid: 3, samples: 9, referenceImages: 100 },
          amounts: ['samples', 'referenceImages'],
          headline: { name: 'fid', better: 'less' },
        }),
      },
    });
    expect((await start(['status'])).stdout).toMatch(
      / FID 3 · loss 0\.25 · recall 0\.5 · expected memory 600 MB$/,
    );
  });

  it('shows the progress of a run in another process, and that it died when it was killed', async () => {
    await mkdir(join(cwd, 'data'));
    await writeFile(join(cwd, 'data', 'a.png'), 'a');
    await writeFile(
      join(cwd, 'toy.yaml'),
      `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: 1000 }
`,
    );
    const running = start(['run', 'toy.yaml'], { program: toyMain, env: { TOY_STEP_MS: '20' } });
    let row: StatusRow | undefined;
    while (row?.stage !== 'autoencoder' || (row.progress?.done ?? 0) === 0) [row] = await list();
    expect(row).toMatchObject({ state: 'running', stage: 'autoencoder', pid: running.pid });
    expect(row.progress).toMatchObject({ total: 1000, figures: { loss: expect.any(Number) as number } });
    running.kill('SIGKILL');
    await running;
    // Another process now has its number, as far as the record tells: that must not make it alive.
    const file = join(runs, 'toy', 'latest', 'run.json');
    await writeFile(file, sealJson({ ...unsealJson(await readFile(file, 'utf8')), pid: process.pid }));
    expect((await list())[0]).toMatchObject({ state: 'died', stage: 'autoencoder', pid: process.pid });
    const finished = await start(['run', 'toy.yaml', '--set', 'stages.autoencoder.steps=3'], {
      program: toyMain,
    });
    expect(finished.exitCode).toBe(0);
    expect((await list('latest'))[0]).toMatchObject({ state: 'finished', stage: null });
  });

  it('reads one file a run: 1,000 of them', async () => {
    await writeManyRuns(runs, 1000);
    const { stdout, stderr } = await start(['status', '--json'], {
      imports: countReads,
      env: { COUNT_UNDER: runs },
    });
    const rows = JSON.parse(stdout) as StatusRow[];
    expect(rows).toHaveLength(1000);
    expect(rows.at(-1)!.id).toContain(new Date(firstStart + 999 * 60_000).toISOString().slice(0, 10));
    const { files, milliseconds } = JSON.parse(stderr.split('\n').at(-1)!) as Record<string, number>;
    // One `run.json` each, and the folders.
    expect(files).toBe(1000);
    // Far more than it takes (0.1 s), for a machine that is busy with other tests; `npm run bench:status` measures.
    expect(milliseconds).toBeLessThan(10_000);
  });
});
