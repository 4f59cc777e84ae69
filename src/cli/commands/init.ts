import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { execa } from 'execa';
import { UserError } from '../../base/errors.js';
import { writePlain } from '../../base/files.js';
import { counted, formatBytes, formatCount, formatDuration } from '../../base/format.js';
import { writeFileWhole } from '../../base/output-file.js';
import { listSome } from '../../data/images/walk.js';
import { gpusHere } from '../../distributed/device-environment.js';
import { ownCommand } from '../../distributed/local-worker.js';
import { readMetrics, speedName } from '../../formats/metrics-log.js';
import type { RunEvent } from '../../runner/run/events.js';
import { parseDuration } from '../options.js';
import { countsOf, lookAt, looseImages, type Sample, sizesOf, takeSamples } from '../look-at-images.js';
import { findRunsRoot } from '../../runner/runs-root.js';
import { commandPath, exitCodes, onInterrupt, say, type Services, shortPath } from '../services.js';
import {
  lengthsWithin,
  mostPasses,
  starterName,
  starterSizes,
  starterYaml,
  stepsOfPasses,
  suggestedSize,
  trainsAutoencoder,
} from '../starter.js';
import type { Lengths, MeasuredSeconds, Starter, StarterSize } from '../starter.js';

export interface InitOptions {
  readonly output?: string;
  readonly budget?: number;
  readonly size?: StarterSize;
  readonly yes?: boolean;
  readonly force?: boolean;
}

const defaultBudgetSeconds = 1800;
/** Fewest images that figures of samples compare with. */
const fewestImages = 2;

/**
 * `pipeline init`: looks at images and at the machine, asks what it cannot see, tries the pipeline on a few of the images
 * to measure its speed here, and writes a file that fits the budget. Gives the exit code.
 */
