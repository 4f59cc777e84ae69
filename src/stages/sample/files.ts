import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { putFile, readWhole } from '../../base/files.js';
import { sealRow, unsealRow } from '../../base/sealed.js';
import { readAhead } from '../../base/streams.js';
import { decodeImage } from '../../data/images/decode.js';
import { encodePng, imageGrid, isWholePng, writePng } from '../../data/images/png.js';
import type { RgbImage } from '../../data/images/rgb-image.js';
import { writeNpz } from '../../formats/npz.js';
import { picturesName, sampleName } from './names.js';

/** Files that are read or looked at together. */
const filesAtOnce = 16;

/** A sample whose picture cannot be read. */
export class DamagedSample extends Error {
  constructor(readonly sample: number) {
    super(`The picture of sample ${sample} is damaged.`);
  }
}

/** The pictures of a run of samples: one PNG each, and all of them in one `.npz`. */
export class SampleFiles {
  private readonly folder: string;

  constructor(
    private readonly directory: string,
    private readonly count: number,
  ) {
    this.folder = join(directory, picturesName);
  }

  /** Makes the folder of the PNGs. */
  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  /** The samples whose pictures are there from their first byte to their last. */
  async present(): Promise<ReadonlySet<number>> {
    const samples = (await readdir(this.folder))
      .flatMap((name) => /^(\d{6,})\.png$/.exec(name)?.[1] ?? [])
      .map(Number)
      .filter((sample) => sample < this.count);
    const whole = await lastValueFrom(
      from(samples).pipe(
        mergeMap(async (sample) => ((await isWholePng(this.path(sample))) ? [sample] : []), filesAtOnce),
        toArray(),
      ),
    );
    return new Set(whole.flat());
  }

  async write(sample: number, image: RgbImage): Promise<void> {
    await putFile(this.path(sample), await encodePng(image));
  }

  async remove(sample: number): Promise<void> {
    await rm(this.path(sample), { force: true });
  }

  /** @throws DamagedSample */
  async read(sample: number): Promise<RgbImage> {
    try {
      return await decodeImage(this.path(sample), '#000000');
    } catch {
      throw new DamagedSample(sample);
    }
  }

  /**
   * Writes `samples.npz` (`arr_0`, uint8 [count, size, size, 3], as the ADM evaluator reads it). Gives the size.
   *
   * @throws DamagedSample
   */
  async writeNpz(): Promise<number> {
    const { width: size } = await this.read(0);
    const read = async (sample: number): Promise<Uint8Array> => {
      const { width, height, data } = await this.read(sample);
      if (width !== size || height !== size) throw new DamagedSample(sample);
      return data;
    };
    const samples = Array.from({ length: this.count }, (_, sample) => sample);
    await writeNpz(join(this.directory, 'samples.npz'), [
      {
        name: 'arr_0',
        dtype: 'u1',
        shape: [this.count, size, size, 3],
        data: () => readAhead(samples, filesAtOnce, read),
      },
    ]);
    return size;
  }

  private path(sample: number): string {
    return join(this.folder, sampleName(sample));
  }
}

/** Files of the noise that latents of images were carried to: one each while they are made, then all in `noise.npz`. */
export class NoiseFiles {
  private readonly folder: string;

  constructor(
    private readonly directory: string,
    private readonly count: number,
  ) {
    this.folder = join(directory, 'noise.partial');
  }

  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  async write(sample: number, noise: Float32Array): Promise<void> {
    const bytes = new Uint8Array(noise.buffer, noise.byteOffset, noise.byteLength);
    await putFile(this.path(sample), sealRow(bytes, sample));
  }

  /**
   * Writes `noise.npz` (`arr_0`, float32 [count, size, size, channels]).
   *
   * @throws DamagedSample
   * @returns mean and standard deviation over all numbers: 0 and 1 where the model has learnt its data well
   */
  async finish(shape: readonly number[]): Promise<{ readonly mean: number; readonly std: number }> {
    let numbers = 0;
    let sum = 0;
    let squares = 0;
    const { count } = this;
    const path = (sample: number) => this.path(sample);
    await writeNpz(join(this.directory, 'noise.npz'), [
      {
        name: 'arr_0',
        dtype: 'f4',
        shape: [count, ...shape],
        data: async function* () {
          for (let sample = 0; sample < count; sample++) {
            const row = unsealRow(await readWhole(path(sample)).catch(noNoise), sample);
            if (row === undefined) throw new DamagedSample(sample);
            const noise = new Float32Array(Uint8Array.from(row).buffer);
            numbers += noise.length;
            for (const value of noise) {
              sum += value;
              squares += value * value;
            }
            yield noise;
          }
        },
      },
    ]);
    await rm(this.folder, { recursive: true });
    const mean = sum / numbers;
    return { mean, std: Math.sqrt(Math.max(0, squares / numbers - mean * mean)) };
  }

  private path(sample: number): string {
    return join(this.folder, sampleName(sample, '.f32'));
  }
}

/** No bytes for a file that is not there. */
function noNoise(error: unknown): Uint8Array {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return new Uint8Array();
}

/** Columns of the grid: samples of one class that are shown beside each other. */
const columns = 9;
/** Rows at most: of more classes an even choice is shown. */
const mostRows = 40;
/** Pictures smaller than this are enlarged. */
const tilePixels = 64;

/** Writes `grid.png`, with a row a class. */
export async function writeGrid(
  directory: string,
  files: SampleFiles,
  labels: Int32Array,
  size: number,
): Promise<void> {
  const blank: RgbImage = { width: size, height: size, data: new Uint8Array(size * size * 3).fill(255) };
  const byClass = new Map<number, number[]>();
  for (const [sample, label] of labels.entries()) {
    const members = byClass.get(label);
    if (members === undefined) byClass.set(label, [sample]);
    else if (members.length < columns) members.push(sample);
  }
  const classes = [...byClass].sort(([a], [b]) => a - b).map(([, members]) => members);
  const rows = Math.min(classes.length, mostRows);
  const tiles: RgbImage[] = [];
  for (let row = 0; row < rows; row++) {
    const members = classes[Math.floor((row * classes.length) / rows)]!;
    for (let i = 0; i < columns; i++) tiles.push(i < members.length ? await files.read(members[i]!) : blank);
  }
  const scale = Math.max(1, Math.floor(tilePixels / size));
  await writePng(join(directory, 'grid.png'), imageGrid(tiles, { columns, scale }));
}
