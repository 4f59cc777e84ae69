import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NpzFile, writeNpz } from '../../../src/formats/npz.js';
import type { EvaluateConfig } from '../../../src/generated/index.js';
import { withDefaults } from '../../../src/runner/schema/defaults.js';
import { readSchema } from '../../../src/runner/schema/schema.js';
import { stage } from '../../../src/stages/evaluate/kind.js';
import { EfficientNet } from '../../../src/metrics/efficientnet.js';
import { frechetDistance, precisionRecall, type Rows, statisticsOf } from '../../../src/metrics/index.js';
import { obtainNetwork } from '../../../src/tensorflow/install/feature-network.js';
import { locateLibrary } from '../../../src/tensorflow/install/locate.js';
import { cacheFolder } from '../../../src/tensorflow/install/platform.js';
import { runStage } from '../../support/run-stage.js';
import { SampleBench } from '../../support/sample-stage.js';
import { tinyInception } from '../../support/tiny-inception.js';
import { toldOfDamage } from '../../support/told-of-damage.js';

const side = 6;
let folder: string;
let graph: string;

const commonCache = cacheFolder();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'evaluate-'));
  const network = await obtainNetwork();
  // The library stays where it is; features go elsewhere.
  vi.stubEnv('PIPELINE_TENSORFLOW', dirname(locateLibrary()!.cc));
  vi.stubEnv('PIPELINE_CACHE', join(folder, 'cache'));
  const copied = join(folder, 'cache', relative(commonCache, network));
  await mkdir(dirname(copied), { recursive: true });
  await copyFile(network, copied);
  graph = join(folder, 'graph.pb');
  await writeFile(graph, tinyInception());
  await writeImages('samples.npz', 40, 3);
  await writeImages('reference.npz', 30, 5);
}, 300_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Pixels that a line of Python gives as well: see the expected figures. */
function imagesOf(count: number, seed: number): Uint8Array {
  const size = side * side * 3;
  return Uint8Array.from({ length: count * size }, (_, i) => {
    const mixed = Math.imul(i + seed * 1000003, 2654435761) >>> 24;
    const brightness = (Math.floor(i / size) * seed * 13) % 64;
    return Math.floor((mixed + brightness) / 2) % 256;
  });
}

async function writeImages(name: string, count: number, seed: number, labels?: Int32Array): Promise<string> {
  const path = join(folder, name);
  await writeNpz(path, [
    { name: 'arr_0', dtype: 'u1', shape: [count, side, side, 3], data: imagesOf(count, seed) },
    ...(labels ? [{ name: 'arr_1', dtype: 'i4', shape: [count], data: labels } as const] : []),
  ]);
  return path;
}

function evaluate(keys: Readonly<Record<string, unknown>>, context: Parameters<typeof runStage>[2] = {}) {
  const config = withDefaults(readSchema('stages/evaluate.schema.json'), {
    ...{ uses: 'evaluate', samplesFile: 'samples.npz', inceptionFile: 'graph.pb', batch: 16 },
    ...keys,
  }) as EvaluateConfig;
  return runStage(stage, config, { pipelineDirectory: folder, ...context });
}

const all = ['fid', 'sfid', 'inceptionScore', 'precisionRecall'];

/**
 * From the formulas of the ADM evaluator in NumPy and SciPy (`cov`, `sqrtm`), in float64, over the features that
 * `tinyInception` is made to have of these images.
 */
const expected = {
  fid: 0.06329220892842216,
  sfid: 1.189533334757149,
  inceptionScore: 1.0002065820612989,
  precision: 0.175,
  recall: 1,
};
/** Features are float32: a relative error of 1e-7 of numbers near 1, in differences of numbers near 1. */
const close = { absolute: 1e-5 };

