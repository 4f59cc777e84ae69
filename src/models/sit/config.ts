import type { ModelConfig } from '../../generated/index.js';
import { constant, normal, ones, type Parameter, uniform, xavier, zeros } from '../../nn/parameter.js';

/** Architecture of a scalable interpolant transformer, with attention mediators or without. */
export interface SiTConfig {
  /** Height and width of a latent, in latent pixels. */
  readonly latentSize: number;
  readonly channels: number;
  readonly patchSize: number;
  readonly hiddenSize: number;
  readonly depth: number;
  readonly heads: number;
  readonly classes: number;
  /** Mediators of each block; 0 means full attention. */
  readonly mediators: readonly number[];
  /** Probability that training replaces a label with the null class. 0: there is no null class. */
  readonly labelDropout: number;
  /** True to normalise queries and keys, head by head. Default false. */
  readonly qkNorm?: boolean;
  /** True for norms of the root mean square, with a learned scale, in place of layer norms. Default false. */
  readonly rmsNorm?: boolean;
  /** True for gated hidden layers, SwiGLU, in place of GELU. Default false. */
  readonly swiGlu?: boolean;
  /**
   * Tokens along a side over which the places of rotary positions spread, which queries and keys then have: of a grid of
   * that side, places are whole numbers. Absent: no rotary positions.
   */
  readonly rope?: number;
  /** True where blocks after the first mix their attention's values with those of the first. Default false. */
  readonly valueResidual?: boolean;
  /** True to give blocks with full attention the position biases and the convolution of blocks with mediators. */
  readonly mediatorExtras?: boolean;
}

/** Tokens along one side of a model's grid. */
export function gridOf({ latentSize, patchSize }: SiTConfig): number {
  return latentSize / patchSize;
}

/** Part of a training in which blocks take some of each sample's tokens, and the others bypass them. */
export interface TokenRoute {
  /** First of these blocks, and the one after the last. */
  readonly from: number;
  readonly to: number;
  /** Tokens of a sample that they take. */
  readonly kept: number;
}

/** Tokens of a sample that a block takes. */
export function tokensOfBlock(config: SiTConfig, block: number, route?: TokenRoute): number {
  return route !== undefined && route.from <= block && block < route.to ? route.kept : gridOf(config) ** 2;
}

/** Places of the grid's rows and columns for rotary positions; undefined where the model has none. */
export function rotaryPlaces(config: SiTConfig): readonly number[] | undefined {
  const { rope } = config;
  const grid = gridOf(config);
  return rope === undefined ? undefined : Array.from({ length: grid }, (_, i) => (i * rope) / grid);
}

/** Scores of queries towards keys that are computed at a time: 128 MiB of them. */
export const scoresAtOnce = 2 ** 25;

/** Tokens from which full attention goes to a GPU's own kernel for all of it, where there is one. */
export const worthFusingAttention = 1024;

/**
 * Into how many chunks full attention divides its queries: the least divisor of their number with which there are no more
 * than `atOnce` scores at a time.
 *
 * @param tables tables of scores, `tokens` by `tokens` each: one for each head of each sample
 */
export function queryChunks(tables: number, tokens: number, atOnce = scoresAtOnce): number {
  const wanted = Math.min((tables * tokens ** 2) / atOnce, tokens);
  let chunks = 1;
  while (tokens % chunks !== 0 || chunks < wanted) chunks++;
  return chunks;
}

/**
 * Mediators of each block, from any of the three ways to write them; 0 is full attention. Of ranges that
 * overlap the last wins, and blocks outside of every range have full attention.
 *
 * @returns one count a block, `[depth]`
 */
export function mediatorsPerBlock({ mediators, depth }: Pick<ModelConfig, 'mediators' | 'depth'>): number[] {
  return Array.from({ length: depth }, (_, block) => {
    if (typeof mediators === 'number') return mediators;
    const entry = mediators.findLast((item, i) =>
      typeof item === 'number' ? i === block : item.blocks[0] <= block && block <= item.blocks[1],
    );
    return typeof entry === 'object' ? entry.mediators : (entry ?? 0);
  });
}

