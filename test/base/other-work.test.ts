import { execa } from 'execa';
import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { othersShare, processorTimes } from '../../src/base/other-work.js';

it('is what others had of all processors', () => {
  const before = { total: 1000, busy: 500, own: 100 };
  expect(othersShare(before, { total: 2000, busy: 1300, own: 300 })).toBe(0.6);
  expect(othersShare(before, before)).toBe(0);
});

it('is large where other programs keep all processors busy', async () => {
  const busy = Array.from({ length: 4 * availableParallelism() }, () =>
    execa(process.execPath, ['-e', 'process.send("runs"); for (;;);'], { ipc: true, reject: false }),
  );
  try {
    await Promise.all(busy.map((other) => other.getOneMessage()));
    const before = processorTimes();
    for (const end = performance.now() + 2000; performance.now() < end;);
    expect(othersShare(before, processorTimes())).toBeGreaterThan(0.4);
  } finally {
    for (const other of busy) other.kill('SIGKILL');
    await Promise.all(busy);
  }
});
