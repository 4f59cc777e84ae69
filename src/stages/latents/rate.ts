import { expandLocation, locationOf } from '../../base/patterns.js';
import { openForeignLatents } from '../../data/latents/foreign.js';
import type { LatentsConfig } from '../../generated/index.js';
import type { StageRate, UntoldTime } from '../../runner/stage.js';
import { addLatent, classesIn, newSums } from './run.js';

/** Latents that are read to measure it, at most, and the time for that. */
const mostRead = 256;
const mostMs = 700;

/** Opens the latents, and measures how fast some of them, spread over all, are read. */
export async function measureLatents(config: LatentsConfig, folder: string): Promise<StageRate | UntoldTime> {
  const start = performance.now();
  const places = expandLocation(locationOf(config.path, folder));
  if (places.missing.length > 0) return { untold: 'its files are not there' };
  const latents = await openForeignLatents(places);
  try {
    const { count, shape } = latents;
    const [channels, height, width] = shape;
    const { ids } = await classesIn(latents, config);
    const ready = performance.now();
    const sums = newSums(channels);
    const isFlippable = config.flips && latents.isFlippable;
    const some = Math.min(count, mostRead);
    let read = 0;
    while (read < some && performance.now() - ready < mostMs)
      await addLatent(sums, latents, {
        index: Math.floor((read++ * count) / some),
        ...{ scale: config.scale, isFlippable },
      });
    return {
      setupSeconds: (ready - start) / 1000,
      unitSeconds: (performance.now() - ready) / 1000 / read,
      amount: count,
      foreseen: { latents: count, shape: [height, width, channels], classes: ids },
    };
  } finally {
    await latents.close();
  }
}