/** Frequencies that a timestep is embedded with. */
export const timestepFrequencies = 256;
/** Side of the tables from which position biases are interpolated. */
export const biasTableSize = 7;
/** Width of a block's hidden layer, in multiples of the model's. */
const mlpRatio = 4;

/** Width of a block's hidden layer: of a gated one two thirds, so that its three matrices are as large as two. */
export function hiddenWidth({ hiddenSize, swiGlu }: Pick<SiTConfig, 'hiddenSize' | 'swiGlu'>): number {
  const width = mlpRatio * hiddenSize;
  return swiGlu === true ? Math.floor((2 / 3) * width) : width;
}

/** Numbers of a block's hidden layer for each token, before and after its activation. */
export function hiddenNumbers(config: Pick<SiTConfig, 'hiddenSize' | 'swiGlu'>): number {
  return hiddenWidth(config) * (config.swiGlu === true ? 3 : 2);
}

/** Marks a matrix that products alone take. */
const factor = true;

/** Parameters of the model with the reference's start values, in order of use. */
export function sitParameters(config: SiTConfig): Parameter[] {
  const { channels, patchSize, hiddenSize: d, classes, labelDropout } = config;
  const patch = patchSize ** 2;
  return [
    ...dense('patchEmbedding', patch * channels, d),
    { name: 'timestepEmbedding.in.weight', shape: [timestepFrequencies, d], initial: normal(0.02), factor },
    { name: 'timestepEmbedding.in.bias', shape: [d], initial: zeros },
    { name: 'timestepEmbedding.out.weight', shape: [d, d], initial: normal(0.02), factor },
    { name: 'timestepEmbedding.out.bias', shape: [d], initial: zeros },
    {
      name: 'labelEmbedding',
      shape: [classes + (labelDropout > 0 ? 1 : 0), d],
      initial: normal(0.02),
      factor,
    },
    ...config.mediators.flatMap((mediators, i) => blockParameters(config, i, mediators)),
    ...normParameters(config, 'final.norm'),
    ...zeroDense('final.modulation', d, 2 * d),
    ...zeroDense('final.projection', d, patch * 2 * channels),
  ];
}

function blockParameters(config: SiTConfig, block: number, mediators: number): Parameter[] {
  const name = `blocks.${block}`;
  const d = config.hiddenSize;
  const width = hiddenWidth(config);
  return [
    ...normParameters(config, `${name}.attentionNorm`),
    ...zeroDense(`${name}.modulation`, d, 6 * d),
    ...hidden(3, dense(`${name}.attention.qkv`, d, 3 * d)),
    ...(config.qkNorm === true ? qkNormParameters(config, `${name}.attention`) : []),
    ...(config.valueResidual === true && block > 0 ? [valueShareParameter(`${name}.attention`)] : []),
    ...(mediators > 0 ? mediatorParameters(config, `${name}.attention`, mediators) : []),
    ...(hasExtras(config, mediators) ? extraParameters(config, `${name}.attention`) : []),
    ...hidden(1, dense(`${name}.attention.projection`, d, d)),
    ...normParameters(config, `${name}.mlpNorm`),
    ...(config.swiGlu === true
      ? hidden(2, dense(`${name}.mlp.in`, d, 2 * width))
      : hidden(1, dense(`${name}.mlp.in`, d, width))),
    ...hidden(1, dense(`${name}.mlp.out`, width, d)),
  ];
}

/** A hidden layer, whose weight is so many matrices side by side. */
function hidden(hiddenMatrices: number, [weight, bias]: Parameter[]): Parameter[] {
  return [{ ...weight!, hiddenMatrices }, bias!];
}

function qkNormParameters({ hiddenSize, heads, rmsNorm }: SiTConfig, name: string): Parameter[] {
  const shape = [hiddenSize / heads];
  return ['queryNorm', 'keyNorm'].flatMap((norm) => [
    { name: `${name}.${norm}.weight`, shape, initial: ones },
    ...(rmsNorm === true ? [] : [{ name: `${name}.${norm}.bias`, shape, initial: zeros }]),
  ]);
}

