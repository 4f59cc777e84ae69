import { worthFusing } from '../../tensorflow/runtime-options.js';
import { gridOf, hasExtras, hiddenNumbers, queryChunks, type SiTConfig, type TokenRoute } from './config.js';
import { sitCost } from './cost.js';

/** Choices that decide about a training's memory beside its model. */
export interface MemoryChoice {
  /** Samples that are computed at once. */
  readonly batch: number;
  /** Moving averages of the weights. */
  readonly averages: number;
  readonly recompute: boolean;
  /** Blocks that some tokens bypass in all steps. */
  readonly route?: TokenRoute | undefined;
}

/** Bytes of a process that trains next to nothing: Node, TensorFlow, its threads' memory. Measured, on x86-64. */
const baseBytes = 560e6;
/** Bytes of a block's part of a training step's graph, and of what is compiled for it. Measured. */
const trainedBlockBytes = 22e6;
/** Memory in use for each byte of activations: gradients on the way, and what the allocator does not fill. Measured. */
const allocated = 1.3;

/**
 * Bytes that a training process needs at its peak: weights, gradients, two moments, averages, and activations. An
 * estimate, fitted to the peaks in docs/performance.md.
 */
export function trainingMemory(
  config: SiTConfig,
  { batch, averages, recompute, route }: MemoryChoice,
): number {
  const cost = sitCost(config, route);
  const copies = 4 + averages;
  const kept = recompute ? 'recomputedActivations' : 'activations';
  const remakes = batch * gridOf(config) ** 2 * config.hiddenSize >= worthFusing;
  const activations = allocated * (cost[kept] - (remakes ? cost.remade[kept] : 0));
  const base = baseBytes + trainedBlockBytes * config.mediators.length;
  return base + 4 * (copies * cost.parameters + batch * activations);
}

/** Bytes that asking a model without a gradient adds to a training that has its weights: an estimate. */
export function passMemory(config: SiTConfig, samples: number): number {
  return (
    blockBytes * config.mediators.length +
    4 * (biasNumbers(config) + allocatedOfPass * passNumbers(config, samples))
  );
}

/** Bytes that a teacher adds to a training: its weights, its graph, and what a pass over `samples` holds. An estimate. */
export function teacherMemory(config: SiTConfig, samples: number): number {
  const weights = sitCost(config).parameters + biasNumbers(config);
  return blockBytes * config.depth + 4 * (weights + allocatedOfPass * passNumbers(config, samples));
}

/** Bytes of a process's memory where a GPU computes: its start values, or those of a checkpoint, pass through it. */
export function hostMemoryOnGpu(config: SiTConfig): number {
  return baseBytes + trainedBlockBytes * config.mediators.length + 4 * sitCost(config).parameters;
}

/**
 * Numbers in memory at most while a forward pass computes and keeps nothing: an estimate, weights apart.
 *
 * @param fused whether full attention writes no scores into memory
 */
export function passNumbers(config: SiTConfig, samples: number, fused = false): number {
  const { hiddenSize: d, heads, mediators } = config;
  const tokens = gridOf(config) ** 2;
  // Per token: the block's input or middle, its norm, and the MLP's hidden layer before and after its activation.
  const mlp = samples * tokens * (2 * d + hiddenNumbers(config));
  // Per token: the block's input, its norm, queries, keys and values as they come and by heads.
  const ofAttention = samples * tokens * (2 + 2 * 3) * d;
  // Of the first block, where others mix theirs with them.
  const values = config.valueResidual === true ? samples * tokens * d : 0;
  const attention = mediators.map((count) => {
    // The softmax takes the place of the scores.
    const scores = count === 0 && fused ? 0 : samples * heads * tokens * (count === 0 ? tokens : count);
    const inParts = count === 0 && !hasExtras(config, count);
    const chunks = inParts ? queryChunks(samples * heads, tokens) : 1;
    return ofAttention + scores / chunks;
  });
  return values + Math.max(mlp, ...attention);
}

