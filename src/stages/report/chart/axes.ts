import { formatTick } from '../markup/format.js';
import { type Html, type Part, html } from '../markup/html.js';
import type { Scale } from './scale.js';

/** Units of a drawing's own coordinates along each side; the page stretches it to the room there is. */
export const side = 1000;

/** Labels of the vertical axis. Text stands beside the drawing, for a stretched drawing would stretch it too. */
export function valueLabels(scale: Scale): Part {
  return scale.ticks.map(
    (tick) =>
      html`<span class="tick y ${scale.kind}" style="--at:${percent(scale.place(tick))}" aria-hidden="true"
        >${formatTick(tick)}</span
      >`,
  );
}

export function stepLabels(scale: Scale): Part {
  return scale.ticks.map((tick) => stepLabel(tick, scale.place(tick)));
}

function stepLabel(step: number, place: number): Html {
  const edge = place > 0.96 ? ' last' : place < 0.04 ? ' first' : '';
  return html`<span class="tick x${edge}" style="--at:${percent(place)}" aria-hidden="true"
    >${formatTick(step)}</span
  >`;
}

/** Horizontal lines at the ticks. */
export function rules(scale: Scale): Part {
  return scale.ticks.map(
    (tick) => html`<path class="rule" d="M0 ${round((1 - scale.place(tick)) * side)}H${side}" />`,
  );
}

/** A curve through points, as the `d` of a path. */
export function curvePath(steps: readonly number[], values: readonly number[], x: Scale, y: Scale): string {
  const points = steps.map(
    (step, i) => `${round(x.place(step) * side)} ${round((1 - y.place(values[i]!)) * side)}`,
  );
  return `M${points.join('L')}${points.length === 1 ? 'h0' : ''}`;
}

export function percent(place: number): string {
  return `${round(place * 100)}%`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10 + 0;
}
