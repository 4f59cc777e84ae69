import { UserError } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import { canonicalName } from '../../data/images/class-names.js';
import {
  alignedInterpolation,
  halfPixelInterpolation,
  resampledFilter,
  resampling,
} from '../../nn/resampling.js';
import type { Matrix } from '../../nn/resampling.js';
import { float32, floats, type HostTensor, sizeOf } from '../../tensorflow/data-types.js';
import { gridOf, type SiTConfig, sitParameters } from './config.js';

/** A model that weights are carried from or to. */
export interface CarriedModel {
  readonly config: SiTConfig;
  /** Names of its classes, by label; absent where they are not known yet. */
  readonly classes?: readonly string[];
}

/** Gives a weight by its name. */
export type WeightOf = (name: string) => HostTensor | Promise<HostTensor>;

/** Fate of each class's row of the label table. */
interface CarriedClasses {
  /** Label in the other model for each class; undefined where that has none of the name. */
  readonly rows: readonly (number | undefined)[];
  /** Names of the classes that are new. */
  readonly fresh: readonly string[];
  /** Names of the other model's classes that this one has not. */
  readonly dropped: readonly string[];
}

/** Plan to carry weights from one model to another; tensors by their names. */
export interface Carry {
  /** Names of tensors of the same shape, taken as they are. */
  readonly carried: readonly string[];
  /** Tables of positions and layers over patches, interpolated to another size. */
  readonly resized: readonly string[];
  /** Layers that make queries and keys, brought to the sizes that norms gave these: here there are no norms. */
  readonly rescaled: readonly string[];
  /** Begun anew: the other model has none that fit. */
  readonly fresh: readonly string[];
  /** The other model's that have no place. */
  readonly dropped: readonly string[];
  /** Descriptions of what this model computes otherwise than the other, whatever the weights. */
  readonly otherwise: readonly string[];
  /** Absent where the classes of one model are not known yet. */
  readonly classes?: CarriedClasses;
  /**
   * A weight of the new model.
   *
   * @param there weights of the other model
   * @param begin the start values of the new model without the other
   */
  valueOf(name: string, there: WeightOf, begin: WeightOf): Promise<HostTensor>;
}

/**
 * Plans how a model begins with the weights of another: everything of the same name and shape is taken, tables of
 * positions are interpolated, rows of the label table are matched by the names of their classes. What is new begins such
 * that the output stays the other model's as nearly as can be:
 *
 * - a layer over patches of another size gives for a resized patch what it gave before
 * - mediators in place of full attention have no position bias and no convolution: what is left approximates it
 * - blocks after the last gate themselves to nothing
 * - a class of a new name begins as no class, or as the mean of all where the other model has no null class
 * - of the first block's values nothing is mixed into those of others
 * - norms of queries and keys have the scale that these have on average, and queries and keys without their norms the
 *   scale that these gave them
 *
 * Other norms, hidden layers, rotary positions or unmixed values compute something else whatever the weights.
 *
 * @throws UserError `weights-not-carried` where widths or heads differ, so that nothing means the same
 * Source for the tables' interpolation: the reference's train_256to512.py; for that of patches: Beyer et al., "FlexiViT",
 *   arXiv 2212.08013, section 3.4
 */
export function planCarry(from: CarriedModel, to: CarriedModel): Carry {
  checkCarried(from.config, to.config);
  const there = new Map(sitParameters(from.config).map(({ name, shape }) => [name, shape]));
  const here = new Map(sitParameters(to.config).map(({ name, shape }) => [name, shape]));
  const classes = from.classes && to.classes && matchClasses(from.classes, to.classes);
  const sameChannels = from.config.channels === to.config.channels;
  const normless = from.config.qkNorm === true && to.config.qkNorm !== true;
  const waysOf = new Map(
    [...here].map(([name, shape]) => [name, wayOf(name, there.get(name), shape, { sameChannels, normless })]),
  );
  const inWay = (way: Way) => [...waysOf].filter(([, each]) => each === way).map(([name]) => name);
  const sides = { from: gridOf(from.config), to: gridOf(to.config) };
  const isOfBlockThere = (name: string) => {
    const block = /^blocks\.(\d+)\./.exec(name)?.[1];
    return block !== undefined && Number(block) < from.config.depth;
  };
  return {
    carried: inWay('carried'),
    resized: [...waysOf].filter(([, way]) => way === 'table' || way === 'patch').map(([name]) => name),
    rescaled: inWay('rescaled'),
    fresh: inWay('fresh'),
    dropped: [...there.keys()].filter((name) => !here.has(name) || waysOf.get(name) === 'fresh'),
    otherwise: differences(from.config, to.config),
    ...(classes && { classes }),
    valueOf: async (name, weightOf, begin) => {
      switch (waysOf.get(name)) {
        case 'carried':
          return weightOf(name);
        case 'table':
          return resizeTable(name, await weightOf(name), sides, here.get(name)!);
        case 'patch':
          return resizePatch(name, await weightOf(name), from.config, to.config);
        case 'rescaled':
          return withoutNorms(name, weightOf, from.config);
        case 'classes':
          if (classes === undefined) throw new Error('The classes of a model are not known.');
          return labelTable(await weightOf(name), classes.rows, from.config, here.get(name)!);
        default: {
          const value = await begin(name);
          return isOfBlockThere(name) ? unobtrusive(name, value, weightOf) : value;
        }
      }
    },
  };
}

