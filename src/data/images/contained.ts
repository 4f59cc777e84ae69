import { stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { UserError } from '../../base/errors.js';
import { formatCount } from '../../base/format.js';
import { InputFile } from '../../base/input-file.js';
import type { Places } from '../../base/patterns.js';
import { refuseFailedCopy } from '../../formats/foreign-file.js';
import { badContainer, imageContainers } from './container.js';
import type { ContainedImage, Contents, ImageContainer, LabelType, Oddities } from './container.js';
import { isImageName } from './formats.js';
import { type Findings, type LeftOut, listSome, noImages, onlyClass, walkFiles } from './walk.js';

/** Files that hold the images of a set. */
export interface Kept {
  readonly container: ImageContainer;
  /** Below the folder above all of them, with `/`. */
  readonly files: readonly string[];
}

/** The files of one form that hold the images, if any do: those that are named, or those in a folder without others. */
export async function findKept({ base, paths }: Places, leftOut: LeftOut): Promise<Kept | undefined> {
  const isFolder = (await Promise.all(paths.map((path) => stat(path)))).map((stats) => stats.isDirectory());
  const files = isFolder.some(Boolean) ? await filesInFolders(paths, isFolder, leftOut) : paths;
  if (paths.length === 1 && isFolder[0] === false && isImageName(basename(paths[0]!)))
    throw unknownForm(paths[0]!, await imageContainers());
  if (files.length === 0 || files.some((file) => isImageName(basename(file)))) return undefined;
  const forms = await imageContainers();
  const formOf = (file: string) => forms.find(({ fileName }) => fileName.test(file));
  const held = files.filter((file) => formOf(file) !== undefined);
  const [form, ...others] = new Set(held.map(formOf));
  if (form === undefined) {
    if (isFolder.some(Boolean)) return undefined;
    throw unknownForm(files[0]!, forms);
  }
  if (others.length > 0)
    throw new UserError({
      code: 'containers-mixed',
      message: `${base}: expected files of one form, found ${[form, ...others].map((each) => each!.name).join(' and ')}.`,
      remedy: 'Name those that hold the images in `path`, such as `path: "folder/*.tar"`.',
    });
  if (isFolder.some(Boolean)) checkSplits(base, held);
  return { container: form, files: held.map((file) => relative(base, file).replaceAll(sep, '/')) };
}

/** Files in folders, until one is an image: then it is the folders that count. */
async function filesInFolders(
  paths: readonly string[],
  isFolder: readonly boolean[],
  leftOut: LeftOut,
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const [i, path] of paths.entries()) {
    if (isFolder[i] !== true) files.push(path);
    else
      for await (const name of walkFiles(path, '.', leftOut)) {
        files.push(join(path, name));
        if (isImageName(name)) return files;
      }
  }
  return files;
}

/** @throws UserError `containers-of-splits`: what is trained on must not hold what it is tested on. */
export function checkSplits(base: string, files: readonly string[], shown = basename(base)): void {
  const splitOf = (file: string) =>
    /(?:^|[^a-z])(train|val|valid|validation|test|t10k)(?:ing)?(?:[^a-z]|$)/i
      .exec(basename(file))?.[1]
      ?.toLowerCase();
  const splits = [...new Set(files.map(splitOf))].filter((split) => split !== undefined);
  if (splits.length < 2) return;
  throw new UserError({
    code: 'containers-of-splits',
    message: `${base}: its files are of several parts of a set: ${splits.join(', ')}.`,
    remedy: `Name one part in \`path\`, such as \`path: "${shown}/${splits[0]}*"\`.`,
  });
}

function unknownForm(file: string, forms: readonly ImageContainer[]): UserError {
  return new UserError({
    code: 'images-folder-is-a-file',
    message: `${file}: expected a folder of images, or a file that holds many; this is neither by its name.`,
    remedy: `Name a folder, or a file of a form that is read: ${forms.map(({ name }) => name).join(', ')}.`,
  });
}

/**
 * Finds images in files that hold many: their class is what the file says, or the first folder below its top.
 *
 * @param labels `none` passes over all of that
 */
