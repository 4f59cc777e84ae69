import { cp, mkdir, mkdtemp, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { digest } from '../support/digest.js';
import { compilePrograms } from '../support/programs.js';
import { mountSmall, unmount } from '../support/small-file-system.js';
import { startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';

/**
 * Kills the real command at enumerated points of encoding, training, writing of checkpoints, their deletion and sampling,
 * and lets it go on: losses, weights, averages, moments, latents and samples must be, bit for bit, those of a run that
 * nobody killed. Then the system refuses calls, as a failing disk or changed permissions do, and the disk is filled
 * during a training, and emptied again.
 *
 *   npm run test:points               every point, about 3 minutes
 *   npm run test:points -- manifest   those with this in their names
 */

/** Points by the stage that the run has to begin with; `#2` is the second passage. The names are those of `faultPoint`. */
const points = {
  latents: [
    'created latents-00001.safetensors',
    'renamed latents-00001.safetensors',
    'renamed latents-00001.partial.json',
    'synced index.json',
  ],
  train: [
    'took step#1',
    'took step#13',
    'logged step#2',
    'began checkpoint#1',
    'began checkpoint#3',
    'created weights.safetensors#2',
    'wrote to weights.safetensors#70',
    'synced weights.safetensors#2',
    'renamed weights.safetensors#2',
    'renamed average.safetensors#2',
    'wrote to firstMoment.safetensors#100',
    'renamed secondMoment.safetensors#3',
    'wrote tensors of checkpoint#2',
    'created manifest.json#2',
    'synced manifest.json#2',
    'renamed manifest.json#3',
    'named checkpoint#1',
    'named checkpoint#3',
    'unnamed checkpoint#1',
    'removed checkpoint#1',
    'took step#40',
    'synced model.json',
  ],
  sample: ['put aside 000001.png', 'put 000005.png', 'created samples.npz', 'renamed samples.npz'],
};
/** Files that hold times, or checksums of such. */
const machine = ['manifest.json', 'speed.jsonl'];
const atOnce = 2;

const [only = ''] = process.argv.slice(2);
const programs = await mkdtemp(join(tmpdir(), 'kill points '));
await compilePrograms(programs);
const folder = await tinyPipeline();
const run = (runs: string, options: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  startPipeline(folder, ['run', 'tiny.yaml', ...options], runs, env);

/** Hashes of what a run's stages left, by path. */
async function results(runs: string, stages: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const stage of stages) {
    const output = join(folder, runs, 'tiny', 'latest', stage);
    const names = await readdir(output, { recursive: true });
    for (const name of names.sort()) {
      const path = join(output, name);
      if (!machine.includes(basename(name)) && (await stat(path)).isFile())
        found[`${stage}/${name}`] = await digest(path);
    }
  }
  return found;
}

/** Copies what the stages before `stage` left as another run. */
async function copyBefore(stage: keyof typeof points, runs: string): Promise<void> {
  await cp(join(folder, `before ${stage}`), join(folder, runs), { recursive: true, verbatimSymlinks: true });
}

const before = { latents: 'autoencoder', train: 'latents', sample: 'train' };
let previous: string | undefined;
for (const [stage, last] of Object.entries(before)) {
  if (previous !== undefined)
    await cp(previous, join(folder, `before ${stage}`), { recursive: true, verbatimSymlinks: true });
  previous = join(folder, `before ${stage}`);
  const { exitCode, stderr } = await run(`before ${stage}`, ['--until', last]);
  if (exitCode !== 0) throw new Error(stderr);
}
await copyBefore('sample', 'undisturbed');
const undisturbed = await run('undisturbed', ['--until', 'sample']);
if (undisturbed.exitCode !== 0) throw new Error(undisturbed.stderr);
const expected = await results('undisturbed', Object.keys(points));

let failures = 0;
const report = (name: string, problem: string | undefined): void => {
  console.log(
    `${problem === undefined ? 'same bits' : 'FAILED   '}  ${name}${problem === undefined ? '' : `\n${problem}`}`,
  );
  if (problem !== undefined) failures++;
};

/** What is wrong with a run that was killed at a point and continued, if anything is. */
async function problemAt(
  stage: keyof typeof points,
  point: string,
  runs: string,
): Promise<string | undefined> {
  await copyBefore(stage, runs);
  const killed = await run(runs, ['--until', stage], { PIPELINE_KILL_AT: point });
  if (killed.signal !== 'SIGKILL')
    return `the run never came to this point\n${killed.stdout}${killed.stderr}`;
  return problemOfContinuing(stage, runs);
}

async function problemOfContinuing(stage: keyof typeof points, runs: string): Promise<string | undefined> {
  const { exitCode, stdout, stderr } = await run(runs, ['--until', stage]);
  if (exitCode !== 0) return stdout + stderr;
  const difference = await differenceOf(runs, [stage]);
  await rm(join(folder, runs), { recursive: true });
  return difference;
}

/** The files of a run that are not those of the undisturbed one. */
async function differenceOf(
  runs: string,
  stages: readonly (keyof typeof points)[],
): Promise<string | undefined> {
  const found = await results(runs, stages);
  const wanted = Object.keys(expected).filter((name) => stages.some((stage) => name.startsWith(`${stage}/`)));
  const names = [...new Set([...wanted, ...Object.keys(found)])];
  const other = names.filter((name) => found[name] !== expected[name]);
  return other.length === 0 ? undefined : `differs in ${other.join(', ')}`;
}

const queue = Object.entries(points)
  .flatMap(([stage, names]) => names.map((name) => [stage as keyof typeof points, name] as const))
  .filter(([, name]) => name.includes(only));
let count = queue.length;
await Promise.all(
  Array.from({ length: atOnce }, async (_, lane) => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [stage, point] = next;
      report(point, await problemAt(stage, point, `lane ${lane}`));
    }
  }),
);
await refuseCalls();
if (only === '') await fillDisk();
for (const made of [folder, programs]) await rm(made, { recursive: true, force: true });
console.log(`${count} points, ${failures} failures`);
process.exit(failures > 0 || count === 0 ? 1 : 0);

