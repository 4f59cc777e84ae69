import { sizeOf } from '../../tensorflow/data-types.js';
import { fitsFusedAttention } from '../../tensorflow/runtime-options.js';
import {
  gridOf,
  hasExtras,
  queryChunks,
  type SiTConfig,
  sitParameters,
  type TokenRoute,
  tokensOfBlock,
  worthFusingAttention,
} from './config.js';
import { sitCost } from './cost.js';
import { biasNumbers, type MemoryChoice, passNumbers, type SamplingChoice } from './memory.js';

/** Way in which a GPU computes, as far as its memory depends on it. */
export interface GpuWay {
  /** True when XLA compiles programs as a whole. */
  readonly compiled: boolean;
  /** True when traces write products in bfloat16. */
  readonly halves: boolean;
}

/**
 * Bytes of what XLA's programs hold, measured by TensorFlow's allocator on compiled steps of up to twelve blocks: kept of
 * a block for its gradient, for each channel of each token and each score, and in use at a time.
 */
interface Held {
  readonly mediators: { readonly channel: number; readonly score: number };
  readonly full: { readonly channel: number; readonly score: number };
  /** Block's input, for each channel of each token. */
  readonly input: number;
  /** Number of a pass that keeps nothing. */
  readonly passing: number;
}
const heldBy = {
  halves: {
    mediators: { channel: 57, score: 5 },
    full: { channel: 47, score: 4.3 },
    ...{ input: 2, passing: 2.75 },
  },
  floats: {
    mediators: { channel: 93.6, score: 4.2 },
    full: { channel: 77.5, score: 4.3 },
    ...{ input: 4, passing: 4.42 },
  },
} as const satisfies Record<string, Held>;

/** Operation by operation: bytes in use for each byte of activations, and blocks in memory while one is computed anew. */
const byOperations = { allocated: 1.17, blocksAtOnce: 1.75, passing: 4 } as const;

/** State and gradients beside averages: weights, two moments, and the gradients. */
const copies = 4;

/** Choices that decide about a training's memory on a GPU. */
export interface GpuMemoryChoice extends MemoryChoice {
  /** True when a batch is computed in parts: their gradients are summed. */
  readonly accumulates: boolean;
  /** True when workers exchange gradients, in portions that are put together. */
  readonly exchanges: boolean;
}

/** The bytes of a GPU that a training needs at its peak: its state with gradients, and what a step holds. An estimate. */
export function gpuTrainingMemory(config: SiTConfig, choice: GpuMemoryChoice, way: GpuWay): number {
  const sums = (choice.accumulates ? 1 : 0) + (choice.exchanges ? 1 : 0);
  const state = 4 * (copies + choice.averages + sums) * sitCost(config).parameters;
  return state + gradientBytes(config, choice.batch, choice.recompute, way, choice.route);
}

/** The bytes of a GPU that drawing needs at its peak: weights, and what a pass holds. An estimate. */
export function gpuDrawingMemory(choice: SamplingChoice, way: GpuWay): number {
  const base = choice.models[0]?.base;
  const models = [...choice.models.map(({ model }) => model), ...(base ? [base] : [])];
  const weights = models.reduce((sum, model) => sum + weightBytes(model, way), 0);
  const samples = choice.guided && base === undefined ? 2 * choice.batch : choice.batch;
  const pass = (model: SiTConfig) =>
    choice.gradients ? gradientBytes(model, samples, false, way) : passBytes(model, samples, way);
  const features = Math.max(...models.map((model) => 4 * samples * channelsOf(model) * choice.features));
  return weights + Math.max(...models.map(pass)) + features;
}

/** Bytes of weights that no gradient is taken of: of what products alone take no more is kept than they do. */
function weightBytes(config: SiTConfig, { halves }: GpuWay): number {
  return sitParameters(config).reduce(
    (sum, { shape, factor = false }) => sum + sizeOf(shape) * (halves && factor ? 2 : 4),
    0,
  );
}

function passBytes(config: SiTConfig, samples: number, way: GpuWay): number {
  const { passing } = way.compiled ? heldBy[way.halves ? 'halves' : 'floats'] : byOperations;
  return passing * passNumbers(config, samples, fusesAttention(config, way)) + 4 * biasNumbers(config);
}

/** True when full attention goes to cuDNN, which writes no scores into memory. */
function fusesAttention(config: SiTConfig, { compiled, halves }: GpuWay): boolean {
  const { hiddenSize, heads } = config;
  const many = gridOf(config) ** 2 >= worthFusingAttention;
  return compiled && halves && many && fitsFusedAttention(hiddenSize / heads);
}

function gradientBytes(
  config: SiTConfig,
  batch: number,
  recompute: boolean,
  way: GpuWay,
  route?: TokenRoute,
): number {
  const { mediators } = config;
  const pass = passBytes(config, batch, way);
  const tokens = mediators.map((_, i) => tokensOfBlock(config, i, route));
  const channels = config.hiddenSize * tokens.reduce((sum, count) => sum + count, 0);
  // Of the first block, where others mix theirs with them: a gradient that computes blocks anew keeps them beside inputs.
  const values = config.valueResidual === true ? channelsOf(config) : 0;
  if (!way.compiled) {
    const each = mediators.map((count, i) => {
      const alone = { from: 0, to: 1, kept: tokens[i]! };
      return 4 * sitCost({ ...config, mediators: [count] }, alone).activations;
    });
    if (!recompute) return batch * byOperations.allocated * each.reduce((sum, bytes) => sum + bytes, 0);
    const inputs = 4 * (channels + values);
    return batch * (inputs + byOperations.blocksAtOnce * Math.max(...each));
  }
  const held = heldBy[way.halves ? 'halves' : 'floats'];
  const fused = fusesAttention(config, way);
  const atOnce = pass + (fused ? 0 : partBytes(config, batch, held));
  const blocks = mediators.map((count, i) => keptOfBlock(config, tokens[i]!, count, batch, held, fused));
  if (!recompute) return blocks.reduce((sum, bytes) => sum + bytes, atOnce);
  const inputs = batch * (channels + values) * held.input;
  return inputs + Math.max(...blocks) + atOnce;
}

/** Bytes that the gradient of full attention in parts holds of one part beside its scores: their softmax and gradients. */
function partBytes(config: SiTConfig, batch: number, held: Held): number {
  const tokens = gridOf(config) ** 2;
  const tables = batch * config.heads;
  const chunks = queryChunks(tables, tokens);
  if (chunks === 1 || !config.mediators.includes(0) || hasExtras(config, 0)) return 0;
  return (3 * held.full.score * tables * tokens ** 2) / chunks;
}

function keptOfBlock(
  config: SiTConfig,
  tokens: number,
  mediators: number,
  batch: number,
  held: Held,
  fused: boolean,
): number {
  const { channel, score } = mediators === 0 && !hasExtras(config, 0) ? held.full : held.mediators;
  const tables = batch * config.heads;
  // Scores in chunks are computed anew, and not kept; those of fused attention are never written.
  const anew = !hasExtras(config, mediators) && (fused || queryChunks(tables, tokens) > 1);
  const kept = mediators === 0 ? (anew ? 0 : tokens) : 2 * mediators;
  // Where values are mixed, the difference of the two is kept, as a block's input is.
  const difference = config.valueResidual === true ? held.input : 0;
  return batch * tokens * config.hiddenSize * (channel + difference) + tables * tokens * kept * score;
}

/** Numbers of a sample between blocks. */
function channelsOf(config: SiTConfig): number {
  return gridOf(config) ** 2 * config.hiddenSize;
}
