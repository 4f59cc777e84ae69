import type { RgbImage } from '../../data/images/index.js';
import { toBytes } from '../../data/images/pixels.js';
import { takeRows } from '../../sampling/index.js';
import { type HostTensor, floats } from '../../tensorflow/index.js';
import type { Autoencoder } from '../autoencoder/saved-autoencoder.js';

/** Pixels that are decoded at once: what bounds the memory of decoding. */
const mostPixels = 2 ** 20;

/** Decodes latents of any number of samples to pictures, a few at a time. */
export class Decoder {
  constructor(
    private readonly autoencoder: Autoencoder,
    private readonly mostSamples: number,
  ) {}

  async decode(latents: HostTensor): Promise<RgbImage[]> {
    const samples = latents.shape[0]!;
    const atOnce = this.samplesAtOnce(latents);
    const images: RgbImage[] = [];
    for (let first = 0; first < samples; first += atOnce) {
      // Always as many, so that the decoder is compiled once.
      const rows = Array.from({ length: atOnce }, (_, i) => Math.min(first + i, samples - 1));
      const decoded = await this.autoencoder.decode(takeRows(latents, rows));
      images.push(...toImages(decoded).slice(0, samples - first));
    }
    return images;
  }

  private samplesAtOnce({ shape }: HostTensor): number {
    const { channels, patchSize } = this.autoencoder.config;
    const size = shape[1]! * 2 ** (channels.length - 1) * patchSize;
    return Math.max(1, Math.min(this.mostSamples, Math.floor(mostPixels / size ** 2)));
  }
}

function toImages(decoded: HostTensor): RgbImage[] {
  const [samples, height, width] = decoded.shape as [number, number, number];
  const bytes = toBytes(floats(decoded));
  const each = height * width * 3;
  return Array.from({ length: samples }, (_, i) => ({
    width,
    height,
    data: bytes.subarray(i * each, (i + 1) * each),
  }));
}
