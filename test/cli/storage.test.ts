import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, statfs, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa, execaSync } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeProgram } from '../support/programs.js';
import { mountSmall } from '../support/small-file-system.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeUnless } from '../support/unless.js';

const yaml = (steps: number): string => `name: toy
stages:
  images: { uses: images, path: data, size: 32 }
  autoencoder: { uses: autoencoder, images: images, channels: [32, 64, 96], steps: ${steps} }
  report: { uses: report, stages: [images, autoencoder] }
`;
const written = (steps: number): string => Array.from({ length: steps }, (_, i) => `step ${i}\n`).join('');

async function project(steps = 3): Promise<string> {
  const folder = await temporaryFolder('storage 数据');
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'data', 'ä b.png'), 'a');
  await writeFile(join(folder, 'toy.yaml'), yaml(steps));
  return folder;
}

/** Starts the real command over the toy stages. */
const pipeline = (cwd: string, ...args: string[]) =>
  execa(process.execPath, [...nodeProgram('test/cli/toy-main.ts'), ...args], {
    cwd,
    reject: false,
    env: { CI: '', PIPELINE_RUNS: '', NO_COLOR: '1', TOY_SESSIONS: join(cwd, 'sessions') },
  });
const steps = (cwd: string): Promise<string> =>
  readFile(join(cwd, 'runs', 'toy', 'latest', 'autoencoder', 'steps.txt'), 'utf8');

const mountable =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  execaSync('unshare', ['--mount', 'true'], { reject: false }).exitCode === 0;

function mount(...args: string[]): void {
  execaSync('mount', args);
}

/** A disk of its own at a folder, until the test has finished. */
async function disk(folder: string, kib: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  expect(mountSmall(folder, kib)).toBeUndefined();
  onTestFinished(() => {
    execaSync('umount', ['--lazy', folder], { reject: false });
  });
}

describeUnless(mountable ? undefined : 'disks are mounted as root on Linux', 'a disk', () => {
  it('that is full stops the run with what to do, and the same command continues where it stopped', async () => {
    const cwd = await project(1500);
    const runs = join(cwd, 'runs');
    await disk(runs, 4096);
    expect((await pipeline(cwd, 'run', 'toy.yaml', '--until', 'images')).exitCode).toBe(0);
    const { bavail, bsize } = await statfs(runs);
    await writeFile(join(runs, 'filler'), Buffer.alloc(bavail * bsize - 40 * 1024));
    const full = await pipeline(cwd, 'run', 'toy.yaml');
    expect(full.exitCode).toBe(1);
    expect(full.stderr).toMatch(
      /there is no space left on the disk\.\n {2}Free some space, then run again\./,
    );
    expect(full.stderr).not.toContain('    at ');
    await rm(join(runs, 'filler'));
    const again = await pipeline(cwd, 'run', 'toy.yaml');
    expect(again.exitCode, again.stdout + again.stderr).toBe(0);
    expect(again.stdout).toContain('images: cached');
    expect(await steps(cwd)).toBe(written(1500));
  });

  it('with read-only inputs serves as any other', async () => {
    const cwd = await project();
    await disk(join(cwd, 'data'), 64);
    await writeFile(join(cwd, 'data', 'a.png'), 'a');
    mount('-o', 'remount,ro', join(cwd, 'data'));
    expect((await pipeline(cwd, 'run', 'toy.yaml')).exitCode).toBe(0);
    expect((await pipeline(cwd, 'plan', 'toy.yaml')).stdout).toContain('Nothing to run');
  });

  it('with a read-only folder of runs is planned and looked at, and refused to run on', async () => {
    const cwd = await project();
    await disk(join(cwd, 'runs'), 512);
    expect((await pipeline(cwd, 'run', 'toy.yaml')).exitCode).toBe(0);
    mount('-o', 'remount,ro', join(cwd, 'runs'));
    const [plan, status, run] = await Promise.all([
      pipeline(cwd, 'plan', 'toy.yaml'),
      pipeline(cwd, 'status'),
      pipeline(cwd, 'run', 'toy.yaml', '--set', 'stages.autoencoder.steps=5'),
    ]);
    expect([plan.exitCode, plan.stdout]).toEqual([0, expect.stringContaining('Nothing to run')]);
    expect([status.exitCode, status.stdout]).toEqual([0, expect.stringContaining('finished')]);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toMatch(/runs: the folder of runs cannot be written to\.\n {2}Make it writable/);
    expect(run.stderr).not.toContain('    at ');
  });
});

