import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { UserError } from '../base/errors.js';
import { writePlain } from '../base/files.js';
import { counted } from '../base/format.js';
import { ownCommand } from '../distributed/local-worker.js';
import { readMetrics, speedName } from '../formats/metrics-log.js';
import type { RunEvent } from '../runner/run/events.js';
import type { Sample } from './look-at-images.js';
import { onInterrupt, say, type Services } from './services.js';
import { starterYaml, trainsAutoencoder } from './starter.js';
import type { Lengths, MeasuredSeconds, Starter, StarterSize } from './starter.js';

/**
 * Runs a short form of the pipeline on the samples and reads how long its steps took; then asks `plan` what the other stages
 * take with all images.
 *
 * @throws UserError where a stage fails, as it would in the run
 */
export async function measureStarter(
  starter: Starter,
  location: string,
  samples: readonly Sample[],
  { stdout, env, forceExit }: Services,
): Promise<(MeasuredSeconds & Pick<TimeTold, 'othersShare'>) | undefined> {
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
    await writePlain(file, starterYaml(trial, trialLengths));
    say(stdout, `\nTries the pipeline on ${counted(samples.length, 'image')}, to measure its speed here …\n`);
    const inTrial = { ...env, PIPELINE_RUNS: join(folder, 'runs') };
    const outputs = await runTrial(file, starter.size, inTrial, interrupts.signal, stdout);
    if (outputs === undefined) return undefined;
    const trained = async (id: 'autoencoder' | 'train') => {
      const { output, seconds } = outputs.get(id)!;
      const each = await secondsPerStep(output);
      return { each, setup: Math.max(0, seconds - trialSteps * each) };
    };
    const train = await trained('train');
    const autoencoder = trainsAutoencoder(starter.size) ? await trained('autoencoder') : undefined;
    const whole = join(folder, 'whole.yaml');
    await writePlain(whole, starterYaml({ ...starter, path: location }, trialLengths));
    say(stdout, 'Measures what its stages take with all images …\n');
    const inNone = { ...env, PIPELINE_RUNS: join(folder, 'none') };
    const expected = await expectedSeconds(whole, inNone, interrupts.signal);
    if (expected === undefined) return undefined;
    let others = train.setup + (autoencoder?.setup ?? 0);
    for (const [id, { seconds: range }] of expected)
      if (id !== 'train' && !(id === 'autoencoder' && autoencoder)) others += (range[0] + range[1]) / 2;
    const othersShare = Math.max(0, ...Array.from(expected.values(), (told) => told.othersShare));
    return {
      ...(autoencoder && { autoencoder: autoencoder.each }),
      ...{ train: train.each, others, othersShare },
    };
  } finally {
    interrupts.release();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The first steps prepare what later ones use: the last four of a dozen count. */
const trialSteps = 12;
const trialLengths: Lengths = { autoencoder: trialSteps, train: trialSteps };

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

/** Time that `plan --time` tells of a stage. */
interface TimeTold {
  readonly seconds: readonly [number, number];
  /** Share of the processors' time that other programs took while it was measured. */
  readonly othersShare: number;
}

/** Times that `plan --time` tells of a file's stages, by their ids; undefined where it was interrupted. */
async function expectedSeconds(
  file: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TimeTold> | undefined> {
  const [node, ...program] = ownCommand();
  const { stdout } = await execa(node, [...program, 'plan', file, '--time', '--json'], {
    ...{ env, extendEnv: false, reject: false, cancelSignal: signal, forceKillAfterDelay: false },
  });
  if (signal.aborted) return undefined;
  // Without a plan nothing is known, and the run will say why.
  if (!stdout.startsWith('{')) return new Map();
  const { stages } = JSON.parse(stdout) as {
    stages: readonly {
      stage: string;
      expectedSeconds: readonly [number, number] | null;
      expectedFrom: { othersShare?: number } | null;
    }[];
  };
  return new Map(
    stages.flatMap(({ stage, expectedSeconds: seconds, expectedFrom }) =>
      seconds === null ? [] : [[stage, { seconds, othersShare: expectedFrom?.othersShare ?? 0 }] as const],
    ),
  );
}

async function secondsPerStep(directory: string): Promise<number> {
  return (await readMetrics(join(directory, speedName))).at(-1)!.secondsPerStep!;
}
