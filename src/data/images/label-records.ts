import { extname } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { UserError } from '../../base/errors.js';
import { asUserError } from '../../base/files.js';
import { readUserText } from '../../base/user-text.js';
import { refuseFailedCopy } from '../../formats/foreign-file.js';
import type { ImageNames } from './image-names.js';
import { compareNames } from './walk.js';

/** A file that names images and their classes. */
export interface LabelsFile {
  /** Absolute path. */
  readonly file: string;
  /** Key or keys of an image's path, relative to the images' folder; dotted, with `*` for every member. Default: found. */
  readonly image?: string | readonly string[] | undefined;
  /** Key of the class's name. Default: found. */
  readonly label?: string | undefined;
}

/** An image's class as a labels file says it. */
export interface LabelEntry {
  /** Place in the file, such as `labels.csv:3`. */
  readonly place: string;
  readonly image: string;
  readonly className: string;
}

/** A record of a labels file and where it is. */
interface LabelRecord {
  readonly place: string;
  readonly value: unknown;
}

/**
 * Reads a labels file: CSV and its like with a header or without, a text of one label a line for each image in order,
 * JSON (records, pairs, a map of images to classes or of classes to images, EDM's `dataset.json`), or JSON Lines.
 *
 * @param images to see in which column they are
 * @throws UserError `labels-file-missing`, `labels-file-kind`, `labels-file-malformed`, `text-encoding`, naming the line
 */
export async function readLabels(labels: LabelsFile, images: ImageNames): Promise<LabelEntry[]> {
  const path = labels.file;
  const reader = readers[extname(path).toLowerCase()];
  if (!reader) {
    throw new UserError({
      code: 'labels-file-kind',
      message: `${path}: expected a labels file whose name ends in ${Object.keys(readers).join(', ')}.`,
      remedy: 'Convert or rename it.',
    });
  }
  let text: string;
  try {
    text = await readUserText(path);
  } catch (error) {
    throw missing(error, path);
  }
  await refuseFailedCopy(path);
  return reader(text, labels, images);
}

type Reader = (text: string, labels: LabelsFile, images: ImageNames) => LabelEntry[];

const readers: Readonly<Record<string, Reader | undefined>> = {
  '.csv': readTable,
  '.tsv': readTable,
  '.txt': readTable,
  '.lst': readTable,
  '.json': readJson,
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
};

/** The error of a labels file that cannot be understood at one of its places. */
export function malformed(place: string, problem: string, cause?: unknown): UserError {
  return new UserError({
    code: 'labels-file-malformed',
    message: `${place}: ${problem}.`,
    remedy: 'Correct the labels file, or what `labels` says of it.',
    cause,
  });
}

// Tables ------------------------------------------------------------------------------------------------------------

interface Row {
  readonly place: string;
  readonly cells: readonly string[];
}

function readTable(text: string, labels: LabelsFile, images: ImageNames): LabelEntry[] {
  const rows = rowsOf(text, labels.file, images);
  const [first] = rows;
  if (first === undefined) return [];
  if (first.cells.length === 1) return labelsInOrder(rows, labels, images);
  const keys = [labels.image ?? [], labels.label ?? []].flat();
  const isNumbered =
    keys.length > 0 &&
    keys.every((key) => /^\d+$/.test(key)) &&
    !keys.some((key) => first.cells.includes(key));
  const hasHeader = keys.length > 0 ? !isNumbered : !first.cells.some((cell) => images.has(cell));
  const names = hasHeader ? first.cells : first.cells.map((_, i) => String(i + 1));
  const records = (hasHeader ? rows.slice(1) : rows).map(({ place, cells }) => ({
    place,
    value: Object.fromEntries(names.map((name, i) => [name, cells[i]])),
  }));
  return entriesOf(records, labels, images);
}

/** Looked at to see how a table separates its columns. */
const linesToJudge = 50;

function rowsOf(text: string, path: string, images: ImageNames): Row[] {
  const lines = text.split(/\r\n?|\n/).filter((line) => line.trim() !== '');
  const sample = lines.slice(0, linesToJudge);
  const isCsv = /\.csv$/i.test(path);
  const candidates = isCsv ? [',', ';', '\t', '|'] : ['\t', ',', ';', '|'];
  const widths = candidates.map((delimiter) => sample.map((line) => widthOf(line, delimiter)));
  const isEven = (all: readonly number[]): boolean => all[0]! >= 2 && all.every((width) => width === all[0]);
  let chosen = sample.length === 0 ? -1 : widths.findIndex(isEven);
  if (chosen < 0 && isCsv) chosen = widths.findIndex(([width = 0]) => width >= 2);
  if (chosen >= 0) return parseTable(text, path, candidates[chosen]!);
  const rows = text.split(/\r\n?|\n/).map((line, i) => ({ place: `${path}:${i + 1}`, line: line.trim() }));
  const split = spaceOf(sample, images);
  return rows
    .filter(({ line }) => line !== '')
    .map(({ place, line }) => ({ place, cells: split.exec(line)?.slice(1) ?? [line] }));
}

