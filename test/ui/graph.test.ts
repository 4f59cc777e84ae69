import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import type { ReportedStage } from '../../src/pages/html.js';
import { renderPage } from '../../src/pages/page.js';
import { pipelineSection } from '../../src/pages/pipeline-section.js';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeUnless } from '../support/unless.js';

/** The pipeline of the quickstart: each stage reads the one before it, and the last all of them. */
const names = ['images', 'autoencoder', 'latents', 'train', 'sample', 'evaluate', 'report'];
const summaries: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  images: { images: 1_281_167, size: 256 },
  autoencoder: { peakSignalToNoiseDb: 22.6, loss: 0.1834 },
  evaluate: { latentFrechetDistance: 76.88, latentFrechetDistanceError: 1.375 },
};
const stages = names.map(
  (stage, i) =>
    ({
      stage,
      kind: stage === 'latents' ? 'encode' : stage,
      after: stage === 'report' ? names.slice(0, -1) : names.slice(Math.max(0, i - 1), i),
      summary: summaries[stage] ?? {},
      ...(stage === 'evaluate' && { headline: { name: 'latentFrechetDistance', better: 'less' } }),
      seconds: 35_999,
      outcome: { status: 'cached', reasons: [] },
    }) as unknown as ReportedStage,
);

describeUnless(whyNoBrowser, 'a graph of seven stages', () => {
  it.each([1440, 1024, 390])('fits a page of %d px, and every card its text', async (width) => {
    const file = join(await temporaryFolder('graph'), 'page.html');
    const sections = [pipelineSection(stages)];
    await writeFile(file, renderPage({ title: 'Graph', eyebrow: 'Test', totals: [], sections }));
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    onTestFinished(() => browser.close());
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    await page.goto(pathToFileURL(file).href);
    // What is cut off: of the figures, those after the first may end in an ellipsis.
    const cut = await page.evaluate<string[]>(`
      [...document.querySelectorAll('.card, .card strong, .card .time, .card .long')].filter(
        (one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1,
      ).filter((one) => getComputedStyle(one).display !== 'inline').map((one) => one.className + ' ' + one.innerText)`);
    expect(cut).toEqual([]);
    if (width !== 1024) {
      const frame = await page.evaluate<number[]>(
        `(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.querySelector('.graph-frame'))`,
      );
      expect(frame[0]).toBeLessThanOrEqual(frame[1]!);
    }
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await page.locator('.card', { hasText: 'evaluate' }).first().innerText()).toContain(
      'Fréchet distance of latents',
    );
  });
});
