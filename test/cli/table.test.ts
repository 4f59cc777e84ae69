import { Chalk } from 'chalk';
import { expect, it } from 'vitest';
import { type Column, formatTable } from '../../src/cli/table.js';

const chalk = new Chalk({ level: 0 });
const cells = (...texts: string[]) => texts.map((text) => ({ text }));
const columns: readonly Column[] = [
  { heading: 'run', cells: cells('a', 'bbbb') },
  { heading: 'started', cells: cells('today', 'yesterday'), leaveOut: 1 },
  { heading: 'time', cells: cells('1 s', '12 s'), align: 'right' },
  { heading: 'empty', cells: cells('', '') },
  { heading: 'notes', cells: cells('all is well', 'a long remark about 日本語'), flexible: true },
];

it('shows everything where there is room', () => {
  expect(formatTable(columns, Infinity, chalk)).toBe(`RUN   STARTED    TIME  NOTES
a     today       1 s  all is well
bbbb  yesterday  12 s  a long remark about 日本語
`);
});

it('leaves columns out, then cuts, and never wraps', () => {
  expect(formatTable(columns, 30, chalk)).toBe(`RUN   TIME  NOTES
a      1 s  all is well
bbbb  12 s  a long remark abo…
`);
});

it('puts a long column below each row where there is little room beside', () => {
  const narrow = columns.map((column) => (column.flexible ? { ...column, below: true } : column));
  expect(formatTable(narrow, 30, chalk)).toBe(`RUN   STARTED    TIME
a     today       1 s
  all is well
bbbb  yesterday  12 s
  a long remark about 日本語
`);
});
