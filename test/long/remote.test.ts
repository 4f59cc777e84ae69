import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, cp, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { environment } from '../../src/runner/environment.js';
import { fingerprintOf, type Origin } from '../../src/runner/fingerprint/origin.js';
import { findOutput } from '../../src/runner/store/find-output.js';
import { hashesFolder, outputPlace, type OutputPlace } from '../../src/runner/store/manifest.js';
import { sealOutput } from '../../src/runner/store/seal.js';
import { freePorts } from '../support/free-ports.js';
import { nodeProgram } from '../support/programs.js';
import { mountSmall, unmount } from '../support/small-file-system.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeUnless } from '../support/unless.js';
import { toyCommand, toyProject, toyYaml } from '../cli/toy-project.js';

const rclone = (...args: string[]): string =>
  execFileSync('rclone', args, { encoding: 'utf8', stdio: 'pipe' });

function reasonAgainst(): string | undefined {
  try {
    rclone('version');
    return undefined;
  } catch {
    return 'rclone is not installed';
  }
}

let here: string;
let there: string;
let remote: string;
/** Environment of the commands. No configuration of the person who runs the tests counts. */
let env: NodeJS.ProcessEnv;

const run = (folder: string, ...args: string[]) => toyCommand(folder, args, undefined, env);
const store = (folder: string): string => join(folder, 'runs');

beforeEach(async () => {
  here = await toyProject();
  there = await toyProject();
  remote = join(await temporaryFolder('remote'), 'of a team');
  env = { PATH: process.env.PATH, HOME: here, RCLONE_CONFIG: join(here, 'no such file') };
});

/** Files and folders below a folder, sorted. */
const below = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort() : [];

const theFile = (folder: string, name: RegExp): string => {
  const [found] = below(folder).filter((path) => name.test(path));
  if (found === undefined) throw new Error(`There is no ${String(name)} in ${folder}.`);
  return join(folder, found);
};

/** Makes a finished output with files of these sizes, as a stage would. */
async function makeOutput(folder: string, sizes: readonly number[], kind = 'images'): Promise<OutputPlace> {
  const origin: Origin = { kind, codeVersion: 1, config: { sizes: [...sizes] }, references: [], inputs: [] };
  const place = outputPlace(store(folder), kind, fingerprintOf(origin));
  await mkdir(join(place.partial, 'shards'), { recursive: true });
  for (const [i, size] of sizes.entries())
    await writeFile(join(place.partial, 'shards', `${i} ü.bin`), randomBytes(size));
  await sealOutput(place, {
    origin,
    summary: {},
    madeWith: environment({ workers: 1, threads: 1 }),
    seconds: 1,
    hashes: hashesFolder(store(folder)),
    contents: [],
  });
  return place;
}

/** True when the output is in a folder's store, every byte of it read. */
async function isWhole(folder: string, { kind, fingerprint }: OutputPlace): Promise<boolean> {
  const hashes = await temporaryFolder('hashes');
  return (await findOutput(outputPlace(store(folder), kind, fingerprint), hashes)).state === 'whole';
}

/** Starts the real command as a process. */
function start(folder: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [...nodeProgram('test/cli/toy-main.ts'), ...args], {
    cwd: folder,
    env: { ...process.env, ...env, ...more },
    stdio: 'ignore',
  });
}

const exitOf = async (child: ChildProcess): Promise<number | null> =>
  ((await once(child, 'exit')) as [number | null])[0];

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error('It did not come to be within 30 s.');
}