/** The new model's switches that are set otherwise, in words. */
function differences(from: SiTConfig, to: SiTConfig): string[] {
  const places = ({ rope }: SiTConfig) => (rope === undefined ? 'none' : `over ${rope} a side`);
  const sameSpread = from.rope === to.rope || (from.rope === gridOf(from) && to.rope === gridOf(to));
  const unmixed = from.valueResidual === true && to.valueResidual !== true;
  return [
    ...(from.rmsNorm === to.rmsNorm
      ? []
      : [to.rmsNorm === true ? 'norms of the root mean square' : 'layer norms']),
    ...(from.swiGlu === to.swiGlu ? [] : [`hidden layers with ${to.swiGlu === true ? 'SwiGLU' : 'GELU'}`]),
    ...(unmixed ? ["values of each block's own (there mixed with the first block's)"] : []),
    ...(sameSpread ? [] : [`rotary positions ${places(to)} (there ${places(from)})`]),
  ];
}

type Way = 'carried' | 'table' | 'patch' | 'rescaled' | 'classes' | 'fresh';

function wayOf(
  name: string,
  there: readonly number[] | undefined,
  here: readonly number[],
  { sameChannels, normless }: { readonly sameChannels: boolean; readonly normless: boolean },
): Way {
  if (name === 'labelEmbedding') return 'classes';
  if (there === undefined) return 'fresh';
  if (normless && /\.qkv\.\w+$/.test(name)) return 'rescaled';
  if (there.join() === here.join()) return 'carried';
  if (tableAxes(name) !== undefined) return 'table';
  return patchAxis(name) !== undefined && sameChannels ? 'patch' : 'fresh';
}

/** @throws UserError `weights-not-carried` where models differ in width or heads. */
function checkCarried(from: SiTConfig, to: SiTConfig): void {
  const differences = (['hiddenSize', 'heads'] as const)
    .filter((key) => from[key] !== to[key])
    .map((key) => `${key} is ${from[key]} there and ${to[key]} here`);
  if (differences.length === 0) return;
  throw new UserError({
    code: 'weights-not-carried',
    message: `No weight fits: ${differences.join('; ')}.`,
    remedy: 'Use a model of that width and as many heads; everything else may differ.',
  });
}

function matchClasses(there: readonly string[], here: readonly string[]): CarriedClasses {
  const labels = new Map(there.map((name, label) => [canonicalName(name), label]));
  const rows = here.map((name) => labels.get(canonicalName(name)));
  const kept = new Set(here.map(canonicalName));
  return {
    rows,
    fresh: here.filter((_, label) => rows[label] === undefined),
    dropped: there.filter((name) => !kept.has(canonicalName(name))),
  };
}

/** Rows of `rows`, then the null class where the new model has one. */
function labelTable(
  value: HostTensor,
  rows: readonly (number | undefined)[],
  from: SiTConfig,
  [count, width]: readonly number[],
): HostTensor {
  const source = floats(value);
  const row = (label: number) => source.subarray(label * width!, (label + 1) * width!);
  const noClass = from.labelDropout > 0 ? row(from.classes) : meanOfRows(source, width!);
  const table = new Float32Array(count! * width!);
  for (let label = 0; label < count!; label++) {
    const known = rows[label];
    table.set(known === undefined ? noClass : row(known), label * width!);
  }
  return float32([count!, width!], table);
}

function meanOfRows(source: Float32Array, width: number): Float32Array {
  const mean = new Float32Array(width);
  const count = source.length / width;
  for (const [i, value] of source.entries()) mean[i % width]! += value / count;
  return mean;
}