describe('the Inception figures', () => {
  it('are those of the ADM evaluator', async () => {
    const { summary, directory, events } = await evaluate({
      referenceFile: 'reference.npz',
      metrics: all,
      inceptionSha256: createHash('sha256').update(tinyInception()).digest('hex'),
    });
    for (const [name, value] of Object.entries(expected)) expect(summary[name]).toBeAllclose(value, close);
    expect(summary).toMatchObject({ samples: 40, referenceImages: 30 });
    expect(JSON.parse(await readFile(join(directory, 'evaluation.json'), 'utf8'))).toMatchObject({
      inceptionSha256: createHash('sha256').update(tinyInception()).digest('hex'),
    });
    // 63 spatial features: neither side has as many images.
    const warnings = events.flatMap((event) => (event.type === 'notice' ? [event.message] : []));
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/^sfid is biased: .*samples.npz has 40 images, and 63 features/);
    const done = events.flatMap((event) => (event.type === 'progress' ? [event] : [])).at(-1)!;
    expect([done.done, done.total]).toEqual([210, 210]);
  });

  it('are the same against statistics, in the layout of ADM, as against the images', async () => {
    const first = await evaluate({ referenceFile: 'reference.npz', metrics: ['fid', 'sfid'] });
    const path = join(first.directory, 'reference.npz');
    const npz = await NpzFile.open(path);
    expect(npz.names).toEqual(['mu', 'sigma', 'mu_s', 'sigma_s']);
    await npz.close();
    const { summary } = await evaluate({ referenceFile: path, metrics: ['fid', 'sfid'] });
    // Statistics are kept in float64.
    expect(summary).toMatchObject({ fid: first.summary.fid, sfid: first.summary.sfid });
    expect(summary).not.toHaveProperty('referenceImages');
  });

  it('take distances from statistics and neighbours from images, where a file has both', async () => {
    const images = await NpzFile.open(join(folder, 'reference.npz'));
    const { data } = await images.read('arr_0');
    await images.close();
    // Statistics of nothing like these images: mean 1, covariance 0 but for its diagonal.
    const sigma = Float64Array.from({ length: 81 }, (_, i) => (i % 10 === 0 ? 1 : 0));
    await writeNpz(join(folder, 'both.npz'), [
      { name: 'arr_0', dtype: 'u1', shape: [30, side, side, 3], data },
      { name: 'mu', dtype: 'f8', shape: [9], data: new Float64Array(9).fill(1) },
      { name: 'sigma', dtype: 'f8', shape: [9, 9], data: sigma },
    ]);
    const { summary } = await evaluate({ referenceFile: 'both.npz', metrics: ['fid', 'precisionRecall'] });
    expect(summary.fid).toBeGreaterThan(1);
    expect(summary.precision).toBeAllclose(expected.precision, close);
  });

  it('are 0, 1 and 1 against itself', async () => {
    const { summary } = await evaluate({
      referenceFile: 'samples.npz',
      metrics: ['fid', 'precisionRecall'],
    });
    // Features of rank 3 in 9 dimensions: roots of eigenvalues that are 0 but for rounding, 1e-17.
    expect(summary.fid).toBeAllclose(0, { absolute: 1e-8 });
    expect(summary).toMatchObject({ precision: 1, recall: 1 });
  });

  it('go on where features were left, and compute none twice', async () => {
    const cache = join(folder, 'another cache');
    vi.stubEnv('PIPELINE_CACHE', cache);
    const config = { metrics: ['inceptionScore', 'sfid'], referenceFile: 'samples.npz' };
    const whole = await evaluate(config);
    const [set] = await readdir(join(cache, 'features'));
    const file = (name: string) => join(cache, 'features', set!, name);
    // As a killed run may leave it: 21 whole rows of one kind of feature and a part of another, more of the other kind.
    await truncate(file('pooled.f32'), 21.5 * (9 * 4 + 4));
    await truncate(file('spatial.f32'), 25 * (63 * 4 + 4));
    await rm(file('spatial.npz'));
    const again = await evaluate(config);
    const told = again.events.flatMap((event) => (event.type === 'progress' ? [event] : []));
    // From the last whole batch on: batches of other images may round the last bits otherwise.
    expect(told[0]).toMatchObject({ done: 16, total: 80 });
    expect(told.at(-1)).toMatchObject({ done: 80, total: 80 });
    expect(again.summary).toEqual(whole.summary);
    const last = await evaluate(config);
    expect(last.events.find(({ type }) => type === 'progress')).toMatchObject({ done: 40 });
    vi.stubEnv('PIPELINE_CACHE', join(folder, 'cache'));
  });

  it('are computed again where what was kept is damaged, which is said', async () => {
    const cache = join(folder, 'damaged cache');
    vi.stubEnv('PIPELINE_CACHE', cache);
    const config = { metrics: ['inceptionScore', 'fid'], referenceFile: 'samples.npz' };
    const whole = await evaluate(config);
    const [set] = await readdir(join(cache, 'features'));
    const file = (name: string) => join(cache, 'features', set!, name);
    const rowBytes = 9 * 4 + 4;
    const damages: readonly (readonly [name: string, damage: (bytes: Buffer) => void, first: number])[] = [
      ['pooled.f32', (bytes) => (bytes[18 * rowBytes + 3]! ^= 1), 16],
      // As a crash of the machine leaves what was not on the disk yet.
      ['pooled.f32', (bytes) => bytes.fill(0, 33 * rowBytes), 32],
      ['pooled.f32', (bytes) => bytes.copyWithin(0, rowBytes, 2 * rowBytes), 0],
      ['pooled.npz', (bytes) => (bytes[bytes.length >> 1]! ^= 1), 40],
    ];
    for (const [name, damage, first] of damages) {
      const bytes = await readFile(file(name));
      damage(bytes);
      await writeFile(file(name), bytes);
      // The statistics would hide what the rows are.
      if (name !== 'pooled.npz') await rm(file('pooled.npz'));
      const { result: again, told } = await toldOfDamage(() => evaluate(config));
      expect(told).toHaveLength(1);
      expect(told[0]).toContain(`${file(name)} is damaged`);
      expect(again.events.find(({ type }) => type === 'progress')).toMatchObject({ done: first });
      expect(again.summary).toEqual(whole.summary);
    }
    vi.stubEnv('PIPELINE_CACHE', join(folder, 'cache'));
  });
});

