import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatBytes } from '../../src/base/format.js';
import type { EvaluateConfig } from '../../src/generated/index.js';
import { computeFrechetDistance, frechetDistanceError } from '../../src/metrics/index.js';
import { featureFigures } from '../../src/stages/evaluate/feature-figures.js';
import { StoredFeatures } from '../../src/stages/evaluate/feature-store.js';
import type { ImageSet } from '../../src/stages/evaluate/image-set.js';
import type { FeatureNetwork } from '../../src/stages/evaluate/networks.js';
import { startEngine } from '../../src/tensorflow/index.js';
import { wholeOption } from './command-line.js';

/**
 * Measures the figures of `uses: evaluate` on features of the size of papers, without images: `tsx evaluation.ts --count
 * 50000 --width 2048 --kept FOLDER` prints the time of each part and the peak of memory, and leaves the features in the
 * folder, for `evaluation_scipy.py` to compute the same from. Features are normal, with means and covariances whose
 * Fréchet distance is known.
 */
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '50000' },
    width: { type: 'string', default: '2048' },
    kept: { type: 'string' },
    metrics: { type: 'string', default: 'kernelDistance,precisionRecall,classAgreement' },
  },
});
const [count, width] = [wholeOption('--count', values.count), wholeOption('--width', values.width)];
const classes = 1000;

/** Deviations along the axes that both sides share, and the mean there. */
const sides = [
  { deviation: (axis: number) => 1 / Math.sqrt(1 + axis), mean: 0.4 },
  { deviation: (axis: number) => 1.2 / (1 + axis) ** 0.45, mean: 0.41 },
] as const;
/** Of normal distributions whose covariances have the same axes. */
const known = Array.from({ length: width }, (_, axis) => {
  const [a, b] = sides.map(({ deviation }) => deviation(axis));
  return (a! - b!) ** 2 + (sides[0].mean - sides[1].mean) ** 2;
}).reduce((sum, value) => sum + value, 0);

const [axis, length] = [Float64Array.from({ length: width }, (_, i) => Math.sin(1 + i * i)), { squared: 0 }];
for (const value of axis) length.squared += value * value;

/** A function that gives uniform numbers between 0 and 1 (mulberry32). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
}

/** The features of an image: a function of its number, whatever its pixels. */
function featuresOf(side: 0 | 1, image: number, into: Float32Array): void {
  const { mean } = sides[side];
  const next = uniform(2 * image + side + 0x5eed);
  const row = new Float64Array(width);
  let along = 0;
  for (let i = 0; i < width; i += 2) {
    const [radius, angle] = [Math.sqrt(-2 * Math.log(next())), 2 * Math.PI * next()];
    row[i] = radius * Math.cos(angle) * deviations[side][i]!;
    if (i + 1 < width) row[i + 1] = radius * Math.sin(angle) * deviations[side][i + 1]!;
  }
  for (let i = 0; i < width; i++) along += row[i]! * axis[i]!;
  // A reflection turns the axes, so that no covariance is diagonal.
  for (let i = 0; i < width; i++) into[i] = mean + row[i]! - (2 * along * axis[i]!) / length.squared;
}
const deviations = sides.map(({ deviation }) =>
  Float64Array.from({ length: width }, (_, i) => deviation(i)),
) as [Float64Array, Float64Array];

/** A network whose features of an image depend on its number, which its pixels hold. */
const networkOf = (side: 0 | 1): FeatureNetwork => ({
  name: 'inception',
  main: 'pooled',
  identity: `normal ${side} ${width}`,
  widths: { pooled: width },
  features: ({ shape: [rows], data }) => {
    const numbers = new Int32Array(Uint8Array.from(data).buffer);
    const features = new Float32Array(rows * width);
    for (let i = 0; i < rows; i++)
      featuresOf(side, numbers[i]!, features.subarray(i * width, (i + 1) * width));
    return Promise.resolve({ pooled: { count: rows, width, data: features } });
  },
  close: () => Promise.resolve(),
});

const set = (name: string): ImageSet => ({
  name,
  holds: 'images',
  count,
  identity: `${name} ${count}`,
  labels: { numbers: Int32Array.from({ length: count }, (_, i) => i % classes) },
  batches: async function* (first, size) {
    for (let start = first; start < count; start += size) {
      const rows = Math.min(size, count - start);
      const numbers = Int32Array.from({ length: rows }, (_, i) => start + i);
      yield await Promise.resolve({ shape: [rows, 1, 1, 4] as const, data: new Uint8Array(numbers.buffer) });
    }
  },
  close: () => Promise.resolve(),
});

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const [start, used] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(used);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const peak = formatBytes(process.resourceUsage().maxRSS * 1024);
  console.log(`${what}: ${seconds} s, ${((user + system) / 1e6).toFixed(1)} s of processor, peak ${peak}`);
  return result;
}

const folder = values.kept ?? (await mkdtemp(join(tmpdir(), 'bench-evaluation-')));
const runtime = { precision: 'float32' } as const;
const { signal } = new AbortController();
try {
  await startEngine({ device: 'cpu' });
  // The library is found: what is written from here on goes to the folder.
  process.env.PIPELINE_CACHE = folder;
  const options = { batch: 256, signal, directory: folder, onImages: () => undefined };
  const [samples, reference] = [set('samples'), set('reference')];
  const own = await timed('features of samples', () => StoredFeatures.of(networkOf(0), samples, options));
  const other = await timed('features of reference', () =>
    StoredFeatures.of(networkOf(1), reference, options),
  );
  const a = await timed('statistics of samples', () => own.statistics('pooled', runtime, signal));
  const b = await timed('statistics of reference', () => other.statistics('pooled', runtime, signal));
  const distance = await timed('frechetDistance', () => computeFrechetDistance(a, b, runtime, signal));
  const error = await frechetDistanceError(own.rows('pooled'), b, runtime, signal);
  console.log(JSON.stringify({ frechetDistance: distance, error, ofDistributions: known }));
  for (const metric of values.metrics.split(',') as EvaluateConfig['metrics'])
    console.log(
      JSON.stringify(
        await timed(metric, () =>
          featureFigures(
            [metric],
            { ...samples, rows: own.rows('pooled') },
            { ...reference, rows: other.rows('pooled') },
            runtime,
            { signal },
          ),
        ),
      ),
    );
} finally {
  if (values.kept === undefined) await rm(folder, { recursive: true, force: true });
}
