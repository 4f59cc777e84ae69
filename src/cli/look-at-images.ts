import { UserError } from '../base/errors.js';
import { decodeBytes } from '../data/images/decode.js';
import { formatOf, isImageName } from '../data/images/formats.js';
import { scanImages } from '../data/images/scan.js';
import { openSource } from '../data/images/source.js';
import type { LabelledImages } from '../data/images/walk.js';
import { asUsage } from './errors.js';

/** Images in class folders, or, where there are no such folders, images without classes. */
export async function lookAt(
  location: string,
  runsRoot: string,
): Promise<{ readonly found: LabelledImages; readonly hasClasses: boolean }> {
  const scan = async (labels: 'folders' | 'none') => ({
    found: await scanImages({ location, labels, runsRoot }),
    hasClasses: labels === 'folders',
  });
  try {
    return await scan('folders').catch(async (error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      if (error.code === 'images-not-in-class-folders') return scan('none');
      // Folders without images may stand beside images.
      if (error.code === 'images-none-found') return scan('none').catch(() => Promise.reject(error));
      throw error;
    });
  } catch (error) {
    // Here the place of the images is usage, not a stage's.
    const usage = asUsage(error);
    if (!(usage instanceof UserError) || usage.code !== 'one-class-only') throw usage;
    const { code, message } = usage;
    const remedy = 'If these are the classes, name the folder above them: npx pipeline init FOLDER.';
    throw new UserError({ code, message, usage: true, remedy });
  }
}

/** Images beside class folders. */
export function looseImages({ passedOver }: LabelledImages): number {
  return [...passedOver].reduce((sum, [ending, count]) => sum + (isImageName(`x${ending}`) ? count : 0), 0);
}

/** Images of each class. */
export function countsOf({ classes, labels }: LabelledImages): readonly number[] {
  const counts = classes.map(() => 0);
  for (const label of labels) counts[label]!++;
  return counts;
}

/** An image that was decoded once. */
export interface Sample {
  readonly label: number;
  readonly content: Buffer;
  readonly format: string;
  readonly width: number;
  readonly height: number;
}

/** Images that were looked at. */
interface Samples {
  readonly samples: readonly Sample[];
  /** Names of those that cannot be read. */
  readonly unreadable: readonly string[];
}

const mostSamples = 64;
const mostClasses = 8;

/** A few images of the first classes, decoded once to see that they can be, and how large they are. */
export async function takeSamples(found: LabelledImages): Promise<Samples> {
  const source = await openSource(found);
  const each = Math.ceil(mostSamples / Math.min(found.classes.length, mostClasses));
  const taken = new Map<number, number>();
  const samples: Sample[] = [];
  const unreadable: string[] = [];
  for (let i = 0; i < found.paths.length && samples.length < mostSamples; i++) {
    const label = found.labels[i]!;
    if (label >= mostClasses || (taken.get(label) ?? 0) >= each) continue;
    const content = await source.read(i);
    const { read } = formatOf(content);
    const size = await decodeBytes(content, source.place(i), {
      background: '#ffffff',
      orientation: 'ignore',
    }).catch(() => undefined);
    if (read === undefined || size === undefined) {
      unreadable.push(source.place(i));
      continue;
    }
    taken.set(label, (taken.get(label) ?? 0) + 1);
    samples.push({ label, content, format: read, width: size.width, height: size.height });
  }
  if (samples.length === 0)
    throw new UserError({
      code: 'images-none-found',
      usage: true,
      message: `${found.base}: none of the first images can be read.`,
      remedy: 'See docs/images.md for the formats that are.',
    });
  return { samples, unreadable };
}

/** Sizes of images, in words. */
export function sizesOf(samples: readonly Sample[]): string {
  const [least, most] = [Math.min, Math.max].map((pick) =>
    pick(...samples.map(({ width, height }) => Math.min(width, height))),
  ) as [number, number];
  return least === most ? `${least} pixels wide or high` : `${least} to ${most} pixels wide or high`;
}
