import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { openFile, readExactly } from '../../base/files.js';
import { rowSealBytes, sealRow, tellDamaged, unsealRow } from '../../base/sealed.js';
import type { StoredRows } from '../../metrics/index.js';
import { cacheFolder } from '../../tensorflow/install/platform.js';
import type { ImageSet } from './image-set.js';
import type { FeatureNetwork, Features } from './networks.js';

/** Bytes of a float32 number. */
const numberBytes = 4;
/** Rows of a share that are copied at once. */
const rowsAtOnce = 256;
/** Bytes of a row of features in its file. */
const sealedBytes = (width: number): number => width * numberBytes + rowSealBytes;

/** Facts of a network that its stored features go by. */
export type StoredBy = Pick<FeatureNetwork, 'identity' | 'widths'>;

/** Number of images of a set whose features are stored: all of those of a network come together. */
export async function storedImages(network: StoredBy, set: Pick<ImageSet, 'identity'>): Promise<number> {
  const files = filesOf(network, set);
  await files.look();
  return files.end;
}

/** Name that features go by: the same for the same network, set and, where that is given, batch. */
export function nameOf(network: StoredBy, set: Pick<ImageSet, 'identity'>, batch?: number): string {
  const text = `3 ${network.identity} ${set.identity}${batch === undefined ? '' : ` ${batch}`}`;
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The files of all features of a set, in the cache. */
export function filesOf(network: StoredBy, set: Pick<ImageSet, 'identity'>): FeatureFiles {
  return new FeatureFiles(join(cacheFolder(), 'features', nameOf(network, set)), network.widths, 0);
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
export class FeatureFiles {
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
