import { resolve } from 'node:path';
import { locationOf } from '../../base/patterns.js';
import type { ImagesConfig } from '../../generated/index.js';
import type { StageFact } from '../../runner/stage.js';

/** Describes the prepared images; how many there are is known once they are found. */
export function describeImages({ size, classes }: ImagesConfig): readonly StageFact[] {
  const kept = classes === undefined ? '' : `, of ${classes.length} classes`;
  return [{ label: 'prepared', value: `${size} × ${size} pixels${kept}` }];
}

/** Location of the images, as of `locationOf`, and absolute path of the labels file. */
export function locate({ path, labels }: ImagesConfig, pipelineDirectory: string) {
  const absolute = (relative: string) => resolve(pipelineDirectory, relative);
  return {
    location: locationOf(path, pipelineDirectory),
    labels: labels === 'folders' ? labels : { ...labels, file: absolute(labels.file) },
  } as const;
}
