import { basename, join, posix } from 'node:path';
import { UserError } from '../../base/errors.js';
import { InputFile, readInput } from '../../base/input-file.js';
import type { Places } from '../../base/patterns.js';
import { decodeNpy, type NpyArray, NpzFile } from '../../formats/npz.js';
import { openTorchCheckpoint } from '../../formats/pytorch/read.js';
import { TorchTensor } from '../../formats/pytorch/tensor.js';
import { openSafetensors, type SafetensorsFile, toFloat32 } from '../../formats/safetensors/reader.js';
import { decodeFloat16 } from '../../formats/typed-arrays.js';
import { labelsFrom, labelsIn, listEntries, readEntry, type NamedLabels } from '../images/containers/zip.js';
import { onlyClass, walkFiles } from '../images/walk.js';
import { foreignStatisticsName, type LatentStatistics } from './format.js';

/** A latent as another program stored it: channels first, `[channels, height, width]` each. */
export interface StoredLatent {
  readonly mean: Float32Array;
  /** Absent where a draw was stored in place of the posterior. */
  readonly std?: Float32Array;
}

/** Latents that another program stored, read where they are. Close them after use. */
export interface ForeignLatents {
  readonly form: string;
  /** Below the folder of all of them, with `/`: those that are read again and again. */
  readonly files: readonly string[];
  readonly count: number;
  /** Channels, height and width. */
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly isFlippable: boolean;
  /** Mean and deviation by which their program normalises them, where a file beside them tells. */
  readonly normalization?: LatentStatistics;
  /** Class of each. */
  classNames(): Promise<readonly string[]>;
  read(index: number, flipped: boolean): Promise<StoredLatent>;
  close(): Promise<void>;
}

/**
 * Opens latents of LightningDiT (safetensors), fast-DiT (folders of `.npy`), MAR (class folders of `.npz`) or EDM2 (a zip
 * of `.npy`).
 *
 * @throws UserError `latents-form-unknown`, and for what is wrong in the files
 */
export async function openForeignLatents({ base, paths }: Places): Promise<ForeignLatents> {
  const [path] = paths as readonly [string, ...string[]];
  if (/\.zip$/i.test(path)) return openZip(base, path);
  const names: string[] = [];
  if (/\.safetensors$/i.test(path)) names.push(...paths.map((each) => posix.relative(base, each)));
  else for await (const name of walkFiles(path, '.', new Set())) names.push(posix.join('.', name));
  const ending = (end: string): string[] => names.filter((name) => name.endsWith(end));
  if (ending('.safetensors').length > 0) return openShards(base, ending('.safetensors'));
  if (ending('.npz').length > 0) return openMoments(base, ending('.npz'));
  if (names.includes('dataset.json')) return openPairs(base, ending('.npy'));
  if (ending('.npy').length > 0) return openFeatures(base, ending('.npy'));
  throw new UserError({
    code: 'latents-form-unknown',
    message: `${path}: expected latents as .safetensors shards, .npz or .npy files, or a .zip of .npy files; found ${names.length} others.`,
    remedy: 'Correct `path`.',
  });
}

export function badLatents(path: string, problem: string): UserError {
  return new UserError({
    code: 'foreign-latents-invalid',
    message: `${path}: ${problem}.`,
    remedy: 'Make or copy the latents again, or correct `path`.',
  });
}

type Shape3 = readonly [channels: number, height: number, width: number];

function shapeOf(path: string, shape: readonly number[]): Shape3 {
  const [channels, height, width, ...more] = shape[0] === 1 && shape.length === 4 ? shape.slice(1) : shape;
  if (
    channels === undefined ||
    height === undefined ||
    width === undefined ||
    more.length > 0 ||
    height !== width
  )
    throw badLatents(path, `expected a latent [channels, size, size], found the shape [${shape.join(', ')}]`);
  return [channels, height, width];
}

