import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { execa } from 'execa';
import { sitCost } from '../../src/models/sit/cost.js';
import { trainingMemory } from '../../src/models/sit/memory.js';
import type { RuntimeOptions } from '../../src/tensorflow/index.js';
import { bestOf } from './best-of.js';
import { bundled } from './bundled.js';
import { commandLine, invalidOption, whole, wholes } from './command-line.js';
import { row } from './measure.js';
import { namedModel } from './model.js';
import { forward, trainStep } from './workload.js';

/**
 * Measures forward passes and training steps of models at several resolutions, with mediators and without, and beside each
 * PyTorch's: `npm run bench:table -- tools/bench/table.jsonl --torch CHECKOUT --write docs/performance.md`.
 *
 * Each measurement is a process of its own, whose line is added to the file when it ends: the same command goes on where it
 * stopped, and prints the tables of what is there.
 */

interface Options {
  readonly models: readonly string[];
  readonly pixels: readonly number[];
  readonly batches: readonly number[];
  readonly mediators: readonly number[];
  readonly precision: NonNullable<RuntimeOptions['precision']>;
  readonly repeats: number;
  readonly torch?: string;
  readonly python: string;
  readonly limit: number;
  readonly most: number;
  readonly again?: true;
  readonly write?: string;
  readonly part?: string;
}

/** Pixels that a latent stands for, along a side. */
const pixelsPerLatent = 8;

const works = { forward, 'train step': trainStep } as const;
type What = keyof typeof works;

/** Our program, and PyTorch's ways to do the same, as `torch_best.py` names them. */
const programs = {
  forward: ['ours', 'eager', 'compiled', 'frozen'],
  'train step': ['ours', 'eager', 'compiled'],
} as const;

/** One measurement. */
interface Cell {
  readonly model: string;
  readonly pixels: number;
  readonly batch: number;
  readonly what: What;
  readonly program: string;
  readonly mediators: number;
  readonly precision: string;
}

/** Line of the file: a measurement with what came out, or why nothing did. */
interface Line extends Cell {
  readonly processor: string;
  readonly seconds?: number;
  readonly peak_rss_mb?: number;
  readonly failed?: string;
}

const processor = `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} threads`;
const list = (text: string) => text.split(',');

const program = commandLine('bench:table')
  .argument('[file]', 'lines of JSON with what was measured')
  .option('--models <names>', 'models of the paper', list, ['SiT-S/2', 'SiT-B/2', 'SiT-L/2', 'SiT-XL/2'])
  .option('--pixels <sides>', 'sides of the images', wholes, [256, 512, 1024])
  .option('--batches <samples>', 'samples a call, for each of the sides', wholes, [8, 2, 1])
  .option('--mediators <counts>', 'mediators of every block: first without, then with', wholes, [0, 64])
  .addOption(new Option('--precision <name>').choices(['float32', 'bfloat16']).default('float32'))
  .option('--repeats <count>', 'the best of so many calls counts', whole, 4)
  .option('--torch <checkout>', 'measure PyTorch too, with a checkout of LeapLabTHU/Attention-Mediators')
  .option('--python <path>', 'Python with PyTorch and timm', 'python3')
  .option('--limit <seconds>', 'most that one measurement may take', whole, 600)
  .option('--most <count>', 'measurements before it ends', whole, Infinity)
  .option('--again', 'measure all anew')
  .option('--write <page>', 'put the tables into a page, between its marks')
  .option('--part <cell>', 'one measurement, in this process');
const options = program.parse().opts<Options>();

async function measureMissing(file: string): Promise<void> {
  if (options.again) await writeFile(file, '');
  const lines = await linesOf(file);
  const other = lines.find((line) => line.processor !== processor);
  if (other !== undefined) {
    console.error(
      `${file} has figures of another processor, ${other.processor}: name another file, or --again.`,
    );
    process.exitCode = 2;
    return;
  }
  let left = options.most;
  for (const cell of cells()) {
    if (left === 0) break;
    if (lines.some((line) => isSame(line, cell))) continue;
    const needed = memoryOf(cell);
    if (needed > freemem()) {
      console.error(`${nameOf(cell)}: left out, it needs about ${(needed / 1e9).toFixed(1)} GB.`);
      continue;
    }
    const line: Line = { ...cell, processor, ...(await outcomeOf(cell)) };
    left--;
    lines.push(line);
    await appendFile(file, `${JSON.stringify(line)}\n`);
    console.error(
      `${nameOf(cell)}: ${line.failed ?? `${line.seconds!.toFixed(3)} s, ${line.peak_rss_mb} MB`}`,
    );
  }
  const text = tables(lines);
  console.log(text);
  if (options.write !== undefined) await writeInto(options.write, text);
}

