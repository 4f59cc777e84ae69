import { UserError } from '../../base/errors.js';
import type { InterpolantName, Prediction } from '../../transport/index.js';
import { ours } from '../../transport/reference-names.js';
import { positionEmbedding, rotaryAngles } from '../../nn/positions.js';
import { gridOf, rotaryPlaces, type SiTConfig, sitParameters } from './config.js';
import { referencePlace } from './reference-names.js';

/** Shapes of a state dict's tensors by the reference's names. */
export type StateShapes = ReadonlyMap<string, readonly number[]>;

/** The reference keeps the position embedding among its tensors; ours is computed. */
export const positionName = 'pos_embed';

/** Tables of rotary positions, which LightningDiT keeps among its tensors; ours are computed. */
export const rotaryNames = { cos: 'feat_rope.freqs_cos', sin: 'feat_rope.freqs_sin' } as const;

/** Every tensor of the reference's state dict for a model, which `load_state_dict(strict=True)` asks for. */
export function referenceShapes(config: SiTConfig): Map<string, readonly number[]> {
  const places = sitParameters(config).map((parameter) => referencePlace(parameter, config));
  return new Map([
    [positionName, [1, gridOf(config) ** 2, config.hiddenSize]],
    ...places.map(({ name, shape }) => [name, shape] as const),
    ...computedNames(config)
      .slice(1)
      .map((name) => [name, [gridOf(config) ** 2, config.hiddenSize / config.heads]] as const),
  ]);
}

/** Tensors of the reference's state dict that follow from the model's sizes: embedded positions, then rotary ones. */
export function computedNames({ rope }: Pick<SiTConfig, 'rope'>): string[] {
  return [positionName, ...(rope === undefined ? [] : Object.values(rotaryNames))];
}

/** Values of one of `computedNames`, in the reference's layout. */
export function computedTensor(name: string, config: SiTConfig): Float32Array {
  if (name === positionName) return positionEmbedding(config.hiddenSize, gridOf(config));
  const value = name === rotaryNames.cos ? Math.cos : Math.sin;
  const places = rotaryPlaces(config)!;
  const lines = places.map((place) => rotaryAngles(place, config.hiddenSize / config.heads));
  const values = lines.flatMap((row) => lines.flatMap((column) => [...row, ...column].map(value)));
  return Float32Array.from(values);
}

/**
 * Tokens along a side over which rotary positions spread, as their tables tell by the slowest angle of the second row of
 * tokens: a whole number.
 */
export function rotarySpread(
  tables: { readonly cos: Float32Array; readonly sin: Float32Array },
  config: SiTConfig,
): number {
  const [grid, width] = [gridOf(config), config.hiddenSize / config.heads];
  if (grid === 1) return grid;
  const slowest = rotaryAngles(1, width).length - 1;
  const at = grid * width + slowest;
  const angle = Math.atan2(tables.sin[at]!, tables.cos[at]!);
  return Math.round((angle / rotaryAngles(1, width)[slowest]!) * grid);
}

/** Facts that the shapes of a file's tensors do not tell. */
interface InferenceHints {
  /** Attention heads of a model of this width and depth: needed where no block has mediators, whose tables tell them. */
  readonly headsOf?: (model: Pick<SiTConfig, 'hiddenSize' | 'depth'>) => number | undefined;
  /** Classes without the null class, where known: whether there is a null class follows. */
  readonly classes?: number | undefined;
  /** Probability to record. Zero: there is no null class. */
  readonly labelDropout?: number | undefined;
  /** Used where no tensor tells it. */
  readonly latentSize?: number | undefined;
}

const usualLabelDropout = 0.1;

/**
 * The model that a state dict of the reference belongs to, worked out from the shapes of its tensors.
 *
 * @param path named in errors
 * @throws UserError `checkpoint-mismatch` where tensors that tell a size are missing; `heads-unknown`
 */
