import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, vi } from 'vitest';
import type { StageContext } from '../../src/runner/stage.js';
import { TrainingRecords } from '../../src/stages/training/records.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const python = process.env.PIPELINE_PYTHON ?? 'python3';

/** Has Python find the package, installed into `folder` where it is not there; returns why that cannot be. */
async function providePackage(folder: string): Promise<string | undefined> {
  const present = await execa(python, ['-c', 'import wandb'], { reject: false });
  if (present.exitCode === 0) return undefined;
  const install = ['-m', 'pip', 'install', '--quiet', '--target', folder, 'wandb==0.31.0'];
  const { failed, stderr } = await execa(python, install, { reject: false, timeout: 300_000 });
  vi.stubEnv('PYTHONPATH', folder);
  return failed
    ? `${python} has no package wandb, and it cannot be installed: ${stderr.slice(-300)}`
    : undefined;
}

it('Weights & Biases takes a run up under its id', async ({ skip, onTestFinished }) => {
  onTestFinished(() => void vi.unstubAllEnvs());
  const reason = await providePackage(await temporaryFolder('wandb'));
  if (reason !== undefined) skip(reason);
  vi.stubEnv('WANDB_API_KEY', '');
  const directory = await temporaryFolder('records');
  const context = { id: 'train', pipelineName: 'test', pipelineDirectory: directory, directory };
  const wandb = { project: 'p', mode: 'offline' } as const;
  for (const step of [10, 20]) {
    const records = await TrainingRecords.open(
      { config: { tensorboard: false, wandb }, samples: 8 },
      context as StageContext,
      step - 10,
    );
    await records.log(step, { loss: step, [`figureOf${step}`]: 1 });
    await records.close();
    expect(records.takeNotices()).toEqual([
      { type: 'notice', level: 'info', message: expect.stringContaining('Weights & Biases: ') as string },
    ]);
  }
  const { id } = JSON.parse(await readFile(join(directory, 'wandb.json'), 'utf8')) as { id: string };
  const runs = (await readdir(join(directory, 'wandb'))).filter((name) => name.startsWith('offline-run-'));
  expect(runs.sort().map((run) => run.split('-').at(-1))).toEqual([id, id]);
  // The figures are in the files that `wandb sync` sends.
  for (const [i, run] of runs.entries())
    expect(await readFile(join(directory, 'wandb', run, `run-${id}.wandb`), 'latin1')).toContain(
      `figureOf${10 * (i + 1)}`,
    );
});

/** A training that is killed as soon as it has recorded something, before the package can have been loaded. */
const killed = (directory: string): string => `
import { TrainingRecords } from ${JSON.stringify(new URL('../../src/stages/training/records.js', import.meta.url).href)};
const directory = ${JSON.stringify(directory)};
const config = { tensorboard: false, wandb: { project: 'p', mode: 'offline' } };
const context = { id: 'train', pipelineName: 'test', pipelineDirectory: directory, directory };
const records = await TrainingRecords.open({ config, samples: 8 }, context, 0);
for (let step = 1; step <= 3000; step++) await records.log(step, { loss: step, ['figureOf' + step]: 1 });
process.kill(process.pid, 'SIGKILL');
`;

it('Weights & Biases gets what was recorded before the training was killed', async ({
  skip,
  onTestFinished,
}) => {
  onTestFinished(() => void vi.unstubAllEnvs());
  const reason = await providePackage(await temporaryFolder('wandb'));
  if (reason !== undefined) skip(reason);
  const directory = await temporaryFolder('records');
  const program = join(directory, 'killed.mts');
  await writeFile(program, killed(directory));
  const { signal } = await execa(process.execPath, ['--import', import.meta.resolve('tsx'), program], {
    reject: false,
  });
  expect(signal).toBe('SIGKILL');
  const { id } = JSON.parse(await readFile(join(directory, 'wandb.json'), 'utf8')) as { id: string };
  await vi.waitFor(async () => {
    const [run = ''] = (await readdir(join(directory, 'wandb'))).filter((name) =>
      name.startsWith('offline-run-'),
    );
    const text = await readFile(join(directory, 'wandb', run, `run-${id}.wandb`), 'latin1');
    for (const step of [1, 1000, 3000]) expect(text).toContain(`figureOf${step}`);
  }, 120_000);
});
