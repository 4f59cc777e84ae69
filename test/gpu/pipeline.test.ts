import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunFile } from '../../src/runner/run/run-record.js';
import { tinyInception } from '../support/tiny-inception.js';
import { main, tinyPipeline } from '../support/tiny-pipeline.js';
import { fakeMachine, startOn, without } from './fake-gpu.js';

const machine = fakeMachine();
/** Folder of the tiny pipeline. */
let folder: string;

beforeAll(async () => {
  folder = await tinyPipeline();
  writeFileSync(join(folder, 'inception.pb'), tinyInception());
  appendFileSync(
    join(folder, 'tiny.yaml'),
    `  evaluate: { uses: evaluate, samples: sample, reference: images, inceptionFile: inception.pb, metrics: [fid, precisionRecall] }
`,
  );
  writeFileSync(
    join(folder, 'sweep.yaml'),
    'extends: tiny.yaml\nsweep: { grid: { stages.train.model.mediators: [1, 4] } }\n',
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs `pipeline` in the folder of the tiny file. */
const pipeline = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  startOn(machine.gpu, folder, main, args, {
    PIPELINE_CACHE: join(machine.folder, 'cache'),
    // The fake GPU takes no time, which is what XLA would choose kernels by.
    XLA_FLAGS: '--xla_gpu_autotune_level=0',
    ...env,
  });
const set = (...settings: readonly string[]) => settings.flatMap((setting) => ['--set', setting]);

/** What each process of a command that used a GPU launched: the lines of its log, by the GPUs that it saw. */
function logsIn(logs: string) {
  return readdirSync(logs).flatMap((name) => {
    const lines = readFileSync(join(logs, name), 'utf8').split('\n');
    const visible = /^visible (\S+)/.exec(lines[0]!)?.[1];
    return lines.some((line) => line.startsWith('launch ')) ? [{ visible, lines }] : [];
  });
}

describe('a whole pipeline', () => {
  test('runs on two GPUs, a worker each, in bfloat16; then a sweep runs a trial on each', async () => {
    const logs = mkdtempSync(join(machine.folder, 'logs-'));
    const precise = set('runtime.precision=bfloat16');
    const two = { FAKE_GPU_COUNT: '2' };
    const run = await pipeline(
      ['run', 'tiny.yaml', ...set('runtime.device=gpu', 'runtime.workers=2'), ...precise],
      { ...two, FAKE_GPU_LOG: join(logs, 'run') },
    );
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
    expect(run.stderr).toBe('');
    expect(run.stdout).toMatch(/^tiny: 7 stages on NVIDIA H200 \(fake\), run /);
    expect(run.stdout).not.toContain('warning: The processor computes');
    const runs = join(folder, 'tiny', 'latest');
    const report = readFileSync(join(runs, 'report', 'report.html'), 'utf8');
    const computedOn = [...report.matchAll(/<dt>Computed on<\/dt>\s*<dd>([^<]*)<\/dd>/g)].map(
      ([, device]) => device,
    );
    // The stages that compute: autoencoder, latents, train, sample.
    expect(computedOn).toEqual(new Array(4).fill('NVIDIA H200 (fake)'));

    const reducing = logsIn(logs).filter(({ lines }) => lines.some((line) => line.includes('ncclAllReduce')));
    // Workers of the autoencoder, then of the training.
    expect(reducing.map(({ visible }) => visible).sort()).toEqual(['0', '0', '1', '1']);

    const own = mkdtempSync(join(machine.folder, 'logs-'));
    const sweep = await pipeline(
      ['sweep', 'sweep.yaml', '--parallel', '2', ...set('runtime.device=auto'), ...precise],
      {
        ...two,
        FAKE_GPU_LOG: join(own, 'sweep'),
      },
    );
    expect(sweep.exitCode, sweep.stdout + sweep.stderr).toBe(0);
    expect(new Set(logsIn(own).map(({ visible }) => visible))).toEqual(new Set(['0', '1']));
  }, 1_800_000);
});

/** The record of the latest run below `runs`. */
const runIn = (runs: string) =>
  JSON.parse(readFileSync(join(folder, runs, 'tiny', 'latest', 'run.json'), 'utf8')) as RunFile;

describe('without a GPU that TensorFlow would register', () => {
  const away = () => join(machine.gpu.nvidia, 'cusolver', 'lib', 'libcusolver.so.11');
  const some = ['--until', 'autoencoder', '--runs', 'elsewhere'];

  test.each([
    ['device: gpu', set('runtime.device=gpu'), {}, 'runtime.device: gpu'],
    ['PIPELINE_DEVICE=gpu', set('runtime.device=auto'), { PIPELINE_DEVICE: 'gpu' }, 'PIPELINE_DEVICE=gpu'],
  ])('%s is refused before any stage', async (_, device, env, named) => {
    const { exitCode, stdout, stderr } = await without(away(), () =>
      pipeline(['run', 'tiny.yaml', ...device, ...some], env),
    );
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`A GPU was requested (${named}) but cannot be used`);
    expect(stderr).toContain('libcusolver.so.11 is missing');
    expect(runIn('elsewhere')).toMatchObject({ status: 'failed', stages: {} });
  });

  test('device: auto warns in its first line, names the processor, and keeps both with the output', async () => {
    const { exitCode, stdout, stderr } = await without(away(), () =>
      pipeline(['run', 'tiny.yaml', ...set('runtime.device=auto'), ...some]),
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^warning: The processor computes, not the GPU: .*libcusolver\.so\.11 is missing.*\ntiny: 2 stages on the processor, run /,
    );
    expect(runIn('elsewhere').stages.autoencoder!.summary).toMatchObject({
      computedOn: 'processor',
      warnings: expect.stringContaining('libcusolver.so.11') as string,
    });
  });
});
