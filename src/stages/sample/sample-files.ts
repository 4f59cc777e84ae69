import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { type RgbImage, decodeImage, encodePng, isWholePng } from '../../data/images/index.js';
import { writeNpz } from '../../data/npz/index.js';
import { putFile } from '../../files/put-file.js';
import { readAhead } from '../../streams/index.js';

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
    this.folder = join(directory, 'samples');
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
    return join(this.folder, `${String(sample).padStart(6, '0')}.png`);
  }
}
