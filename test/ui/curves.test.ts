import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Locator, type Page } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { chartsFrame } from '../../src/pages/chart/frame.js';
import { html, type ReportedStage, type Section } from '../../src/pages/html.js';
import { renderPage } from '../../src/pages/page.js';
import type { Run } from '../../src/runner/runs/run.js';
import type { ComparedRun } from '../../src/ui/pages/compared-run.js';
import { curveSections } from '../../src/ui/pages/curve-sections.js';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { describeUnless } from '../support/unless.js';
import { accessibilityProblems } from './accessibility.js';

/** Two settings of three seeds each: the second trains at half the speed, and one step is a spike. */
const runs = [4, 16].flatMap((mediators, setting) =>
  [0, 1, 2].map((seed) => ({
    name: `mediators ${mediators}, seed ${seed}`,
    line: 3 * setting + seed,
    seeds: `mediators ${mediators}`,
    metrics: Array.from({ length: 40 }, (_, i) => ({
      step: 5 * (i + 1),
      loss: 1 + setting + seed / 10 + (i === 20 ? 2 : 0),
      idleShare: 0.25,
      secondsPerStep: 0.1 * (setting + 1),
      imagesPerSecond: 320 / (setting + 1),
    })),
  })),
);

async function open(
  shown: Parameters<typeof chartsFrame>[1] = runs,
  { width = 1000, more = [] as readonly Section[], own = true } = {},
): Promise<{ page: Page; complaints: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'curves '));
  const file = join(folder, 'page.html');
  const body = own ? chartsFrame('curves-train', shown) : html``;
  const sections = [{ id: 'training', title: 'Training', body }, ...more];
  await writeFile(file, renderPage({ title: 'Curves', eyebrow: 'Test', totals: [], sections }));
  const browser = await chromium.launch({
    executablePath: browserPath!,
    args: ['--no-sandbox', '--disable-gpu'],
  });
  onTestFinished(() => browser.close());
  const context = await browser.newContext({ viewport: { width, height: 800 }, bypassCSP: true });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(pathToFileURL(file).href);
  return { page, complaints };
}

