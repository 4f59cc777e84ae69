import type { FileFacts } from '../../data/images/file-facts.js';
import type { ImageEntry } from '../../data/images/image-index.js';

/** Summary of the files of a set. */
export interface Survey {
  /** Number of files of each format, the most frequent first. */
  readonly formats: Readonly<Record<string, number>>;
  /** Number of files of each kind of colours, likewise. */
  readonly colours: Readonly<Record<string, number>>;
  /** Least, lower quartile, median, upper quartile and greatest of their widths in pixels. */
  readonly widths: readonly number[];
  readonly heights: readonly number[];
  /** Number of files that are stored turned or mirrored. */
  readonly turned: number;
  readonly withAlpha: number;
  /** Number of files with frames or pages after the first. */
  readonly several: number;
  /** Number of files of which every byte is that of one before. */
  readonly duplicates: number;
  /** Number of these whose class is another. */
  readonly inOtherClasses: number;
}

/** Sums up files as they are examined. */
export class Surveyor {
  private readonly formats = new Map<string, number>();
  private readonly colours = new Map<string, number>();
  private turned = 0;
  private withAlpha = 0;
  private several = 0;
  private readonly labelOf = new Map<string, number>();
  private duplicates = 0;
  private inOtherClasses = 0;

  add({ format, colours, hasAlpha, isTurned, isSeveral }: FileFacts, sha256: string, label: number): void {
    this.formats.set(format, (this.formats.get(format) ?? 0) + 1);
    this.colours.set(colours, (this.colours.get(colours) ?? 0) + 1);
    if (isTurned) this.turned++;
    if (hasAlpha) this.withAlpha++;
    if (isSeveral) this.several++;
    // Half of a hash tells a trillion files apart, and takes less memory.
    const key = Buffer.from(sha256.slice(0, 32), 'hex').toString('latin1');
    const first = this.labelOf.get(key);
    if (first === undefined) this.labelOf.set(key, label);
    else {
      this.duplicates++;
      if (first !== label) this.inOtherClasses++;
    }
  }

  /** @param entries of the same files */
  result(entries: readonly ImageEntry[]): Survey {
    const { turned, withAlpha, several, duplicates, inOtherClasses } = this;
    return {
      formats: byCount(this.formats),
      colours: byCount(this.colours),
      widths: quartiles(Float64Array.from(entries, ({ width }) => width)),
      heights: quartiles(Float64Array.from(entries, ({ height }) => height)),
      ...{ turned, withAlpha, several, duplicates, inOtherClasses },
    };
  }
}

function byCount(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

function quartiles(values: Float64Array): readonly number[] {
  values.sort();
  return [0, 1, 2, 3, 4].map((quarter) => values[Math.round(((values.length - 1) * quarter) / 4)]!);
}