/** Numbers in the biases of all blocks' attention, each at every token: they follow from weights alone. */
export function biasNumbers(config: SiTConfig): number {
  const { heads, mediators } = config;
  const tokens = gridOf(config) ** 2;
  const rows = mediators.map((count) => (hasExtras(config, count) ? tokens : 2 * count));
  return heads * tokens * rows.reduce((sum, count) => sum + count, 0);
}

/** A model as it is sampled from, alone or in a phase. */
interface SampledModel {
  readonly model: SiTConfig;
  /** Autoguidance's. */
  readonly base?: SiTConfig | undefined;
}

/** Choices that decide about a sampling's memory beside what decodes. */
export interface SamplingChoice {
  /** One of each phase; what guides is the same in all. */
  readonly models: readonly SampledModel[];
  /** Samples that are drawn at once. */
  readonly batch: number;
  /** True when guidance acts: the model is then evaluated twice, or the weaker one beside it. */
  readonly guided: boolean;
  /** True when likelihoods are measured, by the gradient of the models' outputs. */
  readonly gradients: boolean;
  /** Features that are kept of each sample where steps are predicted: the last and its differences. */
  readonly features: number;
}

/** Cost of decoding samples. */
export interface DecodingCost {
  readonly parameters: number;
  /** Bytes that it needs beside its weights. */
  readonly bytes: number;
  /** True when it computes while the next samples are drawn. */
  readonly whileDrawing: boolean;
}

/** Bytes of a process that samples next to nothing: Node, TensorFlow, its compiler, its threads' memory. Measured. */
const samplingBaseBytes = 520e6;
/** Bytes of a block's graphs. Measured. */
const blockBytes = 9e6;
/**
 * Upper bound, in bytes, on what reading weights from files leaves in memory as garbage that is not yet collected.
 * Measured.
 */
const mostReadBytes = 100e6;
/** Memory in use for each byte that a pass is known to hold: what the allocator does not fill. Measured. */
const allocatedOfPass = 2;
/**
 * Part of the smaller need that the larger cannot use again, where drawing and decoding need memory by turns. Measured.
 */
const keptOfOther = 0.75;
/** Copies of features that are predicted or computed: as they are kept, given, taken and put back. */
const featureCopies = 5;

/**
 * Bytes that a sampling process needs at its peak: weights, what reading them left, graphs, and what drawing and decoding
 * need by turns or at once. An estimate, fitted to the peaks in docs/performance.md.
 */
export function samplingMemory(choice: SamplingChoice, decoding: DecodingCost): number {
  const base = choice.models[0]?.base;
  const all = [...choice.models.map(({ model }) => model), ...(base ? [base] : [])];
  const sum = (of: (config: SiTConfig) => number) => all.reduce((total, config) => total + of(config), 0);
  const weights = 4 * (sum((config) => sitCost(config).parameters) + decoding.parameters);
  const graphs = blockBytes * sum(({ mediators }) => mediators.length);
  const drawing = 4 * Math.max(...choice.models.map((models) => drawingNumbers(models, choice)));
  return (
    samplingBaseBytes +
    graphs +
    weights +
    Math.min(weights, mostReadBytes) +
    Math.max(drawing, decoding.bytes) +
    Math.min(drawing, decoding.bytes) * (decoding.whileDrawing ? 1 : keptOfOther)
  );
}

function drawingNumbers({ model, base }: SampledModel, choice: SamplingChoice): number {
  const { batch, guided, gradients, features } = choice;
  // Guided by itself, a model is asked once about twice the samples.
  const asked: [SiTConfig, number][] =
    guided && base
      ? [
          [model, batch],
          [base, batch],
        ]
      : [[model, guided ? 2 * batch : batch]];
  const sum = (of: (config: SiTConfig, samples: number) => number) =>
    asked.reduce((total, [config, samples]) => total + of(config, samples), 0);
  const biases = sum(biasNumbers);
  const passes = allocatedOfPass * sum(passNumbers);
  const kept = sum(
    (config, samples) => samples * gridOf(config) ** 2 * config.hiddenSize * features * featureCopies,
  );
  const forGradients = gradients ? allocated * sum((config, n) => n * sitCost(config).activations) : 0;
  return biases + passes + kept + forGradients;
}
