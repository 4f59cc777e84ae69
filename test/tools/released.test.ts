import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { nodeProgram } from '../support/programs.js';
import { temporaryFolder } from '../support/temporary-folder.js';

it('keeps the speed of a release by processor, and tells of what is faster or slower by its share of bare products', async () => {
  const folder = await temporaryFolder('released');
  const [from, released] = [join(folder, 'bench.jsonl'), join(folder, 'released.json')];
  const lines = (shares: Readonly<Record<string, number | undefined>>) =>
    Object.entries(shares)
      // As the same work takes in another sitting: seconds do not count.
      .map(([what, share_of_matmuls], i) =>
        JSON.stringify({ what, seconds: 1 + i, precision: 'float32', share_of_matmuls }),
      )
      .join('\n');
  const run = async (...options: string[]) => {
    const program = [...nodeProgram('tools/bench/released.ts'), '--from', from, '--released', released];
    return (await execa(process.execPath, [...program, ...options])).stdout;
  };
  const before = { forward: 0.8, 'train step': 0.6, 'sampling step': 0.7, 'session call': undefined };
  await writeFile(from, lines(before));
  expect(await run()).toContain('Nothing is kept of a release on ');
  expect(await run('--keep')).toMatch(/^Kept for \d+\.\d+\.\d+ on .+\.$/);
  const kept = Object.values(JSON.parse(await readFile(released, 'utf8')) as Record<string, object>);
  expect(kept).toMatchObject([{ lines: JSON.parse(`[${lines(before).replaceAll('\n', ',')}]`) as object[] }]);

  await writeFile(from, lines({ 'train step': 0.75, forward: 0.6, 'sampling step': 0.65, unknown: 0.5 }));
  expect((await run()).split('\n').slice(1)).toEqual([
    'float32   train step       60 %    75 %  25 % faster',
    'float32   forward          80 %    60 %  25 % slower',
    'float32   sampling step    70 %    65 %  no change beyond noise',
    'float32   unknown             –    50 %',
  ]);
});