describe('links', () => {
  it('to data, to the project and to the folder of runs lead to the same cache', async () => {
    const cwd = await project();
    await rename(join(cwd, 'data'), join(cwd, 'real'));
    await mkdir(join(cwd, 'data'));
    await symlink(join('..', 'real', 'ä b.png'), join(cwd, 'data', 'ä b.png'));
    await mkdir(join(cwd, 'elsewhere'));
    await symlink('elsewhere', join(cwd, 'runs'));
    expect((await pipeline(cwd, 'run', 'toy.yaml')).exitCode).toBe(0);
    await rename(join(cwd, 'data'), join(cwd, 'links'));
    await symlink('real', join(cwd, 'data'));
    await symlink('.', join(cwd, 'project'));
    const { stdout } = await pipeline(join(cwd, 'project'), 'plan', 'toy.yaml');
    expect(stdout).toContain('Nothing to run');
  });
});

describe('a clock that jumps', () => {
  it('makes nothing run again, and hides no change', async () => {
    const cwd = await project();
    const image = join(cwd, 'data', 'ä b.png');
    expect((await pipeline(cwd, 'run', 'toy.yaml')).exitCode).toBe(0);
    // As after a start with a wrong clock: everything seems to come from the future.
    const future = new Date(Date.now() + 1e10);
    for (const path of [image, join(cwd, 'toy.yaml'), join(cwd, 'runs', 'toy', 'latest', 'run.json')])
      await utimes(path, future, future);
    expect((await pipeline(cwd, 'plan', 'toy.yaml')).stdout).toContain('Nothing to run');
    expect((await pipeline(cwd, 'status')).stdout).toContain('finished');
    // Another content of the same size, with the time that it had before.
    await writeFile(image, 'b');
    await utimes(image, future, future);
    expect((await pipeline(cwd, 'plan', 'toy.yaml')).stdout).toMatch(/images +runs +data: 1 file changed/);
    const again = await pipeline(cwd, 'run', 'toy.yaml');
    expect([again.exitCode, await steps(cwd)]).toEqual([0, written(3)]);
  });
});

describe('what the system refuses', () => {
  it.each([
    [
      'export TOY_NO_DESCRIPTORS=1; ulimit -n 256',
      /: too many files are open\.\n {2}Raise the limit with `ulimit -n/,
    ],
    [
      "trap '' XFSZ; ulimit -f 4",
      /: the file would become larger than is allowed\.\n {2}Raise the limit with `ulimit -f/,
    ],
  ])('by a limit of the shell is said without a stack: %s', async (limit, told) => {
    const cwd = await project(500);
    const command = [process.execPath, ...nodeProgram('test/cli/toy-main.ts'), 'run', 'toy.yaml'];
    const run = await execa('sh', ['-c', `${limit}; exec "$@"`, 'sh', ...command], {
      cwd,
      reject: false,
      env: { CI: '', PIPELINE_RUNS: '', NO_COLOR: '1' },
    });
    expect(run.exitCode, run.stderr).toBe(1);
    expect(run.stderr).toMatch(told);
    expect(run.stderr).not.toMatch(/Internal error| {4}at /);
  });

  it.each(['runs/toy', 'runs'])(
    'because %s was removed under the run is said without a stack',
    async (gone) => {
      const cwd = await project(100_000);
      const running = pipeline(cwd, 'run', 'toy.yaml');
      await expect
        .poll(() => existsSync(join(cwd, 'runs', 'toy', 'latest', 'autoencoder.log')), { timeout: 30_000 })
        .toBe(true);
      await rm(join(cwd, gone), { recursive: true, maxRetries: 5 });
      const { exitCode, stderr } = await running;
      expect([exitCode, stderr]).toEqual([
        1,
        expect.stringMatching(/it was removed or moved while it was in use/),
      ]);
      expect(stderr).not.toMatch(/Internal error| {4}at /);
      const again = await pipeline(cwd, 'run', 'toy.yaml', '--until', 'images');
      expect(again.exitCode).toBe(0);
    },
  );
});
