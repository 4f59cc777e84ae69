import { resolve } from 'node:path';
import { counted } from '../../base/format.js';
import { locationOf } from '../../base/patterns.js';
import { canonicalName } from '../../data/images/class-names.js';
import { onlyClass } from '../../data/images/walk.js';
import type { ImagesConfig } from '../../generated/index.js';
import type { StageFact } from '../../runner/stage.js';

/** Describes the prepared images; how many there are is known once they are found. */
export function describeImages({ size, labels, classes }: ImagesConfig): readonly StageFact[] {
  const kept =
    labels === 'none'
      ? ', without classes'
      : classes === undefined
        ? ''
        : `, of ${counted(classes.length, 'class', 'classes')}`;
  return [{ label: 'prepared', value: `${size} × ${size} pixels${kept}` }];
}

/** Names of the classes, by label, where a configuration tells. */
export function configuredClasses({
  labels,
  classes,
}: Pick<ImagesConfig, 'labels' | 'classes'>): readonly string[] | undefined {
  return labels === 'none' ? [onlyClass] : classes?.map(canonicalName);
}

/** Location of the images, as of `locationOf`, and absolute paths of the files about their classes. */
export function locate({ path, labels, classNames }: ImagesConfig, pipelineDirectory: string) {
  const absolute = (relative: string) => resolve(pipelineDirectory, relative);
  return {
    location: locationOf(path, pipelineDirectory),
    labels: typeof labels === 'string' ? labels : { ...labels, file: absolute(labels.file) },
    ...(classNames !== undefined && { classNames: absolute(classNames) }),
  } as const;
}
