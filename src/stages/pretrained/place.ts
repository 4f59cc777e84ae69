import { resolve } from 'node:path';
import { UserError } from '../../base/errors.js';
import { cachedDigest, cachedHubFile, hubFile, pinnedCommit } from '../../formats/hub/files.js';
import type { DownloadProgress, HubOptions } from '../../formats/hub/hub.js';
import { commitOf, hubPlace, isHubPath, pinOf } from '../../formats/hub/repository.js';
import type { PretrainedConfig } from '../../generated/index.js';
import type { StageEvent } from '../../runner/stage.js';
import { pathsOfModel } from '../../weights/saved-files.js';
import type { CheckContext, StageCheck } from '../shared/check.js';

type Place = Pick<PretrainedConfig, 'path' | 'classes'>;

/** Paths of the files on this machine that a model is taken from. */
export function localInputs({ path, classes }: Place, folder: string): readonly string[] {
  return [
    ...(isHubPath(path) ? [] : pathsOfModel(resolve(folder, path))),
    ...(isFile(classes) ? [resolve(folder, classes.file)] : []),
  ];
}

/** Pin of a file on Hugging Face; nothing for one on this machine. @throws UserError as `pinnedCommit` */
export async function pinPath({ path }: Place, signal?: AbortSignal): Promise<string | undefined> {
  if (!isHubPath(path)) return undefined;
  const { repository, file } = hubPlace(path);
  return pinOf(await pinnedCommit(repository, { env: process.env, signal }, file), file);
}

/** Weights on this machine, and where they came from. */
export interface Located {
  readonly path: string;
  /** Commit and SHA-256 of a file on Hugging Face. */
  readonly revision?: string;
  readonly sha256?: string;
}

/** The part of a summary that says where weights came from; nothing for those of this machine. */
export const originOf = ({ revision, sha256 }: Located): Readonly<Record<string, string>> => ({
  ...(revision !== undefined && { revision }),
  ...(sha256 !== undefined && { sha256 }),
});

/** Finds the weights on this machine; those of a commit are downloaded where they are not there yet. */
export async function locate(
  { path }: Place,
  folder: string,
  pin: string | undefined,
  options: Omit<HubOptions, 'env'> & { readonly onProgress?: DownloadProgress },
): Promise<Located> {
  if (!isHubPath(path)) return { path: resolve(folder, path) };
  const revision = commitOf(pin ?? (await pinPath({ path }, options.signal))!);
  const file = await hubFile(hubPlace(path), revision, { env: process.env, ...options });
  return { path: file, revision, sha256: await cachedDigest(file, options.signal) };
}

/** The same as far as it is there already; nothing is asked or downloaded. */
export async function locatePlanned({ path }: Place, folder: string): Promise<string | undefined> {
  return isHubPath(path) ? cachedHubFile(hubPlace(path), process.env) : resolve(folder, path);
}

/** Addresses name a file on Hugging Face. */
export const addressIsWhole: StageCheck<'pretrained' | 'train'> = ({ id, config }, context) => {
  if ('path' in config) checkAddress(context, id, 'path', config.path);
  else if (typeof config.start === 'object') checkAddress(context, id, 'start.path', config.start.path);
};

function checkAddress(context: CheckContext, id: string, at: string, path: string): void {
  if (!path.includes('://')) return;
  try {
    hubPlace(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    context.report(id, { at, code: error.code, message: error.message, remedy: error.remedy });
  }
}

const bytesPerMegabyte = 1e6;

/** Tells the progress of a download as that of a stage. */
export const downloadProgress =
  (tell: (event: StageEvent) => void): DownloadProgress =>
  (_, done, total) => {
    tell({
      type: 'progress',
      done: Math.floor(done / bytesPerMegabyte),
      total: Math.ceil(total / bytesPerMegabyte),
      unit: 'MB',
    });
  };

/** True when names of classes are in a file. */
export const isFile = (classes: PretrainedConfig['classes']): classes is { file: string } =>
  classes !== undefined && !Array.isArray(classes);