/** Runs stages while strace has a system call fail once, then lets them go on. */
async function refuseCalls(): Promise<void> {
  const shard = /^latents-00001\.safetensors$/;
  const all = [
    { stage: 'latents', call: 'fsync', error: 'EIO', nth: 2 },
    { stage: 'latents', call: 'rename', error: 'EACCES', nth: 3 },
    { stage: 'latents', call: 'rename', error: 'EROFS', nth: 2 },
    { stage: 'train', call: 'fsync', error: 'EIO', nth: 5 },
    { stage: 'train', call: 'rename', error: 'EBUSY', nth: 5 },
    { stage: 'train', call: 'rename', error: 'EACCES', nth: 6 },
    { stage: 'train', call: 'read,pread64', error: 'EIO', nth: 1, file: shard },
    { stage: 'train', call: 'open,openat', error: 'EACCES', nth: 1, file: shard },
    { stage: 'sample', call: 'fsync', error: 'EIO', nth: 3 },
    { stage: 'sample', call: 'rename', error: 'EACCES', nth: 4 },
  ] as const;
  const said = {
    EIO: 'input/output error',
    EACCES: 'permission',
    EROFS: 'read-only',
    EBUSY: 'something else is using it',
  };
  const probe = await execa('strace', ['-o', '/dev/null', 'true'], { reject: false });
  if (probe.failed) {
    console.log(
      `skipped: system calls that fail. ${probe.code === 'ENOENT' ? 'There is no strace: apt-get install strace' : probe.stderr}`,
    );
    return;
  }
  for (const { stage, call, error, nth, ...rest } of all) {
    const name = `${error} of ${call} #${nth} in ${stage}`;
    if (!name.includes(only)) continue;
    count++;
    const runs = 'refused';
    await copyBefore(stage, runs);
    const names = 'file' in rest ? await readdir(join(folder, runs), { recursive: true }) : [];
    const paths = names.filter((path) => 'file' in rest && rest.file.test(basename(path)));
    const restricted = paths.flatMap((path) => ['-P', join(folder, runs, path)]);
    const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${error}:when=${nth}`, ...restricted];
    const { exitCode, stdout, stderr } = await startPipeline(
      folder,
      ['run', 'tiny.yaml', '--until', stage],
      runs,
      // strace counts calls of each thread: files have one. The main thread's second is that of stderr, at its end.
      { UV_THREADPOOL_SIZE: '1' },
      [...['strace', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null'], ...inject],
    );
    const output = stdout + stderr;
    const isSaid = exitCode === 1 && output.includes(said[error]) && !output.includes('Internal error');
    report(`${name} is said`, isSaid ? undefined : `${exitCode}\n${output}`);
    report(`${name}, and on`, await problemOfContinuing(stage, runs));
  }
}

/** Trains on a file system with room for little more than a checkpoint, then makes room. */
async function fillDisk(): Promise<void> {
  const runs = 'small disk';
  const disk = join(folder, runs);
  await mkdir(disk);
  const reason = mountSmall(disk, 16 * 1024);
  if (reason !== undefined) {
    console.log(`skipped: a full disk. ${reason}`);
    return;
  }
  try {
    await copyBefore('train', runs);
    const ballast = join(disk, 'ballast');
    const { bavail, bsize } = await statfs(disk);
    // A checkpoint of the tiny model has about 820 KiB: there is room for one, and not for a second.
    await writeFile(ballast, Buffer.alloc(bavail * bsize - 1250 * 1024));
    const { exitCode, stdout, stderr } = await run(runs, ['--until', 'train']);
    const said = (stdout + stderr).includes('there is no space left on the disk');
    report(
      'a full disk stops the run and says so',
      exitCode === 1 && said ? undefined : `${exitCode}\n${stdout}${stderr}`,
    );
    await rm(ballast);
    const continued = await run(runs, ['--until', 'sample']);
    const goesOn = continued.stdout.includes('Continues from step');
    report(
      'the checkpoint before a full disk is whole',
      goesOn ? undefined : continued.stdout + continued.stderr,
    );
    report('a run goes on when there is room again', await differenceOf(runs, ['train', 'sample']));
  } finally {
    unmount(disk);
  }
}
