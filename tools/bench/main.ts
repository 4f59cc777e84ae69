import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { outliveOutput } from '../../src/base/outlive-output.js';
import { chromeTrace, costliest, nativeBackend, type StepStats, tf } from '../../src/tensorflow/index.js';
import { accountOf } from './account.js';
import { compareWith } from './against.js';
import { bundled } from './bundled.js';
import { commandLine, whole, wholes } from './command-line.js';
import { measure } from './measure.js';
import { namedModel } from './model.js';
import { measureSampling, type SamplingMeasurement } from './sampling.js';

/** `node tools/bench/main.js [options]`: how fast this machine trains and samples, and what that is made of. */

interface Options {
  readonly model: string;
  readonly mediators: number;
  readonly latent: number;
  readonly batch: number;
  readonly precision: 'float32' | 'bfloat16';
  readonly repeats: number;
  readonly rounds: number;
  readonly fusion: boolean;
  readonly recompute: boolean;
  readonly json?: true;
  readonly against?: string;
  readonly profile?: string;
  readonly sample?: true;
  readonly phases: readonly number[];
  readonly ratios: readonly number[];
  readonly steps: number;
  readonly samples: number;
  readonly alone: number;
}

const program = commandLine('bench')
  .description('measure the forward pass, a training step and a sampling step on this machine')
  .option('--model <name>', 'a model of the paper', 'SiT-S/2')
  .option('--mediators <count>', 'mediators of every block; 0 for full attention', whole, 64)
  .option('--latent <size>', 'side of the latents: 32 for images of 256 px', whole, 32)
  .option('--batch <samples>', 'samples a call', whole, 8)
  .addOption(new Option('--precision <name>').choices(['float32', 'bfloat16']).default('float32'))
  .option('--repeats <count>', 'the best of so many calls counts', whole, 8)
  .option('--json', 'one line of JSON a measurement')
  .option('--recompute', 'compute blocks anew for their gradients, which takes less memory', false)
  .option('--no-fusion', 'every operation by itself, without XLA')
  .option(
    '--profile <folder>',
    'write five steps of each as a Chrome trace, and show the costliest operations',
  )
  .option('--sample', 'measure whole samples instead: one model, and models that take turns', false)
  .option('--phases <counts>', 'with --sample, mediators of each model in turn', wholes, [4, 16, 64])
  .option('--ratios <ratios>', 'with --sample, where a sample goes on to the next', ratios, [0.95, 0.8])
  .option('--steps <count>', 'with --sample, steps of each sample', whole, 20)
  .option('--samples <count>', 'with --sample, samples drawn together', whole, 64)
  .option('--alone <count>', 'with --sample, samples drawn one at a time', whole, 4)
  .option('--against <command>', 'take turns with a program that prints such lines, and show ratios')
  .option('--rounds <count>', 'turns of each with --against', whole, 2)
  .showHelpAfterError();

outliveOutput();
const options = program.parse().opts<Options>();
await (options.against === undefined ? run(options) : compare(options, options.against));
process.exitCode = 0;

async function run(options: Options): Promise<void> {
  if (options.sample === true) {
    await runSampling(options);
    return;
  }
  const { model: name, mediators, latent, batch, precision, recompute, profile } = options;
  const workload = {
    model: namedModel(name, mediators, latent),
    batch,
    recompute,
    runtime: runtimeOf(options),
  };
  const device = nativeBackend(workload.runtime).devices.includes('GPU') ? 'cuda' : 'cpu';
  const engine = `mediator-sit, tfjs ${tf.version_core}`;
  const profiles: [string, readonly StepStats[]][] = [];
  const keep = (what: string, steps: readonly StepStats[]): void => void profiles.push([what, steps]);
  for await (const measurement of measure(
    workload,
    options.repeats,
    profile === undefined ? undefined : keep,
  ))
    console.log(
      options.json === true
        ? JSON.stringify({
            engine,
            device,
            ...line(measurement),
            model: name,
            mediators,
            latent,
            batch,
            precision,
          })
        : sentence(measurement),
    );
  for (const [what, steps] of profiles) await writeProfile(profile!, what, steps);
}

function runtimeOf({ precision, fusion }: Options) {
  return { precision, ...(fusion ? {} : { fusion }) };
}