export async function findInContainers(
  base: string,
  { container, files }: Kept,
  labels: 'folders' | 'none',
): Promise<Findings> {
  const paths = files.map((file) => join(base, file));
  const found: Found[] = [];
  let classes: readonly string[] | undefined;
  const passedOver = new Map<string, number>();
  const oddities = new Map<string, string[]>();
  const typed = new Map<LabelType, string>();
  let named: string | undefined;
  for (const [file, path] of paths.entries()) {
    await refuseFailedCopy(path);
    const contents = await withInput(path, (input) =>
      container.list(input, { files: paths, withoutClasses: labels === 'none' }),
    );
    for (const [ending, count] of contents.passedOver ?? [])
      passedOver.set(ending, (passedOver.get(ending) ?? 0) + count);
    for (const [what, names] of odditiesOf(contents))
      oddities.set(what, [...(oddities.get(what) ?? []), ...names.map((name) => inFile(files[file]!, name))]);
    if (contents.images.length === 0) continue;
    named ??= path;
    if (named === path) classes = contents.classes;
    else if (String(classes) !== String(contents.classes))
      throw badContainer(path, `its names of classes are not those of ${named}`);
    for (const type of contents.labelTypes ?? []) if (!typed.has(type)) typed.set(type, path);
    for (const image of contents.images) found.push({ file, image });
  }
  if (found.length === 0) throw noImages(base);
  const own = found.map(({ image }) => image.className);
  const isLabelled = own.some((name) => name !== undefined);
  const archives = isLabelled ? undefined : classArchives(found, files);
  const classNames = archives ?? (isLabelled ? own : classFolders(found));
  const images = found.map(({ file, image: { name, at } }, i) => ({
    path: inFile(files[file]!, name),
    at: [file, ...at],
    className: labels === 'none' ? onlyClass : (classNames[i] ?? ''),
  }));
  const warnings = [...oddities].map(
    ([what, names]) => `${what}: ${formatCount(names.length)}, such as ${names.slice(0, 3).join(', ')}.`,
  );
  const numbered = numberedNames(archives ?? []);
  if (numbered.length > 0 && labels !== 'none')
    warnings.push(
      `Each file counts as a class of its name, ${numbered.slice(0, 3).join(', ')}: if they are parts of one set, use \`labels: none\` or a labels file.`,
    );
  if (labels === 'none') return { images, classes: [onlyClass], passedOver, warnings };
  const without = images.filter(({ className }) => className === '').map(({ path }) => path);
  if (without.length > 0) throw unlabelledImages(base, without, images.length);
  if (typed.size > 1) throw mixedLabels(base, typed);
  return {
    images,
    classes: classes ?? [...new Set(classNames as string[])],
    isOrdered: classes !== undefined,
    passedOver,
    warnings,
  };
}

/** Path of something in a file: that of the file where it has no name. */
const inFile = (file: string, name: string): string => (name === '' ? file : `${file}/${name}`);

/** Oddities that a file tells, and names that it has more than once. */
function odditiesOf({ images, oddities }: Contents): Oddities {
  const seen = new Set<string>();
  const repeated: string[] = [];
  for (const { name } of images)
    if (seen.has(name)) repeated.push(name);
    else seen.add(name);
  return new Map([
    ...(oddities ?? []),
    ...(repeated.length === 0
      ? []
      : [['Images that have the name of another in the same file, and count beside it', repeated] as const]),
  ]);
}

async function withInput<T>(path: string, use: (file: InputFile) => Promise<T>): Promise<T> {
  const file = await InputFile.open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

interface Found {
  readonly file: number;
  readonly image: ContainedImage;
}

/** The files as classes, where all images lie loose in archives with names. */
function classArchives(images: readonly Found[], files: readonly string[]): readonly string[] | undefined {
  const shard = /(^|[-_.])\d{3,}\.|-of-\d/;
  const isLoose = images.every(({ image }) => !image.name.includes('/'));
  if (!isLoose || files.length < 2 || files.some((file) => shard.test(basename(file)))) return undefined;
  return images.map(({ file }) => basename(files[file]!).replace(/\.\w+$/, ''));
}

/** Names that count up, such as those of parts; none where they differ in more, or are numbers. */
function numberedNames(all: readonly string[]): readonly string[] {
  const names = [...new Set(all)];
  const parts = names.map((name) => /^(.*\D)(\d+)(\D*)$/.exec(name)?.slice(1) ?? [name, 'NaN', '']);
  const forms = new Set(parts.map(([before, , after]) => `${before}#${after}`));
  const numbers = parts.map(([, number]) => Number(number));
  const isCounted = Math.max(...numbers) - Math.min(...numbers) === names.length - 1;
  return names.length > 1 && forms.size === 1 && isCounted ? names : [];
}

/** The first folder in which the images differ. */
function classFolders(images: readonly Found[]): readonly (string | undefined)[] {
  let folders = images.map(({ image }) => image.name.split('/').slice(0, -1));
  const top = (): string | undefined => folders[0]![0];
  while (folders.every(({ length, 0: first }) => length > 1 && first === top()))
    folders = folders.map(([, ...rest]) => rest);
  return folders.map(([first]) => first);
}

function mixedLabels(base: string, typed: ReadonlyMap<LabelType, string>): UserError {
  const places = Array.from(typed, ([type, path]) => `${type} (${relative(base, path) || basename(path)})`);
  return new UserError({
    code: 'labels-of-two-types',
    message: `${base}: some labels are ${places.join(', others ')}: a class would be divided in two.`,
    remedy: 'Name files of one type in `path`, or a labels file in `labels`.',
  });
}

function unlabelledImages(base: string, without: readonly string[], count: number): UserError {
  return new UserError({
    code: without.length === count ? 'images-not-in-class-folders' : 'images-without-label',
    message: `${base}: ${without.length} of ${count} images have no label, and lie in no folder that is a class:${listSome(without, 5)}`,
    remedy: 'Name a labels file in `labels`, or set `labels: none` to train without classes.',
  });
}
