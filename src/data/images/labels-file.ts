import { extname, posix } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readInputText } from '../../base/input-file.js';
import { compareNames, type Findings, type FoundImage, listFolder, listSome } from './walk.js';

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
  return { images, classes, passedOver: new Map() };
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

/** A record of a labels file and where it is, such as `labels.csv:3`. */
interface LabelRecord {
  readonly place: string;
  readonly value: unknown;
}

/**
 * Reads the records of a labels file: CSV with a header, a JSON array, or JSON Lines, as the name's ending says.
 *
 * @throws UserError `labels-file-missing`, `labels-file-kind` or `labels-file-malformed`, naming the line.
 */
async function readRecords(path: string): Promise<LabelRecord[]> {
  const reader = readers[extname(path).toLowerCase()];
  if (!reader) {
    throw new UserError({
      code: 'labels-file-kind',
      message: `${path}: expected a labels file whose name ends in .csv, .json or .jsonl.`,
      remedy: 'Convert or rename it.',
    });
  }
  let text: string;
  try {
    text = (await readInputText(path)).replace(/^\uFEFF/, '');
  } catch (error) {
    throw missing(error, path);
  }
  return reader(text, path);
}

const readers: Readonly<Record<string, ((text: string, path: string) => LabelRecord[]) | undefined>> = {
  '.csv': readCsv,
  '.json': readJson,
  '.jsonl': readJsonLines,
};

/** The error of a labels file that cannot be understood at one of its places. */
function malformed(place: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'labels-file-malformed',
    message: `${place}: ${problem}.`,
    remedy: 'Correct the labels file.',
    cause,
  });
}

function readCsv(text: string, path: string): LabelRecord[] {
  try {
    const rows = parse(text, { columns: true, info: true, skip_empty_lines: true }) as unknown as {
      info: { lines: number };
      record: unknown;
    }[];
    return rows.map(({ info, record }) => ({ place: `${path}:${info.lines}`, value: record }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error.lines === 'number' ? `:${error.lines}` : '';
    throw malformed(`${path}${line}`, `not valid CSV: ${error.message}`, error);
  }
}

function readJson(text: string, path: string): LabelRecord[] {
  const records = parseJson(text, (line) => `${path}:${line}`);
  if (!Array.isArray(records)) throw malformed(path, 'expected an array of records');
  return records.map((value: unknown, i) => ({ place: `${path}: record ${i + 1}`, value }));
}

function readJsonLines(text: string, path: string): LabelRecord[] {
  const lines = text.split('\n').map((line, i) => ({ line, place: `${path}:${i + 1}` }));
  return lines
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, place }) => ({ place, value: parseJson(line, () => place) }));
}

function parseJson(text: string, placeOf: (line: number) => string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = (error as Error).message.replace(/ \(line \d+ column \d+\)$/, '');
    const position = /at position (\d+)/.exec(message);
    const before = text.slice(0, position ? Number(position[1]) : text.length);
    throw malformed(placeOf(before.split('\n').length), `not valid JSON: ${message}`, error);
  }
}

function missing(error: unknown, path: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return asUserError(error, path);
  return new UserError({
    code: 'labels-file-missing',
    message: `${path}: there is no such labels file.`,
    remedy: 'Correct `labels.file`; it is relative to the pipeline file.',
    cause: error,
  });
}

/**
 * Every value that a dotted path leads to, `*` standing for every member of an object or element of an array.
 * A key that itself contains dots is found when the whole path names it.
 */
function valuesAt(record: unknown, path: string): unknown[] {
  if (isObject(record) && Object.hasOwn(record, path)) return [record[path]];
  return path
    .split('.')
    .reduce<unknown[]>((values, key) => values.flatMap((value) => membersOf(value, key)), [record]);
}

function membersOf(value: unknown, key: string): unknown[] {
  if (!isObject(value)) return [];
  if (key === '*') return Object.values(value);
  return Object.hasOwn(value, key) ? [value[key]] : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