/** The start value of a tensor in a block of the other model that has none such. */
async function unobtrusive(name: string, value: HostTensor, weightOf: WeightOf): Promise<HostTensor> {
  const [, attention, part] = /^(.*\.attention)\.(\w+)\./.exec(name) ?? [];
  switch (part) {
    case 'depthwise':
    case 'mediatorBias':
    case 'queryBias':
    case 'valueResidual':
      return float32(value.shape, new Float32Array(sizeOf(value.shape)));
    case 'queryNorm':
    case 'keyNorm': {
      if (name.endsWith('.bias')) return value;
      const weight = await weightOf(`${attention!}.qkv.weight`);
      const bias = await weightOf(`${attention!}.qkv.bias`);
      const scale = usualSize(weight, bias, part === 'queryNorm' ? 0 : 1);
      return float32(value.shape, new Float32Array(sizeOf(value.shape)).fill(scale));
    }
    default:
      return value;
  }
}

/** Root mean square of a third of what a layer gives for normalised inputs; where there are `heads`, of a head's part. */
function usualSize(weight: HostTensor, bias: HostTensor, third: 0 | 1 | 2, heads = 1, head = 0): number {
  const [inputs, outputs] = weight.shape as [number, number];
  const [w, b] = [floats(weight), floats(bias)];
  const width = outputs / 3 / heads;
  const first = (third * heads + head) * width;
  let squares = 0;
  for (let column = first; column < first + width; column++) {
    squares += b[column]! ** 2;
    for (let row = 0; row < inputs; row++) squares += w[row * outputs + column]! ** 2;
  }
  return Math.sqrt(squares / width);
}

/** The layer of queries, keys and values, whose queries and keys have the sizes that norms gave them. */
async function withoutNorms(
  name: string,
  weightOf: WeightOf,
  { heads, rmsNorm }: SiTConfig,
): Promise<HostTensor> {
  const [, attention, part] = /^(.*\.attention)\.qkv\.(weight|bias)$/.exec(name)!;
  const weight = await weightOf(`${attention!}.qkv.weight`);
  const bias = await weightOf(`${attention!}.qkv.bias`);
  const value = part === 'weight' ? weight : bias;
  const outputs = bias.shape[0]!;
  const size = outputs / 3 / heads;
  const result = Float32Array.from(floats(value));
  for (const third of [0, 1] as const) {
    const norm = `${attention!}.${third === 0 ? 'queryNorm' : 'keyNorm'}`;
    const scale = floats(await weightOf(`${norm}.weight`));
    const shift = rmsNorm === true ? undefined : floats(await weightOf(`${norm}.bias`));
    for (let head = 0; head < heads; head++) {
      const usual = usualSize(weight, bias, third, heads, head);
      for (let i = 0; i < size; i++) {
        const column = (third * heads + head) * size + i;
        for (let at = column; at < result.length; at += outputs) {
          result[at] = (result[at]! * scale[i]!) / usual + (part === 'bias' ? (shift?.[i] ?? 0) : 0);
        }
      }
    }
  }
  return float32(value.shape, result);
}

/** Axis of a layer that runs over the numbers of a patch, and how many there are of each of its pixels. */
function patchAxis(name: string): { readonly axis: number; readonly copies: number } | undefined {
  if (name === 'patchEmbedding.weight') return { axis: 0, copies: 1 };
  // The mean and the variance, of each channel.
  if (name === 'final.projection.weight') return { axis: 1, copies: 2 };
  return name === 'final.projection.bias' ? { axis: 0, copies: 2 } : undefined;
}

/** A layer over patches for patches of another size: filters by the inverse of what resizes a patch, outputs by it. */
function resizePatch(name: string, value: HostTensor, from: SiTConfig, to: SiTConfig): HostTensor {
  const { axis, copies } = patchAxis(name)!;
  const line = (name === 'patchEmbedding.weight' ? resampledFilter : resampling)(
    from.patchSize,
    to.patchSize,
  );
  const numbers = copies * from.channels;
  const around = [value.shape.slice(0, axis), value.shape.slice(axis + 1)] as const;
  const viewed = [...around[0], from.patchSize, from.patchSize, numbers, ...around[1]];
  const rows = resize(float32(viewed, floats(value)), axis, line);
  const shape = [...around[0], to.patchSize ** 2 * numbers, ...around[1]];
  return float32(shape, floats(resize(rows, axis + 1, line)));
}

/** Axes of a table of positions: its mediators, and the rows or columns of the grid where it has them. */
function tableAxes(name: string): { readonly mediators: number; readonly grid?: number } | undefined {
  if (/\.(mediator|query)Bias\.table$/.test(name)) return { mediators: 1 };
  if (/\.mediatorBias\.(row|column)$/.test(name)) return { mediators: 1, grid: 2 };
  if (/\.queryBias\.(row|column)$/.test(name)) return { mediators: 2, grid: 1 };
  return undefined;
}

