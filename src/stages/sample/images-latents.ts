import { UserError } from '../../base/errors.js';
import type { LatentDataset } from '../../data/latents/dataset.js';
import { float32, type HostTensor } from '../../tensorflow/data-types.js';
import type { FoundModel } from './models.js';
import type { SampleBatch } from './sampler.js';

/** Latents of images that are carried to noise: the means of their posteriors. */
export class ImageLatents {
  private constructor(private readonly latents: LatentDataset) {}

  /** @throws UserError `too-few-latents`, `latents-mismatch` */
  static open(latents: LatentDataset, count: number, { stage, saved }: FoundModel): ImageLatents {
    const [size, , channels] = latents.shape;
    const { config } = saved;
    if (size !== config.latentSize || channels !== config.channels)
      throw new UserError({
        code: 'latents-mismatch',
        message: `The model of ${stage} draws latents of ${config.latentSize} × ${config.latentSize} × ${config.channels}; those to carry to noise have ${latents.shape.join(' × ')}.`,
        remedy:
          'Name the latents that it was trained on in `reverse`, or others made by the same autoencoder.',
      });
    const label = latents.classes.findIndex((name, i) => name !== saved.classes[i]);
    if (label >= 0)
      throw new UserError({
        code: 'latents-mismatch',
        message: `Class ${label} of the latents to carry to noise is ${latents.classes[label]!}; that of the model of ${stage} is ${saved.classes[label] ?? 'none'}.`,
        remedy:
          'Name the latents that it was trained on in `reverse`, or the classes of a pretrained model with `classes`.',
      });
    if (latents.count < count)
      throw new UserError({
        code: 'too-few-latents',
        message: `${count} latents are to be carried to noise; there are ${latents.count}.`,
        remedy: `Use \`count: ${latents.count}\` or fewer.`,
      });
    return new ImageLatents(latents);
  }

  /** Class of each of the first `count` images. */
  labels(count: number): Int32Array {
    return this.latents.labels.slice(0, count);
  }

  async read({ first, rows }: SampleBatch): Promise<HostTensor> {
    const shape = [rows.length, ...this.latents.shape];
    const size = shape.reduce((product, extent) => product * extent, 1);
    const mean = new Float32Array(size);
    const indices = rows.map((row) => first + row);
    await this.latents.readBatch(indices, { mean, std: new Float32Array(size) });
    return float32(shape, mean);
  }

  close(): Promise<void> {
    return this.latents.close();
  }
}
