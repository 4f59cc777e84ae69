import { availableParallelism } from 'node:os';
import { ImageDataset } from '../../data/images/dataset.js';
import type { ImageEntry } from '../../data/images/image-index.js';
import { scanImages } from '../../data/images/scan.js';
import { openSource } from '../../data/images/source.js';
import type { LabelledImages } from '../../data/images/walk.js';
import type { ImagesConfig } from '../../generated/index.js';
import type { PlanFolders, StageRate, UntoldTime } from '../../runner/stage.js';
import type { Resolve } from '../shared/planned.js';
import { untoldDownload } from '../shared/rate.js';
import { examineImage } from './examination.js';
import { hubImages, locate } from './facts.js';

/** Images that are opened to measure it, at most. */
const mostOpened = 64;

/** Images that were found, and some of them that were opened. */
interface Looked {
  readonly found: LabelledImages;
  readonly usable: readonly ImageEntry[];
  readonly rate: StageRate;
}

/** Images that were looked at, by the configuration of its stage: once for all stages of a plan. */
const lookedAt = new WeakMap<object, Promise<Looked>>();

function look(config: ImagesConfig, folders: PlanFolders): Promise<Looked> {
  const known = lookedAt.get(config) ?? lookNow(config, folders);
  lookedAt.set(config, known);
  return known;
}

async function lookNow(config: ImagesConfig, folders: PlanFolders): Promise<Looked> {
  const start = performance.now();
  const { classes } = config;
  const found = await scanImages({
    ...locate(config, folders.pipeline),
    ...(classes && { classes }),
    runsRoot: folders.runs,
  });
  const source = await openSource(found);
  const count = found.paths.length;
  const opened = Math.min(count, mostOpened);
  const ready = performance.now();
  const usable: ImageEntry[] = [];
  let next = 0;
  const examine = async (): Promise<void> => {
    while (next < opened) {
      const index = Math.floor((next++ * count) / opened);
      // What cannot be read is told of by the stage.
      const outcome = await examineImage(source, found, index, config).catch(() => undefined);
      if (outcome !== undefined && outcome.kind !== 'corrupt') usable.push(outcome.entry);
    }
  };
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, examine));
  const rate = {
    setupSeconds: (ready - start) / 1000,
    unitSeconds: (performance.now() - ready) / 1000 / opened,
    amount: count,
    foreseen: { images: count, classes: found.classes },
  };
  return { found, usable, rate };
}

/** Lists the images, and measures how fast some of them, spread over all, are examined. */
export async function measureReading(
  config: ImagesConfig,
  folders: PlanFolders,
): Promise<StageRate | UntoldTime> {
  if (hubImages(config) !== undefined) return untoldDownload([config.path].flat().join(', '));
  return (await look(config, folders)).rate;
}

/**
 * Some images of a stage, spread over all, as stages after it read them, keeping none; undefined where they are not on
 * this machine, or none can be read.
 */
export async function someImages(
  id: string,
  resolve: Resolve,
  folders: PlanFolders,
): Promise<ImageDataset | undefined> {
  const { kind, config } = resolve(id);
  const images = config as unknown as ImagesConfig;
  if (kind !== 'images' || hubImages(images) !== undefined) return undefined;
  const { found, usable } = await look(images, folders);
  if (usable.length === 0) return undefined;
  const { base, classes, contained } = found;
  const { size, background, orientation } = images;
  const index = {
    set: { size, background, orientation, classes, count: usable.length, ...(contained && { contained }) },
    paths: usable.map(({ path }) => path),
    labels: Int32Array.from(usable, ({ label }) => label),
    pixels: Uint32Array.from(usable, ({ width, height }) => width * height),
    ...(contained && { places: usable.map(({ at }) => at!) }),
  };
  return ImageDataset.of(index, base, { memoryLimit: 0 });
}

/** Time to read an image of a stage, where its images are on this machine; else nothing is known of it. */
export async function readingSeconds(id: string, resolve: Resolve, folders: PlanFolders): Promise<number> {
  const images = await someImages(id, resolve, folders);
  if (images === undefined) return 0;
  const start = performance.now();
  const all = Array.from({ length: images.count }, (_, i) => i);
  await images.readBatch(all, new Uint8Array(images.count * images.size ** 2 * 3));
  return (performance.now() - start) / 1000 / images.count;
}
