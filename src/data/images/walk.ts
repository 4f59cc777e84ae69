import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { UserError } from '../../base/errors.js';
import { checkFileNames, isUnseen } from '../../base/file-names.js';
import { asUserError } from '../../base/files.js';
import type { Places } from '../../base/patterns.js';
import { isImageName, type PassedOver, passOver, readFormats } from './formats.js';

/** An image as found: its path below the images' folder, with `/`, and the name of its class. */
export interface FoundImage {
  readonly path: string;
  readonly className: string;
  /** Place in a file that holds many: the file's number, and what finds it there. */
  readonly at?: readonly number[];
}

/** The images of a folder, by path, with the number of each one's class. */
export interface LabelledImages {
  readonly classes: readonly string[];
  readonly paths: readonly string[];
  readonly labels: Int32Array;
  /** Files that are no images, or belong to no class. */
  readonly passedOver: PassedOver;
  /** Absolute path of the folder below which the paths are. */
  readonly base: string;
  /** Present where files hold them: these, and where each image lies. */
  readonly contained?: Contained | undefined;
  readonly places?: readonly (readonly number[])[];
  /** Sentences about images that are left out. */
  readonly warnings?: readonly string[];
}

/** Files that hold many images each. */
export interface Contained {
  /** Name of their form, such as `tar`. */
  readonly container: string;
  /** Below the folder above all of them, with `/`. */
  readonly files: readonly string[];
  /** Commit of the repository that has them, where they are on Hugging Face. */
  readonly revision?: string;
}

/** The class of all images where none has a label. */
export const onlyClass = 'all';

/** Result of a search: images, and every class that it knows of, with or without images. */
export interface Findings {
  readonly images: readonly FoundImage[];
  readonly classes: readonly string[];
  /** True where the classes are in the order of their labels already. */
  readonly isOrdered?: boolean;
  readonly passedOver: PassedOver;
  /** Sentences about images that are left out. */
  readonly warnings?: readonly string[];
}

export function noImages(root: string): UserError {
  return new UserError({
    code: 'images-none-found',
    message: `${root}: expected images (${readFormats}) in folders, found none.`,
    remedy: 'Correct the path: it must name the folder that holds the images, or their class folders.',
  });
}

/**
 * Every file in a folder below `root`, hidden ones left out, sorted at each level. Links are followed, but not in
 * circles.
 *
 * @param trail the real paths of the folders on the way here, and of those that are left out
 */
export async function* walkFiles(
  root: string,
  below: string,
  trail: ReadonlySet<string>,
): AsyncGenerator<string> {
  const folder = join(root, below);
  const real = await realpath(folder);
  if (trail.has(real)) return;
  const deeper = new Set(trail).add(real);
  for (const { name, isFolder } of await listFolder(folder)) {
    const path = `${below}/${name}`;
    if (isFolder) yield* walkFiles(root, path, deeper);
    else yield path;
  }
}

interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** Lists a folder sorted by name, without hidden entries; a link counts as its target. */
async function listFolder(folder: string): Promise<FolderEntry[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw asUserError(error, folder);
  }
  const visible = entries.filter(({ name }) => !isUnseen(name));
  await checkFileNames(
    folder,
    visible.map(({ name }) => name),
  );
  const listed = visible.map(async (entry) => ({
    name: entry.name,
    isFolder: await isFolder(folder, entry),
  }));
  const known = (await Promise.all(listed)).flatMap(({ name, isFolder }) =>
    isFolder === undefined ? [] : [{ name, isFolder }],
  );
  return known.sort((a, b) => compareNames(a.name, b.name));
}

/** Compares names by code units: the same order whatever the locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Type of an entry; undefined for what is neither a folder nor a file, such as a named pipe, which nobody may ever write to. */
async function isFolder(folder: string, entry: Dirent): Promise<boolean | undefined> {
  let target: Pick<Dirent, 'isDirectory' | 'isFile'> | undefined = entry;
  if (entry.isSymbolicLink()) target = await stat(join(folder, entry.name)).catch(() => undefined);
  if (target === undefined) return false;
  return target.isDirectory() || target.isFile() ? target.isDirectory() : undefined;
}

/** The first 20 of some names, one a line, and how many more there are. */
export function listSome(names: readonly string[], limit = 20): string {
  const rest = names.length - limit;
  const lines = rest > 0 ? [...names.slice(0, limit), `and ${rest} more`] : names;
  return lines.map((line) => `\n  ${line}`).join('');
}

/** Real paths of folders that do not count, wherever a search meets them: that of runs. */
export type LeftOut = ReadonlySet<string>;

