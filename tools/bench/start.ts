import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { execa } from 'execa';
import sharp from 'sharp';
import { commandLine, whole } from './command-line.js';
import { namedModel } from './model.js';

/**
 * Times `pipeline run` from the command to the first step of a training, all else being cached:
 *
 *   npm run bench:start -- --model SiT-XL/2 --batch 1
 *
 * Prints the best of the rounds: until the stage begins (Node, the plan, hashes), and until its first step is done. Latents
 * are images of their own size in three channels.
 */

interface Options {
  readonly model: string;
  readonly mediators: number;
  readonly latent: number;
  readonly batch: number;
  readonly precision: string;
  readonly rounds: number;
  readonly node: readonly string[];
}

const { model, mediators, latent, batch, precision, rounds, node } = commandLine('bench:start')
  .option('--model <name>', 'a model of the paper', 'SiT-S/2')
  .option('--mediators <count>', 'mediators of every block; 0 for full attention', whole, 64)
  .option('--latent <size>', 'side of the latents: 32 for images of 256 px', whole, 32)
  .option('--batch <samples>', 'samples of a step', whole, 8)
  .addOption(new Option('--precision <name>').choices(['float32', 'bfloat16']).default('float32'))
  .option('--rounds <count>', 'the best of so many runs counts', whole, 3)
  .option('--node <options>', 'options of Node, such as --cpu-prof', (text) => text.split(' '), [])
  .parse()
  .opts<Options>();

namedModel(model, mediators, latent);

const program = fileURLToPath(new URL('../../dist/cli/bin.cjs', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'bench-start-'));

/** Runs the pipeline; gives the seconds until the training began, and until its first step was done. */
async function run(...args: readonly string[]): Promise<{ readonly begun: number; readonly done: number }> {
  const started = Date.now();
  let [begun, done] = [NaN, NaN];
  const all = [...node, program, 'run', 'start.yaml', '--json', '--no-lock', ...args];
  const child = execa(process.execPath, all, { cwd: folder, stderr: 'inherit', reject: false });
  for await (const text of child) {
    const { time, type, stage, event } = JSON.parse(text) as {
      readonly time: string;
      readonly type: string;
      readonly stage?: string;
      readonly event?: { readonly type: string; readonly done?: number };
    };
    if (stage !== 'train') continue;
    const seconds = (Date.parse(time) - started) / 1000;
    if (Number.isNaN(begun) && /start/i.test(type)) begun = seconds;
    if (event?.type !== 'progress' || event.done === 0) continue;
    done = seconds;
    // What follows writes checkpoints.
    child.kill('SIGKILL');
    break;
  }
  await child;
  return { begun, done };
}

try {
  const images = join(folder, 'data', 'a');
  await mkdir(images, { recursive: true });
  for (let i = 0; i < batch; i++) {
    const background = { r: (i * 37) % 256, g: (i * 91) % 256, b: 128 };
    await sharp({ create: { width: latent, height: latent, channels: 3, background } })
      .png()
      .toFile(join(images, `${i}.png`));
  }
  // JSON is YAML.
  const stages = {
    images: { uses: 'images', path: 'data', size: latent },
    autoencoder: { uses: 'autoencoder', weights: 'none' },
    latents: { uses: 'encode', images: 'images', autoencoder: 'autoencoder' },
    train: {
      ...{ uses: 'train', latents: 'latents', model: { name: model, mediators } },
      ...{ steps: 9, globalBatch: batch, runtime: { precision } },
    },
  };
  await writeFile(join(folder, 'start.yaml'), JSON.stringify({ name: 'start', stages }));
  await run('--until', 'latents');
  const runs: Awaited<ReturnType<typeof run>>[] = [];
  for (let round = 0; round < rounds; round++) runs.push(await run('--until', 'train', '--force', 'train'));
  const least = (key: 'begun' | 'done') => Math.min(...runs.map((each) => each[key])).toFixed(2);
  console.log(`${model}, ${precision}, batch ${batch}: the stage begins after ${least('begun')} s`);
  console.log(`and its first step is done after ${least('done')} s`);
} finally {
  await rm(folder, { recursive: true });
}
