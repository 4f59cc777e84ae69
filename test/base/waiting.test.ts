import { execa } from 'execa';
import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { threadTimes, waitedShare } from '../../src/base/waiting.js';

it('is the part of what all threads waited, those included that began since', () => {
  const before = new Map([['1', [100, 50]]] as const);
  const after = new Map([
    ['1', [103, 51]],
    ['2', [1, 3]],
  ] as const);
  expect(waitedShare(before, after)).toBe(4 / 8);
  expect(waitedShare(before, before)).toBe(0);
});

it.runIf(process.platform === 'linux')('is large where other programs keep all processors busy', async () => {
  const busy = Array.from({ length: 4 * availableParallelism() }, () =>
    execa(process.execPath, ['-e', 'process.send("runs"); for (;;);'], { ipc: true, reject: false }),
  );
  try {
    await Promise.all(busy.map((other) => other.getOneMessage()));
    const before = await threadTimes();
    for (const end = performance.now() + 2000; performance.now() < end;);
    expect(waitedShare(before, await threadTimes())).toBeGreaterThan(0.4);
  } finally {
    for (const other of busy) other.kill('SIGKILL');
    await Promise.all(busy);
  }
});
