import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openTogether } from '../../src/base/resources.js';
import { writeNpz } from '../../src/formats/npz.js';
import type { StageContext } from '../../src/runner/stage.js';
import { openStageSet } from '../../src/stages/evaluate/image-set.js';

const opened = (name: string, closed: string[]) => ({
  name,
  close: () => Promise.resolve(closed.push(name)),
});

test('what was opened is closed where the rest cannot be, the last first', async () => {
  const closed: string[] = [];
  const opening = openTogether(async (keep) => {
    keep(opened('a', closed));
    await Promise.resolve();
    keep(opened('b', closed));
    throw new RangeError('no c');
  });
  await expect(opening).rejects.toThrow(new RangeError('no c'));
  expect(closed).toEqual(['b', 'a']);
});

test('what was opened stays open where all is', async () => {
  const closed: string[] = [];
  const both = await openTogether((keep) =>
    Promise.resolve([keep(opened('a', closed)), keep(opened('b', closed))]),
  );
  expect(both.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(closed).toEqual([]);
});

test('a set of samples whose index is missing leaves no file open', async ({ skip }) => {
  skip(process.platform !== 'linux', 'only Linux lists the files that are open');
  const directory = await mkdtemp(join(tmpdir(), 'samples-'));
  try {
    const path = join(directory, 'samples.npz');
    await writeNpz(path, [{ name: 'arr_0', dtype: 'u1', shape: [1, 2, 2, 3], data: new Uint8Array(12) }]);
    const input = () => ({ kind: 'sample', directory, fingerprint: 'f' });
    await expect(openStageSet('draw', { input } as unknown as StageContext)).rejects.toThrow('samples.json');
    const open = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(join('/proc/self/fd', fd)).catch(() => '')),
    );
    expect(open.filter((file) => file === path)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
