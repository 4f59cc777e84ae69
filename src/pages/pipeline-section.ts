import { counted, formatDuration } from '../base/format.js';
import { figure, figuresOf } from './figures.js';
import { type GraphLayout, layoutGraph, type PlacedEdge } from './graph.js';
import { type Html, html, outcomeText, type ReportedStage, type Section } from './html.js';
import type { KindPages } from './kinds.js';

/** Height of a row and of a lane, in CSS pixels, and width of a column in the drawing's own units. */
const row = 152;
const lane = 16;
const column = 100;
/** Letters of a label that has the room of two figures on a card, for itself. */
const longLabel = 16;
/** Free room left and right of a card, in the same units as `column`: the style sheet has the cards' width, 86 % of it. */
const gap = 7;

/** The stages as a graph: cards from left to right on a wide page, a list on a narrow one. */
export function pipelineSection(stages: readonly ReportedStage[]): Section {
  const layout = layoutGraph(stages.map(({ stage, after }) => ({ id: stage, after })));
  const height = layout.rows * row + (layout.lanes > 0 ? (layout.lanes + 0.5) * lane : 0);
  return {
    id: 'pipeline',
    title: 'Pipeline',
    body: html`<div class="graph-frame">
      <div
        class="graph"
        style="--columns:${layout.columns};--span:${layout.columns - (2 * gap) / column};--row-height:${row}px;--height:${height}px"
      >
        <svg
          viewBox="${gap} 0 ${layout.columns * column - 2 * gap} ${height}"
          preserveAspectRatio="none"
          aria-hidden="true"
          focusable="false"
        >
          ${layout.edges.map((edge) => html`<path class="edge" d="${line(edge, layout)}" />`)}
        </svg>
        <ol>
          ${layout.nodes.map((node, i) => card(stages[i]!, node.column, node.row))}
        </ol>
      </div>
    </div>`,
  };
}

function card(stage: ReportedStage, left: number, top: number): Html {
  const [first, ...rest] = figuresOf(stage);
  const isLong = first !== undefined && first.label.length > longLabel;
  const figures = first === undefined ? [] : [first, ...(isLong ? [] : rest.slice(0, 1))];
  return html`<li class="${stage.after.length > 0 && 'reads'}" style="--column:${left};--row:${top}">
    <a class="card" href="#stage-${stage.stage}">
      ${stage.kind !== stage.stage && html`<span class="kind">${stage.kind}</span>`}
      <strong>${stage.stage}</strong>
      ${stage.after.length > 0 && html`<span class="after">after ${stage.after.join(', ')}</span>`}
      <span class="card-figures">
        ${figures.map(({ value, label }) => html`<span class="${isLong && 'long'}"><b>${value}</b> ${label}</span>`)}
      </span>
      <span class="time">${timeOf(stage)}</span>
    </a>
  </li>`;
}

function timeOf({ outcome, seconds }: ReportedStage): Html {
  const took = html`<span class="took"><span class="unseen">took </span>${formatDuration(seconds)}</span>`;
  if (outcome === undefined) return took;
  return html`<span class="state ${outcome.status}">${outcomeText(outcome)}</span
    >${seconds > 0 && html` · ${took}`}`;
}

/** A smooth line between two cards, by way of its lane where it has one. */
function line({ from, to, lane: own }: PlacedEdge, { rows }: GraphLayout): string {
  const start = [(from.column + 1) * column - gap, (from.row + 0.5) * row] as const;
  const end = [to.column * column + gap, (to.row + 0.5) * row] as const;
  if (own === undefined)
    return `M${start.join(' ')}C${start[0] + gap} ${start[1]} ${end[0] - gap} ${end[1]} ${end.join(' ')}`;
  const y = rows * row + (own + 0.5) * lane;
  const [out, into] = [start[0] + gap * 0.9, end[0] - gap * 0.9];
  const turn = gap * 0.6;
  return [
    `M${start.join(' ')}`,
    `C${out} ${start[1]} ${out} ${start[1]} ${out} ${start[1] + lane}`,
    `V${y - lane}Q${out} ${y} ${out + turn} ${y}`,
    `H${into - turn}Q${into} ${y} ${into} ${y - lane}`,
    `V${end[1] + lane}C${into} ${end[1]} ${into} ${end[1]} ${end.join(' ')}`,
  ].join('');
}

/** Totals over the stages: time, sizes, counts. */
export function totals(
  stages: readonly ReportedStage[],
  pages: KindPages,
): readonly { label: string; value: string }[] {
  const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const sums = Array.from(pages, ([kind, { total }]) => {
    const values = stages.flatMap(({ kind: own, summary }) => {
      const value = total !== undefined && own === kind ? summary[total] : undefined;
      return typeof value === 'number' ? value : [];
    });
    return { name: total ?? '', sum: values.reduce((a, b) => a + b, 0) };
  });
  return [
    { label: `in ${counted(stages.length, 'stage')}`, value: formatDuration(seconds) },
    ...sums.flatMap(({ name, sum }) => {
      const { label, value } = figure(name, sum);
      return sum > 0 ? [{ label, value }] : [];
    }),
  ];
}