/** Separates an image from its class at the first or the last space: where the rest names images. */
function spaceOf(lines: readonly string[], images: ImageNames): RegExp {
  const ways = [/^(.*\S)\s+(\S+)$/, /^(\S+)\s+(\S.*)$/] as const;
  const [lastSpace = 0, firstSpace = 0] = ways.map(
    (way) => lines.filter((line) => images.has(way.exec(line.trim())?.[1] ?? '')).length,
  );
  if (lastSpace === 0 && firstSpace === 0) {
    const isPairs = lines.every((line) => /^\S+\s+\S+$/.test(line.trim()));
    return isPairs ? ways[0] : /^(.*)$/;
  }
  return firstSpace > lastSpace ? ways[1] : ways[0];
}

function widthOf(line: string, delimiter: string): number {
  try {
    const [row] = parse(line, { delimiter });
    return row?.length ?? 0;
  } catch {
    return 0;
  }
}

function parseTable(text: string, path: string, delimiter: string): Row[] {
  try {
    const rows = parse(text, { delimiter, info: true, skip_empty_lines: true, trim: true }) as unknown as {
      info: { lines: number };
      record: string[];
    }[];
    return rows.map(({ info, record }) => ({ place: `${path}:${info.lines}`, cells: record }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error.lines === 'number' ? `:${error.lines}` : '';
    throw malformed(`${path}${line}`, `not valid CSV: ${error.message}`, error);
  }
}

/** A label a line, for the images in the order of their names: as the lists of ImageNet's validation images are. */
function labelsInOrder(rows: readonly Row[], { file }: LabelsFile, images: ImageNames): LabelEntry[] {
  const named = rows.find(({ cells }) => images.has(cells[0]!));
  if (named !== undefined)
    throw malformed(
      named.place,
      `expected an image and a class, found ${JSON.stringify(named.cells[0])} alone`,
    );
  if (rows.length !== images.paths.length)
    throw malformed(
      file,
      `its ${rows.length} lines of one label each are not as many as the images, of which there are ${images.paths.length}; ${rows[0]!.place} reads ${JSON.stringify(rows[0]!.cells[0])}`,
    );
  const paths = [...images.paths].sort(compareNames);
  return rows.map(({ place, cells }, i) => ({ place, image: paths[i]!, className: cells[0]! }));
}

// JSON --------------------------------------------------------------------------------------------------------------

function readJson(text: string, labels: LabelsFile, images: ImageNames): LabelEntry[] {
  const path = labels.file;
  let value = parseJson(text, (line) => `${path}:${line}`);
  if (isObject(value) && !Array.isArray(value) && Object.hasOwn(value, 'labels')) {
    value = value.labels;
    if (value === null)
      throw malformed(path, 'its `labels` are null: the images have no classes, so use `labels: none`');
  }
  if (Array.isArray(value))
    return listed(
      value.map((each: unknown, i) => ({ place: `${path}: record ${i + 1}`, value: each })),
      labels,
      images,
    );
  if (!isObject(value)) throw malformed(path, `expected records, pairs or a map, found ${describe(value)}`);
  const members = Object.entries(value).map(([key, each]) => ({
    place: `${path}: ${JSON.stringify(key)}`,
    key,
    each,
  }));
  if (members.every(({ each }) => isObject(each) && !Array.isArray(each))) {
    const [key] = [labels.image ?? 'image'].flat();
    return entriesOf(
      members.map(({ place, key: image, each }) => ({
        place,
        value: { [key!]: image, ...(each as object) },
      })),
      labels,
      images,
    );
  }
  return members.flatMap(({ place, key, each }) => {
    if (!Array.isArray(each)) return [{ place, image: key, className: className(place, each) }];
    return each.map((image: unknown) => {
      if (typeof image !== 'string')
        throw malformed(place, `expected names of images, found ${describe(image)}`);
      return { place, image, className: key };
    });
  });
}

function readJsonLines(text: string, labels: LabelsFile, images: ImageNames): LabelEntry[] {
  const lines = text.split(/\r\n?|\n/).map((line, i) => ({ line, place: `${labels.file}:${i + 1}` }));
  const records = lines
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, place }) => ({ place, value: parseJson(line, () => place) }));
  return listed(records, labels, images);
}

