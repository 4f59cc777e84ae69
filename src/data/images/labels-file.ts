import { posix } from 'node:path';
import { UserError } from '../../base/errors.js';
import { ImageNames } from './image-names.js';
import { type LabelEntry, type LabelsFile, malformed, readLabels } from './label-records.js';
import { compareNames, type Findings, type FoundImage, listSome } from './walk.js';

/**
 * Gives images the classes that a labels file names; an image named twice with one class counts once, and one that is
 * not named is left out, which is told.
 *
 * @param root the images' folder, for messages
 * @param there all images that there are
 * @param inner their names in the files that hold them
 * @throws UserError `labelled-images-missing`, and as `readLabels`
 */
export async function labelImages(
  root: string,
  there: Pick<Findings, 'images' | 'passedOver' | 'warnings'>,
  labels: LabelsFile,
  inner?: readonly string[],
): Promise<Findings> {
  const names = new ImageNames(
    there.images.map(({ path }) => path),
    inner,
  );
  const entries = await readLabels(labels, names);
  if (entries.length === 0) throw malformed(labels.file, 'it names no image');
  const found = new Map<number, LabelEntry>();
  const named = new Set<string>();
  const absent = new Map<string, string>();
  for (const entry of entries) {
    const { place, image, className } = entry;
    const path = pathOf(place, image);
    named.add(path);
    const index = names.find(path);
    if (typeof index !== 'number') {
      absent.set(path, index === undefined ? path : `${path} (several images have that name)`);
      continue;
    }
    const before = found.get(index);
    if (before !== undefined && before.className !== className)
      throw malformed(
        place,
        `the image ${path} is of class "${className}" here, and of class "${before.className}" at ${before.place}`,
      );
    found.set(index, entry);
  }
  const unnamed = there.images.filter((_, i) => !found.has(i)).map(({ path }) => path);
  if (absent.size > 0) {
    throw new UserError({
      code: 'labelled-images-missing',
      message: `${labels.file}: ${absent.size} of its ${named.size} images are not in ${root}:${listSome([...absent.values()].sort(compareNames))}`,
      remedy: `Correct \`path\` or the labels file; image names are relative to \`path\`. ${unnamed.length} of the ${there.images.length} images there are not in the labels file${someOf(unnamed)}.`,
    });
  }
  const images = there.images.flatMap((image, i): FoundImage[] => {
    const entry = found.get(i);
    return entry === undefined ? [] : [{ ...image, className: entry.className }];
  });
  return {
    images,
    classes: [...new Set(images.map(({ className }) => className))],
    passedOver: there.passedOver,
    warnings: [
      ...(there.warnings ?? []),
      ...(unnamed.length === 0
        ? []
        : [
            `${unnamed.length} of ${there.images.length} images are left out, as ${posix.basename(labels.file)} does not name them${someOf(unnamed)}.`,
          ]),
    ],
  };
}

function someOf(names: readonly string[]): string {
  return names.length === 0 ? '' : `: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
}

function pathOf(place: string, name: string): string {
  const normal = posix.normalize(name.replaceAll('\\', '/'));
  if (!posix.isAbsolute(normal) && !normal.startsWith('../')) return normal;
  throw malformed(place, `the image ${name} is not below the folder of the images`);
}
