import { capitalized, counted, formatCount, formatDuration } from '../base/format.js';
import {
  curvePath,
  linearScale,
  logScale,
  roomyScale,
  rules,
  type Scale,
  type Series,
  seriesOf,
  side,
  stepLabels,
  thin,
  valueLabels,
} from './chart/axes.js';
import { figure } from './figures.js';
import { type Html, html, type ReportedStage, type Section } from './html.js';
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

interface ChartOptions {
  /** Id in the page. */
  readonly id: string;
  /** A `large` one has room for more labels. */
  readonly size: 'large' | 'small';
}

/**
 * A curve as a figure: the values faint, their smoothed course strong, once on a linear and, where all values are
 * positive, once on a logarithmic scale. The style sheet shows one of them; the script adds the read-out.
 */
function chart(full: Series, { id, size }: ChartOptions): Html {
  const series = thin(full);
  const ticks = size === 'large' ? 5 : 3;
  const [low, high] = [Math.min(...series.values), Math.max(...series.values)];
  const x = linearScale(series.steps[0]!, series.steps.at(-1)!, size === 'large' ? 6 : 4);
  const scales = [roomyScale(low, high, ticks), ...(low > 0 ? [logScale(low, high, ticks)] : [])];
  const label = capitalized(figure(series.name, 0).label);
  return html`<figure class="chart ${size}" id="${id}" data-chart="${dataOf(series, x, scales)}">
    <figcaption>
      <span class="chart-name" id="${id}-name">${label}</span>
      <output class="readout" for="${id}-scrub">${latest(series)}</output>
    </figcaption>
    <div class="plot${scales.length > 1 && ' has-log'}">
      <div class="ticks" aria-hidden="true">${scales.map(valueLabels)} ${stepLabels(x)}</div>
      <div class="canvas">
        <svg
          viewBox="0 0 ${side} ${side}"
          preserveAspectRatio="none"
          role="img"
          aria-label="${describe(full, label)}"
        >
          ${scales.map((scale) => curves(series, x, scale))}
        </svg>
        <input
          class="scrub"
          id="${id}-scrub"
          type="range"
          min="0"
          max="${series.steps.length - 1}"
          value="${series.steps.length - 1}"
          aria-label="${label} by step"
          hidden
        />
      </div>
    </div>
  </figure>`;
}

function curves(series: Series, x: Scale, scale: Scale): Html {
  const path = (values: readonly number[]) => curvePath(series.steps, values, x, scale);
  const isSmoothed = series.smoothed.some((value, i) => value !== series.values[i]);
  return html`<g class="${scale.kind}">
    ${rules(scale)} ${isSmoothed && html`<path class="raw" d="${path(series.values)}" />`}
    <path class="${series.steps.length === 1 ? 'curve dot' : 'curve'}" d="${path(series.smoothed)}" />
  </g>`;
}

/** Data with which the script places a cursor and reads values out. */
function dataOf(series: Series, x: Scale, scales: readonly Scale[]): string {
  return JSON.stringify({
    steps: series.steps,
    values: series.values.map((value) => Number(value.toPrecision(6))),
    text: series.values.map((value) => figure(series.name, value).value),
    x: x.domain,
    ...Object.fromEntries(scales.map(({ kind, domain }) => [kind, domain])),
  });
}

function latest({ name, steps, values }: Series): string {
  return `${figure(name, values.at(-1)!).value} at step ${formatCount(steps.at(-1)!)}`;
}

/** The curve in words, for those who do not see it. */
function describe({ name, steps, values }: Series, label: string): string {
  const at = (i: number) => `${figure(name, values[i]!).value} at step ${formatCount(steps[i]!)}`;
  if (steps.length === 1) return `${label}: ${at(0)}.`;
  const lowest = values.indexOf(Math.min(...values));
  const highest = values.indexOf(Math.max(...values));
  return `${label} over ${formatCount(steps.length)} points: ${at(0)}, ${at(steps.length - 1)}; lowest ${at(lowest)}, highest ${at(highest)}.`;
}
