import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { putFile } from '../../base/files.js';
import { decodeImage } from '../../data/images/decode.js';
import { encodePng, imageGrid, isWholePng, writePng } from '../../data/images/png.js';
import type { RgbImage } from '../../data/images/rgb-image.js';
import type { TrajectoryConfig } from '../../generated/index.js';
import { takeRows } from '../../sampling/index.js';
import type { HostTensor } from '../../tensorflow/index.js';
import { DamagedSample } from './files.js';
import { sampleName } from './names.js';

/** States of some samples on their way, normalised: by row of a batch, in the order of the steps. */
export type Snapshots = ReadonlyMap<number, readonly HostTensor[]>;

/** Steps (from 1) of `total` after which a trajectory is recorded. */
export function trajectorySteps(steps: TrajectoryConfig['steps'], total: number): number[] {
  if (typeof steps !== 'number') return [...steps].sort((a, b) => a - b);
  const count = Math.min(steps, total);
  if (count === 1) return [total];
  return Array.from({ length: count }, (_, i) => 1 + Math.round(((total - 1) * i) / (count - 1)));
}

/** Keeps the states of some rows of a batch after some steps. */
export class SnapshotTaker {
  private readonly taken = new Map<number, HostTensor[]>();

  constructor(
    private readonly rows: readonly number[],
    private readonly steps: ReadonlySet<number>,
  ) {}

  readonly take = (x: HostTensor, step: number): void => {
    if (!this.steps.has(step)) return;
    for (const row of this.rows) {
      const states = this.taken.get(row) ?? [];
      states.push(takeRows(x, [row]));
      this.taken.set(row, states);
    }
  };

  get snapshots(): Snapshots {
    return this.taken;
  }
}

/** Strips of pictures, one a sample, of which `trajectory.png` is made. */
export class TrajectoryFiles {
  private readonly folder: string;

  constructor(
    private readonly directory: string,
    private readonly samples: readonly number[],
  ) {
    this.folder = join(directory, 'trajectories');
  }

  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  wants(sample: number): boolean {
    return this.samples.includes(sample);
  }

  has(sample: number): Promise<boolean> {
    return isWholePng(this.path(sample));
  }

  async write(sample: number, pictures: readonly RgbImage[]): Promise<void> {
    const strip = imageGrid(pictures, { columns: pictures.length, padding: 0 });
    await putFile(this.path(sample), await encodePng(strip));
  }

  /** @throws DamagedSample */
  async finish(): Promise<void> {
    const strips = await Promise.all(
      this.samples.map((sample) =>
        decodeImage(this.path(sample), '#000000').catch(() => {
          throw new DamagedSample(sample);
        }),
      ),
    );
    await writePng(join(this.directory, 'trajectory.png'), imageGrid(strips, { columns: 1 }));
  }

  private path(sample: number): string {
    return join(this.folder, sampleName(sample));
  }
}
