import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { commandLine, whole } from './command-line.js';

/**
 * Draws the same samples of a trained pipeline in many ways, and prints one table of images per second against the Fréchet
 * distance of latents to the data, the fastest first; ways that no other beats in both are the frontier:
 *
 *   npm run bench:frontier -- pipelines/quickstart.yaml --stages sample
 *   npm run bench:frontier -- pipelines/emoji-stepwise.yaml --stages static,stepwise
 *
 * Stages that the pipeline's samples need are taken from the folder of runs, or run first. The rate counts from the first
 * to the last batch: neither the start of the process nor tracing.
 */

interface Options {
  readonly stages: readonly string[];
  readonly count: number;
  readonly runs?: string;
  readonly latents: string;
  readonly autoencoder: string;
  readonly grid: number;
  readonly only?: readonly string[];
}

const list = (text: string) => text.split(',');
const options = commandLine('bench:frontier')
  .argument('<file>', 'pipeline with trained models')
  .option('--stages <ids>', 'its `sample` stages: one model, and models by turns', list, ['sample'])
  .option('--count <images>', 'images that are drawn in each way', whole, 297)
  .option('--latents <stage>', 'stage of the latents that samples are compared with', 'latents')
  .option('--autoencoder <stage>', 'stage of the autoencoder', 'autoencoder')
  .option('--grid <side>', 'side of the grid to which latents are averaged for the distance', whole, 2)
  .option('--runs <folder>', 'folder of all runs')
  .option('--only <names>', 'measure these ways alone', list);

/** Samplers: steps fewer and fewer, blocks predicted from step to step, and steps chosen by tolerances. */
const ways: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ...Object.fromEntries([100, 50, 25, 12].map((steps) => [`sde-${steps}`, { steps, lastStepSize: 0.02 }])),
  ...Object.fromEntries(
    [2, 3, 5].map((interval) => [
      `sde-100-cache-${interval}`,
      { steps: 100, lastStepSize: 0.02, featureCache: { interval } },
    ]),
  ),
  ...Object.fromEntries(
    [50, 25, 12].map((steps) => [`euler-${steps}`, { kind: 'ode', method: 'euler', steps }]),
  ),
  'euler-50-cache-3': { kind: 'ode', method: 'euler', steps: 50, featureCache: { interval: 3 } },
  ...Object.fromEntries(
    [25, 12, 6].map((steps) => [`heun-${steps}`, { kind: 'ode', method: 'heun', steps }]),
  ),
  ...Object.fromEntries(
    [0.1, 0.01].map((relativeTolerance) => [
      `dopri5-${relativeTolerance}`,
      {
        kind: 'ode',
        method: 'dopri5',
        steps: 2,
        relativeTolerance,
        absoluteTolerance: relativeTolerance / 10,
      },
    ]),
  ),
};

/** A line of the program's output, as far as it is read. */
interface Event {
  readonly time: string;
  readonly type: string;
  readonly stage?: string;
  readonly event?: {
    readonly type: string;
    readonly done?: number;
    readonly values?: Record<string, unknown>;
  };
}

interface Drawn {
  readonly way: string;
  readonly perSecond: number;
  readonly distance: number;
}

async function measure(file: string, stage: string, way: string, given: Options): Promise<Drawn> {
  const folder = await mkdtemp(join(tmpdir(), 'frontier-'));
  const path = join(folder, 'frontier.yaml');
  const sampler = { ...ways[way] };
  try {
    // JSON is YAML.
    const stages = {
      [stage]: { count: given.count, classes: 'balanced' },
      distance: {
        uses: 'evaluate',
        ...{ samples: stage, reference: given.latents, autoencoder: given.autoencoder },
        ...{ metrics: ['latentFrechetDistance'], latentGrid: given.grid },
      },
    };
    await writeFile(path, JSON.stringify({ extends: resolve(file), name: 'frontier', stages }));
    const events: Event[] = [];
    const program = fileURLToPath(new URL('../../dist/cli/bin.cjs', import.meta.url));
    const args = ['run', path, '--until', 'distance', '--force', stage, '--json', '--no-lock'];
    const set = ['--set', `stages.${stage}.sampler=${JSON.stringify(sampler)}`];
    const runs = given.runs === undefined ? [] : ['--runs', given.runs];
    const child = execa(process.execPath, [program, ...args, ...set, ...runs], { stderr: 'inherit' });
    for await (const line of child) events.push(JSON.parse(line) as Event);
    return { way: `${stage}: ${way}`, perSecond: rateIn(events, stage), distance: distanceIn(events) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function rateIn(events: readonly Event[], stage: string): number {
  const progress = events.filter((each) => each.stage === stage && each.event?.type === 'progress');
  const [first, last] = [progress[0], progress.at(-1)];
  if (first === undefined || last === undefined || first === last)
    throw new Error(`${stage}: too few samples to tell a rate; raise --count.`);
  const seconds = (Date.parse(last.time) - Date.parse(first.time)) / 1000;
  return (last.event!.done! - first.event!.done!) / seconds;
}

function distanceIn(events: readonly Event[]): number {
  const values = Object.assign({}, ...events.map(({ event }) => event?.values ?? {})) as Record<
    string,
    unknown
  >;
  const found = Object.entries(values).find(([key]) => /frechet/i.test(key))?.[1];
  if (typeof found !== 'number') throw new Error(`No distance among ${Object.keys(values).join(', ')}.`);
  return found;
}

function table(drawn: readonly Drawn[]): string {
  const rows = drawn
    .toSorted((a, b) => b.perSecond - a.perSecond)
    .map(({ way, perSecond, distance }) => {
      const beaten = drawn.some((other) => other.perSecond > perSecond && other.distance < distance);
      return [way, perSecond.toPrecision(3), distance.toPrecision(3), beaten ? '' : 'yes'];
    });
  const head = ['Way', 'images/s', 'distance', 'frontier'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

options.parse();
const given = options.opts<Options>();
const drawn: Drawn[] = [];
for (const way of given.only ?? Object.keys(ways))
  for (const stage of given.stages) {
    drawn.push(await measure(options.args[0]!, stage, way, given));
    const { perSecond, distance } = drawn.at(-1)!;
    console.error(
      `${drawn.at(-1)!.way}: ${perSecond.toPrecision(3)} images/s, distance ${distance.toPrecision(3)}`,
    );
  }
console.log(table(drawn));
