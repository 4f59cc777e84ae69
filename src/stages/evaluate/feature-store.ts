import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { acquireLock } from '../../base/file-lock.js';
import { type FileState, openState, sameState } from '../../base/file-hash.js';
import {
  appendPlain,
  asUserError,
  faultPoint,
  openFile,
  readExactly,
  readWholeText,
  writePlain,
} from '../../base/files.js';
import { inputChanged, sha256Of } from '../../base/input-file.js';
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
    const known = await readStatistics(path, 'mu', 'sigma').catch(() => undefined);
    if (known !== undefined) return { ...known, count: this.count };
    const found = await computeStatistics(this.rows(name), runtime, signal);
    await writeStatistics(path, { mu: found });
    return found;
  }
}

/** Name that features go by: the same for the same network, set and, where that is given, batch. */
function nameOf(network: FeatureNetwork, set: ImageSet, batch?: number): string {
  const text = `2 ${network.identity} ${set.identity}${batch === undefined ? '' : ` ${batch}`}`;
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

/** Rows that were written together. */
interface Entry {
  readonly rows: number;
  /** Hash of their bytes, by feature. */
  readonly sha256: Readonly<Record<string, string>>;
}

const lineOf = (entry: Entry): string => `${JSON.stringify(entry)}\n`;

/**
 * Files of features in a folder, one a feature: a row for each of successive images. A log tells which rows were written
 * and by which hash they are known: damaged ones are computed again, as those that are missing.
 */
class FeatureFiles {
  /** Number of the image that comes next. */
  end: number;
  private entries: Entry[] = [];
  /** Each file as it was when it was last looked at or written to. */
  private readonly states = new Map<string, FileState>();

  /** @param first number of the first image */
  constructor(
    readonly folder: string,
    private readonly widths: Readonly<Record<string, number>>,
    readonly first: number,
  ) {
    this.end = first;
  }

  /** Looks of how many images every feature is there, as it was written. */
  async look(): Promise<void> {
    this.entries = [];
    this.end = this.first;
    for (const entry of await this.logged()) {
      if (!(await this.isWhole(entry))) return;
      this.entries.push(entry);
      this.end += entry.rows;
    }
  }

  /** Drops the rows after the last batch that is whole. */
  async cutToBatches(batch: number, count: number): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await this.look();
    while (this.end < count && this.end % batch !== 0) this.end -= this.entries.pop()!.rows;
    for (const [name, width] of Object.entries(this.widths)) {
      const file = await openFile(this.path(name), 'a');
      try {
        const bytes = (this.end - this.first) * width * numberBytes;
        if ((await file.stat()).size !== bytes) await file.truncate(bytes);
        this.states.set(name, openState(file));
      } finally {
        await file.close();
      }
    }
    const log = this.entries.map(lineOf).join('');
    if (log !== (await readWholeText(this.log).catch(() => ''))) await writePlain(this.log, log);
  }

  async append(features: Features): Promise<void> {
    const sha256: Record<string, string> = {};
    let rows = 0;
    for (const [name, { data }] of Object.entries(features)) {
      const bytes = Buffer.from(Float32Array.from(data).buffer);
      sha256[name] = sha256Of(bytes);
      rows = data.length / this.widths[name]!;
      const file = await openFile(this.path(name), 'a');
      try {
        await file.writeFile(bytes);
        this.states.set(name, openState(file));
      } finally {
        await file.close();
      }
    }
    const entry = { rows, sha256 };
    await appendPlain(this.log, lineOf(entry));
    this.entries.push(entry);
    this.end += rows;
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
        const file = await openFile(path);
        try {
          await readExactly(file, new Uint8Array(data.buffer), first * width * numberBytes, path);
          if (!sameState(openState(file), this.states.get(name)!)) throw inputChanged(path);
        } finally {
          await file.close();
        }
        return data;
      },
    };
  }

  private async logged(): Promise<Entry[]> {
    const text = await readWholeText(this.log).catch(() => '');
    try {
      // A line that was cut short has no end.
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Entry);
    } catch {
      return [];
    }
  }

  /** True when every feature has the rows that come next as they were written. */
  private async isWhole({ rows, sha256 }: Entry): Promise<boolean> {
    for (const [name, width] of Object.entries(this.widths)) {
      const bytes = Buffer.alloc(rows * width * numberBytes);
      const position = (this.end - this.first) * width * numberBytes;
      const file = await openFile(this.path(name)).catch(() => undefined);
      try {
        const found = await file?.read(bytes, 0, bytes.length, position);
        if (found?.bytesRead !== bytes.length || sha256Of(bytes) !== sha256[name]) return false;
      } finally {
        await file?.close();
      }
    }
    return true;
  }

  private get log(): string {
    return join(this.folder, 'rows.jsonl');
  }

  private path(name: string): string {
    return join(this.folder, `${name}.f32`);
  }
}
