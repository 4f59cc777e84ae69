import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import {
  forgetPeakGpuMemory,
  gpuMemory,
  nativeBackend,
  type RuntimeOptions,
  tf,
} from '../../src/tensorflow/index.js';
import { rateOf, secondsOf } from './bare-products.js';
import { wholeOption } from './command-line.js';
import { namedModel } from './model.js';
import { forward, trainStep, type Work } from './workload.js';

/**
 * Measures a machine with a GPU in one run of under five minutes and prints a table: devices, bare products, whether the
 * first loss is the processor's, forward passes and training steps in every setting, memory, and PyTorch's compiled step.
 * It needs the sources and the packages of this project, and no build.
 *
 *   npm run bench:gpu -- [--models SiT-S/2:64,SiT-XL/2:32] [--mediators 64] [--latent 32] [--blocks COUNT]
 *                        [--seconds 290] [--torch CHECKOUT] [--json]
 *
 * Each measurement is a process of its own, with a limit: what fails or takes too long leaves the others alone, and what
 * matters most comes first. Figures are the best of the calls in two seconds, after the first. `--blocks` takes models of
 * so many blocks, for a trial.
 */

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'SiT-S/2:64,SiT-XL/2:32' },
    mediators: { type: 'string', default: '64' },
    latent: { type: 'string', default: '32' },
    blocks: { type: 'string' },
    seconds: { type: 'string', default: '290' },
    torch: { type: 'string' },
    json: { type: 'boolean', default: false },
    // One measurement, in a process of its own.
    part: { type: 'string' },
  },
});

/** Seconds of the whole. */
const wholeSeconds = wholeOption('--seconds', values.seconds);

/** Time in which calls are repeated. */
const repeatSeconds = 2;
/** Most of the whole time that one measurement may take; the least that is left for one that still begins. */
const largestPart = 1 / 3;
const leastSeconds = 5;
/** Limit of looking for devices, which the rest then lacks. */
const devicesSeconds = 120;

/** As runs compute, first; operation by operation last. */
const settings = {
  'bfloat16, XLA': { precision: 'bfloat16', xla: true },
  'float32 (TF32), XLA': { precision: 'float32', xla: true },
  bfloat16: { precision: 'bfloat16', xla: false },
  'float32 (TF32)': { precision: 'float32', xla: false },
} as const satisfies Record<string, RuntimeOptions>;
type Setting = keyof typeof settings;

/** Ways to the first loss, rounded by neither TF32 nor bfloat16: all kernels' correctness at once. */
const ways = {
  processor: { device: 'cpu' },
  GPU: { device: 'gpu', xla: false },
  'GPU, XLA': { device: 'gpu', xla: true },
} as const satisfies Record<string, RuntimeOptions>;
type Way = keyof typeof ways;

type Part =
  | { readonly kind: 'devices' }
  | { readonly kind: 'products' }
  | { readonly kind: 'loss'; readonly model: string; readonly way: Way }
  | { readonly kind: 'model'; readonly model: string; readonly batch: number; readonly setting: Setting };

/** A line of the table; `note` where there is no figure. */
interface Row {
  readonly what: string;
  readonly first?: number;
  readonly seconds?: number;
  readonly imagesPerSecond?: number;
  readonly memoryMiB?: number;
  readonly note?: string;
}

if (values.part === undefined) await measureAll();
else {
  for await (const row of measurePart(JSON.parse(values.part) as Part)) console.log(JSON.stringify(row));
  process.exit(0);
}