function floatsOf(path: string, { dtype, data }: NpyArray): Float32Array {
  if (dtype === 'f4') return data as Float32Array;
  if (dtype === 'f2') return decodeFloat16(data as Uint16Array);
  if (dtype === 'f8') return Float32Array.from(data as Float64Array);
  throw badLatents(path, `expected floating-point numbers, found ${dtype}`);
}

/** A label as the name of its class. Halves are held as their bits, and say no class. */
function labelOf(path: string, dtype: string, label: number | bigint): string {
  const isHalf = ['f2', 'F16', 'BF16'].includes(dtype);
  if (!isHalf && (typeof label === 'bigint' || Number.isInteger(label))) return String(label);
  throw badLatents(
    path,
    `expected labels as integers, found ${isHalf ? 'numbers of half precision' : String(label)}`,
  );
}

/** An array of the shape that all have. */
function checked(path: string, array: NpyArray, [channels, height, width]: Shape3): Float32Array {
  const found = shapeOf(path, array.shape);
  if (found.join() !== [channels, height, width].join())
    throw badLatents(
      path,
      `its shape is [${array.shape.join(', ')}], where others have [${[channels, height, width].join(', ')}]`,
    );
  return floatsOf(path, array);
}

/** The posterior whose mean lies before its deviation, or before the logarithm of its variance. */
function posteriorIn(both: Float32Array, deviation: (value: number) => number): StoredLatent {
  const half = both.length / 2;
  return { mean: both.slice(0, half), std: both.subarray(half).map(deviation) };
}

function halved(path: string, [channels, height, width]: Shape3): Shape3 {
  if (channels % 2 === 0) return [channels / 2, height, width];
  throw badLatents(path, `expected a mean and a deviation of each channel, found ${channels} channels`);
}

const byNumber = (a: string, b: string): number =>
  Number(/(\d+)\.npy$/.exec(a)?.[1] ?? -1) - Number(/(\d+)\.npy$/.exec(b)?.[1] ?? -1) || (a < b ? -1 : 1);