export async function init(path: string, options: InitOptions, services: Services): Promise<number> {
  const { stdout, env } = services;
  const location = resolve(path);
  const { found, hasClasses } = await lookAt(
    location,
    findRunsRoot(resolve('pipeline.yaml'), undefined, env),
  );
  const counts = countsOf(found);
  const { samples, unreadable } = await takeSamples(found);
  if (samples.length < fewestImages)
    throw new UserError({
      code: 'images-too-few',
      usage: true,
      message: `${shortPath(location)}: ${counted(samples.length, 'image')} of ${found.paths.length} can be read, and a training that is compared with its images needs ${fewestImages} at least.`,
      remedy: 'Add images.',
    });
  const sides = samples.map(({ width, height }) => Math.min(width, height)).sort((a, b) => a - b);
  const side = sides[Math.floor(sides.length / 2)]!;
  const gpus = gpusHere('auto', env);
  say(
    stdout,
    `${shortPath(location)}: ${counted(found.paths.length, 'image')} ${hasClasses ? `in ${counted(counts.length, 'class', 'classes')}` : 'without classes'}, ${sizesOf(samples)}.\n`,
  );
  if (unreadable.length > 0)
    say(
      stdout,
      `${counted(unreadable.length, 'image')} of ${samples.length + unreadable.length} looked at cannot be read:${listSome(unreadable, 5)}\nReplace or remove such files, or set \`maxCorrupt\` of \`images\` in the pipeline, which fails otherwise.\n`,
    );
  const loose = hasClasses ? looseImages(found) : 0;
  if (loose > 0)
    say(
      stdout,
      `${counted(loose, 'image')} beside these folders ${loose === 1 ? 'has' : 'have'} no class and ${loose === 1 ? 'is' : 'are'} left out; \`labels: none\` in the pipeline takes all of them, without classes.\n`,
    );
  say(
    stdout,
    `This machine: ${counted(availableParallelism(), 'core')}, ${formatBytes(totalmem())} of memory, ${gpus.length === 0 ? 'no GPU' : counted(gpus.length, 'GPU')}.\n`,
  );
  const asked = await ask(options, { side, onGpu: gpus.length > 0, name: starterName(location) }, services);
  const file = resolve(asked.output);
  await refuseExisting(file, options);
  const starter: Starter = {
    ...{ file: commandPath(file), name: starterName(file), counts },
    ...{ size: asked.size, budgetSeconds: asked.budget, hasClasses },
    path: relative(dirname(file), location).split(sep).join('/') || '.',
    measured: '',
  };
  const small = sides.filter((each) => each < asked.size).length;
  if (small > 0)
    say(
      stdout,
      `\n${small} of ${counted(sides.length, 'image')} looked at ${small === 1 ? 'is' : 'are'} smaller than ${asked.size} pixels: the pipeline enlarges such images.\n`,
    );
  const seconds = await measure(starter, location, samples, services);
  if (seconds === undefined) return exitCodes.interrupted;
  const lengths = lengthsWithin(starter, seconds);
  const measured = `Sized within ${formatDuration(starter.budgetSeconds)} on the machine that wrote it (${machine(gpus.length)}): ${times(lengths, seconds)}.`;
  await mkdir(dirname(file), { recursive: true });
  await writeFileWhole(file, starterYaml({ ...starter, measured }, lengths));
  say(stdout, `\nWrote ${shortPath(file)}: ${times(lengths, seconds)}.\n`);
  const more = starter.size > starterSizes[0] ? 'A longer --budget or a smaller --size' : 'A longer --budget';
  if (lengths.train === stepsOfPasses(starter))
    say(
      stdout,
      `More than ${formatCount(mostPasses)} passes over ${counted(found.paths.length, 'image')} would only learn them by heart: of ${formatDuration(starter.budgetSeconds)} the trainings take ${formatDuration(spent(lengths, seconds))}.\n`,
    );
  else if (seconds.others + spent(lengths, seconds) > 1.1 * starter.budgetSeconds)
    say(
      stdout,
      `All but the trainings takes about ${formatDuration(seconds.others)} of ${formatDuration(starter.budgetSeconds)}, which leaves too little: a run takes longer than that. A longer --budget gives more training.\n`,
    );
  else if (lengths.train < 500)
    say(
      stdout,
      `Only ${formatCount(lengths.train)} steps of training fit into ${formatDuration(starter.budgetSeconds)}: samples will be blurred. ${more} gives more.\n`,
    );
  say(stdout, `Next: npx pipeline run ${commandPath(file)}\n`);
  return exitCodes.done;
}

interface Answers {
  readonly output: string;
  readonly budget: number;
  readonly size: StarterSize;
}

/** Asks for what no option tells, at a terminal; elsewhere, and with --yes, takes what it would suggest. */
async function ask(
  { output, budget, size, yes }: InitOptions,
  { side, onGpu, name }: { readonly side: number; readonly onGpu: boolean; readonly name: string },
  { stdout }: Services,
): Promise<Answers> {
  const questions =
    yes !== true && stdout.isTTY && process.stdin.isTTY
      ? createInterface({ input: process.stdin, output: stdout })
      : undefined;
  const question = async <Value>(
    text: string,
    suggested: Value,
    shown: string,
    expected: string,
    parse: (answer: string) => Value | undefined,
  ): Promise<Value> => {
    if (questions === undefined) return suggested;
    for (;;) {
      const answer = (await questions.question(`${text} [${shown}] `)).trim();
      const value = answer === '' ? suggested : parse(answer);
      if (value !== undefined) return value;
      say(stdout, `Expected ${expected}.\n`);
    }
  };
  try {
    const seconds =
      budget ??
      (await question(
        'How long may it take?',
        defaultBudgetSeconds,
        '30 min',
        'a time, such as 45min or 2h',
        (answer) => {
          try {
            return parseDuration(answer);
          } catch {
            return undefined;
          }
        },
      ));
    const suggested = suggestedSize(side, seconds, onGpu);
    return {
      budget: seconds,
      size:
        size ??
        (await question(
          `Size of the images, of ${starterSizes.join(', ')} pixels?`,
          suggested,
          String(suggested),
          `one of ${starterSizes.join(', ')}`,
          (answer) => starterSizes.find((each) => String(each) === answer.replace(/ ?px$/, '')),
        )),
      output:
        output ??
        (await question('File to write?', `${name}.yaml`, `${name}.yaml`, 'a name', (answer) => answer)),
    };
  } finally {
    questions?.close();
  }
}