async function runSampling(options: Options): Promise<void> {
  const { model, phases, ratios: switchRatios, latent, precision, ...rest } = options;
  const models = phases.map((mediators) => namedModel(model, mediators, latent));
  const runtime = runtimeOf(options);
  for await (const measurement of measureSampling({ models, switchRatios, runtime, ...rest }))
    console.log(
      options.json === true
        ? JSON.stringify({ ...line(measurement), model, mediators: phases, latent, precision })
        : sentence(measurement),
    );
}

function line({
  seconds,
  images_per_s,
  gflops,
  share_of_matmuls,
  saved_share,
  ...rest
}: SamplingMeasurement) {
  const rounded = (value: number | undefined, digits: number) =>
    value === undefined ? undefined : Number(value.toPrecision(digits));
  return {
    ...rest,
    seconds: rounded(seconds, 5),
    images_per_s: rounded(images_per_s, 4),
    gflops: rounded(gflops, 4),
    share_of_matmuls: rounded(share_of_matmuls, 3),
    saved_share: rounded(saved_share, 3),
  };
}

function sentence({
  what,
  seconds,
  peak_rss_mb,
  images_per_s,
  gflops,
  share_of_matmuls,
  saved_share,
}: SamplingMeasurement): string {
  const time =
    seconds < 1e-3
      ? `${(seconds * 1e6).toFixed(1)} µs`
      : seconds < 0.1
        ? `${(seconds * 1e3).toFixed(1)} ms`
        : `${seconds.toFixed(3)} s`;
  return [
    what.padEnd(33),
    time.padStart(10),
    images_per_s === undefined ? ''.padStart(14) : `${images_per_s.toPrecision(3)} images/s`.padStart(14),
    gflops === undefined ? ''.padStart(13) : `${gflops.toFixed(0)} GFLOP/s`.padStart(13),
    (share_of_matmuls === undefined ? '' : `${(100 * share_of_matmuls).toFixed(0)} % of matmuls`).padStart(
      16,
    ),
    `${peak_rss_mb} MB`.padStart(9),
    saved_share === undefined ? '' : `${(100 * saved_share).toFixed(1)} % of the multiply-accumulates saved`,
  ]
    .join('  ')
    .trimEnd();
}

async function writeProfile(folder: string, what: string, steps: readonly StepStats[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${what.replace(' ', '-')}.trace.json`);
  await writeFile(path, chromeTrace(steps));
  console.error(`\n${what}: ${steps.length} steps in ${path}`);
  for (const cost of costliest(steps)) console.error(cost);
  const account = accountOf(steps);
  const whole = [...account.values()].reduce((sum, each) => sum + each, 0);
  console.error(`All of ${(1000 * whole).toFixed(1)} ms, a moment's time divided among what runs at it:`);
  for (const [kind, seconds] of account)
    console.error(
      `${kind.padEnd(40)} ${(1000 * seconds).toFixed(1).padStart(8)} ms ${((100 * seconds) / whole).toFixed(1).padStart(6)} %`,
    );
}

async function compare({ rounds }: Options, against: string): Promise<void> {
  const own = process.argv.slice(2);
  const forwarded = own.filter(
    (arg, i) => !isAgainst(arg) && !['--against', '--rounds'].includes(own[i - 1] ?? ''),
  );
  const ratios = await compareWith(
    against,
    [await bundled('main'), ...forwarded, '--json'],
    rounds,
    (text) => {
      console.error(text);
    },
  );
  console.log(
    `\n${'best of all rounds'.padEnd(26)} ${'ours'.padStart(9)} ${'theirs'.padStart(9)} ${'theirs / ours'.padStart(14)}`,
  );
  for (const { what, ours, theirs } of ratios)
    console.log(
      `${what.padEnd(26)} ${ours.toPrecision(4).padStart(9)} ${theirs.toPrecision(4).padStart(9)} ${(theirs / ours).toFixed(2).padStart(14)}`,
    );
}

function isAgainst(arg: string): boolean {
  return /^--(against|rounds)(=|$)/.test(arg);
}

function ratios(text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.some((value) => !(value >= 0)))
    throw new InvalidArgumentError('Expected numbers like 0.95,0.8.');
  return values;
}
