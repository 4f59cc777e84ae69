import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { writeSafetensors } from '../../src/formats/safetensors/writer.js';
import type { PlaygroundConfig, SampleConfig } from '../../src/generated/index.js';
import { pixels } from '../../src/models/autoencoder-kl/config.js';
import type { StageOutput } from '../../src/runner/stage.js';
import { asSample } from '../../src/stages/playground/as-sample.js';
import { stage } from '../../src/stages/playground/kind.js';
import { findModels, openSampler } from '../../src/stages/sample/models.js';
import { runnablePlan } from '../../src/stages/sample/plan.js';
import { floats } from '../../src/tensorflow/index.js';
import { writeSavedAutoencoder } from '../../src/weights/saved-files.js';
import { runStage, runtime } from './run-stage.js';
import { SampleBench } from './sample-stage.js';

/** What a page tells of a drawing. */
interface Drawn {
  readonly latents: readonly (readonly number[])[];
  readonly backend: string;
}

const seed = 5;

/** Two small models that take turns, and pages that draw with them. */
export class PlaygroundBench {
  readonly config = {
    phases: [{ model: 'small', switchRatio: 1.05 }, { model: 'large' }],
    ...{ autoencoder: 'autoencoder', firstSteps: 2, sampler: { steps: 8 } },
    guidance: { scale: 2, channels: 'all' },
    weightType: 'float24',
  } as unknown as PlaygroundConfig;

  /** Configurations of models' trainings. */
  readonly trained: Record<string, object> = {};

  private constructor(readonly models: SampleBench) {}

  static async open(): Promise<PlaygroundBench> {
    const models = await SampleBench.open();
    const two = { depth: 2, mediators: [1, 0], valueResidual: true };
    await models.addModel('small', 1, { ...two, rmsNorm: true, swiGlu: true, rope: 4 });
    const normalization = { mean: [0, 0, 0], std: [1, 1, 1] };
    const pixelSizes = { latentSize: 8, channels: 3, patchSize: 2, rmsNorm: true, swiGlu: true, rope: 4 };
    await models.addModel('pixels', 3, pixelSizes, { prediction: 'data', normalization });
    await writeSavedAutoencoder(await models.outputFolder('none'), {
      ...pixels,
      weights: 'weights.safetensors',
    });
    await writeSafetensors(join(models.folder, 'none', 'weights.safetensors'), []);
    await models.addModel('guided', 4, {}, { interpolant: 'gvp' });
    await models.addModel('weaker', 5, {}, { interpolant: 'gvp' });
    await models.addModel('large', 2, { mediators: [0], qkNorm: true, rmsNorm: true, rope: 2 });
    return new PlaygroundBench(models);
  }

  /** Writes the page of a configuration. Gives its path. */
  async page(config = this.config): Promise<string> {
    const { directory } = await runStage(stage, config, {
      ...{ input: this.input, seed, pipelineName: 'shapes' },
    });
    return join(directory, 'playground.html');
  }

  /**
   * Draws on a page, and compares latents and switches with those of a `sample` stage.
   *
   * @param isPart true where `most` is a part of the latents' size, the root of their mean square
   */
  async compare(
    tab: Page,
    backend: string,
    most = 1e-3,
    config = this.config,
    isPart = false,
  ): Promise<void> {
    const theirs = await this.native(asSample(config));
    const { length } = theirs.latents;
    const size = isPart ? Math.sqrt(theirs.latents.reduce((sum, each) => sum + each ** 2, 0) / length) : 1;
    await tab.selectOption('#backend', backend);
    const result = drawn(tab);
    await tab.click('#draw');
    const ours = await result;
    expect(ours.backend).toBe(backend);
    const differences = ours.latents.flat().map((value, i) => Math.abs(value - theirs.latents[i]!) / size);
    expect(differences).toHaveLength(theirs.latents.length);
    expect(Math.max(...differences)).toBeLessThan(most);
    expect(differences.reduce((sum, each) => sum + each, 0) / differences.length).toBeLessThan(5e-4);
    if (config.phases === undefined) return;
    const notes = await tab.locator('figcaption small').allTextContents();
    expect(notes.map((note) => Number(/from step (\d+)/.exec(note)?.[1]) - 2)).toEqual(
      notes.map((_, row) => theirs.switches.find((each) => each.row === row)?.step),
    );
  }

  /**
   * Largest difference of latents from those that a `sample` stage of this configuration and seed draws, as a part of their
   * size, the root of their mean square.
   */
  async difference(
    latents: readonly (readonly number[])[],
    config: SampleConfig,
    own = seed,
  ): Promise<number> {
    const theirs = (await this.native(config, own)).latents;
    const found = latents.flat();
    expect(found).toHaveLength(theirs.length);
    expect(found.every(Number.isFinite)).toBe(true);
    const size = Math.sqrt(theirs.reduce((sum, each) => sum + each ** 2, 0) / theirs.length);
    return Math.max(...found.map((value, i) => Math.abs(value - theirs[i]!))) / size;
  }

  close(): Promise<void> {
    return this.models.close();
  }

  private readonly input = (id: string) =>
    ({ directory: join(this.models.folder, id), config: this.trained[id] ?? {} }) as StageOutput;

  private async native(config: SampleConfig, own = seed) {
    const { count, classes } = config;
    const plan = runnablePlan(config);
    const models = await findModels(plan, { input: this.input });
    const sampler = await openSampler(plan, models, { seed: own, runtime });
    const rows = Array.from({ length: count }, (_, row) => row);
    const labels = Int32Array.from(rows, (row) => (Array.isArray(classes) ? Number(classes[0]) : row % 3));
    const { latents, switches } = await sampler.draw({ first: 0, size: count, rows, labels });
    await sampler.close();
    return { latents: [...floats(latents)], switches };
  }
}

/** Opens a page from the disk, and notes what goes wrong and what is fetched. */
export async function openPage(
  browser: Browser,
  path: string,
  options: BrowserContextOptions = {},
): Promise<{ tab: Page; complaints: readonly string[] }> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const tab = await context.newPage();
  const complaints: string[] = [];
  tab.on('console', (message) => {
    // Chromium warns where there is no graphics card.
    if (['error', 'warning'].includes(message.type()) && !/adapter|GPU|GroupMarker/.test(message.text()))
      complaints.push(message.text());
  });
  tab.on('pageerror', ({ message }) => complaints.push(message));
  const url = pathToFileURL(path).href;
  tab.on('request', (request) => {
    if (request.url() !== url && !/^(blob|data):/.test(request.url())) complaints.push(request.url());
  });
  await tab.goto(url);
  await tab.waitForSelector('#backend option[value=wasm]', { state: 'attached' });
  return { tab, complaints };
}

/** Waits for the end of the next drawing. */
export const drawn = (tab: Page): Promise<Drawn> =>
  tab.evaluate<Drawn>(
    `new Promise((resolve) => document.addEventListener('drawn', ({ detail }) => resolve(
      { ...detail, latents: detail.latents.map((each) => [...each]) }), { once: true }))`,
  );
