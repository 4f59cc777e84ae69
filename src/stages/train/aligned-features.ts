import { UserError } from '../../base/errors.js';
import { counted, formatCount } from '../../base/format.js';
import type { FeatureAlignmentConfig } from '../../generated/index.js';
import { gridOf, type SiTConfig } from '../../models/sit/config.js';
import { spatialWidth } from '../../metrics/gpu-memory.js';
import type { StoredRows } from '../../metrics/index.js';
import type { StageContext, StageEvent } from '../../runner/stage.js';
import { float32, type HostTensor } from '../../tensorflow/data-types.js';
import { StoredFeatures } from '../evaluate/feature-store.js';
import { type ImageSet, openStageSet, type SetBatch } from '../evaluate/image-set.js';
import { openSpatialFeatures } from '../evaluate/networks.js';
import type { PlacedDraw, TrainingData } from './batches.js';

/** Images whose features are computed at once. */
const batch = 32;
/** Time between two notices of how many are done: a large set takes hours. */
const noticeEveryMs = 300_000;

/** Features of the images that a training draws, at every token of its model. */
export class AlignedFeatures {
  private constructor(
    private readonly data: Pick<TrainingData, 'isMirrored'>,
    private readonly tokens: number,
    private readonly straight: StoredRows,
    private readonly mirrored: StoredRows,
  ) {}

  /**
   * Opens the features, and computes those that are not in the cache yet.
   *
   * @param tell is told that features are computed, and now and then of how many
   * @throws UserError `images-mismatch` where the images are not those that the latents are of
   */
  static async open(
    { images: id }: FeatureAlignmentConfig,
    context: StageContext,
    data: Pick<TrainingData, 'count' | 'labels' | 'classes' | 'isMirrored'>,
    model: SiTConfig,
    tell: (event: StageEvent) => void = () => undefined,
  ): Promise<AlignedFeatures> {
    const { signal, directory } = context;
    const runtime = { ...context.runtime, precision: 'float32' as const };
    const set = await openStageSet(id, context);
    try {
      requireSame(id, set, data);
      const network = await openSpatialFeatures(gridOf(model), runtime, () => undefined, signal);
      try {
        const rowsOf = async (of: ImageSet) => {
          const options = { batch, signal, directory, onImages: countedNotices(of, tell) };
          return (await StoredFeatures.of(network, of, options)).rows(network.main);
        };
        const straight = await rowsOf(set);
        const flips = Array.from({ length: data.count }, (_, index) =>
          data.isMirrored({ index, flipped: true }),
        );
        const mirrored = flips.includes(true) ? await rowsOf(mirroredSet(set)) : straight;
        return new AlignedFeatures(data, gridOf(model) ** 2, straight, mirrored);
      } finally {
        await network.close();
      }
    } finally {
      await set.close();
    }
  }

  /** The features of draws: `[draws, tokens, channels]`. */
  async read(draws: readonly PlacedDraw[]): Promise<HostTensor> {
    const width = this.tokens * spatialWidth;
    const values = new Float32Array(draws.length * width);
    await Promise.all(
      draws.map(async (draw, i) => {
        const rows = this.data.isMirrored(draw) ? this.mirrored : this.straight;
        values.set(await rows.read(draw.index, 1), i * width);
      }),
    );
    return float32([draws.length, this.tokens, spatialWidth], values);
  }
}

/** Tells of features that are computed: of the first that are not there, and later of how many are. */
function countedNotices({ name, count }: ImageSet, tell: (event: StageEvent) => void) {
  let done = 0;
  let told: number | undefined;
  return (images: number): void => {
    done += images;
    const now = performance.now();
    if (done >= count || (told !== undefined && now - told < noticeEveryMs)) return;
    const begins = told === undefined;
    told = now;
    const message = begins
      ? `Computes EfficientNet-Lite0's features of ${counted(count - done, 'image')} of ${name}, once; they stay in the cache.`
      : `Features of ${formatCount(done)} of ${counted(count, 'image')} of ${name}.`;
    tell({ type: 'notice', level: 'info', message });
  };
}

function requireSame(
  id: string,
  { count, labels }: ImageSet,
  data: Pick<TrainingData, 'count' | 'labels' | 'classes'>,
): void {
  const isSame = count === data.count && data.labels.every((label, i) => label === labels?.numbers[i]);
  if (isSame) return;
  throw new UserError({
    code: 'images-mismatch',
    message: `${id}, whose features tokens are aligned with, has ${count} images; training is on ${data.count} of other images or classes.`,
    remedy: 'Name the `images` stage that the latents were encoded from.',
  });
}

/** The images, left to right. */
function mirroredSet(set: ImageSet): ImageSet {
  return {
    ...set,
    identity: `${set.identity} mirrored`,
    batches: async function* (first, size) {
      for await (const part of set.batches(first, size)) yield mirrored(part);
    },
  };
}

function mirrored({ shape, data }: SetBatch): SetBatch {
  const [count, height, width, channels] = shape;
  const flipped = new Uint8Array(data.length);
  for (let row = 0; row < count * height; row++)
    for (let column = 0; column < width; column++)
      for (let channel = 0; channel < channels; channel++)
        flipped[(row * width + column) * channels + channel] =
          data[(row * width + width - 1 - column) * channels + channel]!;
  return { shape, data: flipped };
}
