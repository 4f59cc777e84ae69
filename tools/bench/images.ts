import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import sharp from 'sharp';
import { wholeOption } from './command-line.js';

/**
 * Measures reading JPEG files of 500 by 375 pixels and cropping them to 256, and beside it, where a command is given, the
 * same by another program: `npm run bench:images -- --against "python tools/bench/torchvision_images.py"`. With `--encode`,
 * autoencoders encode images of that size too, as `encode` does with what was read.
 */
const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    count: { type: 'string', default: '400' },
    repeats: { type: 'string', default: '3' },
    encode: { type: 'boolean', default: false },
  },
});
const [count, repeats] = [wholeOption('--count', values.count), wholeOption('--repeats', values.repeats)];
const size = 256;
/** Images that are asked for at any time: half of what torchvision's DataLoader reads ahead with two workers. */
const atOnce = 64;
/** Readings that nobody times: a thread's code is compiled as it runs, and DataLoader's workers have been through once too. */
const warmUps = 8;

// Threads for cropping start from compiled files alone.
const compiled = <T>(path: string) =>
  import(new URL(`../../dist/${path}`, import.meta.url).href) as Promise<T>;
const { ImageDataset } =
  await compiled<typeof import('../../src/data/images/dataset.js')>('data/images/dataset.js');
const { startEngine } =
  await compiled<typeof import('../../src/tensorflow/engine.js')>('tensorflow/engine.js');
const { writeImageIndex } = await compiled<typeof import('../../src/data/images/image-index.js')>(
  'data/images/image-index.js',
);

// Stages that read images compute with them.
await startEngine({ device: 'cpu' });

const folder = await mkdtemp(join(tmpdir(), 'bench-images-'));
try {
  const names = Array.from({ length: count }, (_, i) => `${String(i).padStart(5, '0')}.jpg`);
  await mkdir(join(folder, 'images'));
  for (const [i, name] of names.entries()) await writeFile(join(folder, 'images', name), await photo(i));
  const set = { size, background: '#ffffff', classes: ['all'], count };
  await writeImageIndex(
    folder,
    set,
    names.map((path) => ({ path, label: 0, width: 500, height: 375 })),
  );
  const images = await ImageDataset.open(folder, join(folder, 'images'), { memoryLimit: 0 });
  const pixels = new Uint8Array(count * size ** 2 * 3);
  const read = async () => {
    const start = performance.now();
    let next = 0;
    const readOn = async () => {
      while (next < count) {
        const index = next++;
        await images.with(index, (bytes) => {
          pixels.set(bytes, index * bytes.length);
        });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, readOn));
    return (count / (performance.now() - start)) * 1000;
  };
  const theirs: number[] = [];
  const ours: number[] = [];
  let library = '';
  let difference = 0;
  for (let i = 0; i < warmUps; i++) await read();
  for (let repeat = 0; repeat < repeats; repeat++) {
    ours.push(await read());
    if (values.against === undefined) continue;
    const out = join(folder, 'crops');
    const { stdout } = await execa({
      shell: true,
      stderr: 'inherit',
    })`${values.against} ${join(folder, 'images')} ${out} ${String(size)}`;
    const result = JSON.parse(stdout) as { library: string; imagesPerSecond: number };
    library = result.library;
    theirs.push(result.imagesPerSecond);
    difference = differenceOf(pixels, await readFile(out));
  }
  const best = Math.max(...ours);
  process.stdout.write(`mediator-sit: ${best.toFixed(0)} images/s\n`);
  if (theirs.length > 0) {
    const other = Math.max(...theirs);
    process.stdout.write(`${library}: ${other.toFixed(0)} images/s\n`);
    process.stdout.write(
      `${(best / other).toFixed(2)} times as fast; pixels differ by at most ${difference} of 255\n`,
    );
  }
  if (values.encode) {
    const program = fileURLToPath(new URL('encoding.ts', import.meta.url));
    await execa(process.execPath, [...process.execArgv, program, String(size)], { stdio: 'inherit' });
  }
} finally {
  await rm(folder, { recursive: true });
}

/** Noise of several scales: its JPEG file is about as large as that of a photo. */
async function photo(seed: number): Promise<Buffer> {
  const sum = new Float64Array(500 * 375 * 3).fill(128);
  for (const [side, strength] of [
    [4, 90],
    [12, 60],
    [40, 40],
    [120, 22],
    [400, 10],
  ] as const) {
    let state = seed * 977 + side;
    const noise = Uint8Array.from({ length: side * side * 3 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
    const scaled = await sharp(noise, { raw: { width: side, height: side, channels: 3 } })
      .resize(500, 375, { fit: 'fill' })
      .raw()
      .toBuffer();
    for (const [i, value] of scaled.entries()) sum[i]! += ((value - 128) / 128) * strength;
  }
  return sharp(Uint8ClampedArray.from(sum), { raw: { width: 500, height: 375, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}

function differenceOf(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) throw new Error(`${a.length} bytes of crops and ${b.length}.`);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}
