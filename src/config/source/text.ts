/** A text that a configuration came from: a file, or a `--set` option. */
export interface SourceText {
  /** Absolute path of the file, or `--set`. */
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

/** Where a span is, for people: lines and columns are counted from 1, columns in UTF-16 code units. */
export interface Location {
  /** Absolute path of the file, or `--set`. */
  readonly file: string;
  /** From 1; the number of the option for `--set`; 0 where the file as a whole is meant. */
  readonly line: number;
  readonly column: number;
  /** Column after the last character, on the same line; a span of several lines ends with its first. */
  readonly endColumn: number;
  /** The whole line, without its line break. */
  readonly sourceLine: string;
}

/** Name that stands for the file of a `--set` option. */
export const optionFile = '--set';

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