async function measureAll(): Promise<void> {
  const models = values.models.split(',').map((text) => {
    const [model, batch] = text.split(':');
    return { model: model!, batch: wholeOption('--models', batch ?? '') };
  });
  const [{ model: first }] = models as [(typeof models)[number]];
  print({ what: 'what', note: '' }, true);
  const begun = performance.now();
  const looked = begun + 1000 * devicesSeconds;
  const [devices] = await runPart('devices', { kind: 'devices' }, looked, devicesSeconds);
  if (devices?.note?.includes('GPU') !== true) {
    if (devices !== undefined) console.error('TensorFlow sees no GPU: `npx pipeline doctor` tells why.');
    process.exitCode = 1;
    return;
  }
  const end = begun + 1000 * wholeSeconds;
  await runPart('bare products', { kind: 'products' }, end);
  const losses = new Map<Way, number>();
  for (const way of Object.keys(ways) as Way[]) {
    const [row] = await runPart(`first loss, ${way}`, { kind: 'loss', model: first, way }, end);
    const processor = losses.get('processor');
    if (row?.note === undefined) continue;
    losses.set(way, Number(row.note));
    if (processor !== undefined)
      print({
        what: `first loss, ${way}: relative difference to the processor's`,
        note: Math.abs(Number(row.note) / processor - 1).toExponential(1),
      });
  }
  for (const setting of Object.keys(settings) as Setting[])
    for (const { model, batch } of models) {
      await runPart(`${model}, batch ${batch}, ${setting}`, { kind: 'model', model, batch, setting }, end);
      if (values.torch !== undefined && setting === 'bfloat16, XLA')
        await runTorch(values.torch, model, batch, end);
    }
}

/** Time that a measurement may take of `most` seconds, in milliseconds; undefined where too little is left. */
function limitUntil(end: number, most: number): number | undefined {
  const left = end - performance.now();
  return left < 1000 * leastSeconds ? undefined : Math.min(left, 1000 * most);
}

/** Runs a measurement in a process of its own and prints what it tells. */
async function runPart(what: string, part: Part, end: number, most?: number): Promise<Row[]> {
  const own = [
    ...process.execArgv,
    process.argv[1]!,
    ...process.argv.slice(2),
    '--part',
    JSON.stringify(part),
  ];
  return runRows(what, process.execPath, own, end, (line) => JSON.parse(line) as Row, most);
}

async function runTorch(checkout: string, model: string, batch: number, end: number): Promise<void> {
  const script = fileURLToPath(new URL('torch_step.py', import.meta.url));
  const { mediators, latent } = values;
  const options = Object.entries({ model, batch, mediators, latent, seconds: repeatSeconds }).flatMap(
    ([key, value]) => [`--${key}`, String(value)],
  );
  const what = `${model}, batch ${batch}, PyTorch compiled, bfloat16`;
  await runRows(what, 'python3', [script, checkout, ...options], end, (line) => {
    const { memory_mib, ...row } = JSON.parse(line) as Omit<Row, 'memoryMiB'> & { memory_mib: number };
    return {
      ...row,
      what: `${what}: ${row.what}`,
      imagesPerSecond: batch / row.seconds!,
      memoryMiB: memory_mib,
    };
  });
}

async function runRows(
  what: string,
  program: string,
  args: readonly string[],
  end: number,
  rowOf: (line: string) => Row,
  most = largestPart * wholeSeconds,
): Promise<Row[]> {
  const timeout = limitUntil(end, most);
  const rows: Row[] = [];
  if (timeout === undefined) {
    print({ what, note: 'no time was left: run it again, as what was compiled is kept' });
    return rows;
  }
  const running = execa(program, [...args], { reject: false, timeout, killSignal: 'SIGKILL' });
  for await (const line of running) {
    if (!line.startsWith('{')) continue;
    const row = rowOf(line);
    rows.push(row);
    print(row);
  }
  const { exitCode, timedOut, stderr } = await running;
  if (timedOut) print({ what, note: `not done within ${Math.round(timeout / 1000)} s` });
  else if (exitCode !== 0)
    print({ what, note: `failed: ${stderr.trim().split('\n').slice(-3).join(' ').slice(0, 300)}` });
  return rows;
}

