import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type RgbImage, decodeImage, imageGrid, writePng } from '../../data/images/index.js';
import { writeNpz } from '../../data/npz/index.js';
import { writeFileWhole } from '../../files/output-file.js';

/** Columns of the grid: samples of one class that are shown beside each other. */
const gridColumns = 9;
const gridPixels = 64;

/** The pictures of a run of samples: one PNG each, then all in one `.npz`, a grid and an index. */
export class SampleFiles {
  constructor(private readonly directory: string) {}

  /** Makes the folder of the PNGs. */
  async prepare(): Promise<void> {
    await mkdir(join(this.directory, 'samples'), { recursive: true });
  }

  /** Whether a sample's PNG is there and whole. */
  async has(sample: number): Promise<boolean> {
    return this.read(sample).then(
      () => true,
      () => false,
    );
  }

  async write(sample: number, image: RgbImage): Promise<void> {
    await writePng(this.path(sample), image);
  }

  /**
   * Writes `samples.npz` (`arr_0`, uint8 [count, size, size, 3], as the ADM evaluator reads it), `grid.png` with a row
   * a class, and `samples.json`, which names classes and labels.
   */
  async finish(
    labels: Int32Array,
    classes: readonly string[],
    facts: Readonly<Record<string, number>>,
  ): Promise<number> {
    const { width: size } = await this.read(0);
    await writeNpz(join(this.directory, 'samples.npz'), [
      {
        name: 'arr_0',
        dtype: 'u1',
        shape: [labels.length, size, size, 3],
        data: () => this.readAll(labels.length),
      },
    ]);
    await this.writeGrid(labels, classes, size);
    const index = { size, classes, labels: [...labels], ...facts };
    await writeFileWhole(join(this.directory, 'samples.json'), JSON.stringify(index) + '\n');
    return size;
  }

  private async writeGrid(labels: Int32Array, classes: readonly string[], size: number): Promise<void> {
    const blank: RgbImage = { width: size, height: size, data: new Uint8Array(size * size * 3).fill(255) };
    const tiles: RgbImage[] = [];
    for (const [label] of classes.entries()) {
      const ofClass = [...labels.keys()].filter((sample) => labels[sample] === label).slice(0, gridColumns);
      if (ofClass.length === 0) continue;
      for (let i = 0; i < gridColumns; i++) {
        const sample = ofClass[i];
        tiles.push(sample === undefined ? blank : await this.read(sample));
      }
    }
    const scale = Math.max(1, Math.floor(gridPixels / size));
    await writePng(join(this.directory, 'grid.png'), imageGrid(tiles, { columns: gridColumns, scale }));
  }

  private async *readAll(count: number): AsyncGenerator<Uint8Array> {
    for (let sample = 0; sample < count; sample++) yield (await this.read(sample)).data;
  }

  private read(sample: number): Promise<RgbImage> {
    return decodeImage(this.path(sample), '#000000');
  }

  private path(sample: number): string {
    return join(this.directory, 'samples', `${String(sample).padStart(6, '0')}.png`);
  }
}
