import { chmod, lstat, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkRatios, writeRatios } from '../../src/cli/write-ratios.js';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'ratios-'))));
afterEach(() => rm(folder, { recursive: true }));

const text = `# Three models by turns.
name: x
stages:
  other: { uses: sample, count: 1 } # untouched
  sample:
    uses: sample
    # From small to large:
    phases:
      - { model: a, switchRatio: 0.9 } # the small one
      - model: b
        switchRatio: 0.5
      - { model: c }
`;

it('changes the ratios and nothing else', async () => {
  const file = join(folder, 'p.yaml');
  await writeFile(file, text);
  await writeRatios(file, 'sample', [0.75, 0.4]);
  expect(await readFile(file, 'utf8')).toBe(text.replace('0.9', '0.75').replace('0.5', '0.4'));
});

it('adds ratios that were not there', async () => {
  const file = join(folder, 'p.yaml');
  await writeFile(file, 'stages: { s: { phases: [{ model: a }, { model: b }] } } # kept\n');
  await writeRatios(file, 's', [0.7]);
  expect(await readFile(file, 'utf8')).toBe(
    'stages: { s: { phases: [{ model: a, switchRatio: 0.7 }, { model: b }] } } # kept\n',
  );
});

it('leaves every other line as it is, in whatever style it is written', async () => {
  const file = join(folder, 'p.yaml');
  const odd = (ratios: readonly string[]): string =>
    `# Odd: [1,2]\r\nstages:\r\n    s:\r\n        channels: [1,2,  3]   # unpadded\r\n        text: "a\\u0062"\r\n        phases:\r\n        -   model: a   # first${ratios[0]!}\r\n        - {model: b${ratios[1]!}}\r\n        - {model: 'c'}\r\n`;
  await writeFile(file, odd(['', '']));
  await writeRatios(file, 's', [0.7, 0.5]);
  const written = odd(['\r\n            switchRatio: 0.7', ', switchRatio: 0.5']);
  expect(await readFile(file, 'utf8')).toBe(written);
  await writeRatios(file, 's', [0.8, 0.6]);
  expect(await readFile(file, 'utf8')).toBe(written.replace('0.7', '0.8').replace('0.5', '0.6'));
});

it('refuses a file without the phases', async () => {
  const file = join(folder, 'p.yaml');
  await writeFile(file, text);
  await expect(writeRatios(file, 'other', [0.7])).rejects.toThrow(
    'does not itself hold 2 phases of the stage other',
  );
  await expect(writeRatios(file, 'sample', [0.7])).rejects.toThrow('does not itself hold 2 phases');
  expect(await readFile(file, 'utf8')).toBe(text);
});

it.each([
  [
    'a phase that is an alias',
    'x: &p { model: a, switchRatio: 0.9 }\nstages: { s: { phases: [*p, { model: b }] } }\n',
  ],
  [
    'phases that another stage takes',
    'stages:\n  s: { phases: &p [{ model: a }, { model: b }] }\n  t: { phases: *p }\n',
  ],
  [
    'a ratio that another key takes',
    'stages:\n  s: { phases: [{ model: a, switchRatio: &r 0.9 }, { model: b }] }\n  t: *r\n',
  ],
  [
    'a key written with a question mark',
    'stages:\n  s:\n    phases:\n      - ? model\n        : a\n      - model: b\n',
  ],
  ['a phase without a key', 'stages: { s: { phases: [{}, { model: b }] } }\n'],
])('refuses %s, before the calibration too', async (_, given) => {
  const file = join(folder, 'p.yaml');
  await writeFile(file, given);
  for (const attempt of [() => checkRatios(file, 's', 1), () => writeRatios(file, 's', [0.7])])
    await expect(attempt()).rejects.toThrow('in a form in which their ratios cannot be changed alone');
  expect(await readFile(file, 'utf8')).toBe(given);
});

it('keeps anchors and tags of what it changes and of what stands beside it', async () => {
  const file = join(folder, 'p.yaml');
  const ratio = (first: number) =>
    `x: &r 0.9\nstages: { s: { phases: &all [&p { model: !!str &m a, "switchRatio": !!float &u ${first} }, { model: b }] } }\ny: *m`;
  await writeFile(file, ratio(0.9));
  await writeRatios(file, 's', [0.7]);
  expect(await readFile(file, 'utf8')).toBe(ratio(0.7));
});

it('writes into the file that a link leads to, and leaves its permissions', async () => {
  const file = join(folder, 'p.yaml');
  await writeFile(file, text);
  await chmod(file, 0o600);
  await symlink(file, join(folder, 'link.yaml'));
  await writeRatios(join(folder, 'link.yaml'), 'sample', [0.75, 0.4]);
  expect((await lstat(join(folder, 'link.yaml'))).isSymbolicLink()).toBe(true);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, 'utf8')).toContain('0.75');
});
