import { spatialWidth } from '../../metrics/gpu-memory.js';
import { gridOf, type SiTConfig, type TokenRoute } from '../../models/sit/config.js';
import { featureHeadParameters, selfHeadParameters } from '../../models/sit/heads.js';
import type { ThroughBlocks } from '../../models/sit/sit.js';
import { KeptTokens } from '../../nn/kept-tokens.js';
import { float32, streamKey } from '../../tensorflow/index.js';
import type { Tensor, Tensor1D, Tensors, TensorSpec } from '../../tensorflow/index.js';
import { withoutPrefix } from '../../tensorflow/trace.js';
import type { StepPoint } from '../../training/diffusion-loss.js';
import { featureAlignmentLoss, spatiallyNormalised } from '../../training/feature-alignment.js';
import { modelGuidanceShift } from '../../training/model-guidance.js';
import { selfAlignmentLoss } from '../../training/self-alignment.js';
import { drawTokens } from '../../training/token-routing.js';
import { averagePrefix, type TrainedHead } from '../../training/trainer.js';
import type { TimeInterval, WeighedTransport } from '../../transport/index.js';
import type { Batch } from '../training/stream.js';
import type { AlignedFeatures } from './aligned-features.js';
import type { PlacedDraw } from './batches.js';
import { acts, type BesideConfig, featureAlignmentOf, routeOf, selfAlignmentOf } from './beside-cost.js';

/** Input with the stream of the times that self-alignment draws; steps in which it does not act lack it. */
const selfKey = 'selfAlignmentKey';

/** Input with the features of images; steps in which tokens are not aligned with them lack it. */
const featuresInput = 'alignedFeatures';

/** Input that marks the steps in which guidance is learned. */
const guidanceInput = 'modelGuidance';

/** Inputs with the places of tokens that bypass no blocks, and with all tokens' ranks; steps in which none do lack them. */
const routeInputs = { places: 'routedPlaces', ranks: 'routedRanks' } as const;

/** A distance that the loss has beside that from the data. */
interface BesideLoss {
  /** Name of its mean in the log. */
  readonly name: string;
  readonly weight: number;
  /** [batch] */
  readonly losses: Tensor;
}

/** Part of a step beside the model's pass and the distance from the data. */
interface BesideStep {
  /** Way of the model's tokens through its blocks, where they are looked at on it, or some bypass blocks. */
  readonly through?: ThroughBlocks;
  /** Difference that the output is to have from its target. */
  readonly shift?: (point: StepPoint) => Tensor;
  /** Parts that are added to the loss. */
  readonly losses: (point: StepPoint) => readonly BesideLoss[];
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

/** Parts of a training's loss beside the distances from the data and from a teacher, and the way of its tokens. */
export class Beside {
  /** Inputs that it adds with an entry for each sample. */
  static readonly perSample = [featuresInput, ...Object.values(routeInputs)] as const;

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
    const { selfAlignment, modelGuidance } = this.options.config;
    return selfAlignment !== undefined || modelGuidance !== undefined;
  }

  /** Shapes and types of the inputs that it adds to a step on so many samples; some steps lack them. */
  inputs(samples: number): Readonly<Record<string, TensorSpec>> {
    const { config, model } = this.options;
    const route = routeOf(config.tokenRouting, model);
    return {
      ...(route && {
        [routeInputs.places]: { dtype: 'int32', shape: [samples, route.kept] },
        [routeInputs.ranks]: { dtype: 'int32', shape: [samples, gridOf(model) ** 2] },
      }),
      ...(config.selfAlignment && { [selfKey]: { dtype: 'int32', shape: [2] } }),
      ...(config.modelGuidance && { [guidanceInput]: { dtype: 'float32', shape: [1] } }),
      ...(config.featureAlignment && {
        [featuresInput]: { dtype: 'float32', shape: [samples, gridOf(model) ** 2, spatialWidth] },
      }),
    };
  }

