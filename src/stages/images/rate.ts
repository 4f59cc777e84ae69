import { decodeBytes } from '../../data/images/decode.js';
import { scanImages } from '../../data/images/scan.js';
import { openSource } from '../../data/images/source.js';
import type { ImagesConfig } from '../../generated/index.js';
import type { StageRate } from '../../runner/stage.js';
import type { Resolve } from '../shared/planned.js';
import { hubImages, locate } from './facts.js';

/** Images that are opened to measure it, at most. */
const mostOpened = 64;

/** Lists the images, and measures how fast some of them, spread over all, are read and decoded. */
export async function measureReading(config: ImagesConfig, pipelineDirectory: string): Promise<StageRate> {
  const start = performance.now();
  const { classes } = config;
  const found = await scanImages({ ...locate(config, pipelineDirectory), ...(classes && { classes }) });
  const source = await openSource(found);
  const count = found.paths.length;
  const opened = Math.min(count, mostOpened);
  const ready = performance.now();
  await Promise.all(
    Array.from({ length: opened }, async (_, i) => {
      const index = Math.floor((i * count) / opened);
      const place = source.place(index);
      // What cannot be read is told of by the stage.
      await source
        .read(index)
        .then((content) => decodeBytes(content, place, { background: '#ffffff', orientation: 'ignore' }))
        .catch(() => undefined);
    }),
  );
  return {
    setupSeconds: (ready - start) / 1000,
    unitSeconds: (performance.now() - ready) / 1000 / opened,
    amount: count,
    foreseen: { images: count, classes: found.classes },
  };
}

/** Time to read an image of a stage, where its images are on this machine; else nothing is known of it. */
export async function readingSeconds(
  id: string,
  resolve: Resolve,
  pipelineDirectory: string,
): Promise<number> {
  const config = resolve(id).config as unknown as ImagesConfig;
  return hubImages(config) === undefined ? (await measureReading(config, pipelineDirectory)).unitSeconds : 0;
}
