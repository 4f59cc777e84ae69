import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { drawn, openPage } from '../support/playground.js';
import { startPipeline, tinyPipeline } from '../support/tiny-pipeline.js';
import { describeUnless } from '../support/unless.js';

/** Trainings, and how a stage draws with their models. */
const trainings = {
  guided: {
    train: 'latents: latents, modelGuidance: { scale: 1.5, fromStep: 4 }',
    draw: 'autoencoder: autoencoder, sampler: { steps: 12 }',
  },
  data: {
    train: 'latents: latents, prediction: data, lossWeight: velocity',
    draw: 'autoencoder: autoencoder, guidanceScale: 2, guidanceChannels: all, sampler: { kind: ode, method: heun, steps: 8 }',
  },
  direct: {
    train: 'latents: stored, prediction: data, lossWeight: velocity',
    draw: 'autoencoder: pixels, guidanceScale: 2, sampler: { steps: 12, lastStep: tweedie }',
  },
  everything: {
    train:
      'latents: latents, tokenRouting: { share: 0.5 }, optimizer: { kind: muon }, selfAlignment: { blocks: 1, teacherBlocks: 2 }, interpolant: gvp, timestepShift: 2',
    draw: 'autoencoder: autoencoder, guidanceScale: 3, weights: raw, sampler: { kind: ode, method: dopri5, steps: 3 }',
  },
  taught: {
    train:
      'latents: latents, teacher: { model: data, guidanceScale: 2 }, prediction: data, ema: { kind: power, snapshotEverySteps: 5 }',
    draw: 'autoencoder: autoencoder, weights: power-0.1, sampler: { kind: ode, steps: 8, timeShift: 2 }',
  },
} as const;

const model =
  '{ hiddenSize: 32, depth: 3, heads: 2, patchSize: 2, mediators: [4, 0, 4], rope: true, rmsNorm: true, swiGlu: true, valueResidual: true, mediatorExtras: true }';

function pipelineOf(): string {
  const stages = Object.entries(trainings).map(
    ([id, { train, draw }]) => `
  ${id}: { uses: train, steps: 30, globalBatch: 8, learningRate: 2e-3, model: ${model}, ${train} }
  ${id}-sample: { uses: sample, model: ${id}, count: 9, ${draw} }
  ${id}-page: { uses: playground, model: ${id}, ${draw} }`,
  );
  return `extends: tiny.yaml
name: trained
stages:
  pixels: { uses: autoencoder, weights: none }
  stored: { uses: encode, images: images, autoencoder: pixels, dtype: float32 }${stages.join('')}
`;
}

describeUnless(whyNoBrowser, 'pages of trained models', () => {
  it('show the pictures of `sample` stages', async () => {
    const folder = await tinyPipeline();
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    try {
      await writeFile(join(folder, 'trained.yaml'), pipelineOf());
      const { exitCode, stderr, stdout } = await startPipeline(folder, ['run', 'trained.yaml']);
      expect(exitCode, stderr + stdout).toBe(0);
      const output = (...path: string[]) => join(folder, 'runs', 'trained', 'latest', ...path);
      for (const id of Object.keys(trainings)) {
        const { tab, complaints } = await openPage(browser, output(`${id}-page`, 'playground.html'));
        const isGuided = id === 'guided' || id === 'taught';
        expect(await tab.locator('#guidance').count(), id).toBe(isGuided ? 0 : 1);
        await tab.selectOption('#backend', 'wasm');
        const result = drawn(tab);
        await tab.click('#draw');
        await result;
        const shown = await tab.evaluate<
          number[][]
        >(`[...document.querySelectorAll('#gallery canvas')].map((canvas) =>
          [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data])`);
        expect(shown).toHaveLength(9);
        for (const [i, picture] of shown.entries()) {
          const file = output(`${id}-sample`, 'samples', `${String(i).padStart(6, '0')}.png`);
          const { data } = await sharp(file).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
          // Latents agree to 0.001 of deviations near 1, which is less than a level of 256; it may round to the next.
          expect(
            Math.max(...picture.map((value, at) => Math.abs(value - data[at]!))),
            `${id} ${i}`,
          ).toBeLessThanOrEqual(1);
        }
        expect(complaints).toEqual([]);
        await tab.context().close();
      }
    } finally {
      await browser.close();
      await rm(folder, { recursive: true });
    }
  });
});