  /** These inputs of a step on draws, as far as they are for the step. */
  async batch(draws: readonly PlacedDraw[], step: number): Promise<Batch> {
    const { config, features, model, seed } = this.options;
    const { modelGuidance, tokenRouting } = config;
    const isGuided = modelGuidance !== undefined && acts(modelGuidance, step);
    const route = acts(tokenRouting, step) ? routeOf(tokenRouting, model) : undefined;
    return {
      ...(route && this.route(route, draws)),
      ...(isGuided && { [guidanceInput]: float32([1], Float32Array.of(modelGuidance.scale)) }),
      ...(acts(config.selfAlignment, step) && { [selfKey]: streamKey(seed, 'self-alignment', step) }),
      ...(acts(config.featureAlignment, step) && { [featuresInput]: await features!.read(draws) }),
    };
  }

  private route({ kept }: TokenRoute, draws: readonly PlacedDraw[]): Batch {
    const positions = draws.map(({ position }) => position);
    const tokens = gridOf(this.options.model) ** 2;
    const { places, ranks } = drawTokens(this.options.seed, positions, { tokens, kept });
    return { [routeInputs.places]: places, [routeInputs.ranks]: ranks };
  }

  /** Parts that a step on `inputs` has beside the model's pass and the distance from the data. */
  of(inputs: Tensors, weights: Tensors): BesideStep {
    const { config, model, transport, interval } = this.options;
    const { [selfKey]: key, [featuresInput]: features } = inputs;
    const { [routeInputs.places]: places, [routeInputs.ranks]: ranks } = inputs;
    const average = withoutPrefix(weights, averagePrefix);
    const { modelGuidance } = config;
    const isGuided = modelGuidance !== undefined && guidanceInput in inputs;
    const guided = isGuided && {
      shift: (point: StepPoint) => modelGuidanceShift(modelGuidance, model, average, point),
    };
    const self = key && selfAlignmentOf(config.selfAlignment!, model.depth);
    const toFeatures = features && featureAlignmentOf(config.featureAlignment!, model);
    const wanted = [self?.blocks, toFeatures?.blocks].filter((blocks) => blocks !== undefined);
    const route = places && routeOf(config.tokenRouting, model);
    if (wanted.length === 0 && route === undefined) return { ...guided, losses: () => [] };
    const kept = places && ranks && new KeptTokens(places, ranks);
    /** Tokens after numbers of blocks: those that went through the last of these. */
    const tokens = new Map<number, { readonly tokens: Tensor; readonly kept: KeptTokens | undefined }>();
    return {
      ...guided,
      through: (h, blocks) => {
        const stops = [...wanted, ...(route ? [route.from, route.to] : []), model.depth];
        let [from, all] = [0, h];
        for (const to of [...new Set(stops)].sort((a, b) => a - b)) {
          const fewer = route && route.from < to && to <= route.to ? kept : undefined;
          h = blocks(h, from, to, fewer);
          tokens.set(to, { tokens: h, kept: fewer });
          if (to === route?.to) h = kept!.replaced(all, h);
          if (to === route?.from) [h, all] = [kept!.take(h), h];
          from = to;
        }
        return h;
      },
      losses: (point) => {
        const losses: BesideLoss[] = [];
        if (self) {
          const given = { ...tokens.get(self.blocks)!, weights, average, key: key as Tensor1D };
          losses.push({
            name: 'selfAlignmentLoss',
            weight: config.selfAlignment!.weight,
            losses: selfAlignmentLoss(self, model, given, point, transport, interval),
          });
        }
        if (toFeatures) {
          const { normalization, weight } = config.featureAlignment!;
          const target = normalization === 'spatial' ? spatiallyNormalised(features) : features;
          const own = tokens.get(toFeatures.blocks)!;
          losses.push({
            name: 'featureAlignmentLoss',
            weight,
            losses: featureAlignmentLoss(toFeatures, weights, own.tokens, target, own.kept),
          });
        }
        return losses;
      },
    };
  }
}