/** Prints a row as a line of JSON, or of a table in Markdown. */
function print(row: Row, isHead = false): void {
  if (values.json) {
    if (!isHead) console.log(JSON.stringify(row));
    return;
  }
  if (isHead) {
    console.log('| What | First call, s | Best call, ms | Images per second | GPU memory, MiB | |');
    console.log('|---|---|---|---|---|---|');
    return;
  }
  const { what, first, seconds, imagesPerSecond, memoryMiB, note } = row;
  const cells = [
    what,
    first?.toFixed(1),
    seconds === undefined ? undefined : (1000 * seconds).toPrecision(4),
    imagesPerSecond?.toPrecision(4),
    memoryMiB,
    note,
  ];
  console.log(`| ${cells.map((cell) => cell ?? '').join(' | ')} |`);
}

async function* measurePart(part: Part): AsyncGenerator<Row> {
  switch (part.kind) {
    case 'devices':
      yield { what: 'devices', note: nativeBackend({}).devices.join(', ') };
      yield { what: 'GPUs', note: smi('name,memory.total,driver_version') ?? 'nvidia-smi does not answer' };
      yield { what: 'engine', note: `tfjs ${tf.version_core}, Node ${process.versions.node}` };
      break;
    case 'products':
      yield* bareProducts();
      break;
    case 'loss': {
      const runtime = { ...ways[part.way], precision: 'float32', tf32: false } as const;
      const work = await trainStep({ model: modelOf(part.model), batch: 8, runtime });
      const { loss } = (await work.run()) as { readonly loss: number };
      yield { what: `first loss of ${part.model}, batch 8, ${part.way}`, note: String(loss) };
      break;
    }
    case 'model':
      yield* modelRows(part);
      break;
  }
}

/** The rate of a large product, in each number format. */
async function* bareProducts(): AsyncGenerator<Row> {
  const size = values.blocks === undefined ? 8192 : 512;
  const product = { count: 1, batch: 1, rows: size, inner: size, columns: size };
  for (const precision of ['float32', 'bfloat16'] as const) {
    const seconds = await secondsOf([product], { precision }, 10);
    const rate = (rateOf([product], seconds) / 1000).toPrecision(4);
    yield { what: `product of ${size} × ${size}, ${precision}`, seconds, note: `${rate} TFLOP/s` };
  }
}

async function* modelRows({ model, batch, setting }: Extract<Part, { kind: 'model' }>): AsyncGenerator<Row> {
  const works = [
    ['forward', forward],
    ['train step', trainStep],
  ] as const;
  for (const [what, prepare] of works) {
    forgetPeakGpuMemory();
    const work = await prepare({ model: modelOf(model), batch, runtime: settings[setting] });
    const { first, seconds } = await timesOf(work);
    yield {
      what: `${model}, batch ${batch}, ${setting}: ${what}`,
      first,
      seconds,
      imagesPerSecond: batch / seconds,
      memoryMiB: Math.round((gpuMemory()?.peak ?? 0) / 2 ** 20),
    };
    await work.session.close();
  }
}

async function timesOf(work: Work): Promise<{ readonly first: number; readonly seconds: number }> {
  const call = async (): Promise<number> => {
    const start = performance.now();
    await work.run();
    return (performance.now() - start) / 1000;
  };
  const first = await call();
  let seconds = await call();
  for (const end = performance.now() + 1000 * repeatSeconds; performance.now() < end;)
    seconds = Math.min(seconds, await call());
  return { first, seconds };
}

function modelOf(name: string) {
  const model = namedModel(
    name,
    wholeOption('--mediators', values.mediators),
    wholeOption('--latent', values.latent),
  );
  if (values.blocks === undefined) return model;
  const depth = wholeOption('--blocks', values.blocks);
  return { ...model, depth, mediators: model.mediators.slice(0, depth) };
}

/** Facts about the GPUs, as the driver tells. */
function smi(query: string): string | undefined {
  try {
    const args = [`--query-gpu=${query}`, '--format=csv,noheader'];
    return execFileSync('nvidia-smi', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .replaceAll('\n', '; ');
  } catch {
    return undefined;
  }
}
