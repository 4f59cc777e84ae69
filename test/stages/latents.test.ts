import { cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expandLocation } from '../../src/base/patterns.js';
import { LatentDataset } from '../../src/data/latents/dataset.js';
import { TorchTensorSource, writeTorchCheckpoint } from '../../src/formats/pytorch/write.js';
import { ZipArchive } from '../../src/formats/zip-reader.js';
import { readSavedModel } from '../../src/weights/saved-files.js';
import { failuresOf, runText } from '../support/run-text.js';

const fixtures = join(import.meta.dirname, '../fixtures/latents');

interface Values {
  readonly mean: number[][][][];
  readonly std: number[][][][];
  readonly flip: number[][][][];
  readonly flipStd: number[][][][];
  readonly labels: number[];
}

let folder: string;
let values: Values;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'latents-')));
  await cp(fixtures, folder, { recursive: true });
  values = JSON.parse(await readFile(join(fixtures, 'values.json'), 'utf8')) as Values;
  await mkdir(join(folder, 'photos'));
  for (let i = 0; i < 4; i++)
    await sharp({ create: { width: 16, height: 16, channels: 3, background: { r: 60 * i, g: 90, b: 30 } } })
      .png()
      .toFile(join(folder, 'photos', `${i}.png`));
});
afterAll(() => rm(folder, { recursive: true }));

const before = `name: ready
runtime: { device: cpu, threads: 1 }
stages:
  images: { uses: images, path: photos, labels: none, size: 16 }
  autoencoder: { uses: autoencoder, images: images, channels: [8, 16], steps: 2, batch: 4 }
`;
const after = `  train: { uses: train, latents: latents, model: { hiddenSize: 16, depth: 1, heads: 2, patchSize: 1, mediators: 4 }, steps: 2, globalBatch: 4 }
  sample: { uses: sample, model: train, autoencoder: autoencoder, count: 6, guidanceScale: 2, sampler: { steps: 4 } }
  back: { uses: sample, model: train, autoencoder: autoencoder, reverse: latents, count: 2, sampler: { kind: ode, method: heun, steps: 4 } }
  evaluate: { uses: evaluate, samples: sample, reference: latents, autoencoder: autoencoder, metrics: [latentFrechetDistance] }
`;

const run = (text: string) => runText(folder, 'ready.yaml', text);
const output = (stage: string) => join(folder, 'runs/ready/latest', stage);

/** Channels last, as batches are. */
const flat = (latent: number[][][]): number[] =>
  latent[0]!.flatMap((row, y) => row.flatMap((_, x) => latent.map((channel) => channel[y]![x]!)));

async function read(path: string, order: readonly number[], flipped: boolean) {
  const dataset = await LatentDataset.open(output('latents'), { places: expandLocation(join(folder, path)) });
  const [mean, std] = [new Float32Array(6 * 64), new Float32Array(6 * 64)];
  await dataset.readBatch(
    order.map((_, i) => i),
    { mean, std },
    order.map(() => flipped),
  );
  await dataset.close();
  return { mean, std, dataset };
}

const close = (found: Float32Array, wanted: readonly number[]) => {
  expect(found.length).toBe(wanted.length);
  // Float32 after a product and a quotient.
  found.forEach((value, i) => {
    expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-5 * (1 + Math.abs(wanted[i]!)));
  });
};

const inOrder = [0, 1, 2, 3, 4, 5];
const forms = [
  {
    form: 'LightningDiT',
    path: 'lightningdit',
    scale: 1,
    order: inOrder,
    classes: ['0', '2', '10'],
    flips: true,
  },
  { form: 'fast-DiT', path: 'fast-dit', scale: 0.18215, order: inOrder, classes: ['0', '2', '10'] },
  {
    ...{ form: 'MAR', path: 'mar', scale: 1, order: [2, 5, 0, 3, 1, 4], classes: ['n00', 'n02', 'n10'] },
    ...{ flips: true, posterior: true },
  },
  { form: 'EDM2', path: 'edm2.zip', scale: 1, order: inOrder, classes: ['0', '2', '10'], posterior: true },
] as const;