/** Order of the measurements: what is compared stands together, so that it is measured within minutes: with mediators and without, then in each program. */
function* cells(): Generator<Cell> {
  const { models, pixels: sides, batches, mediators: counts, precision, torch } = options;
  for (const model of models)
    for (const [i, pixels] of sides.entries())
      for (const what of Object.keys(works) as What[])
        for (const program of torch === undefined ? ['ours'] : programs[what])
          for (const mediators of counts)
            yield { model, pixels, batch: batches[i] ?? 1, what, program, mediators, precision };
}

function isSame(a: Cell, b: Cell): boolean {
  return (['model', 'pixels', 'batch', 'what', 'program', 'mediators', 'precision'] as const).every(
    (key) => a[key] === b[key],
  );
}

function nameOf({ model, pixels, batch, what, program, mediators, precision }: Cell): string {
  return `${model}, ${pixels} px, batch ${batch}, ${precision}, ${mediators || 'no'} mediators, ${what}, ${program}`;
}

/** PyTorch's memory for each byte of ours, at most: so much must be free. */
const torchFactor = 1.6;

/** Bytes that a measurement needs, roughly: a machine without as much is left alone. */
function memoryOf({ model, pixels, batch, mediators, what, program }: Cell): number {
  const config = namedModel(model, mediators, pixels / pixelsPerLatent);
  const ours =
    what === 'train step'
      ? trainingMemory(config, { batch, averages: 1, recompute: false })
      : 1e9 +
        8 * sitCost(config).parameters +
        (batch * 4 * sitCost(config).activations) / config.mediators.length;
  return program === 'ours' ? ours : ours * torchFactor;
}

type Outcome = Pick<Line, 'seconds' | 'peak_rss_mb' | 'failed'>;

/** Measures in a process of its own, which may fail or take too long. */
async function outcomeOf(cell: Cell): Promise<Outcome> {
  const { model, pixels, batch, what, program, mediators, precision } = cell;
  const latent = pixels / pixelsPerLatent;
  const ours = [
    await bundled('table'),
    ...['--part', JSON.stringify(cell), '--repeats', String(options.repeats)],
  ];
  const theirs = [
    ...[fileURLToPath(new URL('torch_best.py', import.meta.url)), options.torch!, '--model', model],
    ...['--mediators', String(mediators), '--latent', String(latent), '--batch', String(batch)],
    ...['--precision', precision, '--repeats', String(options.repeats), '--only', what, program],
  ];
  const { stdout, failed, timedOut } = await execa(
    program === 'ours' ? process.execPath : options.python,
    program === 'ours' ? ours : theirs,
    { timeout: 1000 * options.limit, reject: false, stderr: 'inherit' },
  );
  if (timedOut) return { failed: `took longer than ${options.limit} s` };
  const line = stdout.split('\n').findLast((text) => text.startsWith('{'));
  if (failed || line === undefined) return { failed: 'failed' };
  const { seconds, peak_rss_mb } = JSON.parse(line) as Required<Outcome>;
  return { seconds, peak_rss_mb };
}

async function measurePart({ model, pixels, batch, what, mediators, precision }: Cell): Promise<void> {
  const work = await works[what]({
    model: namedModel(model, mediators, pixels / pixelsPerLatent),
    batch,
    runtime: { precision: precision as Options['precision'] },
  });
  await work.run();
  console.log(JSON.stringify(row(what, await bestOf(() => work.run(), options.repeats))));
}

