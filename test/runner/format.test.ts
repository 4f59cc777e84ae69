import { expect, it } from 'vitest';
import { formatDiagnostics } from '../../src/runner/format-diagnostics.js';
import { load, messages } from './pipelines.js';

const underlined = async (text: string): Promise<string[]> => (await messages(text)).split('\n').slice(1, 3);

const rest = 'stages: { images: { uses: images, path: x, size: 8 } }\n';

it('keeps tabs before the underline, so that it stands below its word in any tab width', async () => {
  expect(await underlined(`name: a\nseed:\t\tx\n${rest}`)).toEqual(['    seed:\t\tx', '         \t\t^']);
});

it('counts wide characters as two columns, and combined ones as one', async () => {
  const text = (name: string) => `name: a\nstages: { images: { path: ${name}, uses: imagse, size: 8 } }\n`;
  const [cjk, cjkLine] = await underlined(text('写真'));
  expect(cjk).toContain('写真');
  expect(cjkLine?.indexOf('^')).toBe(cjk!.indexOf('imagse') + 2);
  const [emoji, emojiLine] = await underlined(text('👩🏽‍🚀'));
  expect(emojiLine?.indexOf('^')).toBe(emoji!.indexOf('imagse') - '👩🏽‍🚀'.length + 2);
  const [accent, accentLine] = await underlined(text('e\u0301'));
  expect(accentLine?.indexOf('^')).toBe(accent!.indexOf('imagse') - 1);
});

it('underlines wide words in their whole width', async () => {
  expect(await underlined(`name: 写真\n${rest}`)).toEqual(['    name: 写真', '          ^^^^']);
});

it('counts columns in UTF-16 code units, as editors do', async () => {
  const loaded = await load(`name: a\nstages: { images: { path: 👩, uses: imagse, size: 8 } }\n`);
  expect(loaded.ok || loaded.diagnostics[0]).toMatchObject({ line: 2, column: 37, endColumn: 43 });
});

it('reads Windows line ends and a byte order mark', async () => {
  const text = `\uFEFFname: A\n# comment\nseed: x\n${rest}`.replaceAll('\n', '\r\n');
  const loaded = await load(text);
  if (loaded.ok) throw new Error('loaded');
  expect(loaded.diagnostics.map(({ line, column }) => [line, column])).toEqual([
    [1, 7],
    [3, 7],
  ]);
  expect(formatDiagnostics(loaded.diagnostics)).not.toContain('\r');
});

it('shows the part of a long line around the place', async () => {
  const [line, carets] = await underlined(
    `name: a\nseed: [${'0, '.repeat(200)}0]\nstages: { ${' '.repeat(300)}x: 1 }\n`,
  );
  expect(line!.length).toBeLessThanOrEqual(125);
  expect(carets!.trim()).toMatch(/^\^+$/);
  expect(carets!.length).toBeLessThanOrEqual(line!.length);
});

it('colours only when asked to', async () => {
  const loaded = await load(`name: A\n${rest}`);
  if (loaded.ok) throw new Error('loaded');
  const plain = formatDiagnostics(loaded.diagnostics);
  const coloured = formatDiagnostics(loaded.diagnostics, { color: true });
  expect(plain).not.toContain('\u001B');
  expect(coloured).toContain('\u001B[31merror\u001B[39m');
  // eslint-disable-next-line no-control-regex
  expect(coloured.replace(/\u001B\[\d+m/g, '')).toBe(plain);
});
