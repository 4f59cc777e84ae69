import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeRatios } from '../../../src/cli/commands/calibrate.js';

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
