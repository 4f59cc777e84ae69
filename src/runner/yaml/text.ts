import { readWhole, systemProblem } from '../../base/files.js';

/** A text that a configuration came from: a file, or an option of the command line. */
export interface SourceText {
  /** Absolute path of the file, or an option's name: `--set` or `--grid`. */
  readonly file: string;
  readonly text: string;
  /** Number of the first line: 1 in a file, and for an option its number among the options. */
  readonly firstLine: number;
  /** Offsets at which lines start. */
  readonly lineStarts: readonly number[];
  /** Offset after the last character that can be seen. */
  readonly visibleEnd: number;
}

/** A stretch of a text, in UTF-16 code units: `start` included, `end` not. */
export interface Span {
  readonly source: SourceText;
  readonly start: number;
  readonly end: number;
}

/** Position of a span, for people: lines and columns are counted from 1, columns in UTF-16 code units. */
export interface Location {
  /** Absolute path of the file, or an option's name: `--set` or `--grid`. */
  readonly file: string;
  /** Line, from 1; the number of the option for an option; 0 where the file as a whole is meant. */
  readonly line: number;
  readonly column: number;
  /** Column after the last character, on the same line; a span of several lines ends with its first. */
  readonly endColumn: number;
  /** The whole line, without its line break. */
  readonly sourceLine: string;
}

/** Options whose values are part of a configuration. Their names stand for their files. */
export type OptionName = '--set' | '--grid';

/** True for what stands for an option, in place of a file. */
export const isOption = (file: string): file is OptionName => file === '--set' || file === '--grid';

/** Prepares a text for looking up positions; a byte order mark is dropped. */
export function sourceText(file: string, content: string, firstLine = 1): SourceText {
  const text = content.startsWith('\uFEFF') ? content.slice(1) : content;
  const breaks = text.matchAll(/\n/g);
  return {
    file,
    text,
    firstLine,
    visibleEnd: text.trimEnd().length,
    lineStarts: [0, ...Array.from(breaks, (found) => found.index + found[0].length)],
  };
}

/** Finds line and columns of a span. A span that starts after the last visible character moves back to it. */
export function locate({ source, start, end }: Span): Location {
  const from = Math.max(0, Math.min(start, source.visibleEnd));
  const line = lineAt(source.lineStarts, from);
  const lineStart = source.lineStarts[line]!;
  const sourceLine = source.text.slice(lineStart, source.lineStarts[line + 1]).replace(/[\r\n]+$/, '');
  const to = Math.min(Math.max(end, from + 1), lineStart + sourceLine.trimEnd().length);
  const column = from - lineStart + 1;
  return {
    file: source.file,
    line: source.firstLine + line,
    column,
    endColumn: Math.max(column + 1, to - lineStart + 1),
    sourceLine,
  };
}

function lineAt(lineStarts: readonly number[], offset: number): number {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Problem of a file as a whole. */
export interface UnreadableFile {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
}

/**
 * True when a text has the form of a lock, which `run` writes beside a pipeline file, whatever the name of its file.
 */
export const isLock = (text: string): boolean =>
  [/^format: \d+\r?$/m, /^madeWith:/m, /^stages:/m].every((key) => key.test(text));

/** True when a file is a lock, by its content. */
export async function isLockFile(file: string): Promise<boolean> {
  const text = await readText(file);
  return typeof text === 'string' && isLock(text);
}

/** The text of a UTF-8 file, or what is wrong with the file. */
export async function readText(file: string): Promise<string | UnreadableFile> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readWhole(file));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    if (reason === 'ENOENT' || reason === 'ENOTDIR')
      return {
        code: 'file-missing',
        message: 'There is no such file.',
        remedy: 'Check the path and the current folder.',
      };
    if (reason === 'EISDIR')
      return { code: 'file-is-folder', message: 'A pipeline file was expected; this is a folder.' };
    if (reason === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return {
        code: 'not-utf8',
        message: 'The file is not UTF-8 text.',
        remedy: 'Save it with the encoding UTF-8.',
      };
    const known = systemProblem(error);
    return {
      code: 'file-unreadable',
      message: `The file cannot be read: ${known?.found ?? String(error)}.`,
      ...(known && { remedy: known.remedy }),
    };
  }
}
