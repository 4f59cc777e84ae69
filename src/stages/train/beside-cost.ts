import { formatBytes, formatLarge } from '../../base/format.js';
import type {
  FeatureAlignmentConfig,
  ModelGuidanceConfig,
  SelfAlignmentConfig,
  TrainConfig,
} from '../../generated/index.js';
import { spatialWidth } from '../../metrics/gpu-memory.js';
import { gridOf, type SiTConfig } from '../../models/sit/config.js';
import { sitCost, trainingOperations } from '../../models/sit/cost.js';
import { type FeatureHead, featureHeadParameters, selfHeadParameters } from '../../models/sit/heads.js';
import { passMemory } from '../../models/sit/memory.js';
import type { Parameter } from '../../nn/parameter.js';
import { sizeOf } from '../../tensorflow/data-types.js';
import type { SelfAlignment } from '../../training/self-alignment.js';

// Planning counts costs, and loads no tensors for it.

/** Keys of a training that add parts to its loss beside the distance from the data. */
export type BesideConfig = Pick<TrainConfig, 'selfAlignment' | 'featureAlignment' | 'modelGuidance'>;

/** Cost of a part of the loss: what it trains, and the model that it asks beside. */
interface BesideCost {
  /** The part, as `plan` names it. */
  readonly label: string;
  readonly told: string;
  /** Numbers that are trained beside the model. */
  readonly parameters: number;
  /** Multiply-accumulates of these for a sample. */
  readonly multiplyAccumulates: number;
  /** Numbers that their gradient keeps of a sample. */
  readonly activations: number;
  /** Models that are asked without a gradient, for each sample. */
  readonly passes: readonly SiTConfig[];
  readonly untilStep: number | undefined;
}

/** Self-alignment with the blocks of a model of so many. */
export function selfAlignmentOf(config: SelfAlignmentConfig, depth: number): SelfAlignment {
  const { blocks = share(depth, 1), teacherBlocks = Math.max(blocks, share(depth, 2)), timeAhead } = config;
  return { blocks, teacherBlocks, timeAhead };
}

/** Some thirds of the blocks, at least one. */
const share = (depth: number, thirds: number): number => Math.max(1, Math.round((thirds * depth) / 3));

/** Widest hidden layers of an MLP that none are asked of. */
const mostWidth = 2048;

/** Alignment with features, after blocks of a model of some depth and width. */
export function featureAlignmentOf(
  config: FeatureAlignmentConfig,
  { depth, hiddenSize }: Pick<SiTConfig, 'depth' | 'hiddenSize'>,
): FeatureHead & { readonly blocks: number } {
  const { blocks = share(depth, 1), projection, width = Math.min(mostWidth, 4 * hiddenSize) } = config;
  return { blocks, projection, width };
}

/** Parts of a training's loss beside the distance from the data, a teacher's apart. */
function besideCosts(
  { selfAlignment, featureAlignment, modelGuidance }: BesideConfig,
  model: SiTConfig,
): readonly BesideCost[] {
  return [
    ...(modelGuidance === undefined ? [] : [modelGuidanceCost(modelGuidance, model)]),
    ...(selfAlignment === undefined ? [] : [selfAlignmentCost(selfAlignment, model)]),
    ...(featureAlignment === undefined ? [] : [featureAlignmentCost(featureAlignment, model)]),
  ];
}

function modelGuidanceCost({ scale, fromStep }: ModelGuidanceConfig, model: SiTConfig): BesideCost {
  return {
    label: 'model guidance',
    told: `scale ${scale} of the average's, with a class and without${fromStep === 0 ? '' : `, from step ${fromStep}`}`,
    parameters: 0,
    multiplyAccumulates: 0,
    // The shift of the target.
    activations: model.latentSize ** 2 * model.channels,
    passes: [model, model],
    untilStep: undefined,
  };
}

function featureAlignmentCost(config: FeatureAlignmentConfig, model: SiTConfig): BesideCost {
  const alignment = featureAlignmentOf(config, model);
  const tokens = gridOf(model) ** 2;
  const { blocks, projection, width } = alignment;
  // The hidden layers before and after their SiLU; the output, the features, both normalised, and their product.
  const kept = (projection === 'mlp' ? 4 * width : 0) + 5 * spatialWidth;
  return {
    label: 'feature alignment',
    told: `blocks ${blocks} with ${formatBytes(4 * tokens * spatialWidth)} of EfficientNet-Lite0's features of an image, kept in the cache`,
    ...headCost(featureHeadParameters(alignment, model.hiddenSize, spatialWidth), tokens),
    activations: tokens * kept,
    passes: [],
    untilStep: config.untilStep,
  };
}

/** Cost of a head that every token goes through: what is no bias is multiplied with. */
function headCost(
  head: readonly Parameter[],
  tokens: number,
): Pick<BesideCost, 'parameters' | 'multiplyAccumulates'> {
  const numbers = (of: readonly Parameter[]) => of.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const factors = head.filter(({ shape }) => shape.length > 1);
  return { parameters: numbers(head), multiplyAccumulates: tokens * numbers(factors) };
}

function selfAlignmentCost(config: SelfAlignmentConfig, model: SiTConfig): BesideCost {
  const { blocks, teacherBlocks } = selfAlignmentOf(config, model.depth);
  const tokens = gridOf(model) ** 2;
  return {
    label: 'self-alignment',
    told: `blocks ${blocks} with blocks ${teacherBlocks} of the average`,
    ...headCost(selfHeadParameters(model.hiddenSize), tokens),
    // The hidden layer before and after its SiLU, the output, its target, and their difference.
    activations: tokens * model.hiddenSize * (2 * 2 + 3),
    passes: [{ ...model, depth: teacherBlocks, mediators: model.mediators.slice(0, teacherBlocks) }],
    untilStep: config.untilStep,
  };
}

/** Floating-point operations that parts of the loss add to a step, for each sample, while they all act. */
export function besideOperations(config: BesideConfig, model: SiTConfig): number {
  return besideCosts(config, model).reduce((sum, cost) => sum + operationsOf(cost), 0);
}

function operationsOf({ multiplyAccumulates, passes }: BesideCost): number {
  const asked = passes.reduce((sum, pass) => sum + 2 * sitCost(pass).multiplyAccumulates, 0);
  return asked + trainingOperations({ multiplyAccumulates });
}

/** Bytes that parts of the loss add to a training of so many samples at once: an estimate. */
export function besideMemory(config: BesideConfig, model: SiTConfig, samples: number): number {
  const costs = besideCosts(config, model);
  // Weights, gradients and two moments.
  const trained = costs.reduce((sum, cost) => sum + 4 * cost.parameters + samples * cost.activations, 0);
  const passes = costs.flatMap((cost) => cost.passes).map((pass) => passMemory(pass, samples));
  return 4 * trained + passes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Describes the parts of a training's loss, for `plan`. */
export function besideFacts(
  config: BesideConfig,
  model: SiTConfig,
): { readonly label: string; readonly value: string }[] {
  return besideCosts(config, model).map((cost) => {
    const parameters =
      cost.parameters === 0 ? '' : `, ${formatLarge(cost.parameters)} parameters beside the model`;
    const until = cost.untilStep === undefined ? '' : `, before step ${cost.untilStep}`;
    // A training step's operations are six for each multiply-accumulate of a forward pass.
    const gigas = (operationsOf(cost) / 6e9).toFixed(2);
    return { label: cost.label, value: `${cost.told}, ${gigas} GFLOPs a sample more${parameters}${until}` };
  });
}
