import { capitalized, formatCount } from '../../base/format.js';
import { figure, measured, unitOf } from '../figures.js';
import { type Html, html, type Part, spreadToEnd } from '../html.js';
import { table } from '../table.js';
import {
  acrossLabels,
  courseOf,
  curvePath,
  firstSmoothing,
  linearScale,
  logScale,
  roomyScale,
  rules,
  type Scale,
  type Series,
  side,
  thin,
  valueLabels,
} from './axes.js';

/** One of the curves of a figure. */
export interface Curve {
  /** Number of its run among those of the frame. */
  readonly run: number;
  /** Name that tells it from the others. */
  readonly name: string;
  /** Number of the page's line style, from 0: the same for a run in every chart. */
  readonly line: number;
  readonly series: Series;
}

/** Runs of a frame that differ in their seed alone. */
export interface SeedGroup {
  readonly name: string;
  readonly line: number;
}

/** Horizontal axes that the charts of a frame share. */
export interface Axes {
  readonly step: Scale;
  /** Others that can be chosen, with ticks in a unit of their own. */
  readonly others: readonly { readonly kind: string; readonly scale: Scale }[];
}

/** Lines that the style sheet tells apart: six colours, each with two kinds of dashes. */
export const distinctLines = 12;

/** Rows of the table below the curves. */
export const mostRows = 12;
/** Ratio of the largest to the smallest value from which on the logarithmic scale shows more. */
const wide = 5;

interface ChartOptions {
  /** Id in the page. */
  readonly id: string;
  /** A `large` one has room for more labels. */
  readonly size: 'large' | 'small';
  readonly axes: Axes;
  readonly isLog: boolean;
  readonly groups: readonly SeedGroup[];
}

/** True for values of which the logarithmic scale shows more. */
export function showsMoreOnLog(values: readonly number[]): boolean {
  const [low, high] = [least(values), greatest(values)];
  return low > 0 && high / low >= wide;
}

/**
 * Curves of one figure over each other: their points faint, their course strong, on a linear and, where all values are
 * positive, on a logarithmic scale. Of several there is a legend and a table. The script draws them by what is chosen, and
 * adds the read-out.
 */
export function chart(curves: readonly Curve[], { id, size, axes, isLog, groups }: ChartOptions): Html {
  const { name } = curves[0]!.series;
  const label = capitalized(figure(name, 0).label);
  const unit = unitOf(name);
  const drawn = curves.map((curve) => ({ ...curve, series: thin(asDrawn(curve.series)) }));
  const values = drawn.flatMap(({ series }) => series.values);
  const [low, high] = [least(values), greatest(values)];
  const ticks = size === 'large' ? 5 : 3;
  const scales = [roomyScale(low, high, ticks), ...(low > 0 ? [logScale(low, high, ticks)] : [])];
  const first = scales[isLog ? scales.length - 1 : 0]!;
  const isOne = curves.length === 1;
  const most = greatest(drawn.map(({ series }) => series.steps.length));
  return html`<figure
    class="chart ${size}${!isOne && ' overlay'}"
    id="${id}"
    data-chart="${dataOf(curves, drawn, scales)}"
  >
    <figcaption>
      <span class="chart-name">${label}${unit !== '' && html`<span class="unit">, ${unit}</span>`}</span>
      <output class="readout">${isOne && latest(curves[0]!.series)}</output>
    </figcaption>
    ${!isOne && legend(curves)} ${groups.length > 0 && groupLegend(groups)}
    <div class="plot${scales.length > 1 && ' has-log'}">
      <div class="ticks" aria-hidden="true">
        ${scales.map(valueLabels)} ${acrossLabels('step', axes.step)}
        ${axes.others.map(({ kind, scale }) => acrossLabels(kind, scale))}
      </div>
      <div class="canvas">
        <svg
          class="drawing"
          viewBox="0 0 ${side} ${side}"
          preserveAspectRatio="none"
          role="img"
          aria-label="${isOne ? describe(curves[0]!.series, label) : describeAll(curves, label)}"
        >
          ${scales.map((scale) => html`<g class="${scale.kind}">${rules(scale)} ${scale === first && lines(drawn, axes.step, scale)}</g>`)}
        </svg>
        <input
          class="scrub"
          type="range"
          min="0"
          max="${Math.max(1, most - 1)}"
          value="${Math.max(1, most - 1)}"
          aria-label="${label}${!isOne && ' of all runs'} by step"
          hidden
        />
      </div>
    </div>
    ${!isOne && numbers(curves, label)}
  </figure>`;
}

/** The values in the unit in which they are drawn. */
function asDrawn(series: Series): Series {
  return { ...series, values: series.values.map((value) => measured(series.name, value)) };
}

