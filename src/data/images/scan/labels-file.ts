import { posix } from 'node:path';
import { UserError } from '../../../errors.js';
import type { Findings, FoundImage } from './labelled-images.js';
import { valuesAt } from './key-path.js';
import { listSome } from './list-some.js';
import { malformed, readRecords, type LabelRecord } from './records.js';
import { compareNames, listFolder } from './walk.js';

/** A file that names images and their classes. */
export interface LabelsFile {
  /** Absolute path. */
  readonly file: string;
  /** Key or keys of an image's path, relative to the images' folder; dotted, with `*` for every member. */
  readonly image: string | readonly string[];
  /** Key of the class's name. */
  readonly label: string;
}

/** Finds the images that a labels file names; an image named twice with one class counts once. */
export async function findInLabelsFile(root: string, labels: LabelsFile): Promise<Findings> {
  const records = await readRecords(labels.file);
  const found = new Map<string, { className: string; place: string }>();
  for (const record of records) {
    const className = classOf(record, labels.label);
    for (const path of imagesOf(record, [labels.image].flat())) {
      const before = found.get(path);
      if (before && before.className !== className) {
        throw malformed(
          record.place,
          `the image ${path} is of class "${className}" here, and of class "${before.className}" at ${before.place}`,
        );
      }
      found.set(path, { className, place: record.place });
    }
  }
  if (found.size === 0) throw malformed(labels.file, 'it names no image');
  await checkPresent(root, labels.file, [...found.keys()]);
  const images: FoundImage[] = [...found].map(([path, { className }]) => ({ path, className }));
  const classes = [...new Set(images.map(({ className }) => className))].sort(compareNames);
  return { images, classes, ignored: 0 };
}

function classOf({ place, value }: LabelRecord, key: string): string {
  const [label, ...more] = valuesAt(value, key);
  if (more.length > 0) throw malformed(place, `"${key}" leads to ${more.length + 1} classes, expected one`);
  if (typeof label === 'number' || typeof label === 'boolean') return String(label);
  if (typeof label === 'string' && label !== '') return label;
  throw malformed(
    place,
    `expected the name of a class under "${key}", found ${describe(label)}${keysOf(value)}`,
  );
}

function imagesOf({ place, value }: LabelRecord, keys: readonly string[]): string[] {
  const paths = keys.flatMap((key) => valuesAt(value, key).map((path) => imagePath(place, key, path)));
  if (paths.length > 0) return paths;
  throw malformed(
    place,
    `expected an image under ${keys.map((key) => `"${key}"`).join(', ')}${keysOf(value)}`,
  );
}

function imagePath(place: string, key: string, path: unknown): string {
  if (typeof path !== 'string' || path === '') {
    throw malformed(place, `expected an image under "${key}", found ${describe(path)}`);
  }
  const normal = posix.normalize(path);
  if (!posix.isAbsolute(normal) && !normal.startsWith('../')) return normal;
  throw malformed(place, `the image ${path} is not below the folder of the images`);
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  // What is nested deeply is not for a message, and cannot be written by recursion.
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'a map' : JSON.stringify(value);
}

function keysOf(value: unknown): string {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length > 0 ? `; the record's keys are ${keys.slice(0, 12).join(', ')}` : '';
}

/** Lists each folder that an image should be in, rather than asking for a million files one by one. */
async function checkPresent(root: string, file: string, paths: readonly string[]): Promise<void> {
  const folders = new Map<string, Set<string>>();
  for (const folder of new Set(paths.map((path) => posix.dirname(path)))) {
    const entries = await listFolder(posix.join(root, folder)).catch(() => []);
    folders.set(folder, new Set(entries.map(({ name }) => name)));
  }
  const absent = paths.filter((path) => !folders.get(posix.dirname(path))!.has(posix.basename(path)));
  if (absent.length === 0) return;
  throw new UserError({
    code: 'labelled-images-missing',
    message: `${file}: ${absent.length} of its ${paths.length} images are not in ${root}:${listSome(absent.sort(compareNames))}`,
    remedy: 'Correct `path` or the labels file; image names are relative to `path`.',
  });
}