describe('latents of other programs', { timeout: 120_000 }, () => {
  it.each(forms)('$form: train a model, which is sampled and decoded', async (each) => {
    const { path, scale, order, classes } = each;
    const latents = `  latents: { uses: latents, path: ${path}, autoencoder: autoencoder, scale: ${scale} }\n`;
    const events = await run(before + latents + after);
    expect(failuresOf(events)).toEqual([]);

    const straight = await read(path, order, false);
    const zeros = order.flatMap(() => new Array<number>(64).fill(0));
    const hasPosterior = 'posterior' in each;
    const hasFlips = 'flips' in each;
    close(
      straight.mean,
      order.flatMap((i) => flat(values.mean[i]!)),
    );
    close(straight.std, hasPosterior ? order.flatMap((i) => flat(values.std[i]!)) : zeros);
    const mirrored = await read(path, order, true);
    close(
      mirrored.mean,
      order.flatMap((i) => flat((hasFlips ? values.flip : values.mean)[i]!)),
    );
    if (hasPosterior)
      close(
        mirrored.std,
        order.flatMap((i) => flat((hasFlips ? values.flipStd : values.std)[i]!)),
      );
    expect(straight.dataset.classes).toEqual(classes);
    expect([...straight.dataset.labels]).toEqual(order.map((i) => [0, 2, 10].indexOf(values.labels[i]!)));

    const { statistics } = straight.dataset.index;
    const channel = order.flatMap((i) => values.mean[i]![1]!.flat());
    expect(statistics.mean[1]).toBeCloseTo(channel.reduce((sum, value) => sum + value) / channel.length, 5);
    expect((await readSavedModel(output('train'))).normalization).toEqual(statistics);
  });

  it('train without classes, start from a model of another scale with a warning, and have a section in reports', async () => {
    const latents =
      '  latents: { uses: latents, path: lightningdit, autoencoder: autoencoder, scale: 1, labels: none }\n';
    const others = '  others: { uses: latents, path: lightningdit, autoencoder: autoencoder, scale: 4 }\n';
    const train = after.split('\n')[0]!;
    const again = train
      .replace('  train:', '  again:')
      .replace('latents: latents', 'latents: others, start: train');
    const report = '  report: { uses: report, stages: [latents, others, train] }\n';
    const events = await run(`${before}${latents}${others}${train}\n${again}\n${report}`);
    expect(failuresOf(events)).toEqual([]);
    const { dataset } = await read('lightningdit', inOrder, false);
    expect(dataset.classes).toEqual(['all']);
    expect([...dataset.labels]).toEqual([0, 0, 0, 0, 0, 0]);
    const page = await readFile(join(output('report'), 'report.html'), 'utf8');
    const text = page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
    expect(text).toContain(
      '6 latents of 4 × 4 × 4 in 1 class, as LightningDiT stores them, with mirrored ones.',
    );
    expect(text).toMatch(/Channels of the latents .*Deviation 1 /);
    const warnings = JSON.stringify(events.filter((event) => JSON.stringify(event).includes('"warning"')));
    expect(warnings).toMatch(
      /Normalised as those that train was .* latents of others have deviations of 0\.250? /,
    );
  });

  it('without classes allow neither their names nor guidance by them, at plan', async () => {
    const latents =
      '  latents: { uses: latents, path: lightningdit, autoencoder: autoencoder, scale: 1, labels: none, classNames: names.txt }\n';
    const found = await run(before + latents + after).catch(String);
    expect(found).toContain('"no-effect"');
    expect(found).toContain('"untrained-guidance"');
    expect(found).not.toContain('undefined');
  });

  it("are read from EDM2's archive unpacked, as REPA has it", async () => {
    const file = await ZipArchive.open(join(fixtures, 'edm2.zip'));
    for (const name of file.names) {
      await mkdir(dirname(join(folder, 'vae-sd', name)), { recursive: true });
      await writeFile(join(folder, 'vae-sd', name), await file.read(name));
    }
    await file.close();
    const latents = '  latents: { uses: latents, path: vae-sd, autoencoder: autoencoder, scale: 1 }\n';
    const odd = after.replace('patchSize: 1', 'patchSize: 3').split('\n')[0]!;
    const failures = failuresOf(await run(`${before}${latents}${odd}\n`));
    expect(failures.map(({ code }) => code)).toEqual(['size-not-divisible']);
    const { mean, std, dataset } = await read('vae-sd', inOrder, false);
    close(
      mean,
      inOrder.flatMap((i) => flat(values.mean[i]!)),
    );
    close(
      std,
      inOrder.flatMap((i) => flat(values.std[i]!)),
    );
    expect([...dataset.labels]).toEqual([1, 2, 0, 1, 2, 0]);
  });

  it('are normalised by the statistics beside them', async () => {
    const tensor = (data: readonly number[]) =>
      new TorchTensorSource('F32', [1, 4, 1, 1], Float32Array.from(data));
    const [mean, std] = [
      [1, 2, 3, 4],
      [0.5, 1, 2, 4],
    ] as const;
    const place = join(folder, 'with');
    await cp(join(fixtures, 'lightningdit'), place, { recursive: true });
    await writeTorchCheckpoint(join(place, 'latents_stats.pt'), { mean: tensor(mean), std: tensor(std) });
    const latents =
      '  latents: { uses: latents, path: with, autoencoder: autoencoder, scale: 1, flips: false }\n';
    expect(failuresOf(await run(before + latents))).toEqual([]);
    const { dataset } = await read('with', inOrder, false);
    expect(dataset.index.normalization).toEqual({ mean, std });
    expect([...dataset.hasFlipped]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('that change later are not trained on', async () => {
    const text = `${before}  latents: { uses: latents, path: changed, autoencoder: autoencoder, scale: 1 }\n`;
    await cp(join(fixtures, 'fast-dit'), join(folder, 'changed'), { recursive: true });
    expect(failuresOf(await run(text))).toEqual([]);
    const file = join(folder, 'changed/imagenet256_features/9.npy');
    const content = await readFile(file);
    content[200]! ^= 1;
    await writeFile(file, content);
    // Found by the fingerprint, and so looked at anew.
    const events = await run(text);
    expect(failuresOf(events)).toEqual([]);
    expect(events.filter(({ type }) => type === 'stage-cached')).toHaveLength(2);
  });

  it.each([
    ['nothing', 'photos', 'latents-form-unknown', 'found 4 others'],
    ['a label missing', 'lone', 'foreign-latents-invalid', 'found 6 and 5'],
    ['another autoencoder', 'wide', 'autoencoder-mismatch', 'have 2 channels; those of autoencoder have 4'],
    ['a file that is cut off', 'cut', 'safetensors-invalid', 'latents_rank00_shard001'],
    ['no place', 'absent', undefined, 'absent'],
  ])('are refused by name: %s', async (_, path, code, message) => {
    if (path === 'lone') {
      await cp(join(fixtures, 'fast-dit'), join(folder, path), { recursive: true });
      await rm(join(folder, path, 'imagenet256_labels/13.npy'));
    }
    if (path === 'cut') {
      await cp(join(fixtures, 'lightningdit'), join(folder, path), { recursive: true });
      const file = join(folder, path, 'latents_rank00_shard001.safetensors');
      await writeFile(file, (await readFile(file)).subarray(0, -8));
    }
    if (path === 'wide') {
      await cp(join(fixtures, 'mar'), join(folder, path), { recursive: true });
      const { writeNpz } = await import('../../src/formats/npz.js');
      for (const name of ['n00/2', 'n00/5', 'n02/0', 'n02/3', 'n10/1', 'n10/4'])
        await writeNpz(join(folder, path, `${name}.JPEG.npz`), [
          { name: 'moments', dtype: 'f4', shape: [4, 4, 4], data: new Float32Array(64) },
        ]);
    }
    const text = `${before}  latents: { uses: latents, path: ${path}, autoencoder: autoencoder, scale: 1 }\n`;
    const [failure] = await run(text).then(failuresOf, (error: unknown) => [
      error as { code: string; message: string },
    ]);
    if (code !== undefined) expect(failure?.code).toBe(code);
    expect(failure?.message).toContain(message);
  });
});
