import { readFile, stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PlaygroundConfig } from '../../src/generated/index.js';
import { packWeights, unpackWeights } from '../../src/stages/playground/weight-types.js';
import { bundlePlayground } from '../../tools/bundle-playground.mjs';
import { load, pipelineText } from '../runner/pipelines.js';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { drawn, openPage, PlaygroundBench } from '../support/playground.js';
import { describeUnless } from '../support/unless.js';
import { accessibilityProblems } from '../ui/accessibility.js';

let bench: PlaygroundBench;

beforeAll(async () => {
  bench = await PlaygroundBench.open();
});

afterAll(() => bench.close());

it('holds what the code calls and nothing of Node, in less than 700 kB', async () => {
  const { program, inputs } = await bundlePlayground();
  const native = /tfjs-node|koffi|^src\/tensorflow\/(session|tracer|native-backend|c-api)\.ts/;
  expect(Object.keys(inputs).filter((path) => native.test(path))).toEqual([]);
  expect(program).not.toMatch(/\b(require|import)\(["'`]node:|<\/script/);
  expect(program.length).toBeLessThan(700_000);
  // The project's own model and samplers.
  for (const path of ['models/sit/sit', 'models/autoencoder-kl/autoencoder-kl', 'stages/sample/sampler'])
    expect(Object.keys(inputs)).toContain(`src/${path}.ts`);
});

it('refuses weights that half precision does not hold', async () => {
  await bench.models.addModel('wild', 3, {}, {}, 3e5);
  const config = { ...bench.config, phases: undefined, model: 'wild' };
  const page = (weightType: PlaygroundConfig['weightType']) =>
    bench.page({ ...config, weightType } as unknown as PlaygroundConfig);
  await expect(page('float16')).rejects.toMatchObject({ code: 'weights-not-held' });
  await page('float24');
});

it.each([
  ['float16', 2 ** -11],
  ['float24', 2 ** -16],
  ['float32', 0],
] as const)('stores weights in %s, off by at most %d of themselves', (type, most) => {
  const values = Float32Array.from({ length: 10_000 }, (_, i) => (-1) ** i * 1.003 ** (i % 1000) * 1e-3);
  const found = unpackWeights(packWeights(values, type), type);
  expect(found).toHaveLength(10_000);
  expect(Math.max(...found.map((value, i) => Math.abs(value / values[i]! - 1)))).toBeLessThanOrEqual(most);
  // 0, what no bit is lost of, a tie to even, and what is rounded up to the next power of two.
  const exact = Float32Array.of(0, -1.5, 1 + 2 ** -16, 2 - 2 ** -23);
  const rounded = unpackWeights(packWeights(exact, 'float24'), 'float24');
  expect([...rounded]).toEqual([0, -1.5, 1, 2]);
});

it('is held to the rules of sample stages', async () => {
  const page = '{ uses: playground, autoencoder: autoencoder, phases: [{ model: train }, { model: train }] }';
  const loaded = await load(pipelineText({ page }));
  expect(loaded.ok ? [] : loaded.diagnostics.map(({ code }) => code)).toEqual(['missing-ratio']);
});

describeUnless(whyNoBrowser, 'in a browser', () => {
  let browser: Browser;
  let page: string;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
    page = await bench.page();
  });

  afterAll(() => browser.close());

  const open = (options?: BrowserContextOptions) => openPage(browser, page, options);

  it('draws the latents of a `sample` stage, and switches where that does', async () => {
    const { tab, complaints } = await open();
    await bench.compare(tab, 'wasm');
    expect(complaints).toEqual([]);
  });

  it.each([
    ['float32', 1e-4],
    // Weights in half precision are off by up to 2⁻¹¹ of themselves, and latents here have deviations of up to 2.
    ['float16', 2e-3],
  ] as const)('draws them with weights in %s to %d', async (weightType, most) => {
    const { tab } = await openPage(browser, await bench.page({ ...bench.config, weightType }));
    await bench.compare(tab, 'wasm', most);
  });

  it.each<[string, object]>([
    [
      'of pixels, of the data, with shifted times',
      {
        ...{ model: 'pixels', autoencoder: 'none', guidance: { scale: 2, channels: 'all' } },
        sampler: { kind: 'ode', method: 'heun', steps: 6, timeShift: 3 },
      },
    ],
    [
      'of another path, guided by a weaker one at some times',
      {
        ...{ model: 'guided', autoencoder: 'autoencoder', sampler: { method: 'heun', steps: 6 } },
        guidance: { scale: 2, channels: 3, interval: [0.2, 0.9], model: 'weaker' },
      },
    ],
    [
      'by a method that looks back, with shifted times',
      {
        ...{ model: 'large', autoencoder: 'autoencoder', guidanceScale: 3 },
        sampler: { kind: 'ode', method: 'adamsBashforth', steps: 8, order: 3, timeShift: { baseTokens: 4 } },
      },
    ],
  ])('draws with a model %s as a `sample` stage does', async (_, changes) => {
    const config = { ...changes, weightType: 'float24' } as unknown as PlaygroundConfig;
    const { tab, complaints } = await openPage(browser, await bench.page(config));
    await bench.compare(tab, 'wasm', 1e-3, config);
    expect(complaints).toEqual([]);
  });

  // A network that knows nothing predicts noise that is not there, and its latents grow to 200 to 2,000. Sums in another
  // order are off by a part of that: 1.8 × 10⁻⁶ of it at most, as much as where each weight differs by 2⁻²³ of itself.
  it.each([
    ['linear', 'noise'],
    ['gvp', 'noise'],
    ['gvp', 'score'],
    ['vp', 'noise'],
  ] as const)('draws with a model that predicts, on the path %s, the %s', async (interpolant, prediction) => {
    const id = `${interpolant}-${prediction}`;
    await bench.models.addModel(id, 7, {}, { interpolant, prediction });
    const config = { model: id, autoencoder: 'autoencoder', sampler: { steps: 20 }, weightType: 'float32' };
    const drawing = config as unknown as PlaygroundConfig;
    const { tab, complaints } = await openPage(browser, await bench.page(drawing));
    await bench.compare(tab, 'wasm', 1e-5, drawing, true);
    expect(complaints).toEqual([]);
  });

  it('draws with every sampler at both ends of every slider', { timeout: 240_000 }, async () => {
    const config = { model: 'pixels', autoencoder: 'none', sampler: { kind: 'ode', steps: 8, timeShift: 3 } };
    const other = await bench.page({ ...config, weightType: 'float16' } as unknown as PlaygroundConfig);
    for (const path of [page, other]) {
      const { tab, complaints } = await openPage(browser, path);
      await tab.selectOption('#count', '1');
      for (const [steps, slider] of [
        [await tab.getAttribute('#steps', 'min'), 'max'],
        ['9', 'min'],
      ] as const) {
        await tab.fill('#steps', steps!);
        for (const range of await tab.locator('input[type=range]:not(#steps)').all())
          await range.fill((await range.getAttribute(slider))!);
        for (const sampler of await tab.locator('#sampler option').all()) {
          await tab.selectOption('#sampler', await sampler.getAttribute('value'));
          const result = drawn(tab);
          await tab.click('#draw');
          const { latents } = await result;
          expect(latents.flat().every(Number.isFinite)).toBe(true);
          expect(await tab.textContent('#status')).toMatch(/^1 picture in /);
        }
      }
      // A method that chooses its steps takes no shift.
      await tab.selectOption('#sampler', { label: 'dopri5' });
      const result = drawn(tab);
      await tab.click('#draw');
      await result;
      expect(await tab.textContent('#as-stage')).not.toContain('timeShift');
      expect(complaints).toEqual([]);
    }
  });

  it('guides no model that draws guided samples itself', async () => {
    bench.trained.large = { modelGuidance: { scale: 1.5 } };
    const config = { model: 'large', autoencoder: 'autoencoder', weightType: 'float16' };
    const { tab } = await openPage(browser, await bench.page(config as unknown as PlaygroundConfig));
    delete bench.trained.large;
    expect(await tab.locator('#guidance').count()).toBe(0);
  });

  it('says what the pictures are as a stage, also of the next ones and of one class', async () => {
    const { tab } = await open();
    await tab.selectOption('#count', '1');
    await tab.selectOption('#class', '1');
    await tab.fill('#steps', '5');
    for (const [id, count] of [
      ['draw', 'count: 1'],
      ['more', 'count: 2 # these are the last 1'],
    ] as const) {
      const result = drawn(tab);
      await tab.focus(`#${id}`);
      await tab.keyboard.press('Enter');
      await result;
      const stage = await tab.textContent('#as-stage');
      expect(stage).toContain(count);
      expect(stage).toContain('classes: [1]');
      // The focus stays where it is, so that the next key goes on.
      expect(await tab.evaluate('document.activeElement.id')).toBe(id);
    }
    await tab.fill('#seed', '');
    await tab.click('#more');
    expect(await tab.evaluate('document.body.classList.contains("drawing")')).toBe(false);
  });

  it('stops while its models are being loaded', async () => {
    const { tab } = await open();
    await tab.evaluate('for (const _ of [1, 2]) document.getElementById("draw").click()');
    await tab.waitForSelector('#draw:text("Draw")');
    expect(await tab.textContent('#status')).toBe('Stopped.');
  });

  it.each([
    ['throw', 'globalThis.Worker = undefined'],
    [
      'do not start',
      `globalThis.Worker = class {
        constructor() { setTimeout(() => this.onerror(new Event('error'))); }
        postMessage() {}
        terminate() {}
      }`,
    ],
  ])('draws within the page where workers %s', async (_, script) => {
    const context = await browser.newContext();
    await context.addInitScript(script);
    const tab = await context.newPage();
    await tab.goto(pathToFileURL(page).href);
    await bench.compare(tab, 'wasm');
  });

  it('is used by keys alone', async () => {
    const { tab } = await open();
    const focused = () => tab.evaluate('document.activeElement.id');
    const order: unknown[] = [];
    const settings = ['guidance', 'steps', 'sampler', 'ratio-0', 'count', 'backend'];
    await tab.keyboard.press('Tab');
    expect(await tab.evaluate('document.activeElement.textContent')).toBe('Skip to the pictures');
    for (let i = 0; i < 10; i++) {
      await tab.keyboard.press('Tab');
      order.push(await focused());
    }
    expect(order).toEqual(['class', 'seed', 'dice', 'draw', ...settings]);
    await tab.focus('#steps');
    await tab.keyboard.press('Home');
    await tab.keyboard.press('ArrowRight');
    await tab.keyboard.press('ArrowRight');
    // Fewer steps than these leave none to switch in.
    expect(await tab.textContent('output[for=steps]')).toBe(String(2 + 3 + 2));
    await tab.focus('#count');
    await tab.keyboard.press('ArrowUp');
    await tab.keyboard.press('ArrowUp');
    await tab.focus('#class');
    await tab.keyboard.type('class 2');
    await tab.focus('#seed');
    const result = drawn(tab);
    await tab.keyboard.press('Enter');
    expect((await result).latents).toHaveLength(1);
    expect(await tab.textContent('#status')).toMatch(/^1 picture in /);
    expect(await tab.textContent('#as-stage')).toContain('steps: 7');
    expect(await tab.getAttribute('canvas', 'aria-label')).toBe('Sample 0: class 2');
    expect(await focused()).toBe('seed');
    const next = drawn(tab);
    await tab.focus('#more');
    await tab.keyboard.press('Enter');
    await next;
    expect(await tab.getAttribute('canvas', 'aria-label')).toBe('Sample 1: class 2');
  });

  it('stops when told to, and draws again', async () => {
    const { tab } = await open();
    await tab.fill('#steps', '250');
    await tab.selectOption('#sampler', { label: 'rk4' });
    const stopped = drawn(tab);
    await tab.click('#draw');
    await tab.evaluate(`new Promise((resolve) => {
      const timer = setInterval(() => {
        if (document.getElementById('progress').value === 0) return;
        clearInterval(timer);
        document.getElementById('draw').click();
        resolve();
      }, 1);
    })`);
    await stopped;
    expect(await tab.textContent('#status')).toBe('Stopped.');
    await tab.fill('#steps', '5');
    const again = drawn(tab);
    await tab.click('#draw');
    await again;
    expect(await tab.textContent('#status')).toMatch(/^9 pictures in /);
  });

  it.each([
    [1440, 'light'],
    [1440, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)('is accessible at %i pixels, %s', async (width, colorScheme) => {
    const { tab } = await open({ viewport: { width, height: 844 }, colorScheme, bypassCSP: true });
    expect(await accessibilityProblems(tab)).toEqual([]);
    await tab.fill('#steps', '5');
    const result = drawn(tab);
    await tab.click('#draw');
    await result;
    expect(await accessibilityProblems(tab)).toEqual([]);
    expect(await tab.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  });

  it('allows no other script, and no connection', async () => {
    const { tab } = await open();
    const blocked = await tab.evaluate(`new Promise((resolve) => {
      const blocked = [];
      document.addEventListener('securitypolicyviolation', (event) => {
        blocked.push(event.effectiveDirective);
        if (blocked.length === 2) resolve(blocked.sort());
      });
      fetch('https://example.org/').catch(() => undefined);
      document.body.append(Object.assign(document.createElement('script'), { textContent: 'document.title = "no"' }));
    })`);
    expect(blocked).toEqual(['connect-src', 'script-src-elem']);
    expect(await tab.title()).toBe('shapes');
  });

  it('is one file, small but for its weights', async () => {
    const text = await readFile(page, 'utf8');
    const weights = /<script id="weights" type="text\/plain">([^<]*)</.exec(text)![1]!;
    expect((await stat(page)).size - weights.length).toBeLessThan(950_000);
  });
});
