// Planning counts costs, and loads no tensors for it.
import { sizeOf } from '../../tensorflow/data-types.js';
import { type SiTConfig, gridOf } from './config.js';
import { mlpRatio, sitParameters, timestepFrequencies } from './parameters.js';

/** What a model costs, for one sample. */
export interface ModelCost {
  readonly parameters: number;
  /** Multiply-accumulates of a forward pass, which papers call FLOPs. */
  readonly multiplyAccumulates: number;
  /** Of these, what is outside of the blocks: all that is left where their result is predicted. */
  readonly outsideBlocks: number;
  /** Numbers that a forward pass keeps for the backward pass: an estimate. */
  readonly activations: number;
  /** As many where blocks are computed anew for their gradients: the blocks' inputs, and one block. */
  readonly recomputedActivations: number;
}

/** Taps of the depthwise convolution. */
const taps = 9;
/** Chunks of a block's modulation, and of the last layer's. */
const blockChunks = 6;
const finalChunks = 2;

/**
 * Counts a SiT's parameters, multiply-accumulates and activations. Elementwise work, norms and softmax are not
 * multiply-accumulates, as in the counters that papers use.
 */
export function sitCost(config: SiTConfig): ModelCost {
  const blocks = config.mediators.map((mediators) => blockCost(config, mediators));
  const total = (key: 'multiplyAccumulates' | 'activations') =>
    blocks.reduce((sum, block) => sum + block[key], 0);
  return {
    parameters: sitParameters(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    multiplyAccumulates: total('multiplyAccumulates') + outsideBlocks(config),
    outsideBlocks: outsideBlocks(config),
    activations: total('activations'),
    recomputedActivations:
      blocks.length * gridOf(config) ** 2 * config.hiddenSize +
      Math.max(...blocks.map(({ activations }) => activations)),
  };
}

function blockCost(
  { hiddenSize: d, heads, ...config }: SiTConfig,
  mediators: number,
): Pick<ModelCost, 'multiplyAccumulates' | 'activations'> {
  const tokens = gridOf({ hiddenSize: d, heads, ...config }) ** 2;
  // Queries, keys, values and the output, then the two layers of the MLP.
  const linear = tokens * d * d * (4 + 2 * mlpRatio) + blockChunks * d * d;
  // Scores and weighted sums, of every token with every other or with the mediators, there and back.
  const pairs = mediators === 0 ? tokens * tokens : 2 * tokens * mediators;
  const local = mediators === 0 ? 0 : taps * tokens * d;
  // Per token: two norms and their modulated values, queries, keys, values and their heads, attention's result and
  // output, two residual sums, and the MLP's hidden layer before, within and after its GELU.
  const perToken = (4 + 6 + 4 + 4 + 3 * mlpRatio) * d;
  return {
    multiplyAccumulates: linear + 2 * pairs * d + local,
    activations: tokens * perToken + 2 * pairs * heads,
  };
}

function outsideBlocks(config: SiTConfig): number {
  const { hiddenSize: d, channels, patchSize } = config;
  const patch = patchSize ** 2 * channels;
  const embedding = timestepFrequencies * d + d * d;
  return gridOf(config) ** 2 * patch * d * (1 + 2) + embedding + finalChunks * d * d;
}

/** Floating-point operations of a training step for a sample: a backward pass costs twice a forward pass. */
export function trainingOperations({ multiplyAccumulates }: ModelCost): number {
  return 2 * 3 * multiplyAccumulates;
}

/** What decides about a training's memory beside its model. */
export interface MemoryChoice {
  /** Samples that are computed at once. */
  readonly batch: number;
  /** Moving averages of the weights. */
  readonly averages: number;
  readonly recompute: boolean;
}

/** Bytes of a process that trains nothing yet: Node, TensorFlow's library, its threads' memory. Measured, on x86-64. */
const baseBytes = 400 * 2 ** 20;

/**
 * Bytes that a training process needs at its peak: weights, gradients, two moments, averages, and activations.
 * An estimate: SiT-S/2 with 64 mediators at 256 px, 8 at once, is said to need 2.4 GB, and took 2.4.
 */
export function trainingMemory(cost: ModelCost, { batch, averages, recompute }: MemoryChoice): number {
  const copies = 4 + averages;
  const activations = recompute ? cost.recomputedActivations : cost.activations;
  return baseBytes + 4 * (copies * cost.parameters + batch * activations);
}
