import { capitalized, counted, formatCount, formatDuration } from '../base/format.js';
import { type Series, seriesOf } from './chart/axes.js';
import { chart } from './chart/chart.js';
import { figure } from './figures.js';
import { type Html, html } from './html.js';
import type { ReportedStage, Section } from './section.js';
import { table } from './table.js';

/** Rows of the table below the curves. */
const mostRows = 12;
/** Ratio of the largest to the smallest value from which on the logarithmic scale shows more. */
const wide = 5;

/** Section with the curves and numbers that a stage logged while it trained. */
export function curvesSection(stage: ReportedStage): Section | undefined {
  const series = seriesOf(stage.metrics);
  const [first] = series;
  if (first === undefined) return undefined;
  const id = `curves-${stage.stage}`;
  const main = series.find(({ name }) => name === 'loss') ?? first;
  const others = series.filter((one) => one !== main);
  const last = main.steps.at(-1)!;
  return {
    id,
    title: 'Training',
    stage: stage.stage,
    lead: `${counted(last, 'step')} in ${formatDuration(stage.seconds)} · ${figure(main.name, 0).label} ${figure(main.name, main.smoothed.at(-1)!).value} at the end`,
    body: html`<div class="curves">
      ${scaleChoice(id, main.values)} ${chart(main, { id: `${id}-${main.name}`, size: 'large' })}
      <div class="small-charts">
        ${others.map((one) => chart(one, { id: `${id}-${one.name}`, size: 'small' }))}
      </div>
      ${numbers([main, ...others], stage)}
    </div>`,
  };
}

/** A choice between the two scales for the curves around it; the one that shows more is chosen at first. */
export function scaleChoice(id: string, values: readonly number[]): Html {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const isLog = low > 0 && high / low >= wide;
  const option = (kind: string, label: string, checked: boolean) =>
    html`<label
      ><input
        type="radio"
        name="${id}-scale"
        class="${kind}-scale"
        value="${kind}"
        ${checked && html` checked`}
      /><span>${label}</span></label
    >`;
  return html`<fieldset class="choice">
    <legend>Scale</legend>
    ${option('linear', 'Linear', !isLog)} ${option('log', 'Logarithmic', isLog)}
  </fieldset>`;
}

function numbers(series: readonly Series[], { metrics, stage }: ReportedStage): Html {
  const count = Math.min(mostRows, metrics.length);
  const rows = Array.from(
    { length: count },
    (_, i) => metrics[Math.round((i * (metrics.length - 1)) / Math.max(1, count - 1))]!,
  );
  return html`<details>
    <summary>
      Numbers${rows.length < metrics.length && html` <small>${rows.length} of ${formatCount(metrics.length)} points</small>`}
    </summary>
    ${table({
      label: `Figures of ${stage} by step`,
      columns: ['Step', ...series.map(({ name }) => capitalized(figure(name, 0).label))],
      rows: rows.map((record) => [
        formatCount(record.step),
        ...series.map(({ name }) => valueOf(record, name)),
      ]),
    })}
  </details>`;
}

function valueOf(record: Readonly<Record<string, number>>, name: string): string {
  const value: unknown = record[name];
  return typeof value === 'number' ? figure(name, value).value : '–';
}