async function refuseExisting(file: string, { force }: InitOptions): Promise<void> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  if (exists && force !== true)
    throw new UserError({
      code: 'file-exists',
      usage: true,
      message: `${shortPath(file)} is there already.`,
      remedy: 'Name another file with --output, or replace it with --force.',
    });
}

/**
 * Runs a short form of the pipeline on the samples and reads how long its steps took; then asks `plan` what the other stages
 * take with all images.
 *
 * @throws UserError where a stage fails, as it would in the run
 */
async function measure(
  starter: Starter,
  location: string,
  samples: readonly Sample[],
  { stdout, env, forceExit }: Services,
): Promise<MeasuredSeconds | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline init '));
  const interrupts = onInterrupt(() => undefined, forceExit);
  try {
    for (const [i, { label, content, format }] of samples.entries()) {
      await mkdir(join(folder, 'images', `class-${label}`), { recursive: true });
      await writePlain(join(folder, 'images', `class-${label}`, `${i}.${format.toLowerCase()}`), content);
    }
    const file = join(folder, 'trial.yaml');
    const counts = starter.counts.slice(0, new Set(samples.map(({ label }) => label)).size);
    const trial = { ...starter, name: 'trial', path: 'images', counts };
    await writePlain(file, starterYaml(trial, { autoencoder: trialSteps, train: trialSteps }));
    say(stdout, `\nTries the pipeline on ${counted(samples.length, 'image')}, to measure its speed here …\n`);
    const inTrial = { ...env, PIPELINE_RUNS: join(folder, 'runs') };
    const outputs = await runTrial(file, starter.size, inTrial, interrupts.signal, stdout);
    if (outputs === undefined) return undefined;
    const trainings = trainsAutoencoder(starter.size)
      ? (['autoencoder', 'train'] as const)
      : (['train'] as const);
    const steps: Partial<Record<'autoencoder' | 'train', number>> = {};
    let others = 0;
    for (const id of trainings) {
      const { output, seconds } = outputs.get(id)!;
      steps[id] = await secondsPerStep(output);
      others += Math.max(0, seconds - trialSteps * steps[id]);
    }
    const whole = join(folder, 'whole.yaml');
    await writePlain(
      whole,
      starterYaml({ ...starter, path: location }, { autoencoder: trialSteps, train: trialSteps }),
    );
    say(stdout, 'Measures what its stages take with all images …\n');
    const inNone = { ...env, PIPELINE_RUNS: join(folder, 'none') };
    const expected = await expectedSeconds(whole, inNone, interrupts.signal);
    if (expected === undefined) return undefined;
    for (const [id, [least, most]] of expected)
      if (!trainings.some((training) => training === id)) others += (least + most) / 2;
    return { ...steps, train: steps.train!, others };
  } finally {
    interrupts.release();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first steps prepare what later ones use: the last four of a dozen count. */
const trialSteps = 12;

interface TrialStage {
  /** Folder of its output. */
  readonly output: string;
  readonly seconds: number;
}

/** Outputs and times of its stages, by their ids; undefined where it was interrupted. Names each as it starts. */
async function runTrial(
  file: string,
  size: StarterSize,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  stdout: NodeJS.WriteStream,
): Promise<ReadonlyMap<string, TrialStage> | undefined> {
  const set = [
    'stages.train.logEverySteps=4',
    ...(trainsAutoencoder(size) ? ['stages.autoencoder.logEverySteps=4'] : []),
    'stages.train.warmupSteps=1',
    'stages.sample.count=4',
    'stages.sample.sampler.steps=3',
  ].flatMap((option) => ['--set', option]);
  const [node, ...program] = ownCommand();
  const events: RunEvent[] = [];
  const { stderr, failed } = await execa(node, [...program, 'run', file, '--json', '--no-lock', ...set], {
    ...{ env, extendEnv: false, reject: false, cancelSignal: signal, forceKillAfterDelay: false },
    stdout: function* (line: unknown) {
      if (typeof line !== 'string' || !line.startsWith('{')) return;
      const event = JSON.parse(line) as RunEvent;
      const started = events.filter(({ type }) => type === 'stage-started').length;
      if (event.type === 'stage-started') stdout.write(`${started === 0 ? '  ' : ', '}${event.stage}`);
      if (event.type !== 'stage-event') events.push(event);
      yield line;
    },
    buffer: { stdout: false },
  });
  if (events.some(({ type }) => type === 'stage-started')) stdout.write('\n');
  if (signal.aborted) return undefined;
  const failure = events.find((event) => event.type === 'stage-failed');
  if (failure !== undefined)
    throw new UserError({
      code: failure.failure.code ?? 'trial-failed',
      message: `Stage ${failure.stage} fails: ${failure.failure.message}`,
      ...(failure.failure.remedy !== undefined && { remedy: failure.failure.remedy }),
    });
  if (failed)
    throw new UserError({
      code: 'trial-failed',
      message: `The pipeline cannot be tried here: ${stderr.trim().replace(/^error: /, '')}`,
      remedy: 'npx pipeline doctor tells what is missing.',
    });
  return new Map(
    events.flatMap((event) => (event.type === 'stage-finished' ? [[event.stage, event] as const] : [])),
  );
}

/** Ranges of time that `plan --time` tells of a file's stages, by their ids; undefined where it was interrupted. */
async function expectedSeconds(
  file: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly [number, number]> | undefined> {
  const [node, ...program] = ownCommand();
  const { stdout } = await execa(node, [...program, 'plan', file, '--time', '--json'], {
    ...{ env, extendEnv: false, reject: false, cancelSignal: signal, forceKillAfterDelay: false },
  });
  if (signal.aborted) return undefined;
  // Without a plan nothing is known, and the run will say why.
  if (!stdout.startsWith('{')) return new Map();
  const { stages } = JSON.parse(stdout) as {
    stages: readonly { stage: string; expectedSeconds: readonly [number, number] | null }[];
  };
  return new Map(
    stages.flatMap((each) =>
      each.expectedSeconds === null ? [] : [[each.stage, each.expectedSeconds] as const],
    ),
  );
}

async function secondsPerStep(directory: string): Promise<number> {
  return (await readMetrics(join(directory, speedName))).at(-1)!.secondsPerStep!;
}

function machine(gpus: number): string {
  return gpus === 0 ? counted(availableParallelism(), 'core') : counted(gpus, 'GPU');
}

/** Time of the trainings. */
const spent = (lengths: Lengths, seconds: MeasuredSeconds): number =>
  lengths.train * seconds.train + lengths.autoencoder * (seconds.autoencoder ?? 0);

/** Lengths and times of the trainings, and the time of all else. */
function times(lengths: Lengths, seconds: MeasuredSeconds): string {
  const one = (what: string, steps: number, each: number): string =>
    `${formatCount(steps)} steps of ${what} in about ${formatDuration(steps * each)}`;
  return [
    ...(seconds.autoencoder === undefined
      ? []
      : [one('the autoencoder', lengths.autoencoder, seconds.autoencoder)]),
    one('training', lengths.train, seconds.train),
    `all else in about ${formatDuration(seconds.others)}`,
  ].join(', ');
}
