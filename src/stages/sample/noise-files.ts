import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeNpz } from '../../data/npz/index.js';
import { putFile } from '../../files/put-file.js';

/** Where latents of images were carried to: a file each while they are made, then all in `noise.npz`. */
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
    await putFile(this.path(sample), new Uint8Array(noise.buffer, noise.byteOffset, noise.byteLength));
  }

  /**
   * Writes `noise.npz` (`arr_0`, float32 [count, size, size, channels]).
   *
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
            const noise = new Float32Array(new Uint8Array(await readFile(path(sample))).buffer);
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
    return join(this.folder, `${String(sample).padStart(6, '0')}.f32`);
  }
}
