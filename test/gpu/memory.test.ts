import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { main, startPipeline, tinyPipeline, untilCheckpoint } from '../support/tiny-pipeline.js';
import { fakeMachine, startOn } from './fake-gpu.js';
import type { Asked, Measured } from './images.js';

const machine = fakeMachine();

describe('plan', () => {
  const plan = (settings: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const file = join(machine.folder, 'memory.yaml');
    const autoencoder = '{ uses: autoencoder, images: images, steps: 10, channels: [32, 32, 32] }';
    const stages = [
      'images: { uses: images, path: ., size: 128 }',
      `autoencoder: ${autoencoder}`,
      'latents: { uses: encode, images: images, autoencoder: autoencoder }',
      'train: { uses: train, latents: latents, steps: 10, globalBatch: 64, model: { name: SiT-S/2, mediators: 64 } }',
      'sample: { uses: sample, model: train, autoencoder: autoencoder, count: 8, batch: 8 }',
      'evaluate: { uses: evaluate, samples: sample, reference: images, autoencoder: autoencoder, metrics: [latentFrechetDistance, kernelDistance] }',
    ];
    writeFileSync(file, `name: memory\nstages:\n${stages.map((stage) => `  ${stage}\n`).join('')}`);
    const sets = settings.flatMap((setting) => ['--set', setting]);
    return startOn(machine.gpu, machine.folder, main, ['plan', file, ...sets], env);
  };

  test('tells the memory of the GPU that every stage needs that computes', async () => {
    const { exitCode, stdout, stderr } = await plan([]);
    expect([exitCode, stderr]).toEqual([0, '']);
    const needed =
      /GPU memory: about [\d.]+ [GM]B of 147 GB on NVIDIA H200 \(fake\) for (\d+) (\w+) at once/g;
    expect([...stdout.matchAll(needed)].map(([, count, what]) => [count, what])).toEqual([
      ['64', 'images'],
      ['64', 'images'],
      ['64', 'latents'],
      ['8', 'samples'],
      ['64', 'images'],
    ]);
  });

  test('refuses more workers than there are GPUs, and names both numbers', async () => {
    const { exitCode, stderr } = await plan(['runtime.workers=2']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('2 workers were asked for, and there is 1 GPU for them');
  });

  test('refuses what does not fit it, and proposes what does', async () => {
    const small = { FAKE_GPU_GB: '8' };
    const { exitCode, stderr } = await plan([], small);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /This training needs about [\d.]+ GB of GPU memory for 64 samples at once; there are 6\.7 GB for it on NVIDIA H200/,
    );
    for (const key of ['accumulate', 'recompute']) {
      const [, value] = new RegExp(`\`${key}: (\\w+)\``).exec(stderr)!;
      const changed = await plan([`stages.train.${key}=${value!}`], small);
      expect([changed.exitCode, changed.stderr]).toEqual([0, '']);
    }
    const hidden = await plan([], { ...small, PIPELINE_DEVICE: 'cpu' });
    expect([hidden.exitCode, hidden.stdout]).toEqual([0, expect.not.stringContaining('GPU memory')]);
  });

  test.each([
    ['autoencoder', 'autoencoder', ['autoencoder.batch=512'], 'batch'],
    [
      'encoding',
      'latents',
      ['latents.batch=4096', 'latents.autoencoderMemoryMiB=16384'],
      'autoencoderMemoryMiB',
    ],
    [
      'evaluation',
      'evaluate',
      [
        'evaluate.metrics=[latentFrechetDistance, fid]',
        'evaluate.inceptionFile=graph.pb',
        'evaluate.batch=512',
      ],
      'batch',
    ],
  ])('refuses an %s that does not fit it, and proposes what does', async (what, stage, settings, key) => {
    writeFileSync(join(machine.folder, 'graph.pb'), '');
    const only = ['train=null', 'sample=null', 'autoencoder.batch=8', 'evaluate.samples=images'];
    const asked = [...only, ...settings].map((setting) => `stages.${setting}`);
    const small = { FAKE_GPU_GB: '4' };
    const { exitCode, stderr } = await plan(asked, small);
    expect(exitCode).toBe(1);
    const [, found] = new RegExp(
      `This ${what} needs about [\\d.]+ GB of GPU memory for [\\d,]+ images at once; there are [\\d.]+ GB for it on NVIDIA H200 \\(fake\\)\\.\n +Set \`${key}: (\\d+)\``,
    ).exec(stderr) ?? [undefined, stderr];
    const changed = await plan([...asked, `stages.${stage}.${key}=${found}`], small);
    expect([changed.exitCode, changed.stderr]).toEqual([0, '']);
  });
});