/** Finds images whose class is the first folder below the place. */
export async function findInFolders({ base, paths }: Places, leftOut: LeftOut): Promise<Findings> {
  const folders = await Promise.all(paths.map(async (path) => (await stat(path)).isDirectory()));
  const findings = {
    images: [] as FoundImage[],
    classes: new Set<string>(),
    passedOver: new Map<string, number>(),
  };
  for (const [i, path] of paths.entries()) {
    const name = relative(base, path).replaceAll(sep, '/');
    if (folders[i] === true) await findInFolder(path, name && `${name}/`, findings, leftOut);
    else if (isImageName(name) && name.includes('/')) addImage(name, name.split('/')[0]!, findings);
    else passOver(findings.passedOver, name);
  }
  if (findings.images.length === 0) throw noImages(base);
  return { ...findings, classes: [...findings.classes] };
}

/** Finds every image at or below the place: they have no classes. */
export async function findUnlabelled({ base, paths }: Places, leftOut: LeftOut): Promise<Findings> {
  const images: FoundImage[] = [];
  const passedOver = new Map<string, number>();
  const add = (path: string): void => {
    if (isImageName(path)) images.push({ path, className: onlyClass });
    else passOver(passedOver, path);
  };
  for (const path of paths) {
    const name = relative(base, path).replaceAll(sep, '/');
    if (!(await stat(path)).isDirectory()) add(name);
    else for await (const below of walkFiles(path, '.', leftOut)) add(posix.join(name, below));
  }
  if (images.length === 0) throw noImages(base);
  return { images, classes: [onlyClass], passedOver };
}

/**
 * One folder that holds folders of images is rather the one above the classes.
 *
 * @throws UserError `one-class-only`
 */
export function checkOneFolder(root: string, { images, classes }: Findings): void {
  if (classes.length !== 1) return;
  const below = [...new Set(images.map(({ path }) => path.split('/').slice(1, -1).join('/')))];
  if (below.length < 2) return;
  throw new UserError({
    code: 'one-class-only',
    message: `${root}: expected at least two folders of images, found only "${classes[0]!}", in which ${below.length} folders hold images:${listSome(
      below.map((folder) => folder || '.'),
      5,
    )}`,
    remedy: `If these are the classes, name the folder above them in \`path\`: ${join(root, classes[0]!)}. If the images have no classes, set \`labels: none\`.`,
  });
}

interface FindingsSoFar {
  readonly images: FoundImage[];
  readonly classes: Set<string>;
  readonly passedOver: Map<string, number>;
}

function addImage(path: string, className: string, { images, classes }: FindingsSoFar): void {
  images.push({ path, className });
  classes.add(className);
}

const labelsOfParts = 'dataset.json';

async function findInFolder(
  root: string,
  prefix: string,
  findings: FindingsSoFar,
  leftOut: LeftOut,
): Promise<void> {
  const listed = await listFolder(root);
  const isLeftOut = await Promise.all(
    listed.map(async ({ name, isFolder }) => isFolder && leftOut.has(await realpath(join(root, name)))),
  );
  const entries = listed.filter((_, i) => isLeftOut[i] !== true);
  if (entries.length === 0) {
    throw new UserError({
      code: 'images-folder-empty',
      message: `${root}: expected folders of images, but the folder is empty.`,
      remedy: 'Put the images there, in one folder a class, or correct the path.',
    });
  }
  const classes = entries.filter(({ isFolder }) => isFolder).map(({ name }) => name);
  const loose = entries.filter(({ name, isFolder }) => !isFolder && isImageName(name));
  if (classes.length === 0 && loose.length > 0) {
    throw new UserError({
      code: 'images-not-in-class-folders',
      message: `${root}: expected one folder a class, found ${loose.length} images and no folder.`,
      remedy:
        'Put the images of each class into a folder of their own, name a labels file in `labels`, or set `labels: none` to train without classes.',
    });
  }
  // EDM's and StyleGAN's sets have a thousand images a folder, whatever their classes.
  if (classes.every((name) => /^\d{5}$/.test(name)) && entries.some(({ name }) => name === labelsOfParts))
    throw new UserError({
      code: 'images-not-in-class-folders',
      message: `${root}: its folders ${classes.slice(0, 2).join(', ')}${classes.length > 2 ? ', …' : ''} are parts of a set, not classes: ${labelsOfParts} beside them has the labels.`,
      remedy: `Set \`labels: { file: ${join(root, labelsOfParts)} }\`, or \`labels: none\` to train without classes.`,
    });
  for (const { name, isFolder } of entries) if (!isFolder) passOver(findings.passedOver, name);
  for (const className of classes) {
    findings.classes.add(className);
    for await (const path of walkFiles(root, className, new Set([...leftOut, await realpath(root)]))) {
      if (isImageName(path)) addImage(prefix + path, className, findings);
      else passOver(findings.passedOver, path);
    }
  }
}

/**
 * True when a search finds the file, by its path below the images' folder.
 *
 * @param classes those that are wanted of class folders; absent where there are none
 */
export function isFoundImage(path: string, classes?: ReadonlySet<string>): boolean {
  const parts = path.split('/');
  return (classes === undefined || (parts.length > 1 && classes.has(parts[0]!))) && isImageName(path);
}
