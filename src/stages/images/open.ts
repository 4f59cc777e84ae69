import { join } from 'node:path';
import { inputChanged } from '../../base/input-file.js';
import { baseOfLocation, locationOf } from '../../base/patterns.js';
import { ImageDataset, type ImageDatasetOptions } from '../../data/images/dataset.js';
import type { ImagesConfig } from '../../generated/index.js';
import { fingerprintedFiles } from '../../runner/run/expected-reads.js';
import type { StageContext } from '../../runner/stage.js';
import { hubImages } from './facts.js';

/** Opens the images that an `images` stage has indexed: what was fingerprinted, wherever they lie. */
export async function openImages(
  stage: string,
  context: StageContext,
  options: Pick<ImageDatasetOptions, 'memoryLimit'> = {},
): Promise<ImageDataset> {
  const { pipelineDirectory, reads } = context;
  const { directory, config, summary } = context.input(stage);
  const { path } = config as unknown as ImagesConfig;
  const hub = hubImages({ path });
  if (hub !== undefined) {
    const { fetchImages } = await import('./hub.js');
    const { places, expected } = await fetchImages(hub, summary.revision as string, {
      signal: context.signal,
      runsRoot: reads?.runsRoot,
    });
    return ImageDataset.open(directory, places.base, { ...options, expected });
  }
  const location = locationOf(path, pipelineDirectory);
  const base = baseOfLocation(location);
  const content = reads?.contents.find((each) => each.location === location);
  let hashes: Buffer | undefined;
  const hash = (index: number) => hashes!.toString('hex', index * hashBytes, (index + 1) * hashBytes);
  const images = await ImageDataset.open(directory, base, { ...options, ...(content && { hash }) });
  if (reads !== undefined && content !== undefined && images.needsHashes)
    hashes = await hashesOf(images, base, await fingerprintedFiles(reads, content));
  return images;
}

const hashBytes = 32;

/**
 * The hashes of images one after the other: a string for each would take three times the memory.
 *
 * @param listing in the order of names, as the images are
 * @throws UserError `input-changed` where it lacks one of the images
 */
async function hashesOf(
  images: ImageDataset,
  base: string,
  listing: AsyncIterable<readonly [name: string, sha256: string]>,
): Promise<Buffer> {
  const hashes = Buffer.alloc(images.count * hashBytes);
  let next = 0;
  for await (const [name, sha256] of listing) {
    if (next === images.count) break;
    if (join(base, name) === images.path(next)) hashes.write(sha256, next++ * hashBytes, 'hex');
  }
  if (next < images.count) throw inputChanged(images.path(next));
  return hashes;
}
