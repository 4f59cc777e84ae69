import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { browserPath, whyNoBrowser } from '../../support/browser.js';
import { describeUnless } from '../../support/unless.js';
import { classes, removeFolders, run, wholePipeline } from './outputs.js';

/** A property of each element of the page, as text: these tests are compiled without the browser's types. */
function each<Value>(page: Page, selector: string, expression: string): Promise<Value[]> {
  const all = `[...document.querySelectorAll(${JSON.stringify(selector)})]`;
  return page.evaluate<Value[]>(`${all}.map((one) => ${expression})`);
}

describeUnless(whyNoBrowser, 'the report in a browser', () => {
  let browser: Browser;
  let address: string;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: browserPath!,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    address = pathToFileURL((await run(await wholePipeline(), 'A report')).path).href;
  });
  afterAll(async () => {
    await browser.close();
    await removeFolders();
  });

  /** Opens the page; collects what it complains of and whatever it fetches beside itself. */
  async function open(options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage(options);
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      const url = request.url();
      if (url !== address && !url.startsWith('data:')) complaints.push(`asked for ${url}`);
    });
    await page.goto(address);
    return { page, complaints };
  }

  it.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'dark'],
    [360, 'light'],
  ] as const)(
    'shows its pictures at %d px, %s, without a request or an error',
    async (width, colorScheme) => {
      const { page, complaints } = await open({ viewport: { width, height: 900 }, colorScheme });
      const pictures = await each<[number, number]>(page, 'img', '[one.naturalWidth, one.clientWidth]');
      expect(pictures).toHaveLength(4 + 1 + 1);
      for (const [natural, shown] of pictures) expect(Math.min(natural, shown)).toBeGreaterThan(0);
      expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(width);
      const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      expect(Number(/\d+/.exec(background)![0]) < 128).toBe(colorScheme === 'dark');
      expect(complaints).toEqual([]);
      await page.close();
    },
  );

  it('is in order for those who hear it', async () => {
    const { page } = await open();
    expect(await page.locator('h1').allTextContents()).toEqual(['A report']);
    const levels = await each<number>(page, 'h1, h2, h3, h4', 'Number(one.tagName[1])');
    levels.forEach((level, i) => {
      expect(level).toBeLessThanOrEqual((levels[i - 1] ?? 0) + 1);
    });
    expect(await each<string>(page, 'h2', 'one.id')).toEqual(
      [
        'pipeline',
        'evaluation-score',
        'samples-sample',
        'reconstructions-autoencoder',
        'picture-score',
        'curves-autoencoder',
        'curves-train',
        'images-photos',
        'stages',
      ].map((id) => `${id}-title`),
    );
    for (const landmark of ['banner', 'navigation', 'main'] as const)
      expect(await page.getByRole(landmark).count()).toBe(1);
    expect(await page.locator('img:not([alt]), img[alt=""], html:not([lang])').count()).toBe(0);
    expect(await page.getByRole('button', { name: `${classes[0]!}, sample 1` }).count()).toBe(1);
    expect(
      await page.getByRole('img', { name: 'Loss over 10 points: 2 at step 20, 0.2 at step 200' }).count(),
    ).toBe(1);
    expect(await each(page, 'input', 'one.labels.length > 0 || !!one.ariaLabel')).not.toContain(false);
    const ids = await each<string>(page, '[id]', 'one.id');
    expect(new Set(ids).size).toBe(ids.length);
    const links = await each(page, 'a[href^="#"]', 'document.querySelector(one.hash) !== null');
    expect(links).not.toContain(false);
    await page.close();
  });

  it('says what the stages did', async () => {
    const { page } = await open();
    expect(await page.locator('.totals dd').allTextContents()).toEqual([
      '1 h 01 min',
      '1,007',
      '7.44 million',
      '4',
    ]);
    expect(await page.locator('.sample-row h3 bdi').allTextContents()).toEqual(classes);
    expect(await page.locator('.graph li').nth(2).locator('.after').textContent()).toBe(
      'after photos, autoencoder',
    );
    expect(await page.locator('.edge').count()).toBe(6);
    await page.locator('#stage-score summary').click();
    expect(await page.locator('#stage-score pre').innerText()).toBe(
      'score:\n  uses: evaluate\n  metrics:\n    - fid',
    );
    expect(await page.locator('#stage-score dd').allTextContents()).toEqual(['12.35', 'curve.png', 'a 1']);
    await page.close();
  });

  it('is all there without scripts', async () => {
    const { page, complaints } = await open({ javaScriptEnabled: false });
    expect(await page.locator('.sample-row img').first().isVisible()).toBe(true);
    expect(await page.locator('#curves-train-loss .curve:visible').count()).toBe(1);
    expect(await page.locator('#curves-train-loss .readout').textContent()).toBe('0.01 at step 4,000');
    expect(await page.locator('.scrub:visible').count()).toBe(0);
    await page.locator('#stage-train summary').focus();
    await page.keyboard.press('Enter');
    expect(await page.locator('#stage-train pre').isVisible()).toBe(true);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('works by keyboard and pointer', async () => {
    const { page, complaints } = await open();
    const scrub = page.getByRole('slider', { name: 'Loss by step' }).first();
    await scrub.focus();
    await page.keyboard.press('ArrowLeft');
    const figure = page.locator('#curves-autoencoder-loss');
    const readout = figure.locator('.readout');
    expect(await readout.textContent()).toBe('0.2222 at step 180');
    expect(await scrub.getAttribute('aria-valuetext')).toBe('0.2222 at step 180');
    await page.keyboard.press('Home');
    expect(await readout.textContent()).toBe('2 at step 20');
    const canvas = figure.locator('.canvas');
    const { width } = (await canvas.boundingBox())!;
    // Unlike a movement of the mouse, this waits until the page has scrolled there.
    await canvas.hover({ position: { x: width / 2 + 5, y: 20 } });
    expect(await readout.textContent()).toBe('0.3333 at step 120');

    const shown = () => figure.locator('g:visible').getAttribute('class');
    expect(await shown()).toBe('log');
    await page.locator('#curves-autoencoder .log-scale').focus();
    await page.keyboard.press('ArrowLeft');
    expect(await shown()).toBe('linear');
    expect(await page.locator('#curves-train g:visible').first().getAttribute('class')).toBe('log');

    await page.locator('.show-pixels').focus();
    await page.keyboard.press('Space');
    const [rendering] = await each(page, '.tiles img', 'getComputedStyle(one).imageRendering');
    expect(rendering).toBe('pixelated');
    expect(complaints).toEqual([]);
    await page.close();
  });
});
