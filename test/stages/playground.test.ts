import { readFile, stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PlaygroundConfig } from '../../src/generated/index.js';
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
  await expect(bench.page(config as unknown as PlaygroundConfig)).rejects.toMatchObject({
    code: 'half-precision',
  });
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

  it('draws the same to 0.001 with weights as they are', async () => {
    const { tab } = await openPage(browser, await bench.page({ ...bench.config, weightType: 'float32' }));
    await bench.compare(tab, 'wasm', 1e-3);
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
    expect(await tab.textContent('output[for=steps]')).toBe('4');
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
    expect(await tab.textContent('#as-stage')).toContain('steps: 4');
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

  it('is one file, of weights in half precision', async () => {
    const text = await readFile(page, 'utf8');
    const weights = /<script id="weights" type="text\/plain">([^<]*)</.exec(text)![1]!;
    expect(Buffer.from(weights, 'base64').length % 2).toBe(0);
    expect((await stat(page)).size - weights.length).toBeLessThan(950_000);
  });
});