describe('figures of the features of a public network', () => {
  const metrics = ['frechetDistance', 'kernelDistance', 'precisionRecall', 'classAgreement'];

  /** The unbiased estimate by its definition, in float64. */
  const discrepancy = (a: Rows, b: Rows): number => {
    const kernel = (x: Rows, i: number, y: Rows, j: number) => {
      let product = 0;
      for (let k = 0; k < x.width; k++) product += x.data[i * x.width + k]! * y.data[j * x.width + k]!;
      return (product / x.width + 1) ** 3;
    };
    const mean = (x: Rows, y: Rows) => {
      let sum = 0;
      for (let i = 0; i < x.count; i++)
        for (let j = 0; j < y.count; j++) if (x !== y || i !== j) sum += kernel(x, i, y, j);
      return sum / (x.count * (x === y ? y.count - 1 : y.count));
    };
    return mean(a, a) + mean(b, b) - 2 * mean(a, b);
  };

  it('are those of their definitions', async () => {
    const labels = (count: number) => Int32Array.from({ length: count }, (_, i) => i % 3);
    await writeImages('classes.npz', 40, 3, labels(40));
    await writeImages('reference-classes.npz', 30, 5, labels(30));
    const { summary, directory } = await evaluate({
      ...{ samplesFile: 'classes.npz', referenceFile: 'reference-classes.npz' },
      ...{ inceptionFile: undefined, metrics },
    });
    const network = await EfficientNet.open(await obtainNetwork(), { device: 'cpu', threads: 1 });
    const [own, other] = [
      (await network.run([40, side, side, 3], imagesOf(40, 3))).pooled,
      (await network.run([30, side, side, 3], imagesOf(30, 5))).pooled,
    ];
    await network.close();
    // Other batches round the last bits of float32 otherwise.
    const close = { relative: 1e-4 };
    expect(summary.frechetDistance).toBeAllclose(
      frechetDistance(statisticsOf(own), statisticsOf(other)),
      close,
    );
    expect(summary.kernelDistance).toBeAllclose(discrepancy(own, other), close);
    expect(summary.kernelDistanceError).toBeGreaterThan(0);
    expect(summary.frechetDistanceError).toBeGreaterThan(0);
    expect(summary).toMatchObject(precisionRecall(other, own));
    expect(summary.classAgreement).toBeGreaterThan(0);
    expect(JSON.parse(await readFile(join(directory, 'evaluation.json'), 'utf8'))).toMatchObject({
      features: 'efficientnet',
      efficientnetSha256: expect.stringMatching(/^579344248a93e/) as string,
    });
  });

  it('are 0, 1 and 1 against itself, where every image finds its own class nearest', async () => {
    // Two images, 20 times each.
    const one = imagesOf(2, 3);
    const data = new Uint8Array(40 * side * side * 3);
    for (let i = 0; i < 20; i++) data.set(one, i * one.length);
    const labels = Int32Array.from({ length: 40 }, (_, i) => i % 2);
    await writeNpz(join(folder, 'two.npz'), [
      { name: 'arr_0', dtype: 'u1', shape: [40, side, side, 3], data },
      { name: 'arr_1', dtype: 'i4', shape: [40], data: labels },
    ]);
    const { summary } = await evaluate({
      ...{ samplesFile: 'two.npz', referenceFile: 'two.npz', inceptionFile: undefined, metrics },
    });
    expect(summary.frechetDistance).toBeAllclose(0, { absolute: 1e-6 });
    // Unbiased: below 0 for a set and itself.
    expect(summary.kernelDistance).toBeLessThan(0);
    expect(summary).toMatchObject({ precision: 1, recall: 1, classAgreement: 1 });
  });

  it('are of the Inception network where that is chosen', async () => {
    const keys = { referenceFile: 'reference.npz', metrics: ['fid', ...metrics.slice(0, 3)] };
    const { summary } = await evaluate(keys);
    expect(summary.frechetDistance).toBe(summary.fid);
    expect(summary.precision).toBeAllclose(expected.precision, close);
    const other = await evaluate({ ...keys, features: 'efficientnet' });
    expect(other.summary.fid).toBe(summary.fid);
    expect(other.summary.frechetDistance).not.toBe(summary.fid);
    expect(other.summary.kernelDistance).not.toBe(summary.kernelDistance);
  });

  it.each([
    [['classAgreement'], 'reference.npz', 'labels-missing', /samples\.npz: classAgreement/],
    [['kernelDistance'], 'means.npz', 'reference-images-missing', /kernelDistance/],
  ])('%s cannot be had of %s', async (metrics, referenceFile, code, message) => {
    await writeNpz(join(folder, 'means.npz'), [
      { name: 'mu', dtype: 'f8', shape: [9], data: new Float64Array(9) },
      { name: 'sigma', dtype: 'f8', shape: [9, 9], data: new Float64Array(81) },
    ]);
    await expect(evaluate({ referenceFile, metrics })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('what cannot be compared', () => {
  it.each([
    ['a graph of another network', { inceptionFile: 'other.pb' }, 'inception-invalid', /other\.pb.*pool_3/],
    ['a file that is no graph', { inceptionFile: 'samples.npz' }, 'inception-invalid', /samples\.npz/],
    ['another checksum', { inceptionSha256: '0'.repeat(64) }, 'inception-checksum', /graph\.pb: its SHA-256/],
    ['a graph that is missing', { inceptionFile: 'none.pb' }, 'file-missing', /none\.pb/],
    ['statistics of another size', { referenceFile: 'small.npz' }, 'statistics-mismatch', /small\.npz.*4.*9/],
    ['statistics that fit nothing', { referenceFile: 'odd.npz' }, 'statistics-invalid', /odd\.npz.*\[4\]/],
    ['statistics with a NaN in the mean', { referenceFile: 'nan-mean.npz' }, 'statistics-invalid', /NaN/],
    ['statistics with an infinity', { referenceFile: 'infinite.npz' }, 'statistics-invalid', /Infinity/],
    [
      'a negative variance',
      { referenceFile: 'negative.npz' },
      'statistics-invalid',
      /number 2 has the variance -1/,
    ],
    ['a covariance of two minds', { referenceFile: 'skew.npz' }, 'statistics-invalid', /of 3 and 1 is not/],
    ['an npz that is not one', { referenceFile: 'graph.pb' }, 'zip-invalid', /graph\.pb/],
    ['an npz without images', { samplesFile: 'small.npz' }, 'images-missing', /small\.npz/],
    ['an npz of other arrays', { referenceFile: 'empty.npz' }, 'reference-empty', /empty\.npz/],
    ['images that are no bytes', { samplesFile: 'floats.npz' }, 'images-invalid', /floats\.npz.*f4/],
    [
      'sFID without mu_s',
      { referenceFile: 'plain.npz', metrics: ['sfid'] },
      'reference-images-missing',
      /mu_s/,
    ],
    [
      'neighbours of statistics',
      { referenceFile: 'plain.npz', metrics: ['precisionRecall'] },
      'reference-images-missing',
      /arr_0/,
    ],
  ])('%s', async (_, keys, code, message) => {
    await writeFile(join(folder, 'other.pb'), tinyInception('pool_3/_reshape'));
    const statistics = (size: number, columns = size, mean: number[] = [], covariance: number[] = []) => {
      const [mu, sigma] = [new Float64Array(size), new Float64Array(columns ** 2)];
      mu.set(mean);
      sigma.set(covariance);
      return [
        { name: 'mu', dtype: 'f8', shape: [size], data: mu },
        { name: 'sigma', dtype: 'f8', shape: [columns, columns], data: sigma },
      ] as const;
    };
    const at = (place: number, value: number) => [...new Array<number>(place).fill(0), value];
    await writeNpz(join(folder, 'nan-mean.npz'), statistics(9, 9, at(3, NaN)));
    await writeNpz(join(folder, 'infinite.npz'), statistics(9, 9, [], at(80, Infinity)));
    await writeNpz(join(folder, 'negative.npz'), statistics(9, 9, [], at(20, -1)));
    await writeNpz(join(folder, 'skew.npz'), statistics(9, 9, [], [1, ...at(27, 0.5)]));
    await writeNpz(join(folder, 'small.npz'), statistics(4));
    await writeNpz(join(folder, 'odd.npz'), statistics(4, 3));
    await writeNpz(join(folder, 'plain.npz'), statistics(9));
    await writeNpz(join(folder, 'empty.npz'), [
      { name: 'other', dtype: 'f8', shape: [1], data: new Float64Array(1) },
    ]);
    await writeNpz(join(folder, 'floats.npz'), [
      { name: 'arr_0', dtype: 'f4', shape: [1, 2, 2, 3], data: new Float32Array(12) },
    ]);
    await expect(
      evaluate({ referenceFile: 'reference.npz', metrics: ['fid'], ...keys }),
    ).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});

describe('the Fréchet distance of latents', () => {
  it('is 0 to the same images, and the same to images as to their latents', async () => {
    const bench = await SampleBench.open();
    await bench.addModel('train', 1);
    const [own, other] = [
      await bench.run({ model: 'train', count: 24, sampler: { kind: 'ode', steps: 3 } }),
      await bench.run({ model: 'train', count: 24, sampler: { kind: 'ode', steps: 3 } }, { seed: 6 }),
    ];
    const outputs: Record<string, readonly [kind: string, directory: string]> = {
      own: ['sample', own.directory],
      other: ['sample', other.directory],
      autoencoder: ['autoencoder', join(bench.folder, 'autoencoder')],
    };
    const input = (id: string) => ({
      ...{ stage: id, kind: outputs[id]![0], directory: outputs[id]![1], fingerprint: `${folder} ${id}` },
      ...{ config: null, summary: {}, seconds: 1 },
    });
    const run = (reference: string) =>
      evaluate(
        {
          ...{ samplesFile: undefined, samples: 'own', reference, autoencoder: 'autoencoder' },
          ...{ metrics: ['latentFrechetDistance'], latentGrid: 1 },
        },
        { input },
      );
    expect((await run('own')).summary.latentFrechetDistance).toBeAllclose(0, { absolute: 1e-9 });
    const { summary, events } = await run('other');
    expect(summary.latentFrechetDistance).toBeGreaterThan(1e-6);
    expect(Object.keys(summary)).toEqual([
      'latentFrechetDistance',
      'samples',
      'referenceImages',
      'computedOn',
    ]);
    // 8 features of 24 images on either side: nothing to warn of.
    expect(events.filter(({ type }) => type === 'notice')).toEqual([]);
    await bench.close();
  });
});
