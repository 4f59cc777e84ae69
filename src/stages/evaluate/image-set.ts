import { join } from 'node:path';
import { UserError } from '../../base/errors.js';
import { counted } from '../../base/format.js';
import { readInputText } from '../../base/input-file.js';
import { openTogether } from '../../base/resources.js';
import { canonicalName } from '../../data/images/class-names.js';
import type { ImageDataset } from '../../data/images/dataset.js';
import type { LatentDataset } from '../../data/latents/dataset.js';
import { type NpyArray, NpzFile } from '../../formats/npz.js';
import type { StageContext } from '../../runner/stage.js';
import { openImages } from '../images/open.js';
import { openLatents } from '../latents/open.js';

/** Part of a set of images: `[count, height, width, channels]`. */
export interface SetBatch {
  readonly shape: readonly [count: number, height: number, width: number, channels: number];
  /** Pixels from 0 to 255, or the means of latents. */
  readonly data: Uint8Array | Float32Array;
}

/** Images, or latents of images, that are read in portions. Close it after use. */
export interface ImageSet {
  /** Name in messages. */
  readonly name: string;
  readonly holds: 'images' | 'latents';
  readonly count: number;
  /** Class of every image, where that is known. */
  readonly labels?: SetLabels;
  /** Reason why classes that it has are none of its images, as the end of a sentence. */
  readonly labelsFault?: string | undefined;
  /** Height and width of its images. */
  readonly pixels?: readonly [height: number, width: number];
  /** Text on which its content depends: the same text, the same images. */
  readonly identity: string;
  /** Reads batches from the image numbered `first` to the last one. */
  readonly batches: (first: number, size: number) => AsyncIterable<SetBatch>;
  readonly close: () => Promise<void>;
}

/** Classes of images: their numbers, and the classes' names where there are any. */
interface SetLabels {
  readonly numbers: Int32Array;
  readonly names?: readonly string[];
}

/** The images, or latents, that a stage left. */
export async function openStageSet(id: string, context: StageContext): Promise<ImageSet> {
  const { kind, directory, fingerprint } = context.input(id);
  if (kind === 'encode' || kind === 'latents')
    return latentSet(id, await openLatents(id, context), fingerprint);
  if (kind === 'images') return datasetSet(id, await openImages(id, context), fingerprint);
  const path = join(directory, 'samples.npz');
  return openTogether(async (keep) => {
    const set = keep(await npzSet(await NpzFile.open(path), path, fingerprint));
    const index = JSON.parse(await readInputText(join(directory, 'samples.json'))) as {
      readonly classes: readonly string[];
      readonly labels: readonly number[];
    };
    return { ...set, labels: { numbers: Int32Array.from(index.labels), names: index.classes } };
  });
}

/** The images of an `.npz`; nothing where it holds none. */
export async function openFileSet(path: string): Promise<ImageSet | undefined> {
  const npz = await NpzFile.open(path);
  if (npz.names.includes(imagesKey)) return npzSet(npz, path);
  await npz.close();
  return undefined;
}

/**
 * Classes of two sets, such that those of equal texts are the same: by name where both have names, otherwise by number.
 *
 * @throws UserError `labels-missing`
 */
export function comparedLabels(
  rows: Pick<ImageSet, 'name' | 'labels' | 'labelsFault'>,
  set: Pick<ImageSet, 'name' | 'labels' | 'labelsFault'>,
): { readonly rows: readonly string[]; readonly set: readonly string[] } {
  const isNamed = rows.labels?.names !== undefined && set.labels?.names !== undefined;
  const textsOf = ({ name, labels, labelsFault }: typeof rows): readonly string[] => {
    if (labels === undefined)
      throw new UserError({
        code: 'labels-missing',
        message: `${name}: classAgreement needs the class of every image; ${labelsFault ?? 'there are none'}.`,
        remedy:
          'Write them as `arr_1`, integers [count], with numpy.savez(path, images, labels), or leave the figure out.',
      });
    return Array.from(labels.numbers, (label) =>
      isNamed ? canonicalName(labels.names![label] ?? `${label}`) : `${label}`,
    );
  };
  return { rows: textsOf(rows), set: textsOf(set) };
}