describe('networks of images', () => {
  // None of these was used to fit what is expected.
  test.each<Asked>([
    { work: 'encode', size: 256, batch: 8 },
    { work: 'encode', config: { channels: [64, 128, 256], latentChannels: 16 }, size: 256, batch: 4 },
    { work: 'encode', size: 1024, batch: 2, memoryMiB: 1024 },
    { work: 'decode', size: 384, batch: 2 },
    { work: 'decode', config: { channels: [32, 64, 128] }, size: 64, batch: 5 },
    { work: 'autoencoder', config: { channels: [32, 64, 64] }, size: 128, batch: 8 },
    { work: 'autoencoder', config: { channels: [128, 256] }, size: 64, batch: 8 },
    { work: 'efficientnet', size: 64, batch: 24 },
    { work: 'inception', size: 64, batch: 20 },
    { work: 'precisionRecall', size: 2048, batch: 3000 },
  ])(
    'have the peak of memory that is expected: %j',
    async (asked) => {
      const { exitCode, stdout, stderr } = await startOn(machine.gpu, machine.folder, 'test/gpu/images.ts', [
        JSON.stringify(asked),
      ]);
      expect(exitCode, stderr).toBe(0);
      const { peak, expected } = JSON.parse(stdout) as Measured;
      expect(peak / expected).toBeGreaterThan(0.85);
      expect(peak / expected).toBeLessThan(1.15);
    },
    900_000,
  );
});

describe('a training', () => {
  test('that runs out of memory ends in one error, and goes on from its last checkpoint later', async () => {
    const tiny = await tinyPipeline();
    const runs = join(tiny, 'runs');
    const run = (settings: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      startPipeline(tiny, ['run', 'tiny.yaml', ...settings], 'runs', {
        LD_LIBRARY_PATH: machine.gpu.driver,
        PIPELINE_TENSORFLOW: machine.gpu.tensorflow,
        ...env,
      });
    try {
      // Convolutions are beyond the fake GPU.
      const encoded = await run(['--until', 'latents'], { PIPELINE_DEVICE: 'cpu' });
      expect(encoded.exitCode, encoded.stderr).toBe(0);
      const settings = ['device=gpu', 'xla=false'].map((setting) => `runtime.${setting}`);
      const training = [
        '--until',
        'train',
        ...[...settings, 'stages.train.steps=1000000', 'stages.train.model.hiddenSize=256'].flatMap(
          (each) => ['--set', each],
        ),
      ];

      const first = run(training);
      await untilCheckpoint(runs);
      first.kill('SIGINT');
      expect((await first).exitCode).toBe(130);

      const before = checkpoints(runs);
      expect(before.size).toBeGreaterThan(0);
      // Others hold all but a few megabytes: what is expected to fit does not.
      const { exitCode, stderr, stdout } = await run(training, {
        FAKE_GPU_GB: '4',
        FAKE_GPU_TAKEN_MB: '3855',
      });
      expect(exitCode, stdout + stderr).toBe(1);
      expect(stderr + stdout).toMatch(
        /Stage train failed: Not enough memory.*: TensorFlow could not allocate/,
      );
      expect(stderr + stdout).not.toMatch(/^ +at /m);
      expect(checkpoints(runs)).toEqual(before);

      const third = run(training);
      const reached = newestStep(before);
      await expect.poll(() => newestStep(checkpoints(runs)), { timeout: 120_000 }).toBeGreaterThan(reached);
      third.kill('SIGINT');
      expect((await third).exitCode).toBe(130);
    } finally {
      rmSync(tiny, { recursive: true });
    }
  }, 900_000);
});

/** Files of a training's checkpoints with what they hold, by their paths. */
function checkpoints(runs: string): ReadonlyMap<string, string> {
  const train = join(runs, 'store', 'train');
  const paths = readdirSync(train, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /checkpoints\/step-\d+/.test(entry.parentPath))
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Map(paths.map((path) => [path, readFileSync(path, 'latin1')]));
}

function newestStep(files: ReadonlyMap<string, string>): number {
  return Math.max(...[...files.keys()].map((path) => Number(/step-(\d+)/.exec(path)![1])));
}