describeUnless(whyNoBrowser, 'curves', () => {
  it('show seeds as a mean with its band or each, by step, time or images, as smooth as is chosen', async () => {
    const { page, complaints } = await open();
    const loss = page.locator('#curves-train-loss');
    const points = async (path: string) =>
      (await loss.locator(`g.linear ${path}`).first().getAttribute('d'))!
        .slice(1)
        .split('L')
        .map((point) => point.split(' ').map(Number) as [number, number]);
    const legend = async () => {
      const items = await loss.locator('.legend:not([hidden]) li:not([hidden])').allTextContents();
      return items.map((text) => text.replace(/\s+/g, ' ').trim());
    };

    // Trials that differ in their seed alone: one line and one band for each setting.
    expect(await loss.locator('g.linear .band').count()).toBe(2);
    expect(await loss.locator('g.linear .curve').count()).toBe(2);
    expect(await legend()).toEqual([
      expect.stringMatching(/^mediators 4, 3 seeds 1\.1\d* \(1(\.0\d*)? to 1\.2\d*\)$/),
      expect.stringMatching(/^mediators 16, 3 seeds 2\.1\d* \(2(\.0\d*)? to 2\.2\d*\)$/),
    ]);
    // Smoothing spreads the spike over what comes after it; without it the curve is the points themselves.
    const heightAfterSpike = async () => (await points('.curve'))[21]![1];
    const smooth = await heightAfterSpike();
    const slider = page.getByRole('slider', { name: 'Smoothing' });
    await slider.fill('0');
    expect(await heightAfterSpike()).toBeGreaterThan(smooth);

    await page.getByRole('radio', { name: 'Each' }).check();
    expect(await loss.locator('g.linear .band').count()).toBe(0);
    expect(await loss.locator('g.linear .curve').count()).toBe(6);
    expect((await legend())[4]).toBe('mediators 16, seed 1 2.1');
    expect(await points('.curve')).toEqual(await points('.raw'));
    await slider.fill('0.9');
    expect(await points('.curve')).not.toEqual(await points('.raw'));

    // At half the speed a run ends at twice the time, and at the same images: 32 a step.
    const ends = () =>
      page.evaluate<number[]>(
        `[...document.querySelectorAll('#curves-train-loss g.linear .curve')].map((path) =>
          Number(path.getAttribute('d').split('L').at(-1).split(' ')[0]))`,
      );
    expect(await ends()).toEqual([1000, 1000, 1000, 1000, 1000, 1000]);
    await page.getByRole('radio', { name: 'Time (s)' }).check();
    expect(await ends()).toEqual([500, 500, 500, 1000, 1000, 1000]);
    const labels = () => loss.locator('.tick.x:visible').allInnerTexts();
    expect(await labels()).toEqual(['0', '10', '20', '30', '40']);
    await page.getByRole('radio', { name: 'Images seen' }).check();
    expect(await ends()).toEqual([1000, 1000, 1000, 1000, 1000, 1000]);
    expect(await labels()).toEqual(['0', '2,000', '4,000', '6,000']);
    const scrub = loss.locator('.scrub');
    await scrub.focus();
    expect(await loss.locator('.readout').textContent()).toBe('Step 200, 6,400 images');
    // A share is in per cent on its axis as well as in words.
    const idle = page.locator('#curves-train-idleShare');
    // What says how the work went is there for who asks.
    expect(await idle.isVisible()).toBe(false);
    await page.getByText('How the work went').first().click();
    expect(await idle.locator('.chart-name').innerText()).toBe('Device idle, %');
    expect(await idle.locator('.tick.y.linear').allInnerTexts()).toEqual(['24', '26']);
    expect(await idle.locator('.legend output').first().textContent()).toBe('25.0 %');

    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1000);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('are hidden and shown by their entries in the legend, in all charts, and stay so in updates and reloads', async () => {
    const { page, complaints } = await open();
    const [loss, idle] = ['loss', 'idleShare'].map((name) => page.locator(`#curves-train-${name}`)) as [
      Locator,
      Locator,
    ];
    const inDrawing = async () => [
      await loss.locator('.drawing g.linear .curve').count(),
      await idle.locator('.drawing g.linear .curve').count(),
    ];
    const entry = (name: string) => loss.getByRole('button', { name, exact: true });
    expect(await inDrawing()).toEqual([2, 2]);
    await entry('mediators 4, 3 seeds').click();
    expect(await inDrawing()).toEqual([1, 1]);
    expect(await loss.locator('.drawing g.linear .band').count()).toBe(1);
    expect(await entry('mediators 4, 3 seeds').getAttribute('aria-pressed')).toBe('false');
    // Those of single seeds are others.
    await page.getByRole('radio', { name: 'Each' }).check();
    expect(await inDrawing()).toEqual([6, 6]);
    await entry('mediators 16, seed 1').focus();
    await page.keyboard.press('Enter');
    expect(await inDrawing()).toEqual([5, 5]);
    expect(await loss.locator('.legend li:not([hidden])').count()).toBe(6);
    expect(await accessibilityProblems(page)).toEqual([]);

    // As a live page puts a part in place.
    const update = `{
      const markup = document.querySelector('[data-curves]').outerHTML;
      document.querySelector('[data-curves]').outerHTML = markup.replace(/<button[^>]*>|<\\/button>/g, '');
      setUp(document);
    }`;
    await page.evaluate(update);
    await page.getByRole('radio', { name: 'Each' }).check();
    expect(await inDrawing()).toEqual([5, 5]);
    await page.reload();
    expect(await inDrawing()).toEqual([1, 1]);
    for (const name of ['mediators 4, 3 seeds', 'mediators 16, 3 seeds']) await entry(name).click();
    expect(await inDrawing()).toEqual([1, 1]);
    await entry('mediators 4, 3 seeds').click();
    expect(await inDrawing()).toEqual([0, 0]);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('are those of the best twelve of many runs, until all are chosen', async () => {
    const many = Array.from({ length: 14 }, (_, line) => ({
      ...{ name: `run ${line}`, line },
      metrics: [1, 2].map((step) => ({ step, loss: 1 + line / step })),
    }));
    const { page, complaints } = await open(many);
    const loss = page.locator('#curves-train-loss');
    const shown = async () => [
      await loss.locator('.drawing .curve').count(),
      await loss.locator('.legend li:not([hidden])').count(),
    ];
    expect(await shown()).toEqual([12, 12]);
    await page.getByRole('radio', { name: 'All 14' }).check({ force: true });
    expect(await shown()).toEqual([14, 14]);
    await page.getByRole('radio', { name: 'Best 12' }).check({ force: true });
    expect(await shown()).toEqual([12, 12]);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('are of all seeds of the best settings, and say of how many where a search leaves fewer', async () => {
    // Seven settings of two seeds each: no more than are told apart.
    const many = Array.from({ length: 14 }, (_, line) => ({
      ...{ name: `rate ${line % 7}, seed ${Math.floor(line / 7)}`, line, seeds: `rate ${line % 7}` },
      metrics: [1, 2].map((step) => ({ step, loss: 1 + line / step / 40 })),
    }));
    const { page, complaints } = await open(many);
    const loss = page.locator('#curves-train-loss');
    const inDrawing = (kind: string) => loss.locator(`.drawing g.linear .${kind}`).count();
    expect([await inDrawing('curve'), await inDrawing('band')]).toEqual([7, 7]);
    expect(await page.getByRole('radio', { name: 'Best 12' }).isVisible()).toBe(false);
    await page.getByRole('radio', { name: 'Each' }).check();
    expect([await inDrawing('curve'), await inDrawing('band')]).toEqual([12, 0]);
    expect(await page.getByRole('radio', { name: 'Best 12' }).isVisible()).toBe(true);
    await page.getByRole('radio', { name: 'Mean and range' }).check();
    await page.evaluate('chooseRuns(new Set([3, 4, 11]))');
    const legend = await loss.locator('.by-seeds li:not([hidden])').allTextContents();
    expect(legend.map((text) => text.replace(/\s+/g, ' ').trim())).toEqual([
      expect.stringMatching(/^rate 3, 2 seeds [^()]* · 1 of them$/),
      expect.stringMatching(/^rate 4, 2 seeds .* to [^·]*$/),
    ]);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('are one for runs that have an output in common, by what these have in common', async () => {
    const all = [1e-3, 1e-4].flatMap((rate, setting) =>
      ['0', '1'].map((seed, i): ComparedRun => {
        const values = [['learningRate', String(rate)] as const, ['seed', seed] as const];
        const logged = (stage: string, directory: string) =>
          ({
            stage,
            directory,
            metrics: [1, 2].map((step) => ({ step, loss: i + step })),
          }) as unknown as ReportedStage;
        return {
          ...{
            run: {} as Run,
            name: values.map((pair) => pair.join(' ')).join(', '),
            line: 2 * setting + i,
            values,
          },
          seeds: `learningRate ${rate}`,
          stages: [logged('autoencoder', `autoencoder/${seed}`), logged('train', `train/${rate}/${seed}`)],
        };
      }),
    );
    const [autoencoder, train] = curveSections(all);
    const named = (section: Section | undefined) =>
      [...section!.body.text.matchAll(/<bdi>([^<]*)<\/bdi>\s*<output data-(curve|group)/g)].map(
        ([, name]) => name,
      );
    expect(named(autoencoder)).toEqual(['seed 0', 'seed 1', '2 seeds']);
    expect(named(train)).toEqual([
      ...all.map(({ name }) => name),
      ...['learningRate 0.001, 2 seeds', 'learningRate 0.0001, 2 seeds'],
    ]);
    // A search that leaves any of them leaves their curve.
    const { page, complaints } = await open([], { more: [autoencoder!], own: false });
    const loss = page.locator('#curves-autoencoder-loss');
    await page.evaluate('chooseRuns(new Set([2]))');
    expect(await loss.locator('.by-seeds li:not([hidden])').allTextContents()).toEqual([
      expect.stringContaining('1 of them'),
    ]);
    await page.evaluate('chooseRuns(new Set([]))');
    expect(await loss.locator('.drawing .curve').count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});

describeUnless(whyNoBrowser, 'sections of details', () => {
  const details = [
    { id: 'stages', title: 'Stages', folded: 'narrow', body: html`<p id="stage-train">What it took</p>` },
    { id: 'values', title: 'Values', folded: 'always', body: html`<p id="value">What it had</p>` },
  ] as const;

  it('are folded on a narrow screen, and opened by their heading or a link to what is in them', async () => {
    const { page, complaints } = await open(runs, { width: 390, more: details });
    const [heading, content] = [page.getByRole('button', { name: 'Stages' }), page.locator('#stage-train')];
    const state = async () => [await heading.getAttribute('aria-expanded'), await content.isVisible()];
    expect(await state()).toEqual(['false', false]);
    expect(await page.locator('#curves-train-loss').isVisible()).toBe(true);
    await heading.focus();
    await page.keyboard.press('Enter');
    expect(await state()).toEqual(['true', true]);
    await heading.click();
    expect(await state()).toEqual(['false', false]);
    await page.evaluate("location.hash = '#stage-train'");
    await content.waitFor({ state: 'visible' });
    expect(await state()).toEqual(['true', true]);
    expect(await accessibilityProblems(page)).toEqual([]);
    // On a wide screen they are headings, and all is there; but what is always folded.
    await page.setViewportSize({ width: 1000, height: 800 });
    await expect.poll(() => heading.count()).toBe(0);
    expect(await page.getByRole('heading', { name: 'Stages' }).isVisible()).toBe(true);
    expect(await content.isVisible()).toBe(true);
    expect(await page.locator('#value').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Values' }).click();
    expect(await page.locator('#value').isVisible()).toBe(true);
    expect(complaints).toEqual([]);
  }, 60_000);
});
