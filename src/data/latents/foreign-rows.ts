import { join } from 'node:path';
import type { Places } from '../../base/patterns.js';
import { NpzFile, writeNpz } from '../../formats/npz.js';
import { badLatents, type ForeignLatents, openForeignLatents, type StoredLatent } from './foreign.js';
import type { ForeignIndex } from './format.js';

const labelsName = 'labels.npz';

/** Keeps the labels of another program's latents. */
export async function writeForeignLabels(directory: string, labels: Int32Array): Promise<void> {
  await writeNpz(join(directory, labelsName), [
    { name: 'labels', dtype: 'i4', shape: [labels.length], data: labels },
  ]);
}

/**
 * A latent as the autoencoder knows it, channels last: what it was multiplied by is taken back. A draw is a posterior
 * without deviation.
 */
export async function readForeign(
  latents: ForeignLatents,
  scale: number,
  index: number,
  flipped: boolean,
): Promise<Required<StoredLatent>> {
  const { mean, std } = await latents.read(index, flipped);
  const [channels, height, width] = latents.shape;
  const pixels = height * width;
  const unscaled = (values: Float32Array): Float32Array => {
    const out = new Float32Array(values.length);
    for (let channel = 0; channel < channels; channel++)
      for (let pixel = 0; pixel < pixels; pixel++)
        out[pixel * channels + channel] = values[channel * pixels + pixel]! / scale;
    return out;
  };
  return { mean: unscaled(mean), std: std === undefined ? new Float32Array(mean.length) : unscaled(std) };
}

/** Rows of latents in another program's files: the straight ones, then the mirrored ones. */
export class ForeignRows {
  readonly flippedRows: Int32Array;
  /** Rows that are being read, for the mean and the deviation at once. */
  private readonly reading = new Map<number, Promise<Required<StoredLatent>>>();

  private constructor(
    private readonly latents: ForeignLatents,
    private readonly index: ForeignIndex,
    readonly labels: Int32Array,
  ) {
    const { count } = latents;
    this.flippedRows = Int32Array.from({ length: count }, (_, i) => (index.isFlippable ? count + i : -1));
  }

  static async open(directory: string, index: ForeignIndex, places: Places): Promise<ForeignRows> {
    const npz = await NpzFile.open(join(directory, labelsName));
    const { data } = await npz.read('labels').finally(() => npz.close());
    const latents = await openForeignLatents(places);
    if (latents.count === data.length) return new ForeignRows(latents, index, data as Int32Array);
    await latents.close();
    throw badLatents(places.base, `it has ${latents.count} latents, where there were ${data.length}`);
  }

  async readRow(which: 'mean' | 'std', row: number, out: Float32Array): Promise<void> {
    out.set((await this.read(row))[which]);
  }

  close(): Promise<void> {
    return this.latents.close();
  }

  private read(row: number): Promise<Required<StoredLatent>> {
    const { count } = this.latents;
    const started =
      this.reading.get(row) ??
      readForeign(this.latents, this.index.scale, row % count, row >= count).finally(() => {
        this.reading.delete(row);
      });
    this.reading.set(row, started);
    return started;
  }
}
