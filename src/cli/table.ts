import type { ChalkInstance } from 'chalk';
import { fit } from './renderers/live-lines.js';

import stringWidth from 'string-width';

interface Cell {
  readonly text: string;
  /** Applied after the text has been cut to its width. */
  readonly style?: (text: string) => string;
}

export interface Column {
  readonly heading: string;
  readonly cells: readonly Cell[];
  readonly align?: 'right';
  /** Left out where the table would be too wide; of several, the higher first. */
  readonly leaveOut?: number;
  /** Cut where the table would still be too wide. */
  readonly flexible?: boolean;
  /** Put on a line of its own below each row where little of it would fit beside the others. */
  readonly below?: boolean;
}

const gap = '  ';
const leastFlexible = 16;
/** Columns of text from which on a `below` column stands beside the others. */
const leastBeside = 32;

/**
 * A table for a terminal of `width` columns; `Infinity` where the text goes elsewhere and nothing may be cut. Headings
 * are in capitals and dim, and take several lines where the table would be too wide; the last column is not padded.
 */
export function formatTable(columns: readonly Column[], width: number, { dim }: ChalkInstance): string {
  const below = columns.find((column) => column.below === true && !fitsBeside(column, columns, width));
  const shown = fittingColumns(
    below === undefined ? columns : columns.filter((column) => column !== below),
    width,
  );
  const widths = widthsOf(shown, width);
  const row = (cells: readonly Cell[]): string =>
    cells
      .map(({ text, style = (plain: string) => plain }, i) => {
        const cut = widthOf(text) <= widths[i]! ? text : fit(text, widths[i]!);
        const padding = ' '.repeat(Math.max(0, widths[i]! - widthOf(cut)));
        if (shown[i]!.align === 'right') return padding + style(cut);
        return style(cut) + (i === shown.length - 1 ? '' : padding);
      })
      .join(gap)
      .trimEnd();
  const headings = shown.map(({ heading }, i) => wrapped(heading.toUpperCase(), widths[i]!));
  const height = Math.max(0, ...headings.map(({ length }) => length));
  // Their last lines stand next to the values.
  const head = Array.from({ length: height }, (_, k) =>
    row(headings.map((lines) => ({ text: lines[lines.length - height + k] ?? '', style: dim }))),
  );
  const count = Math.max(0, ...shown.map(({ cells }) => cells.length));
  const rows = Array.from({ length: count }, (_, i) => {
    const line = row(shown.map(({ cells }) => cells[i]!));
    const text = below?.cells[i]?.text ?? '';
    return text === '' ? line : `${line}\n${gap}${dim(fit(text, width - gap.length))}`;
  });
  return [...head, ...rows, ''].join('\n');
}

function fitsBeside(column: Column, columns: readonly Column[], width: number): boolean {
  const others = columns.filter((other) => other !== column && other.leaveOut === undefined);
  return total([...others.map(naturalWidth), Math.min(leastBeside, naturalWidth(column))]) <= width;
}

function fittingColumns(columns: readonly Column[], width: number): readonly Column[] {
  let shown = columns.filter(({ cells }) => cells.some(({ text }) => text !== ''));
  for (;;) {
    const least = shown.map((column) =>
      column.flexible ? Math.min(leastFlexible, naturalWidth(column)) : wrappedWidth(column),
    );
    const next = shown
      .filter(({ leaveOut }) => leaveOut !== undefined)
      .sort((a, b) => b.leaveOut! - a.leaveOut!)[0];
    if (total(least) <= width || next === undefined) return shown;
    shown = shown.filter((column) => column !== next);
  }
}

function widthsOf(columns: readonly Column[], width: number): readonly number[] {
  const natural = columns.map(naturalWidth);
  const flexible = columns.flatMap(({ flexible }, i) => (flexible ? [i] : []));
  // Headings wrap before anything is cut: those first that are the widest beyond what their column needs.
  const least = columns.map(wrappedWidth);
  for (let excess = total(natural) - width; excess > 0; excess--) {
    const slack = natural.map((own, i) => (flexible.includes(i) ? 0 : own - least[i]!));
    const most = slack.indexOf(Math.max(...slack));
    if (most < 0 || slack[most]! <= 0) break;
    natural[most]!--;
  }
  // The widest of them gives way first, so that in the end they are about as wide as each other.
  for (let excess = total(natural) - width; excess > 0; excess--) {
    const widest = flexible.reduce((a, b) => (natural[b]! >= natural[a]! ? b : a), flexible[0] ?? -1);
    if (widest < 0 || natural[widest]! <= leastFlexible) break;
    natural[widest]!--;
  }
  return natural;
}

const naturalWidth = ({ heading, cells }: Column): number =>
  cells.reduce((widest, { text }) => Math.max(widest, widthOf(text)), stringWidth(heading));

/** Width of a column whose heading has as many lines as it has words. */
const wrappedWidth = ({ heading, cells }: Column): number =>
  cells.reduce(
    (widest, { text }) => Math.max(widest, widthOf(text)),
    Math.max(...heading.split(' ').map((word) => stringWidth(word))),
  );

/** Lines of words that are no wider than the width, unless a word is. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)!} ${word}`;
    if (lines.length > 0 && stringWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Columns that a text takes; letters and marks that we use take one each, which is quickly told. */
const widthOf = (text: string): number =>
  /^[ -~·×–−…†‖●★✓✗¹²³⁰⁴-⁹⁻]*$/.test(text) ? text.length : stringWidth(text);

const total = (widths: readonly number[]): number =>
  widths.reduce((sum, own) => sum + own, 0) + gap.length * Math.max(0, widths.length - 1);
