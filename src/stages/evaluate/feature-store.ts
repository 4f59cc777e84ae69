import { createHash } from 'node:crypto';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { acquireLock } from '../../base/file-lock.js';
import { asUserError, faultPoint, openFile, readExactly } from '../../base/files.js';
import { rowSealBytes, sealRow, tellDamaged, unsealRow } from '../../base/sealed.js';
import { computeStatistics, type FeatureStatistics, type StoredRows } from '../../metrics/index.js';
import type { StageWorkers } from '../../runner/stage.js';
import type { RuntimeOptions } from '../../tensorflow/index.js';
import { cacheFolder } from '../../tensorflow/install/platform.js';
import { shareOf } from '../shared/engine.js';
import type { ImageSet } from './image-set.js';
import type { FeatureNetwork, Features } from './networks.js';
import { readStatistics, writeStatistics } from './statistics-file.js';

/** Bytes of a float32 number. */
const numberBytes = 4;
/** Rows of a share that are copied at once. */
const rowsAtOnce = 256;
/** Bytes of a row of features in its file. */
const sealedBytes = (width: number): number => width * numberBytes + rowSealBytes;

export interface FeatureOptions {
  readonly batch: number;
  readonly signal: AbortSignal;
  /** Folder of the shares that workers have computed. */
  readonly shares: string;
  /** Callback with the number of further images that are done, those that were done before first. */
  readonly onImages: (images: number) => void;
}

/**
 * The features of a set of images by a network, kept in files of this user's cache: computed once, however many stages
 * compare with it, and continued where they were interrupted.
 */
export class StoredFeatures {
  private constructor(
    private readonly files: FeatureFiles,
    readonly count: number,
  ) {}

  /** Takes over what workers have computed, and computes what is not there then. */
  static async of(network: FeatureNetwork, set: ImageSet, options: FeatureOptions): Promise<StoredFeatures> {
    const { signal, onImages, batch } = options;
    const files = filesOf(network, set);
    try {
      await mkdir(files.folder, { recursive: true });
      const lock = await acquireLock(join(files.folder, 'lock'), { signal });
      try {
        await files.cutToBatches(batch, set.count);
        onImages(files.end);
        if (files.end < set.count)
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
    return new StoredFeatures(files, set.count);
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
    const folder = join(options.shares, nameOf(network, set, batch), String(first));
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

/** Name that features go by: the same for the same network, set and, where that is given, batch. */
function nameOf(network: FeatureNetwork, set: ImageSet, batch?: number): string {
  const text = `3 ${network.identity} ${set.identity}${batch === undefined ? '' : ` ${batch}`}`;
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The files of all features of a set, in the cache. */
function filesOf(network: FeatureNetwork, set: ImageSet): FeatureFiles {
  return new FeatureFiles(join(cacheFolder(), 'features', nameOf(network, set)), network.widths, 0);
}

/** The shares of a set's features that there are, in their order. */
async function sharesOf(
  network: FeatureNetwork,
  set: ImageSet,
  { batch, shares }: FeatureOptions,
): Promise<FeatureFiles[]> {
  const folder = join(shares, nameOf(network, set, batch));
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

/** A row of features that is not what was written. */
class DamagedRow extends UserError {
  constructor(
    path: string,
    readonly image: number,
  ) {
    super({
      code: 'features-damaged',
      message: `${path}: the features of image ${image} are not what was written.`,
      remedy: 'Run again: they are computed again. If it happens again, check the disk.',
    });
  }
}

/** Files of features in a folder, one a feature: a row for each of successive images, sealed by the image's number. */
class FeatureFiles {
  /** Number of the image that comes next. */
  end: number;

  /** @param first number of the first image */
  constructor(
    readonly folder: string,
    private readonly widths: Readonly<Record<string, number>>,
    readonly first: number,
  ) {
    this.end = first;
  }

  /** Looks of how many images every feature is there. */
  async look(): Promise<void> {
    const rows = Object.entries(this.widths).map(async ([name, width]) => {
      const bytes = await stat(this.path(name)).then(
        ({ size }) => size,
        () => 0,
      );
      return Math.floor(bytes / sealedBytes(width));
    });
    this.end = this.first + Math.min(...(await Promise.all(rows)));
  }

  /** Drops the rows after the last batch that is whole, or before the first that is damaged, which is told of. */
  async cutToBatches(batch: number, count: number): Promise<void> {
    await this.look();
    const whole = await Promise.all(Object.keys(this.widths).map((name) => this.wholeEnd(name)));
    this.end = Math.min(...whole);
    this.end = this.end >= count ? count : this.end - (this.end % batch);
    for (const [name, width] of Object.entries(this.widths)) {
      const file = await openFile(this.path(name), 'a');
      try {
        await file.truncate((this.end - this.first) * sealedBytes(width));
      } finally {
        await file.close();
      }
    }
  }

  /** Number of the first image whose row is damaged, or of the one after the last. */
  private async wholeEnd(name: string): Promise<number> {
    const rows = this.rows(name, this.end - this.first);
    for (let first = 0; first < rows.count; first += rowsAtOnce)
      try {
        await rows.read(first, Math.min(rowsAtOnce, rows.count - first));
      } catch (error) {
        if (!(error instanceof DamagedRow)) throw error;
        tellDamaged(
          this.path(name),
          `row ${error.image} is not what was written`,
          'the features from there on are computed again',
        );
        return error.image;
      }
    return this.end;
  }

  async append(features: Features): Promise<void> {
    for (const [name, { data }] of Object.entries(features)) {
      const bytes = Buffer.from(Float32Array.from(data).buffer);
      const length = this.widths[name]! * numberBytes;
      const rows = Array.from({ length: bytes.length / length }, (_, i) =>
        sealRow(bytes.subarray(i * length, (i + 1) * length), this.end + i),
      );
      const file = await openFile(this.path(name), 'a');
      try {
        await file.writeFile(Buffer.concat(rows));
      } finally {
        await file.close();
      }
    }
    const [[name, { data }]] = Object.entries(features) as [[string, Features[string]]];
    this.end += data.length / this.widths[name]!;
  }

  /** Appends the rows of a share that come next; returns how many. */
  async take(share: FeatureFiles): Promise<number> {
    const start = this.end;
    while (this.end >= share.first && this.end < share.end) {
      const rows = Math.min(rowsAtOnce, share.end - this.end);
      const names = Object.entries(this.widths);
      const parts = names.map(async ([name, width]) => {
        const data = await share.rows(name, share.end - share.first).read(this.end - share.first, rows);
        return [name, { count: rows, width, data }] as const;
      });
      await this.append(Object.fromEntries(await Promise.all(parts)));
    }
    return this.end - start;
  }

  rows(name: string, count: number): StoredRows {
    const width = this.widths[name]!;
    const path = this.path(name);
    return {
      count,
      width,
      read: async (first, rows) => {
        const data = new Float32Array(rows * width);
        const bytes = new Uint8Array(data.buffer);
        const sealed = new Uint8Array(rows * sealedBytes(width));
        const file = await openFile(path);
        try {
          await readExactly(file, sealed, first * sealedBytes(width), path);
        } finally {
          await file.close();
        }
        for (let i = 0; i < rows; i++) {
          const image = this.first + first + i;
          const row = unsealRow(sealed.subarray(i * sealedBytes(width), (i + 1) * sealedBytes(width)), image);
          if (row === undefined) throw new DamagedRow(path, image);
          bytes.set(row, i * width * numberBytes);
        }
        return data;
      },
    };
  }

  private path(name: string): string {
    return join(this.folder, `${name}.f32`);
  }
}
