import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readInputText } from '../../base/input-file.js';
import { type FileSeal, writeFileWhole } from '../../base/output-file.js';
import { DamagedRecord, sealJson, unsealJson } from '../../base/sealed.js';

/** Properties that all samples of a set of latents share, and their spread over files. */
export interface LatentFormat {
  /** Height, width and channels of one sample. */
  readonly shape: readonly [height: number, width: number, channels: number];
  readonly dtype: 'float16' | 'float32';
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  /** Samples a shard; the last shard may hold fewer. */
  readonly shardSize: number;
}

/** Sums over a shard's straight samples, one a channel: of the means, and of mean² + standard deviation². */
export interface ChannelSums {
  readonly first: readonly number[];
  readonly second: readonly number[];
}

/** A finished shard as the index has it. */
export interface ShardEntry extends FileSeal {
  readonly file: string;
  readonly count: number;
  /** Number of its samples that also have a mirrored variant. */
  readonly flipped: number;
  readonly sums: ChannelSums;
}

/** A mean and a standard deviation for each channel. */
export interface LatentStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The index of a complete set: `index.json`. */
export interface LatentIndex extends LatentFormat {
  readonly count: number;
  /** Statistics of a latent drawn from the posteriors. */
  readonly statistics: LatentStatistics;
  /** Mean and deviation that training normalises latents by: those of their autoencoder, or else the statistics. */
  readonly normalization: LatentStatistics;
  readonly shards: readonly ShardEntry[];
  /** Present where another program's files hold the latents, in place of shards. */
  readonly foreign?: ForeignIndex;
}

/** Facts that reading the latents of another program takes. */
export interface ForeignIndex {
  /** Factor that they were multiplied by. */
  readonly scale: number;
  readonly isFlippable: boolean;
}

/** Index of one file of a set that is not complete, beside it. */
export type PartialIndex = Pick<LatentIndex, keyof LatentFormat | 'shards'>;

/** File beside the latents of LightningDiT that holds what they are normalised by. */
export const foreignStatisticsName = 'latents_stats.pt';

export const indexName = 'index.json';

export function shardName(number: number): string {
  return `latents-${String(number).padStart(5, '0')}.safetensors`;
}

/** Name of a piece of a shard, float32 as it was encoded, by the shard's number and that of the piece's first sample. */
export function pieceName(shard: number, first: number): string {
  return shardName(shard).replace('.', `.piece-${first}.`);
}

/** Numbers in a file's name: of a shard, or of a piece of one and its first sample. Undefined for other names. */
export function placeOf(name: string): { readonly shard: number; readonly first?: number } | undefined {
  const match = /^latents-(\d+)(?:\.piece-(\d+))?\.safetensors$/.exec(name);
  if (match === null) return undefined;
  return { shard: Number(match[1]), ...(match[2] !== undefined && { first: Number(match[2]) }) };
}

/** Name of the index that says of a file that it was written whole. */
export function partialIndexOf(file: string): string {
  return file.replace(/safetensors$/, 'partial.json');
}

/** Statistics over every shard; the same however the work was interrupted. */
export function latentStatistics(
  shards: readonly Pick<ShardEntry, 'count' | 'sums'>[],
  format: Pick<LatentFormat, 'shape'>,
): LatentStatistics {
  const [height, width, channels] = format.shape;
  const values = shards.reduce((total, { count }) => total + count, 0) * height * width;
  const average = (of: keyof ChannelSums, channel: number) =>
    shards.reduce((total, { sums }) => total + sums[of][channel]!, 0) / values;
  const mean = Array.from({ length: channels }, (_, channel) => average('first', channel));
  const std = mean.map((value, channel) =>
    Math.sqrt(Math.max(0, average('second', channel) - value * value)),
  );
  return { mean, std };
}

export async function writeIndex(directory: string, name: string, index: PartialIndex): Promise<void> {
  const content = { format: formatTag, ...index };
  // That of a complete set is sealed by the manifest of its output.
  const isSealed = name !== indexName;
  const text = isSealed ? sealJson(content) : `${JSON.stringify(content, undefined, 1)}\n`;
  await writeFileWhole(join(directory, name), text);
}

/**
 * Reads `index.json` or, of a set that is not complete, the index of one file.
 *
 * @throws UserError `file-missing`, or `latents-invalid` when it is not such an index.
 */
export async function readIndex<Index extends PartialIndex>(directory: string, name: string): Promise<Index> {
  const path = join(directory, name);
  let index: { readonly format?: unknown } = {};
  let found: unknown;
  try {
    index = unsealJson(await readInputText(path));
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw asUserError(error, path);
    found = error;
  }
  if (index.format === formatTag) return index as Index;
  throw new UserError({
    cause: found,
    code: 'latents-invalid',
    message: `${path}: expected the index of a set of latents of this version.`,
    remedy: 'Encode the images again.',
  });
}

const formatTag = 'latents-2';
