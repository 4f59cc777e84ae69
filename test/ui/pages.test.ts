import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { startPipeline } from '../support/tiny-pipeline.js';
import { describeUnless } from '../support/unless.js';
import { accessibilityProblems } from './accessibility.js';
import { hostile, writeWholeRun } from './whole-run.js';

let folder: string;
const pages = { run: '', comparison: '', failed: '' };
const texts = { comparison: '' };

/** The commands that a user gives, on two runs of every kind of stage and one that failed. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pages ü '));
  const runs = join(folder, 'runs');
  await writeWholeRun(runs, new Date('2026-03-01T10:00:00Z'));
  await writeWholeRun(runs, new Date('2026-03-01T12:00:00Z'), { learningRate: 1e-3 });
  const command = async (...args: string[]) => {
    const { stdout, stderr, exitCode } = await startPipeline(folder, args);
    expect([exitCode, stderr]).toEqual([0, '']);
    return stdout;
  };
  pages.run = join(folder, 'run.html');
  pages.comparison = join(folder, 'comparison.html');
  pages.failed = join(folder, 'failed.html');
  expect(await command('report', 'whole~1', '--output', 'run.html')).toBe('Report: run.html');
  expect(await command('compare', 'whole', '--html', 'comparison.html')).toBe('Comparison: comparison.html');
  texts.comparison = await command('compare', 'whole~1', 'whole');
  await writeWholeRun(runs, new Date('2026-03-01T14:00:00Z'), {
    record: {
      status: 'failed',
      stages: {
        images: { kind: 'images', after: [], status: 'cached', reasons: [] },
        train: {
          kind: 'train',
          after: ['images'],
          status: 'failed',
          reasons: ['never run'],
          progress: { done: 30, total: 100, unit: 'steps' },
          failure: { message: `The loss is NaN: ${hostile}`, remedy: 'Lower `learningRate`.' },
        },
        sample: { kind: 'sample', after: ['train'], status: 'waiting', reasons: ['never run'] },
      },
    },
  });
  await command('report', 'latest', '--output', 'failed.html');
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('pipeline compare', () => {
  it('shows what differs, with where it was written', () => {
    expect(texts.comparison).toBe(`   RUN                        STATE       STARTED            TIME
A  whole/2026-03-01T10-00-00  ✓ finished  ${startOf('2026-03-01T10:00:00Z')}  1 min 30 s
B  whole/2026-03-01T12-00-00  ✓ finished  ${startOf('2026-03-01T12:00:00Z')}  1 min 30 s

KEY                        A              B
stages.train.learningRate  0.0001  --set  0.001  --set

STAGE  FIGURE                A       B                 B − A
train  loss             0.2956  0.1347     −0.1609 (−54.4 %)
train  learning rate  1 × 10⁻⁴   0.001  +9 × 10⁻⁴ (+900.0 %)

10 figures are the same in all.`);
  });

  it('says the same as JSON', async () => {
    const { stdout } = await startPipeline(folder, ['compare', 'whole~2', 'whole~1', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      runs: [{ id: 'whole/2026-03-01T10-00-00.000Z' }, { id: 'whole/2026-03-01T12-00-00.000Z' }],
      configuration: [
        { key: 'stages.train.learningRate', values: [0.0001, 0.001], origins: ['--set', '--set'] },
      ],
    });
  });

  it('refuses one run twice', async () => {
    const { exitCode, stderr } = await startPipeline(folder, ['compare', 'whole', 'latest']);
    expect([exitCode, stderr.split('\n')[0]]).toEqual([
      2,
      'error: The run whole/2026-03-01T14-00-00.000Z is named twice.',
    ]);
  });
});

/** As `status` writes it, on the clock of this machine. */
function startOf(time: string): string {
  const date = new Date(time);
  const day = date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  const clock = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  return `${day} ${clock}`;
}