/** LightningDiT: `latents`, `latents_flip` and `labels` in shards, and `latents_stats.pt`. */
async function openShards(base: string, files: readonly string[]): Promise<ForeignLatents> {
  const shards: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(shards.map((shard) => shard.close()));
  };
  try {
    for (const file of files) shards.push(await openSafetensors(join(base, file)));
    const infoOf = (shard: SafetensorsFile, name: string) => {
      const info = shard.tensors.get(name);
      if (info === undefined) throw badLatents(shard.path, `it has no tensor "${name}"`);
      return info;
    };
    const filled = shards.find((shard) => infoOf(shard, 'latents').shape[0] !== 0);
    if (filled === undefined) throw badLatents(base, 'its files hold no latents');
    const first = infoOf(filled, 'latents');
    if (!['F32', 'F16', 'BF16'].includes(first.dtype))
      throw badLatents(filled.path, `expected latents as F32, F16 or BF16, found ${first.dtype}`);
    const shape = shapeOf(filled.path, first.shape.slice(1));
    const isFlippable = filled.tensors.has('latents_flip');
    const starts: number[] = [];
    let count = 0;
    for (const shard of shards)
      for (const name of isFlippable ? ['latents', 'latents_flip'] : ['latents']) {
        const info = infoOf(shard, name);
        if (info.shape.slice(1).join() !== first.shape.slice(1).join() || info.dtype !== first.dtype)
          throw badLatents(
            shard.path,
            `"${name}" has the shape [${info.shape.join(', ')}] and the type ${info.dtype}, others ${first.dtype} [${first.shape.join(', ')}]`,
          );
        if (name !== 'latents') {
          const { shape: straight } = infoOf(shard, 'latents');
          if (info.shape[0] === straight[0]) continue;
          throw badLatents(shard.path, `it has ${info.shape[0]} mirrored latents of ${straight[0]}`);
        }
        starts.push(count);
        count += info.shape[0]!;
      }
    const size = shape[0] * shape[1] * shape[2];
    const normalization = await statisticsBeside(base, files[0]!);
    return {
      ...{ form: 'LightningDiT', files, count, shape, isFlippable, close },
      ...(normalization && { normalization }),
      classNames: async () => {
        const names: string[] = [];
        for (const shard of shards) {
          const { dtype } = infoOf(shard, 'labels');
          const { data } = await shard.read('labels');
          if (data.length !== infoOf(shard, 'latents').shape[0])
            throw badLatents(
              shard.path,
              `it has ${data.length} labels for ${infoOf(shard, 'latents').shape[0]} latents`,
            );
          for (const label of data) names.push(labelOf(shard.path, dtype, label));
        }
        return names;
      },
      read: async (index, flipped) => {
        const at = starts.findLastIndex((start) => start <= index);
        const bytes = new Uint8Array(first.bytes / first.shape[0]!);
        await shards[at]!.readRows(flipped ? 'latents_flip' : 'latents', index - starts[at]!, bytes);
        const data = first.dtype === 'F32' ? new Float32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
        const mean = toFloat32({ dtype: first.dtype, shape: [...shape], data }, 'latents', shards[at]!.path);
        if (mean.length !== size)
          throw badLatents(shards[at]!.path, `its latents have ${mean.length} numbers`);
        return { mean };
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function statisticsBeside(base: string, file: string): Promise<LatentStatistics | undefined> {
  const path = join(base, posix.dirname(file), foreignStatisticsName);
  const checkpoint = await openTorchCheckpoint(path).catch((error: unknown) => {
    if (error instanceof UserError && error.code === 'file-missing') return undefined;
    throw error;
  });
  if (checkpoint === undefined) return undefined;
  try {
    const { mean, std } = (checkpoint.value ?? {}) as Record<string, unknown>;
    if (!(mean instanceof TorchTensor) || !(std instanceof TorchTensor))
      throw badLatents(path, 'expected tensors "mean" and "std"');
    const numbers = async (tensor: TorchTensor, name: string) =>
      Array.from(toFloat32(await tensor.read(), name, path));
    return { mean: await numbers(mean, 'mean'), std: await numbers(std, 'std') };
  } finally {
    await checkpoint.close();
  }
}

/** fast-DiT: folders `…_features` and `…_labels`, with a `.npy` for each image. */
async function openFeatures(base: string, names: readonly string[]): Promise<ForeignLatents> {
  const of = (folder: string) => names.filter((name) => posix.dirname(name).endsWith(folder)).sort(byNumber);
  const [files, labels] = [of('features'), of('labels')];
  const lone = files.find((file, i) => basename(file) !== basename(labels[i] ?? ''));
  if (files.length === 0 || files.length !== labels.length || lone !== undefined)
    throw badLatents(
      base,
      `expected as many .npy files in a folder "…_features" as in "…_labels", found ${files.length} and ${labels.length}${lone ? `; ${lone} has no label` : ''}`,
    );
  const arrayAt = async (name: string): Promise<NpyArray> =>
    decodeNpy(await readInput(join(base, name)), join(base, name));
  const shape = shapeOf(join(base, files[0]!), (await arrayAt(files[0]!)).shape);
  return {
    ...{ form: 'fast-DiT', files, count: files.length, shape, isFlippable: false },
    classNames: async () => {
      const classNames: string[] = [];
      for (const name of labels) {
        const { dtype, data } = await arrayAt(name);
        if (data.length !== 1) throw badLatents(join(base, name), `expected one label, found ${data.length}`);
        classNames.push(labelOf(join(base, name), dtype, data[0]!));
      }
      return classNames;
    },
    read: async (index) => ({
      mean: checked(join(base, files[index]!), await arrayAt(files[index]!), shape),
    }),
    close: () => Promise.resolve(),
  };
}

/** MAR: an `.npz` for each image in folders of classes, with `moments` and `moments_flip`: mean and log of the variance. */
async function openMoments(base: string, names: readonly string[]): Promise<ForeignLatents> {
  const files = names.filter((name) => name.includes('/'));
  if (files.length === 0) throw badLatents(base, 'expected one folder a class with .npz files, found none');
  const read = async <T>(name: string, use: (npz: NpzFile) => Promise<T>): Promise<T> => {
    const npz = await NpzFile.open(join(base, name));
    try {
      return await use(npz);
    } finally {
      await npz.close();
    }
  };
  const [both, isFlippable] = await read(
    files[0]!,
    async (npz) =>
      [
        shapeOf(join(base, files[0]!), (await npz.header('moments')).shape),
        npz.names.includes('moments_flip'),
      ] as const,
  );
  return {
    ...{ form: 'MAR', files, count: files.length, shape: halved(join(base, files[0]!), both), isFlippable },
    classNames: () => {
      const classNames = files.map((name) => name.split('/')[0]!);
      const folders = new Set(files.map((name) => posix.dirname(name)));
      if (new Set(classNames).size > 1 || folders.size === 1) return Promise.resolve(classNames);
      return Promise.reject(
        badLatents(
          base,
          `expected one folder a class, found only "${classNames[0]!}" with ${folders.size} folders of latents in it; \`path\` is that folder, if these are the classes`,
        ),
      );
    },
    read: (index, flipped) =>
      read(files[index]!, async (npz) => {
        const moments = await npz.read(flipped ? 'moments_flip' : 'moments');
        return posteriorIn(checked(join(base, files[index]!), moments, both), (logVariance) =>
          Math.exp(Math.max(-30, Math.min(20, logVariance)) / 2),
        );
      }),
    close: () => Promise.resolve(),
  };
}

/** EDM2's zip unpacked, as REPA reads it. */
async function openPairs(base: string, files: readonly string[]): Promise<ForeignLatents> {
  if (files.length === 0) throw badLatents(base, 'it has a dataset.json and no .npy files');
  const arrayAt = async (index: number): Promise<NpyArray> =>
    decodeNpy(await readInput(join(base, files[index]!)), join(base, files[index]!));
  const both = shapeOf(join(base, files[0]!), (await arrayAt(0)).shape);
  return {
    ...{ form: 'EDM2', files, count: files.length, isFlippable: false },
    shape: halved(join(base, files[0]!), both),
    classNames: async () => {
      const path = join(base, 'dataset.json');
      return classesOf(path, files, labelsFrom(path, await readInput(path)));
    },
    read: async (index) =>
      posteriorIn(checked(join(base, files[index]!), await arrayAt(index), both), (std) => std),
    close: () => Promise.resolve(),
  };
}

function classesOf(path: string, names: readonly string[], labels: NamedLabels): readonly string[] {
  return names.map((name) => {
    const label = typeof labels === 'object' ? labels.get(name) : onlyClass;
    if (label === undefined) throw badLatents(path, `its dataset.json has no label of ${name}`);
    return String(label);
  });
}

/** EDM2: a zip of `.npy` files with mean and deviation, and the labels in `dataset.json`. */
async function openZip(base: string, path: string): Promise<ForeignLatents> {
  const file = await InputFile.open(path);
  try {
    const { images, labels } = await listEntries(file, (name) => name.endsWith('.npy'));
    const entries = [...images].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (entries.length === 0) throw badLatents(path, 'it has no .npy files');
    const arrayAt = async (index: number): Promise<NpyArray> =>
      decodeNpy(await readEntry(file, entries[index]!.at), `${path}/${entries[index]!.name}`);
    const both = shapeOf(path, (await arrayAt(0)).shape);
    return {
      ...{ form: 'EDM2', files: [posix.relative(base, path)], count: entries.length, isFlippable: false },
      shape: halved(path, both),
      classNames: async () => {
        if (labels === undefined)
          throw badLatents(path, 'it has no dataset.json with labels; `labels: none` trains without classes');
        const named = await labelsIn(file, labels);
        return classesOf(
          path,
          entries.map(({ name }) => name),
          named,
        );
      },
      read: async (index) =>
        posteriorIn(checked(`${path}/${entries[index]!.name}`, await arrayAt(index), both), (std) => std),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
