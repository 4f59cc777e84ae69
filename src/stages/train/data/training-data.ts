import type { LatentBatch } from '../../../data/latents/index.js';
import type { Draw } from '../../../data/sample-order.js';
import type { Normalization } from '../../../training/diffusion-loss.js';

/** A draw and its place in the order of all draws. */
export interface PlacedDraw extends Draw {
  readonly position: number;
}

/** What a model is trained on: posteriors over latents, wherever they come from. Close it after use. */
export interface TrainingData {
  readonly count: number;
  /** Height, width and channels of a latent. */
  readonly shape: readonly [height: number, width: number, channels: number];
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  /** Every sample's label. */
  readonly labels: Int32Array;
  /** What latents are normalised by. */
  readonly normalization: Normalization;
  /** Bytes that reading needs beside the training, at most: an estimate. */
  readonly readingBytes: number;
  /** Reads the posteriors of draws into the beginning of `out`: a function of the draws alone. */
  read(draws: readonly PlacedDraw[], out: LatentBatch): Promise<void>;
  close(): Promise<void>;
}