export function inferConfig(shapes: StateShapes, path: string, hints: InferenceHints = {}): SiTConfig {
  const problems: string[] = [];
  const shapeOf = (name: string, rank: number): readonly number[] => {
    const shape = shapes.get(name);
    if (shape?.length !== rank)
      problems.push(
        shape === undefined ? `${name} is missing` : `${name} has the shape [${shape.join(', ')}]`,
      );
    return shape ?? [];
  };
  const [hiddenSize = 0, channels = 0, patchSize = 0] = shapeOf('x_embedder.proj.weight', 4);
  const [rows = 0] = shapeOf('y_embedder.embedding_table.weight', 2);
  // A table of rows of a block with mediators tells the grid too: [1, heads, mediators, grid, 1].
  const table = [...shapes].find(([name]) => name.endsWith('.attn.ah_bias'))?.[1];
  const told = table?.[3] ?? (hints.latentSize === undefined ? undefined : hints.latentSize / patchSize);
  const isThere = shapes.has(positionName) || told === undefined;
  const [, tokens = 0] = isThere ? shapeOf(positionName, 3) : [1, told ** 2];
  const grid = Math.sqrt(tokens);
  if (!Number.isInteger(grid))
    problems.push(`${positionName} has ${tokens} tokens, which are no square grid`);
  if (problems.length > 0) throw mismatch(path, problems);
  const blocks = new Set([...shapes.keys()].flatMap((name) => /^blocks\.(\d+)\./.exec(name)?.[1] ?? []));
  const depth = blocks.size;
  const beyond = [...blocks].find((block) => !(Number(block) < depth));
  if (beyond !== undefined)
    throw mismatch(path, [`it has a block ${beyond}, and only ${depth} in all: they are counted from 0`]);
  const tables = Array.from({ length: depth }, (_, block) => shapes.get(`blocks.${block}.attn.an_bias`));
  const queryNorm = shapes.get('blocks.0.attn.q_norm.weight');
  const rotary = shapes.get(rotaryNames.cos);
  const ofHead = queryNorm?.[0] ?? rotary?.[1];
  const heads =
    tables.find((table) => table !== undefined)?.[0] ??
    (ofHead && hiddenSize / ofHead) ??
    hints.headsOf?.({ hiddenSize, depth });
  if (heads === undefined)
    throw new UserError({
      code: 'heads-unknown',
      message: `${path}: no tensor tells the number of attention heads, as no block has mediators.`,
      remedy: 'Name the heads: 6 for SiT-S, 12 for SiT-B, 16 for SiT-L and SiT-XL.',
    });
  const labelDropout = hints.labelDropout ?? (hints.classes === rows ? 0 : usualLabelDropout);
  return {
    latentSize: grid * patchSize,
    channels,
    patchSize,
    hiddenSize,
    depth,
    heads,
    classes: rows - (labelDropout > 0 ? 1 : 0),
    mediators: tables.map((table) => table?.[1] ?? 0),
    labelDropout,
    ...(queryNorm !== undefined && { qkNorm: true }),
    ...(shapes.has('blocks.0.norm1.weight') && { rmsNorm: true }),
    ...(shapes.has('blocks.0.mlp.w12.weight') && { swiGlu: true }),
    ...(rotary !== undefined && { rope: grid }),
    ...(shapes.has('blocks.1.attn.v1_lambda') && { valueResidual: true }),
  };
}

/** @throws UserError `checkpoint-mismatch` naming every missing, unexpected and wrongly shaped tensor at once. */
export function checkState(found: StateShapes, expected: StateShapes, path: string): void {
  const problems = stateProblems(found, expected);
  if (problems.length > 0) throw mismatch(path, problems);
}

/** Lists what is missing, unexpected or of another shape among `found`. */
export function stateProblems(found: StateShapes, expected: StateShapes): string[] {
  const text = (shape: readonly number[]) => `[${shape.join(', ')}]`;
  const wrong = [...expected].flatMap(([name, shape]) => {
    const given = found.get(name);
    if (given === undefined) return [`${name} is missing`];
    return given.join() === shape.join()
      ? []
      : [`${name} has the shape ${text(given)}, ${text(shape)} is expected`];
  });
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));
  return [...wrong, ...unexpected.map((name) => `${name} is not expected`)];
}

/** Problems that are listed; of another model there are as many as it has tensors. */
const listedProblems = 100;

/** The error of weights that are not those of a model. */
export function mismatch(path: string, problems: readonly string[]): UserError {
  const more = problems.length - listedProblems;
  const told = more > 0 ? [...problems.slice(0, listedProblems), `and ${more} more`] : problems;
  return new UserError({
    code: 'checkpoint-mismatch',
    message: `${path}: not the weights of this model:\n${told.map((problem) => `  ${problem}`).join('\n')}`,
    remedy: 'Use a checkpoint of the same model, or describe the model that the checkpoint is of.',
  });
}

/**
 * Order in which PyTorch meets parameters: those of a module itself, then of the modules in it, in the order of its
 * constructor.
 */
