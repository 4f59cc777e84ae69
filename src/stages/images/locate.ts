import { resolve } from 'node:path';
import type { ImagesConfig } from '../../config/generated/index.js';

/** Absolute paths of the images' folder and of the labels file. */
export function locate({ path, labels }: ImagesConfig, pipelineDirectory: string) {
  const absolute = (relative: string) => resolve(pipelineDirectory, relative);
  return {
    root: absolute(path),
    labels: labels === 'folders' ? labels : { ...labels, file: absolute(labels.file) },
  } as const;
}
