import { type Html, type Part, html } from '../markup/html.js';

/** A part of the page with a heading of its own. */
export interface Section {
  /** Id in the page. */
  readonly id: string;
  readonly title: string;
  /** The stage that it is about, where it is about one. */
  readonly stage?: string;
  /** What to know before looking, in a line. */
  readonly lead?: Part;
  readonly body: Html;
}

export function renderSection({ id, title, stage, lead, body }: Section): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title">
    <header>
      <h2 id="${id}-title">
        ${title}${stage !== undefined && html` <span class="stage-name">${stage}</span>`}
      </h2>
      ${lead !== undefined && html`<p class="lead">${lead}</p>`}
    </header>
    ${body}
  </section>`;
}
