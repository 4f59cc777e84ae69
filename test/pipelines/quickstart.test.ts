import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { show, whyNoBrowser } from '../support/browser.js';
import { startPipeline } from '../support/tiny-pipeline.js';
import { smokeProfile } from './smoke-profile.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const file = join(root, 'pipelines', 'quickstart.yaml');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quickstart-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('runs with the smoke profile that its head documents', async () => {
  const options = await smokeProfile();
  expect(options.length).toBeGreaterThan(4);
  const { stdout, stderr, exitCode, signal } = await startPipeline(folder, ['run', file, ...options]);
  expect(exitCode, `${stdout}\n${stderr}\n${signal ?? ''}`).toBe(0);
  expect(stdout).toMatch(/images 3,786/);

  const output = join(folder, 'runs', 'quickstart', 'latest');
  const grid = await sharp(join(output, 'sample', 'grid.png')).metadata();
  // Nine of the 99 classes, nine columns of 64 px, 2 px between them.
  expect([grid.width, grid.height]).toEqual([9 * 66 + 2, 9 * 66 + 2]);
  const page = await readFile(join(output, 'report', 'report.html'), 'utf8');
  for (const name of ['face-smiling', 'transport-ground']) expect(page).toContain(name);
  expect(stdout).toContain('report.html');
}, 300_000);

it.for([1280, 390])('leaves a report that a browser of %i pixels shows', async (width, { skip }) => {
  if (whyNoBrowser !== undefined) skip(whyNoBrowser);
  const { headings, pictures, complaints, overflows } = await show(
    join(folder, 'runs', 'quickstart', 'latest', 'report', 'report.html'),
    width,
  );
  expect(complaints).toEqual([]);
  expect(overflows).toBe(false);
  expect(headings).toContain('Emoji at 64 pixels');
  // 18 samples or their rows, and the reconstructions.
  expect(pictures.length).toBeGreaterThanOrEqual(10);
  for (const { width: pixels, alternative } of pictures) {
    expect(pixels).toBeGreaterThanOrEqual(64);
    expect(alternative).not.toBe('');
  }
});