async function linesOf(file: string): Promise<Line[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

/** Tables of what was measured, in Markdown: rates with what mediators gain, and PyTorch's best divided by ours. */
function tables(lines: readonly Line[]): string {
  const [without, withThem] = options.mediators as [number, number];
  const find = (of: Partial<Cell>) =>
    lines.filter(
      (line) =>
        line.seconds !== undefined &&
        Object.entries(of).every(([key, value]) => line[key as keyof Cell] === value),
    );
  const least = (found: readonly Line[]) =>
    found.reduce<Line | undefined>(
      (best, line) => (best && best.seconds! <= line.seconds! ? best : line),
      undefined,
    );
  const ours = (of: Partial<Cell>) => least(find({ ...of, program: 'ours' }));
  const theirs = (of: Partial<Cell>) => least(find(of).filter((line) => line.program !== 'ours'));
  const rate = (line: Line | undefined) => (line ? (line.batch / line.seconds!).toPrecision(3) : '');
  const gain = (a: number | undefined, b: number | undefined) => (a && b ? (a / b).toFixed(2) : '');
  const gigabytes = (line: Line | undefined) =>
    line ? ((line.peak_rss_mb! * 2 ** 20) / 1e9).toFixed(2) : '';
  const text = [`${processor}.`];
  for (const precision of new Set(lines.map((line) => line.precision))) {
    const rows = new Map(
      lines
        .filter((line) => line.precision === precision)
        .map(({ model, pixels, batch }) => [
          `${model} ${pixels} ${batch}`,
          { model, pixels, batch, precision },
        ]),
    );
    const rates: unknown[][] = [];
    const ratios: unknown[][] = [];
    const order = ({ model, pixels }: Pick<Cell, 'model' | 'pixels'>) =>
      1e6 * options.models.indexOf(model) + pixels;
    for (const of of [...rows.values()].toSorted((a, b) => order(a) - order(b))) {
      const name = [of.model, of.pixels, of.batch];
      const counted = [without, withThem].map(
        (mediators) =>
          sitCost(namedModel(of.model, mediators, of.pixels / pixelsPerLatent)).multiplyAccumulates,
      );
      const pairs = (['forward', 'train step'] as const).map((what) =>
        [without, withThem].map((mediators) => ({
          our: ours({ ...of, what, mediators }),
          their: theirs({ ...of, what, mediators }),
        })),
      );
      rates.push([
        ...name,
        gain(...(counted as [number, number])),
        ...pairs.flatMap(([a, b]) => [
          rate(a!.our),
          rate(b!.our),
          gain(a!.our?.seconds, b!.our?.seconds),
          gain(a!.their?.seconds, b!.their?.seconds),
        ]),
      ]);
      const training = pairs[1]!;
      ratios.push([
        ...name,
        ...pairs.flatMap((pair) =>
          pair.map(({ our, their }) => withWay(gain(their?.seconds, our?.seconds), their)),
        ),
        ...training.flatMap(({ our, their }) => [gigabytes(our), gain(their?.peak_rss_mb, our?.peak_rss_mb)]),
      ]);
    }
    const counts = [`${without || 'none'}`, `${withThem}`] as const;
    text.push(
      `In ${precision}, images per second with ${counts
        .map((count) => `${count} mediators`)
        .join(' and ')
        .replace('none mediators', 'no mediators')}, and how many times as many the mediators give:`,
      table(
        [
          'Model',
          'px',
          'batch',
          'fewer products',
          ...['forward', 'step'].flatMap((what) => [
            `${what}: ${counts[0]}`,
            counts[1],
            'gain',
            "PyTorch's gain",
          ]),
        ],
        rates,
      ),
    );
    if (ratios.some((cells) => cells.slice(3).some(Boolean)))
      text.push(
        `In ${precision}, PyTorch's time at its best divided by ours, and memory:`,
        table(
          [
            'Model',
            'px',
            'batch',
            ...['forward', 'step'].flatMap((what) => counts.map((count) => `${what}: ${count}`)),
            ...counts.flatMap((count) => [`GB of a step: ${count}`, "PyTorch's / ours"]),
          ],
          ratios,
        ),
      );
  }
  return text.join('\n\n');
}

function withWay(ratio: string, their: Line | undefined): string {
  return ratio && their ? `${ratio} (${their.program})` : ratio;
}

function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const marks = ['<!-- npm run bench:table -->', '<!-- end of the tables -->'] as const;

async function writeInto(page: string, text: string): Promise<void> {
  const before = await readFile(page, 'utf8');
  const [start, end] = marks.map((mark) => before.indexOf(mark)) as [number, number];
  if (start < 0 || end < start)
    throw invalidOption('--write', `a page with the marks ${marks.join(' and ')}`, page);
  await writeFile(page, `${before.slice(0, start)}${marks[0]}\n\n${text}\n\n${before.slice(end)}`);
}

if (options.part !== undefined) {
  await measurePart(JSON.parse(options.part) as Cell);
  process.exit(0);
}
await measureMissing(program.args[0] ?? 'bench-table.jsonl');
