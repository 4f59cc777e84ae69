import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { UserError } from '../../base/errors.js';
import { acquireLock } from '../../base/file-lock.js';
import { asUserError, faultPoint } from '../../base/files.js';
import { tellDamaged } from '../../base/sealed.js';
import { computeStatistics, type FeatureStatistics, type StoredRows } from '../../metrics/index.js';
import type { StageWorkers } from '../../runner/stage.js';
import type { RuntimeOptions } from '../../tensorflow/index.js';
import { shareOf } from '../shared/engine.js';
import { FeatureFiles, filesOf, nameOf } from './feature-files.js';
import type { ImageSet } from './image-set.js';
import type { FeatureNetwork } from './networks.js';
import { readStatistics, writeStatistics } from './statistics-file.js';

export interface FeatureOptions {
  readonly batch: number;
  readonly signal: AbortSignal;
  /** Folder of the stage's output, where workers leave the shares that they have computed. */
  readonly directory: string;
  /** Callback with the number of further images that are done, those that were done before first. */
  readonly onImages: (images: number) => void;
}

/** Folder of the shares of features that workers have computed, until they are put together. */
export const sharesName = 'features.partial';

/**
 * The features of a set of images by a network, kept in files of this user's cache: computed once, however many stages
 * compare with it, and continued where they were interrupted.
 */
export class StoredFeatures {
  private constructor(
    private readonly files: FeatureFiles,
    readonly count: number,
    /** Images whose features were not there before. */
    readonly computed: number,
  ) {}

  /** Takes over what workers have computed, and computes what is not there then. */
  static async of(network: FeatureNetwork, set: ImageSet, options: FeatureOptions): Promise<StoredFeatures> {
    const { signal, onImages, batch } = options;
    const files = filesOf(network, set);
    let stored: number;
    try {
      await mkdir(files.folder, { recursive: true });
      const lock = await acquireLock(join(files.folder, 'lock'), { signal });
      try {
        await files.cutToBatches(batch, set.count);
        stored = files.end;
        onImages(stored);
        if (stored < set.count)
          for (const share of await sharesOf(network, set, options)) {
            await fill(files, share.first, network, set, options);
            onImages(await files.take(share));
          }
        await fill(files, set.count, network, set, options);
      } finally {
        lock.release();
      }
    } catch (error) {
      throw asUserError(error, files.folder);
    }
    return new StoredFeatures(files, set.count, set.count - stored);
  }

  /** Computes a worker's share of what is not stored yet, for `of` to take over. */
  static async share(
    network: FeatureNetwork,
    set: ImageSet,
    worker: Pick<StageWorkers, 'rank' | 'size'>,
    options: FeatureOptions,
  ): Promise<void> {
    const { batch, onImages } = options;
    const share = shareOf(Math.ceil(set.count / batch), worker);
    const [first, end] = [share.first * batch, Math.min(set.count, share.end * batch)];
    if (first >= end) return;
    const stored = filesOf(network, set);
    await stored.look();
    if (stored.end >= end) {
      onImages(end - first);
      return;
    }
    const folder = join(options.directory, sharesName, nameOf(network, set, batch), String(first));
    const files = new FeatureFiles(folder, network.widths, first);
    try {
      await mkdir(folder, { recursive: true });
      await files.cutToBatches(batch, set.count);
      onImages(Math.min(files.end, end) - first);
      await fill(files, end, network, set, options);
    } catch (error) {
      throw asUserError(error, folder);
    }
  }

  rows(name: string): StoredRows {
    return this.files.rows(name, this.count);
  }

  /** Mean and covariance, computed once. */
  async statistics(name: string, runtime: RuntimeOptions, signal: AbortSignal): Promise<FeatureStatistics> {
    const path = join(this.files.folder, `${name}.npz`);
    const known = await readStatistics(path, 'mu', 'sigma').catch((error: unknown) => {
      const { code } = error as UserError;
      if (code !== 'file-missing') tellDamaged(path, error, 'the statistics are computed again');
      return undefined;
    });
    if (known !== undefined) return { ...known, count: this.count };
    const found = await computeStatistics(this.rows(name), runtime, signal);
    await writeStatistics(path, { mu: found });
    return found;
  }
}

/** The shares of a set's features that there are, in their order. */
async function sharesOf(
  network: FeatureNetwork,
  set: ImageSet,
  { batch, directory }: FeatureOptions,
): Promise<FeatureFiles[]> {
  const folder = join(directory, sharesName, nameOf(network, set, batch));
  const firsts = (await readdir(folder).catch(() => [])).map(Number).sort((a, b) => a - b);
  const found = firsts.map((first) => new FeatureFiles(join(folder, String(first)), network.widths, first));
  for (const share of found) await share.cutToBatches(batch, set.count);
  return found;
}

/** Computes the features of images up to `end`, a batch at a time: the same batches whoever computes them. */
async function fill(
  files: FeatureFiles,
  end: number,
  network: FeatureNetwork,
  set: ImageSet,
  { batch, signal, onImages }: FeatureOptions,
): Promise<void> {
  if (files.end >= end) return;
  for await (const part of set.batches(files.end, batch)) {
    signal.throwIfAborted();
    await files.append(await network.features(part, set.holds));
    faultPoint(`computed features ${files.end}`);
    onImages(part.shape[0]);
    if (files.end >= end) return;
  }
}
