import { gridOf, type SiTConfig } from '../../models/sit/config.js';
import { featureHeadParameters, selfHeadParameters } from '../../models/sit/heads.js';
import type { ThroughBlocks } from '../../models/sit/sit.js';
import { streamKey } from '../../tensorflow/index.js';
import type { Tensor, Tensor1D, Tensors, TensorSpec } from '../../tensorflow/index.js';
import { withoutPrefix } from '../../tensorflow/trace.js';
import type { StepPoint } from '../../training/diffusion-loss.js';
import { featureAlignmentLoss, spatiallyNormalised } from '../../training/feature-alignment.js';
import { selfAlignmentLoss } from '../../training/self-alignment.js';
import { averagePrefix, type TrainedHead } from '../../training/trainer.js';
import type { TimeInterval, WeighedTransport } from '../../transport/index.js';
import type { Batch } from '../training/stream.js';
import { spatialWidth } from '../evaluate/networks.js';
import type { AlignedFeatures } from './aligned-features.js';
import type { PlacedDraw } from './batches.js';
import { type BesideConfig, featureAlignmentOf, selfAlignmentOf } from './beside-cost.js';

/** Input with the stream of the times that self-alignment draws; steps in which it does not act lack it. */
const selfKey = 'selfAlignmentKey';

/** Input with the features of images; steps in which tokens are not aligned with them lack it. */
const featuresInput = 'alignedFeatures';

/** A distance that the loss has beside that from the data. */
export interface BesideLoss {
  /** Name of its mean in the log. */
  readonly name: string;
  readonly weight: number;
  /** [batch] */
  readonly losses: Tensor;
}

interface BesideOptions {
  readonly config: BesideConfig;
  readonly model: SiTConfig;
  readonly transport: WeighedTransport;
  readonly interval: TimeInterval;
  readonly seed: number;
  /** Features of the images, where tokens are aligned with them. */
  readonly features?: AlignedFeatures | undefined;
}

/** True before the step at which a part of the loss ends. */
const acts = (config: { readonly untilStep?: number } | undefined, step: number): boolean =>
  config !== undefined && step < (config.untilStep ?? Infinity);

/** Parts of a training's loss beside the distances from the data and from a teacher. */
export class Beside {
  /** Inputs that it adds with an entry for each sample. */
  static readonly perSample = [featuresInput] as const;

  constructor(private readonly options: BesideOptions) {}

  /** Weights that are trained beside the model's. */
  get heads(): readonly TrainedHead[] | undefined {
    const { config, model } = this.options;
    const { selfAlignment, featureAlignment } = config;
    const { hiddenSize } = model;
    const heads: readonly TrainedHead[] = [
      ...(selfAlignment ? [{ parameters: selfHeadParameters(hiddenSize), input: selfKey }] : []),
      ...(featureAlignment
        ? [
            {
              parameters: featureHeadParameters(
                featureAlignmentOf(featureAlignment, model),
                hiddenSize,
                spatialWidth,
              ),
              input: featuresInput,
            },
          ]
        : []),
    ];
    return heads.length === 0 ? undefined : heads;
  }

  get takesAverage(): boolean {
    return this.options.config.selfAlignment !== undefined;
  }

  /** Shapes and types of the inputs that it adds to a step on so many samples; some steps lack them. */
  inputs(samples: number): Readonly<Record<string, TensorSpec>> {
    const { config, model } = this.options;
    return {
      ...(config.selfAlignment && { [selfKey]: { dtype: 'int32', shape: [2] } }),
      ...(config.featureAlignment && {
        [featuresInput]: { dtype: 'float32', shape: [samples, gridOf(model) ** 2, spatialWidth] },
      }),
    };
  }

  /** These inputs of a step on draws, as far as they are for the step. */
  async batch(draws: readonly PlacedDraw[], step: number): Promise<Batch> {
    const { config, features, seed } = this.options;
    return {
      ...(acts(config.selfAlignment, step) && { [selfKey]: streamKey(seed, 'self-alignment', step) }),
      ...(acts(config.featureAlignment, step) && { [featuresInput]: await features!.read(draws) }),
    };
  }

  /** Way of the model's tokens in a step on `inputs`, and what is then added to its loss. */
  of(
    inputs: Tensors,
    weights: Tensors,
  ): { readonly through?: ThroughBlocks; readonly losses: (point: StepPoint) => readonly BesideLoss[] } {
    const { config, model, transport, interval } = this.options;
    const { [selfKey]: key, [featuresInput]: features } = inputs;
    const self = key && selfAlignmentOf(config.selfAlignment!, model.depth);
    const toFeatures = features && featureAlignmentOf(config.featureAlignment!, model);
    const wanted = [self?.blocks, toFeatures?.blocks].filter((blocks) => blocks !== undefined);
    if (wanted.length === 0) return { losses: () => [] };
    /** Tokens after numbers of blocks. */
    const tokens = new Map<number, Tensor>();
    return {
      through: (h, blocks) => {
        let from = 0;
        for (const to of [...new Set(wanted)].sort((a, b) => a - b)) {
          h = blocks(h, from, to);
          tokens.set(to, h);
          from = to;
        }
        return blocks(h, from);
      },
      losses: (point) => {
        const losses: BesideLoss[] = [];
        if (self) {
          const average = withoutPrefix(weights, averagePrefix);
          const given = { tokens: tokens.get(self.blocks)!, weights, average, key: key as Tensor1D };
          losses.push({
            name: 'selfAlignmentLoss',
            weight: config.selfAlignment!.weight,
            losses: selfAlignmentLoss(self, model, given, point, transport, interval),
          });
        }
        if (toFeatures) {
          const { normalization, weight } = config.featureAlignment!;
          const target = normalization === 'spatial' ? spatiallyNormalised(features) : features;
          losses.push({
            name: 'featureAlignmentLoss',
            weight,
            losses: featureAlignmentLoss(toFeatures, weights, tokens.get(toFeatures.blocks)!, target),
          });
        }
        return losses;
      },
    };
  }
}
