import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';
import { centreCrop } from './centre-crop.js';
import { randomCrop, type CropNumbers } from './random-crop.js';
import type { RgbImage } from './rgb-image.js';

/** An image and which part of it is wanted, at what size: the middle, where no numbers choose another. */
export interface CropTask {
  readonly image: RgbImage;
  readonly size: number;
  readonly numbers?: CropNumbers | undefined;
}

/** Pixels from which an image is worth the way to another thread. */
const worthTheWay = 2 ** 16;

let threads: Promise<Piscina> | undefined;

/**
 * The part of an image that a task asks for, `[size, size, 3]` bytes. Large images are resampled on threads of their
 * own, one a core, so that neither each other nor the event loop waits for them.
 */
export async function crop(task: CropTask): Promise<Uint8Array> {
  const { width, height } = task.image;
  if (width * height < worthTheWay || !isCompiled) return cropHere(task);
  threads ??= start();
  return (await threads).run(task) as Promise<Uint8Array>;
}

/** The same on this thread. */
export function cropHere({ image, size, numbers }: CropTask): Uint8Array {
  return numbers === undefined ? centreCrop(image, size) : randomCrop(image, size, numbers);
}

/** A thread cannot be started from TypeScript sources, as tests of modules run them. */
const isCompiled = import.meta.url.endsWith('.js');

async function start(): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: new URL('crop-thread.js', import.meta.url).href,
    maxThreads: availableParallelism(),
    idleTimeout: 10_000,
  });
}
