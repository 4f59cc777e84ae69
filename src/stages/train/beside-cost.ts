import { formatBytes, formatLarge } from '../../base/format.js';
import type {
  FeatureAlignmentConfig,
  ModelGuidanceConfig,
  SelfAlignmentConfig,
  TokenRoutingConfig,
  TrainConfig,
} from '../../generated/index.js';
import { spatialWidth } from '../../metrics/gpu-memory.js';
import { gridOf, type SiTConfig, type TokenRoute, tokensOfBlock } from '../../models/sit/config.js';
import { sitCost, trainingOperations } from '../../models/sit/cost.js';
import { type FeatureHead, featureHeadParameters, selfHeadParameters } from '../../models/sit/heads.js';
import { passMemory } from '../../models/sit/memory.js';
import { numbersIn, type Parameter } from '../../nn/parameter.js';
import type { SelfAlignment } from '../../training/self-alignment.js';

// Planning counts costs, and loads no tensors for it.

/** Keys of a training that add parts to its loss beside the distance from the data, or let tokens bypass blocks. */
export type BesideConfig = Pick<
  TrainConfig,
  'selfAlignment' | 'featureAlignment' | 'modelGuidance' | 'tokenRouting'
>;

/** Parts of a training that end at a step where `untilStep` says one. */
export const endingParts = ['selfAlignment', 'featureAlignment', 'tokenRouting'] as const;

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
  /** First step in which it acts, and the one after the last. */
  readonly fromStep?: number;
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

/** Depth from which on as many blocks take all tokens as in TREAD's models. */
const treadDepth = 8;

/** First and last block that tokens bypass where none are named. */
export function routedBlocks({ blocks }: TokenRoutingConfig, depth: number): readonly [number, number] {
  return blocks ?? (depth < treadDepth ? [1, depth - 2] : [2, depth - 4]);
}

/** Way of tokens in steps in which some bypass blocks; undefined where none do. */
export function routeOf(config: TokenRoutingConfig | undefined, model: SiTConfig): TokenRoute | undefined {
  if (config === undefined) return undefined;
  const [from, last] = routedBlocks(config, model.depth);
  const tokens = gridOf(model) ** 2;
  const kept = tokens - Math.floor(config.share * tokens);
  return kept === tokens ? undefined : { from, to: last + 1, kept };
}

/** Parts of a training's loss beside the distance from the data, a teacher's apart. */
function besideCosts(
  { selfAlignment, featureAlignment, modelGuidance, tokenRouting }: BesideConfig,
  model: SiTConfig,
): readonly BesideCost[] {
  const route = routeOf(tokenRouting, model);
  return [
    ...(modelGuidance === undefined ? [] : [modelGuidanceCost(modelGuidance, model)]),
    ...(selfAlignment === undefined ? [] : [selfAlignmentCost(selfAlignment, model, route)]),
    ...(featureAlignment === undefined ? [] : [featureAlignmentCost(featureAlignment, model, route)]),
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
    fromStep,
    untilStep: undefined,
  };
}

function featureAlignmentCost(
  config: FeatureAlignmentConfig,
  model: SiTConfig,
  route: TokenRoute | undefined,
): BesideCost {
  const alignment = featureAlignmentOf(config, model);
  const { blocks, projection, width } = alignment;
  const all = gridOf(model) ** 2;
  // The convolution goes over the whole grid.
  const tokens = projection === 'mlp' ? tokensOfBlock(model, blocks - 1, route) : all;
  // The hidden layers before and after their SiLU; the output, the features, both normalised, and their product.
  const kept = (projection === 'mlp' ? 4 * width : 0) + 5 * spatialWidth;
  return {
    label: 'feature alignment',
    told: `blocks ${blocks} with ${formatBytes(4 * all * spatialWidth)} of EfficientNet-Lite0's features of an image, kept in the cache`,
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
  const factors = head.filter(({ shape }) => shape.length > 1);
  return { parameters: numbersIn(head), multiplyAccumulates: tokens * numbersIn(factors) };
}

function selfAlignmentCost(
  config: SelfAlignmentConfig,
  model: SiTConfig,
  route: TokenRoute | undefined,
): BesideCost {
  const { blocks, teacherBlocks } = selfAlignmentOf(config, model.depth);
  const tokens = tokensOfBlock(model, blocks - 1, route);
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

/** Floating-point operations of a training step for a sample, but for a teacher's: what acts in the step is counted. */
function stepOperations(config: BesideConfig, model: SiTConfig, step: number): number {
  const { tokenRouting } = config;
  const route = acts(tokenRouting, step) ? routeOf(tokenRouting, model) : undefined;
  const parts = besideCosts(config, model).filter((cost) => acts(cost, step));
  return parts.reduce((sum, cost) => sum + operationsOf(cost), trainingOperations(sitCost(model, route)));
}

/** The sum of `stepOperations` from a step, counted from 0, to before another. */
export function operationsOfSteps(config: BesideConfig, model: SiTConfig, from: number, to: number): number {
  const changes = [config.modelGuidance?.fromStep, ...endingParts.map((part) => config[part]?.untilStep)];
  const within = changes.filter((step) => step !== undefined && step > from && step < to) as number[];
  const starts = [...new Set([from, ...within])].sort((a, b) => a - b);
  return starts.reduce(
    (sum, start, i) => sum + ((starts[i + 1] ?? to) - start) * stepOperations(config, model, start),
    0,
  );
}

/** True in the steps in which a part of a training acts. */
export const acts = (
  part: { readonly fromStep?: number | undefined; readonly untilStep?: number | undefined } | undefined,
  step: number,
): boolean => part !== undefined && step >= (part.fromStep ?? 0) && step < (part.untilStep ?? Infinity);

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
  const before = (step: number | undefined) => (step === undefined ? '' : `, before step ${step}`);
  const { tokenRouting } = config;
  const route = routeOf(tokenRouting, model);
  const parts = besideCosts(config, model).map((cost) => {
    const parameters =
      cost.parameters === 0 ? '' : `, ${formatLarge(cost.parameters)} parameters beside the model`;
    // A training step's operations are six for each multiply-accumulate of a forward pass.
    const gigas = (operationsOf(cost) / 6e9).toFixed(2);
    return {
      label: cost.label,
      value: `${cost.told}, ${gigas} GFLOPs a sample more${parameters}${before(cost.untilStep)}`,
    };
  });
  if (route === undefined) return parts;
  const { from, to, kept } = route;
  const fewer = sitCost(model).multiplyAccumulates - sitCost(model, route).multiplyAccumulates;
  const told = `${kept} of ${gridOf(model) ** 2} tokens in ${to - from === 1 ? `block ${from}` : `blocks ${from} to ${to - 1}`}`;
  const value = `${told}, ${(fewer / 1e9).toFixed(2)} GFLOPs a sample less${before(tokenRouting?.untilStep)}`;
  return [...parts, { label: 'token routing', value }];
}
