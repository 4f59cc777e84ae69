import { capitalized, counted, formatCount, formatDuration } from '../base/format.js';
import { type Series, seriesOf } from './chart/axes.js';
import { mostRows } from './chart/chart.js';
import { chartsFrame } from './chart/frame.js';
import { figure, figuresOf } from './figures.js';
import { type Html, html, type ReportedStage, type Section, spreadToEnd } from './html.js';
import { table } from './table.js';

/** Section with the curves and numbers that a stage logged while it trained. */
export function curvesSection(stage: ReportedStage): Section | undefined {
  const { stage: name, metrics, seconds, headline } = stage;
  const series = seriesOf(metrics);
  if (series.length === 0) return undefined;
  const id = `curves-${name}`;
  const steps = counted(metrics.at(-1)!.step, 'step');
  const [judged] = headline === undefined ? [] : figuresOf(stage);
  return {
    id,
    title: 'Training',
    stage: name,
    folded: 'narrow',
    lead: `${seconds > 0 ? `${steps} in ${formatDuration(seconds)}` : `${steps} so far`}${judged === undefined ? '' : ` · ${judged.label} ${judged.value}`}`,
    body: chartsFrame(id, [{ name, line: 0, metrics }], numbers(series, stage)),
  };
}

function numbers(series: readonly Series[], { metrics, stage }: ReportedStage): Html {
  const rows = spreadToEnd(metrics, mostRows);
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
