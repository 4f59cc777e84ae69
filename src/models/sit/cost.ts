import { numbersIn } from '../../nn/parameter.js';
import {
  gridOf,
  hiddenNumbers,
  hiddenWidth,
  type SiTConfig,
  sitParameters,
  timestepFrequencies,
  type TokenRoute,
  tokensOfBlock,
} from './config.js';

// Planning counts costs, and loads no tensors for it.

/** Cost of a model, for one sample. */
export interface ModelCost {
  readonly parameters: number;
  /** Multiply-accumulates of a forward pass, which papers call FLOPs. */
  readonly multiplyAccumulates: number;
  /** Part of these outside of the blocks: all that is left where their result is predicted. */
  readonly outsideBlocks: number;
  /** Numbers that a forward pass keeps for the backward pass: an estimate. */
  readonly activations: number;
  /** Activations where blocks are computed anew for their gradients: the blocks' inputs, and a few blocks. */
  readonly recomputedActivations: number;
  /** Parts of both that are not kept where the gradient makes factors of products again. */
  readonly remade: { readonly activations: number; readonly recomputedActivations: number };
}

/** Taps of the depthwise convolution. */
const taps = 9;
/** Blocks' worth of numbers that are held while one is computed anew, its gradients among them: as was measured. */
const blocksAtOnce = 3;
/** Chunks of a block's modulation, and of the last layer's. */
const blockChunks = 6;
const finalChunks = 2;

/**
 * Counts a SiT's parameters, multiply-accumulates and activations. Elementwise work, norms and softmax are not
 * multiply-accumulates, as in the counters that papers use.
 *
 * @param route of a training in which some tokens bypass blocks
 */
export function sitCost(config: SiTConfig, route?: TokenRoute): ModelCost {
  const tokens = config.mediators.map((_, i) => tokensOfBlock(config, i, route));
  const blocks = config.mediators.map((mediators, i) => blockCost(config, mediators, tokens[i]!));
  const total = (key: 'multiplyAccumulates' | 'activations') =>
    blocks.reduce((sum, block) => sum + block[key], 0);
  const allTokens = tokens.reduce((sum, count) => sum + count, 0);
  const remade = remadeNumbers(config);
  return {
    parameters: numbersIn(sitParameters(config)),
    multiplyAccumulates: total('multiplyAccumulates') + outsideBlocks(config),
    outsideBlocks: outsideBlocks(config),
    activations: total('activations'),
    recomputedActivations:
      (allTokens + (config.valueResidual === true ? gridOf(config) ** 2 : 0)) * config.hiddenSize +
      blocksAtOnce * Math.max(...blocks.map(({ activations }) => activations)),
    remade: {
      activations: allTokens * remade,
      recomputedActivations: blocksAtOnce * Math.max(...tokens) * remade,
    },
  };
}

/** Numbers of a token that a block's gradient may make again: two norms, and the MLP's hidden layer after its GELU. */
function remadeNumbers(config: SiTConfig): number {
  if (config.rmsNorm === true) return 0;
  const ofMlp = config.swiGlu === true ? 0 : config.hiddenSize + hiddenWidth(config);
  return config.hiddenSize + ofMlp;
}

function blockCost(
  { hiddenSize: d, heads, ...config }: SiTConfig,
  mediators: number,
  tokens: number,
): Pick<ModelCost, 'multiplyAccumulates' | 'activations'> {
  // Queries, keys, values and the output, then the two layers of the MLP; of a gated one the first is twice as wide.
  const matrices = config.swiGlu === true ? 3 : 2;
  const mlp = matrices * hiddenWidth({ hiddenSize: d, ...config });
  const linear = tokens * d * (4 * d + mlp) + blockChunks * d * d;
  // Scores and weighted sums, of every token with every other or with the mediators, there and back.
  const pairs = mediators === 0 ? tokens * tokens : 2 * tokens * mediators;
  const isLocal = mediators > 0 || config.mediatorExtras === true;
  // The convolution goes over the whole grid.
  const local = isLocal ? taps * gridOf({ hiddenSize: d, heads, ...config }) ** 2 * d : 0;
  // Per token: what enters the block and its middle, two norms, queries, keys and values, attention's result and output,
  // the MLP's output, and its hidden layer before and after its activation; where values are mixed, the difference of the
  // two. The gradients of norms and activations compute the rest.
  const values = config.valueResidual === true ? 1 : 0;
  const perToken = (2 + 2 + 3 + 2 + 1 + values) * d + hiddenNumbers({ hiddenSize: d, ...config });
  return {
    multiplyAccumulates: linear + 2 * pairs * d + local,
    // Of scores the softmax is kept alone.
    activations: tokens * perToken + pairs * heads,
  };
}

function outsideBlocks(config: SiTConfig): number {
  const { hiddenSize: d, channels, patchSize } = config;
  const patch = patchSize ** 2 * channels;
  const embedding = timestepFrequencies * d + d * d;
  return gridOf(config) ** 2 * patch * d * (1 + 2) + embedding + finalChunks * d * d;
}

/** Floating-point operations of a training step for a sample: a backward pass costs twice a forward pass. */
export function trainingOperations({ multiplyAccumulates }: Pick<ModelCost, 'multiplyAccumulates'>): number {
  return 2 * 3 * multiplyAccumulates;
}