it('makes pages that need nothing else and name no folder of this machine', async () => {
  for (const path of Object.values(pages)) {
    const text = await readFile(path, 'utf8');
    expect(text).toContain('default-src &#39;none&#39;');
    expect(text).not.toContain(folder);
    expect(text).not.toContain(hostile);
  }
});

describeUnless(whyNoBrowser, 'pages about runs in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
  });
  afterAll(() => browser.close());

  async function open(
    path: string,
    options: BrowserContextOptions = {},
  ): Promise<Page & { complaints: string[] }> {
    const page = await browser.newPage(options);
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    const address = pathToFileURL(path).href;
    page.on('request', (request) => {
      if (request.url() !== address && !request.url().startsWith('data:')) complaints.push(request.url());
    });
    await page.goto(address);
    return Object.assign(page, { complaints });
  }

  const sizes = [1280, 390].map((width) => ({ width, height: 900 }));

  it.each(['run', 'comparison', 'failed'] as const)(
    'the page %s fits narrow and wide, light and dark, and complains of nothing',
    async (name) => {
      const page = await open(pages[name]);
      for (const colorScheme of ['light', 'dark'] as const)
        for (const size of sizes) {
          await page.setViewportSize(size);
          await page.emulateMedia({ colorScheme });
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(size.width);
          const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
          expect(Number(/\d+/.exec(background)![0]) < 128).toBe(colorScheme === 'dark');
        }
      expect(page.complaints).toEqual([]);
      await page.close();
    },
  );

  it.each(['run', 'comparison', 'failed'] as const)('the page %s passes axe', async (name) => {
    const page = await open(pages[name], { bypassCSP: true, viewport: sizes[0]!, colorScheme: 'light' });
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.setViewportSize(sizes[1]!);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.close();
  });

  it('shows the pipeline, why stages ran, and where each value was written', async () => {
    const page = await open(pages.run);
    expect(await page.locator('.graph .state').allTextContents()).toEqual(['cached', 'ran', 'ran', 'ran']);
    expect(await page.locator('#stage-train .long dd').first().textContent()).toBe(
      'stages.train.learningRate: 0.0002 → 0.0001',
    );
    await page.locator('#configuration h2').getByRole('button').click();
    const rows = page.locator('.configuration tr:visible').filter({ has: page.locator('td') });
    expect(await rows.allInnerTexts()).toEqual([
      'name\twhole\twhole.yaml:1:7',
      'model.mediators\t4\t../base.yaml:12:40',
      'learningRate\t0.0001\t--set',
    ]);
    await page.locator('.show-defaults').check();
    expect(await page.locator('.configuration td:visible', { hasText: 'default' }).count()).toBeGreaterThan(
      5,
    );
    expect(await page.locator('#evaluation-evaluate tbody tr').first().innerText()).toBe('FID\t12.35');
    await page.close();
  });

  it('goes through the samples of a training by keyboard, and shows all of them without scripts', async () => {
    const page = await open(pages.run);
    const slider = page.getByRole('slider', { name: 'Step', exact: true });
    await slider.focus();
    const shown = () => page.locator('.slide-strip img:visible').getAttribute('alt');
    expect(await shown()).toBe('Grid of samples at step 3,000');
    await page.keyboard.press('ArrowLeft');
    expect([await shown(), await slider.getAttribute('aria-valuetext')]).toEqual([
      'Grid of samples at step 2,000',
      'step 2,000',
    ]);
    await page.keyboard.press('Home');
    expect(await shown()).toBe('Grid of samples at step 1,000');
    await page.close();
    const plain = await open(pages.run, { javaScriptEnabled: false });
    expect(await plain.locator('.slide-strip img:visible').count()).toBe(3);
    expect(await plain.getByRole('slider').count()).toBe(0);
    await plain.close();
  });

  it('counts the switches of samples, and draws the bars as high as it counts', async () => {
    const page = await open(pages.run);
    const section = page.locator('#switching-sample');
    expect(await section.locator('.lead').innerText()).toMatch(/^4\.12 % .* over 5 samples\.$/);
    await section.locator('summary').click();
    expect(await section.locator('details tbody tr').allInnerTexts()).toEqual([
      '19–20\t1\t0',
      '21–22\t3\t0',
      '59–60\t0\t1',
      '79–80\t0\t1',
    ]);
    const heights = await section
      .locator('rect')
      .evaluateAll((bars) =>
        bars.map((bar) =>
          Number((bar as unknown as { getAttribute(name: string): string }).getAttribute('height')),
        ),
      );
    expect(heights).toEqual([333.3, 1000, 333.3, 333.3]);
    expect(await section.locator('.phases tbody tr').allInnerTexts()).toEqual([
      // Mean of 20, 21, 22, 21 and, where there was no switch, all 100 steps; the rest by the same count.
      '1\ttrain-4\t4\t5.49\t0.8 of the mean\t36.8',
      '2\ttrain-16\t16\t5.55\t0.5 of the mean\t51.2',
      '3\ttrain-64\t64\t5.78\t–\t12',
    ]);
    await page.close();
  });

  it('lays curves over each other and reads all of them out at a step', async () => {
    const page = await open(pages.comparison);
    const chart = page.locator('#curves-train-loss');
    expect(await chart.locator('g:visible path.curve').count()).toBe(2);
    const slider = chart.getByRole('slider', { name: 'Loss of all runs by step' });
    await slider.focus();
    await page.keyboard.press('Home');
    expect(await slider.getAttribute('aria-valuetext')).toBe(
      'Step 20: learningRate 0.0001 1.1, learningRate 0.001 1.1',
    );
    await page.keyboard.press('End');
    expect(await chart.locator('.legend output').allTextContents()).toEqual(['0.2956', '0.1347']);
    expect(await chart.locator('.cursor:visible').count()).toBe(2);
    expect(await chart.locator('details th[scope=row]').count()).toBe(12);
    expect(page.complaints).toEqual([]);
    await page.close();
  });

  it('shows figures of two runs beside each other on a phone, and those that are the same on request', async () => {
    const page = await open(pages.comparison, { viewport: sizes[1]! });
    const figures = page.locator('#figures');
    const row = figures.locator('tbody tr', { hasText: 'train Loss' }).first().locator('td');
    expect(await row.count()).toBe(2);
    const { x, width } = (await row.last().boundingBox())!;
    expect(x + width).toBeLessThanOrEqual(390);
    const summary = figures.getByText('10 figures are the same in all');
    const same = figures.locator('details tbody tr');
    expect([await same.count(), await same.first().isVisible()]).toEqual([10, false]);
    await summary.click();
    expect(await same.first().isVisible()).toBe(true);
    expect(page.complaints).toEqual([]);
    await page.close();
  });

  it('sets the same picture of each class side by side at a step for all, with what differs above', async () => {
    const page = await open(pages.comparison);
    const section = page.locator('#pictures-train');
    expect((await section.locator('.cells thead th').allInnerTexts()).map((text) => text.trim())).toEqual([
      ...['Class', 'learningRate 0.0001', 'learningRate 0.001'],
    ]);
    expect(await section.locator('.lead').innerText()).toContain('the same number of the same seed');
    const colours = () =>
      page.evaluate<
        number[][]
      >(`Promise.all([...document.querySelectorAll('#pictures-train .cells img')].map(async (image) => {
        await image.decode();
        const canvas = document.createElement('canvas');
        const context = canvas.getContext('2d');
        context.drawImage(image, 0, 0);
        return [...context.getImageData(3, 3, 1, 1).data].slice(0, 3);
      }))`);
    const at = (step: number) => [
      ...[0, 100].flatMap((red) => [
        [red, 50 * step, 0],
        [red, 50 * step, 200],
      ]),
    ];
    expect(await colours()).toEqual(at(2));
    await section.getByRole('slider', { name: 'Step' }).focus();
    await page.keyboard.press('Home');
    await expect.poll(colours, { timeout: 20_000 }).toEqual(at(0));
    await page.keyboard.press('ArrowRight');
    await expect.poll(colours, { timeout: 20_000 }).toEqual(at(1));
    expect(page.complaints).toEqual([]);
    await page.close();
  });

  it('shows any picture large: by click and by keys, closer and on to the next', async () => {
    const page = await open(pages.comparison, { bypassCSP: true });
    const [first, second] = [`${hostile}, learningRate 0.0001`, `${hostile}, learningRate 0.001`];
    const section = page.locator('#pictures-train');
    await section.getByRole('button', { name: first, exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Picture' });
    const large = dialog.locator('img');
    const width = async () => (await large.boundingBox())!.width;
    expect([await large.getAttribute('alt'), await width()]).toEqual([first, expect.any(Number)]);
    expect(await accessibilityProblems(page)).toEqual([]);
    const before = await width();
    await page.keyboard.press('+');
    expect(await width()).toBeCloseTo(1.5 * before, 0);
    await page.keyboard.press('0');
    expect(await width()).toBeCloseTo(before, 0);
    await page.mouse.wheel(0, -300);
    await expect.poll(width, { timeout: 20_000 }).toBeCloseTo(Math.E * before, -1);
    await page.keyboard.press('ArrowRight');
    expect([await large.getAttribute('alt'), await width()]).toEqual([second, before]);
    await page.keyboard.press('Escape');
    expect(await dialog.isVisible()).toBe(false);
    // The keyboard is where the picture was, once the browser has told that the dialog is closed, and goes on from there.
    await expect.poll(() => page.locator(':focus').getAttribute('alt'), { timeout: 20_000 }).toBe(second);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await large.getAttribute('alt')).toBe('dogs, learningRate 0.001');
    // Two fingers, twice as far apart.
    const client = await page.context().newCDPSession(page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', apart?: number) =>
      client.send('Input.dispatchTouchEvent', {
        type,
        touchPoints:
          apart === undefined ? [] : [-1, 1].map((side, id) => ({ x: 600 + side * apart, y: 400, id })),
      });
    await touch('touchStart', 50);
    for (let apart = 55; apart <= 100; apart += 5) await touch('touchMove', apart);
    await touch('touchEnd');
    await expect.poll(width, { timeout: 20_000 }).toBeCloseTo(2 * before, -1);
    expect(page.complaints).toEqual([]);
    await page.close();
  });

  it('draws each of twelve lines in its own way', async () => {
    const page = await open(pages.comparison);
    const stylesOf = `Array.from({ length: 12 }, (_, i) => {
      const path = document.querySelector('.legend path.curve').cloneNode();
      path.setAttribute('class', 'curve line-' + i);
      document.querySelector('.legend svg').append(path);
      const { stroke, strokeDasharray } = getComputedStyle(path);
      return stroke + ' ' + strokeDasharray;
    })`;
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const styles = await page.evaluate<string[]>(stylesOf);
      expect(new Set(styles).size).toBe(12);
      // No two that are told apart by colour alone are next to each other.
      const dashes = styles.map((style) => style.slice(style.indexOf(')')));
      expect(dashes.filter((dash, i) => dash === dashes[i + 1])).toEqual([]);
    }
    await page.close();
  });

  it('says what went wrong with a run that failed', async () => {
    const page = await open(pages.failed);
    expect(await page.locator('#failure .lead').innerText()).toBe(
      `The loss is NaN: ${hostile} Lower \`learningRate\`.`,
    );
    expect(await page.locator('.graph .state').allTextContents()).toEqual([
      'cached',
      'failed 30 %',
      'waiting',
    ]);
    await page.close();
  });

  it('prints without what cannot be used on paper', async () => {
    const page = await open(pages.run);
    await page.emulateMedia({ media: 'print' });
    expect(
      await page.locator('nav:visible, .switch:visible, .choice:visible, .slide-control:visible').count(),
    ).toBe(0);
    expect(await page.locator('.curve:visible').count()).toBeGreaterThan(0);
    await page.close();
  });
});
