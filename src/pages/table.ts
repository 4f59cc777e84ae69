import { Html, html, type Part } from './html.js';

export interface Table {
  /** Class of the table. */
  readonly kind?: string;
  /** Names the frame that a wide table is scrolled in. Without it there is none. */
  readonly label?: string;
  readonly caption?: string;
  readonly columns: readonly (Column | string)[];
  /** In groups with a heading of their own, where there are groups. */
  readonly rows: readonly Row[] | readonly RowGroup[];
  /** The last row, below a line. */
  readonly foot?: readonly Part[];
}

export interface Column {
  readonly heading: Part;
  /** True where its cells name their rows: those of the first column unless another one says so. */
  readonly namesRows?: boolean;
  /** Class of its cells. */
  readonly kind?: string;
}

/** Cells from left to right. */
export type Row = readonly Cell[] | MarkedRow;

interface MarkedRow {
  readonly kind?: string | undefined;
  /** Number of the run that it is about, by which charts and pictures know it. */
  readonly run?: number | undefined;
  readonly cells: readonly Cell[];
}

/** Content, with what the column is sorted by where that is something else. */
export type Cell = Part | { readonly content: Part; readonly sortedBy: string | number };

export interface RowGroup {
  readonly heading: string;
  /** Class of the heading's row. */
  readonly kind?: string | undefined;
  readonly rows: readonly Row[];
}

/** A table with headings for its columns and its rows. */
export function table({ kind, label, caption, columns, rows, foot }: Table): Html {
  const all = columns.map((column) => (typeof column === 'string' ? { heading: column } : column));
  const named = Math.max(
    0,
    all.findIndex(({ namesRows }) => namesRows),
  );
  const row = rowOf(all, named);
  const head = all.map(({ heading, kind: own }) => element('th', { scope: 'col', class: own }, heading));
  const markup = element('table', { class: kind }, [
    caption !== undefined && element('caption', {}, caption),
    element('thead', {}, element('tr', {}, head)),
    isGrouped(rows) ? rows.map(groupOf(all.length, row)) : element('tbody', {}, rows.map(row)),
    foot && element('tfoot', {}, row(foot)),
  ]);
  return label === undefined
    ? markup
    : html`<div class="frame" role="group" aria-label="${label}" tabindex="0">${markup}</div>`;
}

const isGrouped = (rows: Table['rows']): rows is readonly RowGroup[] =>
  rows[0] !== undefined && 'rows' in rows[0];

function groupOf(width: number, row: (row: Row) => Html) {
  return ({ heading, kind, rows }: RowGroup): Html => {
    const title = element('th', { class: 'group', scope: 'rowgroup', colspan: width }, heading);
    return element('tbody', {}, [element('tr', { class: kind }, title), ...rows.map(row)]);
  };
}

function rowOf(columns: readonly Column[], named: number) {
  return (row: Row): Html => {
    const { kind, run, cells }: MarkedRow = 'cells' in row ? row : { cells: row };
    return element(
      'tr',
      { class: kind, 'data-run': run },
      cells.map((cell, i) => cellOf(cell, columns[i]!, i === named)),
    );
  };
}

function cellOf(cell: Cell, { kind }: Column, namesRow: boolean): Html {
  const { content, sortedBy }: { content: Part; sortedBy?: string | number } =
    typeof cell === 'object' && 'sortedBy' in cell ? cell : { content: cell };
  const attributes = { class: kind, 'data-value': sortedBy };
  return namesRow
    ? element('th', { scope: 'row', ...attributes }, content)
    : element('td', attributes, content);
}

/** An element with those of its attributes that have a value. */
function element(
  name: 'table' | 'caption' | 'thead' | 'tbody' | 'tfoot' | 'tr' | 'th' | 'td',
  attributes: Readonly<Record<string, string | number | undefined>>,
  content: Part,
): Html {
  const written = Object.entries(attributes).map(
    ([key, value]) => value !== undefined && [new Html(` ${key}="`), value, new Html('"')],
  );
  return html`${new Html(`<${name}`)}${written}${new Html('>')}${content}${new Html(`</${name}>\n`)}`;
}

/** A bar before a number in a column, as wide as its share of the whole. */
export function bar(share: number): Html {
  return html`<span class="bar" style="--share:${Math.round(share * 1000) / 10}%"></span>`;
}
