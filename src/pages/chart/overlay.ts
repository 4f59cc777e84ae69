import { capitalized, formatCount } from '../../base/format.js';
import { figure } from '../figures.js';
import { type Html, html, type Part } from '../html.js';
import { table } from '../table.js';
import {
  curvePath,
  linearScale,
  logScale,
  roomyScale,
  round,
  rules,
  type Scale,
  type Series,
  side,
  stepLabels,
  thin,
  valueLabels,
} from './axes.js';

/** One of several curves of the same figure. */
export interface OverlaidCurve {
  /** Name that tells it from the others. */
  readonly name: string;
  /** Number of the page's line style, from 0: the same for a run in every chart. */
  readonly line: number;
  readonly series: Series;
}

/** Lines that the style sheet tells apart: six colours, each with two kinds of dashes. */
export const distinctLines = 12;

/** Rows of the table below the curves. */
const mostRows = 12;

/** Curves of one figure over each other, with a legend, a read-out at a step, and a table of the same. */
export function overlay(curves: readonly OverlaidCurve[], id: string): Html {
  const { name } = curves[0]!.series;
  const label = capitalized(figure(name, 0).label);
  const thinned = curves.map((curve) => ({ ...curve, series: thin(curve.series) }));
  const values = thinned.flatMap(({ series }) => series.smoothed);
  const steps = thinned.flatMap(({ series }) => series.steps);
  const [low, high] = [least(values), greatest(values)];
  const x = linearScale(least(steps), greatest(steps), 6);
  const scales = [roomyScale(low, high, 5), ...(low > 0 ? [logScale(low, high, 5)] : [])];
  const most = greatest(thinned.map(({ series }) => series.steps.length));
  return html`<figure class="chart large overlay" id="${id}" data-overlay="${dataOf(thinned, x, scales)}">
    <figcaption><span class="chart-name">${label}</span> <span class="readout"></span></figcaption>
    <ul class="legend">
      ${curves.map(
        ({ name: own, line, series }, i) =>
          html`<li>
            ${swatch(line)} <bdi>${own}</bdi>
            <output data-curve="${i}">${figure(name, series.values.at(-1)!).value}</output>
          </li>`,
      )}
    </ul>
    <div class="plot${scales.length > 1 && ' has-log'}">
      <div class="ticks" aria-hidden="true">${scales.map(valueLabels)} ${stepLabels(x)}</div>
      <div class="canvas">
        <svg
          viewBox="0 0 ${side} ${side}"
          preserveAspectRatio="none"
          role="img"
          aria-label="${describe(curves, label)}"
        >
          ${scales.map(
            (y) =>
              html`<g class="${y.kind}">
                ${rules(y)}
                ${thinned.map(
                  ({ line, series }) =>
                    html`<path
                      class="curve line-${line % distinctLines}${series.steps.length === 1 && ' dot'}"
                      d="${curvePath(series.steps, series.smoothed, x, y)}"
                    />`,
                )}
              </g>`,
          )}
        </svg>
        <input
          class="scrub"
          type="range"
          min="0"
          max="${Math.max(1, most - 1)}"
          value="${Math.max(1, most - 1)}"
          aria-label="${label} of all runs by step"
          hidden
        />
      </div>
    </div>
    ${numbers(curves, label)}
  </figure>`;
}

/** A short piece of a run's line, for legends. */
export function swatch(line: number): Html {
  return html`<svg class="swatch" viewBox="0 0 28 8" aria-hidden="true" focusable="false">
    <path class="curve line-${line % distinctLines}" d="M1 4H27" />
  </svg>`;
}

function dataOf(curves: readonly OverlaidCurve[], x: Scale, scales: readonly Scale[]): string {
  return JSON.stringify({
    x: x.domain,
    curves: curves.map(({ series }) => ({
      steps: series.steps,
      text: series.values.map((value) => figure(series.name, value).value),
      at: Object.fromEntries(
        scales.map((scale) => [scale.kind, series.smoothed.map((value) => round(scale.place(value) * 100))]),
      ),
    })),
  });
}

function numbers(curves: readonly OverlaidCurve[], label: string): Html {
  const steps = [...new Set(curves.flatMap(({ series }) => series.steps))].sort((a, b) => a - b);
  const count = Math.min(mostRows, steps.length);
  const shown = Array.from(
    { length: count },
    (_, i) => steps[Math.round((i * (steps.length - 1)) / Math.max(1, count - 1))]!,
  );
  return html`<details>
    <summary>Numbers<span class="unseen"> of ${label}</span></summary>
    ${table({
      label: `${label} by step`,
      columns: ['Step', ...curves.map(({ name }) => ({ heading: html`<bdi>${name}</bdi>` }))],
      rows: shown.map((step) => [formatCount(step), ...curves.map(({ series }) => valueAt(series, step))]),
    })}
  </details>`;
}

function valueAt({ name, steps, values }: Series, step: number): Part {
  const i = steps.indexOf(step);
  return i < 0 ? '–' : figure(name, values[i]!).value;
}

function describe(curves: readonly OverlaidCurve[], label: string): string {
  const ends = curves.map(({ name, series }) => {
    const last = series.values.length - 1;
    return `${name} ${figure(series.name, series.values[last]!).value} at step ${formatCount(series.steps[last]!)}`;
  });
  return `${label} of ${curves.length} runs over steps, at the end: ${ends.join(', ')}.`;
}

/** Least of the values; they are not spread into `Math.min`, as there may be more values than a call takes. */
const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Infinity);
const greatest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);
