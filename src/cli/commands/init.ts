import { access, constants } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, relative, resolve, sep } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { UserError } from '../../base/errors.js';
import { exists } from '../../base/existence.js';
import { counted, formatBytes, formatCount, formatDuration } from '../../base/format.js';
import { asUserError, makeFolder } from '../../base/files.js';
import { writeFileWhole } from '../../base/output-file.js';
import { listSome } from '../../data/images/walk.js';
import { gpusHere } from '../../distributed/device-environment.js';
import { parseDuration } from '../options.js';
import { countsOf, lookAt, looseImages, sizesOf, takeSamples } from '../look-at-images.js';
import { measureStarter } from '../measure-starter.js';
import { othersAtWork } from '../planned.js';
import { runsRootOf } from '../../runner/runs-root.js';
import { commandPath, exitCodes, say, type Services, shortPath } from '../services.js';
import {
  lengthsWithin,
  mostPasses,
  starterName,
  starterSizes,
  starterYaml,
  stepsOfPasses,
  suggestedSize,
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
  const { found, hasClasses } = await lookAt(location, runsRootOf(process.cwd(), undefined, env));
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
  await preparePlace(file, options);
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
  const seconds = await measureStarter(starter, location, samples, services);
  if (seconds === undefined) return exitCodes.interrupted;
  const lengths = lengthsWithin(starter, seconds);
  const measured = `Sized within ${formatDuration(starter.budgetSeconds)} on the machine that wrote it (${machine(gpus.length)}): ${times(lengths, seconds)}.`;
  await writeFileWhole(file, starterYaml({ ...starter, measured }, lengths));
  say(stdout, `\nWrote ${shortPath(file)}: ${times(lengths, seconds)}.\n`);
  for (const line of othersAtWork(seconds.othersShare))
    say(stdout, `${line} Then \`init --force\` finds room for more steps.\n`);
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

/** Sees that a file is not there and can be written, before minutes are spent on what it is to say. */
async function preparePlace(file: string, { force }: InitOptions): Promise<void> {
  if (force !== true && (await exists(file)))
    throw new UserError({
      code: 'file-exists',
      usage: true,
      message: `${shortPath(file)} is there already.`,
      remedy: 'Name another file with --output, or replace it with --force.',
    });
  const folder = dirname(file);
  makeFolder(folder);
  await access(folder, constants.W_OK).catch((error: unknown) => {
    throw asUserError(error, folder);
  });
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
