import { extname } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { UserError } from '../../../errors.js';
import { asUserError } from '../../../files/file-errors.js';
import { readInputText } from '../../../files/input-file.js';

/** A record of a labels file and where it is, such as `labels.csv:3`. */
export interface LabelRecord {
  readonly place: string;
  readonly value: unknown;
}

/**
 * Reads the records of a labels file: CSV with a header, a JSON array, or JSON Lines, as the name's ending says.
 *
 * @throws UserError `labels-file-missing`, `labels-file-kind` or `labels-file-malformed`, naming the line.
 */
export async function readRecords(path: string): Promise<LabelRecord[]> {
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
export function malformed(place: string, problem: string, cause?: unknown): UserError {
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
