import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.js';

/** A program in the command line's place that keeps many threads busy, if there are any, and counts the pool's. */
const program = `
import { pbkdf2 } from 'node:crypto';
import { readdirSync } from 'node:fs';
for (let i = 0; i < 64; i++) pbkdf2('a', 'b', 1000, 64, 'sha512', () => {});
console.log(readdirSync("/proc/self/task").length, ...process.argv.slice(2));
`;

it('gives Node a thread for each core, and some that wait', async ({ skip }) => {
  if (!existsSync('/proc/self/task')) skip('this system has no /proc/self/task');
  const folder = await temporaryFolder('bin');
  const outfile = join(folder, 'bin.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/cli/bin.cts', import.meta.url))],
    ...{ outfile, format: 'cjs', platform: 'node', bundle: false },
  });
  await writeFile(join(folder, 'main.js'), program);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const threads = async (env: Record<string, string>) => {
    const { stdout } = await execa(process.execPath, [outfile, 'a', 'b'], { env });
    const [count, ...args] = stdout.split(' ');
    expect(args).toEqual(['a', 'b']);
    return Number(count);
  };
  const few = await threads({ UV_THREADPOOL_SIZE: '1' });
  expect((await threads({})) - few).toBe(availableParallelism() + 2 - 1);
  expect((await threads({ UV_THREADPOOL_SIZE: '9' })) - few).toBe(9 - 1);
});
