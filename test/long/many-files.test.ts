import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { nodeProgram } from '../support/programs.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folders = 100;
const inEach = 1_000;
/** Far above what a plan of one file takes, far below what a list of all files would. */
const mostMemoryMiB = 300;

it('a folder of a hundred thousand files is read in little memory, and not again', async () => {
  const cwd = await temporaryFolder('many files');
  for (let folder = 0; folder < folders; folder++) {
    const path = join(cwd, 'data', `class ${folder}`);
    await mkdir(path, { recursive: true });
    for (let i = 0; i < inEach; i += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, j) => writeFile(join(path, `${i + j}.png`), `${folder}/${i + j}`)),
      );
  }
  await writeFile(
    join(cwd, 'toy.yaml'),
    'name: toy\nstages:\n  images: { uses: images, path: data, size: 32 }\n',
  );
  // Tells how much memory the process has had at most, and how many files it opened and read.
  const watch = join(cwd, 'watch.mjs');
  await writeFile(
    watch,
    `import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
const open = fs.open;
let opened = 0;
fs.open = (path, ...rest) => { if (String(path).endsWith('.png')) opened++; return open(path, ...rest); };
syncBuiltinESMExports();
process.on('exit', () => {
  console.error(JSON.stringify({ opened, memoryMiB: process.resourceUsage().maxRSS / 1024 }));
});
`,
  );
  const plan = async () => {
    const { exitCode, stderr } = await execa(
      process.execPath,
      ['--import', pathToFileURL(watch).href, ...nodeProgram('test/cli/toy-main.ts'), 'plan', 'toy.yaml'],
      { cwd, reject: false, env: { PIPELINE_RUNS: join(cwd, 'runs'), NO_COLOR: '1', CI: '1' } },
    );
    expect(exitCode, stderr).toBe(0);
    return JSON.parse(stderr.trim().split('\n').at(-1)!) as { opened: number; memoryMiB: number };
  };
  const first = await plan();
  expect(first.opened).toBe(folders * inEach);
  expect(first.memoryMiB).toBeLessThan(mostMemoryMiB);
  // Files that were written just before are read once more: their times could hide another change.
  const again = await plan();
  expect(again.opened).toBeLessThan(folders * inEach);
  const settled = await plan();
  expect(settled.opened).toBe(0);
  expect(settled.memoryMiB).toBeLessThan(mostMemoryMiB);
}, 600_000);