/** Name of the images in an `.npz`, as `numpy.savez` gives it to a lone array. */
const imagesKey = 'arr_0';
/** Name of the images' classes, as ADM's sampling script saves them beside the images. */
const labelsKey = 'arr_1';

async function npzSet(npz: NpzFile, path: string, fingerprint?: string): Promise<ImageSet> {
  try {
    const identity = fingerprint ?? (await npz.sha256());
    const { shape, dtype } = await npz.header(imagesKey);
    const [count, height, width, channels] = shape;
    if (dtype !== 'u1' || shape.length !== 4 || channels !== 3 || !count || !height || !width)
      throw new UserError({
        code: 'images-invalid',
        message: `${path}: \`${imagesKey}\` must hold images, uint8 [count, height, width, 3]; it is ${dtype} [${shape.join(', ')}].`,
        remedy: 'Write it with numpy.savez(path, images), as the ADM evaluator reads it.',
      });
    const labels = npz.names.includes(labelsKey) ? await npz.read(labelsKey) : undefined;
    const labelsFault = labels && faultOfLabels(labels, count);
    return {
      name: path,
      holds: 'images',
      count,
      ...(labels && !labelsFault && { labels: { numbers: Int32Array.from(labels.data, Number) } }),
      ...{ labelsFault, pixels: [height, width] as const },
      identity,
      batches: async function* (first, size) {
        for await (const rows of npz.rows(imagesKey, size, first))
          yield { shape: [rows.shape[0]!, height, width, 3], data: rows.data as Uint8Array };
      },
      close: () => npz.close(),
    };
  } catch (error) {
    await npz.close();
    throw error;
  }
}

/** Reason why an array holds no class for each of so many images. */
function faultOfLabels({ shape, data }: NpyArray, count: number): string | undefined {
  if (data.length !== count)
    return `\`${labelsKey}\` holds [${shape.join(', ')}] numbers for ${counted(count, 'image')}`;
  const other = Array.from(data, Number).find((label) => !Number.isInteger(label) || label < 0);
  return other === undefined ? undefined : `\`${labelsKey}\` holds ${other}, which is no number of a class`;
}

function datasetSet(name: string, images: ImageDataset, identity: string): ImageSet {
  const { count, size: side } = images;
  return {
    name,
    holds: 'images',
    count,
    labels: { numbers: images.labels, names: images.classes },
    pixels: [side, side],
    identity,
    batches: (first, size) =>
      portions(first, count, size, async (start, rows) => {
        const data = new Uint8Array(rows * side * side * 3);
        await images.readBatch(
          Array.from({ length: rows }, (_, i) => start + i),
          data,
        );
        return { shape: [rows, side, side, 3], data };
      }),
    close: () => Promise.resolve(),
  };
}

function latentSet(name: string, latents: LatentDataset, identity: string): ImageSet {
  const [height, width, channels] = latents.shape;
  return {
    name,
    holds: 'latents',
    count: latents.count,
    identity,
    batches: (first, size) =>
      portions(first, latents.count, size, async (start, rows) => {
        const mean = new Float32Array(rows * height * width * channels);
        const indices = Array.from({ length: rows }, (_, i) => start + i);
        await latents.readBatch(indices, { mean, std: new Float32Array(mean.length) });
        return { shape: [rows, height, width, channels], data: mean };
      }),
    close: () => latents.close(),
  };
}

async function* portions(
  first: number,
  count: number,
  size: number,
  read: (start: number, rows: number) => Promise<SetBatch>,
): AsyncGenerator<SetBatch, void> {
  for (let start = first; start < count; start += size) yield read(start, Math.min(size, count - start));
}