/**
 * A table of positions for another grid of tokens, linearly along it and with its end points, or of another number of
 * mediators, which are the averages of windows.
 */
export function resizeTable(
  name: string,
  value: HostTensor,
  grid: { readonly from: number; readonly to: number },
  shape: readonly number[],
): HostTensor {
  const axes = tableAxes(name);
  if (axes === undefined) throw new Error(`${name} is no table of positions.`);
  const along =
    axes.grid === undefined || grid.from === grid.to
      ? value
      : resize(value, axes.grid, alignedInterpolation(grid.from, grid.to));
  const [from, to] = [along.shape[axes.mediators]!, shape[axes.mediators]!];
  if (from === to) return along;
  const line = halfPixelInterpolation(Math.sqrt(from), Math.sqrt(to));
  const square = (count: number) => [Math.sqrt(count), Math.sqrt(count)];
  const viewed = along.shape.flatMap((extent, axis) => (axis === axes.mediators ? square(extent) : [extent]));
  const rows = resize(float32(viewed, floats(along)), axes.mediators, line);
  return float32(shape, floats(resize(rows, axes.mediators + 1, line)));
}

function resize(value: HostTensor, axis: number, { rows, columns, data }: Matrix): HostTensor {
  const source = floats(value);
  const outer = sizeOf(value.shape.slice(0, axis));
  const inner = sizeOf(value.shape.slice(axis + 1));
  const result = new Float32Array(outer * rows * inner);
  for (let o = 0; o < outer; o++)
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < inner; i++) {
        let sum = 0;
        for (let column = 0; column < columns; column++)
          sum += data[row * columns + column]! * source[(o * columns + column) * inner + i]!;
        result[(o * rows + row) * inner + i] = sum;
      }
  return float32([...value.shape.slice(0, axis), rows, ...value.shape.slice(axis + 1)], result);
}

/** Names that are listed before the others are only counted. */
const listed = 6;

/** Describes a carry in lines: for `plan`, the log and the report. */
export function carryLines(carry: Carry): string[] {
  const { carried, resized, rescaled, fresh, dropped, otherwise, classes } = carry;
  const part = (what: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${counted(names.length, 'tensor')} ${what}: ${modulesOf(names)}`];
  return [
    `${counted(carried.length, 'tensor')} carried`,
    ...part('resized', resized),
    ...part('rescaled', rescaled),
    ...part('new', fresh),
    ...part('dropped', dropped),
    ...(otherwise.length > 0 ? [`other than there: ${otherwise.join(', ')}`] : []),
    classes === undefined ? 'classes by their names, once they are known' : classesLine(classes),
  ];
}

function classesLine({ rows, fresh, dropped }: CarriedClasses): string {
  const names = (all: readonly string[]) =>
    all.length <= listed
      ? all.join(', ')
      : `${all.slice(0, listed).join(', ')} and ${all.length - listed} more`;
  return [
    `${rows.length - fresh.length} of ${rows.length} classes carried by name`,
    ...(fresh.length > 0 ? [`new: ${names(fresh)}`] : []),
    ...(dropped.length > 0 ? [`dropped: ${names(dropped)}`] : []),
  ].join('; ');
}

/** `attention.depthwise, attention.queryBias of blocks 0–27; final.projection` */
function modulesOf(names: readonly string[]): string {
  const blocksOf = new Map<string, Set<number>>();
  for (const name of names) {
    const [, block, module] = /^(?:blocks\.(\d+)\.)?(.*?)(?:\.\w+)?$/.exec(name)!;
    const blocks = blocksOf.get(module!) ?? new Set();
    if (block !== undefined) blocks.add(Number(block));
    blocksOf.set(module!, blocks);
  }
  const modulesIn = new Map<string, string[]>();
  for (const [module, blocks] of blocksOf) {
    const where = rangesOf([...blocks]);
    modulesIn.set(where, [...(modulesIn.get(where) ?? []), module]);
  }
  return Array.from(modulesIn, ([where, modules]) => modules.join(', ') + where).join('; ');
}

/** ` of blocks 0–3, 7`; nothing for none. */
function rangesOf(blocks: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.[1] === block - 1) last[1] = block;
    else ranges.push([block, block]);
  }
  const text = ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ');
  return text === '' ? '' : ` of block${blocks.length === 1 ? '' : 's'} ${text}`;
}