const modules = ['pos_embed', 'x_embedder.', 't_embedder.', 'y_embedder.', 'blocks.', 'final_layer.'];
const inBlock = [
  ...['norm1.', 'norm2.'],
  ...['an', 'na', 'ah', 'aw', 'ha', 'wa'].map((bias) => `attn.${bias}_bias`),
  'attn.v1_lambda',
  ...['attn.qkv.', 'attn.q_norm.', 'attn.k_norm.', 'attn.proj.', 'attn.dwc.'],
  ...['mlp.fc1.', 'mlp.fc2.', 'mlp.w12.', 'mlp.w3.', 'adaLN_modulation.'],
];
const inFinal = ['norm_final.', 'linear.', 'adaLN_modulation.'];
const leaves = ['weight', 'bias'];

/** Names of the reference's parameters in the order of `model.parameters()`, by whose numbers optimizers keep state. */
export function referenceOrder(config: SiTConfig): string[] {
  // Rotary tables are buffers.
  const names = [...referenceShapes(config).keys()].filter((name) => !name.startsWith('feat_rope.'));
  const ranked = names.map((name) => ({ name, rank: rankOf(name) }));
  ranked.sort((a, b) => a.rank.reduce((order, value, i) => order || value - b.rank[i]!, 0));
  return ranked.map(({ name }) => name);
}

/** Numbers to compare from the first: module, number in it (block or layer), part, weight before bias. */
function rankOf(name: string): readonly number[] {
  const index = (list: readonly string[], text: string) => list.findIndex((start) => text.startsWith(start));
  const module = index(modules, name);
  const [, number = '0', rest = ''] = /^\w+\.(?:mlp\.)?(\d+)?\.?(.*)$/.exec(name) ?? [];
  const part = modules[module] === 'blocks.' ? index(inBlock, rest) : index(inFinal, rest);
  return [module, Number(number), part, leaves.findIndex((leaf) => name.endsWith(leaf))];
}

/** Rows of the last layer that are the sample's own, in the reference's order; the others predict a variance. */
export function sampleRows({ patchSize, channels }: Pick<SiTConfig, 'patchSize' | 'channels'>): number[] {
  return Array.from(
    { length: patchSize ** 2 * channels },
    (_, i) => Math.floor(i / channels) * 2 * channels + (i % channels),
  );
}

/** Tensors of the last layer, which is half as wide in a model that predicts no variance. */
export const lastLayer = ['final_layer.linear.weight', 'final_layer.linear.bias'] as const;

/** Facts about a model in the reference's training options; each only where they have it. */
interface ReferenceArgs {
  /** Name of the model, such as `SiT-XL/2`. */
  readonly model?: string;
  /** Size of an image; a latent is an eighth of it. */
  readonly imageSize?: number;
  readonly classes?: number;
  readonly mediators?: number;
  readonly interpolant?: InterpolantName;
  readonly prediction?: Prediction;
  /** True where they are REPA's, whose time runs from data to noise. */
  readonly isReversed?: boolean;
}

/** Paths by REPA's names. */
const repaPaths: Readonly<Record<string, InterpolantName | undefined>> = { linear: 'linear', cosine: 'gvp' };

/** Image pixels along a side of one latent pixel, in the reference. */
export const referenceDownsample = 8;

/** Reads the options that the reference's scripts save with a checkpoint. What is of another type is passed over. */
export function readReferenceArgs(args: Readonly<Record<string, unknown>>): ReferenceArgs {
  const number = (key: string) => (typeof args[key] === 'number' ? args[key] : undefined);
  const text = (key: string) => (typeof args[key] === 'string' ? args[key] : undefined);
  const found = {
    model: text('model'),
    imageSize: number('image_size') ?? number('resolution'),
    classes: number('num_classes'),
    mediators: number('mediator_num'),
    interpolant: ours('interpolant', text('path_type')) ?? repaPaths[text('path_type') ?? ''],
    prediction: text('prediction') === 'v' ? 'velocity' : ours('prediction', text('prediction')),
    isReversed: typeof args.enc_type === 'string' || undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/** Lists where the options contradict the shapes of the tensors that they were saved with. */
export function argsContradictions(args: ReferenceArgs, config: SiTConfig): string[] {
  const { imageSize, classes, mediators } = args;
  const told: readonly (readonly [key: string, said: number | undefined, found: readonly number[]])[] = [
    ['image_size', imageSize, [config.latentSize * referenceDownsample]],
    ['num_classes', classes, [config.classes]],
    ['mediator_num', mediators, [...new Set(config.mediators)]],
  ];
  return told
    .filter(([, said, found]) => said !== undefined && !found.includes(said))
    .map(([key, said, found]) => `its options say ${key} ${said!}, its tensors ${found.join(' and ')}`);
}
