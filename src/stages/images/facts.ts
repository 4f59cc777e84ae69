import { resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import { locationOf } from '../../base/patterns.js';
import { canonicalName } from '../../data/images/class-names.js';
import { onlyClass } from '../../data/images/walk.js';
import { addressOf, hubFiles, isHubPath, type Repository } from '../../formats/hub/repository.js';
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

/** Files of a data set on Hugging Face that a configuration names. */
export interface HubImages {
  readonly repository: Repository;
  /** Names of files and folders, or patterns of them; empty for all. */
  readonly patterns: readonly string[];
}

/**
 * Reads the addresses of a configuration; nothing where its images are on this machine.
 *
 * @throws UserError `hub-path-malformed` or `hub-paths-mixed`
 */
export function hubImages({ path }: Pick<ImagesConfig, 'path'>): HubImages | undefined {
  const paths = [path].flat();
  const addresses = paths.filter(isHubPath).map(hubFiles);
  const [first] = addresses;
  if (first === undefined) return undefined;
  const isOne = addresses.every(({ repository }) => nameOf(repository) === nameOf(first.repository));
  if (isOne && addresses.length === paths.length)
    return { repository: first.repository, patterns: addresses.map(({ pattern }) => pattern) };
  throw new UserError({
    code: 'hub-paths-mixed',
    usage: true,
    message: `A list with a file on Hugging Face names files of one repository and one revision alone; found ${paths.join(', ')}.`,
    remedy: 'Use a stage of `images` for each, or download the files and name them here.',
  });
}

/** A repository with its revision. */
export const nameOf = (repository: Repository): string =>
  `hf://${addressOf(repository)}@${repository.revision}`;