/** Name of the share that the first block's values have in those of a block's attention. */
export const valueShare = (attention: string): string => `${attention}.valueResidual.share`;

/** SpeedrunDiT's start: as much of the first block's values as of the block's own. */
function valueShareParameter(attention: string): Parameter {
  return { name: valueShare(attention), shape: [], initial: constant(0.5) };
}

/** Scale of a norm of the root mean square; layer norms have none but the modulation. */
function normParameters({ hiddenSize, rmsNorm }: SiTConfig, name: string): Parameter[] {
  return rmsNorm === true ? [{ name: `${name}.weight`, shape: [hiddenSize], initial: ones }] : [];
}

/** Tokens up to which full attention takes the extras of mediators: it then holds all scores at once. */
export const mostTokensWithExtras = 256;

/** True of a block with full attention that has the biases and the convolution of blocks with mediators. */
export const hasExtras = ({ mediatorExtras }: SiTConfig, mediators: number): boolean =>
  mediators === 0 && mediatorExtras === true;

const biasStart = normal(0.02);

/** The convolution of values, and biases towards keys: of mediators, or of every query. */
function extraParameters(config: SiTConfig, name: string, m = gridOf(config) ** 2): Parameter[] {
  const { hiddenSize: d, heads } = config;
  const grid = gridOf(config);
  // PyTorch's start of a convolution whose every output sees nine numbers.
  const convolution = uniform(1 / Math.sqrt(9));
  return [
    { name: `${name}.depthwise.weight`, shape: [3, 3, d, 1], initial: convolution },
    { name: `${name}.depthwise.bias`, shape: [d], initial: convolution },
    {
      name: `${name}.mediatorBias.table`,
      shape: [heads, m, biasTableSize, biasTableSize],
      initial: biasStart,
    },
    { name: `${name}.mediatorBias.row`, shape: [heads, m, grid], initial: biasStart },
    { name: `${name}.mediatorBias.column`, shape: [heads, m, grid], initial: biasStart },
  ];
}

function mediatorParameters(config: SiTConfig, name: string, m: number): Parameter[] {
  const { heads } = config;
  const grid = gridOf(config);
  return [
    ...extraParameters(config, name, m),
    { name: `${name}.queryBias.table`, shape: [heads, m, biasTableSize, biasTableSize], initial: biasStart },
    { name: `${name}.queryBias.row`, shape: [heads, grid, m], initial: biasStart },
    { name: `${name}.queryBias.column`, shape: [heads, grid, m], initial: biasStart },
  ];
}

/** A linear layer's weight and bias. */
export function dense(name: string, inputs: number, outputs: number): Parameter[] {
  return [
    { name: `${name}.weight`, shape: [inputs, outputs], initial: xavier(inputs, outputs), factor },
    { name: `${name}.bias`, shape: [outputs], initial: zeros },
  ];
}

function zeroDense(name: string, inputs: number, outputs: number): Parameter[] {
  return dense(name, inputs, outputs).map((parameter) => ({ ...parameter, initial: zeros }));
}

/** Architecture as far as the time of a step or of a drawing depends on it: all but classes, of whose table only rows are read. */
export const shapeOf = ({
  latentSize,
  channels,
  patchSize,
  hiddenSize,
  depth,
  heads,
  mediators,
  qkNorm = false,
  rmsNorm,
  swiGlu,
  rope,
  valueResidual,
  mediatorExtras,
}: SiTConfig): readonly unknown[] => [
  ...[latentSize, channels, patchSize, hiddenSize, depth, heads, mediators, qkNorm],
  ...namesOf({ rmsNorm, swiGlu, rope: rope !== undefined, valueResidual, mediatorExtras }),
];

/** Names of the switches that are on. */
function namesOf(switches: Readonly<Record<string, boolean | undefined>>): string[] {
  return Object.entries(switches).flatMap(([name, on]) => (on === true ? [name] : []));
}
