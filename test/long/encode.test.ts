import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { digest } from '../support/digest.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { startPipeline } from '../support/tiny-pipeline.js';

const images = 3000;
const inShard = 300;
const fewer = 600;

const yaml = (path: string) => `name: many
seed: 1
runtime: { device: cpu, threads: 1 }
stages:
  few: { uses: images, path: few, size: 16 }
  images: { uses: images, path: ${path}, size: 16 }
  autoencoder: { uses: autoencoder, images: few, channels: [8, 16], steps: 4, batch: 8 }
  latents: { uses: encode, images: images, autoencoder: autoencoder, flips: true, batch: 30, shardSize: ${inShard} }
`;

/** Pictures that all differ, a class for each shard: a pixel's colour is a function of the picture and its place. */
async function writeImages(folder: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const path = join(folder, `class ${Math.floor(i / inShard)}`);
    if (i % inShard === 0) await mkdir(path, { recursive: true });
    const data = Uint8Array.from(
      { length: 16 * 16 * 3 },
      (_, at) => 128 + 127 * Math.sin(i + at * (1 + i / 999)),
    );
    await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
      .png()
      .toFile(join(path, `${i}.png`));
  }
}

/** Shards that lie whole in the store of a run, whether it goes on or not. */
async function shards(runs: string): Promise<number> {
  const names = await readdir(join(runs, 'store', 'encode'), { recursive: true }).catch(() => []);
  return names.filter((name) => /latents-\d+\.safetensors$/.test(name)).length;
}

async function digests(runs: string): Promise<Record<string, string>> {
  const output = join(runs, 'many', 'latest', 'latents');
  const names = (await readdir(output)).filter((name) => name !== 'manifest.json');
  const each = names.sort().map(async (name) => [name, await digest(join(output, name))] as const);
  return Object.fromEntries(await Promise.all(each));
}

it('encoding that is killed twice ends with the same bytes, and in memory that does not grow with the images', async () => {
  const folder = await temporaryFolder('many images');
  await writeImages(join(folder, 'few'), fewer);
  await writeImages(join(folder, 'data'), images);
  const watch = join(folder, 'watch.mjs');
  await writeFile(
    watch,
    `process.on('exit', () => console.error(\`peak \${process.resourceUsage().maxRSS / 1024} MiB\`));\n`,
  );
  const run = (runs: string) =>
    startPipeline(folder, ['run', 'many.yaml'], runs, {
      NODE_OPTIONS: `--import ${pathToFileURL(watch).href}`,
    });
  const peakMiB = async (runs: string) => {
    const { exitCode, stdout, stderr } = await run(runs);
    expect(exitCode, stdout + stderr).toBe(0);
    return Number(/peak ([\d.]+) MiB/.exec(stderr)![1]);
  };

  await writeFile(join(folder, 'many.yaml'), yaml('few'));
  const few = await peakMiB('runs of few');
  await writeFile(join(folder, 'many.yaml'), yaml('data'));
  const many = await peakMiB('undisturbed');
  // Five times the images; what is allocated by and by differs by 20 MiB from run to run.
  expect(many - few).toBeLessThan(60);

  const runs = join(folder, 'killed');
  for (const present of [2, 6]) {
    const running = run('killed');
    while ((await shards(runs)) < present) await new Promise((resolve) => setTimeout(resolve, 5));
    running.kill('SIGKILL');
    expect((await running).signal).toBe('SIGKILL');
    expect(await shards(runs)).toBeLessThan(images / inShard);
  }
  await peakMiB('killed');
  const undisturbed = await digests(join(folder, 'undisturbed'));
  expect(Object.keys(undisturbed).filter((name) => name.endsWith('.safetensors'))).toHaveLength(
    images / inShard,
  );
  expect(await digests(runs)).toEqual(undisturbed);
});
