import type { RunState } from '../../pipeline/runs/states.js';
import { type Html, html } from '../../stages/report/markup/html.js';

/** A run's state, told by its word and a mark as well as by colour. */
export function stateBadge(state: RunState): Html {
  return html`<span class="state ${state}">${state}</span>`;
}
