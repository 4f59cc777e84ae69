import { mkdir, mkdtemp, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { readResults, writeResults } from '../../src/runner/sweep/results.js';
import { sweepPage } from '../../src/ui/pages/sweep-page.js';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { describeUnless } from '../support/unless.js';
import { accessibilityProblems } from './accessibility.js';
import { hostile, writeWholeRun } from './whole-run.js';

const rates = Array.from({ length: 9 }, (_, i) => 1e-4 * 2 ** i);

/** A sweep of eleven trials as it leaves them: nine with runs, one that failed, one that was not run. */
async function writeSweep(parent: string): Promise<string> {
  const runs = join(parent, 'runs');
  const folder = join(runs, 'whole', 'sweep');
  await mkdir(folder, { recursive: true });
  const finished = await Promise.all(
    rates.map(async (learningRate, i) => ({
      trial: `trial-${i}`,
      status: i === 0 ? ('cached' as const) : ('finished' as const),
      values: { 'stages.train.learningRate': learningRate, seed: i % 2 },
      metrics: {
        'train.peakMemoryMegabytes': 600 + i,
        'train.loss': 0.3 - 0.02 * ((i * 4) % 9),
        'train.steps': 100,
        'evaluate.fid': 30 + i,
      },
      seconds: 90 + i,
      run: await writeWholeRun(runs, new Date(Date.UTC(2026, 2, 1, 10 + i)), { learningRate }),
      pages: [join(runs, 'store', 'report', String(i), 'report.html')],
    })),
  );
  // One was interrupted after its first pictures.
  const trained = join(runs, 'store', 'train');
  const drawn = join(trained, (await readdir(trained))[0]!, 'samples', 'index.json');
  const index = JSON.parse(await readFile(drawn, 'utf8')) as { readonly grids: readonly object[] };
  await writeFile(drawn, JSON.stringify({ ...index, grids: index.grids.slice(0, 1) }));
  const rest = { metrics: {}, seconds: 0, pages: [] };
  const results = [
    ...finished,
    {
      ...{ ...rest, trial: 'trial-9', status: 'failed' as const },
      values: { 'stages.train.learningRate': 1, seed: 0 },
      failure: { stage: 'train', message: `The loss is NaN: ${hostile}`, remedy: 'Lower `learningRate`.' },
    },
    {
      ...{ ...rest, trial: 'trial-10', status: 'waiting' as const },
      values: { 'stages.train.learningRate': 2, seed: 1 },
    },
  ];
  const json = join(folder, 'sweep.json');
  const keys = ['stages.train.learningRate', 'seed'];
  await writeResults(
    { csv: join(folder, 'sweep.csv'), json },
    { name: 'whole', file: 'whole.yaml' },
    {
      ...{ keys, trials: results, headlines: [{ name: 'evaluate.fid', better: 'less' }] },
      apart: { 'train.loss': ['stages.train.latents'], 'sample.bitsPerDimension': ['stages.sample.reverse'] },
    },
  );
  const file = join(folder, 'sweep.html');
  await writeFile(file, await sweepPage((await readResults(json))!, { file }));
  return file;
}

let file: string;

beforeAll(async () => {
  file = await writeSweep(await realpath(await mkdtemp(join(tmpdir(), 'sweep page ü '))));
});

describeUnless(whyNoBrowser, 'the page of a sweep', () => {
  it.each([
    [1280, 'light'],
    [390, 'dark'],
  ] as const)('is sorted by any column and shows all curves, %d px wide, %s', async (width, colorScheme) => {
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    onTestFinished(() => browser.close());
    const context = await browser.newContext({
      ...{ viewport: { width, height: 900 }, colorScheme, bypassCSP: true },
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(request.url());
    });
    await page.goto(pathToFileURL(file).href);
    const column = (number: number) =>
      page.locator(`.sortable tbody td:nth-child(${number})`).allTextContents();
    const headings = await page.locator('.sortable thead th').allInnerTexts();
    expect(headings.map((text) => text.replace(/\s+/g, ' ').replace(' ↕', '').toLowerCase())).toEqual([
      ...[
        'trial',
        'learningrate',
        'seed',
        'evaluate fid',
        'state',
        'time',
        'train loss',
        'train peak memory',
      ],
    ]);
    expect(await page.locator('#trials .lead').innerText()).toContain(
      'Trials do not compare by train loss: it measures something else where `stages.train.latents` does.',
    );
    // The best of those compared by is marked.
    expect(
      await page.getByRole('img', { name: 'best' }).locator('xpath=ancestor::td').allInnerTexts(),
    ).toEqual(['30 ★']);
    const losses = await column(7);
    expect(losses.slice(0, 2)).toEqual(['0.3', '0.22']);
    const loss = page.getByRole('button', { name: /loss/ });
    await loss.click();
    const ascending = [...losses].sort(
      (a, b) => Number(a === '') - Number(b === '') || Number(a) - Number(b),
    );
    expect(await column(7)).toEqual(ascending);
    await loss.press('Enter');
    expect(await column(7)).toEqual([...ascending.slice(0, 9).reverse(), '', '']);
    expect(await page.locator('.sortable th[aria-sort]').getAttribute('aria-sort')).toBe('descending');
    // Numbers are sorted as numbers: 1e-4 to 2.
    await page
      .locator('.sortable')
      .getByRole('button', { name: /learningRate/ })
      .click();
    expect((await column(2)).map(Number)).toEqual((await column(2)).map(Number).sort((a, b) => a - b));
    expect(await page.locator('.overlay .legend li').count()).toBeGreaterThanOrEqual(9);
    expect(await page.getByText('The loss is NaN').count()).toBe(1);
    // A search leaves rows, and with them curves and columns of pictures; a comparison reads numbers.
    const search = page.getByRole('searchbox').first();
    const left = () => page.locator('.sortable tbody tr:not(.group-row):visible').count();
    const columns = () => page.locator('.cells').first().locator('thead th:visible').count();
    const before = await columns();
    // On a narrow screen the curves are folded away at first.
    const fold = page.locator('#curves-train').getByRole('button', { name: 'Training' });
    expect(await fold.count()).toBe(width < 700 ? 1 : 0);
    if (width < 700) await fold.click();
    await search.fill('loss<0.2 seed=0');
    const wanted = rates.filter((_, i) => 0.3 - 0.02 * ((i * 4) % 9) < 0.2 && i % 2 === 0).length;
    expect(await left()).toBe(wanted);
    expect(await columns()).toBe(before - 9 + wanted);
    expect(await page.locator('.overlay').first().locator('.legend li:visible').count()).toBe(wanted);
    expect(await page.locator('.table-controls output').first().textContent()).toBe(`${wanted} of 11`);
    await search.fill('FAILED');
    expect(await left()).toBe(1);
    await search.fill('');
    await page.getByLabel('Group by').selectOption('seed');
    const groups = await page.locator('.group-row').allInnerTexts();
    // The mean of fid 30 + i over the even and the odd trials.
    expect(groups.map((text) => text.replace(/\s+/g, ' '))).toEqual([
      'seed 0 6 rows · mean of evaluate FID 34',
      'seed 1 5 rows · mean of evaluate FID 34',
    ]);
    await page.getByLabel('Group by').selectOption('');
    expect(await columns()).toBe(before);
    expect(await page.getByRole('link', { name: 'trial-3' }).getAttribute('href')).toBe(
      '../../store/report/3/report.html',
    );
    const notes = page.locator('.at-step', { hasText: 'step' });
    expect(await notes.allTextContents()).toEqual(['step 1,000']);
    const slider = page.getByRole('slider', { name: 'Step', exact: true });
    await slider.focus();
    await page.keyboard.press('Home');
    await expect.poll(() => notes.count()).toBe(0);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(complaints).toEqual([]);
    if (process.env.PIPELINE_TEST_PICTURES !== undefined)
      await page.screenshot({
        path: join(process.env.PIPELINE_TEST_PICTURES, `sweep-${width}.png`),
        fullPage: true,
      });
  });
});