/** Pairs of an image and a class, or records. */
function listed(records: readonly LabelRecord[], labels: LabelsFile, images: ImageNames): LabelEntry[] {
  if (!Array.isArray(records[0]?.value)) return entriesOf(records, labels, images);
  return records.map(({ place, value }) => {
    if (Array.isArray(value) && value.length === 2 && typeof value[0] === 'string')
      return { place, image: value[0], className: className(place, value[1]) };
    throw malformed(place, `expected a pair of an image and a class, found ${describe(value)}`);
  });
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

// Records -----------------------------------------------------------------------------------------------------------

const usualImageKeys =
  /^(file_?name|file|image_?(path|file|name|id)?|img(_?path)?|path|file_?path|id|name|__key__|fname)$/i;
const usualLabelKeys =
  /^(labels?|class(_?(name|id|label))?|cls|category(_?(name|id))?|target|y|synset|wnid|predictionstring)$/i;

function entriesOf(
  records: readonly LabelRecord[],
  { image, label }: LabelsFile,
  images: ImageNames,
): LabelEntry[] {
  if (records.length === 0) return [];
  const imageKeys = image === undefined ? [imageKeyOf(records, images)] : [image].flat();
  const labelKey = label ?? labelKeyOf(records, imageKeys);
  return records.flatMap((record) => {
    const name = classOf(record, labelKey);
    return imagesOf(record, imageKeys).map((path) => ({ place: record.place, image: path, className: name }));
  });
}

const recordsToJudge = 100;

/** The key under which most records name an image. */
function imageKeyOf(records: readonly LabelRecord[], images: ImageNames): string {
  const counts = new Map<string, number>();
  for (const { value } of records.slice(0, recordsToJudge))
    for (const [key, each] of isObject(value) ? Object.entries(value) : [])
      if (typeof each === 'string' && images.has(each)) counts.set(key, (counts.get(key) ?? 0) + 1);
  const [best] = [...counts].sort(([, a], [, b]) => b - a);
  const [{ place, value }] = records as readonly [LabelRecord, ...LabelRecord[]];
  const key =
    best?.[0] ?? Object.keys(isObject(value) ? value : {}).find((each) => usualImageKeys.test(each));
  if (key !== undefined) return key;
  throw malformed(
    place,
    `expected a column with images, of which there are ${images.paths.length}, such as ${images.paths[0]!}${keysOf(value)}`,
  );
}

/** The key of the class: the only other one, or the only one of a usual name. */
function labelKeyOf([first]: readonly LabelRecord[], imageKeys: readonly string[]): string {
  const { place, value } = first!;
  const others = Object.keys(isObject(value) ? value : {}).filter((key) => !imageKeys.includes(key));
  const usual = others.filter((key) => usualLabelKeys.test(key));
  const found = others.length === 1 ? others : usual;
  if (found.length === 1) return found[0]!;
  throw malformed(
    place,
    `expected one column with classes; name it with the key \`label\` of \`labels\`${keysOf(value)}`,
  );
}

function classOf({ place, value }: LabelRecord, key: string): string {
  const [label, ...more] = valuesAt(value, key);
  if (more.length > 0) throw malformed(place, `"${key}" leads to ${more.length + 1} classes, expected one`);
  if (/^predictionstring$/i.test(key) && typeof label === 'string') return classOfBoxes(place, label);
  return className(place, label, ` under "${key}"`, keysOf(value));
}

function className(place: string, label: unknown, where = '', rest = ''): string {
  if (typeof label === 'number' || typeof label === 'boolean') return String(label);
  if (typeof label === 'string' && label !== '') return label;
  throw malformed(place, `expected the name of a class${where}, found ${describe(label)}${rest}`);
}

/** The class of Kaggle's boxes, `n03995372 85 1 499 272 …`: all of an image are of one. */
function classOfBoxes(place: string, boxes: string): string {
  const parts = boxes.trim().split(/\s+/);
  const classes = [...new Set(parts.filter((_, i) => i % 5 === 0))];
  if (parts.length % 5 !== 0 && parts.length !== 1)
    throw malformed(
      place,
      `expected a class and four numbers a box, found ${JSON.stringify(boxes.slice(0, 80))}`,
    );
  if (classes.length === 1 && classes[0] !== '') return classes[0]!;
  throw malformed(place, `expected boxes of one class, found ${classes.join(', ') || 'none'}`);
}

function imagesOf({ place, value }: LabelRecord, keys: readonly string[]): string[] {
  const paths = keys.flatMap((key) =>
    valuesAt(value, key).map((path) => {
      if (typeof path === 'string' && path !== '') return path;
      if (typeof path === 'number') return String(path);
      throw malformed(place, `expected an image under "${key}", found ${describe(path)}`);
    }),
  );
  if (paths.length > 0) return paths;
  throw malformed(
    place,
    `expected an image under ${keys.map((key) => `"${key}"`).join(', ')}${keysOf(value)}`,
  );
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  // What is nested deeply is not for a message, and cannot be written by recursion.
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'a map' : JSON.stringify(value);
}

function keysOf(value: unknown): string {
  const keys = isObject(value) ? Object.keys(value) : [];
  return keys.length > 0 ? `; the record's keys are ${keys.slice(0, 12).join(', ')}` : '';
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
