import { createHash } from 'node:crypto';
import { mkdir, open, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { acquireLock } from '../../base/file-lock.js';
import { asUserError, readExactly } from '../../base/files.js';
import { type FeatureStatistics, StatisticsAccumulator, type StoredRows } from '../../metrics/index.js';
import { cacheFolder } from '../../tensorflow/install/platform.js';
import type { ImageSet } from './image-set.js';
import type { FeatureNetwork } from './networks.js';
import { readStatistics, writeStatistics } from './statistics-file.js';

/** Bytes of a float32 number. */
const numberBytes = 4;
/** Rows that are added to statistics before other work gets a turn. */
const rowsAtOnce = 256;

export interface FeatureOptions {
  readonly batch: number;
  readonly signal: AbortSignal;
  /** Callback with the number of further images that are done, those that were done before first. */
  readonly onImages: (images: number) => void;
}

/**
 * The features of a set of images by a network, kept in files of this user's cache: computed once, however many stages
 * compare with it, and continued where they were interrupted.
 */
export class StoredFeatures {
  private constructor(
    private readonly folder: string,
    readonly count: number,
    private readonly widths: Readonly<Record<string, number>>,
  ) {}

  /** Computes what is not there yet. */
  static async of(
    network: FeatureNetwork,
    set: ImageSet,
    { batch, signal, onImages }: FeatureOptions,
  ): Promise<StoredFeatures> {
    const key = createHash('sha256').update(`1 ${network.identity} ${set.identity}`).digest('hex');
    const folder = join(cacheFolder(), 'features', key.slice(0, 16));
    const stored = new StoredFeatures(folder, set.count, network.widths);
    try {
      await mkdir(folder, { recursive: true });
      const lock = await acquireLock(join(folder, 'lock'), { signal });
      try {
        const done = await stored.rowsDone();
        await stored.cutTo(done);
        onImages(done);
        if (done < set.count)
          for await (const part of set.batches(done, batch)) {
            signal.throwIfAborted();
            const features = await network.features(part, set.holds);
            for (const [name, { data }] of Object.entries(features)) await stored.append(name, data);
            onImages(part.shape[0]);
          }
      } finally {
        lock.release();
      }
    } catch (error) {
      throw asUserError(error, folder);
    }
    return stored;
  }

  rows(name: string): StoredRows {
    const width = this.widths[name]!;
    const path = this.path(name);
    return {
      count: this.count,
      width,
      read: async (first, count) => {
        const data = new Float32Array(count * width);
        const file = await open(path, 'r');
        try {
          await readExactly(file, new Uint8Array(data.buffer), first * width * numberBytes, path);
        } finally {
          await file.close();
        }
        return data;
      },
    };
  }

  /** Mean and covariance, computed once. */
  async statistics(name: string, signal: AbortSignal): Promise<FeatureStatistics> {
    const path = join(this.folder, `${name}.npz`);
    const known = await readStatistics(path, 'mu', 'sigma').catch(() => undefined);
    if (known !== undefined) return { ...known, count: this.count };
    const { read, width } = this.rows(name);
    const accumulator = new StatisticsAccumulator(width);
    for (let first = 0; first < this.count; first += rowsAtOnce) {
      signal.throwIfAborted();
      const rows = Math.min(rowsAtOnce, this.count - first);
      accumulator.add({ count: rows, width, data: await read(first, rows) });
    }
    const found = accumulator.result();
    await writeStatistics(path, { mu: found });
    return found;
  }

  /** Images of which every feature is there. */
  private async rowsDone(): Promise<number> {
    const rows = Object.entries(this.widths).map(async ([name, width]) => {
      const bytes = await stat(this.path(name)).then(
        ({ size }) => size,
        () => 0,
      );
      return Math.floor(bytes / (width * numberBytes));
    });
    return Math.min(this.count, ...(await Promise.all(rows)));
  }

  private async cutTo(rows: number): Promise<void> {
    for (const [name, width] of Object.entries(this.widths)) {
      await (await open(this.path(name), 'a')).close();
      await truncate(this.path(name), rows * width * numberBytes);
    }
  }

  private async append(name: string, data: Float32Array | Float64Array): Promise<void> {
    const file = await open(this.path(name), 'a');
    try {
      await file.writeFile(Buffer.from(Float32Array.from(data).buffer));
    } finally {
      await file.close();
    }
  }

  private path(name: string): string {
    return join(this.folder, `${name}.f32`);
  }
}