const bytesIn = async (folder: string): Promise<number> => {
  const sizes = below(folder).map(async (path) => {
    const stats = await stat(join(folder, path)).catch(() => undefined);
    return stats?.isFile() === true ? stats.size : 0;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
};

describeUnless(reasonAgainst(), 'push and pull', () => {
  it('what one machine made another has without making it, or having its inputs', async () => {
    await run(here, 'run', 'toy.yaml');
    const sent = await run(here, 'push', remote, 'toy.yaml');
    expect(sent.stderr).toBe('');
    expect(sent.stdout.split('\n').map((line) => line.replace(/, \d.*/, ''))).toEqual([
      'images  sent',
      'autoencoder  sent',
      'report  sent',
      `${remote} now has: 3 outputs`,
    ]);
    const again = await run(here, 'push', remote, 'toy/latest');
    expect(again.stdout).toContain('autoencoder  there already');
    expect(again.stdout).toContain('3 outputs, 0 of them new');

    await cp(join(here, 'toy.lock.yaml'), join(there, 'toy.lock.yaml'));
    await rm(join(there, 'data'), { recursive: true });
    const planned = await run(there, 'plan', 'toy.yaml', '--pull', remote);
    expect(planned.stdout).toMatch(/autoencoder {2}pull {4}\d+ bytes to bring/);
    expect(planned.stdout).toMatch(/3 outputs to bring, \d+ bytes\.$/);
    expect(existsSync(join(there, 'runs', 'store'))).toBe(false);

    const ran = await run(there, 'run', 'toy.yaml', '--pull', remote);
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toContain('Pulled from');
    expect(ran.stdout).toContain('3 stages cached');
    expect(ran.stdout).not.toContain('starts');
    for (const name of ['images', 'autoencoder', 'report'])
      expect(below(join(store(there), 'store', name)).filter((path) => !path.endsWith('.lock'))).toEqual(
        below(join(store(here), 'store', name)).filter((path) => !path.endsWith('.lock')),
      );
  });

  it('run --pull makes what the remote does not have, and --force makes what it has', async () => {
    await run(here, 'run', 'toy.yaml', '--until', 'images');
    await run(here, 'push', remote);
    const ran = await run(there, 'run', 'toy.yaml', '--pull', remote);
    expect(ran.stdout).toContain('Pulled from');
    expect(ran.stdout).toMatch(/2 stages run, 1 cached/);
    await rm(store(there), { recursive: true });
    const forced = await run(there, 'run', 'toy.yaml', '--pull', remote, '--force', 'images');
    expect(forced.stdout).not.toContain('Pulled from');
    expect(forced.stdout).toContain('3 stages run');
  });

  it('a sweep is sent with its file, and pulled by its trials', async () => {
    const swept = `${toyYaml()}sweep:\n  grid: { stages.autoencoder.steps: [4, 5] }\n`;
    for (const folder of [here, there]) await writeFile(join(folder, 'toy.yaml'), swept);
    await run(here, 'run', 'toy.yaml', '--set', 'stages.autoencoder.steps=4');
    const sent = await run(here, 'push', remote, 'toy.yaml');
    expect(sent.stdout).toContain('3 outputs');
    expect(sent.stderr).toBe('note: not finished, so not sent: autoencoder, report');
    const planned = await run(there, 'sweep', 'toy.yaml', '--plan', '--pull', remote);
    expect(planned.stdout).toMatch(/images +pull/);
    expect(planned.stdout).toContain('1 of 2 trials to run');
    const pulled = await run(there, 'pull', remote, 'toy.yaml');
    expect(pulled.exitCode).toBe(1);
    expect(pulled.stderr).toContain(`${remote} does not have: autoencoder, report.`);
    expect((await run(there, 'sweep', 'toy.yaml', '--plan')).stdout).toContain('1 of 2 trials to run');
  });

  it('a lock brings its outputs, and refuses those of other bytes', async () => {
    await run(here, 'run', 'toy.yaml');
    await run(here, 'push', remote);
    const lock = await readFile(join(here, 'toy.lock.yaml'), 'utf8');
    await writeFile(join(there, 'toy.lock.yaml'), lock.replace(/(output: )\w{4}/, '$1beef'));
    const refused = await run(there, 'pull', remote, 'toy.lock.yaml');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('its output of images is not the one that toy.lock.yaml tells of.');
    expect(existsSync(join(store(there), 'store'))).toBe(false);
    await writeFile(join(there, 'toy.lock.yaml'), lock);
    expect((await run(there, 'pull', remote, 'toy.lock.yaml')).exitCode).toBe(0);
    expect((await run(there, 'run', 'toy.yaml', '--locked')).stdout).toContain('3 stages cached');
  });

  describe('an output that was accepted in the place of another', () => {
    beforeEach(async () => {
      await run(here, 'run', 'toy.yaml');
      for (const folder of [here, there]) await writeFile(join(folder, 'toy.yaml'), toyYaml(4));
      expect((await run(here, 'accept', 'toy.yaml', 'autoencoder')).exitCode).toBe(0);
      expect((await run(here, 'run', 'toy.yaml')).exitCode).toBe(0);
      await run(here, 'push', remote, 'toy.yaml');
      await cp(join(here, 'toy.lock.yaml'), join(there, 'toy.lock.yaml'));
    });
    const acceptances = (folder: string) => below(folder).filter((path) => path.endsWith('.accepted.json'));

    it.each([
      ['the lock', ['pull', 'REMOTE', 'toy.lock.yaml']],
      ['the file', ['pull', 'REMOTE', 'toy.yaml']],
      ['a run', ['run', 'toy.yaml', '--pull', 'REMOTE']],
    ])('is accepted there too, as the lock says: by %s', async (_, command) => {
      const planned = await run(there, 'plan', 'toy.yaml', '--pull', remote);
      expect(planned.stdout).toMatch(/autoencoder {2}pull/);
      const pulled = await run(there, ...command.map((word) => (word === 'REMOTE' ? remote : word)));
      expect(pulled, pulled.stderr).toMatchObject({ exitCode: 0 });
      const [name] = acceptances(here);
      expect(acceptances(there)).toEqual([name]);
      expect(await readFile(join(there, name!), 'utf8')).toBe(await readFile(join(here, name!), 'utf8'));
      const ran = await run(there, 'run', 'toy.yaml', '--locked');
      expect(ran.stdout).toContain('3 stages cached');
      expect(ran.stdout).toContain('accepted');
    });

    it('takes no place of an output that is there', async () => {
      expect((await run(there, 'run', 'toy.yaml', '--no-lock')).exitCode).toBe(0);
      expect((await run(there, 'pull', remote, 'toy.lock.yaml')).exitCode).toBe(0);
      expect(acceptances(there)).toEqual([]);
    });

    it('is known from a lock of an earlier version, which does not say when it was accepted', async () => {
      const lock = await readFile(join(here, 'toy.lock.yaml'), 'utf8');
      const older = lock.replace(/\n +at: .*/, '');
      expect(older).not.toBe(lock);
      await writeFile(join(there, 'toy.lock.yaml'), older);
      expect((await run(there, 'pull', remote, 'toy.lock.yaml')).exitCode).toBe(0);
      expect(acceptances(there)).toEqual(acceptances(here));
      expect((await run(there, 'plan', 'toy.yaml')).stdout).toMatch(/autoencoder {2}cached/);
    });
  });

  it('what interrupted pushes left is listed and removed, and nothing else', async () => {
    await run(here, 'run', 'toy.yaml');
    await run(here, 'push', remote);
    const whole = below(remote);
    const kept = await run(here, 'gc', '--remote', remote, '--yes');
    expect(kept.stdout).toBe(`Nothing to remove: every folder on ${remote} belongs to an output.`);
    // A second copy beside an entry, one without an entry, and an entry in the making.
    const entry = whole.find((path) => /^autoencoder\/\w{16}\.json$/.test(path))!;
    const beside = entry.replace('.json', '.deadbeef');
    for (const folder of [beside, 'train/0123456789abcdef.01234567', 'mine'])
      await mkdir(join(remote, folder, 'shards'), { recursive: true });
    await writeFile(join(remote, beside, 'shards', '0.bin'), randomBytes(3000));
    await writeFile(join(remote, `${beside}.json.tmp`), '{');
    await writeFile(join(remote, 'mine', 'notes.txt'), 'not ours');
    const listed = await run(here, 'gc', '--remote', remote);
    for (const path of [beside, `${beside}.json.tmp`, 'train/0123456789abcdef.01234567'])
      expect(listed.stdout).toContain(`  ${path}\n`);
    expect(listed.stdout).toMatch(/3\.0 kB that interrupted pushes left/);
    expect(below(remote)).toContain(`${beside}/shards/0.bin`);
    const removed = await run(here, 'gc', '--remote', remote, '--yes', '--json');
    expect((JSON.parse(removed.stdout) as { removed: object[] }).removed).toHaveLength(3);
    expect(below(remote)).toEqual([...whole, 'mine', 'mine/notes.txt', 'mine/shards', 'train'].sort());
    expect((await run(there, 'pull', remote)).exitCode).toBe(0);
    expect((await run(here, 'gc', 'toy.yaml', '--remote', remote)).exitCode).toBe(2);
  });

  it('--force sends again what a file asks for', async () => {
    await run(here, 'run', 'toy.yaml', '--until', 'images');
    await run(here, 'push', remote, 'toy.yaml');
    const again = await run(here, 'push', '--force', remote, 'toy.yaml#images');
    expect(again).toMatchObject({ exitCode: 0, stderr: '' });
    expect(again.stdout).toContain('images  sent');
  });

  it('one stage is sent alone, and programs get JSON', async () => {
    await run(here, 'run', 'toy.yaml');
    const { stdout } = await run(here, 'push', remote, 'toy.yaml#autoencoder', '--json');
    expect(JSON.parse(stdout)).toEqual({
      outputs: [expect.objectContaining({ stage: 'autoencoder', outcome: 'sent', kind: 'autoencoder' })],
    });
    expect(below(remote).filter((path) => path.endsWith('.json'))).toHaveLength(1);
  });
});

describeUnless(reasonAgainst(), 'remotes that are damaged or not there', () => {
  it.each([
    ['other bytes of the same size', (file: string) => writeFile(file, randomBytes(4000)), 'other content'],
    ['a file that is cut', (file: string) => truncate(file, 1000), 'other content'],
    ['a file that is gone', (file: string) => rm(file), 'it is missing'],
  ])('%s: named, never an output here, mended by push --force', async (_, damage, problem) => {
    const place = await makeOutput(here, [4000, 9, 0]);
    await run(here, 'push', remote);
    await damage(theFile(remote, /0 ü\.bin$/));
    const pulled = await run(there, 'pull', remote);
    expect(pulled.exitCode).toBe(1);
    expect(pulled.stderr).toMatch(/images\/\w{16}\.\w{8}\/shards\/0 ü\.bin is damaged: /);
    expect(pulled.stderr).toContain(problem);
    expect(pulled.stderr).toContain('npx pipeline push --force');
    expect(existsSync(outputPlace(store(there), 'images', place.fingerprint).directory)).toBe(false);
    expect((await run(here, 'push', '--force', remote)).stdout).toContain('sent');
    expect((await run(there, 'pull', remote)).exitCode).toBe(0);
    expect(await isWhole(there, place)).toBe(true);
    expect(below(remote).filter((path) => /^images\/[\w.]+$/.test(path))).toHaveLength(2);
  });

  it('files that are gone or cut are found by the next push, which sends them again', async () => {
    const place = await makeOutput(here, [4000, 5000]);
    await run(here, 'push', remote);
    await truncate(theFile(remote, /1 ü\.bin$/), 10);
    expect((await run(here, 'push', remote)).stdout).toContain('sent');
    expect((await run(there, 'pull', remote)).exitCode).toBe(0);
    expect(await isWhole(there, place)).toBe(true);
  });

  it('files without an entry are no output, and an entry that is none is named and replaced', async () => {
    const place = await makeOutput(here, [40]);
    await run(here, 'push', remote);
    const entry = theFile(remote, /^images\/\w{16}\.json$/);
    const text = await readFile(entry, 'utf8');
    await rm(entry);
    expect((await run(there, 'pull', remote)).stderr).toContain(`${remote} holds no outputs.`);
    for (const [content, problem] of [
      [text.slice(0, 100), 'not valid JSON'],
      ['{}', 'not an entry of format 1'],
      [text.replace('"bytes": 40', '"bytes": 41'), 'not what was written'],
      [text.replace(/"files":"\w{16}/, '"files":"../../../../etc'), 'names what is not its own'],
    ] as const) {
      await writeFile(entry, content);
      const pulled = await run(there, 'pull', remote);
      expect(pulled.exitCode).toBe(1);
      expect(pulled.stderr).toMatch(/images\/\w{16}\.json is damaged: /);
      expect(pulled.stderr).toContain(problem);
    }
    expect((await run(here, 'push', remote)).stdout).toContain('sent');
    expect((await run(there, 'pull', remote)).exitCode).toBe(0);
    expect(await isWhole(there, place)).toBe(true);
  });

  it('an entry whose files would land elsewhere is refused', async () => {
    await makeOutput(here, [40]);
    await run(here, 'push', remote);
    const entry = theFile(remote, /^images\/\w{16}\.json$/);
    const { files, manifest } = JSON.parse(await readFile(entry, 'utf8')) as {
      files: string;
      manifest: { files: { path: string }[]; sha256?: string };
    };
    delete manifest.sha256;
    for (const path of ['../../evil', '/etc/evil', 'a/../../evil', 'a\nb', '.']) {
      manifest.files[0]!.path = path;
      await writeFile(entry, JSON.stringify({ format: 1, files, manifest }));
      expect((await run(there, 'pull', remote)).stderr).toContain('names what is not its own');
    }
  });

  it('says what is wrong with an address, and shows no secret of it', async () => {
    await makeOutput(here, [4]);
    const unknown = await run(here, 'push', 'nosuch:bucket');
    expect(unknown.exitCode).toBe(2);
    expect(unknown.stderr).toContain('nosuch:bucket: rclone knows no remote of this name.');
    expect((await run(here, 'pull', join(here, 'nothing'))).stderr).toContain('holds no outputs');
    const [port] = await freePorts(1);
    const closed = await run(here, 'push', `:webdav,url="http://127.0.0.1:${port}":x`);
    expect(closed.exitCode).toBe(1);
    expect(closed.stderr).toContain(':webdav:x: ');
    expect(closed.stderr).toContain('connection refused');
    for (const address of [
      ':sftp,host=127.0.0.1,user=me,pass=hunter2:x',
      ':s3,access_key_id=AKIA,secret_access_key=hunter2:bucket',
      ':webdav,url="http://me:hunter2@127.0.0.1/":x',
    ]) {
      const refused = await run(here, 'push', address);
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain('a secret in an argument');
      expect(refused.stdout + refused.stderr).not.toContain('hunter2');
    }
    const empty = await toyProject();
    expect((await run(empty, 'push', remote, 'toy.yaml')).stderr).toContain(
      'toy.yaml: no finished output was found.',
    );
    expect((await run(empty, 'push', remote, 'nosuch')).stderr).toContain('There is no run nosuch.');
  });

  it('says how to install rclone where it is missing', async () => {
    await makeOutput(here, [4]);
    env.PATH = here;
    const { exitCode, stderr } = await run(here, 'push', remote);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('rclone was not found');
    expect(stderr).toContain('apt install rclone');
  });

  it('a remote that may not be written to', async ({ skip }) => {
    if (process.getuid?.() === 0) skip('root may write everywhere');
    await makeOutput(here, [4]);
    await mkdir(remote);
    await chmod(remote, 0o500);
    expect((await run(here, 'push', remote)).stderr).toContain('permission denied');
  });
});

describeUnless(reasonAgainst(), 'no space', () => {
  let mounted: string | undefined;
  afterEach(() => {
    if (mounted !== undefined) unmount(mounted);
    mounted = undefined;
  });

  it.for(['the remote', 'the store'])(
    '%s is full: said so, and the same command goes on once there is room',
    async (full, { skip }) => {
      const place = await makeOutput(here, [300_000, 900_000]);
      const small = full === 'the remote' ? remote : store(there);
      await mkdir(small, { recursive: true });
      const reason = mountSmall(small, 600);
      if (reason !== undefined) skip(reason);
      mounted = small;
      if (full === 'the store') await run(here, 'push', remote);
      const failed =
        full === 'the store' ? await run(there, 'pull', remote) : await run(here, 'push', remote);
      expect(failed.exitCode).toBe(1);
      expect(failed.stderr).toMatch(
        full === 'the store' ? /1\.2 MB are needed there, \d+ kB are free/ : /space/,
      );
      expect(below(small).filter((path) => /\/\w{16}(\.json)?$/.test(path))).toEqual([]);
      execFileSync('mount', ['-o', 'remount,size=4m', small]);
      if (full === 'the remote') expect((await run(here, 'push', remote)).exitCode).toBe(0);
      expect((await run(there, 'pull', remote)).exitCode).toBe(0);
      expect(await isWhole(there, place)).toBe(true);
    },
  );
});

describeUnless(reasonAgainst(), 'interruptions', () => {
  const slow = { RCLONE_BWLIMIT: '1M', RCLONE_TRANSFERS: '1', RCLONE_BUFFER_SIZE: '0' };
  const megabyte = 1 << 20;

  it.each(['SIGKILL', 'SIGINT'] as const)(
    '%s while sending: nothing half, and the same command continues',
    async (signal) => {
      const place = await makeOutput(here, [2 * megabyte, 2 * megabyte, 2 * megabyte]);
      const child = start(here, ['push', remote], slow);
      await until(async () => (await bytesIn(remote)) > 3 * megabyte);
      child.kill(signal);
      expect(await exitOf(child)).toBe(signal === 'SIGINT' ? 130 : null);
      expect(below(remote).filter((path) => path.endsWith('.json'))).toEqual([]);
      expect((await run(there, 'pull', remote)).stderr).toContain('holds no outputs');
      const first = theFile(remote, /0 ü\.bin$/);
      const before = await stat(first);
      expect((await run(here, 'push', remote)).exitCode).toBe(0);
      expect((await stat(first)).ctimeMs).toBe(before.ctimeMs);
      expect((await run(there, 'pull', remote)).exitCode).toBe(0);
      expect(await isWhole(there, place)).toBe(true);
      expect(below(join(remote, 'images')).filter((name) => !name.includes('/'))).toHaveLength(2);
    },
  );

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    '%s while bringing: nothing half, and what had come of a file is continued',
    async (signal) => {
      const place = await makeOutput(here, [3 * megabyte, megabyte]);
      await run(here, 'push', remote);
      const child = start(there, ['pull', remote], slow);
      const stored = join(store(there), 'store', 'images');
      const staged = (): string | undefined => below(stored).find((path) => path.endsWith('0 ü.bin'));
      await until(
        async () => staged() !== undefined && (await stat(join(stored, staged()!))).size > megabyte,
      );
      child.kill(signal);
      await once(child, 'exit');
      await sleep(1500);
      expect(await isWhole(there, place)).toBe(false);
      const size = (await stat(join(stored, staged()!))).size;
      expect(size).toBeLessThan(3 * megabyte);
      // The beginning is not brought again: it is wrong there now.
      const file = await open(theFile(remote, /0 ü\.bin$/), 'r+');
      await file.write(randomBytes(1000), 0, 1000, 0);
      await file.close();
      expect(await run(there, 'pull', remote)).toMatchObject({ exitCode: 0, stderr: '' });
      expect(await isWhole(there, place)).toBe(true);
      expect(below(stored).filter((path) => path.includes('.tmp'))).toEqual([]);
    },
  );

  it('what was left of a file and is wrong is brought again', async () => {
    const place = await makeOutput(here, [100_000, 50_000]);
    await run(here, 'push', remote);
    const copy = /\w{16}\.\w{8}(?=\/)/.exec(below(remote).find((path) => path.endsWith('0 ü.bin'))!)![0];
    const staging = join(store(there), 'store', 'images', `${copy}.pull.tmp`, 'shards');
    await mkdir(staging, { recursive: true });
    await writeFile(join(staging, '0 ü.bin'), randomBytes(70_000));
    await writeFile(join(staging, '1 ü.bin'), randomBytes(50_000));
    await writeFile(join(staging, 'other'), 'x');
    expect((await run(there, 'pull', remote)).exitCode).toBe(0);
    expect(await isWhole(there, place)).toBe(true);
    expect(
      await readdir(join(outputPlace(store(there), 'images', place.fingerprint).directory, 'shards')),
    ).toEqual(['0 ü.bin', '1 ü.bin']);
  });

  it('several who push the same, of other bytes, and pull meanwhile: one is kept, whole', async () => {
    const third = await toyProject();
    const place = await makeOutput(here, [400_000, 5]);
    await makeOutput(there, [400_000, 5]);
    const pushers = [here, there, here].map((folder) => start(folder, ['push', remote]));
    const codes = await Promise.all(pushers.map(exitOf));
    expect(codes).toEqual([0, 0, 0]);
    expect((await run(third, 'pull', remote)).exitCode).toBe(0);
    expect(await isWhole(third, place)).toBe(true);
    expect(below(remote).filter((path) => path.endsWith('.json'))).toHaveLength(1);
    const both = await Promise.all([0, 1].map(async () => toyProject()));
    for (const folder of both) {
      const children = [start(folder, ['pull', remote]), start(folder, ['pull', remote])];
      expect(await Promise.all(children.map(exitOf))).toEqual([0, 0]);
      expect(await isWhole(folder, place)).toBe(true);
    }
  });
});

describeUnless(reasonAgainst(), 'servers of rclone', () => {
  let server: ChildProcess | undefined;
  afterEach(async () => {
    if (server === undefined) return;
    const ended = once(server, 'exit');
    server.kill();
    await ended;
    server = undefined;
  });

  async function serve(protocol: string, folder: string, port: number, ...args: string[]): Promise<void> {
    server = spawn('rclone', ['serve', protocol, folder, '--addr', `127.0.0.1:${port}`, ...args], {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
    await listens(port);
  }

  async function listens(port: number): Promise<void> {
    await until(
      () =>
        new Promise((resolve) => {
          const socket = connect(port, '127.0.0.1', () => {
            socket.end();
            resolve(true);
          }).on('error', () => {
            resolve(false);
          });
        }),
    );
  }

  it('s3, with keys from the environment, through the server of moto', async ({ skip }) => {
    if (spawnSync('moto_server', ['--help']).status !== 0)
      skip('moto_server is not installed (pip install moto[server])');
    const place = await makeOutput(here, [200_000, 0, 7]);
    const [port] = await freePorts(1);
    server = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    await listens(port!);
    Object.assign(env, {
      RCLONE_CONFIG_TEAM_TYPE: 's3',
      RCLONE_CONFIG_TEAM_PROVIDER: 'Other',
      RCLONE_CONFIG_TEAM_ENDPOINT: `http://127.0.0.1:${port}`,
      RCLONE_CONFIG_TEAM_ACCESS_KEY_ID: 'me',
      RCLONE_CONFIG_TEAM_SECRET_ACCESS_KEY: 'hunter2',
    });
    expect((await fetch(`http://127.0.0.1:${port}/lab`, { method: 'PUT' })).status).toBe(200);
    expect(await run(here, 'push', 'team:lab/sit')).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await run(here, 'push', 'team:lab/sit')).stdout).toContain('0 of them new');
    expect((await run(here, 'push', '--force', 'team:lab/sit')).exitCode).toBe(0);
    expect((await run(here, 'gc', '--remote', 'team:lab/sit')).stdout).toContain('Nothing to remove');
    expect(await run(there, 'pull', 'team:lab/sit')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await isWhole(there, place)).toBe(true);
  });

  it.each(['sftp', 'webdav'] as const)('%s, with a password from the environment', async (protocol) => {
    const place = await makeOutput(here, [200_000, 0, 7]);
    const other = await makeOutput(here, [], 'report');
    await mkdir(remote);
    const [port] = await freePorts(1);
    await serve(protocol, remote, port!, '--user', 'me', '--pass', 'hunter2');
    Object.assign(env, {
      RCLONE_CONFIG_TEAM_TYPE: protocol,
      RCLONE_CONFIG_TEAM_HOST: '127.0.0.1',
      RCLONE_CONFIG_TEAM_PORT: String(port),
      RCLONE_CONFIG_TEAM_URL: `http://127.0.0.1:${port}`,
      RCLONE_CONFIG_TEAM_USER: 'me',
      RCLONE_CONFIG_TEAM_PASS: rclone('obscure', 'hunter2').trim(),
    });
    const sent = await run(here, 'push', 'team:some/where');
    expect(sent).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await run(here, 'push', 'team:some/where')).stdout).toContain('0 of them new');
    const pulled = await run(there, 'pull', 'team:some/where');
    expect(pulled).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await isWhole(there, place)).toBe(true);
    expect(await isWhole(there, other)).toBe(true);
    expect((await run(here, 'push', '--force', 'team:some/where')).exitCode).toBe(0);
    const again = await toyProject();
    expect((await run(again, 'pull', 'team:some/where')).exitCode).toBe(0);
    env.RCLONE_CONFIG_TEAM_PASS = rclone('obscure', 'wrong').trim();
    const refused = await run(here, 'push', 'team:some/where');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('team:some/where: ');
  });

  it('http, which is read alone', async () => {
    const place = await makeOutput(here, [200_000, 3]);
    await run(here, 'push', join(remote, 'deep'));
    const [port] = await freePorts(1);
    await serve('http', remote, port!);
    const address = `:http,url="http://127.0.0.1:${port}":deep`;
    expect(await run(there, 'pull', address)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await isWhole(there, place)).toBe(true);
    await makeOutput(here, [1]);
    const refused = await run(here, 'push', address);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(':http:deep: ');
  });

  it('no address of a remote is seen in the list of processes', async () => {
    await makeOutput(here, [3 << 20]);
    const child = start(here, ['push', 'team:secret-folder'], {
      RCLONE_BWLIMIT: '1M',
      RCLONE_CONFIG_TEAM_TYPE: 'alias',
      RCLONE_CONFIG_TEAM_REMOTE: remote,
    });
    await until(async () => (await bytesIn(remote)) > 100_000);
    const running = execFileSync('ps', ['-e', '-o', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.startsWith('rclone copy'));
    expect(running.some((line) => line.includes(here))).toBe(true);
    expect(running.filter((line) => line.includes('secret-folder'))).toEqual([]);
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
});
