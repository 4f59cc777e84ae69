import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reporter-'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
});

afterAll(() => rm(folder, { recursive: true }));

/** The end of a run of one test file, with its exit code. */
async function run(name: string, tests: string, ...args: string[]) {
  await mkdir(join(folder, name));
  await writeFile(
    join(folder, name, 'a.test.ts'),
    `import { beforeAll, describe, expect, it } from 'vitest';\n${tests}`,
  );
  await writeFile(join(folder, name, 'vitest.config.mjs'), 'export default {};\n');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporter = ['--reporter', join(root, 'test/closing-line-reporter.ts')];
  const { stdout, exitCode } = await execa(
    process.execPath,
    [vitest, 'run', '--root', join(folder, name), ...reporter, ...args],
    { reject: false },
  );
  return { lines: stdout.trim().split('\n'), exitCode };
}

const passes = `it('passes', () => { expect(1).toBe(1); });\n`;

it('prints the reason of a skipped test, which is no failure', async () => {
  const tests = `${passes}it('needs a lion', ({ skip }) => { skip('there is no lion'); });`;
  expect(await run('reason', tests)).toEqual({
    lines: ['skipped: needs a lion: there is no lion', '1 passed, 0 failed, 1 skipped'],
    exitCode: 0,
  });
});

it.for([
  ['skip', `it.skip('left', () => {});`],
  ['condition', `describe.skipIf(true)('group', () => { it('left', () => {}); });`],
  ['plan', `it.todo('left');`],
  ['in the test', `it('left', ({ skip }) => { skip(); });`],
])('fails a run with a test that is skipped without a reason: %s', async ([name, tests]) => {
  const { lines, exitCode } = await run(name!, passes + tests!);
  expect(lines.at(-2)).toMatch(/^skipped: (group > )?left: no reason is given, so it has failed$/);
  expect(lines.at(-1)).toBe('1 passed, 1 failed');
  expect(exitCode).toBe(1);
});

it('counts those that the command line left out by their names as skipped', async () => {
  expect(await run('by name', `${passes}it('other', () => {});`, '-t', 'passes')).toEqual({
    lines: ['1 passed, 0 failed, 1 skipped'],
    exitCode: 0,
  });
});
