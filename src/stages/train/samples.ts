import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileWhole } from '../../base/output-file.js';
import { gridColumns, imageGrid, writePng } from '../../data/images/png.js';
import type { RgbImage } from '../../data/images/rgb-image.js';
import type { TrainConfig } from '../../generated/index.js';
import type { SiTConfig } from '../../models/sit/config.js';
import type { StageContext } from '../../runner/stage.js';
import { float32, type HostTensor } from '../../tensorflow/data-types.js';
import type { Normalization } from '../../training/diffusion-loss.js';
import { stepName, stepsIn } from '../../training/step-names.js';
import type { Trainer } from '../../training/trainer.js';
import { Autoencoder } from '../../weights/saved-autoencoder.js';
import { collect, denormalized, drawAverage, signalWithin, spreadLabels } from './draw.js';
import { Decoder } from '../sample/decoder.js';
import { picturesName } from '../training/files.js';
import type { TrainingPictures } from '../training/stream.js';

/** Options of the pictures that a training stage draws while it trains. */
interface SampleGridsOptions {
  readonly config: TrainConfig;
  readonly samples: NonNullable<TrainConfig['samples']>;
  readonly model: SiTConfig;
  readonly normalization: Normalization;
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
}

const ending = '.png';
const fileOf = (step: number): string => stepName(step) + ending;

/**
 * Grids of samples of the moving average at steps of training, in `samples/` of the stage's output with an index. Each
 * is a function of the state at its step: a run that resumes draws the same ones.
 */
export class SampleGrids implements TrainingPictures {
  private readonly folder: string;

  constructor(
    private readonly options: SampleGridsOptions,
    private readonly context: StageContext,
  ) {
    this.folder = join(context.directory, picturesName);
  }

  isDue(step: number): boolean {
    return step % this.options.samples.everySteps === 0;
  }

  async has(step: number): Promise<boolean> {
    return (await stepsIn(this.folder, ending)).includes(step);
  }

  /** Removes what was drawn after a step. */
  async rewind(step: number): Promise<void> {
    for (const drawn of await stepsIn(this.folder, ending))
      if (drawn > step) await rm(join(this.folder, fileOf(drawn)));
  }

  async draw(trainer: Trainer, step: number): Promise<string> {
    const { samples, model, config, classes } = this.options;
    const labels = spreadLabels(samples.count, model.classes);
    const what = { model, transport: config, labels, stream: 'training sample' };
    const [latents] = await collect(
      drawAverage(trainer, samples, what, this.context, signalWithin(this.context)),
    );
    const tiles = await this.decode(latents!);
    await mkdir(this.folder, { recursive: true });
    const columns = gridColumns(samples.count);
    await writePng(join(this.folder, fileOf(step)), imageGrid(tiles, { columns }));
    const drawn = await stepsIn(this.folder, ending);
    const grids = drawn.map((step) => ({ step, file: fileOf(step) }));
    const index = { grids, classes: Array.from(labels, (label) => classes[label]!) };
    await writeFileWhole(join(this.folder, 'index.json'), JSON.stringify(index, undefined, 1) + '\n');
    return `${picturesName}/${fileOf(step)}`;
  }

  private async decode({ shape, data }: HostTensor): Promise<RgbImage[]> {
    const { samples, normalization } = this.options;
    const { directory } = this.context.input(samples.autoencoder);
    const autoencoder = await Autoencoder.open(directory, this.context.runtime);
    try {
      const values = denormalized(data as Float32Array, normalization);
      return await new Decoder(autoencoder, samples.count).decode(float32(shape, values));
    } finally {
      await autoencoder.close();
    }
  }
}
