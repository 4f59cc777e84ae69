import { chromium } from 'playwright-core';
import { expect, it } from 'vitest';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { openPage, PlaygroundBench } from '../support/playground.js';
import { describeUnless } from '../support/unless.js';

describeUnless(whyNoBrowser, 'playgrounds on graphics cards that a processor imitates', () => {
  it.each(['webgpu', 'webgl'])('draw the latents of a `sample` stage on %s', async (backend, { skip }) => {
    const bench = await PlaygroundBench.open();
    const args = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
    const browser = await chromium.launch({
      executablePath: browserPath!,
      args: [...args, '--enable-features=Vulkan', '--enable-unsafe-swiftshader'],
    });
    try {
      const { tab, complaints } = await openPage(browser, await bench.page());
      tab.setDefaultTimeout(500_000);
      const isThere = await tab.evaluate(hasBackend, backend);
      skip(!isThere, `this Chromium imitates no graphics card for ${backend}`);
      await bench.compare(tab, backend);
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
      await bench.close();
    }
  });
});

/** Runs in the page. */
async function hasBackend(backend: string): Promise<boolean> {
  if (backend === 'webgl') return document.createElement('canvas').getContext('webgl2') !== null;
  return Boolean(await (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu?.requestAdapter());
}