/** Lines of the first curves; the script draws others too where they are chosen. */
function lines(all: readonly Curve[], x: Scale, y: Scale): Part {
  const curves = all.filter(({ run }) => run < distinctLines);
  const range = x.domain[1] - x.domain[0];
  const raw = curves.map(
    ({ line, series }) =>
      series.steps.length > 1 &&
      html`<path
        class="raw line-${line % distinctLines}"
        d="${curvePath(series.steps, series.values, x, y)}"
      />`,
  );
  const smooth = curves.map(({ line, series }) => {
    const course = courseOf(series, range, firstSmoothing);
    return html`<path
      class="curve line-${line % distinctLines}${series.steps.length === 1 && ' dot'}"
      d="${curvePath(course.steps, course.values, x, y)}"
    />`;
  });
  return [...raw, ...smooth];
}

function legend(curves: readonly Curve[]): Html {
  return html`<ul class="legend">
    ${curves.map(
      ({ name, line, series }, i) =>
        html`<li>
          ${swatch(line)} <bdi>${name}</bdi>
          <output data-curve="${i}">${figure(series.name, series.values.at(-1)!).value}</output>
        </li>`,
    )}
  </ul>`;
}

function groupLegend(groups: readonly SeedGroup[]): Html {
  return html`<ul class="legend by-seeds" hidden>
    ${groups.map(({ name, line }, i) => html`<li>${swatch(line)} <bdi>${name}</bdi> <output data-group="${i}"></output></li>`)}
  </ul>`;
}

/** A short piece of a run's line, for legends. */
export function swatch(line: number): Html {
  return html`<svg class="swatch" viewBox="0 0 28 8" aria-hidden="true" focusable="false">
    <path class="curve line-${line % distinctLines}" d="M1 4H27" />
  </svg>`;
}

/** Data from which the script draws the curves, places cursors and reads values out. */
function dataOf(curves: readonly Curve[], drawn: readonly Curve[], scales: readonly Scale[]): string {
  const short = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(6)));
  return JSON.stringify({
    unit: unitOf(curves[0]!.series.name),
    y: Object.fromEntries(scales.map(({ kind, domain }) => [kind, domain])),
    curves: drawn.map(({ run, line, series: { name, steps, values, means } }, c) => {
      const texts = new Map(curves[c]!.series.steps.map((step, i) => [step, curves[c]!.series.values[i]!]));
      return {
        ...{ run, line: line % distinctLines, steps, values: short(values) },
        text: steps.map((step) => figure(name, texts.get(step)!).value),
        ...(means && { means: { steps: short(means.steps), values: short(means.values) } }),
      };
    }),
  });
}

function numbers(curves: readonly Curve[], label: string): Html {
  const steps = [...new Set(curves.flatMap(({ series }) => series.steps))].sort((a, b) => a - b);
  return html`<details>
    <summary>Numbers<span class="unseen"> of ${label}</span></summary>
    ${table({
      label: `${label} by step`,
      columns: ['Step', ...curves.map(({ name }) => ({ heading: html`<bdi>${name}</bdi>` }))],
      rows: spreadToEnd(steps, mostRows).map((step) => [
        formatCount(step),
        ...curves.map(({ series }) => textAt(series, step)),
      ]),
    })}
  </details>`;
}

function textAt({ name, steps, values }: Series, step: number): Part {
  const i = steps.indexOf(step);
  return i < 0 ? '–' : figure(name, values[i]!).value;
}

function latest({ name, steps, values }: Series): string {
  return `${figure(name, values.at(-1)!).value} at step ${formatCount(steps.at(-1)!)}`;
}

/** The curve in words, for those who do not see it. */
function describe({ name, steps, values }: Series, label: string): string {
  const at = (i: number) => `${figure(name, values[i]!).value} at step ${formatCount(steps[i]!)}`;
  if (steps.length === 1) return `${label}: ${at(0)}.`;
  const lowest = values.indexOf(least(values));
  const highest = values.indexOf(greatest(values));
  return `${label} over ${formatCount(steps.length)} points: ${at(0)}, ${at(steps.length - 1)}; lowest ${at(lowest)}, highest ${at(highest)}.`;
}

function describeAll(curves: readonly Curve[], label: string): string {
  const ends = curves.map(({ name, series }) => `${name} ${latest(series)}`);
  return `${label} of ${curves.length} runs over steps, at the end: ${ends.join(', ')}.`;
}

/** Least of the values; they are not spread into `Math.min`, as there may be more values than a call takes. */
const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Infinity);
const greatest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);

/** An axis over steps, or what grows with them. */
export const axis = (values: readonly number[], unit = 1): Scale =>
  linearScale(least(values) / unit, greatest(values) / unit, 5);
