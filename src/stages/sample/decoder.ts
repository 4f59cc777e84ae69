import { type RgbImage, toBytes } from '../../data/images/rgb-image.js';
import { downsampleOf } from '../../models/autoencoder-kl/config.js';
import { takeRows } from '../../sampling/index.js';
import { floats, type HostTensor } from '../../tensorflow/data-types.js';
import type { Autoencoder } from '../../weights/saved-autoencoder.js';
import { decodedAtOnce } from './memory.js';

/**
 * Decodes latents to pictures, a few at a time. The last bits of a picture depend on how many are decoded with it: their
 * number follows from how many there are in all, not from how many are still missing.
 */
export class Decoder {
  constructor(
    private readonly autoencoder: Autoencoder,
    private readonly total: number,
  ) {}

  async decode(latents: HostTensor): Promise<RgbImage[]> {
    const samples = latents.shape[0]!;
    const side = latents.shape[1]! * downsampleOf(this.autoencoder.config);
    const atOnce = decodedAtOnce(this.total, side);
    const images: RgbImage[] = [];
    for (let first = 0; first < samples; first += atOnce) {
      const rows = Array.from({ length: atOnce }, (_, i) => Math.min(first + i, samples - 1));
      const decoded = await this.autoencoder.decode(takeRows(latents, rows));
      images.push(...imagesOf(decoded).slice(0, samples - first));
    }
    return images;
  }
}

/** Pixels [samples, height, width, 3] near [-1, 1] as images of bytes. */
export function imagesOf(decoded: HostTensor): RgbImage[] {
  const [samples, height, width] = decoded.shape as [number, number, number];
  const bytes = toBytes(floats(decoded));
  const each = height * width * 3;
  return Array.from({ length: samples }, (_, i) => ({
    width,
    height,
    data: bytes.subarray(i * each, (i + 1) * each),
  }));
}
