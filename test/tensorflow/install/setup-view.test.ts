import { expect, it } from 'vitest';
import { formatBytes } from '../../../src/base/format.js';
import { describeProgress, setupView } from '../../../src/tensorflow/install/setup-view.js';

function record(isTTY: boolean) {
  const written: string[] = [];
  let time = 0;
  const view = setupView({ isTTY, columns: 80, write: (text) => written.push(text) }, () => time);
  const progress = (at: number, done: number) => {
    time = at;
    view({ type: 'progress', label: 'a.whl', done, total: 100e6 });
  };
  return { written, view, progress };
}

it('writes plain lines, ten seconds apart, where there is no terminal', () => {
  const { written, view, progress } = record(false);
  view({ type: 'step', message: 'fetching a.whl' });
  for (let second = 0; second <= 25; second++) progress(second * 1000, second * 1e6);
  view({ type: 'step', message: 'unpacking a.whl' });
  expect(written).toEqual([
    'fetching a.whl\n',
    '  10 MB of 100 MB (10 %), 1.0 MB/s, 90 s left\n',
    '  20 MB of 100 MB (20 %), 1.0 MB/s, 80 s left\n',
    'unpacking a.whl\n',
  ]);
});

it('redraws one line on a terminal, and clears it', () => {
  const { written, view, progress } = record(true);
  progress(0, 0);
  progress(50, 1e6);
  progress(1000, 2e6);
  view.end();
  expect(written).toEqual([
    '\r\x1b[K  0 bytes of 100 MB (0 %)',
    '\r\x1b[K  2.0 MB of 100 MB (2 %), 2.0 MB/s, 49 s left',
    '\r\x1b[K',
  ]);
});

it('does not count what an earlier download left as gained', () => {
  const { written, progress } = record(true);
  progress(0, 50e6);
  progress(1000, 60e6);
  expect(written.at(-1)).toContain('10 MB/s, 4 s left');
});

it.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1000, '1.0 kB'],
  [9_960, '10 kB'],
  [273_829_956, '274 MB'],
  [999_600_000, '1.0 GB'],
  [5_442_387_632, '5.4 GB'],
])('writes %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it('changes to minutes and hours where seconds say little', () => {
  expect(describeProgress(1e6, 3e9, 1e6, 1)).toContain('50 min left');
  expect(describeProgress(1e6, 9e9, 1e6, 1)).toContain('2.5 h left');
});
