import { chromium } from 'playwright-core';
import { expect, it } from 'vitest';
import { browserPath, whyNoBrowser } from '../support/browser.js';
import { openPage, PlaygroundBench } from '../support/playground.js';
import { describeUnless } from '../support/unless.js';

/** What tells in a page that there is a graphics card, a real one or not. */
const adapterOf = {
  webgpu: `(async () => (await navigator.gpu?.requestAdapter()) != null)()`,
  webgl: `document.createElement('canvas').getContext('webgl2') !== null`,
} as const;

describeUnless(whyNoBrowser, 'playgrounds on graphics cards that a processor imitates', () => {
  it.for(['webgpu', 'webgl'] as const)(
    'draw the latents of a `sample` stage on %s',
    async (backend, { skip }) => {
      const bench = await PlaygroundBench.open();
      const args = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
      const browser = await chromium.launch({
        executablePath: browserPath!,
        args: [...args, '--enable-features=Vulkan', '--enable-unsafe-swiftshader'],
      });
      try {
        const { tab, complaints } = await openPage(browser, await bench.page());
        tab.setDefaultTimeout(500_000);
        const isThere = await tab.evaluate<boolean>(adapterOf[backend]);
        skip(!isThere, `this Chromium imitates no graphics card for ${backend}`);
        await bench.compare(tab, backend);
        expect(complaints).toEqual([]);
      } finally {
        await browser.close();
        await bench.close();
      }
    },
  );
});
